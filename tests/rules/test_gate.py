"""The limits of a change, as `gate.yaml` declares them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tidegate.rules import load_policy
from tidegate.rules.gate import (
    FIGURES,
    Gate,
    Limit,
    Segments,
    held_limits,
    read_gate,
    segments_of,
)

PROGRAM = load_policy(ROOT / "examples" / "card").program


def gate(folder: Path, text: str) -> Gate:
    """What is read of a gate file."""
    (folder / "gate.yaml").write_text(text, encoding="utf-8")
    return read_gate(folder, PROGRAM)


def said(folder: Path, text: str) -> list[tuple[int | None, str, str]]:
    """Line, message and help of what is wrong."""
    found = gate(folder, text)
    assert found.limits == ()
    assert {d.code for d in found.diagnostics} <= {"TG811"}
    return [(d.line, d.message, d.help) for d in found.diagnostics]


def test_limits_are_read_in_their_units(tmp_path: Path) -> None:
    """A bound would be a hundred times what was written."""
    found = gate(
        tmp_path,
        """
limits:
  - {figure: approval_rate, at_least: 97.5%, falls_at_most: 0.5%, surely: true, because: promised}
  - figure: fraud_missed
    of: declined
    rises_at_most: 12.34 EUR
  - {figure: false_positives, at_most: 2.5, event: card_payment}
  - {figure: reviews_a_day, at_most: 120}
  - {figure: decline_rate, at_most: 3%, by: amount, bands: [50 EUR, 500 EUR], rows_at_least: 7}
