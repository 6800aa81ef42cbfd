"""The benchmark of scores compares two sides that say the same."""

from __future__ import annotations

from bench import models
from tidegate.models.scoring import compile_scorer


def test_both_sides_say_the_same() -> None:
    """The figures of `bench.models` would compare different things."""
    x, y = models.payments(1_500, seed=5)
    for name in ("logistic regression", "random forest"):
        estimator = models.FITS[name](x, y)
        model = models.portable(estimator)
        result = models.compare(name, estimator, model, x[:120], rounds=3)
        assert result.largest_difference <= 5.1e-7
        assert name in models.report([result])
        scored = compile_scorer(model).score([int(value) for value in x[0]])
        assert scored.total == model.base + sum(scored.contributions)


def test_every_model_has_an_aim() -> None:
    """A line would have no measure."""
    assert set(models.FITS) == set(models.AIMS)
