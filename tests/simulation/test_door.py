"""The door for columns lets in what the service lets in, and refuses what it refuses."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest

from tidegate.dsl.program import Field
from tidegate.dsl.rates import of_quotes, parse_day
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import (
    COUNT,
    COUNTRY,
    DURATION,
    FLAG,
    IP,
    NUMBER,
    TEXT,
    TIME,
    TOKEN,
    Kind,
    Type,
)
from tidegate.engine.event import Admitted, admit
from tidegate.engine.values import format_time, parse_time
from tidegate.rules import Policy, load_policy
from tidegate.simulation.checked_mapping import Column
from tidegate.simulation.door import Cells, ColumnReader
from tidegate.simulation.mapping import ColumnMapping
from tidegate.simulation.times import read_times

POLICY = """
policy door language 1
  currency EUR
  timezone "Europe/Paris"

event payment decided by default approve
  silent      review
  id          text    key
  at          time
  amount      money   min -5 EUR max 500 EUR
  card        token
  note        text?
  folded_note text?   folded
  soft        count?  lenient
  origin      country?
  address     ip?     coarse /24 /48
  items       count?  max 100
  weight      number?
  gap         duration?
  verified    flag?
  channel     one of (ecom, "card-present")

rule any version 1
  when amount.original > 100 and amount.currency = "USD"
  then decline because any

