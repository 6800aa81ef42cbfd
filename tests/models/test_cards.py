"""Cards: read as they were written, strictly, and what they have to say before registration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.models.card_samples import CARD
from tidegate.models.cards import CardError, Window, read_card, write_card


def test_a_card_is_read_as_it_was_written() -> None:
    content = write_card(CARD)
    assert read_card(content) == CARD
    assert write_card(read_card(content)) == content


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("owner", " "),
        ("intended_use", ""),
        ("limits", ()),
        ("limits", ("",)),
        ("train_window", Window("2026-01-01T00:00:00Z", "")),
        ("label_cutoff", ""),
        ("label_delay", ""),
        ("data_hash", ""),
        ("features_hash", ""),
        ("model_hash", ""),
    ],
)
def test_what_a_card_has_to_say(field: str, value: object) -> None:
    assert CARD.missing_fields == ()
    card = read_card(write_card(replace(CARD, **{field: value})))  # type: ignore[arg-type]
    assert card.missing_fields == (field,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"owner": 7}, "the card.owner has to be a text"),
        ({"version": True}, "the card.version has to be a whole number"),
        ({"version": 1.5}, "`1.5` is no whole number; decimals are written as texts"),
        ({"limits": "none"}, "the card.limits has to be a list"),
        ({"limits": [1]}, "the card.limits[0] has to be a text"),
        ({"family": "oracle"}, "the card.family has to be one of `logistic_regression`"),
        ({"parameters": {"rate": []}}, "the card.parameters.rate has to be a text or"),
        ({"train": {"rows": 1}}, "the card.train lacks `positives`"),
        ({"colour": "blue"}, "the card has no `colour`"),
        ({"schema": "tidegate-card/9"}, "the card's schema is not `tidegate-card/2`"),
    ],
)
def test_a_card_is_read_strictly(change: dict[str, Any], message: str) -> None:
    data = json.loads(write_card(CARD)) | change
    with pytest.raises(CardError) as raised:
        read_card(json.dumps(data).encode())
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x04\x95", "the card is no JSON"),
        (b"[" * 100_000, "the card is no JSON"),
        (b"[]", "the card has to be an object"),
        (b'{"owner": "a", "owner": "b"}', "`owner` comes twice"),
        (b'{"version": NaN}', "`NaN` is no whole number"),
    ],
)
def test_bytes_that_are_no_card(content: bytes, message: str) -> None:
    with pytest.raises(CardError, match=message):
        read_card(content)
