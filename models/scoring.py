"""One event's score with its exact contributions, in plain Python.

What runs for an event is a generated function: it unpacks the values into locals, tests where the
model abstains, and then looks tables up or walks trees. Nothing of the model's file becomes code
but whole numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from tidegate.dsl.types import Value
from tidegate.models.abstention import Limits, limits_of, reasons
from tidegate.models.logistic import logistic_score, share_score
from tidegate.models.portable import Axis, LinearTerm, PortableModel, TableTerm, Term
from tidegate.models.scored import Scored
from tidegate.models.walking import compile_walks

Values = Sequence[Value | None]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model, ready to score many events.

    score: values in the order of `model.inputs`, `None` for a missing one, to what the model says;
    it raises nothing on values of the inputs' types.
    """

    model: PortableModel
    score: Callable[[Values], Scored]
    _limits: tuple[Limits, ...]

    def reasons(self, values: Values) -> tuple[str, ...]:
        """Every reason why the model abstains; empty where it answers."""
        return tuple(reasons(self.model, self._limits, values))


def compile_scorer(model: PortableModel) -> Scorer:
    """The scorer of a model that was read or checked by `reading`."""
    limits = limits_of(model)

    def abstain(values: Values) -> Scored:
        return Scored("abstained", None, None, (), next(reasons(model, limits, values)))

    source = _Source(model, limits)
    source.names["abstain"] = abstain
    return Scorer(model, source.function(), limits)


def _inputs_of(term: Term) -> tuple[int, ...]:
    if isinstance(term, LinearTerm):
        return (term.input,)
    return tuple(axis.input for axis in term.axes)


