"""Ten faults, many times each: whether decisions get their answer, and get it in time.

    python -m tests.fuzz_model_host [--times 10000] [--callers 4]

A host scores the model of a small policy, and the scorer always fails. Several callers decide at
once: so often with the limits of a service, and a tenth as often with a new worker each time. Every decision must be there, with what the model's
`if unavailable` asks wherever there was no score; how many took longer than the limit and `SLACK_MS`
is printed, and means something on an idle machine alone.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from tests.conftest import ROOT
from tests.engine.test_hosted_models import body, policy
from tidegate.engine import Engine
from tidegate.models.host import HostedModel, HostLimits, ModelHost, Shape

FAULTS = (
    "sleeps",
    "hangs",
    "says_nan",
    "out_of_range",
    "too_few_contributions",
    "does_not_sum",
    "dies",
    "answers_another_question",
    "floods",
    "opens_a_socket",
)
WITHIN_MS, SLACK_MS = 40, 10
LIMITS = (
    HostLimits(grace_us=50_000),
    HostLimits(grace_us=50_000, first_pause_s=0.001, longest_pause_s=0.01, faults_allowed=10**9),
)
"""As a service has it; and without patience ever running out, each decision after a new start."""


def decide_often(fault: str, times: int, callers: int, limits: HostLimits) -> Counter[str]:
    """What became of so many decisions."""
    broken = HostedModel(
        "trees", fault.encode(), Shape(-20, 3), "tests.models.faulty:load", (str(ROOT),)
    )
    seen: Counter[str] = Counter()
    with ModelHost([broken], limits) as host:
        host.wait_ready(30)
        engine = Engine(policy(f"{WITHIN_MS}ms"), scorer=host)

        def decided(_: int) -> tuple[str, float]:
            if limits is LIMITS[1]:
                host.wait_ready(30)
            began = perf_counter()
            decision = engine.decide(body("5000.00 EUR"))
            took_ms = (perf_counter() - began) * 1000
            if decision.outcome.reasons != ("no_score",):
                return "wrong", took_ms
            return decision.record.scored["trees"].reason, took_ms

        with ThreadPoolExecutor(callers) as pool:
            for said, took_ms in pool.map(decided, range(times)):
                seen[said] += 1
                seen["slow"] += took_ms > WITHIN_MS + SLACK_MS
    return seen


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument("--callers", type=int, default=4)
    chosen = parser.parse_args(arguments)
    before = threading.active_count()
    total: Counter[str] = Counter()
    for name, limits in zip(("usual limits", "endless patience"), LIMITS, strict=True):
        for fault in FAULTS:
            times = chosen.times if limits is LIMITS[0] else chosen.times // 10
            seen = decide_often(fault, times, chosen.callers, limits)
            slow = seen.pop("slow")
            said = ", ".join(f"{reason} {number:,}" for reason, number in seen.most_common())
            print(f"{name:16} {fault:24} {slow:5} slow; {said}", flush=True)
            total.update(seen, slow=slow)
    left = threading.active_count() - before
    decisions = sum(total.values()) - total["slow"]
    kept = 100 * (1 - total["slow"] / decisions)
    print(
        f"{decisions:,} decisions, {total['wrong']} wrong, {kept:.3f} % within {WITHIN_MS} ms and "
        f"{SLACK_MS}, {left} threads left"
    )
    return int(bool(total["wrong"] or left))


if __name__ == "__main__":
    sys.exit(main())
