"""Decisions in which no model can have mattered, by bit masks alone.

Where every model answered, no rule that is heard reads a score and nothing has to be said that
needs a look at the event, the outcome follows from which rules are true and which are unknown: the
highest rung that anybody asks for wins on each ladder. That is most decisions, and what takes most
time of the others (`authority`) is to find out that they are such.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tidegate.dsl.program import (
    LADDERS,
    Actions,
    Ask,
    Authentication,
    Disposition,
    Ladder,
    Review,
)
from tidegate.engine.authority import MAX_REMEMBERED, Authority, Clamp, Rung
from tidegate.engine.outcome import Levels, outcome_of
from tidegate.engine.situation import Evaluation, Outcome, Settled, Standing

Voice = int
"""The number of a tuple of asks: rules that ask for the same have the same voice."""


@dataclass(frozen=True, slots=True)
class _PlainRung:
    """One rung with the live rules that reach it, and what each of them asks for there."""

    rung: int
    then: int
    unknown: int
    then_voices: dict[int, Voice]
    unknown_voices: dict[int, Voice]


@dataclass(slots=True)
class PlainSettler:
    """The quick way to a decision for an event whose rules always stand alike."""

    authority: Authority
    standing: Standing
    ladders: tuple[tuple[_PlainRung, ...], ...] = field(init=False)
    _voices: list[tuple[Ask, ...]] = field(default_factory=list, init=False)
    _outcomes: dict[object, Outcome] = field(default_factory=dict, init=False)
    _scored: int = field(default=0, init=False)
    _excepting: int = field(default=0, init=False)
    _at_length: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        authority = self.authority
        numbers: dict[tuple[Ask, ...], Voice] = {}
        self.ladders = tuple(
            tuple(self._plain(rung, numbers) for rung in rungs) for rungs in authority.ladders
        )
        self._voices = list(numbers)
        for clamp in _clamps(authority):
            self._scored |= clamp.readers
            self._excepting |= clamp.excepting
        self._at_length = authority.advisers
        if authority.points_readers:
            self._at_length |= self.standing.shadow

    def settle(self, found: Evaluation) -> Settled | None:
        """The decision; None where it takes a closer look. Every model answered."""
        fired, unknown, silenced = found.fired, found.unknown, found.silenced
        heard = fired | unknown
        if (
            heard & self._at_length
            or (heard | silenced) & self._scored
            or silenced & self._excepting
        ):
            return None
        winners: list[tuple[str, int]] = []
        voices: list[tuple[Voice, ...]] = []
        for ladder, rungs in zip(LADDERS, self.ladders, strict=True):
            said: tuple[Voice, ...] = ()
            for rung in rungs:
                bits = fired & rung.then | unknown & rung.unknown
                if bits:
                    winners.append((ladder, bits))
                    said = _said(rung, bits, fired)
                    break
            voices.append(said)
        tags = self._tags(found) if heard & self.authority.taggers else ()
        outcome = self._outcome((*voices, tags, found.points))
        word = self._shadow_word(found) if heard & self.standing.shadow else outcome.word
        return Settled(outcome, found, self.standing, (), (), tuple(winners), word)

    def _outcome(self, key: tuple[object, ...]) -> Outcome:
        known = self._outcomes.get(key)
        if known is None:
            if len(self._outcomes) >= MAX_REMEMBERED:
                self._outcomes.clear()
            known = self._outcomes[key] = self._made(*key)  # type: ignore[arg-type]
        return known

    def _made(
        self,
        disposition: tuple[Voice, ...],
        authentication: tuple[Voice, ...],
        review: tuple[Voice, ...],
        tags: tuple[str, ...],
        points: int,
    ) -> Outcome:
        said = zip(LADDERS, (disposition, authentication, review), strict=True)
        asks: dict[Ladder, tuple[Ask, ...]] = {
            ladder: tuple(ask for voice in voices for ask in self._voices[voice])
            for ladder, voices in said
            if voices
        }
        rungs = [asks[ladder][0].rung if ladder in asks else None for ladder in LADDERS]
        return outcome_of(self._levels(rungs), asks, self.authority.ranks, tags=tags, points=points)

    def _levels(self, rungs: Sequence[int | None]) -> Levels:
        disposition, authentication, review = rungs
        default = self.authority.event.default or Disposition.APPROVE
        return Levels(
            default if disposition is None else Disposition(disposition),
            Authentication.NONE if authentication is None else Authentication(authentication),
            None if review is None else Review(review),
        )

    def _tags(self, found: Evaluation) -> tuple[str, ...]:
        live = self.standing.live & self.authority.taggers
        tags: set[str] = set()
        for bit in _bits((found.fired | found.unknown) & live):
            rule = self.authority.event.rules[bit.bit_length() - 1]
            actions = rule.then if found.fired & bit else rule.unknown
            tags.update(actions.tags if actions is not None else ())
        return tuple(sorted(tags))

    def _shadow_word(self, found: Evaluation) -> str:
        """The word had every shadow rule been live; no rule reads points, so none changes."""
        rungs = (self._highest(rungs, found) for rungs in self.authority.ladders)
        return outcome_of(self._levels(list(rungs))).word

    def _highest(self, rungs: tuple[Rung, ...], found: Evaluation) -> int | None:
        everyone = self.standing.live | self.standing.shadow
        return next((rung.rung for rung in rungs if rung.asked(found, everyone)), None)

    def _plain(self, rung: Rung, numbers: dict[tuple[Ask, ...], Voice]) -> _PlainRung:
        rules, live = self.authority.event.rules, self.standing.live

        def voices(bits: int, of: str) -> dict[int, Voice]:
            found = {}
            for bit in _bits(bits):
                actions: Actions = getattr(rules[bit.bit_length() - 1], of)
                asks = tuple(
                    ask for ask in actions.asks
                    if ask.ladder == rung.ladder and ask.rung == rung.rung
                )  # fmt: skip
                found[bit] = numbers.setdefault(asks, len(numbers))
            return found

        then, unknown = rung.then & live, rung.unknown & live
        return _PlainRung(
            rung.rung, then, unknown, voices(then, "then"), voices(unknown, "unknown")
        )


def plain_settler(authority: Authority) -> PlainSettler | None:
    """The quick way, where the standing of the rules hangs on no event."""
    fixed = authority.roster.fixed
    return None if fixed is None else PlainSettler(authority, fixed)


def _clamps(authority: Authority) -> Iterator[Clamp]:
    yield authority.advising
    for rungs in authority.ladders:
        yield from (rung.clamp for rung in rungs)


def _said(rung: _PlainRung, bits: int, fired: int) -> tuple[Voice, ...]:
    """What these rules ask for, in their order, each thing once."""
    said: dict[Voice, None] = {}
    while bits:
        bit = bits & -bits
        bits ^= bit
        said[rung.then_voices[bit] if fired & bit else rung.unknown_voices[bit]] = None
    return tuple(said)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        bit = mask & -mask
        mask ^= bit
        yield bit