""",
    )
    assert found.diagnostics == ()
    assert found.limits == (
        Limit(
            "approval_rate", 3, surely=True, at_least=975_000, falls_at_most=5_000,
            because="promised",
        ),
        Limit("fraud_missed", 4, of="declined", rises_at_most=1_234),
        Limit("false_positives", 7, event="card_payment", at_most=2_500_000),
        Limit("reviews_a_day", 8, at_most=120),
        Limit(
            "decline_rate", 9, segments=Segments("amount", (5_000, 50_000)), rows_at_least=7,
            at_most=30_000,
        ),
    )  # fmt: skip


def test_no_file_and_an_empty_one_are_told_apart_from_limits(tmp_path: Path) -> None:
    """A folder without a gate would look as if it kept one."""
    assert read_gate(tmp_path, PROGRAM) == Gate((), (), there=False)
    assert gate(tmp_path, "") == Gate((), ())
    assert gate(tmp_path, "limits: []\n") == Gate((), ())


@pytest.mark.parametrize(
    ("line", "message", "help_text"),
    [
        ("figure: aproval_rate, at_most: 3%", "no figure is called `aproval_rate`",
         "did you mean `approval_rate`?"),
        ("figure: recall", "a limit has a bound",
         "one of at_least, at_most, falls_at_most, rises_at_most"),
        ("figure: recall, at_mots: 3%", "`at_mots` is no part of a gate",
         "did you mean `at_most`?"),
        ("at_most: 3%", "`figure` is not there", ""),
        ("figure: recall, at_most: 3", "`at_most` is a percentage, such as `0.5%`", ""),
        ("figure: recall, at_most: 101%", "a share is at most 100%", ""),
        ("figure: recall, at_most: 0.00001%", "this is finer than a millionth", ""),
        ("figure: false_positives, at_most: 3%", "`at_most` is a number, such as `2.5`", ""),
        ("figure: fraud_missed, at_most: 3", "`at_most` is an amount in EUR, such as `500 EUR`",
         ""),
        ("figure: fraud_missed, at_most: 3 USD", "`at_most` is an amount in EUR, such as `500 EUR`",
         ""),
        ("figure: fraud_missed, at_most: 3.001 EUR", "EUR has 2 decimals", ""),
        ("figure: reviews_a_day, at_most: 2.5", "`at_most` is a whole number here", ""),
        ("figure: reviews_a_day, at_most: -1", "`at_most` is a whole number here", ""),
        ("figure: approval_rate, at_most: 3%, of: declined",
         "`approval_rate` is the same at every level", ""),
        ("figure: recall, at_most: 3%, of: all",
         "`of` has to be 'declined', 'declined_or_stepped_up' or 'acted_on'", ""),
        ("figure: recall, at_most: 3%, event: payment",
         "`payment` is no event that is decided", "did you mean `card_payment`?"),
        ("figure: recall, at_most: 3%, by: chanel", "`card_payment` has no field `chanel`",
         "did you mean `channel`?"),
        ("figure: recall, at_most: 3%, by: card",
         "`card` is a token: segments are made by a text, a country, a flag, words or an amount",
         ""),
        ("figure: recall, at_most: 3%, by: amount", "amounts make segments by bands",
         "add `bands: [50 EUR, 500 EUR]`"),
        ("figure: recall, at_most: 3%, by: channel, bands: [5 EUR]",
         "`channel` is a one of (ecom, moto); bands are of an amount", ""),
        ("figure: recall, at_most: 3%, by: amount, bands: [5 EUR, 5 EUR]",
         "bands rise: each is above the one before it", ""),
        ("figure: recall, at_most: 3%, bands: [5 EUR]", "bands need a field",
         "add `by: FIELD`, such as the amount"),
        ("figure: recall, at_most: 3%, rows_at_least: 5", "only segments may be too small",
         "add `by: FIELD`"),
        ("figure: recall, at_most: 3%, by: channel, rows_at_least: 0",
         "a segment has at least one row", ""),
        ("figure: recall, at_most: 3%, by: id",
         "`id` is the key of `card_payment`: each payment has its own", ""),
        ("figure: fraud_missed, at_most: 3 EUR, surely: true", "`fraud_missed` has no interval",
         "leave `surely` out"),
        ("figure: reviews_a_day, at_most: 3, by: channel", "`reviews_a_day` has no segments", ""),
    ],
)  # fmt: skip
def test_a_mistake_says_what_to_do(tmp_path: Path, line: str, message: str, help_text: str) -> None:
    """A limit would hold something else than what was meant, or nothing."""
    text = f"limits:\n  - {{figure: recall, at_most: 3%}}\n  - {{{line}}}\n"
    assert said(tmp_path, text) == [(3, message, help_text)]


@pytest.mark.parametrize(
    "text", ["- figure: recall\n", "recall\n", "limits: recall\n", "limits: [a]\n"]
)
def test_another_form_is_refused(tmp_path: Path, text: str) -> None:
    """A file would be taken for an empty gate."""
    ((_, message, _),) = said(tmp_path, text)
    assert message == "a gate is `limits:` and below it a list: each limit begins with `- figure:`"


def test_all_mistakes_come_in_one_run(tmp_path: Path) -> None:
    """A person would mend one error to meet the next."""
    found = said(tmp_path, "limits:\n  - {figure: a, at_most: 1}\n  - {figure: recall}\n")
    assert [line for line, _, _ in found] == [2, 3]


def test_a_change_is_held_to_the_limits_before_it_as_well(tmp_path: Path) -> None:
    """A change would open the gate for itself."""
    before, after = (tmp_path / name for name in ("before", "after"))
    for folder, bound in ((before, "2%"), (after, "50%")):
        folder.mkdir()
        text = f"limits:\n  - {{figure: recall, falls_at_most: {bound}}}\n"
        (folder / "gate.yaml").write_text(
            text + "  - {figure: decline_rate, at_most: 3%, because: kept}\n", encoding="utf-8"
        )
    old, new = read_gate(before, PROGRAM), read_gate(after, PROGRAM)
    found = held_limits(old, new)
    assert [(one.figure, one.falls_at_most, one.before) for one in found] == [
        ("recall", 500_000, False), ("decline_rate", None, False), ("recall", 20_000, True),
    ]  # fmt: skip
    assert held_limits(old, old) == old.limits


def test_segments_are_asked_for_once(tmp_path: Path) -> None:
    """The history would be counted twice, or for another event."""
    limits = gate(
        tmp_path,
        """
limits:
  - {figure: decline_rate, at_most: 3%, by: channel}
  - {figure: approval_rate, at_least: 3%, by: channel}
  - {figure: recall, at_least: 3%, by: merchant, event: card_payment}
""",
    ).limits
    assert segments_of(limits, "card_payment") == (Segments("channel"), Segments("merchant"))
    assert segments_of(limits, "other") == (Segments("channel"),)


def test_every_figure_is_on_the_page() -> None:
    """A figure would be there that nobody can look up."""
    page = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    assert [name for name in FIGURES if f"`{name}`" not in page] == []
