"""What the wall costs: one score in the process and from a worker, and many callers at once.

    python -m bench.model_host [--calls 5000]

Prints the median and the 99th percentile of one call in microseconds, and scores a second for
several threads. The figures are of this machine, and of nothing where others use it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns

from tidegate.dsl.types import MONEY, NUMBER, Value
from tidegate.models.host import ModelHost, hosted
from tidegate.models.portable import Axis, Input, PortableModel, TableTerm
from tidegate.models.scored import Scored
from tidegate.models.scoring import compile_scorer

INPUTS, CUTS = 15, 200
LONG_US = 10_000_000


def additive() -> PortableModel:
    """A model of the shape of the Handbook's additive one: 15 tables of 200 cuts."""
    cuts = tuple(range(1_000, 1_000 * (CUTS + 1), 1_000))
    kinds = (MONEY, *[NUMBER] * (INPUTS - 1))
    return PortableModel(
        name="additive",
        version=1,
        family="additive",
        link="logit",
        inputs=tuple(
            Input(f"x{i}", kind, "EUR" if kind == MONEY else "", takes_missing=True)
            for i, kind in enumerate(kinds)
        ),
        base=-3 * 10**9,
        terms=tuple(
            TableTerm((Axis(i, cuts),), tuple((i * 37 + k * 101) % 10**9 for k in range(CUTS + 2)))
            for i in range(INPUTS)
        ),
    )


def row(number: int) -> tuple[Value | None, ...]:
    """Some values."""
    return tuple((number * 7_919 + i * 104_729) % 250_000 for i in range(INPUTS))


def timed(score: Callable[[tuple[Value | None, ...]], object], calls: int) -> tuple[float, float]:
    """Median and 99th percentile of one call, in microseconds."""
    taken = []
    for number in range(calls):
        values = row(number)
        began = perf_counter_ns()
        score(values)
        taken.append(perf_counter_ns() - began)
    taken.sort()
    return taken[calls // 2] / 1000, taken[calls * 99 // 100] / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5_000)
    calls: int = parser.parse_args().calls
    model = additive()
    here = compile_scorer(model).score
    with ModelHost([hosted(model)]) as host:
        began = perf_counter_ns()
        assert host.wait_ready(30)
        print(f"start {(perf_counter_ns() - began) / 1e6:.0f} ms")

        def there(values: tuple[Value | None, ...]) -> object:
            return host.score("additive", values, LONG_US)

        assert all(there(row(n)) == here(row(n)) for n in range(200)), "the two do not agree"
        for name, score in (("in the process", here), ("from a worker", there)):
            median, last = timed(score, calls)
            print(f"{name:15} median {median:8.1f} us   p99 {last:8.1f} us")
        for threads in (1, 4, 16):
            with ThreadPoolExecutor(threads) as pool:
                began = perf_counter_ns()
                said = list(pool.map(there, map(row, range(calls))))
                rate = calls / ((perf_counter_ns() - began) / 1e9)
            answered = sum(isinstance(one, Scored) for one in said)
            print(f"{threads:2} callers       {rate:8.0f} scores/s, {answered} of {calls} answered")


if __name__ == "__main__":
    main()
