"""From the formulas of many rules to branching code that tests as little as it can.

Written one after the other, fifty rules cost fifty tests at least. Here a test that several rules
cannot do without is made once, around all of them: `if tries >= 3:` holds every rule that asks for
three tries or more, `if channel == "ecom":` those about shops on the web. Whether an optional input
is there is decided once for the rules that read it, with simpler code on either side. Conditions
have no effects and cannot raise where their needs hold, so no order of tests changes what they say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tidegate.engine.formulas import (
    NO_FACTS,
    All,
    Among,
    AtLeast,
    Facts,
    Formula,
    Literal,
    Some,
    Test,
    all_of,
    conjuncts,
    render,
    simplify,
)

MAX_DEPTH = 24
"""Blocks in blocks; CPython's tokenizer gives up at 100 levels of indentation."""
MANY_THRESHOLDS = 4
MAX_SPLITS = 3
"""A split writes its rules twice, so splits in splits multiply them."""
MAX_ELIF = 40
"""CPython's compiler recurses along a chain of `elif`."""
SPLIT_GAIN = 0.4
"""What deciding once whether an input is there saves each rule, in tests."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What code does where a rule fires: bits to set and points to add, by variable."""

    bits: tuple[tuple[str, int], ...] = ()
    points: tuple[tuple[str, int], ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One rule: `possible` is not false, of these `sure` is true; `excepted` silences."""

    sure: Formula
    possible: Formula
    excepted: Formula
    fired: Effect
    unknown: Effect
    silenced: Effect


class _Key(NamedTuple):
    """Why rules stand in one block: a literal all need, a threshold of one input, a split."""

    subject: object
    sort: str

    def gain(self, literals: list[Literal]) -> float:
        """How many tests one block for all is expected to save."""
        if self.sort == "split":
            return len(literals) * SPLIT_GAIN - 1
        # The weakest threshold is passed most often, and the block is entered for it.
        share = max(_share(literal) for literal in literals)
        return len(literals) * (1 - share) - 1


def _share(literal: Literal) -> float:
    return literal.test.share if literal.positive else 1 - literal.test.share


@dataclass(slots=True)
class Branches:
    """Writes jobs as lines of Python."""

    lines: list[str] = field(default_factory=list)

    def write(self, jobs: Iterable[Job], facts: Facts = NO_FACTS, depth: int = 0) -> None:
        """Write all jobs, in whatever order is cheapest, knowing `facts`."""
        self._write(list(jobs), facts, depth, 0)

    def _write(self, jobs: list[Job], facts: Facts, depth: int, splits: int) -> None:
        jobs = [job for job in (_known(job, facts) for job in jobs) if job.possible is not False]
        always = [job for job in jobs if _is_certain(job)]
        self._effect([job.fired if job.sure is True else job.unknown for job in always], depth)
        rest = [job for job in jobs if not _is_certain(job)]
        if depth < MAX_DEPTH:
            groups, alone = _grouped(rest, facts, splits < MAX_SPLITS)
        else:
            groups, alone = [], rest
        self._groups(groups, facts, depth, splits)
        for job in alone:
            self._job(job, facts, depth)

    def _groups(self, groups: _Groups, facts: Facts, depth: int, splits: int) -> None:
        chained: dict[object, int] = {}
        for key, members in groups:
            guard = _weakest(literal for literal, _ in members)
            inner = [job for _, job in members]
            chain = self._chain(guard, chained)
            self._line(depth, f"{chain} {guard.text}:")
            is_split = key.sort == "split"
            self._block(inner, facts.and_also(guard), depth + 1, splits + is_split)
            if is_split:
                self._else(inner, facts.and_also(guard.opposite), depth, splits + 1)

    def _chain(self, guard: Literal, chained: dict[object, int]) -> str:
        """`elif` after a block for another value of the same input."""
        meaning = guard.test.meaning
        if not (guard.positive and isinstance(meaning, Among) and len(meaning.values) == 1):
            chained.clear()
            return "if"
        seen = chained.get(meaning.subject, 0)
        chained.clear()
        chained[meaning.subject] = (seen + 1) % MAX_ELIF
        return "elif" if seen else "if"

    def _else(self, jobs: list[Job], facts: Facts, depth: int, splits: int) -> None:
        start = len(self.lines)
        self._line(depth, "else:")
        self._write(jobs, facts, depth + 1, splits)
        if len(self.lines) == start + 1:
            self.lines.pop()

    def _block(self, jobs: list[Job], facts: Facts, depth: int, splits: int) -> None:
        start = len(self.lines)
        self._write(jobs, facts, depth, splits)
        if len(self.lines) == start:
            self._line(depth, "pass")

    def _job(self, job: Job, facts: Facts, depth: int) -> None:
        if job.possible is not True:
            self._line(depth, f"if {_bare(job.possible)}:")
            depth += 1
            given = [c for c in conjuncts(job.possible) if isinstance(c, Literal)]
            facts = facts.and_also(*given)
        sure = _sure_where_possible(job, facts)
        excepted = simplify(job.excepted, facts)
        cases = ((excepted, job.silenced), (sure, job.fired), (True, job.unknown))
        word = "if"
        for condition, effect in cases:
            if condition is False:
                continue
            if condition is True:
                if word != "if":
                    self._line(depth, "else:")
                self._effect([effect], depth + (word != "if"))
                return
            self._line(depth, f"{word} {_bare(condition)}:")
            self._effect([effect], depth + 1)
            word = "elif"

    def _effect(self, effects: list[Effect], depth: int) -> None:
        bits: dict[str, int] = defaultdict(int)
        points: dict[str, int] = defaultdict(int)
        for effect in effects:
            for name, mask in effect.bits:
                bits[name] |= mask
            for name, count in effect.points:
                points[name] += count
        for name, mask in bits.items():
            self._line(depth, f"{name} |= {mask:#x}")
        for name, count in points.items():
            self._line(depth, f"{name} += {count}")
        for effect in effects:
            for line in effect.lines:
                self._line(depth, line)

    def _line(self, depth: int, text: str) -> None:
        self.lines.append(f"{' ' * depth}{text}")


def _known(job: Job, facts: Facts) -> Job:
    possible = simplify(job.possible, facts)
    sure = possible if job.sure == job.possible else simplify(job.sure, facts)
    return Job(sure, possible, simplify(job.excepted, facts), job.fired, job.unknown, job.silenced)


def _sure_where_possible(job: Job, facts: Facts) -> Formula:
    """What is left of `sure` where the job is possible.

    Where `x is None or x > 5` holds, `x is not None and x > 5` is no more than `x is not None`.
    """
    if job.sure == job.possible:
        return True
    sure = simplify(job.sure, facts)
    there = set(conjuncts(sure))
    implied: set[Formula] = set()
    premises: set[Formula] = set()
    for item in conjuncts(job.possible):
        if not isinstance(item, Some):
            continue
        rest = [part for part in item.items
                if not (isinstance(part, Literal) and part.opposite in there)]  # fmt: skip
        if len(rest) == 1 and len(item.items) > 1:
            implied.update(conjuncts(rest[0]))
            premises.update(part.opposite for part in item.items if isinstance(part, Literal))
    # What follows only as long as something else is tested does not stand in for that.
    return all_of(i for i in conjuncts(sure) if i not in implied or i in premises)


def _is_certain(job: Job) -> bool:
    return job.possible is True and isinstance(job.sure, bool) and job.excepted is False


_Members = list[tuple[Literal, Job]]
_Groups = list[tuple[_Key, _Members]]


def _grouped(jobs: list[Job], facts: Facts, may_split: bool) -> tuple[_Groups, list[Job]]:
    """Blocks of several jobs, and the jobs that stand alone: the greatest gain first."""
    members: dict[_Key, dict[int, Literal]] = defaultdict(dict)
    keys_of: list[list[_Key]] = []
    for index, job in enumerate(jobs):
        keys = dict(_keys(job, facts, may_split))
        keys_of.append(list(keys))
        for key, literal in keys.items():
            members[key][index] = literal
    gains = {key: key.gain(list(group.values())) for key, group in members.items()}
    groups: _Groups = []
    left = set(range(len(jobs)))
    while gains:
        best = max(gains, key=gains.__getitem__)
        if gains.pop(best) <= 0:
            break
        chosen = members.pop(best)
        group = [(literal, jobs[index]) for index, literal in chosen.items()]
        groups += [(best, part) for part in _halves(best, group, facts)]
        left -= chosen.keys()
        touched = {key for index in chosen for key in keys_of[index] if key in gains}
        for key in touched:
            for index in chosen:
                members[key].pop(index, None)
            rest = list(members[key].values())
            gains[key] = key.gain(rest) if rest else -1
    groups.sort(key=lambda entry: _order(entry[0], entry[1][0][0]))
    return groups, [jobs[index] for index in sorted(left)]


def _halves(key: _Key, group: _Members, facts: Facts) -> Iterator[_Members]:
    """The group, or two of them where it already stands behind a threshold of its input.

    Many thresholds of one input so become a tree and not a ladder.
    """
    thresholds = sorted({_reach(literal) for literal, _ in group})
    few = key.sort not in ("above", "below") or len(thresholds) < MANY_THRESHOLDS
    if few or not facts.bound(str(key.subject)):
        yield group
    else:
        middle = thresholds[len(thresholds) // 2]
        yield [entry for entry in group if _reach(entry[0]) >= middle]
        yield [entry for entry in group if _reach(entry[0]) < middle]


def _order(key: _Key, guard: Literal) -> tuple[bool, str]:
    """Blocks for values of one input stand together, so that they can be one chain."""
    meaning = guard.test.meaning
    return key.sort == "split", meaning.subject if meaning is not None else guard.text


def _keys(job: Job, facts: Facts, may_split: bool) -> Iterator[tuple[_Key, Literal]]:
    for item in conjuncts(job.possible):
        if isinstance(item, Literal):
            if facts.allow(item.test):
                yield _key(item), item
        elif may_split and isinstance(item, Some):
            for test in _missing(item):
                if facts.allow(test):
                    yield _Key(test, "split"), test.yes


def _missing(item: Some) -> Iterator[Test]:
    for part in item.items:
        if isinstance(part, Literal) and part.test.is_split:
            yield part.test


def _key(literal: Literal) -> _Key:
    meaning = literal.test.meaning
    if isinstance(meaning, AtLeast):
        return _Key(meaning.subject, "above" if literal.positive else "below")
    return _Key(literal, "literal")


def _weakest(literals: Iterable[Literal]) -> Literal:
    """The literal that every other one implies."""
    return max(literals, key=_reach)


def _reach(literal: Literal) -> int:
    """The greater, the more values hold it; 0 for what is no threshold."""
    meaning = literal.test.meaning
    least = meaning.least if isinstance(meaning, AtLeast) else 0
    return -least if literal.positive else least


def _bare(formula: Formula) -> str:
    """The formula without the parentheses around all of it."""
    text = render(formula)
    return text[1:-1] if isinstance(formula, All | Some) else text
