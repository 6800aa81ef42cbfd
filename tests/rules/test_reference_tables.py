"""Tables come from CSV files: every cell typed, every bad line named, nothing repeated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.rules.folders import POLICY
from tidegate import Engine, load_policy
from tidegate.dsl.diagnostics import Severity
from tidegate.engine.record import parse_record
from tidegate.engine.replay import replay
from tidegate.rules import read, reference_tables

TABLES = (
    POLICY
    + """
table limits of country from "tables/limits.csv"
  cut   money  max 1000 EUR
  tier  one of (gold, "plain-one") default "plain-one"
  share number? min -1 max 1
  most  count default 3
  pause duration default 10m
  known_well flag default false
  note  text?
  home  country?

table cards of token from "tables/cards.csv"
  cut money default 70 EUR

reason over_cut "Above the cut" message "Please confirm."

rule over_cut version 1
  when amount > limits[card_country].cut
  then review because over_cut
  if unknown then hold because over_cut

rule card_cut version 1
  when amount > cards[card].cut
  then tag "card"

rule golden version 1
  when limits[card_country].tier = "gold" and limits[card_country].known_well
  then tag "gold"

rule shared version 1
  when limits[card_country].share * limits[card_country].most > 0.5
  then tag "shared"
  if unknown then tag "no share"
"""
)
HEADING = "key,cut,tier,share,most,pause,known_well,note,home\n"
LIMITS = (
    HEADING + "# near\nFR,500 EUR,gold,12%,5,1h,true,hm,DE\nDE,80.50 EUR,plain-one,,7,2d,false,,\n"
)
BODY = {
    "id": "p-1", "at": "2026-01-03T12:00:00Z", "amount": "150.00 EUR", "card": "tok_9",
    "card_country": "FR",
}  # fmt: skip


def write(folder: Path, limits: str = LIMITS, rules: str = TABLES) -> Path:
    """The policy with its two tables."""
    for name, text in (
        ("policy.tide", rules), ("rates.csv", "date,currency,rate\n2026-01-02,USD,1.25\n"),
        ("tables/limits.csv", limits), ("tables/cards.csv", "key,cut\ntok_9,200 EUR\n"),
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return folder


def said(folder: Path) -> list[tuple[str, int, str]]:
    """Code, line and message of every error and warning."""
    found = read(folder).diagnostics
    return [(d.code, d.line, d.message) for d in found if d.severity is not Severity.NOTE]


def decided(folder: Path, **changes: str) -> tuple[str, dict[str, str | None], dict[str, str]]:
    """What is decided of the body with some fields changed: reviews, what was read, what not."""
    record = Engine(load_policy(folder)).decide({**BODY, **changes}).record
    read_there = {name: text for name, text in record.inputs.items() if "[" in name}
    missing = {name: why for name, why in record.missing.items() if "[" in name}
    return record.outcome.review, read_there, missing


def test_every_type_of_cell_is_read(tmp_path: Path) -> None:
    """A cell would stand for another value than people read in it."""
    tables = load_policy(write(tmp_path)).tables
    rows = tables["limits"].rows
    assert rows["FR"] == (50_000, "gold", 120_000, 5, 3_600_000_000, True, "hm", "DE")
    assert rows["DE"] == (8_050, "plain-one", None, 7, 172_800_000_000, False, None, None)
    assert rows["FR"][5] is True  # and not 1, which a record would not hold
    assert tables["cards"].rows == {"tok_9": (20_000,)}


def test_the_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    """A spreadsheet that moves its columns would exchange their meaning."""
    moved = (
        "key,home,cut,note,tier,share,most,pause,known_well\nFR,DE,500 EUR,hm,gold,0.12,5,1h,true\n"
    )
    rows = load_policy(write(tmp_path, moved)).tables["limits"].rows
    assert rows["FR"] == (50_000, "gold", 120_000, 5, 3_600_000_000, True, "hm", "DE")


def test_a_rule_reads_the_row_of_the_event(tmp_path: Path) -> None:
    """A merchant would be judged by another one's limits."""
    write(tmp_path)
    review, values, missing = decided(tmp_path)
    assert review == "none"
    assert values["limits[card_country].cut"] == "500.00 EUR"
    assert values["cards[card].cut"] == "200.00 EUR"
    assert missing == {}
    assert decided(tmp_path, card_country="DE")[0] == "after"


