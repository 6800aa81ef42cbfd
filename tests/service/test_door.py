"""The door: what it refuses, that it never repeats it, and what it lets through unchanged."""

from __future__ import annotations

import json
import random
import time
from base64 import b64encode
from collections import Counter
from decimal import Decimal
from typing import Any
from unicodedata import normalize
from uuid import UUID

import pytest

from tests.service.card_corpus import (
    OTHER_PLACES,
    SPELLINGS,
    TEXT_PLACES,
    Planted,
    card_number,
    corpus,
    forms,
)
from tidegate.dsl.card_numbers import holds_card_number
from tidegate.service.door import Door, DoorLimits
from tidegate.service.problems import Problem, ProblemError
from tidegate.service.sensitive import (
    _UNUSUAL,
    find_in_object,
    find_in_path,
    find_in_text,
    may_hold,
    names_security_code,
)

EVENT = {
    "id": "pay_01JD9F3X7M2QK8VYB4W5RZ6C0T",
    "at": "2026-11-25T09:14:14.123456Z",
    "amount": "129.90 EUR",
    "card": "tok_8f3a9bd2c17e4f5aa012",
    "merchant": "m-eu-10293",
    "mcc": "5411",
    "country": "DE",
    "ip": "192.168.100.20",
    "device": "550e8400-e29b-41d4-a716-446655440000",
    "tries": 3,
    "new_device": True,
}


def refusal(door: Door, planted: Planted) -> Problem | None:
    """What the door says to a planted request."""
    try:
        door.check_target(f"/v1/decisions/{planted.segment or 'payment'}".encode(), planted.query)
        door.check_headers([(b"host", b"localhost"), *planted.headers])
        door.read_body(planted.body if planted.body is not None else json.dumps(EVENT).encode())
    except ProblemError as error:
        return error.problem
    return None


def refused_body(raw: bytes, door: Door | None = None) -> Problem:
    """The problem of a body that has to be refused."""
    with pytest.raises(ProblemError) as caught:
        (door or Door()).read_body(raw)
    return caught.value.problem


def test_every_card_number_of_the_corpus_is_refused_and_not_repeated() -> None:
    """A card number would get in by its place or its spelling, or leave by the refusal."""
    door = Door()
    passed: list[tuple[str, str]] = []
    seen: Counter[str] = Counter()
    for planted in corpus(2_400):
        problem = refusal(door, planted)
        seen[planted.place] += 1
        if problem is None or problem.code != "sensitive_data_refused":
            passed.append((planted.place, planted.spelling))
        else:
            said = problem.to_bytes()
            assert not any(form in said for form in forms(planted.number)), planted.place
            assert problem.errors
    assert passed == []
    assert set(seen) == {*TEXT_PLACES, *OTHER_PLACES}
    assert seen.total() >= 2_000


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_quick_look_never_misses_what_the_thorough_one_finds(spelling: str) -> None:
    """A body would skip the thorough look and hold a number all the same."""
    chance = random.Random(spelling)
    for _ in range(100):
        text = SPELLINGS[spelling](card_number(chance))
        for body in ({"note": text}, {text: 1}, [text, "x"], {"a": "x", "b": f"y {text}"}):
            assert find_in_object(body)
            assert may_hold(json.dumps(body).encode())
            assert may_hold(json.dumps(body, ensure_ascii=False).encode())


def test_what_the_quick_look_takes_for_plain_letters_is_nothing_else() -> None:
    """A character that is read as a digit, a separator or an ASCII letter would be overlooked."""
    for code in range(0x80, 0x110000):
        char = chr(code)
        if not _UNUSUAL.fullmatch(char):
            plain = normalize("NFKC", char)
            assert not any(part.isascii() or part.isdecimal() or part.isspace() for part in plain)


REALISTIC: dict[str, Any] = {
    "epoch seconds": [1763892000, "1763892000"],
    "epoch milliseconds": [1763892000000, "1763892000000"],
    "epoch microseconds": [1763892000000000, "1763892000000000"],
    "epoch nanoseconds": [1763892000000000000, "1763892000000000000"],
    "snowflake": ["1460345345345351680", 1460345345345351680],
    "UUID": "550e8400-e29b-41d4-a716-446655440000",
    "ULID": "01JD9F3X7M2QK8VYB4W5RZ6C0T",
    "amounts": [129.9, 1000000, "129.90 EUR", "1000000.00 JPY"],
    "telephone": "+49 170 1234567",
    "token": "tok_1N3T00LkdIwHu7ixt44h1F8k",
    "hash": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
    "bin and last four": {"bin": "41111111", "last4": "1111", "year": "2028"},
    "masked": "411111******1111",
    "mcc and merchant": {"mcc": "5411", "merchant": "123456789012"},
    "customer and date": {"customer": "41111111", "date": "2026-11-25"},
    "list of BINs": ["41111111", "11111111", "55555555", "52222222", "40000000", "51000000", "4"],
    "code was checked": {"cvv_result": "100", "cvc_check": "pass", "cvv_match": True},
    "short code": {"csc_length": 3, "cv": "123"},
    "names": {"receiver": "Jürgen", "Empfänger": "Σωκράτης", "名前": "山田"},
}


