"""Decisions in which no model can have mattered, by bit masks alone, as generated code.

Where every model answered, no rule that is heard reads a score and nothing has to be said that
needs a look at the event, the outcome follows from which rules are true and which are unknown: the
highest rung that anybody asks for wins on each ladder. That is most decisions, and what takes most
time of the others (`authority`) is to find out that they are such.

The lines that are made here stand behind those that work the masks out. They ask rung by rung from
the highest down and walk the rules that won from the last to the first, for the highest bit of a
long integer is found without making another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from tidegate.engine.outcome import Levels, ladders_heard, outcome_of
from tidegate.engine.situation import Evaluation, Outcome, Settled, Standing

Bind = Callable[[object], str]
Asks = tuple[Ask, ...]
_BITS = tuple(1 << length >> 1 for length in range(4_097))
"""Bits by their length: to look one up is faster than to make it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The names of what was found, "0" where it is never anything else."""

    fired: str
    unknown: str
    silenced: str
    points: str
    all_points: str

    @property
    def heard(self) -> str:
        """The rules that are true or unknown."""
        masks = [name for name in (self.fired, self.unknown) if name != "0"]
        return " | ".join(masks) or "0"

    @property
    def all(self) -> str:
        """Everything, in the order of an evaluation."""
        names = self.fired, self.unknown, self.silenced, self.points, self.all_points
        return ", ".join(names)


@dataclass(frozen=True, slots=True)
class _PlainRung:
    """One rung, and what each live rule that is true or unknown asks for there, by its place."""

    ladder: Ladder
    rung: int
    then: Mapping[int, Asks]
    unknown: Mapping[int, Asks]


class _Outcomes(dict[tuple[Any, ...], Outcome]):
    """Outcomes without tags and points, by what was asked for.

    A key is the rung of the disposition, what is asked of the authentication (a bit each, see
    `bits_of`), the rung of the review (None where nobody asks) and the voices that spoke, last
    reason first. A voice stands for reasons that one rule gives.
    """

    def __init__(self, default: Disposition, ranks: Mapping[str, int]) -> None:
        super().__init__()
        self._default = default
        self._ranks = ranks
        self._asks: list[Ask] = []
        self._voices: list[tuple[str, ...]] = []
        self._endings: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def bits_of(self, asks: Iterable[Ask]) -> int:
        """The bits that stand for asks of authentication, reasons aside."""
        nameless = [replace(ask, reason="") for ask in asks]
        return _mask({_place(self._asks, ask) for ask in nameless})

    def voices(self, asks: Mapping[int, Asks]) -> tuple[int, ...]:
        """By the bit length of a rule's bit, the voice it speaks with."""
        reasons = {
            place: tuple(ask.reason for ask in own if ask.reason) for place, own in asks.items()
        }
        return tuple(
            _place(self._voices, reasons.get(place, ()))
            for place in range(-1, max(asks, default=-1) + 1)
        )

    def __missing__(self, key: tuple[Any, ...]) -> Outcome:
        ending = self._endings.get(key[:3])
        if ending is None:
            ending = self._endings[key[:3]] = self._ending(*key[:3])
        known = self._voices
        # Once here, for a few voices take long turns; then once more, for two may share a reason.
        said = [reason for voice in dict.fromkeys(key[:2:-1]) for reason in known[voice]]
        found = Outcome._make((*ending, tuple(dict.fromkeys(said)), (), (), 0))
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        self[key] = found
        return found

    def _ending(self, disposition: int | None, bits: int, review: int | None) -> tuple[Any, ...]:
        """The parts of an outcome before the reasons."""
        asks = tuple(self._asks[place] for place in _places(bits))
        levels = self.levels((disposition, asks[0].rung if asks else None, review))
        return outcome_of(levels, {"authentication": asks}, self._ranks)[:6]

    def levels(self, rungs: Sequence[int | None]) -> Levels:
        """The rungs, where nobody asks for one the lowest."""
        disposition, authentication, review = rungs
        return Levels(
            self._default if disposition is None else Disposition(disposition),
            Authentication.NONE if authentication is None else Authentication(authentication),
            None if review is None else Review(review),
        )


