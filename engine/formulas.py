"""Two-valued formulas over Python tests: what conditions are lowered to before they become code.

A three-valued condition becomes two formulas, *sure* (it is true) and *possible* (it is not
false). Both are built from tests, each a Python expression that is true or false, and both are
evaluated from left to right: a test stands after the tests that it needs (`x >= 3` after `x is not
None`). `simplify` keeps that order while it drops everything that already decided tests decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.dsl.types import Value


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The test says `subject >= least`."""

    subject: str
    least: int


@dataclass(frozen=True, slots=True)
class Among:
    """The test says that `subject` is one of `values`; of a single one, that it equals it."""

    subject: str
    values: frozenset[Value]


class Test:
    """One Python expression that is true or false, in both spellings.

    `rank` orders tests: cheap ones first, and none before what it needs. `share` guesses how often
    it is true. `is_split`: worth deciding once for many rules although it rules none out.
    `needs` are literals that have to hold before the test may be evaluated at all. `is_free`:
    it may be evaluated wherever its needs hold.
    """

    __slots__ = (
        "is_free",
        "is_split",
        "meaning",
        "needs",
        "no",
        "opposite",
        "rank",
        "share",
        "text",
        "yes",
    )

    rank: int

    def __init__(
        self,
        text: str,
        opposite: str,
        cost: int = 1,
        *,
        needs: tuple[Literal, ...] = (),
        meaning: AtLeast | Among | None = None,
        share: float = 0.5,
        is_split: bool = False,
        is_free: bool = True,
    ) -> None:
        self.text = text
        self.opposite = opposite
        self.rank = max([cost, *(need.test.rank for need in needs)])
        self.needs = needs
        self.meaning = meaning
        self.share = share
        self.is_split = is_split
        self.is_free = is_free
        self.yes = Literal(self, True)
        self.no = Literal(self, False)


class Literal:
    """A test or its opposite. There are two for each test, so that identity is equality."""

    __slots__ = ("positive", "test")

    def __init__(self, test: Test, positive: bool) -> None:
        self.test = test
        self.positive = positive

    @property
    def text(self) -> str:
        """The Python expression that is true where the literal holds."""
        return self.test.text if self.positive else self.test.opposite

    @property
    def opposite(self) -> Literal:
        """The literal that holds where this one does not."""
        return self.test.no if self.positive else self.test.yes


@dataclass(frozen=True, slots=True)
class All:
    """Every item holds; at least two."""

    items: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """An item holds; at least two."""

    items: tuple[Formula, ...]


Formula = bool | Literal | All | Some


def all_of(items: Iterable[Formula]) -> Formula:
    """The conjunction."""
    kept = tuple(item for item in items if item is not True)
    if any(item is False for item in kept):
        return False
    return All(kept) if len(kept) > 1 else kept[0] if kept else True


def some_of(items: Iterable[Formula]) -> Formula:
    """The disjunction."""
    kept = tuple(item for item in items if item is not False)
    if any(item is True for item in kept):
        return True
    return Some(kept) if len(kept) > 1 else kept[0] if kept else False


def negate(formula: Formula) -> Formula:
    """The formula that holds where this one does not; the order of tests is kept."""
    match formula:
        case bool():
            return not formula
        case Literal():
            return formula.opposite
        case All(items=items):
            return Some(tuple(negate(item) for item in items))
        case Some(items=items):
            return All(tuple(negate(item) for item in items))


def size(formula: Formula) -> int:
    """How many tests the formula spells out."""
    match formula:
        case All(items=items) | Some(items=items):
            return sum(size(item) for item in items)
    return 0 if isinstance(formula, bool) else 1


def rank(formula: Formula) -> int:
    """The rank of the dearest test: never below what any of its tests needs."""
    match formula:
        case All(items=items) | Some(items=items):
            return max(rank(item) for item in items)
        case Literal():
            return formula.test.rank
    return 0


def conjuncts(formula: Formula) -> tuple[Formula, ...]:
    """The items that must all hold."""
    if formula is True:
        return ()
    return formula.items if isinstance(formula, All) else (formula,)


class Facts:
    """Tests that are decided where a piece of code runs, and what follows from them."""

    __slots__ = ("_known", "_ranges", "_values")

    def __init__(self) -> None:
        self._known: dict[Test, bool] = {}
        self._ranges: dict[str, tuple[float, float]] = {}
        self._values: dict[str, Value] = {}

    def and_also(self, *literals: Literal) -> Facts:
        """These facts with some more; the old ones stay as they are."""
        more = Facts()
        more._known = self._known.copy()
        more._ranges = self._ranges.copy()
        more._values = self._values.copy()
        for literal in literals:
            more._learn(literal)
        return more

    def holds(self, literal: Literal) -> bool | None:
        """Whether the literal holds, if that is known."""
        known = self._known.get(literal.test)
        if known is None:
            known = self._follows(literal.test.meaning)
        return None if known is None else known == literal.positive

    def bound(self, subject: str) -> bool:
        """Whether a threshold of this value is known to be passed or missed."""
        return subject in self._ranges

    def allow(self, test: Test) -> bool:
        """Whether the test may be evaluated here."""
        return test.is_free and all(self.holds(need) for need in test.needs)

    def _follows(self, meaning: AtLeast | Among | None) -> bool | None:
        if isinstance(meaning, AtLeast):
            low, high = self._ranges.get(meaning.subject, (-_INFINITE, _INFINITE))
            return True if low >= meaning.least else False if high < meaning.least else None
        if isinstance(meaning, Among) and meaning.subject in self._values:
            return self._values[meaning.subject] in meaning.values
        return None

    def _learn(self, literal: Literal) -> None:
        self._known[literal.test] = literal.positive
        meaning = literal.test.meaning
        if isinstance(meaning, AtLeast):
            low, high = self._ranges.get(meaning.subject, (-_INFINITE, _INFINITE))
            if literal.positive:
                low = max(low, meaning.least)
            else:
                high = min(high, meaning.least - 1)
            self._ranges[meaning.subject] = low, high
        elif isinstance(meaning, Among) and literal.positive and len(meaning.values) == 1:
            (self._values[meaning.subject],) = meaning.values


_INFINITE = float("inf")
NO_FACTS = Facts()


def simplify(formula: Formula, facts: Facts) -> Formula:
    """What is left to test where `facts` hold. An item is simplified knowing those before it."""
    match formula:
        case Literal():
            known = facts.holds(formula)
            return formula if known is None else known
        case All(items=items):
            return _joined(sorted(items, key=rank), facts, All)
        case Some(items=items):
            return _joined(items, facts, Some)
    return formula


def _joined(items: Iterable[Formula], facts: Facts, join: type[All] | type[Some]) -> Formula:
    decisive = join is Some
    kept: list[Formula] = []
    for item in items:
        left = simplify(item, facts)
        if left is decisive:
            return decisive
        if isinstance(left, bool):
            continue
        parts = left.items if isinstance(left, join) else (left,)
        kept.extend(parts)
        learned = [p if join is All else p.opposite for p in parts if isinstance(p, Literal)]
        if learned:
            facts = facts.and_also(*learned)
    return join(tuple(kept)) if len(kept) > 1 else kept[0] if kept else not decisive


def render(formula: Formula) -> str:
    """The formula as a Python expression, in parentheses where it joins several tests."""
    match formula:
        case bool():
            return str(formula)
        case Literal():
            return formula.text
        case All(items=items):
            return f"({' and '.join(map(render, items))})"
        case Some(items=items):
            return f"({' or '.join(map(render, items))})"