reason any "Any" message "Any"
"""

VALUES: dict[str, tuple[object, ...]] = {
    "id": ("p1", "", "4111111111111111", "a\tb", "Ae\u0301"),
    "card": ("c1", "", "4111 1111 1111 1111", "NDExMTExMTExMTExMTExMQ=="),
    "note": ("ok", "", "x\ny", "5500-0000-0000-0004", None),
    "folded_note": ("STRASSE", "stra\u00dfe", None),
    "soft": ("7", "x", None),
    "origin": ("FR", "fr", "XX", None),
    "address": ("192.0.2.77", "2001:db8::1", "300.1.1.1", None),
    "items": ("5", "100", "101", "5.0", "1e2", "07", " 5", None),
    "weight": ("0.5", "0.1234567", "-3", "1,5", "4111111111111111", None),
    "gap": ("10m", "10", "-2h", None),
    "channel": ("ecom", "card-present", "pos", None),
    "amount": ("12.34", "500.00", "500.01", "-5.01", "1.005", "1,000", "", None),
}


NOW_US = parse_time("2026-11-23T10:00:00Z")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """A policy with a field of every type."""
    folder = tmp_path_factory.mktemp("door")
    (folder / "policy.tide").write_text(POLICY)
    return load_policy(folder)


def read(policy: Policy, field: Field, raw: object, *, keep: bool = True, **origin: Any) -> Cells:
    """A column of these raw values, read for a field."""
    series = pl.Series("c", raw, strict=False) if isinstance(raw, list) else raw
    assert isinstance(series, pl.Series)
    mapping = ColumnMapping(column="c", **origin)
    column = Column(field, mapping, origin.get("zone", ""), origin.get("currency", ""))
    is_key = field.name == "id"
    reader = ColumnReader(column, policy.program, rates=policy.rates, keep=keep, is_key=is_key)
    return reader.read(series.alias("c").to_frame(), np.zeros(len(series), np.int64))


def values_of(cells: Cells) -> list[object]:
    """The values, None where missing, the code where refused."""
    found: list[object] = []
    for value, fault in zip(cells.values.tolist(), cells.faults.tolist(), strict=True):
        if fault > 2:
            found.append(cells.codes[fault])
        elif fault:
            found.append(None)
        else:
            found.append(value if cells.dictionary is None else cells.dictionary[value])
    return found


@pytest.mark.parametrize("name", VALUES)
def test_texts_as_the_service_reads_them(policy: Policy, name: str) -> None:
    """A CSV column lets in a value that a client could not have sent, or the other way round."""
    field = policy.program.event("payment").field(name)
    money = {"unit": "major", "currency": "EUR"}
    origin: dict[str, Any] = money if field.type.kind is Kind.MONEY else {}
    cells = read(policy, field, pl.Series(list(VALUES[name]), dtype=pl.String), **origin)
    for raw, found in zip(VALUES[name], values_of(cells), strict=True):
        body = {"id": "p", "at": 0, "amount": "1.00 EUR", "card": "c", "channel": "ecom"}
        sent: object = raw
        if field.type.kind is Kind.MONEY and raw is not None:
            sent = f"{raw} EUR"
        elif field.type.kind is Kind.COUNT and isinstance(raw, str) and raw.isdigit():
            sent = int(raw) if raw == str(int(raw)) else raw
        admitted = admit(policy.program, "payment", body | {name: sent}, rates=None, at_us=NOW_US)
        if isinstance(admitted, Admitted):
            assert found == admitted.values[name], raw
        elif name != "items" or raw not in ("5.0", "1e2"):
            assert found in {refusal.code for refusal in admitted}, raw


def test_numbers_of_a_warehouse(policy: Policy) -> None:
    """A float is cut to fit, or a whole float refused: 0.29 * 100 is not 29 in floats."""
    event = policy.program.event("payment")
    money = event.field("amount")
    floats = [0.29, 1.005, 4.35, 499.99, 500.01, float("nan"), float("inf"), None, -5.0]
    cells = read(policy, money, floats, unit="major", currency="EUR")
    wrong, high = "wrong_type", "above_maximum"
    expected = [29, wrong, 435, 49_999, high, wrong, wrong, "missing_field", -500]
    assert values_of(cells) == expected
    cells = read(policy, event.field("items"), [5.0, 5.5, 101.0, None])
    assert values_of(cells) == [5, wrong, high, None]
    cells = read(policy, event.field("weight"), [0.1, 0.30000000000000004, 1e300, 2.0])
    assert values_of(cells) == [100_000, wrong, wrong, 2_000_000]
    decimals = pl.Series([Decimal("1.50"), Decimal("0.29"), None], dtype=pl.Decimal(20, 2))
    assert values_of(read(policy, money, decimals, unit="major", currency="EUR"))[:2] == [150, 29]


def test_every_short_decimal_survives_floats(policy: Policy) -> None:
    """Some amount in cents comes out a cent off."""
    field = policy.program.event("payment").field("amount")
    minor = list(range(-500, 50_001))
    cells = read(policy, field, [m / 100 for m in minor], unit="major", currency="EUR")
    assert values_of(cells) == minor


@pytest.mark.parametrize(
    ("type_", "unit", "raw", "expected"),
    [
        (NUMBER, "percent", 12, 120_000),
        (NUMBER, "percent", "12.5", 125_000),
        (NUMBER, "percent", 0.5, 5_000),
        (NUMBER, "basis_point", 25, 2_500),
        (NUMBER, "one", "0.85", 850_000),
        (DURATION, "s", 90, 90_000_000),
        (DURATION, "m", "1.5", 90_000_000),
        (DURATION, "us", "1.5", "wrong_type"),
        (DURATION, "", "90s", 90_000_000),
        (TIME, "s", 1_600_000_000, 1_600_000_000_000_000),
        (TIME, "ms", 1_600_000_000_001, 1_600_000_000_001_000),
        (TIME, "s", -1, "wrong_type"),
        (FLAG, "", True, 1),
        (FLAG, "", "false", 0),
        (FLAG, "", 1, "wrong_type"),
        (COUNT, "", 7, 7),
        (TEXT, "", 7, "7"),
        (TEXT, "", 4111111111111111, "card_number"),
        (TOKEN, "", 4111111111111111, "card_number"),
        (TOKEN, "", 7.0, "7"),
        (COUNT, "", 4111111111111111, "card_number"),
        (COUNTRY, "", "FR", "FR"),
        (IP, "", "192.0.2.1", 0xFFFFC0000201),
        (Type(Kind.WORD, ("1", "2")), "", 2, "2"),
    ],
)
def test_units(policy: Policy, type_: Type, unit: str, raw: object, expected: object) -> None:
    """A column is read in another unit than the mapping says."""
    cells = read(policy, Field("f", type_, NOWHERE), [raw], unit=unit)
    assert values_of(cells) == [expected]


def test_identifiers_that_are_not_kept_are_checked(policy: Policy) -> None:
    """A field that no rule reads lets a card number through."""
    for values in ([1, 4111111111111111, None], ["a", "4111111111111111", None]):
        cells = read(policy, Field("f", TOKEN, NOWHERE), values, keep=False)
        assert cells.refused.tolist() == [False, True, True]


def test_renames_and_missing_marks(policy: Policy) -> None:
    """`NA` is taken for a country, or a rename reaches only text columns."""
    field = policy.program.event("payment").field("origin")
    origin: dict[str, Any] = {"values": {"UK": "GB", "7": "FR"}, "missing": ("NA", "-")}
    assert values_of(read(policy, field, ["UK", "NA", "-", "DE"], **origin)) == [
        "GB",
        None,
        None,
        "DE",
    ]
    assert values_of(read(policy, field, [7], **origin)) == ["FR"]


def test_codes_stay_the_same(policy: Policy) -> None:
    """A card gets another code in the next slice, and its windows start anew."""
    column = Column(Field("card", TOKEN, NOWHERE), ColumnMapping(column="c"))
    reader = ColumnReader(column, policy.program)
    first = reader.read(pl.DataFrame({"c": ["b", "a"]}))
    second = reader.read(pl.DataFrame({"c": ["c", "a", "b"]}))
    assert first.dictionary == ("b", "a")
    assert second.dictionary == ("b", "a", "c")
    assert second.values.tolist() == [2, 1, 0]


def test_tokens_are_hashed_at_the_door(policy: Policy) -> None:
    """A history's card keeps its own name and is on no list of pseudonyms."""
    column = Column(Field("card", TOKEN, NOWHERE), ColumnMapping(column="c"))
    reader = ColumnReader(
        column, policy.program, hash_token=lambda field, value: f"{field}:{value}"
    )
    assert reader.read(pl.DataFrame({"c": ["a"]})).dictionary == ("card:a",)


