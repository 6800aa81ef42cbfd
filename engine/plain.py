"""Decisions in which no model can have mattered, by bit masks alone.

Where every model answered, no rule that is heard reads a score and nothing has to be said that
needs a look at the event, the outcome follows from which rules are true and which are unknown: the
highest rung that anybody asks for wins on each ladder. That is most decisions, and what takes most
time of the others (`authority`) is to find out that they are such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """One rung with the live rules that ask for it, and what each of them asks for there.

    `said` remembers what sets of rules said.
    """

    then: int
    unknown: int
    then_voices: tuple[Voice, ...]
    unknown_voices: tuple[Voice, ...]
    said: dict[tuple[int, int], tuple[Voice, ...]] = field(default_factory=dict)

    def say(self, asking: int, unsure: int) -> tuple[Voice, ...]:
        """What these rules ask for, in their order, each thing once."""
        said = []
        both = asking | unsure
        while both:
            # From the top: the highest bit is found without making another long integer.
            place = both.bit_length() - 1
            bit = 1 << place
            both ^= bit
            voices = self.unknown_voices if unsure & bit else self.then_voices
            said.append(voices[place])
        found = tuple(dict.fromkeys(reversed(said)))
        if len(self.said) >= MAX_REMEMBERED:
            self.said.clear()
        self.said[asking, unsure] = found
        return found


class PlainSettler:
    """The quick way to a decision for an event whose rules always stand alike."""

    def __init__(self, authority: Authority, standing: Standing) -> None:
        self.authority = authority
        self.standing = standing
        numbers: dict[tuple[Ask, ...], Voice] = {}
        self._ladders = tuple(
            (ladder, tuple(self._rungs(rungs, numbers)))
            for ladder, rungs in zip(LADDERS, authority.ladders, strict=True)
        )
        self._voices = list(numbers)
        self._outcomes: dict[object, Outcome] = {}
        scored = excepting = 0
        for clamp in _clamps(authority):
            scored |= clamp.readers
            excepting |= clamp.excepting
        # A rule that reads points may say something else once shadow rules add to them.
        reading = standing.shadow if authority.points_readers else 0
        self._at_length = scored | authority.advisers | reading
        self._at_length_silenced = scored | excepting

    def settle(self, found: Evaluation) -> Settled | None:
        """The decision; None where it takes a closer look. Every model is used and answered."""
        fired, unknown, silenced, points, _ = found
        heard = fired | unknown
        if heard & self._at_length or silenced & self._at_length_silenced:
            return None
        winners: tuple[tuple[str, int], ...] = ()
        voices: tuple[tuple[Voice, ...], ...] = ()
        for ladder, rungs in self._ladders:
            for rung in rungs:
                asking, unsure = fired & rung.then, unknown & rung.unknown
                if asking or unsure:
                    winners += ((ladder, asking | unsure),)
                    said = rung.said.get((asking, unsure))
                    voices += (rung.say(asking, unsure) if said is None else said,)
                    break
            else:
                voices += ((),)
        tags = self._tags(found) if heard & self.authority.taggers else ()
        key = voices, tags
        outcome = self._outcomes.get(key)
        if outcome is None:
            outcome = self._remembered(key, self._made(voices, tags))
        if points:
            outcome = outcome._replace(points=points)
        word = self._shadow_word(found) if heard & self.standing.shadow else outcome.word
        return Settled(outcome, found, self.standing, (), (), winners, word)

    def _remembered(self, key: object, outcome: Outcome) -> Outcome:
        if len(self._outcomes) >= MAX_REMEMBERED:
            self._outcomes.clear()
        self._outcomes[key] = outcome
        return outcome

    def _made(self, voices: Sequence[tuple[Voice, ...]], tags: tuple[str, ...]) -> Outcome:
        asks: dict[Ladder, tuple[Ask, ...]] = {
            ladder: tuple(ask for voice in said for ask in self._voices[voice])
            for ladder, said in zip(LADDERS, voices, strict=True)
            if said
        }
        rungs = [asks[ladder][0].rung if ladder in asks else None for ladder in LADDERS]
        return outcome_of(self._levels(rungs), asks, self.authority.ranks, tags=tags)

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

    def _rungs(
        self, rungs: Iterable[Rung], numbers: dict[tuple[Ask, ...], Voice]
    ) -> Iterator[_PlainRung]:
        """The rungs that a rule asks for: where no higher one is, nobody reaches any other."""
        rules, live = self.authority.event.rules, self.standing.live
        for rung in rungs:
            then = _voices_of(rung, [rule.then for rule in rules], live, numbers)
            unknown = _voices_of(rung, [rule.unknown for rule in rules], live, numbers)
            if then or unknown:
                yield _PlainRung(_mask(then), _mask(unknown), _listed(then), _listed(unknown))


def plain_settler(authority: Authority) -> PlainSettler | None:
    """The quick way, where the standing of the rules hangs on no event."""
    fixed = authority.roster.fixed
    return None if fixed is None else PlainSettler(authority, fixed)


def _clamps(authority: Authority) -> Iterator[Clamp]:
    yield authority.advising
    for rungs in authority.ladders:
        yield from (rung.clamp for rung in rungs)


def _voices_of(
    rung: Rung,
    actions: Sequence[Actions | None],
    live: int,
    numbers: dict[tuple[Ask, ...], Voice],
) -> dict[int, Voice]:
    """What each live rule asks for on exactly this rung, by the rule's place."""
    found = {}
    for place, one in enumerate(actions):
        asks = tuple(
            ask for ask in (one.asks if one is not None else ())
            if ask.ladder == rung.ladder and ask.rung == rung.rung
        )  # fmt: skip
        if asks and live >> place & 1:
            found[place] = numbers.setdefault(asks, len(numbers))
    return found


def _mask(places: Iterable[int]) -> int:
    return sum(1 << place for place in places)


def _listed(voices: Mapping[int, Voice]) -> tuple[Voice, ...]:
    return tuple(voices.get(place, 0) for place in range(max(voices, default=-1) + 1))


def _bits(mask: int) -> Iterator[int]:
    while mask:
        bit = mask & -mask
        mask ^= bit
        yield bit
