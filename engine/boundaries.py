"""Values beside which conditions turn: what an input could be instead, to change something.

Of a comparison with a literal it is the literal and one unit to either side; of one that computes,
the places where it turns while everything else is held; of a set its members and a value that no
condition names; of a list the value on it and off it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise

from tidegate.dsl.countries import COUNTRIES
from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.program import (
    Compare,
    Constant,
    Expression,
    InList,
    InNetworks,
    Input,
    InSet,
    IsMissing,
    LetRef,
    TextTest,
)
from tidegate.dsl.shapes import fold
from tidegate.dsl.types import INTEGER_KINDS, NATURAL_BOUNDS, TEXT_KINDS, Bounds, Kind, Value
from tidegate.dsl.unknowns import walk
from tidegate.engine.changes import Change
from tidegate.engine.interpreter import Reader, value_of
from tidegate.engine.situation import Situation
from tidegate.engine.values import coarsened

SHOWN_MEMBERS = 6
"""Of a long set so many members are tried."""
EDGES = 6
"""So many turning places of a computed comparison are tried, the nearest first."""
DAY_US = 86_400 * 10**6
_STEPS = tuple(10**k for k in range(19))
_TIME_STEPS = (*(DAY_US // 24 * n for n in range(1, 24)), *(DAY_US * n for n in (1, 2, 7, 30, 365)))
_OTHERS = ("other", "another", "zzz", "0")


class Boundaries:
    """The conditions whose turning places are looked for; serves any number of events.

    The contents of lists that are `fixed` stay: there it is the tested value that changes. Where a
    computed comparison turns is remembered by all that it reads.
    """

    def __init__(
        self, conditions: Iterable[Expression], fixed: frozenset[str] = frozenset()
    ) -> None:
        self.fixed = fixed
        nodes = {id(node): node for condition in conditions for node in walk(condition)}
        self.nodes = tuple(nodes.values())
        self.literals = frozenset(value for node in self.nodes for value in _literals(node))
        self.edges: dict[object, tuple[int, ...]] = {}
        self._inputs: dict[int, tuple[Input, ...]] = {}

    def inputs(self, node: Expression) -> tuple[Input, ...]:
        """The inputs below a node, each once."""
        found = self._inputs.get(id(node))
        if found is None:
            inputs = (below for below in walk(node) if isinstance(below, Input))
            found = self._inputs[id(node)] = tuple(dict.fromkeys(inputs))
        return found

    def candidates(
        self,
        situation: Situation,
        *,
        missing: bool = False,
        names: Collection[str] | None = None,
        turning: Collection[int] | None = None,
    ) -> dict[str, tuple[Change, ...]]:
        """Changes worth trying for an event, by the input (or `in LIST`) that they change.

        With `missing`, inputs that may be missing are tried so too. The key of the event stays.
        Only these `names` are changed, and of what computes only the nodes with these ids are
        turned; None for all.
        """
        found: dict[str, dict[Change, None]] = {}
        for change in _Finder(self, situation, names, turning).changes(missing=missing):
            found.setdefault(change.subject[0], {})[change] = None
        return {name: tuple(changes) for name, changes in sorted(found.items())}


@dataclass
class _Finder:
    """Finds the changes for one event; lives for one call."""

    boundaries: Boundaries
    situation: Situation
    names: Collection[str] | None
    turning: Collection[int] | None
    values: dict[str, Value | None] = field(init=False)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.situation.event.inputs]
        self.values = dict(zip(names, self.situation.values, strict=True))
        self.reader = Reader(self.values, self.situation.lists)

    def changes(self, *, missing: bool) -> Iterator[Change]:
        for node in self.boundaries.nodes:
            if isinstance(node, InList) and node.list not in self.boundaries.fixed:
                yield from self._listed(node)
            for entry, value, other in self._of(node):
                yield from self._change(entry, value, other=other)
            if missing and isinstance(node, Input) and _may_miss(node):
                yield from self._change(node, None)
        for entry in self.situation.event.inputs:
            if entry.name == self.situation.event.at:
                for day in self._days():
                    yield from self._change(entry, day)
            elif entry.source == "score":
                # What a model's silence asks for ceases with any score.
                yield from self._score(entry)

    def _days(self) -> Iterator[int]:
        """The last moment before and the first one of each day on which a rule begins or ends."""
        for rule in self.situation.event.rules:
            for day in (rule.from_us, rule.until_us):
                if day is not None:
                    yield from (day - 1, day)

    def _score(self, entry: Input) -> Iterator[Change]:
        for change in self._anything(entry):
            yield Change(change.name, change.type, change.value)

    def _change(
        self, entry: Input, value: Value | None, *, other: bool = False
    ) -> Iterator[Change]:
        """The change, shaped as the door would, where it is one and allowed."""
        event = self.situation.event
        if self.names is not None and entry.name not in self.names:
            return
        if entry.source == "lookup" or entry.name == event.key or "." in entry.name:
            return
        if isinstance(value, str) and entry.folded:
            value = fold(value)
        if isinstance(value, int) and entry.type.kind is Kind.IP and entry.coarse:
            value = coarsened(value, entry.coarse)
        if value is not None and not _within(entry, value):
            return
        if value != self.values.get(entry.name):
            yield Change(entry.name, entry.type, value, other=other)

    def _listed(self, node: InList) -> Iterator[Change]:
        if self.names is not None and f"in {node.list}" not in self.names:
            return
        value = value_of(node.operand, self.reader)
        if value is None:
            for entry in self.boundaries.inputs(node.operand):
                yield from self._anything(entry)
            return
        content = self.situation.lists.get(node.list)
        if content is None or value not in content:
            yield Change(node.list, node.operand.type, value, "on_list")
        if content is None or value in content:
            yield Change(node.list, node.operand.type, value, "off_list")

    def _anything(self, entry: Input) -> Iterator[Change]:
        """Some value for an input that is missing."""
        if self.values.get(entry.name) is None:
            for value in self._plain(entry):
                yield from self._change(entry, value, other=not isinstance(value, bool))

    def _plain(self, entry: Input) -> Iterator[Value]:
        kind = entry.type.kind
        if kind in INTEGER_KINDS:
            bounds = _bounds(entry)
            yield min(max(0, bounds.low), bounds.high)
        elif kind is Kind.FLAG:
            yield from (False, True)
        else:
            yield from self._other(entry)

    def _of(self, node: Expression) -> Iterator[tuple[Input, Value, bool]]:
        match node:
            case Input() if node.type.kind is Kind.FLAG:
                yield node, True, False
                yield node, False, False
            case Compare(left=left) if left.type.kind in INTEGER_KINDS:
                yield from self._integers(node)
            case Compare(left=left, right=right):
                yield from self._equal(left, right)
                yield from self._equal(right, left)
            case InSet(operand=operand, values=values) if operand.type.kind in INTEGER_KINDS:
                entry = _plainly(operand)
                if entry is None:
                    yield from self._turns(node)
                else:
                    yield from ((entry, n + d, False) for n in sorted(values) for d in (-1, 0, 1))  # type: ignore[operator]
            case InSet(operand=operand, values=values):
                members = sorted(values, key=repr)[:SHOWN_MEMBERS]
                yield from self._one_of(operand, members)
            case InNetworks(operand=operand, ranges=ranges):
                ends = [end for low, high in ranges[:SHOWN_MEMBERS]
                        for end in (low, high, low - 1, high + 1) if 0 <= end < 2**128]  # fmt: skip
                yield from self._one_of(operand, ends)
            case InList(operand=operand, list=name) if name in self.boundaries.fixed:
                content = self.situation.lists.get(name) or ListContent()
                members = sorted(content.values, key=repr)[:1]
                members += [end for low, high in content.ranges[:1] for end in (low, high + 1)]
                yield from self._one_of(operand, members)
            case TextTest(operand=operand, pattern=pattern):
                yield from self._one_of(operand, [pattern.replace("*", "")])
            case IsMissing(operand=operand):
                for entry in self.boundaries.inputs(operand):
                    yield from ((entry, c.value, c.other) for c in self._anything(entry)
                                if c.value is not None)  # fmt: skip

    def _equal(self, side: Expression, other: Expression) -> Iterator[tuple[Input, Value, bool]]:
        value = value_of(other, self.reader)
        yield from self._one_of(side, [] if value is None else [value])

    def _one_of(
        self, side: Expression, values: Iterable[Value]
    ) -> Iterator[tuple[Input, Value, bool]]:
        values = tuple(values)
        for entry in self.boundaries.inputs(side):
            if entry.type.kind is side.type.kind:
                yield from ((entry, value, False) for value in values)
                named = entry.type.kind is Kind.WORD
                yield from ((entry, value, not named) for value in self._other(entry))

    def _other(self, entry: Input) -> Iterator[Value]:
        """A value of the input's type that no condition names; of words all."""
        kind = entry.type.kind
        if kind is Kind.WORD:
            yield from entry.type.words
        elif kind in TEXT_KINDS:
            choice = sorted(COUNTRIES) if kind is Kind.COUNTRY else _OTHERS
            new = (
                value
                for value in choice
                if value not in self.boundaries.literals and _new(self, value)
            )
            yield from islice(new, 1)

    def _integers(self, node: Compare) -> Iterator[tuple[Input, Value, bool]]:
        for side, other in ((node.left, node.right), (node.right, node.left)):
            entry = _plainly(side)
            if entry is not None and isinstance(other, Constant):
                assert isinstance(other.value, int)
                yield from ((entry, other.value + d, False) for d in (-1, 0, 1))
                return
        yield from self._turns(node)

    def _turns(self, node: Expression) -> Iterator[tuple[Input, Value, bool]]:
        """Where a computed comparison turns as one of its inputs is moved."""
        if self.turning is not None and id(node) not in self.turning:
            return
        for entry in self.boundaries.inputs(node):
            if self.names is not None and entry.name not in self.names:
                continue
            if entry.type.kind in INTEGER_KINDS and entry.source != "lookup":
                yield from ((entry, value, False) for value in self._edges(node, entry))

    def _edges(self, node: Expression, entry: Input) -> tuple[int, ...]:
        read = tuple(self.values.get(below.name) for below in self.boundaries.inputs(node))
        key = (id(node), entry.name, read)
        found = self.boundaries.edges.get(key)
        if found is None:
            found = self.boundaries.edges[key] = tuple(self._worked_out(node, entry))
        return found

    def _worked_out(self, node: Expression, entry: Input) -> Iterator[int]:
        values = dict(self.values)
        reader = Reader(values, self.situation.lists)
        bounds = _bounds(entry)

        def side(value: int) -> object:
            values[entry.name] = value
            return _side(node, reader)

        now = self.values.get(entry.name)
        here = now if isinstance(now, int) else min(max(0, bounds.low), bounds.high)
        places = _places(here, bounds, entry.type.kind)
        sides = [side(place) for place in places]
        pairs = zip(pairwise(places), pairwise(sides), strict=True)
        turning = [place for place, (one, other) in pairs if one != other]
        turning.sort(key=lambda pair: min(abs(pair[0] - here), abs(pair[1] - here)))
        for low, high in turning[:EDGES]:
            yield from _turning(side, low, high)


