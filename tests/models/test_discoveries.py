"""Which findings stand, by the example of the paper's authors and by scipy."""

from __future__ import annotations

from random import Random

import pytest
from scipy import stats

from tidegate.models.discoveries import discoveries

PAPER = (
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
    0.6528, 0.7590, 1.0,
)  # fmt: skip


def test_the_example_of_the_paper() -> None:
    """Benjamini and Hochberg (1995) keep the first four of these fifteen at 5 %."""
    assert discoveries(PAPER, 0.05) == (True,) * 4 + (False,) * 11


@pytest.mark.parametrize("seed", range(20))
def test_as_scipy_says(seed: int) -> None:
    """The order of findings matters, or one on the line is taken the wrong way."""
    rng = Random(seed)
    chances = [rng.random() ** rng.choice((1, 4)) for _ in range(rng.randrange(1, 30))]
    adjusted = stats.false_discovery_control(chances)
    assert discoveries(chances, 0.05) == tuple(bool(value <= 0.05) for value in adjusted)


def test_nothing_found() -> None:
    """No findings are no error."""
    assert discoveries([], 0.05) == ()
