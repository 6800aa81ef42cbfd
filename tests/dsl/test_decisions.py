"""A decision table means what its rows mean, written as rules by hand."""

from __future__ import annotations

import pytest

from tests.engine.small_policy import policy_of
from tidegate.dsl.checker import check
from tidegate.dsl.decision_rows import MAX_FIRST
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program
from tidegate.dsl.source import Source
from tidegate.engine import Engine

POLICY = """
policy shop language 1 currency EUR timezone "Europe/Paris"
event pay decided by default approve
  silent review
  id text key
  at time
  amount money max 1000000 EUR
  channel one of (ecom, pos, moto)
  land country?
reason odd "Odd" message "Please wait."
group quick "Fast ones"
  except when amount < 1 EUR
"""
TABLE = """
decision size version 2 "By size" owner desk in quick
  columns channel, amount, land
  rows HIT
  row web "ecom", > 100 EUR, any then review because odd, tag "web"
  row far any, between 5 EUR and 500 EUR, not in ("FR", "DE") then hold because odd
  row phone "moto", any, missing then tag "phone"
  else tag "rest"
  except when amount > 9000 EUR
  if unknown then tag "unknown"
"""
WEB = 'channel = "ecom" and amount > 100 EUR'
FAR = 'amount between 5 EUR and 500 EUR and land not in ("FR", "DE")'
PHONE = 'channel = "moto" and land is missing'
SHARED = 'version 2 "By size" owner desk in quick'
END = "except when amount > 9000 EUR"
UNKNOWN = 'if unknown then tag "unknown"'
REST = f"""
rule size_else {SHARED} when not ({WEB}) and not ({FAR}) and not ({PHONE})
  then tag "rest" {END} {UNKNOWN}
"""
ALL = f"""
rule size_web {SHARED} when {WEB} then review because odd, tag "web" {END}
rule size_far {SHARED} when {FAR} then hold because odd {END} {UNKNOWN}
rule size_phone {SHARED} when {PHONE} then tag "phone" {END}
"""
FIRST = f"""
rule size_web {SHARED} when {WEB} then review because odd, tag "web" {END}
rule size_far {SHARED} when {FAR} and not ({WEB}) then hold because odd {END} {UNKNOWN}
rule size_phone {SHARED} when {PHONE} and not ({FAR}) then tag "phone" {END} {UNKNOWN}
"""


def program_of(text: str) -> Program:
    """The program of a text without an error."""
    program = policy_of(text).program
    assert isinstance(program, Program)
    return program


def meanings(program: Program) -> dict[str, tuple[object, ...]]:
    """What counts of each rule."""
    return {
        rule.name: (rule.meaning, rule.version, rule.text, rule.owner, rule.group, rule.then)
        for rule in program.event("pay").rules
    }


@pytest.mark.parametrize(("hit", "rules"), [("all", ALL), ("first", FIRST)])
def test_rows_are_rules(hit: str, rules: str) -> None:
    """A table would say something else than a person reads across its rows."""
    table = program_of(POLICY + TABLE.replace("HIT", hit))
    assert meanings(table) == meanings(program_of(POLICY + rules + REST))


def test_a_changed_cell_changes_the_meaning_of_the_rows_that_follow() -> None:
    """A version would stand for two things."""
    before = meanings(program_of(POLICY + TABLE.replace("HIT", "first")))
    changed = TABLE.replace("HIT", "first").replace("> 100 EUR", "> 101 EUR")
    after = meanings(program_of(POLICY + changed))
    assert {name for name in before if before[name][0] != after[name][0]} == {
        "size_web", "size_far", "size_else",
    }  # fmt: skip


def test_the_first_row_that_holds_acts_alone() -> None:
    """A payment would be answered by two rows, or by the wrong one."""
    engine = Engine(policy_of(POLICY + TABLE.replace("HIT", "first")))

    def fired(**changes: str | None) -> tuple[str, ...]:
        body = {"id": "1", "at": "2026-11-23T10:00:00Z", "amount": "200 EUR", "channel": "ecom",
                "land": "US", **changes}  # fmt: skip
        return engine.decide({k: v for k, v in body.items() if v is not None}).record.rules.fired

    assert fired() == ("size_web@2",)
    assert fired(channel="pos") == ("size_far@2",)
    assert fired(channel="moto", land=None, amount="600 EUR") == ("size_phone@2",)
    assert fired(channel="moto", land=None) == ()  # `far` may hold, and nobody knows
    assert fired(channel="pos", land="FR") == ("size_else@2",)
    assert fired(amount="9000.01 EUR") == ()


def test_a_forgotten_quote_is_no_row_that_answers_everything() -> None:
    """`web` for `"web"` would be a missing value, and the first row would match it."""
    text = POLICY + TABLE.replace('"ecom"', "ecom").replace("HIT", "first")
    parsed = parse(Source("p.tide", text))
    assert [d.code for d in parsed.diagnostics] == ["TG101"]


def test_a_table_that_is_too_long_for_the_first_row() -> None:
    """Each row names those before it: a thousand would be half a million."""
    rows = "".join(f'  row r{n} {n} EUR then tag "x"\n' for n in range(MAX_FIRST + 1))
    text = f"{POLICY}decision long version 1\n  columns amount\n  rows first\n{rows}  else skip\n"
    found = check([parse(Source("p.tide", text)).file]).diagnostics
    assert [d.code for d in found] == ["TG240"]
    fine = text.replace("rows first", "rows all")
    assert check([parse(Source("p.tide", fine)).file]).diagnostics == ()


@pytest.mark.parametrize(
    ("rows", "gap"),
    [
        # A country that is missing rules both rows out, and nothing answers.
        ('row a present then tag "a"\n  row b present then tag "b"', "land missing"),
        ('row a present then tag "a"\n  row b missing then tag "b"', ""),
        # Here it leaves a row unknown, and `if unknown` answers.
        ('row a "FR" then tag "a"\n  row b != "FR" then tag "b"', ""),
        ('row a "FR" then tag "a"\n  row b "DE" then tag "b"', "land another"),
    ],
)
def test_a_missing_value_that_rules_every_row_out_is_a_gap(rows: str, gap: str) -> None:
    """Found by fuzzing: a payment without a country would pass a table that looks complete."""
    unknown = "" if "missing" in rows or "present" in rows else "  if unknown then skip\n"
    text = f"{POLICY}decision lands version 1\n  columns land\n  rows all\n  {rows}\n{unknown}"
    found = check([parse(Source("p.tide", text)).file]).diagnostics
    said = [d.message for d in found if d.code == "TG242"]
    assert said == ([f"no row answers {gap}"] if gap else [])
