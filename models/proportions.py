"""Two shares of different rows, held against each other."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

from tidegate.models.chi_square import two_sided

Z_95 = 1.959963984540054
"""The 97.5th percentile of the normal distribution: intervals are of 95 %."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The second share minus the first, with its interval of 95 % (Newcombe, 1998), and the
    chance of one as large where both are the same."""

    value: float
    low: float
    high: float
    chance: float


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The Wilson score interval of 95 % for `hits` out of `of` (above 0)."""
    share, z2 = hits / of, Z_95 * Z_95
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    low = 0.0 if hits == 0 else max(centre - half, 0.0)
    high = 1.0 if hits == of else min(centre + half, 1.0)
    return low, high


def difference(first: tuple[int, int], second: tuple[int, int]) -> Difference | None:
    """Of hits and rows, twice; None where either has no rows."""
    (a, n), (b, m) = first, second
    if not n or not m:
        return None
    p, q = a / n, b / m
    (p_low, p_high), (q_low, q_high) = wilson(a, n), wilson(b, m)
    low = q - p - sqrt((q - q_low) ** 2 + (p_high - p) ** 2)
    high = q - p + sqrt((q_high - q) ** 2 + (p - p_low) ** 2)
    pooled = (a + b) / (n + m)
    spread = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return Difference(q - p, low, high, two_sided((q - p) / spread) if spread else 1.0)


@dataclass(frozen=True, slots=True)
class LogRatio:
    """The logarithm of the second share over the first, and its variance."""

    value: float
    variance: float

    def minus(self, other: LogRatio) -> LogRatio:
        """How much larger this ratio is than an independent other."""
        return LogRatio(self.value - other.value, self.variance + other.variance)

    @property
    def ratio(self) -> float:
        """As a ratio."""
        return exp(self.value)

    @property
    def low(self) -> float:
        """The lower end of the interval of 95 %, as a ratio."""
        return exp(self.value - Z_95 * sqrt(self.variance))

    @property
    def high(self) -> float:
        """The upper end."""
        return exp(self.value + Z_95 * sqrt(self.variance))


def log_ratio(first: tuple[int, int], second: tuple[int, int]) -> LogRatio:
    """Of hits and rows, twice; half a hit is added on both sides, so that none is without end."""
    (a, n), (b, m) = first, second
    value = log((b + 0.5) / (m + 0.5)) - log((a + 0.5) / (n + 0.5))
    variance = 1 / (a + 0.5) - 1 / (n + 0.5) + 1 / (b + 0.5) - 1 / (m + 0.5)
    return LogRatio(value, max(variance, 0.0))
