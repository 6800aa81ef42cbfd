"""What a decision table leaves out, says twice or never reaches, each shown by values.

Each column is cut where its cells cut it, and of every piece one value is tried. A table is judged
only where each cell compares its column with literals; of others nothing is said, but that `rows
one` cannot be promised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tidegate.dsl import tree
from tidegate.dsl.currencies import minor_digits
from tidegate.dsl.decision_rows import REST, cell_test, rule_name
from tidegate.dsl.decision_search import Budget, Fits, Found, OutOfStepsError, bits, search
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.expressions import Typer
from tidegate.dsl.nodes import bounds_of
from tidegate.dsl.program import (
    And,
    Compare,
    Constant,
    Expression,
    InSet,
    IsMissing,
    Not,
    Rule,
)
from tidegate.dsl.types import FLAG, INTEGER_KINDS, NUMBER_SCALE, Kind, Type, Value

_OTHER = "another"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column with the values that are tried of it, and per value the rows that it fits.

    `allows` are those that it does not rule out: a row that it leaves unknown is among them.
    """

    column: Expression
    values: tuple[Value | None, ...]
    fits: tuple[int, ...]
    allows: tuple[int, ...]


def check_decisions(
    typer: Typer, tables: Sequence[tree.DecisionDeclaration], rules: Sequence[Rule]
) -> None:
    """Report what is wrong with the tables whose rows are all typed, within one budget."""
    named = {rule.name: rule for rule in rules}
    budget = Budget()
    for table in tables:
        _check(typer, table, named, budget)


def _check(
    typer: Typer, table: tree.DecisionDeclaration, named: Mapping[str, Rule], budget: Budget
) -> None:
    own = [named.get(rule_name(table, each.name)) for each in table.rows]
    if any(rule is None for rule in own):
        return
    event = next(rule.event for rule in own if rule is not None)
    every = [*own, named.get(f"{table.name.text}_{REST}")]
    if table.unknown is not None and all(rule is None or rule.unknown is None for rule in every):
        typer.error(
            "TG412", f"decision `{table.name.text}` is never unknown, so this says nothing",
            table.unknown.span, "delete `if unknown`",
        )  # fmt: skip
    try:
        budget.next_table()
        known = _columns(typer, table, event, budget)
        if known is None:
            _not_plain(typer, table)
            return
        gaps = table.rest is None
        fits = [Fits(c.fits, c.allows if gaps else c.fits) for c in known]
        found = search(fits, len(own), budget, together=table.hit == "all")
    except OutOfStepsError as stop:
        _not_searched(typer, table, stop)
        return
    _Judgement(typer, table, known).report(found)


def _columns(
    typer: Typer, table: tree.DecisionDeclaration, event: str, budget: Budget
) -> list[_Column] | None:
    """The columns; None where the cells of one cannot be judged by values."""
    before = len(typer.problems)
    found: list[_Column] = []
    try:
        for place in range(len(table.columns)):
            column = _column(typer, table, place, event, budget)
            if column is None:
                return None
            found.append(column)
    finally:
        del typer.problems[before:]  # the rules have said it
    return found


def _not_plain(typer: Typer, table: tree.DecisionDeclaration) -> None:
    if table.hit == "one":
        typer.error(
            "TG240", "that one row acts at most cannot be shown for this table",
            table.name.span, "write `rows first`, or compare with literals alone",
        )  # fmt: skip


def _not_searched(typer: Typer, table: tree.DecisionDeclaration, stop: OutOfStepsError) -> None:
    """A promise that is not checked is an error; what is only not looked for is a note."""
    why = "the tables of this policy need" if stop.policy else "it needs"
    if table.hit == "one":
        typer.error(
            "TG240", f"that one row acts at most is not shown: {why} too long a search",
            table.name.span, "write `rows first`, or cut it into smaller tables",
        )  # fmt: skip
        return
    typer.problems.append(
        Diagnostic(
            "TG244", f"decision `{table.name.text}` was not searched for gaps and idle rows: {why} "
            "too long a search", table.name.span, "cut it into tables with fewer rows or columns",
            Severity.NOTE,
        )
    )  # fmt: skip


