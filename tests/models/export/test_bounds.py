"""The bound follows from the form alone, and it is not wide."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sklearn.linear_model import LogisticRegression

from tests.models.export.datasets import agree, payments
from tests.models.export.test_families import NUMBERS, OF_NUMBERS
from tidegate.models.export import export_model, quantisation_bound
from tidegate.models.portable import PortableModel, Tree


def forest(count: int, link: str) -> PortableModel:
    """As many leaves as there are trees."""
    leaf = Tree((-1,), (0,), (0,), (0,), (False,), (None,), (500_000_000,))
    return PortableModel(
        name="m",
        version=1,
        family="random_forest",
        link="probability" if link == "probability" else "logit",
        inputs=(),
        base=500_000_000 * count,
        trees=(leaf,) * count,
        divisor=count if link == "probability" else 1,
    )


@pytest.mark.parametrize("count", [1, 100, 1000])
def test_it_grows_with_rounded_numbers(count: int) -> None:
    """Half a millionth, and for each number half of 1/unit, a quarter of it at a logit."""
    share, logit = forest(count, "probability"), forest(count, "logit")
    assert quantisation_bound(share) == pytest.approx(0.5 + 0.0005, abs=1e-5)
    assert quantisation_bound(logit) == pytest.approx(0.5 + (count + 1) * 0.000125, abs=1e-3)


def test_it_is_tight() -> None:
    """A coarse unit moves scores by what the bound says, and by more than a finer one's allows."""
    fitted = payments(1, NUMBERS)
    estimator = OF_NUMBERS["boosting"]().fit(fitted.x, fitted.y)
    model = export_model(estimator, fitted.specs, name="m", version=1)
    coarse = replace(
        model,
        unit=1000,
        base=round(model.base / 10**6),
        trees=tuple(
            replace(tree, values=tuple(round(value / 10**6) for value in tree.values))
            for tree in model.trees
        ),
    )
    roots = sum(tree.values[0] for tree in coarse.trees)
    baseline = model.base - sum(tree.values[0] for tree in model.trees)
    coarse = replace(coarse, base=round(baseline / 10**6) + roots)
    probabilities = estimator.predict_proba(fitted.x)[:, 1]
    assert quantisation_bound(coarse) > 1000
    with pytest.raises(AssertionError):
        agree(coarse, fitted.rows, probabilities)


def test_an_export_that_is_off_by_one_cent_is_noticed() -> None:
    """The comparison bites: the same model with its first cuts moved by one."""
    fitted = payments(1, NUMBERS)
    estimator = OF_NUMBERS["forest"]().fit(fitted.x, fitted.y)
    model = export_model(estimator, fitted.specs, name="m", version=1)
    root = model.trees[0]
    cut = root.cuts[0]
    moved = replace(root, cuts=(cut + 1, *root.cuts[1:]))
    wrong = replace(model, trees=(moved, *model.trees[1:]))
    rows = [list(row) for row in fitted.rows]
    for row in rows:
        row[root.inputs[0]] = cut + 1
    probabilities = estimator.predict_proba(fitted.with_rows(rows).x)[:, 1]
    agree(model, rows, probabilities)
    with pytest.raises(AssertionError):
        agree(wrong, rows, probabilities)


def test_scores_are_near_half_a_millionth_away() -> None:
    """Over many rows the largest difference comes close to the bound, so it is no wish."""
    fitted = payments(5, ("amount", "risk"), count=3000)
    estimator = LogisticRegression(max_iter=5000).fit(fitted.x, fitted.y)
    model = export_model(estimator, fitted.specs, name="m", version=1)
    worst = agree(model, fitted.rows, estimator.predict_proba(fitted.x)[:, 1])
    assert 0.49 < worst <= quantisation_bound(model) < 0.51
