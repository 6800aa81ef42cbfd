"""Decision tables at random: what rows answer follows from what each says by itself.

A table is read three ways: with `rows all`, which tells where each row holds; with `rows first`,
which has to follow from that; and with `rows one`, which compiles only where it is so. What is said
of a table (gaps, rows never reached) has to be true of every situation.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from random import Random

from tests.fuzz_agreement import Fault, disagreement
from tests.policies_generated import (
    AMOUNTS,
    CHANNEL,
    COUNTRIES,
    DECIMALS,
    GRADE,
    TEXTS,
    Draft,
    GeneratedPolicy,
    compiled,
)
from tests.situations_generated import generated_lists, generated_situations
from tidegate.dsl import tree
from tidegate.dsl.parser import parse
from tidegate.dsl.program import EventType
from tidegate.dsl.source import Source
from tidegate.engine.interpreter import evaluate
from tidegate.engine.situation import Situation

SITUATIONS = 30
_LITERALS = {
    "count": ("0", "1", "2", "10"), "number": DECIMALS[:6], "duration": ("0s", "90s", "1h", "1d"),
    "flag": ("true", "false"), "text": tuple(f'"{t}"' for t in TEXTS[:5]),
    "country": tuple(f'"{c}"' for c in COUNTRIES),
}  # fmt: skip


def decision_differs(policy: GeneratedPolicy, rng: Random, seen: Counter[str]) -> Fault | None:
    """What a table over the policy's payments says otherwise than its rows."""
    needed = [d for d in policy.drafts if d.needed]
    event = next(d for d in needed if (d.kind, d.name) == ("event", "payment"))
    (declared,) = parse(Source("event.tide", event.full())).file.declarations
    assert isinstance(declared, tree.EventDeclaration)
    text = _table(rng, declared, policy.program.currency)
    readings = {hit: _compiled(needed, text, hit) for hit in ("all", "first", "one")}
    every, first = readings["all"], readings["first"]
    if every is None or first is None:
        return Fault(f"a table does not compile\n{text}")
    seen["decision tables"] += 1
    return _judged(rng, text, readings["one"] is not None, (every, first))


def _judged(
    rng: Random, text: str, one: bool, readings: tuple[GeneratedPolicy, GeneratedPolicy]
) -> Fault | None:
    every, first = readings
    own, other = every.program.event("payment"), first.program.event("payment")
    lists = generated_lists(rng, every.program)
    situations = generated_situations(rng, every.program, own, lists, SITUATIONS)
    moved = [replace(s, event=other) for s in situations]
    if fault := disagreement(first.program, other, [moved], rng):
        return Fault(f"{fault.what}\n{text}", fault.situation)
    said = [d for d in first.diagnostics if d.code in ("TG242", "TG243")]
    idle = {re.findall(r"row `(\w+)`", d.message)[0] for d in said if d.code == "TG243"}
    gap = any(d.code == "TG242" for d in said) or "else" in text or not _is_plain(text)
    for situation, after in zip(situations, moved, strict=True):
        rows = _truths(every, own, situation)
        answers = _truths(first, other, after)
        before: list[bool | None] = []
        for name, truth in rows.items():
            if name != "else" and answers[name] != _and(truth, *map(_not, before)):
                return Fault(f"row {name} of the first rows answers otherwise\n{text}", after)
            before += [truth] if name != "else" else []
        if any(answers[name] for name in idle):
            return Fault(f"a row that is said to be idle answers: {idle}\n{text}", after)
        if not gap and True not in rows.values() and None not in rows.values():
            return Fault(f"no row answers, and no gap was said\n{text}", after)
        if one and sum(rows[n] is True for n in rows if n != "else") > 1:
            return Fault(f"two rows answer where one was promised\n{text}", after)
    return None


def _is_plain(text: str) -> bool:
    """Whether gaps are found: lists and patterns are not judged."""
    return not re.search(r" (in blocked|like|in eea|starts)", text)


def _compiled(needed: list[Draft], text: str, hit: str) -> GeneratedPolicy | None:
    """The policy with the table, with `if unknown` where it needs one."""
    text = text.replace("rows HIT", f"rows {hit}")
    for tail in ("", "\n  if unknown then skip"):
        found = compiled([*needed, Draft("decision", "grid", text + tail)])
        if isinstance(found, GeneratedPolicy):
            return found
    return None


def _truths(
    policy: GeneratedPolicy, event: EventType, situation: Situation
) -> dict[str, bool | None]:
    """What each row's rule says, in the order of the table."""
    found = evaluate(policy.program, situation)
    truths = {
        rule.name.removeprefix("grid_"): True
        if found.fired >> bit & 1
        else None
        if found.unknown >> bit & 1
        else False
        for bit, rule in enumerate(event.rules)
    }
    return dict(sorted(truths.items()))


def _and(*parts: bool | None) -> bool | None:
    return False if False in parts else None if None in parts else True


def _not(part: bool | None) -> bool | None:
    return None if part is None else not part


# --- one table -----------------------------------------------------------------------------------


def _table(rng: Random, event: tree.EventDeclaration, unit: str) -> str:
    fields = [f for f in event.fields if f.type.word in (*_LITERALS, "money", "one of")]
    columns = rng.sample(fields, rng.randint(1, 3))
    lines = ["decision grid version 1", "  on payment"]
    lines += [f"  columns {', '.join(c.name.text for c in columns)}", "  rows HIT"]
    for number in range(rng.randint(2, 5)):
        cells = ", ".join(_cell(rng, column, unit) for column in columns)
        lines.append(f'  row r{number} {cells} then tag "{number}"')
    if rng.random() < 0.3:
        lines.append('  else tag "else"')
    return "\n".join(lines)


def _cell(rng: Random, column: tree.FieldDeclaration, unit: str) -> str:
    if rng.random() < 0.25:
        return "any"
    if rng.random() < 0.1:
        return rng.choice(("missing", "present"))
    word = column.type.word
    first, second = (_literal(rng, column, unit) for _ in range(2))
    if word == "flag":
        return first
    if word in ("text", "country", "one of"):
        return rng.choice((first, f"!= {first}", f"in ({first}, {second})", f"not in ({first})"))
    ordered = rng.choice(("<", "<=", ">", ">=", "=", "!="))
    return rng.choice((first, f"{ordered} {first}", f"{ordered} {first}", f"not in ({first})"))


def _literal(rng: Random, column: tree.FieldDeclaration, unit: str) -> str:
    word = column.type.word
    if word == "money":
        return f"{rng.choice(AMOUNTS[:8])} {unit}"
    if word == "one of":
        kind = CHANNEL if column.name.text == "channel" else GRADE
        return f'"{rng.choice(kind.words)}"'
    return rng.choice(_LITERALS[word])