def _new(finder: _Finder, value: str) -> bool:
    """Whether the value is on no list and read nowhere in the event."""
    lists: Lists = finder.situation.lists
    return value not in finder.values.values() and not any(
        value in content for content in lists.values() if content is not None
    )


def _side(node: Expression, reader: Reader) -> object:
    """What a comparison says while an input moves: on which side it lies, or its truth."""
    if not isinstance(node, Compare):
        return value_of(node, reader)
    left, right = value_of(node.left, reader), value_of(node.right, reader)
    if not isinstance(left, int) or not isinstance(right, int):
        return None
    return (left > right) - (left < right)


def _places(here: int, bounds: Bounds, kind: Kind) -> list[int]:
    steps = (*_STEPS, *_TIME_STEPS) if kind is Kind.TIME else _STEPS
    found = {here, bounds.low, bounds.high, -1, 0, 1}
    for step in steps:
        found |= {here - step, here + step}
    return sorted(place for place in found if bounds.low <= place <= bounds.high)


def _turning(side: Callable[[int], object], low: int, high: int) -> Iterator[int]:
    """The values on both sides of each place between `low` and `high` where `side` turns."""
    for _ in range(2):
        first, below, above = side(low), low, high
        while above - below > 1:
            middle = (below + above) // 2
            if side(middle) == first:
                below = middle
            else:
                above = middle
        yield from (below, above)
        if side(above) == side(high):
            return
        low = above


def _literals(node: Expression) -> Iterator[Value]:
    match node:
        case Constant(value=value):
            yield value
        case InSet(values=values):
            yield from values
        case TextTest(pattern=pattern):
            yield pattern


def _plainly(side: Expression) -> Input | None:
    """The input that an expression is, lets looked through."""
    while isinstance(side, LetRef):
        side = side.body
    return side if isinstance(side, Input) else None


def _may_miss(entry: Input) -> bool:
    return entry.can_be_missing or entry.source == "score"


def _bounds(entry: Input) -> Bounds:
    return entry.bounds or NATURAL_BOUNDS[entry.type.kind]


def _within(entry: Input, value: Value) -> bool:
    if entry.type.kind in INTEGER_KINDS:
        bounds = _bounds(entry)
        return isinstance(value, int) and bounds.low <= value <= bounds.high
    if entry.type.kind is Kind.WORD:
        return value in entry.type.words
    if entry.type.kind is Kind.COUNTRY:
        return value in COUNTRIES
    return True
