"""Rate limits: a bucket of tokens for each principal, filled at a steady rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.service.problems import Problem, ProblemError


@dataclass(frozen=True, slots=True)
class Rate:
    """How much a principal may send: `per_second` on average, `burst` at once."""

    per_second: float
    burst: int

    def __post_init__(self) -> None:
        if not (self.per_second > 0 and math.isfinite(self.per_second) and self.burst >= 1):
            raise ValueError("a rate is above 0 and its burst at least 1")


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RateLimits:
    """One bucket for each principal. `clock` counts seconds and never goes back.

    At most `most` are kept: a bucket that is full again says nothing, and goes first.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float], most: int = 10_000) -> None:
        self._rate = rate
        self._clock = clock
        self._most = most
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, principal: str, cost: int = 1) -> None:
        """Take `cost` from the principal's bucket; `rate_limited` where it does not hold that much.

        A batch costs as much as it has items; one that is larger than the burst never passes.
        """
        now = self._clock()
        bucket = self._buckets.get(principal)
        if bucket is None:
            if len(self._buckets) >= self._most:
                self._forget(now)
            bucket = self._buckets[principal] = _Bucket(self._rate.burst, now)
        bucket.left = self._filled(bucket, now)
        bucket.at = now
        if bucket.left < cost:
            raise ProblemError(self._refusal(cost, bucket.left))
        bucket.left -= cost

    def _filled(self, bucket: _Bucket, now: float) -> float:
        gained = (now - bucket.at) * self._rate.per_second
        return min(bucket.left + gained, self._rate.burst)

    def _refusal(self, cost: int, left: float) -> Problem:
        if cost > self._rate.burst:
            detail = f"at most {self._rate.burst} are taken at once"
            return Problem("rate_limited", detail, "send smaller batches")
        wait = math.ceil((cost - left) / self._rate.per_second)
        return Problem("rate_limited", retry_after=max(wait, 1))

    def _forget(self, now: float) -> None:
        full = [p for p, b in self._buckets.items() if self._filled(b, now) >= self._rate.burst]
        # Where none is full, the one that has been there longest goes.
        for principal in full or [next(iter(self._buckets))]:
            del self._buckets[principal]