class PlainSettler:
    """The quick way to a decision for an event whose rules always stand alike."""

    def __init__(self, authority: Authority, standing: Standing) -> None:
        self.authority = authority
        self.standing = standing
        default = authority.event.default or Disposition.APPROVE
        self._outcomes = _Outcomes(default, authority.ranks)
        self._ladders = tuple(tuple(self._rungs(rungs)) for rungs in authority.ladders)
        scored = excepting = 0
        for clamp in _clamps(authority):
            scored |= clamp.readers
            excepting |= clamp.excepting
        # A rule that reads points may say something else once shadow rules add to them.
        reading = standing.shadow if authority.points_readers else 0
        self._at_length = scored | authority.advisers | reading
        self._at_length_silenced = scored | excepting

    # --- lines

    def needs_a_closer_look(self, bind: Bind, answers: Answers) -> str:
        """A condition that holds where these lines do not do; empty where they always do."""
        tests = [
            f"({names}) & {bind(mask)}"
            for names, mask in (
                (answers.heard, self._at_length), (answers.silenced, self._at_length_silenced),
            )
            if mask and names != "0"
        ]  # fmt: skip
        return " or ".join(tests)

    def lines(self, bind: Bind, answers: Answers) -> Iterator[str]:
        """Lines that leave the decision in `y`."""
        yield "f = h = None"
        yield "g = 0"
        yield "w = ()"
        yield f"fr = gr = hr = {bind(())}"
        for rungs, name in zip(self._ladders, "fgh", strict=True):
            yield from _LadderLines(name, bind, answers, self._outcomes).lines(rungs)
        new, heard, outcomes = bind(tuple.__new__), answers.heard, bind(self._outcomes)
        usual = f"z = {outcomes}[f, g, h, *hr, *gr, *fr]"
        if self._raises():
            yield f"if h == {int(Review.BEFORE)} and f is None: z = {outcomes}[f, g, h, *gr, *hr]"
            usual = f"else: {usual}"
        yield usual
        if answers.points != "0":
            yield f"if {answers.points}: z = {new}({bind(Outcome)}, (*z[:9], {answers.points}))"
        tagging = self.authority.taggers & self.standing.live
        if tagging and heard != "0":
            tags = f"{bind(self._tags)}({answers.fired}, {answers.unknown})"
            yield f"if ({heard}) & {bind(tagging)}:"
            yield f" z = {new}({bind(Outcome)}, (*z[:7], {tags}, *z[8:]))"
        word = "z[0]"
        if self.standing.shadow and heard != "0":
            yield "x = z[0]"
            yield f"if ({heard}) & {bind(self.standing.shadow)}:"
            yield f" x = {bind(self._shadow_word)}({answers.fired}, {answers.unknown})"
            word = "x"
        found = f"{new}({bind(Evaluation)}, ({answers.all}))"
        settled = f"(z, {found}, {bind(self.standing)}, (), (), w, {word})"
        yield f"y = {new}({bind(Settled)}, {settled})"

    def _raises(self) -> bool:
        """Whether a review before, where nobody asks for a disposition, takes its place."""
        levels = self._outcomes.levels((None, None, Review.BEFORE))
        return ladders_heard(levels) != LADDERS

    # --- what generated code calls

    def _tags(self, fired: int, unknown: int) -> tuple[str, ...]:
        tagging = self.standing.live & self.authority.taggers & (fired | unknown)
        tags: set[str] = set()
        for place in _places(tagging):
            rule = self.authority.event.rules[place]
            actions = rule.then if fired >> place & 1 else rule.unknown
            tags.update(actions.tags if actions is not None else ())
        return tuple(sorted(tags))

    def _shadow_word(self, fired: int, unknown: int) -> str:
        """The word had every shadow rule been live; no rule reads points, so none changes."""
        found = Evaluation(fired, unknown, 0, 0, 0)
        rungs = [self._highest(rungs, found) for rungs in self.authority.ladders]
        return outcome_of(self._outcomes.levels(rungs)).word

    def _highest(self, rungs: tuple[Rung, ...], found: Evaluation) -> int | None:
        everyone = self.standing.live | self.standing.shadow
        return next((rung.rung for rung in rungs if rung.asked(found, everyone)), None)

    # --- rungs

    def _rungs(self, rungs: Iterable[Rung]) -> Iterator[_PlainRung]:
        """The rungs that a rule asks for: where no higher one is, nobody reaches any other."""
        rules = self.authority.event.rules
        for rung in rungs:
            then = self._asks(rung, [rule.then for rule in rules])
            unknown = self._asks(rung, [rule.unknown for rule in rules])
            if then or unknown:
                yield _PlainRung(rung.ladder, rung.rung, then, unknown)

    def _asks(self, rung: Rung, actions: Sequence[Actions | None]) -> dict[int, Asks]:
        """What each live rule asks for on exactly this rung, by the rule's place."""
        found = {}
        for place, one in enumerate(actions):
            asks = tuple(
                ask for ask in (one.asks if one is not None else ())
                if ask.ladder == rung.ladder and ask.rung == rung.rung
            )  # fmt: skip
            if asks and self.standing.live >> place & 1:
                found[place] = asks
        return found