@pytest.mark.parametrize("what", REALISTIC)
def test_honest_bodies_pass_unchanged(what: str) -> None:
    """Honest payments would be refused."""
    body = {"event": EVENT, "value": REALISTIC[what]}
    for ascii_only in (True, False):
        read = Door().read_body(json.dumps(body, ensure_ascii=ascii_only).encode())
        assert json.loads(json.dumps(read, default=float)) == body


def completed(stem: str, rest: str) -> str:
    """`stem` with a last digit that makes it a card number together with `rest`."""
    return next(f"{stem}{d}" for d in range(10) if holds_card_number(f"{stem}{d}{rest}"))


def test_neighbours_that_are_a_number_by_chance_pass() -> None:
    """A tenth of all terminals, of customers and of lists of BINs would be refused for ever."""
    shops = [f"00000000{number:04}" for number in range(1_000)]
    terminal = next(shop for shop in shops if holds_card_number(f"5411{shop}"))
    year = "20261125"
    for body in (
        {"mcc": "5411", "terminal": terminal},
        {"customer": completed("4123456", year), "date": year},
        {"customer": completed("4123456", year), "date": "2026-11-25"},
        {"order": completed("41234567890", "5411")[:11], "mcc": "541"},
        {"amount": 41111111, "count": 11111111},
        {"bins": ["41111111", "11111111", *["99999999"] * 5]},
        {"first": "card 41111111", "second": "11111111"},
    ):
        assert Door().read_body(json.dumps(body).encode()) == body


def test_ids_of_random_uuids_pass() -> None:
    """Every 3,000th decision could not be read, for its id would look like a card number."""
    chance = random.Random(3)
    door = Door()
    for _ in range(20_000):
        made = str(UUID(int=chance.getrandbits(128), version=4))
        assert find_in_path(f"/v1/decisions/{made}/explanation") is None
        assert find_in_text(made) is None
    door.check_headers([(b"idempotency-key", b"44444444-4444-4444-8444-444444444448")])
    door.check_headers(
        [(b"traceparent", b"00-4111111111111111aabbccddeeff0011-00f067aa0ba902b7-01")]
    )


@pytest.mark.parametrize(
    "name",
    ["cvv", "CVV2", "cvc", "card_cvc2", "csc", "cardCsc", "c-v-v", "C V C", "securityCode",
     "security_code", "card_verification_value", "cardVerificationNumber", "card-security-code",
     "\uff23\uff36\uff36", "cvn", "payment.cvv", "card_code"],
)  # fmt: skip
def test_security_codes_are_refused_by_name(name: str) -> None:
    """The code on a card would be kept."""
    assert names_security_code(name)
    for value in ("123", "1234", 123, " 123 ", {"value": "123"}, ["9", "0123"], Decimal("123.0")):
        raw = json.dumps({"card": {name: value}}, default=float).encode()
        problem = refused_body(raw)
        assert problem.code == "sensitive_data_refused"
        assert {error.code for error in problem.errors} == {"security_code"}
    for harmless in ("M", "12", "12345", None, True, 12, 12345):
        Door().read_body(json.dumps({"card": {name: harmless}}).encode())


def test_security_codes_are_refused_in_texts_queries_and_headers() -> None:
    """The code on a card would come in beside the body."""
    door = Door()
    refused_body(b'{"note":"cvv 123"}')
    refused_body(b'{"note":"{\\"cvc\\":\\"123\\"}"}')
    for query in (b"cvv=123", b"a=1&securityCode=1234"):
        with pytest.raises(ProblemError, match="sensitive_data_refused"):
            door.check_target(b"/v1", query)
    with pytest.raises(ProblemError, match="sensitive_data_refused"):
        door.check_headers([(b"X-Card-CVV", b"123")])


def test_tracks_are_refused_whatever_their_number() -> None:
    """A track of a brand that nobody knows would pass for a text."""
    for text in (
        "%B9999999999999999^DOE/JOHN^2812101000001234?",
        ";9999999999999999=28121010000012345?",
        "%3B9999999999999999%3D28121010000012345%3F",
    ):
        problem = refused_body(json.dumps({"swipe": text}).encode())
        assert [(error.code, error.path) for error in problem.errors] == [("track_data", "swipe")]


