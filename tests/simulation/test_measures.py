"""Rates with their intervals, sums of money, load: figures known from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.simulation.measures import (
    CLASSES,
    FRAUD,
    GOOD,
    NOTHING,
    WARM_UP,
    Volume,
    added,
    classed,
    detection,
    load,
    measured,
    rate,
    ratio,
    share,
    volumes,
)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (12, 20, 386_582, 781_193),
        (60, 100, 502_003, 690_599),
        (600, 1000, 569_309, 629_925),
        (0, 10, 0, 277_533),
        (10, 10, 722_467, 1_000_000),
        (1, 1, 206_549, 1_000_000),
    ],
)
def test_wilson_intervals(hits: int, of: int, low: int, high: int) -> None:
    """An analyst trusts 12 out of 20 as if it were 600 out of 1,000."""
    found = rate(hits, of)
    assert found.millionths == round(10**6 * hits / of)
    assert (found.low_millionths, found.high_millionths) == (low, high)


def test_nothing_counted_is_no_rate() -> None:
    """A rule that never fired shows a precision of 0 %, as if it had always been wrong."""
    assert rate(0, 0).millionths is None
    assert ratio(0, 0).millionths is None


def test_false_positive_ratio_follows_precision() -> None:
    """Five good for one fraud, whose interval is the one of the precision turned over."""
    found = ratio(50, 10)
    precision = rate(10, 60)
    assert found.millionths == 5_000_000
    assert precision.low_millionths is not None
    assert precision.high_millionths is not None
    high = (10**6 - precision.low_millionths) / precision.low_millionths
    assert found.high_millionths == pytest.approx(10**6 * high, rel=1e-5)
    assert ratio(3, 0).millionths is None
    assert ratio(3, 0).low_millionths is not None
    assert ratio(0, 3).millionths == 0


def test_sums_do_not_wrap() -> None:
    """Money beyond int64 in all, or in one class, comes out wrong or negative."""
    money = np.array([2**62, 2**62, 2**62, -5], np.int64)
    codes = np.array([0, 0, 0, 1])
    assert volumes(codes, 3, money) == [Volume(3, 3 * 2**62), Volume(1, -5), Volume()]


def test_classes_add_up_in_any_split() -> None:
    """A history cut into other slices gives other figures."""
    rng = np.random.default_rng(7)
    group, classes = rng.integers(0, 4, 1000), rng.integers(0, len(CLASSES), 1000).astype(np.int8)
    money = rng.integers(-(10**12), 10**12, 1000)
    whole = classed(group, 4, classes, money)
    parts = [classed(group[s], 4, classes[s], money[s]) for s in (slice(0, 13), slice(13, None))]
    assert whole == [added(a, b) for a, b in zip(*parts, strict=True)]
    assert sum(measured(one).count for one in whole) == int((classes != WARM_UP).sum())


def test_detection_reads_matured_labels_only() -> None:
    """What is not known yet counts as good, and a rule looks worse than it is."""
    everything = list(NOTHING)
    everything[FRAUD], everything[GOOD] = Volume(10, 1000), Volume(90, 3000)
    everything[2] = Volume(50, 50_000)
    caught = list(NOTHING)
    caught[FRAUD], caught[GOOD], caught[2] = Volume(4, 900), Volume(1, 100), Volume(9, 9)
    found = detection(tuple(caught), tuple(everything))
    assert (found.precision.hits, found.precision.of) == (4, 5)
    assert (found.recall.hits, found.recall.of) == (4, 10)
    assert found.missed_fraud == Volume(6, 100)
    assert found.passed_good == Volume(89, 2900)
    assert found.precision_money_millionths == 900_000
    assert found.recall_money_millionths == 900_000


def test_shares_round_half_to_even() -> None:
    """A share of money is off by one where it is exactly between two millionths."""
    assert share(1, 2 * 10**6) == 0
    assert share(3, 2 * 10**6) == 2
    assert share(1, 0) is None


def test_load_counts_quiet_days() -> None:
    """The mean leaves out days without any work and promises too much of it."""
    found = load({3: 10, 5: 20, 9: 20}, 10)
    assert (found.total, found.mean_thousandths, found.peak, found.peak_day) == (50, 5000, 20, 5)
    assert load({}, 0).peak_day is None
