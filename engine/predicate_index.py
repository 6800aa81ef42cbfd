"""Many rules at once: each input is looked up once, whatever the number of rules.

A rule is a few conjunctions of tests (`normal_form`), each of them one bit. An input's value tells,
by one look into a table made beforehand (`index_rows`), which conjunctions it leaves standing: a
decision is the AND of one row per input. Tests of several inputs, of lists and of long sets are
made once each, and only while a conjunction that needs them stands.

Three values: `i` holds the conjunctions that are not false. What is missing takes none of them
away; it is noted in `n`, which keeps the bits of those that do not depend on it. So `i & n` are the
true ones, and what is left of `i` is unknown.

Masking: a test that reads a masked score holds in neither polarity, so every conjunction with such
a test is left out from the start, and nothing that needs the score is asked any more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from tidegate.engine.formulas import Among, Literal, Test, all_of, render
from tidegate.engine.index_rows import Demand, integer_rows, named_rows
from tidegate.engine.normal_form import Atom, Conjunction

MAX_CONJUNCTIONS = 8
"""A condition with more of them stays generated code."""
MAX_NAMED = 64
"""A set with more values is asked as a whole, as a list is."""
MIN_SHARED = 8
"""A test that no table answers and fewer rules share costs more here than within one of them."""
CHEAP = 1
"""A test of this rank costs no more than asking whether anybody needs it."""

Bind = Callable[[object], str]
Flags = tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class IndexedRule:
    """A rule's conditions in normal form; `context` is what its `when` is for."""

    bit: int
    when: tuple[Conjunction, ...]
    exceptions: tuple[Conjunction, ...]
    context: str


@dataclass(slots=True)
class _Step:
    """What one look at an event is for: the atoms that are decided by it, each with its bit."""

    presence: tuple[Literal, ...]
    needs: tuple[Literal, ...]
    atoms: list[tuple[int, Literal | bool]] = field(default_factory=list)

    @property
    def cost(self) -> int:
        """The rank of its dearest test."""
        literals = [*self.presence, *(x for _, x in self.atoms if isinstance(x, Literal))]
        return max(literal.test.rank for literal in literals)

    @property
    def bits(self) -> int:
        """The conjunctions that it may take away or make unknown."""
        return _union(1 << place for place, _ in self.atoms)


def worth_indexing(rules: Mapping[int, IndexedRule]) -> dict[int, IndexedRule]:
    """The rules without those that make a test of their own: these stay branching code."""
    asked = Counter(test for rule in rules.values() for test in _tests_without_table(rule))
    lonely = {test for test, count in asked.items() if count < MIN_SHARED}
    return {
        place: rule for place, rule in rules.items()
        if lonely.isdisjoint(_tests_without_table(rule))
    }  # fmt: skip


def _tests_without_table(rule: IndexedRule) -> set[Test]:
    literals = {
        atom.literal for conjunction in (*rule.when, *rule.exceptions) for atom in conjunction
    }
    return {
        literal.test for literal in literals
        if isinstance(literal, Literal) and not _has_table(literal)
    }  # fmt: skip


