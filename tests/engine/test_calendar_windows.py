"""Windows of the calendar against local dates counted minute by minute, and what `since` tells."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from random import Random

import pytest

from tests.dsl.test_periods import begun, micros
from tests.engine.small_policy import policy_of
from tidegate.dsl.program import Period, Program
from tidegate.dsl.types import Value
from tidegate.engine.features import Counted, admit, new_state, read
from tidegate.engine.windows import WindowValue

HOUR_US = 3_600 * 10**6
POLICY = """
policy shop language 1 currency EUR timezone "{zone}"
event pay decided by default approve
  silent review
  id text key
  at time
  card token
  amount money
{features}
rule r version 1 when {condition} then hold{unknown}
"""


def program_of(features: str, condition: str, zone: str = "Europe/Paris") -> Program:
    """A policy whose only rule reads the features."""
    unknown = " if unknown then skip" if "since" in features else ""
    text = POLICY.format(zone=zone, features=features, condition=condition, unknown=unknown)
    return policy_of(text).program


def lived(
    program: Program, happened: list[tuple[int, int]], asked_us: int
) -> dict[str, WindowValue]:
    """What a decision sees after payments (time, amount) on its card."""
    state = new_state(program)
    for number, (at_us, amount) in enumerate(happened):
        values: dict[str, Value | None] = {
            "id": str(number), "at": at_us, "card": "c", "amount": amount
        }  # fmt: skip
        state.apply(admit(program, state, Counted("pay", str(number), at_us, at_us, values), {}))
    asking: dict[str, Value | None] = {"id": "now", "at": asked_us, "card": "c", "amount": 1}
    return read(program, state, program.event("pay"), asking)


@pytest.mark.parametrize("delay", [0, 3])
@pytest.mark.parametrize("period", ["day", "week", "month"])
@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Paris", datetime(2026, 10, 20, tzinfo=UTC)),
        ("America/St_Johns", datetime(2009, 10, 24, tzinfo=UTC)),
        ("Pacific/Apia", datetime(2011, 12, 25, tzinfo=UTC)),
    ],
)
def test_a_calendar_window_begins_with_its_period(
    zone: str, first: datetime, period: Period, delay: int
) -> None:
    """[start of the period that holds t - D, t - D): start included, end excluded, events late."""
    late = f" delayed {delay}h" if delay else ""
    feature = f"feature f = count of pay by card over calendar {period}{late}"
    program = program_of(feature, "f > 0", zone)
    starts = [micros(first) - 400 * 86_400 * 10**6, *begun(zone, first, 16, period)]
    rng = Random(f"{zone}{period}{delay}")
    low, high = micros(first), micros(first) + 15 * 86_400 * 10**6
    times = sorted({rng.randint(low, high) for _ in range(60)} | {s for s in starts if s > low})

    for start in (*starts[1:], *rng.sample(times, 20)):
        for asked_us in (start + delay * HOUR_US + step for step in (-1, 0, 1)):
            end_us = asked_us - delay * HOUR_US
            start_us = starts[bisect_right(starts, end_us) - 1]
            seen = [t for t in times if start_us <= t < end_us]
            answer = lived(program, [(t, 1) for t in times if t < asked_us], asked_us)
            assert answer == {"f": WindowValue(len(seen), None)}


def test_the_zone_is_the_policys_or_its_own() -> None:
    """A day in New York would be a day in Paris."""
    at_us, asked_us = (micros(datetime(2026, 11, 23, hour, tzinfo=UTC)) for hour in (3, 7))
    features = """feature here = count of pay by card over calendar day
feature there = count of pay by card over calendar day in "America/New_York"
"""
    program = program_of(features, "here > 1 or there > 1")

    assert lived(program, [(at_us, 1)], asked_us) == {
        "here": WindowValue(1, None),
        "there": WindowValue(0, None),  # 22:00 of the day before
    }


def test_since_counts_from_the_event_to_the_decision() -> None:
    """The reach holds its start, and what lies further back is missing rather than long ago."""
    features = """feature quiet = since last pay by card over 10m
feature older = since first pay by card over 2h delayed 1m
"""
    program = program_of(features, "quiet > 1s or older > 1s")
    minute = 60 * 10**6
    base = micros(datetime(2026, 11, 23, tzinfo=UTC))

    def ask(at_us: int) -> tuple[WindowValue, WindowValue]:
        found = lived(program, [(base, 1), (base + minute, 1)], at_us)
        return found["quiet"], found["older"]

    assert ask(base + minute + 1) == (WindowValue(1, None), WindowValue(minute + 1, None))
    assert ask(base + 11 * minute)[0] == WindowValue(10 * minute, None)
    assert ask(base + 11 * minute + 1)[0] == WindowValue(None, "empty_window")
    assert ask(base + 121 * minute)[1] == WindowValue(121 * minute, None)
    assert ask(base + 121 * minute + 1)[1] == WindowValue(120 * minute + 1, None)


def test_what_since_can_be_is_known_before() -> None:
    """A window would give what the checker says no window can."""
    features = "feature quiet = since last pay by card over 10m delayed 1m"
    inputs = program_of(features, "quiet > 1s").event("pay").inputs
    (entry,) = (entry for entry in inputs if entry.name == "quiet")

    assert entry.bounds is not None
    assert (entry.bounds.low, entry.bounds.high) == (60 * 10**6 + 1, 11 * 60 * 10**6)
    assert entry.can_be_missing


def test_a_deviation_is_no_wider_than_what_it_is_of() -> None:
    """A comparison with it would be taken for never true, or a given value refused."""
    features = "feature f = deviation of tip of pay by card over 7d"
    text = POLICY.replace("  amount money", "  amount money\n  tip money min -2 EUR max 5 EUR")
    text = text.format(
        zone="UTC", features=features, condition="f > 1 EUR", unknown=" if unknown then skip"
    )
    (entry,) = (i for i in policy_of(text).program.event("pay").inputs if i.name == "f")

    assert entry.bounds is not None
    assert (entry.bounds.low, entry.bounds.high) == (0, 700)
    assert entry.can_be_missing


def test_a_rule_means_its_calendar_and_zone() -> None:
    """A window would change from a day to a month without a new version."""
    windows = ("calendar day", "calendar month", 'calendar day in "UTC"', "2d", "33d")
    features = [f"feature f = count of pay by card over {window}" for window in windows]
    meanings = {program_of(f, "f > 0").event("pay").rules[0].meaning for f in features}

    assert len(meanings) == len(windows)
