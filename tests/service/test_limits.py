"""Rate limits: what is let through in all, whoever asks and however often."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from tidegate.service.limits import Rate, RateLimits
from tidegate.service.problems import ProblemError


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def wait_of(limits: RateLimits, principal: str, cost: int = 1) -> int | None:
    """Seconds to wait; None where it passes, -1 where it never will."""
    try:
        limits.take(principal, cost)
    except ProblemError as refusal:
        assert refusal.problem.code == "rate_limited"  # noqa: PT017
        return -1 if refusal.problem.retry_after is None else refusal.problem.retry_after
    return None


def test_a_burst_passes_and_then_the_rate() -> None:
    """A client would be stopped too early, or never."""
    clock = Clock()
    limits = RateLimits(Rate(2.0, 3), clock)
    assert [wait_of(limits, "a") for _ in range(5)] == [None, None, None, 1, 1]
    assert wait_of(limits, "b") is None
    clock.now = 0.5
    assert [wait_of(limits, "a") for _ in range(2)] == [None, 1]
    clock.now = 1_000
    assert [wait_of(limits, "a") for _ in range(4)] == [None, None, None, 1]


def test_whoever_waits_as_told_passes() -> None:
    """`Retry-After` would send clients into another refusal."""
    chance, clock = random.Random(1), Clock()
    limits = RateLimits(Rate(0.7, 10), clock)
    for _ in range(2_000):
        cost = chance.randint(1, 10)
        wait = wait_of(limits, "a", cost)
        if wait is not None:
            clock.now += wait
            assert wait_of(limits, "a", cost) is None
        clock.now += chance.random()


def test_no_second_brings_more_than_burst_and_rate() -> None:
    """Somebody clever would send more than is declared."""
    chance, clock = random.Random(2), Clock()
    limits = RateLimits(Rate(5.0, 8), clock)
    passed: list[float] = []
    for _ in range(5_000):
        clock.now += chance.expovariate(20)
        if wait_of(limits, "a") is None:
            passed.append(clock.now)
    for first, start in enumerate(passed):
        within = [at for at in passed[first:] if at - start <= 10]
        assert len(within) <= 8 + 5 * 10 + 1


def test_a_batch_larger_than_the_burst_never_passes() -> None:
    """Its sender would be told to wait for ever."""
    assert wait_of(RateLimits(Rate(1.0, 3), Clock()), "a", 4) == -1


def test_few_buckets_are_kept_and_an_empty_one_not_for_nothing() -> None:
    """Ever new names would fill the memory, or refill a bucket that was empty."""
    clock = Clock()
    limits = RateLimits(Rate(1.0, 2), clock, most=10)
    assert [wait_of(limits, "greedy") for _ in range(3)] == [None, None, 1]
    clock.now = 1.5
    for number in range(9):
        wait_of(limits, f"n{number}")
    clock.now = 1.9
    wait_of(limits, "one more")
    assert len(limits) == 10
    clock.now = 100.0
    wait_of(limits, "late")
    assert len(limits) == 1


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (float("inf"), 1), (1, 0)])
def test_rates_that_limit_nothing_are_refused(per_second: float, burst: int) -> None:
    """A slip in the settings would switch the limits off."""
    with pytest.raises(ValueError, match="rate"):
        Rate(per_second, burst)
