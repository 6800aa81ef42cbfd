"""Segments: no alarm about nothing over 200 seeds, one about what is there, base rates apart."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.engine.column_batch import CodedColumn, IntegerColumn
from tidegate.rules.gate import Segments
from tidegate.simulation.measures import FRAUD, GOOD, NOT_YET_KNOWN, UNLABELLED
from tidegate.simulation.monitoring_result import SegmentParity
from tidegate.simulation.parity import FEWEST_ROWS, MOST_SEGMENTS, SegmentCounts

NAMES = ("A", "B", "C", "D")
SEEDS = 200


def parity(
    seed: int,
    declines: tuple[float, ...] = (0.03,) * 4,
    frauds: tuple[float, ...] = (0.02,) * 4,
    rows: int = 8_000,
) -> tuple[SegmentParity, ...]:
    """Four segments with these shares of declines and frauds."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(4, rows, p=(0.5, 0.3, 0.15, 0.05))
    classes = np.where(rng.random(rows) < np.array(frauds)[codes], FRAUD, GOOD).astype(np.int8)
    classes[rng.random(rows) < 0.1] = NOT_YET_KNOWN
    declined = rng.random(rows) < np.array(declines)[codes]
    counts = SegmentCounts(Segments("segment"), ("decline", "review"))
    for part in np.array_split(np.arange(rows), 3):
        found = {"decline": declined[part], "review": np.zeros(len(part), np.bool_)}
        column = CodedColumn(codes[part], NAMES)
        counts.add(column, np.ones(len(part), np.bool_), classes[part], found)
    return counts.parity(0.05)


def test_no_difference_is_no_alarm() -> None:
    """C46: at most 5 % of 200 seeds."""
    assert sum(any(p.alarm for p in parity(seed)) for seed in range(SEEDS)) <= SEEDS * 0.05


def test_twice_at_equal_fraud_is_one() -> None:
    """C46: the second segment declined twice as often; the report flags it with its interval."""
    told = [
        {p.value: p for p in parity(seed, declines=(0.03, 0.06, 0.03, 0.03), rows=20_000)}
        for seed in range(SEEDS)
    ]
    assert sum(p["B"].alarm for p in told) >= SEEDS * 0.95
    # And what the interval of 95 % says holds: 2 is within it.
    inside = sum(p["B"].ratio_low <= 2_000_000 <= p["B"].ratio_high for p in told)
    assert inside >= SEEDS * 0.95 - 3 * (SEEDS * 0.05 * 0.95) ** 0.5


def test_twice_at_twice_the_fraud_is_none() -> None:
    """Without base rates, whoever stops fraud where it is would be alarmed about."""
    told = [
        {p.value: p for p in parity(seed, (0.03, 0.06, 0.03, 0.03), (0.02, 0.04, 0.02, 0.02))}
        for seed in range(SEEDS)
    ]
    assert sum(p["B"].alarm for p in told) <= SEEDS * 0.1
    assert np.mean([p["B"].fraud_ratio or 0 for p in told]) == pytest.approx(2_000_000, rel=0.1)


def test_what_never_happens_is_left_out() -> None:
    """Nobody was reviewed: a ratio of nothing to nothing tells nothing."""
    assert {p.what for p in parity(1)} == {"decline"}


def test_only_matured_labels_count() -> None:
    """A segment of late payments would look free of fraud."""
    first = parity(1)[0]
    assert first.fraud.of + first.others_fraud.of == pytest.approx(7_200, abs=100)
    assert first.rate.of + first.others.of == 8_000


def test_many_segments_are_many_looks() -> None:
    """Of twenty shops without labels one always stands out at 5 %: the rate is of all together."""
    alarms = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, 20, 4_000)
        rows = np.ones(len(codes), np.bool_)
        counts = SegmentCounts(Segments("shop"), ("decline",))
        column = CodedColumn(codes, tuple(f"shop {number:02}" for number in range(20)))
        found = {"decline": rng.random(len(codes)) < 0.1}
        counts.add(column, rows, np.full(len(codes), UNLABELLED, np.int8), found)
        alarms += any(p.alarm for p in counts.parity(0.05))
    assert alarms <= SEEDS * 0.05 + 3 * (SEEDS * 0.05 * 0.95) ** 0.5


def test_small_and_many_segments() -> None:
    """A thousand shops make no thousand lines, and five rows no share."""
    rng = np.random.default_rng(1)
    codes = np.concatenate([np.arange(40).repeat(200), np.full(FEWEST_ROWS - 1, 40)])
    counts = SegmentCounts(Segments("shop"), ("decline",))
    rows = np.ones(len(codes), np.bool_)
    names = tuple(f"shop {number}" for number in range(41))
    classes = np.full(len(codes), GOOD, np.int8)
    counts.add(CodedColumn(codes, names), rows, classes, {"decline": rng.random(len(codes)) < 0.1})
    told = counts.parity(0.05)
    assert len(told) == MOST_SEGMENTS + 1
    assert told[-1].value == "others"
    assert told[-1].rate.of == 20 * 200 + FEWEST_ROWS - 1


def test_flags_and_what_is_missing() -> None:
    """A flag has three segments: no, yes, and nobody knows."""
    values = np.array([0, 1, 1, 0] * 200)
    valid = np.array([True, True, True, False] * 200)
    counts = SegmentCounts(Segments("new"), ("decline",))
    rows = np.ones(800, np.bool_)
    counts.add(IntegerColumn(values, valid), rows, np.full(800, GOOD, np.int8), {"decline": rows})
    assert {p.value: p.rate.of for p in counts.parity(0.05)} == {
        "true": 400, "false": 200, "missing": 200,
    }  # fmt: skip
