"""What is wrong with a mapping is said all at once, with its place and a way out."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.simulation.histories import write_policy
from tidegate.rules import Policy
from tidegate.simulation.backtest import DryRun
from tidegate.simulation.checked_mapping import load_mapping
from tidegate.simulation.mapping import MappingError

GOOD = """
label: fraud
sources:
  - event: payment
    file: payments.csv
    zone: Europe/Paris
    currency: EUR
    fields:
      id: number
      at: time
      amount: {column: amount, unit: major}
      card: card
      channel: {constant: ecom}
"""
CSV = "number,time,amount,card\n1,2026-09-01 10:00:00,12.50,c1\n"

CASES = [
    ("sources:", "sorces:", "sorces: is no key of a mapping here", "did you mean `sources`?"),
    ("event: payment", "event: paymnt", "the policy has no event `paymnt`", "`payment`"),
    ("card: card", "crad: card", "`payment` has no such field", "did you mean `card`?"),
    ("card: card", "note: card", "`card` is required and has no column", ""),
    ("unit: major", "unit: cents", "is not counted in `cents`", "one of major, minor"),
    (", unit: major", "", "has to say what amounts are counted in", "major or minor"),
    ("currency: EUR", "currency: EURO", "`EURO` is no known currency", ""),
    ("    currency: EUR\n", "", "has to name a currency", "`currency` or `currency_column`"),
    ("Europe/Paris", "Europe/Pariss", "no zone is called `Europe/Pariss`", ""),
    ("    zone: Europe/Paris\n", "    zone: ''\n    zone: UTC\n", "`zone` comes twice", ""),
    ("card: card", "card: {column: card, unit: s}", "a token is not counted in `s`", "leave"),
    ("card: card", "card: {column: card, currency: EUR}", "a token has no currency", ""),
    ("constant: ecom", "constant: ecom, column: card", "give either `column` or `constant`", ""),
    ("card: card", "card: [card]", "", ""),
    ("payments.csv", "absent.csv", "there is no file", ""),
    ("payments.csv", "payments.xls", "there is no file", ""),
    ("label: fraud", "label: frauds", "called `frauds`", "did you mean `fraud`?"),
    ("label: fraud\n", "", "has to say which label measures", "one of `dispute`, `fraud`"),
    ("label: fraud", "label: fraud\nend: yesterday", "is no time", "write a date"),
    ("label: fraud", "label: fraud\nwarm_up: long", "is no duration", "such as 35d"),
    (
        "    fields:",
        "    labels: {fraud: {column: amount, true_values: [0]}}\n    fields:",
        "`0` is true and false",
        "",
    ),
    ("    zone: Europe/Paris\n", "", "time` holds local times without a zone", "`zone: UTC`"),
    ("channel: {constant: ecom}", "channel: {constant: web}", "the field's words", "ecom, pos"),
    (
        "channel: {constant: ecom}",
        "channel: {constant: ecom}\n      origin: {constant: XX}",
        "payment.origin.constant: is no country code",
        "such as FR",
    ),
    (
        "amount: {column: amount, unit: major}",
        "amount: {constant: 10000.01, unit: major}",
        "payment.amount.constant: is above the field's maximum",
        "",
    ),
    (
        "amount: {column: amount, unit: major}",
        "amount: {constant: 12.345, unit: major}",
        "payment.amount.constant: cannot be read as money",
        "",
    ),
    (
        "channel: {constant: ecom}",
        "channel: {constant: ecom}\n      note: {constant: 4111 1111 1111 1111}",
        "payment.note.constant: looks like a card number",
        "tokens",
    ),
    ("currency: EUR", "currency: USD", "no rates to turn USD into EUR", "own currency"),
    ("zone: Europe/Paris", "zone: UTC\n    decimal: x", "decimal: has to be `.` or `,`", ""),
    (
        "    fields:",
        "    labels: {fraud: {column: amount, true_values: [1]}}\n    fields:",
        "labels.fraud: the policy takes `fraud` from `chargeback`",
        "a source of `chargeback`, or leave `from chargeback` out",
    ),
    ("card: card", "card: cart", "has no column `cart`", "did you mean `card`?"),
]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The small policy."""
    return write_policy(tmp_path_factory.mktemp("mapping") / "policy")