# --- money in other currencies -----------------------------------------------------------------


def test_money_is_converted_as_the_service_does(policy: Policy) -> None:
    """Amounts of another currency are compared with euros as they stand."""
    day = parse_day("2026-11-20")
    assert day is not None
    rates = of_quotes("EUR", [(day, "USD", 11_000_000_000), (day, "JPY", 1_600_000_000_000)])
    amounts = ["11.00", "1600", "5.00", "1.234", "3", None, "4", "9000000"]
    currencies = ["USD", "JPY", "EUR", "USD", "XXX", "USD", None, "USD"]
    at_us = np.full(len(amounts), NOW_US)
    frame = pl.DataFrame({"c": amounts, "currency": currencies})
    mapping = ColumnMapping(column="c", currency_column="currency", unit="major")
    column = Column(policy.program.event("payment").field("amount"), mapping)
    cells = ColumnReader(column, policy.program, rates=rates).read(frame, at_us)
    for row, found in enumerate(values_of(cells)):
        body: dict[str, object] = {
            "id": "p",
            "amount": f"{amounts[row]} {currencies[row]}",
            "card": "c",
        }
        body |= {"channel": "ecom"} | ({} if amounts[row] else {"amount": None})
        sent = admit(policy.program, "payment", body, rates=rates, at_us=int(at_us[row]))
        if isinstance(sent, Admitted):
            assert found == sent.values["amount"]
            originals = dict(cells.originals("amount", np.array([row])))
            original, currency = originals["amount.original"], originals["amount.currency"]
            assert int(original.values[0]) == sent.values["amount.original"]  # type: ignore[union-attr]
            code = int(currency.codes[0])  # type: ignore[union-attr]
            assert currency.dictionary[code] == sent.values["amount.currency"]  # type: ignore[union-attr]
        elif currencies[row] is not None:
            assert found in {refusal.code for refusal in sent}
        else:
            assert found == "missing_field"


def test_no_rate_is_a_bad_row(policy: Policy) -> None:
    """Without a rate, dollars pass for euros."""
    field = policy.program.event("payment").field("amount")
    assert values_of(read(policy, field, [100], unit="minor", currency="USD")) == ["no_rate"]


# --- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23 10:00:00.5+01:00", "2026-11-23T09:00:00.5Z"),
        ("2026-11-23T10:00:00", "2026-11-23T09:00:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-03-29T02:30:00", None),
        ("2026-11-23T24:00:00Z", None),
        ("2026-11-23T10:00:60Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-23T10:00:00.1234567Z", None),
        ("2026-11-23T10:00:00-25:00", None),
        ("1969-12-31T23:59:59Z", None),
        ("2026-11-23", None),
        ("soon", None),
        (None, None),
    ],
)
def test_times_in_texts(text: str | None, expected: str | None) -> None:
    """A local time is read in the wrong zone, or a time that never was becomes another."""
    times, valid = read_times(pl.Series([text], dtype=pl.String), "", "Europe/Paris")
    assert (format_time(int(times[0])) if valid[0] else None) == expected


def test_local_times_as_the_zone_tables_have_them(policy: Policy) -> None:
    """A clock's change moves every payment of a night by an hour."""
    assert policy.program.zone == "Europe/Paris"
    rng = Random(3)
    utc = [rng.randrange(1_700_000_000, 1_800_000_000) for _ in range(500)]
    series = pl.Series(utc).cast(pl.Int64) * 10**6
    local = series.cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("Europe/Paris")
    naive = local.dt.replace_time_zone(None)
    times, valid = read_times(naive, "", "Europe/Paris")
    assert valid.all()
    folded = local.dt.replace_time_zone(None).is_duplicated().to_numpy()
    assert (times[~folded] == series.to_numpy()[~folded]).all()
    units: tuple[Literal["ms", "ns"], ...] = ("ms", "ns")
    for unit in units:
        again, valid = read_times(naive.cast(pl.Datetime(unit)), "", "Europe/Paris")
        assert valid.all()
        assert (again == times).all()


def test_days_begin_in_their_zone() -> None:
    """A date without a clock is taken for midnight in UTC."""
    times, valid = read_times(pl.Series(["2026-11-23"]).str.to_date(), "", "Europe/Paris")
    assert valid[0]
    assert format_time(int(times[0])) == "2026-11-22T23:00:00Z"
