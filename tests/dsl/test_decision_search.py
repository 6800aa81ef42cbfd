"""The search for gaps, overlaps and idle rows finds what trying everything finds, and it ends."""

from __future__ import annotations

from functools import reduce
from itertools import product
from operator import and_
from random import Random

import pytest

from tests.dsl.test_decisions import POLICY, program_of
from tidegate.dsl import decision_search, tree
from tidegate.dsl.checker import check
from tidegate.dsl.decision_search import Budget, Fits, Found, OutOfStepsError, bits, search
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.expressions import Typer
from tidegate.dsl.parser import parse
from tidegate.dsl.program import And
from tidegate.dsl.scope import collect
from tidegate.dsl.source import Source
from tidegate.dsl.zones import load_zone

WIDE = 12
SOME = (0b0, 0b1, 0b11, 0b111, 0b1111)
IDLE = """
decision idle version 1
  columns amount
  rows first
  row some > 5 EUR then tag "some"
  row more > 6 EUR then tag "more"
  else skip
"""


def tried(columns: list[Fits], rows: int) -> Found:
    """What every combination by itself says, in order."""
    every = (1 << rows) - 1
    found = Found([None] * rows, [every] * rows)
    for places in product(*(range(len(column.rows)) for column in columns)):
        pairs = list(zip(columns, places, strict=True))
        left = reduce(and_, (column.rows[place] for column, place in pairs), every)
        allowed = reduce(and_, (column.allows[place] for column, place in pairs), every)
        if not allowed and found.gap is None:
            found.gap = places
        if left.bit_count() > 1 and found.double is None:
            found.double = places, left
        found.leading |= left & -left
        for row in bits(left):
            found.held[row] = found.held[row] or places
            found.everywhere[row] &= left
    return found


def test_the_search_finds_what_trying_everything_finds() -> None:
    """A gap or an idle row would be overlooked, or made up."""
    rng = Random(7)
    gaps = 0
    for _ in range(400):
        number = rng.randint(1, 6)
        columns = []
        for _ in range(rng.randint(1, 4)):
            values = [
                rng.getrandbits(number) | rng.getrandbits(number) for _ in range(rng.randint(1, 4))
            ]
            allows = [rows | rng.choice((0, rng.getrandbits(number))) for rows in values]
            columns.append(Fits(tuple(values), tuple(allows)))
        wanted = tried(columns, number)
        assert search(columns, number, Budget(), together=True) == wanted
        gaps += wanted.gap is not None
    assert 50 < gaps < 350


def test_the_same_rows_are_followed_once() -> None:
    """Eight columns of five values are 390,625 combinations, and no budget would do."""
    columns = [Fits(SOME, SOME)] * 8
    budget = Budget(policy=10_000)
    found = search(columns, 4, budget, together=False)
    assert found.gap == (0,) * 8
    assert budget.left > 10_000 - 8 * 5 * 6


def test_a_search_that_is_too_long_ends() -> None:
    """Twenty rows that each ask another column leave a million different sets of rows."""
    every = (1 << 20) - 1
    columns = [Fits((every, every - (1 << n)), (every, every - (1 << n))) for n in range(20)]
    for policy, table, whole in ((10**6, 500, False), (500, 10**6, True)):
        budget = Budget(policy, table)
        with pytest.raises(OutOfStepsError) as stop:
            search(columns, 20, budget, together=False)
        assert stop.value.policy is whole
        assert budget.left >= 0
    budget = Budget(0)
    with pytest.raises(OutOfStepsError):
        budget.next_table()


# --- whole policies ------------------------------------------------------------------------------


def wide(name: str, hit: str = "first") -> str:
    """A table of `WIDE` columns whose rows each ask another one."""
    columns = ", ".join(f"n{n}" for n in range(WIDE))
    lines = [f"decision {name} version 1", f"  columns {columns}", f"  rows {hit}"]
    for row in range(WIDE):
        cells = ", ".join("> 5" if n == row else "any" for n in range(WIDE))
        lines.append(f'  row r{row} {cells} then tag "x"')
    return "\n".join([*lines, "  else skip", ""])