class _Judgement:
    """What was found about a table, in words."""

    def __init__(
        self, typer: Typer, table: tree.DecisionDeclaration, columns: Sequence[_Column]
    ) -> None:
        self.typer = typer
        self.table = table
        self.columns = columns

    def report(self, found: Found) -> None:
        """Say what the table leaves out, says twice or never reaches."""
        if found.gap is not None and self.table.rest is None:
            self.typer.warn(
                "TG242", f"no row answers {self._shown(found.gap)}", self.table.name.span,
                "add a row, or `else skip` after the rows",
            )  # fmt: skip
        if found.double is not None and self.table.hit == "one":
            self._overlap(*found.double)
        self._idle(found)

    def _overlap(self, places: tuple[int, ...], rows: int) -> None:
        one, other, *_ = (self.table.rows[row].name for row in bits(rows))
        self.typer.error(
            "TG241", f"rows `{one.text}` and `{other.text}` both answer {self._shown(places)}",
            other.span, "make them exclude each other, or write `rows first` or `rows all`",
            ((one.span, "the other one is here"),),
        )  # fmt: skip

    def _idle(self, found: Found) -> None:
        rows = self.table.rows
        for place, each in enumerate(rows):
            held = found.held[place]
            if held is None:
                self.typer.warn("TG243", f"row `{each.name.text}` answers nothing", each.name.span)
                continue
            shown = self._shown(held)
            if self.table.hit == "first" and not found.leading >> place & 1:
                before = self._before(place, held)
                self.typer.warn(
                    "TG243", f"row `{each.name.text}` is never reached: for {shown} row "
                    f"`{before.text}` comes first", each.name.span, "move it up, or delete it",
                )  # fmt: skip
            elif self.table.hit == "all":
                sums = any(action.verb == "points" for action in each.then.items)
                others = (n for n in bits(found.everywhere[place]) if n != place)
                same = [] if sums else [n for n in others if rows[n].then == each.then]
                if same and (found.everywhere[same[0]] >> place & 1 == 0 or same[0] < place):
                    self.typer.warn(
                        "TG243", f"row `{each.name.text}` adds nothing: for {shown}, and wherever "
                        f"it holds, row `{rows[same[0]].name.text}` says the same",
                        each.name.span, "delete it",
                    )  # fmt: skip

    def _before(self, place: int, places: Sequence[int]) -> tree.Name:
        rows = (1 << len(self.table.rows)) - 1
        for column, at in zip(self.columns, places, strict=True):
            rows &= column.fits[at]
        return self.table.rows[next(row for row in bits(rows) if row < place)].name

    def _shown(self, places: Sequence[int]) -> str:
        parts = []
        for written, column, place in zip(self.table.columns, self.columns, places, strict=True):
            value = column.values[place]
            text = "missing" if value is None else self._text(value, column.column.type)
            name = getattr(written, "name", "")
            if isinstance(written, tree.Lookup):
                name = f"{written.table.text}[{written.key.text}].{written.column.text}"
            parts.append(f"{name or 'a column'} {text}")
        return ", ".join(parts)

    def _text(self, value: Value, kind: Type) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return value if value == _OTHER else f'"{value}"'
        if kind.kind is Kind.MONEY:
            digits = minor_digits(self.typer.currency)
            return f"{Decimal(value).scaleb(-digits):.{digits}f} {self.typer.currency}"
        if kind.kind is Kind.NUMBER:
            return f"{Decimal(value) / NUMBER_SCALE}"
        return f"{value}us" if kind.kind is Kind.DURATION else str(value)


# --- one column ----------------------------------------------------------------------------------


def _column(
    typer: Typer, table: tree.DecisionDeclaration, place: int, event: str, budget: Budget
) -> _Column | None:
    """The column at `place`; None where its cells cannot be judged by values."""
    written = table.columns[place]
    column = typer.value(written, event)
    if column is None or column.models or column.type.kind in (Kind.IP, Kind.TIME):
        return None
    tests: list[Expression | None] = []
    for each in table.rows:
        test = cell_test(written, each.cells[place])
        typed = None if test is None else typer.condition(test, event)
        if test is not None and (typed is None or not _is_plain(typed, column)):
            return None
        tests.append(typed)
    values = _values(column, [test for test in tests if test is not None])
    budget.take(len(values) * len(tests))
    pieces: dict[tuple[int, int], Value | None] = {}  # values that the rows tell apart
    for value in values:
        holds = [test is None or _holds(test, value) for test in tests]
        fits = sum(1 << row for row, truth in enumerate(holds) if truth)
        allows = sum(1 << row for row, truth in enumerate(holds) if truth is not False)
        pieces.setdefault((fits, allows), value)
    return _Column(
        column,
        values=tuple(pieces.values()),
        fits=tuple(fits for fits, _ in pieces),
        allows=tuple(allows for _, allows in pieces),
    )


def _is_plain(test: Expression, column: Expression) -> bool:
    """Whether a test compares the column with literals and does nothing else."""
    match test:
        case And(items=items):
            return all(_is_plain(item, column) for item in items)
        case Not(operand=operand):
            return _is_plain(operand, column)
        case Compare(left=left, right=Constant(param="")):
            return left == column
        case InSet(operand=operand) | IsMissing(operand=operand):
            return operand == column
    return False


def _holds(test: Expression, value: Value | None) -> bool | None:
    match test:
        case And(items=items):
            found = [_holds(item, value) for item in items]
            return False if False in found else None if None in found else True
        case Not(operand=operand):
            below = _holds(operand, value)
            return None if below is None else not below
        case IsMissing():
            return value is None
    if value is None:
        return None
    if isinstance(test, InSet):
        return value in test.values
    assert isinstance(test, Compare)
    assert isinstance(test.right, Constant)
    limit = test.right.value
    match test.op:
        case "=":
            return value == limit
        case "!=":
            return value != limit
    first, second = int(value), int(limit)
    return {
        "<": first < second, "<=": first <= second, ">": first > second, ">=": first >= second,
    }[test.op]  # fmt: skip


def _values(column: Expression, tests: Sequence[Expression]) -> tuple[Value | None, ...]:
    """A value of every piece into which the tests cut the column, and a missing one."""
    named = sorted({value for test in tests for value in _constants(test)}, key=str)
    kind = column.type
    found: list[Value | None]
    if kind == FLAG:
        found = [True, False]
    elif kind.kind is Kind.WORD:
        found = list(kind.words)
    elif kind.kind in INTEGER_KINDS:
        found = list(_pieces(column, [int(value) for value in named]))
    else:
        found = [*named, _OTHER]
    return (*found, None) if column.can_be_missing else tuple(found)


def _pieces(column: Expression, limits: list[int]) -> Iterator[int]:
    bounds = bounds_of(column)
    starts = {bounds.low, *limits, *(limit + 1 for limit in limits)}
    ordered = sorted(start for start in starts if bounds.low <= start <= bounds.high)
    for start, end in zip(ordered, [*ordered[1:], bounds.high + 1], strict=True):
        yield 0 if start <= 0 < end else start


def _constants(test: Expression) -> Iterator[Value]:
    match test:
        case And(items=items):
            for item in items:
                yield from _constants(item)
        case Not(operand=operand):
            yield from _constants(operand)
        case Compare(right=Constant(value=value)):
            yield value
        case InSet(values=values):
            yield from values