def test_a_missing_row_is_missing_or_the_default(tmp_path: Path) -> None:
    """A limit that nobody set would be taken for no limit."""
    record = Engine(load_policy(write(tmp_path))).decide({**BODY, "card_country": "US"}).record
    assert record.outcome.disposition == "hold"
    assert record.inputs["limits[card_country].tier"] == "plain-one"
    assert record.inputs["limits[card_country].most"] == "3"
    assert record.missing["limits[card_country].cut"] == "no_row"
    empty = decided(tmp_path, card_country="DE")[2]
    assert empty == {"limits[card_country].share": "empty_cell"}
    assert decided(tmp_path, card="tok_8")[1]["cards[card].cut"] == "70.00 EUR"


def test_a_record_replays_without_the_file(tmp_path: Path) -> None:
    """A decision could be repeated only as long as nobody edits the table."""
    policy = load_policy(write(tmp_path))
    for country in ("FR", "DE", "US"):
        decision = Engine(policy).decide({**BODY, "card_country": country})
        record = parse_record(decision.record_bytes)
        assert replay(policy.program, policy.hash, record).identical


def test_the_hash_of_the_policy_covers_the_table_and_no_order(tmp_path: Path) -> None:
    """Two policies that decide otherwise would have one name."""
    first = load_policy(write(tmp_path))
    reordered = LIMITS.splitlines(keepends=True)
    again = load_policy(write(tmp_path, "".join([*reordered[:2], *reversed(reordered[2:])])))
    changed = load_policy(write(tmp_path, LIMITS.replace("500 EUR", "501 EUR")))
    assert first.hash == again.hash
    assert first.hash != changed.hash


