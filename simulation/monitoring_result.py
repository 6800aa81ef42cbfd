"""What watching models found, as frozen values; `as_json` gives them a stable form.

Shares, indices, chances and scores are in millionths, times are microseconds since 1970 in UTC,
days are counted from 1970-01-01 in the policy's zone. Everything leaves the warm-up out. Rates of
fraud speak about matured labels only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tidegate.simulation.measures import Rate
from tidegate.simulation.result import as_json as plain

SCHEMA = "tidegate.monitoring/1"
Kind = Literal["shift", "calibration", "attribution", "parity", "follow", "threshold", "silent"]
Origin = Literal["training", "history"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that somebody has to look at; `said` is a sentence for people."""

    kind: Kind
    subject: str
    said: str


@dataclass(frozen=True, slots=True)
class Period:
    """From `from_us` to before `to_us`, with the rows that the model was used for."""

    from_us: int
    to_us: int
    rows: int


@dataclass(frozen=True, slots=True)
class Answers:
    """How the model answered: outside its `use`, with a score, by abstaining, not at all.

    `silent` is the share of the rows in its `use` that got no score.
    """

    outside_use: int
    scored: int
    abstained: int
    unavailable: int
    silent: Rate


@dataclass(frozen=True, slots=True)
class Abstention:
    """Rows of the reference week and of the watched time in which the model abstained for `reason`.

    The first of a row's reasons counts. `value` is what the model did not know, of an input of
    countries or of words that the policy lists; empty of all others.
    """

    input: str
    reason: str
    value: str
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin of a distribution: its share of the reference and of what is watched."""

    name: str
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class InputShift:
    """How far an input, or the score itself, has moved since the reference.

    `psi` is the effect. `critical` is what chance alone passes at the level of one comparison, for
    this many rows, and `chance` the p-value; both know nothing of the other inputs, which `alarm`
    does. All three are None where nothing can be said (one bin, or no rows).
    """

    name: str
    origin: Origin
    rows_before: int
    rows_now: int
    psi: int | None
    critical: int | None
    chance: int | None
    bars: tuple[Bar, ...]
    alarm: bool


@dataclass(frozen=True, slots=True)
class WeekShare:
    """One week from `day` on: the share of scores at or above a threshold."""

    day: int
    whole: bool
    share: Rate


@dataclass(frozen=True, slots=True)
class ThresholdDrift:
    """A score that rules compare with, and what it picks.

    at: scores at or above it are picked. before, now: the share picked in the reference week and
    in the watched time, low and high the interval of their difference; keeps: the threshold that
    would pick the share of before. fraud, good, open (labels not due) and unlabelled are those
    picked in the watched time; precision and recall are of matured labels.
    """

    rules: tuple[str, ...]
    at: int
    before: Rate
    now: Rate
    low: int | None
    high: int | None
    keeps: int | None
    weeks: tuple[WeekShare, ...]
    fraud: int
    good: int
    open: int
    unlabelled: int
    precision: Rate
    recall: Rate
    alarm: bool


@dataclass(frozen=True, slots=True)
class Maturity:
    """Of the scored rows: labels due and true, due and false, not due yet, and none ever."""

    fraud: int
    good: int
    open: int
    past_declined: int
    unlabelled: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """Rows with scores from `low` to `high`: their mean score, and the share that was fraud."""

    low: int
    high: int
    mean: int
    fraud: Rate


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """What the scores expect beside what came, on matured labels.

    `expected`, and the interval in which the number of frauds would be if the scores were right,
    are in thousandths of a fraud. `ece` is the mean gap between score and share over the bins.
    """

    bins: tuple[Reliability, ...]
    ece: int
    rows: int
    fraud: int
    expected: int
    low: int
    high: int
    chance: int
    alarm: bool


@dataclass(frozen=True, slots=True)
class TermResult:
    """One term's share of all |contribution|, then and now."""

    inputs: tuple[str, ...]
    before: int
    now: int
    low: int
    high: int
    chance: int
    alarm: bool