class _Source:
    """The text of a model's function and the objects that it names."""

    def __init__(self, model: PortableModel, limits: Sequence[Limits]) -> None:
        self._model = model
        self._limits = limits
        self._lines: list[str] = []
        self._places: dict[Axis, str] = {}
        self._folded: set[int] = set()
        self.names: dict[str, Any] = {"bisect": bisect_right, "Scored": Scored}

    def function(self) -> Callable[[Values], Scored]:
        inputs = range(len(self._model.inputs))
        self._lines = ["def score(values):", f"    {''.join(f'x{i}, ' for i in inputs)}= values"]
        self._folded = set() if self._model.trees else self._folding()
        refused = [test for i in inputs if i not in self._folded for test in self._refusals(i)]
        if refused:
            self._lines += [f"    if {' or '.join(refused)}:", "        return abstain(values)"]
        self._lines += self._trees() if self._model.trees else self._terms()
        self._lines.append(f"    return Scored('ok', {self._score()}, total, contributions)")
        names = dict(self.names)
        exec(compile("\n".join(self._lines), "<model>", "exec"), names)  # noqa: S102 - our own text
        return cast("Callable[[Values], Scored]", names["score"])

    def _refusals(self, index: int) -> Iterator[str]:
        """Tests that are true where the model abstains for this input."""
        limits, entry = self._limits[index], self._model.inputs[index]
        if entry.is_text:
            known = f"known{index}"
            self.names[known] = frozenset(entry.categories)
            if limits.missing and limits.unknown:
                yield f"x{index} not in {known}"
            elif limits.missing:
                yield f"x{index} is None"
            elif limits.unknown:
                yield f"x{index} is not None and x{index} not in {known}"
            return
        if limits.missing:
            yield f"x{index} is None"
        bounds = [f"{limits.low} <= "] if limits.low is not None else [""]
        bounds += [f" <= {limits.high}"] if limits.high is not None else [""]
        if any(bounds):
            there = "" if limits.missing else f"x{index} is not None and "
            yield f"{there}not {bounds[0]}x{index}{bounds[1]}"

    def _score(self) -> str:
        model = self._model
        if model.link == "logit":
            self.names["logistic"] = logistic_score
            return f"logistic(total, {model.unit})"
        self.names["share"] = share_score
        return f"share(total, {model.unit * model.divisor})"

    # --- terms ----------------------------------------------------------------------------------

    def _terms(self) -> list[str]:
        lines: list[str] = []
        for number, term in enumerate(self._model.terms):
            if isinstance(term, TableTerm) and term.axes[0].input in self._folded:
                lines.append(f"    c{number} = {self._folded_table(number, term)}")
                continue
            if isinstance(term, LinearTerm):
                lines.append(f"    c{number} = {self._line(number, term)}")
                continue
            table = f"table{number}"
            self.names[table] = term.values
            places = [self._place(axis, lines) for axis in term.axes]
            if len(places) == 2:
                places = [f"{places[0]} * {self._width(term.axes[1])} + {places[1]}"]
            lines.append(f"    c{number} = {table}[{places[0]}]")
        row = "".join(f"c{number}, " for number in range(len(self._model.terms)))
        lines += [
            f"    contributions = ({row})",
            f"    total = sum(contributions, {self._model.base})",
        ]
        if not self._folded:
            return lines
        # A table gives None, which is in no sum, outside of its input's limits.
        tried = [f"    {line}" for line in lines]
        return ["    try:", *tried, "    except TypeError:", "        return abstain(values)"]

    def _folding(self) -> set[int]:
        """Inputs whose limits become two more places of the one table that reads them."""
        read = Counter(index for term in self._model.terms for index in _inputs_of(term))
        return {
            term.axes[0].input
            for term in self._model.terms
            if isinstance(term, TableTerm)
            and len(term.axes) == 1
            and read[term.axes[0].input] == 1
            and not self._model.inputs[term.axes[0].input].is_text
            and (limits := self._limits[term.axes[0].input]).low is not None
            and limits.high is not None
        }

    def _folded_table(self, number: int, term: TableTerm) -> str:
        """A table with a place below `low` and one above `high`; bisecting None is a TypeError."""
        (axis,) = term.axes
        limits, x = self._limits[axis.input], f"x{axis.input}"
        assert limits.low is not None
        assert limits.high is not None
        first, last = (bisect_right(axis.cuts, end) for end in (limits.low, limits.high))
        cuts = (limits.low, *axis.cuts[first:last], limits.high + 1)
        answers = (None, *term.values[first : last + 1], None, term.values[-1])
        self.names |= {f"cuts{number}": cuts, f"table{number}": answers}
        found = f"bisect(cuts{number}, {x})"
        if not limits.missing:
            found = f"{len(cuts) + 1} if {x} is None else {found}"
        return f"table{number}[{found}]"

    def _line(self, number: int, term: LinearTerm) -> str:
        weight, centre, x = f"weight{number}", f"centre{number}", f"x{term.input}"
        self.names |= {weight: term.weight, centre: term.centre}
        value = f"round({weight} * ({x} - {centre}))"
        if not self._model.inputs[term.input].takes_missing:
            return value
        return f"{term.missing} if {x} is None else {value}"

    def _place(self, axis: Axis, lines: list[str]) -> str:
        """The variable that holds the event's place on an axis; equal axes share it."""
        if axis in self._places:
            return self._places[axis]
        place = self._places[axis] = f"p{len(self._places)}"
        entry, x = self._model.inputs[axis.input], f"x{axis.input}"
        if entry.is_text:
            codes = self._codes(axis.input)
            lines.append(f"    {place} = {codes}.get({x}, {len(entry.categories)})")
            return place
        cuts = f"cuts{place}"
        self.names[cuts] = axis.cuts
        found = f"bisect({cuts}, {x})"
        if entry.takes_missing:
            found = f"{len(axis.cuts) + 1} if {x} is None else {found}"
        lines.append(f"    {place} = {found}")
        return place

    def _width(self, axis: Axis) -> int:
        entry = self._model.inputs[axis.input]
        return (len(entry.categories) if entry.is_text else len(axis.cuts)) + 2

    def _codes(self, index: int) -> str:
        """The name of a text's codes; `None` is the place of a missing one."""
        name, categories = f"codes{index}", self._model.inputs[index].categories
        codes: dict[str | None, int] = {text: code for code, text in enumerate(categories)}
        self.names[name] = codes | {None: len(categories) + 1}
        return name

    # --- trees ----------------------------------------------------------------------------------

    def _trees(self) -> list[str]:
        model, lines = self._model, []
        walks = compile_walks(model)
        self.names |= {"walk": walks.complete, "walk_any": walks.any}
        for index, entry in enumerate(model.inputs):
            if entry.is_text:
                codes, unknown = self._codes(index), len(entry.categories)
                lines.append(
                    f"    x{index} = None if x{index} is None else {codes}.get(x{index}, {unknown})"
                )
        row = "".join(f"x{index}, " for index in range(len(model.inputs)))
        lines.append(f"    row = ({row})" if lines else "    row = values")
        gaps = [f"x{i} is None" for i, entry in enumerate(model.inputs) if entry.takes_missing]
        chosen = "walk"
        if walks.has_words:
            chosen = "walk_any"
        elif gaps:
            chosen = f"(walk_any if {' or '.join(gaps)} else walk)"
        return [*lines, f"    total, contributions = {chosen}(row)"]