def test_a_version_stands_for_the_columns_and_not_for_the_rows(tmp_path: Path) -> None:
    """A weekly edit of limits would raise every version; a new default must."""

    def meanings(rules: str, limits: str = LIMITS) -> dict[str, str]:
        event = load_policy(write(tmp_path, limits, rules)).program.event("payment")
        return {rule.name: rule.meaning for rule in event.rules}

    first = meanings(TABLES)
    assert meanings(TABLES, LIMITS.replace("500 EUR", "501 EUR")) == first
    for old, new, touched in (
        ("default 70 EUR", "default 71 EUR", {"card_cut"}),
        ("max 1000 EUR", "max 1001 EUR", {"over_cut"}),
        ('default "plain-one"', 'default "gold"', {"golden"}),
        ("share number? min -1 max 1", "share number? min -1 max 2", {"shared"}),
        ("home  country?", "home  country", set()),
    ):
        second = meanings(TABLES.replace(old, new), LIMITS.replace("false,,", "false,,FR"))
        assert {name for name in first if first[name] != second[name]} == touched


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("FR,500 USD,gold,,5,1h,true,,", "`cut`: this amount is not in the policy's currency"),
        ("FR,500,gold,,5,1h,true,,", "`cut`: a money is written as in `100 EUR`"),
        ("FR,1.005 EUR,gold,,5,1h,true,,", "`cut`: this cannot be held exactly, or not at all"),
        ("FR,1001 EUR,gold,,5,1h,true,,", "`cut`: this lies outside the column's bounds"),
        ("FR,-1001 EUR,gold,,5,1h,true,,", "`cut`: this lies outside the column's bounds"),
        ("FR,,gold,,5,1h,true,,", "`cut`: an empty cell; write `money?`"),
        ("FR,5 EUR,silver,,5,1h,true,,", "`tier`: this is none of gold, plain-one"),
        ("FR,5 EUR,gold,.5,5,1h,true,,", "`share`: a number is written as in `0.85` or `12%`"),
        ("FR,5 EUR,gold,1e-3,5,1h,true,,", "`share`: a number is written as in `0.85` or `12%`"),
        ("FR,5 EUR,gold,2,5,1h,true,,", "`share`: this lies outside the column's bounds"),
        ("FR,5 EUR,gold,,05,1h,true,,", "`most`: a count is written as in `5`"),
        ("FR,5 EUR,gold,,5,1 h,true,,", "`pause`: a duration is written as in `10m`"),
        ("FR,5 EUR,gold,,5,1h,yes,,", "`known_well`: a flag is written as in `true` or `false`"),
        ("FR,5 EUR,gold,,5,1h,-true,,", "`known_well`: a flag is written as in `true` or `false`"),
        ("FR,5 EUR,gold,,5,1h,true,4111111111111111,",
         "`note`: this looks like a card number; tables hold tokens"),
        ("FR,5 EUR,gold,,5,1h,true,,XX", "`home`: this is no country code of ISO 3166-1"),
        ("fr,5 EUR,gold,,5,1h,true,,", "the key: this is no country code of ISO 3166-1"),
        (",5 EUR,gold,,5,1h,true,,", "the key: an empty value"),
        ("FR,5 EUR,gold", "this line has 3 cells, the heading 9"),
        ("IT,5 EUR,gold,,5,1h,true,,", "this key has a row already, in line 2"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_and_never_repeated(tmp_path: Path, line: str, message: str) -> None:
    """A person would look for the line, and a secret would stand in a log."""
    write(tmp_path, f"{HEADING}IT,5 EUR,gold,,5,1h,true,,\n{line}\n")
    assert said(tmp_path) == [("TG711", 3, message)]


@pytest.mark.parametrize(
    "heading",
    ["cut,key,tier", "key,cut", HEADING.strip() + ",cut", "", HEADING.replace("cut", "cat")],
)
def test_the_heading_names_every_column(tmp_path: Path, heading: str) -> None:
    """A column that was forgotten would be read as another."""
    write(tmp_path, f"{heading}\n")
    [(code, _, message)] = said(tmp_path)
    assert code == "TG711"
    assert message.startswith("the heading is `key,cut,tier,share,")


def test_bad_lines_come_with_the_other_errors_of_the_policy(tmp_path: Path) -> None:
    """An analyst who mends one error must not find the next one only then."""
    write(tmp_path, LIMITS.replace("gold", "silver"), TABLES.replace("amount >", "amout >"))
    assert {code for code, _, _ in said(tmp_path)} == {"TG711", "TG204"}


def test_a_file_that_is_not_there_or_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table would be half a table."""
    write(tmp_path, rules=TABLES.replace("tables/limits.csv", "tables/limit.csv"))
    assert [(code, message) for code, _, message in said(tmp_path)] == [
        ("TG702", "there is no file `tables/limit.csv`")
    ]
    monkeypatch.setattr(reference_tables, "MAX_ROWS", 1)
    write(tmp_path)
    assert said(tmp_path) == [("TG712", 4, "a table has at most 1 rows")]


def test_an_empty_table_is_warned_of(tmp_path: Path) -> None:
    """A rule would be unknown for everybody, and nobody told."""
    write(tmp_path, HEADING)
    assert [code for code, _, _ in said(tmp_path)] == ["TG709"]
    assert load_policy(tmp_path).tables["limits"].rows == {}


def test_keys_that_a_folded_field_never_equals_are_warned_of(tmp_path: Path) -> None:
    """A key with a capital would be looked up by nobody."""
    rules = TABLES.replace("  card    token", "  card    token\n  shop text folded").replace(
        "of token", "of text").replace("cards[card]", "cards[shop]")  # fmt: skip
    write(tmp_path, rules=rules)
    assert said(tmp_path) == []
    (tmp_path / "tables" / "cards.csv").write_text("key,cut\nTok_9,200 EUR\nstraße,2 EUR\n")
    assert [code for code, _, _ in said(tmp_path)] == ["TG708"]
    assert said(tmp_path)[0][2].startswith("2 of the keys of table `cards` never match `shop`")


def test_the_table_of_the_reference_can_be_read(tmp_path: Path) -> None:
    """The reference would show a file that is refused."""
    page = (ROOT / "docs" / "language.md").read_text()
    (table,) = re.findall(r"^```csv table\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (declared,) = re.findall(r"^table lands.*?(?=^```)", page, re.MULTILINE | re.DOTALL)
    write(tmp_path, rules=POLICY + declared)
    (tmp_path / "tables" / "lands.csv").write_text(table)
    assert said(tmp_path) == []
    rows = load_policy(tmp_path).tables["lands"].rows
    assert rows == {"FR": (80_000, "near", 120_000), "US": (15_050, "far", None)}
