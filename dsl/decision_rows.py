"""Decision tables, written out: each row becomes a rule `TABLE_ROW`, before anything is checked.

Where the first row acts, a row's rule demands that no earlier row holds. An earlier row that asks a
column for another literal never holds where this one does, nor is it what leaves this one unknown,
so it is not named again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic
from tidegate.dsl.shapes import fold
from tidegate.dsl.source import Span

MAX_ROWS = 200
"""How many rows a decision table may have."""
MAX_FIRST = 50
"""How many of them where the first acts: each demands that those before it do not hold."""
REST = "else"
"""What the rule is called that acts where no row does."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The files of a policy with a rule for each row, and the tables that were sound."""

    files: tuple[tree.File, ...]
    decisions: tuple[tree.DecisionDeclaration, ...]
    problems: tuple[Diagnostic, ...]


def write_out(files: Sequence[tree.File]) -> Rows:
    """Write out every decision table."""
    decisions: dict[str, tree.DecisionDeclaration] = {}
    problems: list[Diagnostic] = []
    found: list[tree.File] = []
    for file in files:
        tables = [d for d in file.declarations if isinstance(d, tree.DecisionDeclaration)]
        if not tables:
            found.append(file)
            continue
        kept = [d for d in file.declarations if not isinstance(d, tree.DecisionDeclaration)]
        lost = list(file.unread)
        for table in tables:
            wrong = list(_faults(table, decisions))
            problems += wrong
            decisions.setdefault(table.name.text, table)
            if wrong:
                lost += [tree.Unread("rule", rule_name(table, each.name)) for each in table.rows]
            else:
                kept += rules_of(table)
        found.append(replace(file, declarations=tuple(kept), unread=tuple(lost)))
    wrong_ones = {p.span for p in problems}
    sound = tuple(d for d in decisions.values() if not _holds_any(d, wrong_ones))
    return Rows(tuple(found), sound, tuple(problems))


def _holds_any(table: tree.DecisionDeclaration, places: set[Span]) -> bool:
    return any(
        p.path == table.span.path and table.span.start <= p.start < table.span.end for p in places
    )


def _faults(
    table: tree.DecisionDeclaration, known: dict[str, tree.DecisionDeclaration]
) -> Iterator[Diagnostic]:
    first = known.get(table.name.text)
    if first is not None:
        yield _twice(f"decision `{table.name.text}`", table.name, first.name)
    if table.version is None:
        yield Diagnostic(
            "TG404", f"decision `{table.name.text}` has no version", table.name.span,
            "add `version 1` after its name",
        )  # fmt: skip
    most = MAX_FIRST if table.hit == "first" else MAX_ROWS
    if len(table.rows) > most:
        yield Diagnostic(
            "TG240", f"this table has {len(table.rows)} rows; with `rows {table.hit}` it may have "
            f"{most}", table.rows[most].name.span, "cut it into several, or keep a table of values",
        )  # fmt: skip
    seen: dict[str, tree.Name] = {}
    for each in table.rows:
        earlier = seen.setdefault(each.name.text, each.name)
        if earlier is not each.name:
            yield _twice(f"row `{each.name.text}`", each.name, earlier)
        if len(each.cells) != len(table.columns):
            yield Diagnostic(
                "TG240", f"row `{each.name.text}` has {len(each.cells)} cells, and there are "
                f"{len(table.columns)} columns", each.name.span,
                "a cell that asks for nothing is `any`",
            )  # fmt: skip
    if table.unknown is not None and any(a.verb == "points" for a in table.unknown.items):
        yield Diagnostic(
            "TG240", "several rows may be unknown at once, so `if unknown` adds no points",
            table.unknown.span,
        )  # fmt: skip


def _twice(what: str, name: tree.Name, first: tree.Name) -> Diagnostic:
    return Diagnostic(
        "TG201", f"{what} is declared twice", name.span, "give one of them another name",
        related=((first.span, "first declared here"),),
    )  # fmt: skip


