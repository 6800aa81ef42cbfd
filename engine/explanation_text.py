"""Explanations as plain text: what a terminal, a ticket or a console shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tidegate.engine.explanation import (
    AnalystExplanation,
    AtomExplanation,
    CustomerExplanation,
    ExceptionExplanation,
    Explanation,
    LadderExplanation,
    Reading,
    RuleExplanation,
)
from tidegate.engine.score_explanation import score_lines
from tidegate.engine.situation import Capped

_STATES = {
    "fired": "fired",
    "unknown": "is unknown",
    "silenced": "is silenced by an exception",
    "not_fired": "did not fire",
    "inactive": "is out of its dates",
}
_MARKS = {True: "yes", False: "no "}
_UNCERTAIN = {"unknown": "?  ", "masked": "-  "}


def render_explanation(explanation: Explanation) -> str:
    """The text of an explanation for either audience."""
    if isinstance(explanation, CustomerExplanation):
        return "\n".join(_customer_lines(explanation))
    return "\n".join(_analyst_lines(explanation))


def render_rule(rule: RuleExplanation) -> str:
    """The text about one rule."""
    return "\n".join(_rule_lines(rule))


def _customer_lines(explanation: CustomerExplanation) -> Iterator[str]:
    yield from explanation.messages
    if explanation.retry:
        yield f"trying again: {explanation.retry.replace('_', ' ')}"


def _analyst_lines(explanation: AnalystExplanation) -> Iterator[str]:
    yield f"{explanation.event} {explanation.key}: {explanation.word}"
    for name, text in explanation.reasons:
        yield f"  reason {name}: {text}" if text else f"  reason {name}"
    for ladder in explanation.ladders:
        yield from _ladder_lines(ladder)
    if not explanation.ladders:
        yield "no rule asked for anything: the event's default stands"
    yield from (_capped_line(capped) for capped in explanation.capped)
    yield from (f"score not read: {model}, for {why}" for model, why in explanation.unread)
    yield from (f"missing: {name} ({why})" for name, why in explanation.missing)
    for score in explanation.scores:
        yield from score_lines(score)
    yield from _rules("unknown", explanation.unknown)
    yield from _rules("silenced", explanation.silenced)
    yield from _rules("in the shadow", explanation.shadow)
    if explanation.shadow_word != explanation.word:
        yield f"with all shadow rules live: {explanation.shadow_word}"


def _ladder_lines(ladder: LadderExplanation) -> Iterator[str]:
    yield f"{ladder.ladder}: {ladder.rung}"
    for rule in (*ladder.rules, *ladder.adders):
        yield from _indented(_rule_lines(rule, alone=rule.rule in ladder.alone))
    yield from (f"  because {model} gave no score" for model in ladder.models)


def _rules(title: str, rules: Iterable[RuleExplanation]) -> Iterator[str]:
    for number, rule in enumerate(rules):
        if number == 0:
            yield f"{title}:"
        yield from _indented(_rule_lines(rule))


def _rule_lines(rule: RuleExplanation, *, alone: bool = False) -> Iterator[str]:
    shadow = "" if rule.live or rule.state == "inactive" else ", in the shadow"
    standing = f": {rule.standing}" if rule.standing else ""
    decisive = ", alone" if alone else ""
    yield f"{rule.rule} {_STATES[rule.state]}{shadow}{standing}{decisive}"
    if rule.text:
        yield f"  {rule.text}"
    yield from _indented(map(_atom_line, rule.atoms))
    for exception in rule.exceptions:
        yield from _indented(_exception_lines(exception))
    if rule.actions:
        yield f"  {_verb(rule)} {', '.join(rule.actions)}"
    yield from (f"  score not read here: {model}, for {why}" for model, why in rule.unread)
    yield from _indented(map(_capped_line, rule.capped))


def _verb(rule: RuleExplanation) -> str:
    if rule.state not in ("fired", "unknown"):
        return "would then"
    return "then" if rule.live else "would"


def _exception_lines(exception: ExceptionExplanation) -> Iterator[str]:
    yield f"except when {exception.condition}: {exception.state}"
    yield from _indented(map(_atom_line, exception.atoms))


def _atom_line(atom: AtomExplanation) -> str:
    mark = _UNCERTAIN.get(atom.state) or _MARKS[atom.met]
    # What was compared comes first, and with it how far it lay from the threshold.
    first, *others = [*map(_reading, atom.readings), ""]
    values = ", ".join(filter(None, (f"{first}{_distance(atom)}", *others)))
    return f"{mark} {atom.condition}" + (f"   [{values}]" if values else "")


def _reading(reading: Reading) -> str:
    if reading.text is None:
        return f"{reading.name} is missing: {reading.reason.replace('_', ' ')}"
    return f"{reading.name} is {reading.text}"


def _distance(atom: AtomExplanation) -> str:
    if atom.side == "equal":
        return ", just at it"
    return f", {atom.distance} {atom.side} {atom.threshold}" if atom.side else ""


def _capped_line(capped: Capped) -> str:
    models = " and ".join(capped.models) or "the models"
    return f"capped: {capped.ladder} {capped.rung} is beyond what {models} may cause"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
