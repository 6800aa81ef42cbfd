"""`reads` is held against what a model's file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tidegate.dsl.checker import Checked, check
from tidegate.dsl.diagnostics import Severity
from tidegate.dsl.parser import parse
from tidegate.dsl.signatures import ModelInput, ModelSignature
from tidegate.dsl.source import Source
from tidegate.dsl.types import COUNT, FLAG, MONEY, NUMBER, Kind, Type

TEXT = """
policy shop language 1 currency EUR timezone "Europe/Paris"
event pay decided by default approve
  silent review
  id text key
  at time
  amount money
  tip money?
  items count
  channel one of (ecom, pos)
let dear = amount > 50 EUR
model boosting version 3
  from "models/boosting"
  reads amount, items, channel, dear, tip
  score risk
  use pay
  may review
  if unavailable then review
rule risky version 1 when risk > 0.5 then review
"""

WORDS = Type(Kind.WORD, ("ecom", "pos"))
INPUTS = (
    ModelInput("amount", MONEY, "EUR"),
    ModelInput("items", COUNT),
    ModelInput("channel", WORDS, categories=("ecom", "pos")),
    ModelInput("dear", FLAG),
    ModelInput("tip", MONEY, "EUR", takes_missing=True),
)
SIGNATURE = ModelSignature("boosting", 3, INPUTS)


def checked(signatures: Mapping[str, ModelSignature] | None, text: str = TEXT) -> Checked:
    return check([parse(Source("p.tide", text)).file], signatures=signatures)


def said(signature: ModelSignature, text: str = TEXT) -> list[tuple[str, str, str]]:
    """Code, severity and message with help of what is said."""
    found = checked({"boosting": signature}, text).diagnostics
    return [(d.code, d.severity.value, f"{d.message}; {d.help}") for d in found]


def otherwise(which: str, **fields: object) -> ModelSignature:
    """The signature with one input otherwise."""
    inputs = (replace(i, **fields) if i.name == which else i for i in INPUTS)  # type: ignore[arg-type]
    return replace(SIGNATURE, inputs=tuple(inputs))


def test_a_signature_that_fits_says_nothing() -> None:
    """Every model would come with noise that nobody reads."""
    assert said(SIGNATURE) == []
    assert said(replace(SIGNATURE, inputs=INPUTS[::-1])) == []
    assert said(replace(SIGNATURE, version=2)) == []


def test_without_signatures_nothing_is_held_against_anything() -> None:
    """An editor could not check rules while no model was trained yet."""
    assert checked(None).program is not None
    assert checked({}).program is not None


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (otherwise("items", name="item"), "has no input `items`; did you mean `item`?"),
        (otherwise("items", name="articles"), "reads `articles` too"),
        (otherwise("items", type=NUMBER), "`items` is a count here, and a number in the file"),
        (otherwise("amount", type=COUNT), "`amount` is a money here, and a count"),
        (otherwise("amount", currency="USD"), "the policy is in EUR, and `amount` is in USD"),
        (otherwise("channel", type=Type(Kind.TEXT)), "`channel` is a one of (ecom, pos) here"),
        (replace(SIGNATURE, version=4), "has version 4, newer than version 3 here"),
        (replace(SIGNATURE, inputs=(*INPUTS, ModelInput("extra", COUNT))), "reads `extra` too"),
        (replace(SIGNATURE, inputs=INPUTS[1:]), "has no input `amount`"),
    ],
)
def test_what_a_model_was_not_trained_on_does_not_compile(
    signature: ModelSignature, message: str
) -> None:
    """A value would mean something else to the model, and it would score all the same."""
    found = said(signature)
    assert checked({"boosting": signature}).program is None
    assert any(code == "TG509" and level == "error" and message in text
               for code, level, text in found), found  # fmt: skip


def test_an_input_is_not_read_twice() -> None:
    """One of the two would stand in the place of another input."""
    found = said(SIGNATURE, TEXT.replace("reads amount,", "reads amount, amount,"))
    assert [(code, level) for code, level, _ in found] == [("TG509", "error")]
    assert "twice" in found[0][2]


def test_words_that_a_model_never_saw() -> None:
    """It would abstain on every payment of a new channel, and nobody would know."""
    signature = otherwise("channel", categories=("ecom",), type=Type(Kind.WORD, ("ecom",)))
    code, level, text = said(signature)[0]
    assert (code, level) == ("TG510", "warning")
    assert "never saw `pos` of `channel`" in text
    taking = otherwise("channel", categories=("ecom",), takes_unknown=True)
    assert said(taking) == []


def test_a_missing_input_that_a_model_does_not_take() -> None:
    """It would abstain on every payment without a tip, and nobody would know."""
    found = said(otherwise("tip", takes_missing=False))
    assert [(code, level) for code, level, _ in found] == [("TG510", "note")]
    assert "`use … when tip is present`" in found[0][2]


def test_diagnostics_stand_at_the_input() -> None:
    """Whoever has to mend it would look for it among a hundred inputs."""
    found = checked({"boosting": otherwise("items", type=NUMBER)}).diagnostics
    (wrong,) = (d for d in found if d.severity is Severity.ERROR)
    assert TEXT[wrong.span.start : wrong.span.end] == "items"


def test_an_external_model_has_no_signature() -> None:
    """A file that lies there from before would be held against a vendor's score."""
    text = TEXT.replace(
        'from "models/boosting"\n  reads amount, items, channel, dear, tip', "external"
    )
    assert said(replace(SIGNATURE, version=9), text) == []
