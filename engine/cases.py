"""Runs the cases of a policy: decides each event and compares what came out with what must."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tidegate.dsl.diagnostics import nearest
from tidegate.engine.decision import Decision, Engine, EventRefused
from tidegate.engine.situation import Situation
from tidegate.rules.cases import Case, Expected, LocatedCase


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came out otherwise; both sides as a person reads them, and a way out."""

    what: str
    expected: str
    found: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case went; it passed where `differences` is empty. `decision` is None if refused."""

    located: LocatedCase
    differences: tuple[Difference, ...]
    decision: Decision | None

    @property
    def passed(self) -> bool:
        """Whether everything came out as it must."""
        return not self.differences


def run_case(engine: Engine, located: LocatedCase) -> CaseResult:
    """Decide the event of one case and compare."""
    case = located.case
    try:
        decision = _decide(engine, case)
    except EventRefused as refused:
        return CaseResult(located, tuple(_refusal(case.expect, refused)), None)
    return CaseResult(located, tuple(_differences(case.expect, decision)), decision)


def situation_of_case(engine: Engine, located: LocatedCase) -> Situation | None:
    """What a case decides from; None where the door refuses its event."""
    case = located.case
    event, body = next(iter(case.event.items()))
    try:
        return engine.situation(
            body, event, features=case.features, scores=case.scores, lists=case.lists
        )
    except EventRefused:
        return None


def _decide(engine: Engine, case: Case) -> Decision:
    event, body = next(iter(case.event.items()))
    return engine.decide(body, event, features=case.features, scores=case.scores, lists=case.lists)


def _refusal(expect: Expected, refused: EventRefused) -> Iterator[Difference]:
    codes = sorted({r.code for r in refused.refusals})
    if expect.refused is None:
        ways_out = dict.fromkeys(r.help for r in refused.refusals if r.help)
        yield Difference(
            "decision", f"outcome {expect.outcome}", f"refused: {refused}", "; ".join(ways_out)
        )
    elif sorted(set(expect.refused)) != codes:
        yield Difference("refused", _names(sorted(set(expect.refused))), _names(codes))


def _differences(expect: Expected, decision: Decision) -> Iterator[Difference]:
    outcome, record = decision.outcome, decision.record
    if expect.refused is not None:
        yield Difference("refused", _names(expect.refused), f"decided: {outcome.word}")
        return
    if expect.outcome != outcome.word:
        yield Difference("outcome", str(expect.outcome), outcome.word)
    if expect.reasons != list(outcome.reasons):
        wanted, declared = expect.reasons or (), {r.name for r in decision.program.reasons}
        near = _unknown("reason", wanted, declared)
        yield Difference("reasons", _names(wanted), _names(outcome.reasons), near)
    for what in ("disposition", "authentication", "review", "step_up", "points"):
        stated, found = getattr(expect, what), getattr(outcome, what)
        if stated is not None and stated != found:
            yield Difference(what, str(stated), str(found) or "none")
    yield from _rules("fired", expect.fired, record.rules.fired)
    yield from _rules("unknown", expect.unknown, record.rules.unknown)
    if expect.tags is not None and sorted(expect.tags) != list(outcome.tags):
        yield Difference("tags", _names(sorted(expect.tags)), _names(outcome.tags))
    if expect.advice is not None:
        advised, found = _advice(expect.advice), _advice(record.outcome.advice)
        if advised != found:
            yield Difference("advice", advised, found)


def _unknown(sort: str, stated: Iterable[str], known: Collection[str]) -> str:
    """Help with the names among `stated` that the policy does not have."""
    unknown = (name for name in stated if name not in known)
    return "; ".join(
        f"the policy has no {sort} `{name}`"
        + (f", {near}" if (near := nearest(name, known)) else "")
        for name in unknown
    )


def _advice(advice: Mapping[str, str | int | bool | Decimal]) -> str:
    return _names(f"{name} = {_canonical(value)}" for name, value in sorted(advice.items()))


def _canonical(value: str | int | bool | Decimal) -> str:
    """The value as a record holds it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _rules(what: str, wanted: list[str] | None, found: Iterable[str]) -> Iterator[Difference]:
    """Compare rules; a name without a version stands for any version of it."""
    if wanted is None:
        return
    ids = list(found)
    shown = [i if i in wanted else i.partition("@")[0] for i in ids]
    if sorted(set(wanted)) != sorted(set(shown)):
        yield Difference(what, _names(sorted(wanted)), _names(sorted(shown)))


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