def said(text: str) -> list[tuple[str, str, Severity]]:
    """The code of each finding, the table or row that it names, and how grave it is."""
    fields = "".join(f"  n{n} count max 100\n" for n in range(WIDE))
    policy = POLICY.replace("  land country?\n", f"  land country?\n{fields}")
    parsed = parse(Source("p.tide", policy + text))
    assert parsed.diagnostics == ()
    found: tuple[Diagnostic, ...] = check([parsed.file]).diagnostics
    return [(d.code, [*d.message.split("`"), ""][1], d.severity) for d in found]


MORE = ("TG243", "more", Severity.WARNING)


def test_a_wide_table_is_searched() -> None:
    """The notes below would be said of every table."""
    assert said(wide("big") + IDLE) == [MORE]


def test_a_table_that_is_not_searched_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person would take silence for a table without gaps; the other tables are judged."""
    monkeypatch.setattr(decision_search, "TABLE_STEPS", 1_000)
    assert said(wide("big") + IDLE) == [("TG244", "big", Severity.NOTE), MORE]


def test_all_tables_of_a_policy_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty tables would take forty times as long as one may."""
    monkeypatch.setattr(decision_search, "POLICY_STEPS", 25_000)
    tables = [f"t{n:02}" for n in range(8)]
    found = said(IDLE + "".join(map(wide, tables)) + IDLE.replace("idle", "late"))
    notes = [name for code, name, severity in found if (code, severity) == ("TG244", Severity.NOTE)]
    assert [f for f in found if f[0] != "TG244"] == [MORE]  # of the table before, not the late one
    assert notes[-1] == "late"
    assert 0 < len(notes) - 1 < len(tables)
    assert notes[:-1] == tables[-len(notes) + 1 :]


def test_a_promise_that_is_not_checked_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`rows one` would stand for what nobody has looked at."""
    monkeypatch.setattr(decision_search, "TABLE_STEPS", 1_000)
    assert said(wide("big", "one")) == [("TG240", "", Severity.ERROR)]


def test_many_values_in_one_column_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value is held against each row: a long table would cost before any search."""
    rows = "".join(f'  row r{n} {n} EUR then tag "x"\n' for n in range(40))
    long = f"decision long version 1\n  columns amount\n  rows all\n{rows}  else skip\n"
    assert said(long) == []
    monkeypatch.setattr(decision_search, "TABLE_STEPS", 1_000)
    assert said(long) == [("TG244", "long", Severity.NOTE)]


def test_rules_share_the_rows_that_must_not_hold() -> None:
    """Fifty rows of eight columns would be typed, and kept, ten thousand times."""
    rows = "".join(f'  row r{n} > {n} EUR then tag "x"\n' for n in (3, 2, 1))
    program = program_of(
        f'{POLICY}decision d version 1\n  columns amount\n  rows first\n{rows}  else tag "y"\n'
    )
    whens = {rule.name: rule.when for rule in program.event("pay").rules}
    second, third, rest = whens["d_r2"], whens["d_r1"], whens["d_else"]
    assert isinstance(second, And)
    assert isinstance(third, And)
    assert isinstance(rest, And)
    assert second.items[1] is third.items[1] is rest.items[0]
    assert third.items[2] is rest.items[1]


def test_what_is_said_of_a_shared_node_is_said_each_time() -> None:
    """Whoever tries to type a node and forgets what was said would hide its error for good."""
    file = parse(Source("p.tide", "rule r version 1 when not (nope > 5) then review")).file
    rule = file.declarations[0]
    assert isinstance(rule, tree.RuleDeclaration)
    assert isinstance(rule.when, tree.Negation)
    zone = load_zone("UTC")
    assert zone is not None
    typer = Typer(collect([file])[0], "EUR", zone)
    typer.fields = {"pay": {}}
    said_first: list[Diagnostic] = []
    said_again: list[Diagnostic] = []
    for problems in (said_first, said_again):
        assert typer.condition(rule.when, "pay") is None
        problems.extend(typer.problems)
        typer.problems.clear()
    assert [d.code for d in said_first] == ["TG204"]
    assert said_again == said_first