def written(folder: Path, text: str) -> Path:
    """A mapping with its history."""
    (folder / "payments.csv").write_text(CSV)
    path = folder / "mapping.yaml"
    path.write_text(text)
    return path


def test_a_good_mapping(policy: Policy, tmp_path: Path) -> None:
    """A mapping that is fine is refused."""
    mapping = load_mapping(written(tmp_path, GOOD), policy.program)
    assert [event.name for event in mapping.events] == ["payment"]
    assert mapping.sources[0].money == "amount"
    assert DryRun(policy, tmp_path / "mapping.yaml").history.span.rows == 1


@pytest.mark.parametrize("case", CASES, ids=[f"{old} to {new}" for old, new, *_ in CASES])
def test_what_is_wrong_is_named(
    policy: Policy, tmp_path: Path, case: tuple[str, str, str, str]
) -> None:
    """A slip in a mapping goes through, or is refused without saying where and what to do."""
    old, new, message, help_ = case
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(MappingError) as refused:
        DryRun(policy, path)
    said = str(refused.value)
    assert message in said
    assert help_ in said
    assert "mapping.yaml" in said
    assert all(problem.message for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("text", "message", "help_"),
    [
        ("sources: [", "line 1, column 11: the file ends too early", "bracket"),
        ("sources: [a, b", "line 1, column 15: a bracket is not closed", "`[` and `{`"),
        ("sources: {a: b]", "line 1, column 15: a bracket is not closed", "`[` and `{`"),
        ("sources:\n\t- event: payment", "line 2, column 1: a tab", "with blanks"),
        ("history: 'mine", "line 1, column 15: a quote is not closed", ""),
        ("history: a: b", "line 1, column 11: ", "text that holds `: `"),
        ("history: mine\n- a", "line 2, column 1: is no YAML from here on", "indentation"),
        ("history: *mine", "line 1, column 10: ", ""),
        ("? [a, b]\n: c", "line 1, column 3: a key is one text", ""),
        ("", "has to be a block of keys", ""),
        ("- a", "has to be a block of keys", ""),
        ("history: \x01", "holds a character that YAML does not take", ""),
        ("[" * 3000, "is nested too deeply", ""),
        ("sources: &a\n  - *a", "", ""),
        ("label: [a]\nsources: x", "sources: has to be a list", "[a, b]"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_said_in_our_words(
    policy: Policy, tmp_path: Path, text: str, message: str, help_: str
) -> None:
    """An analyst reads `expected ',' or ']', but got '<stream end>'`, or sees a stack trace."""
    with pytest.raises(MappingError) as refused:
        DryRun(policy, written(tmp_path, text))
    said = str(refused.value)
    assert message in said
    assert help_ in said
    for leak in ("<stream", "token", "expected", "found", "Input", "valid", "unhashable", "cyclic"):
        assert leak not in said.replace(str(tmp_path), "")


def test_bytes_that_are_no_text(policy: Policy, tmp_path: Path) -> None:
    """A mapping in another encoding ends in a stack trace."""
    path = written(tmp_path, GOOD)
    path.write_bytes(b"history: caf\xe9\n" + GOOD.encode())
    with pytest.raises(MappingError, match="is not UTF-8"):
        DryRun(policy, path)


def test_all_problems_come_at_once(policy: Policy, tmp_path: Path) -> None:
    """An author mends one slip, runs again and finds the next."""
    text = GOOD.replace("unit: major", "unit: cents").replace("card: card", "crad: card")
    with pytest.raises(MappingError) as refused:
        DryRun(policy, written(tmp_path, text))
    assert len(refused.value.problems) == 3


def test_scalars_are_texts(policy: Policy, tmp_path: Path) -> None:
    """YAML turns `NO` into false and 007 into 7 before anyone can object."""
    text = GOOD.replace("card: card", "card: {column: card, values: {NO: 007}}")
    mapping = load_mapping(written(tmp_path, text), policy.program)
    assert mapping.sources[0].column_of("card").origin.values == {"NO": "007"}


@pytest.mark.parametrize(
    "case",
    [
        (pl.Series([1]), "UTC", "", "has to say what its numbers count"),
        (pl.Series([1.5]), "UTC", "", "holds no times"),
        (pl.Series([[1]]), "UTC", "s", "holds more than one value a row"),
        (pl.Series([0]).cast(pl.Datetime("us")), "", "", "local times without a zone"),
    ],
)
def test_a_file_that_needs_more_said(
    policy: Policy, tmp_path: Path, case: tuple[pl.Series, str, str, str]
) -> None:
    """A unit or a zone is guessed where the file alone cannot tell."""
    column, zone, unit, message = case
    frame = pl.DataFrame({"number": ["1"], "amount": ["1"], "card": ["c"], "time": column})
    frame.write_parquet(tmp_path / "payments.parquet")
    text = GOOD.replace("payments.csv", "payments.parquet").replace("Europe/Paris", f"'{zone}'")
    text = text.replace("at: time", f"at: {{column: time, unit: '{unit}'}}")
    with pytest.raises(MappingError, match=message):
        DryRun(policy, written(tmp_path, text))


def test_a_file_that_is_no_parquet(policy: Policy, tmp_path: Path) -> None:
    """A broken file ends in a stack trace."""
    (tmp_path / "payments.parquet").write_text("no parquet")
    with pytest.raises(MappingError, match="cannot be read as parquet"):
        DryRun(policy, written(tmp_path, GOOD.replace("payments.csv", "payments.parquet")))


def test_decimals_behind_a_comma(policy: Policy, tmp_path: Path) -> None:
    """An export from a German spreadsheet is 1,200 bad rows, or 12,50 euros are 1,250."""
    path = written(tmp_path, GOOD)
    german = CSV.replace("12.50", '"12,50"') + '2,2026-09-01 10:00:00,"1.000,00",c1\n'
    german += "3,2026-09-01 10:00:00,12.50,c1\n"
    (tmp_path / "payments.csv").write_text(german.rpartition("3,")[0])
    with pytest.raises(MappingError) as refused:
        DryRun(policy, path)
    (problem,) = refused.value.problems
    assert problem.key == "payment.amount.decimal"
    assert '`decimal: ","`' in problem.help
    (tmp_path / "payments.csv").write_text(german)
    path.write_text(GOOD.replace("zone:", 'decimal: ","\n    zone:'))
    run = DryRun(policy, path)
    (batch,) = run.batches()
    assert run.decided(batch).money.tolist() == [1250]
    assert run.history.intakes["payment"].bad == 2


def test_one_odd_text_is_a_bad_row(policy: Policy, tmp_path: Path) -> None:
    """One row in another form stops a history of a million."""
    path = written(tmp_path, GOOD.replace("    zone: Europe/Paris\n", ""))
    rows = "".join(f"{n},2026-09-01T10:00:0{n}Z,{n}.50,c1\n" for n in range(3))
    (tmp_path / "payments.csv").write_text(
        "number,time,amount,card\n8,2026-09-01T10:00:00,1.50,c1\n" + rows + '9,,"1,50",c1\n'
    )
    run = DryRun(policy, path)
    assert sum(batch.rows.count for batch in run.batches()) == 3
    assert run.history.intakes["payment"].bad == 2


def test_counts_in_texts_are_times(policy: Policy, tmp_path: Path) -> None:
    """The unit that the mapping names holds for Parquet only."""
    text = GOOD.replace("at: time", "at: {column: time, unit: ms}")
    path = written(tmp_path, text.replace("    zone: Europe/Paris\n", ""))
    (tmp_path / "payments.csv").write_text(
        "number,time,amount,card\n1,1790000000000,1,c\n2,soon,1,c\n"
    )
    run = DryRun(policy, path)
    (batch,) = run.batches()
    assert batch.rows.at_us.tolist() == [1_790_000_000 * 10**6]
    assert run.history.intakes["payment"].bad == 1


def test_two_sources_of_one_event(policy: Policy, tmp_path: Path) -> None:
    """Rows of a second source are read by the first one's columns, or not at all."""
    source = GOOD.partition("sources:\n")[2]
    with pytest.raises(MappingError, match="`payment` has 2 sources"):
        DryRun(policy, written(tmp_path, GOOD + source))


def test_files_by_a_pattern(policy: Policy, tmp_path: Path) -> None:
    """A history in monthly files is read as its first month."""
    text = GOOD.replace("payments.csv", "part_*.csv")
    (tmp_path / "part_1.csv").write_text(CSV)
    (tmp_path / "part_2.csv").write_text(CSV.replace("\n1,", "\n2,"))
    assert DryRun(policy, written(tmp_path, text)).history.span.rows == 2