def test_a_split_number_is_named_by_its_second_part() -> None:
    """The sender could not find what is refused."""
    problem = refused_body(b'{"a":{"first":"41111111","second":"11111111"}}')
    assert [error.path for error in problem.errors] == ["a.second"]
    with pytest.raises(ProblemError, match="sensitive"):
        Door().check_target(b"/v1", b"a=41111111&b=11111111")
    assert find_in_path("/41111111/11111111") == "card_number"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"{} {}", "bad_json"),
        (b"\xef\xbb\xbf{}", "bad_json"),
        (b'{"a":"\x01"}', "bad_json"),
        (b'{"a":"\\u0000"}', "bad_json"),
        (b'{"a":"\\ud800"}', "bad_encoding"),
        (b'{"a":"\xff"}', "bad_encoding"),
        (b'{"a":NaN}', "bad_number"),
        (b'{"a":-Infinity}', "bad_number"),
        (b'{"a":1e999999999}', "bad_number"),
        (b'{"a":' + b"1" * 65 + b"}", "bad_number"),
        (b'{"a":' + b"1" * 5_000 + b"}", "bad_number"),
        (b'{"a":0.' + b"1" * 65 + b"}", "bad_number"),
        (b'{"a":1,"a":1}', "duplicate_key"),
        (b'{"x":{"a":1,"b":2,"a":1}}', "duplicate_key"),
        ('{"\u00e9":1,"e\u0301":1}'.encode(), "duplicate_key"),
        (b"[" * 33 + b"]" * 33, "too_deep"),
        (b"[" * 60_000, "too_deep"),
        (b'{"a":' * 10_000, "too_deep"),
        (b" " * 65_537, "too_large"),
    ],
)
def test_bodies_that_are_out_of_order_are_refused(raw: bytes, code: str) -> None:
    """A body would be read in two ways, or not at all and with a 500."""
    assert refused_body(raw).code == code


def test_what_is_at_the_limits_passes() -> None:
    """A limit would be off by one."""
    door = Door()
    assert door.read_body(b"[" * 32 + b"]" * 32)
    assert door.read_body(b'{"a":"' + b"[" * 100 + b'"}') == {"a": "[" * 100}
    assert door.read_body(b'["\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]')
    raw = b'"' + b"x" * (DoorLimits().body_bytes - 2) + b'"'
    assert len(door.read_body(raw)) == len(raw) - 2


def test_numbers_are_exact_and_texts_composed() -> None:
    """An amount would become the nearest float; two spellings of a name would be two names."""
    read = Door().read_body(
        '{"a":0.1,"b":12345678901234567890,"c":1.5e3,"e\u0301":"e\u0301"}'.encode()
    )
    assert read == {"a": Decimal("0.1"), "b": 12345678901234567890, "c": 1500, "\u00e9": "\u00e9"}
    assert Door().read_body('{"a":"\u0387"}'.encode()) == {"a": "\u00b7"}
    assert isinstance(read["a"], Decimal)
    assert isinstance(read["c"], Decimal)


def test_refusals_hold_no_value_of_the_body() -> None:
    """A secret that is no card number would be echoed."""
    for raw in (
        b'{"a":hunter2}',
        b'{"a":"hunter2}',
        b'{"a":"hunter2\xff"}',
        b'{"a":"hunter2","b":1,"b":2}',
        b'{"a":"hunter2\\q"}',
        b'{"a":"hunter2","b":NaN}',
    ):
        assert b"hunter2" not in refused_body(raw).to_bytes()


def test_large_targets_and_headers_are_refused() -> None:
    """A URL of a megabyte would be looked through at every request."""
    door = Door()
    with pytest.raises(ProblemError, match="too_large"):
        door.check_target(b"/" + b"a" * 5_000)
    with pytest.raises(ProblemError, match="headers_too_large"):
        door.check_headers([(b"a", b"b" * 40_000)])


def test_bearer_tokens_are_left_alone_and_nothing_that_only_looks_like_one() -> None:
    """A token would be refused for the random digits of its id, or carry anything past the door."""
    door = Door()
    claims = b64encode(b'{"jti":"4111-111111111111"}').rstrip(b"=")
    door.check_headers([(b"Authorization", b"Bearer aa." + claims + b".bb")])
    for name, value in (
        (b"authorization", b"Bearer 4111111111111111"),
        (b"authorization", b"Bearer a.b.c 4111111111111111"),
        (b"authorization", b"Basic " + b64encode(b"shop:4111111111111111")),
        (b"x-token", b"Bearer aa." + claims + b".bb"),
        (b"traceparent", b"00-4111111111111111"),
    ):
        with pytest.raises(ProblemError, match="sensitive_data_refused"):
            door.check_headers([(name, value)])


def test_it_remembers_few_names() -> None:
    """Bodies with ever new names would fill the memory."""
    door = Door()
    for number in range(6_000):
        door.read_body(b'{"n%d":1}' % number)
    assert len(door._harmless_names) <= 4_096


def test_hostile_bodies_do_not_hold_it_up() -> None:
    """64 KiB made for the patterns would take seconds; the bound is a hundred times the usual."""
    door = Door()
    started = time.process_time()
    for unit in (
        b"1 ",
        b"1.",
        b"4111-",
        b"%31",
        b"a/",
        b"\\\\",
        b"cvv ",
        b"B4^",
        b"1=",
        b"\xc2\xa0",
    ):
        raw = b'{"a":"' + unit * (65_000 // len(unit)) + b'"}'
        try:
            door.read_body(raw)
        except ProblemError as error:
            assert error.problem.code in {"sensitive_data_refused", "bad_json"}  # noqa: PT017
    assert time.process_time() - started < 60