@dataclass(frozen=True, slots=True)
class SegmentParity:
    """One segment beside all others, for one outcome.

    what: `decline`, `step_up`, `review`, or `flagged`, scores at or above the lowest threshold.
    four_fifths: the share that is left alone, over that of the others, or the other way round,
    whichever is lower. ratio: of the outcome's share, with its interval; fraud_ratio: of the share
    of fraud; excess_low: the lower end of ratio over fraud_ratio.
    """

    field: str
    value: str
    what: str
    rate: Rate
    others: Rate
    low: int
    high: int
    ratio: int
    ratio_low: int
    ratio_high: int
    four_fifths: int | None
    fraud: Rate
    others_fraud: Rate
    fraud_ratio: int | None
    excess_low: int | None
    chance: int
    alarm: bool


@dataclass(frozen=True, slots=True)
class FollowResult:
    """What became of what the model's rules asked for.

    asked: rows in which a rule that reads the score asked for a payment not to pass as it is: for a
    decline, a hold, a step-up or a review before it. asked_after: rows in which no such rule asked
    for more than a review after the payment, which stops nothing and is in no share of these.
    followed: that was the outcome by the policy; determined: without the model it would have been
    another; followed_then: it was the outcome in the history, where that tells one (people's too).
    """

    asked: int
    asked_after: int
    followed: Rate
    determined: Rate
    followed_then: Rate | None
    alarm: bool


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its interval of 95 %, in millionths; None where there is too little to tell."""

    value: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Discrimination:
    """How well scores tell fraud from the rest, over so many rows with matured labels.

    auc: the chance that a fraud scores higher than another row; average_precision: the mean of the
    precision at each fraud. Both are None where there are fewer than five frauds or others.
    """

    rows: int
    fraud: int
    auc: Interval
    average_precision: Interval


@dataclass(frozen=True, slots=True)
class Agreement:
    """At one threshold of the champion, who picks which of the rows that both scored.

    `same_score`: the challenger picks at the same score; else at the one that picks as many.
    Precision and recall are the champion's and the challenger's, on matured labels;
    recall_difference is how much more the challenger finds, paired.
    """

    rules: tuple[str, ...]
    at: int
    challenger_at: int
    same_score: bool
    both: int
    only_champion: int
    only_challenger: int
    neither: int
    precision: tuple[Rate, Rate]
    recall: tuple[Rate, Rate]
    recall_difference: Interval


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Two models over the rows of the watched time that both scored.

    Pairs hold the champion's figure and the challenger's; differences are the challenger's less the
    champion's, over the same draws. `labelled` rows have a matured label, `fraud` of them are true.
    """

    event: str
    champion: str
    champion_version: int
    challenger: str
    challenger_version: int
    shadow: bool
    rows: int
    only_champion: int
    only_challenger: int
    labelled: int
    fraud: int
    auc: tuple[Interval, Interval]
    auc_difference: Interval
    average_precision: tuple[Interval, Interval]
    average_precision_difference: Interval
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True, slots=True)
class ModelMonitoring:
    """One model over one event. `hash` is empty of an external model.

    `before` is the reference week of the history, `now` the watched time.
    """

    model: str
    version: int
    hash: str
    external: bool
    shadow: bool
    event: str
    label: str
    before: Period
    now: Period
    answers_before: Answers
    answers: Answers
    abstentions: tuple[Abstention, ...]
    shifts: tuple[InputShift, ...]
    thresholds: tuple[ThresholdDrift, ...]
    maturity: Maturity
    discrimination: Discrimination
    calibration: CalibrationResult | None
    attribution: tuple[TermResult, ...]
    attributed_rows: int
    parity: tuple[SegmentParity, ...]
    follow: FollowResult
    alarms: tuple[Alarm, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Everything that was watched. `false_discoveries` bounds the share of false alarms."""

    policy: str
    policy_hash: str
    mapping_hash: str
    history: str
    zone: str
    start_us: int
    end_us: int
    false_discoveries: int
    models: tuple[ModelMonitoring, ...]
    side_by_side: tuple[SideBySide, ...]
    notes: tuple[str, ...]

    @property
    def alarms(self) -> Iterator[tuple[ModelMonitoring, Alarm]]:
        """Every alarm with its model."""
        return ((model, alarm) for model in self.models for alarm in model.alarms)


def as_json(found: Monitoring) -> dict[str, object]:
    """The whole as lists, objects, integers, texts and null."""
    fields = plain(found)
    assert isinstance(fields, dict)
    return {"schema": SCHEMA, **fields}