def once_a_table(
    problems: Iterable[Diagnostic], tables: Sequence[tree.DecisionDeclaration]
) -> Iterator[Diagnostic]:
    """The problems, but that a table lacks `if unknown` only once, though each row lacks it."""
    said: set[str] = set()
    for problem in problems:
        table = next((t for t in tables if _holds_any(t, {problem.span})), None)
        if problem.code != "TG411" or table is None:
            yield problem
        elif table.name.text not in said:
            said.add(table.name.text)
            message = f"decision `{table.name.text}` does not say what happens where it is unknown"
            yield replace(problem, message=message, span=table.name.span)


def rule_name(table: tree.DecisionDeclaration, row: tree.Name) -> str:
    """What the rule of a row is called."""
    return f"{table.name.text}_{row.text}"


def rules_of(table: tree.DecisionDeclaration) -> Iterator[tree.RuleDeclaration]:
    """A rule for each row, and one for the rest where it asks for something.

    That a row does not hold is one node, which the rules share: the typer types it once.
    """
    refused = [_not(table, each) for each in table.rows]
    for place, each in enumerate(table.rows):
        parts = _own(table, each)
        if table.hit == "first":
            earlier = zip(table.rows[:place], refused, strict=False)
            parts += [no for row, no in earlier if not _apart(row, each)]
        yield _rule(table, each.name, each.span, parts, each.then)
    if table.rest is not None and not table.rest.skip:
        name = tree.Name(table.rest.span, REST)
        yield _rule(table, name, table.rest.span, refused, table.rest)


def _rule(
    table: tree.DecisionDeclaration,
    name: tree.Name,
    span: Span,
    parts: list[tree.Expr],
    then: tree.ActionList,
) -> tree.RuleDeclaration:
    return tree.RuleDeclaration(
        span,
        tree.Name(name.span, rule_name(table, name)),
        version=table.version,
        text=table.text,
        owner=table.owner,
        group=table.group,
        event=table.event,
        shadow=table.shadow,
        mandatory=table.mandatory,
        when=_all_of(parts, span),
        then=then,
        exceptions=table.exceptions,
        unknown=table.unknown,
        origin=f"decision {table.name.text}",
    )


def _all_of(parts: list[tree.Expr], span: Span) -> tree.Expr:
    if len(parts) == 1:
        return parts[0]
    return tree.Conjunction(span, tuple(parts)) if parts else tree.Literal(span, "flag", "true")


def _own(table: tree.DecisionDeclaration, row: tree.DecisionRow) -> list[tree.Expr]:
    """What the cells of a row ask of the columns."""
    cells = zip(table.columns, row.cells, strict=True)
    return [test for column, cell in cells if (test := cell_test(column, cell)) is not None]


def _not(table: tree.DecisionDeclaration, row: tree.DecisionRow) -> tree.Expr:
    return tree.Negation(row.span, _all_of(_own(table, row), row.span))


def cell_test(column: tree.Expr, cell: tree.Cell) -> tree.Expr | None:
    """The test of a cell with its column as the operand; None for `any`."""
    match cell.test:
        case None:
            return None
        case tree.Comparison() as test:
            return replace(test, left=column)
        case test:
            assert hasattr(test, "operand")  # every other test has one
            return replace(test, operand=column)  # type: ignore[call-arg]


def _apart(one: tree.DecisionRow, other: tree.DecisionRow) -> bool:
    """Whether two rows ask some column for different literals of one spelling."""
    pairs = zip(one.cells, other.cells, strict=True)
    return any(_differ(a.test, b.test) for a, b in pairs)


def _differ(one: tree.Expr | None, other: tree.Expr | None) -> bool:
    match one, other:
        case (
            tree.Comparison(op="=", right=tree.Literal(kind="text") as a),
            tree.Comparison(op="=", right=tree.Literal(kind="text") as b),
        ):
            return fold(a.spelling) != fold(b.spelling)  # a folded column makes them the same
    return False
