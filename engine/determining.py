"""Which rules led to the outcome, and which of them alone.

For each ladder: the live rules that ask for the winning rung, the adders behind the points that a
winning rule read, and the rules without any one of which the ladder would end elsewhere. The last
is found out by settling once more with the rule taken out, not by argument.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.dsl.program import LADDERS, RUNGS, Disposition, Ladder, Model, Program, Rule
from tidegate.engine.authority import Authority, Evaluate, clamped
from tidegate.engine.interpreter import Found, actions_of, evaluate_as, used_here
from tidegate.engine.record import Determining
from tidegate.engine.situation import Evaluation, Settled, Situation, Standing


def determining(
    authority: Authority, situation: Situation, settled: Settled, evaluate: Evaluate
) -> dict[str, Determining]:
    """By ladder that somebody asked on, what led to its rung."""
    search = _Search(authority, situation, settled, evaluate)
    winners = dict(settled.winners)
    found: dict[str, Determining] = {}
    for ladder in LADDERS:
        if ladder in winners:
            found[ladder] = search.of(ladder, ladder, winners[ladder])
    if _is_raised(authority, settled):
        found["disposition"] = search.of("disposition", "review", winners["review"])
    return found


def _is_raised(authority: Authority, settled: Settled) -> bool:
    """Whether only a review before the payment put the disposition where it is."""
    default = authority.event.default or Disposition.APPROVE
    asked = "disposition" in dict(settled.winners) or "review" not in dict(settled.winners)
    return not asked and default.name.lower() != settled.outcome.disposition


class _Search:
    """The search for one decision; lives for one call."""

    def __init__(
        self, authority: Authority, situation: Situation, settled: Settled, evaluate: Evaluate
    ) -> None:
        self.authority = authority
        self.situation = situation
        self.settled = settled
        self.evaluate = evaluate

    def of(self, ladder: Ladder, asked_on: Ladder, winners: int) -> Determining:
        """What led to the rung on `ladder`, which was asked for on `asked_on`."""
        rung = int(RUNGS[asked_on][getattr(self.settled.outcome, asked_on).upper()])
        adders = self._adders(asked_on, rung) if winners & self.authority.points_readers else 0
        return Determining(
            rules=self._ids(winners),
            models=tuple(m.name for m in self._models(asked_on, rung, bool(adders))),
            adders=self._ids(adders),
            alone=self._ids(self._alone(ladder, winners, adders)),
        )

    def _ids(self, bits: int) -> tuple[str, ...]:
        return tuple(self.authority.event.rules[i].id for i in indices(bits))

    def _adders(self, ladder: Ladder, rung: int) -> int:
        """The live rules that raised the points in the evaluation that won the rung."""
        clamp = clamped(self.authority.program, self.authority.event, ladder, rung)
        found = self.evaluate(self.authority.program, self.situation, clamp)
        acting = (found.fired | found.unknown) & self.settled.standing.live
        return sum(1 << i for i in indices(acting) if self._points(i, found) > 0)

    def _points(self, index: int, found: Evaluation) -> int:
        return actions_of(self.authority.event.rules[index], state_of(index, found)).points

    def _models(self, ladder: Ladder, rung: int, points_won: bool) -> Iterator[Model]:
        used = used_here(self.authority.program, self.situation)
        for model in (model for model in used if not model.shadow):
            status = self.situation.statuses.get(model.name, "unavailable")
            may = status == "unavailable" or rung <= model.ceiling(ladder)
            actions = model.unavailable
            asks = any(ask.ladder == ladder and ask.rung == rung for ask in actions.asks)
            if status != "ok" and may and (asks or (points_won and actions.points > 0)):
                yield model

    def _alone(self, ladder: Ladder, winners: int, adders: int) -> int:
        return sum(1 << i for i in indices(winners | adders) if self._decides(i, ladder, winners))

    def _decides(self, index: int, ladder: Ladder, winners: int) -> bool:
        # Where another rule asks for the same rung whatever the points are, the rung stands.
        if winners & ~(1 << index) & ~self.authority.points_readers:
            return False
        settled = self.authority.settle(self.situation, self._without(index))
        before, after = self.settled.outcome, settled.outcome
        return bool(getattr(before, ladder) != getattr(after, ladder))

    def _without(self, index: int) -> Evaluate:
        def evaluate_without(
            program: Program, situation: Situation, clamp: frozenset[str]
        ) -> Evaluation:
            found = self.evaluate(program, situation, clamp)
            if self.authority.points_readers and self._points(index, found):
                return self._with_other_points(index, clamp, found)
            gone = ~(1 << index)
            return Evaluation(
                found.fired & gone,
                found.unknown & gone,
                found.silenced & gone,
                found.points,
                found.all_points,
            )

        return evaluate_without

    def _with_other_points(
        self, index: int, clamp: frozenset[str], found: Evaluation
    ) -> Evaluation:
        """`found` with the rule gone and the rules that read points evaluated again."""
        readers, standing = self.authority.points_readers, self.settled.standing
        again = (adding_rules(self.authority) | readers) & ~(1 << index)
        part = Standing(standing.live & again, standing.shadow & again)
        fresh = evaluate_as(self.authority.program, self.situation, clamp, part)
        kept = ~(readers | 1 << index)
        return Evaluation(
            found.fired & kept | fresh.fired & readers,
            found.unknown & kept | fresh.unknown & readers,
            found.silenced & kept | fresh.silenced & readers,
            fresh.points,
            fresh.all_points,
        )


def indices(bits: int) -> Iterator[int]:
    """The positions of the set bits, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def state_of(index: int, found: Evaluation) -> Found:
    """What the evaluation says of the rule with this bit."""
    states: tuple[tuple[int, Found], ...] = (
        (found.fired, "fired"), (found.unknown, "unknown"), (found.silenced, "silenced")
    )  # fmt: skip
    return next((state for mask, state in states if mask >> index & 1), "no")


def adding_rules(authority: Authority) -> int:
    """The bits of the rules that may add points or take some away."""
    rules = enumerate(authority.event.rules)
    return sum(1 << i for i, rule in rules if rule.then.points or _unknown_points(rule))


def _unknown_points(rule: Rule) -> int:
    return rule.unknown.points if rule.unknown is not None else 0
