"""What in a model's figures somebody has to look at, as sentences."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.simulation.measures import Rate
from tidegate.simulation.model_watch import MOST_SILENT
from tidegate.simulation.monitoring_result import Abstention, Alarm, ModelMonitoring
from tidegate.simulation.report_pieces import grouped, percent
from tidegate.simulation.score_thresholds import threshold_text


def alarms_of(found: ModelMonitoring) -> Iterator[Alarm]:
    """Every alarm of one model, in the order of the report."""
    if found.external and not found.answers.scored and not found.answers.abstained:
        yield Alarm("silent", found.model, "the history holds no score of it")
    elif (found.answers.silent.low_millionths or 0) > MOST_SILENT:
        yield Alarm(
            "silent",
            found.model,
            f"no score in {_part(found.answers.silent)} of what it is used for:"
            f" {grouped(found.answers.abstained)} abstained,"
            f" {grouped(found.answers.unavailable)} unavailable"
            + "".join(f"; most of all {cause_said(one)}" for one in found.abstentions[:1]),
        )
    for shift in found.shifts:
        if shift.alarm:
            yield Alarm(
                "shift",
                shift.name,
                f"`{shift.name}` has moved: PSI {decimals(shift.psi)},"
                f" chance alone stays below {decimals(shift.critical)}",
            )
    yield from _on_outcomes(found)
    yield from _on_scores(found)


def _on_outcomes(found: ModelMonitoring) -> Iterator[Alarm]:
    for drift in found.thresholds:
        if drift.alarm:
            keeps = f"; {threshold_text(drift.keeps)} keeps that" if drift.keeps is not None else ""
            yield Alarm(
                "threshold",
                threshold_text(drift.at),
                f"{percent(drift.now.millionths)} of scores are {threshold_text(drift.at)}"
                f" ({', '.join(drift.rules)}), {percent(drift.before.millionths)} were{keeps}",
            )
    for one in found.parity:
        if one.alarm:
            frauds = (
                "no label tells how much fraud each has"
                if one.fraud_ratio is None
                else f"at {times(one.fraud_ratio)} the fraud"
            )
            yield Alarm(
                "parity",
                f"{one.field} {one.value}",
                f"{one.what.replace('_', ' ')} falls on {one.field} `{one.value}`"
                f" {times(one.ratio)} as often as on others"
                f" ({times(one.ratio_low)} to {times(one.ratio_high)}), {frauds}",
            )
    then = found.follow.followed_then
    if found.follow.alarm and then is not None:
        yield Alarm(
            "follow",
            found.model,
            f"what its rules ask for was the outcome in {_part(then)}: where nobody ever decides"
            " otherwise, it is the score that decides",
        )


def _on_scores(found: ModelMonitoring) -> Iterator[Alarm]:
    calibration = found.calibration
    if calibration is not None and calibration.alarm:
        yield Alarm(
            "calibration",
            found.model,
            f"its scores expect {calibration.expected / 1000:,.0f} {found.label}s"
            f" ({calibration.low / 1000:,.0f} to {calibration.high / 1000:,.0f}) and"
            f" {grouped(calibration.fraud)} came",
        )
    for term in found.attribution:
        if term.alarm:
            name = " with ".join(term.inputs)
            yield Alarm(
                "attribution",
                name,
                f"`{name}` makes {percent(term.now)} of the contributions,"
                f" it made {percent(term.before)}",
            )


def cause_said(cause: Abstention) -> str:
    """Why a model abstained, with the value that it did not know where it may be named."""
    if not cause.value:
        return cause.reason
    return f"{cause.reason}: `{cause.value}`"


def decimals(millionths: int | None) -> str:
    """An index with four decimals."""
    return "-" if millionths is None else f"{millionths / 1_000_000:.4f}"


def times(millionths: int) -> str:
    """A ratio: `2.04 x`."""
    return f"{millionths / 1_000_000:.2f} x"


def _part(rate: Rate) -> str:
    return f"{percent(rate.millionths)} ({grouped(rate.hits)} of {grouped(rate.of)})"
