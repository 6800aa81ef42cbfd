"""Whether limits are held against the right figures, to the last unit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.simulation.changed_policies import EVENT, SEGMENTS, comparison
from tidegate.engine.differences import Difference
from tidegate.rules.gate import Limit, Segments
from tidegate.simulation.comparison import Effects, EventComparison, RateChange
from tidegate.simulation.judgement import Judged, judge, needs_history
from tidegate.simulation.measures import Volume
from tidegate.simulation.paired import rate_change
from tidegate.simulation.wording import verdict


def event() -> EventComparison:
    """The compared event."""
    effects = comparison().effects
    assert effects is not None
    return effects.events[0]


def lines(figure: str, **bounds: Any) -> tuple[Judged, ...]:
    """One limit judged."""
    return judge(comparison(), [Limit(figure, 1, **bounds)]).lines


def result(figure: str, **bounds: Any) -> str:
    """The result of a limit with one line."""
    (line,) = lines(figure, **bounds)
    return line.result


def figures() -> dict[str, tuple[int, int]]:
    """Before and after of every figure of the whole event, as they are defined."""
    found = event()
    level = next(one for one in found.levels if one.name == "declined_or_stepped_up")
    was, now = level.before, level.after
    rates = {name: found.rate(name) for name in ("approve", "review", "step_up", "decline")}
    reviews, step_ups = found.loads
    pairs: dict[str, Any] = {
        "approval_rate": (rates["approve"].before.millionths, rates["approve"].after.millionths),
        "review_rate": (rates["review"].before.millionths, rates["review"].after.millionths),
        "step_up_rate": (rates["step_up"].before.millionths, rates["step_up"].after.millionths),
        "decline_rate": (rates["decline"].before.millionths, rates["decline"].after.millionths),
        "precision": (was.precision.millionths, now.precision.millionths),
        "recall": (was.recall.millionths, now.recall.millionths),
        "insult_rate": (was.insults.millionths, now.insults.millionths),
        "false_positives": (was.false_positives.millionths, now.false_positives.millionths),
        "fraud_missed": (was.missed_fraud.minor, now.missed_fraud.minor),
        "good_stopped": (was.good.minor, now.good.minor),
        "reviews_a_day": (reviews.before.peak, reviews.after.peak),
        "step_ups_a_day": (step_ups.before.peak, step_ups.after.peak),
    }
    return pairs


def exact_changes() -> dict[str, RateChange]:
    """The changes of shares of the same payments, rounded once."""
    found = event()
    level = next(one for one in found.levels if one.name == "declined_or_stepped_up")
    names = {"approval_rate": "approve", "review_rate": "review", "step_up_rate": "step_up",
             "decline_rate": "decline"}  # fmt: skip
    changes = {figure: found.rate(name) for figure, name in names.items()}
    return {**changes, "recall": level.recall, "insult_rate": level.insults}


def test_the_edits_move_the_figures() -> None:
    """Limits of a change would be held against no change."""
    assert sum(before != after for before, after in figures().values()) >= 6


@pytest.mark.parametrize("figure", sorted(figures()))
def test_each_bound_holds_to_the_last_unit(figure: str) -> None:
    """A change that is a unit beyond its limit would be released."""
    before, after = figures()[figure]
    assert result(figure, at_least=after) == "kept"
    assert result(figure, at_least=after + 1) == "broken"
    assert result(figure, at_most=after) == "kept"
    if after:
        assert result(figure, at_most=after - 1) == "broken"
    change = after - before
    exact = exact_changes().get(figure)
    if exact is not None:
        assert exact.difference_millionths is not None
        change = exact.difference_millionths
    assert result(figure, rises_at_most=max(change, 0)) == "kept"
    assert result(figure, falls_at_most=max(-change, 0)) == "kept"
    if change > 0:
        assert result(figure, rises_at_most=change - 1) == "broken"
    if change < 0:
        assert result(figure, falls_at_most=-change - 1) == "broken"


def test_surely_asks_for_the_far_end_of_the_interval() -> None:
    """A few lucky payments would pass for a figure that is sure."""
    change = event().rate("approve")
    low, high = change.after.low_millionths, change.after.high_millionths
    assert low is not None
    assert high is not None
    assert result("approval_rate", at_least=low, surely=True) == "kept"
    assert result("approval_rate", at_least=low + 1, surely=True) == "broken"
    assert result("approval_rate", at_least=low + 1) == "kept"
    assert result("approval_rate", at_most=high, surely=True) == "kept"
    assert result("approval_rate", at_most=high - 1, surely=True) == "broken"
    low, high = change.low_millionths, change.high_millionths
    assert low is not None
    assert high is not None
    assert result("approval_rate", falls_at_most=-low, surely=True) == "kept"
    assert result("approval_rate", falls_at_most=-low - 1, surely=True) == "broken"
    if high > 0:
        assert result("approval_rate", rises_at_most=high - 1, surely=True) == "broken"
    (line,) = lines("approval_rate", falls_at_most=-low - 1, surely=True)
    assert "at the far end" in line.said


def test_surely_takes_the_worst_ends_where_the_payments_differ() -> None:
    """Two wide intervals would cancel each other out."""
    level = next(one for one in event().levels if one.name == "declined_or_stepped_up")
    was, now = level.before.precision, level.after.precision
    ends = (was.low_millionths, was.high_millionths, now.low_millionths, now.high_millionths)
    before_low, before_high, after_low, after_high = (end or 0 for end in ends)
    fallen, risen = before_high - after_low, after_high - before_low
    assert result("precision", falls_at_most=fallen, surely=True) == "kept"
    assert result("precision", falls_at_most=fallen - 1, surely=True) == "broken"
    assert result("precision", rises_at_most=risen, surely=True) == "kept"
    assert result("precision", rises_at_most=risen - 1, surely=True) == "broken"


@pytest.mark.parametrize("figure", ["recall", "insult_rate"])
def test_shares_of_the_same_payments_have_paired_ends(figure: str) -> None:
    """Two revisions that say the same would be held apart by luck."""
    level = next(one for one in event().levels if one.name == "declined_or_stepped_up")
    change = level.recall if figure == "recall" else level.insults
    known = level.before.recall if figure == "recall" else level.before.insults
    assert change.before == known
    low, high = change.low_millionths or 0, change.high_millionths or 0
    assert high - low < (known.high_millionths or 0) - (known.low_millionths or 0)
    assert result(figure, falls_at_most=-low, surely=True) == "kept"
    assert result(figure, falls_at_most=-low - 1, surely=True) == "broken"


def test_nothing_that_moved_is_surely_nothing() -> None:
    """A gate would refuse a change of a comment."""
    found = event()
    levels = tuple(
        replace(one, after=one.before, recall=replace(one.recall, lost=0, gained=0),
                insults=replace(one.insults, lost=0, gained=0))
        for one in found.levels
    )  # fmt: skip
    effects = comparison().effects
    assert isinstance(effects, Effects)
    still = replace(comparison(), effects=replace(effects, events=(replace(found, levels=levels),)))
    for bounds in ({"falls_at_most": 0}, {"rises_at_most": 0}):
        for figure in ("precision", "false_positives"):
            (line,) = judge(still, [Limit(figure, 1, surely=True, **bounds)]).lines  # type: ignore[arg-type]
            assert line.result == "kept"


def test_the_level_is_the_one_that_is_named() -> None:
    """A limit on declines would be held against what is stepped up."""
    declined = next(one for one in event().levels if one.name == "declined").after.missed_fraud
    stopped = figures()["fraud_missed"][1]
    assert declined.minor > stopped
    assert result("fraud_missed", of="declined", at_most=stopped) == "broken"
    assert result("fraud_missed", of="declined", at_most=declined.minor) == "kept"


def test_changed_rate_counts_every_payment_once() -> None:
    """A payment that leaves one outcome and enters another would count twice."""
    of = event().after.measured.count
    share = round(1_000_000 * event().flipped.count / of)
    assert result("changed_rate", at_most=share) == "kept"
    assert result("changed_rate", at_most=share - 1) == "broken"


@pytest.mark.parametrize(
    ("figure", "effects"),
    [("weakened_protections", ("weakens", "may_weaken")), ("authority_changes", ("authority",))],
)
def test_figures_of_the_text_count_differences(figure: str, effects: tuple[str, ...]) -> None:
    """A weaker protection would pass because no payment of the history shows it."""
    count = sum(d.effect in effects for d in comparison().words.differences)
    assert result(figure, at_most=count) == "kept"
    if count:
        assert result(figure, at_most=count - 1) == "broken"
    without = replace(comparison(), effects=None)
    assert judge(without, [Limit(figure, 1, at_most=count)]).lines[0].result == "kept"
    assert not needs_history([Limit(figure, 1, at_most=0)])


def test_the_edits_weaken_something() -> None:
    """The counts above would be of nothing."""
    assert any(d.effect == "weakens" for d in comparison().words.differences)


def test_without_a_history_nothing_is_said() -> None:
    """A limit would look kept that nobody has measured."""
    without = replace(comparison(), effects=None, no_effects="there is no policy before")
    judged = judge(without, [Limit("approval_rate", 1, at_least=1)])
    assert [(line.result, line.said) for line in judged.lines] == [
        ("undecided", "there is no policy before")
    ]
    assert judged.passed
    assert judged.undecided == judged.lines
    assert needs_history([Limit("approval_rate", 1, at_least=1)])


def test_a_figure_of_nothing_breaks_its_limit() -> None:
    """A label that stopped coming would open the gate."""
    found = event()
    levels = tuple(
        replace(one, recall=rate_change("recall", 0, 0, 0, 0))
        for one in found.levels
    )  # fmt: skip
    effects = comparison().effects
    assert isinstance(effects, Effects)
    blind = replace(comparison(), effects=replace(effects, events=(replace(found, levels=levels),)))
    for bounds in ({"at_least": 0}, {"at_most": 1}, {"falls_at_most": 1}, {"rises_at_most": 1}):
        (line,) = judge(blind, [Limit("recall", 1, **bounds)]).lines  # type: ignore[arg-type]
        assert (line.result, line.said) == ("broken", "nothing was measured")


def test_each_segment_is_judged_by_its_own_rows() -> None:
    """A country would be hidden behind the sum of all."""
    segments = {s.value: s for s in event().segments if s.field == "channel"}
    small = min(segments.values(), key=lambda segment: segment.all.count)
    found = {
        line.segment: line
        for line in lines(
            "approval_rate", at_least=1_000_000, segments=SEGMENTS[0],
            rows_at_least=small.all.count + 1,
        )
    }  # fmt: skip
    assert found.keys() == segments.keys()
    assert found[small.value].result == "undecided"
    assert "too few to say" in found[small.value].said
    assert {line.result for name, line in found.items() if name != small.value} == {"broken"}
    enough = lines(
        "approval_rate", at_least=1_000_000, segments=SEGMENTS[0], rows_at_least=small.all.count
    )
    assert "undecided" not in {line.result for line in enough}


def test_a_field_that_is_gone_breaks_its_limit() -> None:
    """A limit by country would hold no more once the change drops the country."""
    (line,) = lines("approval_rate", at_least=0, segments=Segments("gone"))
    assert (line.result, line.said) == ("broken", "nothing was measured")


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ("cases_removed", {"differences": (Difference("case", "a", "removed", "none", ()),)}),
        ("measure_changes", {"measure": ("card/mapping.yaml",)}),
    ],
)
def test_what_is_taken_away_from_a_change_is_counted(figure: str, words: dict[str, Any]) -> None:
    """A change would bring its own measure, or drop the cases that it fails."""
    changed = replace(comparison(), words=replace(comparison().words, **words))
    assert judge(changed, [Limit(figure, 1, at_most=1)]).lines[0].result == "kept"
    assert judge(changed, [Limit(figure, 1, at_most=0)]).lines[0].result == "broken"
    assert judge(comparison(), [Limit(figure, 1, at_most=0)]).lines[0].result == "kept"


def test_many_small_segments_are_one_line() -> None:
    """A limit by merchant would print ten thousand lines."""
    found = event()
    few = tuple(
        replace(found.segments[0], field="mcc", value=str(n), all=Volume(n + 1, 0))
        for n in range(9)
    )
    effects = comparison().effects
    assert isinstance(effects, Effects)
    many = replace(comparison(), effects=replace(effects, events=(replace(found, segments=few),)))
    (line,) = judge(many, [Limit("recall", 1, at_least=0, segments=Segments("mcc"))]).lines
    assert (line.segment, line.result) == ("9 values", "undecided")
    assert line.said == "45 rows are too few to say: 100 are asked for"


@pytest.mark.parametrize("figure", ["fraud_missed", "good_stopped"])
def test_money_of_nothing_known_breaks_its_limit(figure: str) -> None:
    """A mapping without labels would show that no fraud gets through."""
    found = event()
    levels = tuple(replace(one, recall=rate_change("recall", 0, 0, 0, 0)) for one in found.levels)
    effects = comparison().effects
    assert isinstance(effects, Effects)
    blind = replace(comparison(), effects=replace(effects, events=(replace(found, levels=levels),)))
    (line,) = judge(blind, [Limit(figure, 1, at_most=10**9)]).lines
    assert (line.result, line.said) == ("broken", "nothing was measured")


def test_payments_that_one_door_refuses_are_counted() -> None:
    """A narrower field would take the payments that show the harm out of every figure."""
    effects = comparison().effects
    assert isinstance(effects, Effects)
    narrow = replace(event(), only_before=Volume(7, 700), only_after=Volume(1, 5))
    changed = replace(comparison(), effects=replace(effects, events=(narrow,)))
    assert judge(changed, [Limit("taken_in_by_one", 1, at_most=8)]).lines[0].result == "kept"
    assert judge(changed, [Limit("taken_in_by_one", 1, at_most=7)]).lines[0].result == "broken"
    said = verdict(changed, None).sentences
    assert any(s.startswith("7 payments are taken in by the revision before alone") for s in said)
    assert any(s.startswith("1 payment is taken in by the revision after alone") for s in said)


def test_a_day_of_nothing_measured_breaks_its_limit() -> None:
    """A warm-up that eats the history would show that nobody has work."""
    found = event()
    after = replace(found.after, measured=Volume())
    effects = comparison().effects
    assert isinstance(effects, Effects)
    blind = replace(comparison(), effects=replace(effects, events=(replace(found, after=after),)))
    (line,) = judge(blind, [Limit("reviews_a_day", 1, at_most=10**9)]).lines
    assert (line.result, line.said) == ("broken", "nothing was measured")


def test_another_event_is_not_held_to_it() -> None:
    """A limit of one event would be judged by the payments of another."""
    (line,) = lines("approval_rate", at_least=0, event="other")
    assert (line.event, line.result, line.said) == ("other", "broken", "nothing was measured")
    (line,) = lines("approval_rate", at_least=1_000_000, event=EVENT)
    assert line.event == EVENT
