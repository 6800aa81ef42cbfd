"""The Handbook's table of models: one of them through the product, and that a miss is noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench import handbook_models
from bench.handbook_models import FOLDER, MILLION, figures, lines, wrong_figures, wrong_rows
from tidegate.models.cards import Card, Sample
from tidegate.rules import load_policy
from tidegate.rules.models import none_serves


@pytest.fixture(scope="module")
def card(shared: Path) -> Card:
    """The card of the logistic regression, trained as `make handbook` does it."""
    assert shared.is_dir()
    (line,) = lines(load_policy(FOLDER, serving=none_serves), ("logistic",))
    assert line.wrong == ()
    return line.trained.card


def test_the_published_figures_are_reached(card: Card) -> None:
    assert figures(card)[0] == pytest.approx(0.871 * MILLION, abs=5_000)
    assert (card.export.rows, card.export.beyond) == (58_264, 0)


def test_a_missed_figure_is_noticed(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table would be green whatever it prints."""
    monkeypatch.setattr(handbook_models, "PUBLISHED", {"logistic": (877_000, 606_000, 291_000)})
    (wrong,) = wrong_figures("logistic", card)
    assert wrong.startswith("auc: 0.87")


def test_another_split_and_another_score_are_noticed(card: Card) -> None:
    assert wrong_rows(replace(card, train=Sample(67_239, 598)))
    assert wrong_rows(replace(card, test=Sample(58_264, 384)))
    assert wrong_rows(replace(card, export=replace(card.export, beyond=1)))