class _LadderLines:
    """Writes what happens on one ladder: where it ends goes to `name`, the voices beside it."""

    def __init__(self, name: str, bind: Bind, answers: Answers, outcomes: _Outcomes) -> None:
        self._name = name
        self._bind = bind
        self._answers = answers
        self._outcomes = outcomes

    def lines(self, rungs: Sequence[_PlainRung]) -> Iterator[str]:
        """Rung by rung, each within what the one above it leaves."""
        depth = ""
        for rung in rungs:
            then = self._answers.fired if rung.then else "0"
            unknown = self._answers.unknown if rung.unknown else "0"
            if then == unknown == "0":
                continue
            yield f"{depth}b = {then} & {self._bind(_mask(rung.then))}"
            if unknown != "0":
                yield f"{depth}e = {unknown} & {self._bind(_mask(rung.unknown))}"
            yield f"{depth}if {'b' if unknown == '0' else 'b or e'}:"
            yield from (f"{depth} {line}" for line in self._won(rung, unknown != "0"))
            yield f"{depth}else:"
            depth += " "
        if depth:
            yield f"{depth}pass"

    def _won(self, rung: _PlainRung, unknown: bool) -> Iterator[str]:
        yield from self._ending(rung, unknown)
        if unknown:
            walk = self._bind(
                _walk(self._outcomes.voices(rung.then), self._outcomes.voices(rung.unknown))
            )
            yield f"w += (({rung.ladder!r}, b | e),)"
            yield f"{self._name}r = {walk}(b, e)"
            return
        voices = self._outcomes.voices(rung.then)
        yield f"w += (({rung.ladder!r}, b),)"
        yield f"{self._name}r = []"
        yield "while b:"
        yield " c = b.bit_length()"
        yield f" b ^= {self._bind(_BITS)}[c]" if len(voices) <= len(_BITS) else " b ^= 1 << c - 1"
        yield f" {self._name}r.append({self._bind(voices)}[c])"

    def _ending(self, rung: _PlainRung, unsure: bool) -> Iterator[str]:
        if rung.ladder != "authentication":
            yield f"{self._name} = {rung.rung}"
            return
        bits = self._outcomes.bits_of
        # Rules that are never unknown leave nothing to look at, whatever they would ask for then.
        then, unknown = _grouped(rung.then, bits), _grouped(rung.unknown if unsure else {}, bits)
        groups = sorted(then.keys() | unknown.keys())
        if len(groups) == 1:
            yield f"{self._name} = {groups[0]}"
            return
        for group in groups:
            tests = [
                f"{name} & {self._bind(places[group])}"
                for name, places in (("b", then), ("e", unknown))
                if group in places
            ]
            yield f"if {' or '.join(tests)}: {self._name} |= {group}"


def _walk(then: Sequence[int], unknown: Sequence[int]) -> Callable[[int, int], list[int]]:
    """The voices of rules that are true and such that are unknown, the last rule's first."""

    def walk(asking: int, unsure: int) -> list[int]:
        voices = []
        both = asking | unsure
        while both:
            length = both.bit_length()
            bit = 1 << length - 1
            both ^= bit
            voices.append((unknown if unsure & bit else then)[length])
        return voices

    return walk


def _grouped(asks: Mapping[int, Asks], bits_of: Callable[[Asks], int]) -> dict[int, int]:
    """The mask of the rules that ask for the same, reasons aside, by what they ask for."""
    groups: dict[int, int] = defaultdict(int)
    for place, own in asks.items():
        groups[bits_of(own)] |= 1 << place
    return dict(groups)


def _clamps(authority: Authority) -> Iterator[Clamp]:
    yield authority.advising
    for rungs in authority.ladders:
        yield from (rung.clamp for rung in rungs)


def _mask(places: Iterable[int]) -> int:
    return sum(1 << place for place in places)


def _place(known: list[Any], value: object) -> int:
    """Where the value stands in the list; at its end where it is new."""
    if value not in known:
        known.append(value)
    return known.index(value)


def _places(mask: int) -> Iterator[int]:
    while mask:
        place = mask.bit_length() - 1
        mask ^= 1 << place
        yield place
