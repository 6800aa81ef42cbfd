"""Asking every evaluator for the value of a question, alone or in a batch of its shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.conformance.translation import Question
from tests.fuzz_agreement import evaluations_of
from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.formatter import format_source
from tidegate.dsl.parser import parse
from tidegate.dsl.program import EventType, Program
from tidegate.dsl.source import Source
from tidegate.dsl.types import Kind, Value
from tidegate.engine.column_batch import collect
from tidegate.engine.columns import ColumnEvaluator, EventPlan
from tidegate.engine.generated import INDEX_FROM, compile_event
from tidegate.engine.interpreter import evaluate
from tidegate.engine.situation import Evaluation, Situation

HEAD = """policy vectors language 1
  "Foreign vectors"
  currency EUR
  timezone "UTC"

event payment decided by default approve
  "Whatever the vector reads"
  silent review
  id     text key
  at     time
"""
_SAME, _NONE = 1, 2
MAY_BE_UNKNOWN = "TG411"


@dataclass(frozen=True)
class Refused:
    """The policy does not compile."""

    problems: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Compiled:
    """Every evaluator of one policy text."""

    program: Program
    event: EventType

    def answers(self, situations: Sequence[Situation]) -> list[list[Evaluation]]:
        """What the interpreter, branching code, the index and columns say, each for every row."""
        program, event = self.program, self.event
        branching, index = (
            compile_event(program, event, {}, index_from=size) for size in (INDEX_FROM, 1)
        )
        masks = ColumnEvaluator(EventPlan(program, event)).evaluate(collect(event, situations))
        return [
            [evaluate(program, situation) for situation in situations],
            [branching.evaluate(situation) for situation in situations],
            [index.evaluate(situation) for situation in situations],
            evaluations_of(masks),
        ]


def text_of(question: Question) -> str:
    """The policy that asks: is it the expected value, and is it missing?"""
    lines = [HEAD]
    for name, (kind, optional, _) in question.fields.items():
        lines.append(f"  {name} {kind.value}{'?' if optional else ''}\n")
    if question.kind is Kind.FLAG:
        lines.append(_rule("same", question.text))
        return "".join(lines)
    lines.append(f"  expected {question.kind.value}?\n" if question.kind else "")
    lines.append(_rule("same", f"{question.text} = expected"))
    lines.append(_rule("none", f"{question.text} is missing"))
    return "".join(lines)


def _rule(name: str, condition: str) -> str:
    return f'\nrule {name} version 1\n  when {condition}\n  then tag "{name}"\n'


def compiled(text: str) -> Compiled | Refused:
    """The policy from its text, printed and read again on the way."""
    checked = check([parse(Source("vectors.tide", text)).file])
    problems = _errors(text)
    for rule in ("same", "none"):
        if any(p.code == MAY_BE_UNKNOWN and f"`{rule}`" in p.message for p in problems):
            text = text.replace(f'"{rule}"\n', f'"{rule}"\n  if unknown then skip\n')
    formatted = format_source(Source("vectors.tide", text))
    problems = _errors(text)
    if problems:
        return Refused(problems)
    printed = formatted.text
    assert printed is not None, formatted
    checked = check([parse(Source("vectors.tide", printed)).file])
    assert checked.program is not None
    (event,) = checked.program.events
    return Compiled(checked.program, event)


def _errors(text: str) -> tuple[Diagnostic, ...]:
    parsed = parse(Source("vectors.tide", text))
    found = (*parsed.diagnostics, *check([parsed.file]).diagnostics)
    return tuple(d for d in found if d.severity is Severity.ERROR)


def situation_of(policy: Compiled, question: Question, value: Value | None) -> Situation:
    """The event that holds the question's values, and `value` as the expected one."""
    known: dict[str, Value | None] = {name: held for name, (_, _, held) in question.fields.items()}
    known |= {"id": "v", "at": 0, "expected": value}
    return Situation(
        policy.event, tuple(known[entry.name] for entry in policy.event.inputs), {}, {}
    )


def answer(policy: Compiled, question: Question, found: Evaluation) -> str:
    """`true`, `false` or `null` of a condition; `same`, `other` or `null` of a value."""
    bits = {rule.id.partition("@")[0]: 1 << i for i, rule in enumerate(policy.event.rules)}
    if question.kind is Kind.FLAG:
        if found.unknown & bits["same"]:
            return "null"
        return "true" if found.fired & bits["same"] else "false"
    if found.fired & bits["none"]:
        return "null"
    return "same" if found.fired & bits["same"] else "other"


def wanted(question: Question, value: Value | None) -> str:
    """The answer that agrees."""
    if value is None:
        return "null"
    if question.kind is not Kind.FLAG:
        return "same"
    return "true" if value else "false"