class PredicateIndex:
    """Writes the evaluation of many rules as lines of Python.

    The first conjunction of a rule has the rule's own place; further ones and those of exceptions
    stand above `rules`, and what they mean for the rules is worked out where one of them stands.
    """

    def __init__(self, rules: Sequence[IndexedRule], count: int, models: Sequence[str]) -> None:
        self._count = count
        self._models = models
        self._further: list[int] = []
        self._excepting: dict[Conjunction, tuple[int, list[int]]] = {}
        self._steps: dict[object, _Step] = {}
        self._full = 0
        self._dead: dict[tuple[str, str], int] = defaultdict(int)
        for rule in rules:
            self._add(rule)

    # --- places

    def _add(self, rule: IndexedRule) -> None:
        own = rule.bit.bit_length() - 1
        for number, conjunction in enumerate(rule.when):
            place = own if number == 0 else self._next_place(rule.bit)
            self._stand(place, conjunction, rule.context)
        for conjunction in rule.exceptions:
            if conjunction not in self._excepting:
                place = self._next_place(0)
                self._excepting[conjunction] = place, []
                self._stand(place, conjunction, "b")
            self._excepting[conjunction][1].append(rule.bit)

    def _next_place(self, rule_bit: int) -> int:
        self._further.append(rule_bit)
        return self._count + len(self._further) - 1

    def _stand(self, place: int, conjunction: Conjunction, context: str) -> None:
        self._full |= 1 << place
        for atom in conjunction:
            for model in atom.models:
                self._dead[context, model] |= 1 << place
            if atom.presence or atom.literal is not True:
                self._step(atom).atoms.append((place, atom.literal))

    def _step(self, atom: Atom) -> _Step:
        literal = atom.literal
        needs: tuple[Literal, ...] = ()
        subject: object = None
        if isinstance(literal, Literal):
            needs = tuple(need for need in literal.test.needs if need not in atom.presence)
            meaning = literal.test.meaning
            subject = meaning.subject if meaning and _has_table(literal) else literal.test
        key = atom.presence, needs, subject
        if key not in self._steps:
            self._steps[key] = _Step(atom.presence, needs)
        return self._steps[key]

    # --- lines

    def lines(self, bind: Bind, masking: bool) -> Iterator[str]:
        """Lines that leave the rules that are not false in `i`, of these the true ones in `n`."""
        yield f"i = {self._start(bind, masking)}"
        unknown = any(step.presence for step in self._steps.values())
        whole = bind(self._full)
        if unknown:
            yield f"n = {whole}"
        scored = _union(self._dead.values()) if masking else 0
        for step in sorted(self._steps.values(), key=lambda step: (step.cost > CHEAP, step.cost)):
            yield from self._asked(step, bind, step.cost > CHEAP or bool(step.bits & scored))
        yield f"n = i if n is {whole} else i & n" if unknown else "n = i"
        if self._further:
            yield f"if i > {bind((1 << self._count) - 1)}:"
            yield f" i, n, x = {bind(self._folder())}(i, n)"
            if self._excepting:
                yield " if x: s |= i & x; i &= ~x; n &= i"

    def _start(self, bind: Bind, masking: bool) -> str:
        if not masking or not self._dead:
            return bind(self._full)
        full, dead, models = self._full, dict(self._dead), tuple(self._models)

        @lru_cache(maxsize=256)
        def standing(*flags: Flags) -> int:
            left = full
            for context, heard in zip("abe", flags, strict=True):
                for model, is_heard in zip(models, heard, strict=True):
                    if not is_heard:
                        left &= ~dead.get((context, model), 0)
            return left

        return f"{bind(standing)}(ordinary, relaxing, exempting)"

    def _asked(self, step: _Step, bind: Bind, guarded: bool) -> Iterator[str]:
        depth = ""
        if guarded:
            yield f"if i & {bind(step.bits)}:"
            depth = " "
        required = all_of(dict.fromkeys((*step.presence, *step.needs)))
        taken = list(self._taken(step, bind))
        if required is not True:
            yield f"{depth}if {render(required)}:"
            yield from (f"{depth} {line}" for line in taken or ["pass"])
            if step.presence:
                yield f"{depth}else: n &= {bind(self._full & ~step.bits)}"
        else:
            yield from (f"{depth}{line}" for line in taken)

    def _taken(self, step: _Step, bind: Bind) -> Iterator[str]:
        """What the value takes away where it is there."""
        constant = _union(1 << place for place, literal in step.atoms if literal is False)
        if constant:
            yield f"i &= {bind(self._full & ~constant)}"
        atoms = [(place, literal) for place, literal in step.atoms if isinstance(literal, Literal)]
        if not atoms:
            return
        test = atoms[0][1].test
        if test.meaning is not None and _has_table(atoms[0][1]):
            yield self._looked_up(test.meaning.subject, _demands(atoms), bind)
            return
        missed = _union(1 << place for place, literal in atoms if literal.positive)
        met = _union(1 << place for place, literal in atoms if not literal.positive)
        if not met:
            yield f"if {test.opposite}: i &= {bind(self._full & ~missed)}"
        elif not missed:
            yield f"if {test.text}: i &= {bind(self._full & ~met)}"
        else:
            left, right = bind(self._full & ~met), bind(self._full & ~missed)
            yield f"i &= {left} if {test.text} else {right}"

    def _looked_up(self, subject: str, demands: Sequence[Demand], bind: Bind) -> str:
        if all(isinstance(demand.meaning, Among) for demand in demands):
            named = named_rows(demands, self._full)
            return f"i &= {bind(named.get)}({subject}, {bind(named.other)})"
        table = integer_rows(demands, self._full)
        place = f"{bind(bisect_right)}({bind(table.bounds)}, {subject})"
        row = f"{bind(table.rows)}[{place}]"
        small = table.small()
        if not small:
            return f"i &= {row}"
        return f"i &= {bind(small)}[{subject}] if -1 < {subject} < {len(small)} else {row}"

    def _folder(self) -> Callable[[int, int], tuple[int, int, int]]:
        """What further conjunctions and exceptions mean for the rules they belong to."""
        count, own = self._count, (1 << self._count) - 1
        rules = tuple(self._further)
        silenced = {place: _union(bits) for place, bits in self._excepting.values()}

        def fold(possible: int, sure: int) -> tuple[int, int, int]:
            further, sure_further = possible >> count, sure >> count
            possible, sure, excepted = possible & own, sure & own, 0
            while further:
                place = further.bit_length() - 1
                bit = 1 << place
                further ^= bit
                possible |= rules[place]
                if sure_further & bit:
                    sure |= rules[place]
                    excepted |= silenced.get(count + place, 0)
            return possible, sure, excepted

        return fold


def _demands(atoms: Iterable[tuple[int, Literal]]) -> list[Demand]:
    return [
        Demand(place, literal.test.meaning, literal.positive)
        for place, literal in atoms
        if literal.test.meaning is not None
    ]


def _has_table(literal: Literal) -> bool:
    """Whether a look into a table answers the test."""
    meaning = literal.test.meaning
    return meaning is not None and not (
        isinstance(meaning, Among) and len(meaning.values) > MAX_NAMED
    )


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


class Paid:
    """The points that rules add, by bit."""

    def __init__(self, fired: Mapping[int, int], unknown: Mapping[int, int]) -> None:
        self._fired, self._unknown = dict(fired), dict(unknown)
        self.fired, self.unknown = _union(fired), _union(unknown)

    def add(self, fired: int, unknown: int) -> int:
        """The points of these rules."""
        return _sum(self._fired, fired) + _sum(self._unknown, unknown)


def _sum(points: Mapping[int, int], bits: int) -> int:
    total = 0
    while bits:
        bit = bits & -bits
        bits ^= bit
        total += points[bit]
    return total
