"""The door: what is admitted, what is refused, and that refusals come all at once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tidegate.dsl.program import Disposition, EventType, Field, Program
from tidegate.dsl.rates import of_quotes
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import (
    COUNT,
    COUNTRY,
    DURATION,
    FLAG,
    IP,
    MONEY,
    NUMBER,
    TEXT,
    TIME,
    TOKEN,
    Kind,
    Type,
    Value,
)
from tidegate.engine.event import Admitted, Refusal, admit
from tidegate.engine.values import format_value, parse_ip, parse_time

CHANNEL = Type(Kind.WORD, ("ecom", "pos", "moto"))
AT = "2026-11-23T10:00:00+01:00"
CARD = "4111 1111 1111 1111"


def _field(name: str, of: Type, optional: bool = True, **more: object) -> Field:
    return Field(name, of, NOWHERE, optional=optional, **more)  # type: ignore[arg-type]


PAYMENT = EventType(
    "payment",
    (
        _field("id", TEXT, optional=False),
        _field("at", TIME, optional=False),
        _field("amount", MONEY, optional=False, minimum=0, maximum=100_000_000),
        _field("tip", MONEY, lenient=True),
        _field("tries", COUNT, minimum=0, maximum=100),
        _field("ratio", NUMBER),
        _field("score", NUMBER, lenient=True, maximum=1_000_000),
        _field("is_new", FLAG),
        _field("waited", DURATION),
        _field("name", TEXT),
        _field("mail", TEXT, folded=True),
        _field("card", TOKEN),
        _field("country", COUNTRY),
        _field("ip", IP, coarse=(24, 48)),
        _field("channel", CHANNEL),
    ),
    key="id",
    at="at",
    span=NOWHERE,
    default=Disposition.APPROVE,
)
PROGRAM = Program("shop", "", 1, "EUR", 2, "Europe/Paris", "", (PAYMENT,))
RATES = of_quotes("EUR", [(20_780, "USD", 2 * 10**10), (20_781, "USD", 4 * 10**10)])
"""2 dollars a euro on 2026-11-23, 4 the day after."""
BODY: dict[str, object] = {"id": "p-1", "at": AT, "amount": "12.34 EUR"}


def _admit(**fields: object) -> Admitted | tuple[Refusal, ...]:
    return admit(PROGRAM, "payment", {**BODY, **fields}, rates=RATES)


def _value(wanted: str, /, **fields: object) -> Value | None:
    admitted = _admit(**fields)
    assert isinstance(admitted, Admitted), admitted
    return admitted.values[wanted]


def _refusals(**fields: object) -> tuple[Refusal, ...]:
    refused = _admit(**fields)
    assert isinstance(refused, tuple)
    return refused


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("amount", "12.34 EUR", 1234),
        ("amount", "12 EUR", 1200),
        ("amount", "0.5 EUR", 50),
        ("amount", {"minor": 1234, "currency": "EUR"}, 1234),
        ("amount", "1000000.00 EUR", 100_000_000),
        ("tip", "-1.00 EUR", -100),
        ("tries", 5, 5),
        ("tries", Decimal(5), 5),
        ("tries", Decimal("5.0"), 5),
        ("tries", 5.0, 5),
        ("ratio", "0.85", 850_000),
        ("ratio", 0.85, 850_000),
        ("ratio", 0.1, 100_000),
        ("ratio", Decimal("0.850000000"), 850_000),
        ("ratio", Decimal("1E-6"), 1),
        ("ratio", -3, -3_000_000),
        ("ratio", Decimal("0E-400"), 0),
        ("ratio", Decimal(f"1.{'0' * 5_000}"), 1_000_000),
        ("ratio", Decimal(f"-0.5{'0' * 5_000}"), -500_000),
        ("ratio", Decimal(f"0.{'0' * 5_000}"), 0),
        ("amount", {"minor": Decimal(f"12.{'0' * 5_000}"), "currency": "EUR"}, 12),
        ("is_new", True, True),
        ("waited", "10m", 600_000_000),
        ("waited", "-3us", -3),
        ("at", AT, 1_795_424_400_000_000),
        ("at", "2026-11-23T09:00:00.000001Z", 1_795_424_400_000_001),
        ("name", "Zoe\u0308", "Zo\u00eb"),
        ("name", "", ""),
        ("mail", "Stra\u00dfe@X.DE", "strasse@x.de"),
        ("card", "tok_123", "tok_123"),
        ("country", "FR", "FR"),
        ("country", "XK", "XK"),
        ("ip", "192.0.2.77", parse_ip("192.0.2.0")),
        ("ip", "::ffff:192.0.2.77", parse_ip("192.0.2.0")),
        ("ip", "2001:db8:1:2::3", parse_ip("2001:db8:1::")),
        ("channel", "pos", "pos"),
        ("tip", None, None),
    ],
)
def test_reads_a_value(name: str, raw: object, expected: Value | None) -> None:
    """A good value would be refused or read as another one."""
    value = _value(name, **{name: raw})

    assert expected == value
    assert type(expected) is type(value)


BAD: list[tuple[str, object, str]] = [
    ("amount", 12.34, "wrong_type"),
    ("amount", "12.34", "unknown_currency"),
    ("amount", "12.345 EUR", "wrong_type"),
    ("amount", "12.34  EUR", "wrong_type"),
    ("amount", "1,000 EUR", "wrong_type"),
    ("amount", "007 EUR", "wrong_type"),
    ("amount", "12.34 eur", "unknown_currency"),
    ("amount", "12.34 XXX", "unknown_currency"),
    ("amount", "12.34 GBP", "no_rate"),
    ("amount", "1000000.01 EUR", "above_maximum"),
    ("amount", "-0.01 EUR", "below_minimum"),
    ("amount", f"{'9' * 18}.00 EUR", "wrong_type"),
    ("amount", {"minor": 1234}, "wrong_type"),
    ("amount", {"minor": 12.5, "currency": "EUR"}, "wrong_type"),
    ("amount", {"minor": True, "currency": "EUR"}, "wrong_type"),
    ("amount", {"minor": 1, "currency": "EUR", "x": 1}, "wrong_type"),
    ("amount", None, "missing_field"),
    ("tries", "5", "wrong_type"),
    ("tries", True, "wrong_type"),
    ("tries", 5.5, "wrong_type"),
    ("tries", 101, "above_maximum"),
    ("tries", -1, "below_minimum"),
    ("tries", 2**63, "wrong_type"),
    ("tries", Decimal("1E+999999"), "wrong_type"),
    ("ratio", "0.1234567", "wrong_type"),
    ("ratio", 0.1234567, "wrong_type"),
    ("ratio", 0.1 + 0.2, "wrong_type"),
    ("ratio", float("nan"), "wrong_type"),
    ("ratio", Decimal("Infinity"), "wrong_type"),
    ("ratio", "1e-3", "wrong_type"),
    ("ratio", ".5", "wrong_type"),
    ("ratio", "\u0665", "wrong_type"),
    ("ratio", Decimal("1E-400"), "wrong_type"),
    ("ratio", Decimal(f"0.{'1' * 5_000}"), "wrong_type"),
    ("ratio", Decimal(f"1.{'0' * 5_000}1"), "wrong_type"),
    ("is_new", 1, "wrong_type"),
    ("is_new", "true", "wrong_type"),
    ("waited", 600, "wrong_type"),
    ("waited", "10 m", "wrong_type"),
    ("waited", "10x", "wrong_type"),
    ("at", "2026-11-23T10:00:00", "wrong_type"),
    ("at", "2026-11-23", "wrong_type"),
    ("at", "2026-02-30T10:00:00Z", "wrong_type"),
    ("at", "2026-11-23T10:00:00.1234567Z", "wrong_type"),
    ("at", "2026-11-23T24:00:00Z", "wrong_type"),
    ("at", "1969-12-31T23:59:59Z", "wrong_type"),
    ("at", 1_795_424_400, "wrong_type"),
    ("name", 5, "wrong_type"),
    ("name", "a\nb", "control_character"),
    ("name", "a\ud800b", "control_character"),
    ("name", ["a"], "wrong_type"),
    ("card", "", "empty_token"),
    ("card", CARD, "card_number"),
    ("card", 5, "wrong_type"),
    ("country", "fr", "unknown_country"),
    ("country", "ZZ", "unknown_country"),
    ("country", "FRA", "unknown_country"),
    ("ip", "192.0.2.256", "wrong_type"),
    ("ip", "192.0.2.0/24", "wrong_type"),
    ("ip", "fe80::1%eth0", "wrong_type"),
    ("channel", "ECOM", "unknown_word"),
    ("channel", "econ", "unknown_word"),
    ("id", "", "empty_key"),
    ("id", None, "missing_field"),
    ("amont", "1.00 EUR", "unknown_field"),
]


@pytest.mark.parametrize(("name", "raw", "code"), BAD)
def test_refuses_a_bad_value(name: str, raw: object, code: str) -> None:
    """A bad value would be decided on."""
    (refusal,) = _refusals(**{name: raw})

    assert (code, name) == (refusal.code, refusal.path)


@pytest.mark.parametrize(("name", "raw"), [(name, raw) for name, raw, _ in BAD])
def test_refusals_speak_the_house_grammar_and_keep_values_to_themselves(
    name: str, raw: object
) -> None:
    """A refusal would leak what was sent, or read unlike the other diagnostics."""
    (refusal,) = _refusals(**{name: raw})

    assert refusal.message.startswith((f"`{name}` ", "`payment` "))
    assert not refusal.message.endswith(".")
    if isinstance(raw, str) and len(raw) > 4:
        assert raw not in refusal.message


def test_all_refusals_come_at_once() -> None:
    """A sender would mend one mistake after the other."""
    refused = admit(
        PROGRAM,
        "payment",
        {"at": "today", "amount": 5, "note": f"card {CARD}", "chanel": "pos", CARD: 1},
        rates=RATES,
    )

    assert isinstance(refused, tuple)
    assert [(r.code, r.path) for r in refused] == [
        ("card_number", "note"),
        ("card_number", ""),
        ("missing_field", "id"),
        ("wrong_type", "at"),
        ("wrong_type", "amount"),
        ("unknown_field", "chanel"),
        ("unknown_field", "note"),
    ]
    assert "1111" not in repr(refused)
    assert "did you mean `channel`?" in [r.help for r in refused]


def test_a_lenient_field_is_missing_where_its_value_is_bad() -> None:
    """An optional field of a careless sender would stop every payment, or lose its reason."""
    admitted = _admit(score="high", tip="1.00 GBP")

    assert isinstance(admitted, Admitted)
    assert admitted.values["score"] is None
    assert admitted.reasons == {"score": "invalid", "tip": "invalid"}
    assert admitted.values["tip.currency"] is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"z\x1b[31m": {"x\u202ey": CARD}}, "z\ufffd[31m.x\ufffdy"),
        ({"z\x1b[31m": {CARD: 1}}, "z\ufffd[31m"),
        ({"x" * 500: {"y": CARD}}, "x" * 100),
        ({"4111": {"1111": {"1111": {"1111": CARD}}}}, "…"),
    ],
)
def test_a_card_number_is_refused_without_the_senders_tricks(
    body: dict[str, object], path: str
) -> None:
    """A log line would be coloured, turned around or flooded, or spell the number in names."""
    refusal = _refusals(**body)[0]

    assert (refusal.code, refusal.path) == ("card_number", path)
    assert refusal.message.isprintable()
    assert len(refusal.message) < 200


def test_a_lenient_field_does_not_take_card_numbers() -> None:
    """Leniency would open the door to card numbers."""
    (refusal,) = _refusals(score=int(CARD.replace(" ", "")))

    assert (refusal.code, refusal.path) == ("card_number", "score")


@pytest.mark.parametrize(
    ("at", "minor"),
    [
        ("2026-11-23T22:59:59Z", 1000),  # still the 23rd in Paris
        ("2026-11-23T23:00:00Z", 500),  # the 24th
        ("2026-12-01T22:59:59Z", 500),  # the seventh day after
    ],
)
def test_converts_by_the_events_day_in_the_policys_zone(at: str, minor: int) -> None:
    """An amount would be converted by the day in UTC or of the sender."""
    admitted = _admit(at=at, amount="20.00 USD")

    assert isinstance(admitted, Admitted)
    assert minor == admitted.values["amount"]
    assert admitted.values["amount.original"] == 20_000_000
    assert admitted.values["amount.currency"] == "USD"
    assert admitted.rates_hash == RATES.hash
    assert [(c.field, c.original_minor, c.minor) for c in admitted.conversions] == [
        ("amount", 2000, minor)
    ]


def test_refuses_a_rate_that_is_too_old() -> None:
    """A stale rate would decide."""
    (refusal,) = _refusals(at="2026-12-01T23:00:00Z", amount="20.00 USD")

    assert (refusal.code, refusal.path) == ("no_rate", "amount")


def test_an_amount_in_the_policys_currency_is_its_own_original() -> None:
    """`amount.currency` would be missing for most payments."""
    admitted = _admit()

    assert isinstance(admitted, Admitted)
    assert admitted.values["amount.original"] == 12_340_000
    assert admitted.values["amount.currency"] == "EUR"
    assert (admitted.conversions, admitted.rates_hash) == ((), "")


def test_the_stamp_stands_instead_of_the_senders_time() -> None:
    """A sender could choose the windows its payment is judged by."""
    stamp = parse_time("2026-11-24T00:00:00Z")

    for body in (BODY, {k: v for k, v in BODY.items() if k != "at"}):
        admitted = admit(PROGRAM, "payment", body, rates=RATES, at_us=stamp)

        assert isinstance(admitted, Admitted)
        assert (stamp, stamp) == (admitted.at_us, admitted.values["at"])


def test_tokens_are_hashed_by_field() -> None:
    """A raw token would get past the door, or two fields share one pseudonym."""
    admitted = admit(
        PROGRAM, "payment", {**BODY, "card": "tok_1"}, rates=None,
        hash_token=lambda field, value: f"{field}:{len(value)}",
    )  # fmt: skip

    assert isinstance(admitted, Admitted)
    assert admitted.values["card"] == "card:5"


@pytest.mark.parametrize("body", [None, [], "x", 5])
def test_refuses_what_is_no_object(body: object) -> None:
    """A malformed body would end in an exception."""
    refused = admit(PROGRAM, "payment", body, rates=None)

    assert isinstance(refused, tuple)
    assert [r.code for r in refused] == ["not_an_object"]


def test_refuses_an_unknown_event() -> None:
    """An event without rules would be approved."""
    refused = admit(PROGRAM, "paiment", BODY, rates=None)

    assert isinstance(refused, tuple)
    assert [(r.code, r.help) for r in refused] == [("unknown_event", "did you mean `payment`?")]


@pytest.mark.parametrize(
    ("value", "of", "text"),
    [
        (1234, MONEY, "12.34 EUR"),
        (-5, MONEY, "-0.05 EUR"),
        (850_000, NUMBER, "0.85"),
        (-1, NUMBER, "-0.000001"),
        (90_000_000, DURATION, "90s"),
        (0, DURATION, "0s"),
        (1_795_424_400_000_000, TIME, "2026-11-23T09:00:00Z"),
        (1_795_424_400_500_000, TIME, "2026-11-23T09:00:00.5Z"),
        (0, TIME, "1970-01-01T00:00:00Z"),
        (parse_ip("10.0.0.1"), IP, "10.0.0.1"),
        (0, IP, "::"),
        (True, FLAG, "true"),
    ],
)
def test_values_are_shown_as_people_write_them(value: Value, of: Type, text: str) -> None:
    """A record would show microseconds, minor units or 128-bit integers."""
    assert text == format_value(value, of, "EUR")
