"""What changed between two revisions of a policy, and what it does over one history.

Frozen values; `as_json` gives them a stable form of integers and texts, `tidegate.diff/1`. As in a
dry run, money is in minor units, rates and differences of rates are in millionths (1 % is 10,000),
times are microseconds since 1970 in UTC, days are counted from 1970-01-01 in the policy's zone.

*Before* is the revision that is compared with, *after* the policy folder as it stands. Both decide
the same rows of the same history. No value in here names a token, a key or anything else of a
payment: what stands for one is a pseudonym.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.engine.differences import Difference
from tidegate.simulation import result
from tidegate.simulation.measures import Detection, Rate, Volume
from tidegate.simulation.result import ClassVolumes, EventResult, LevelName

SCHEMA = "tidegate.diff/1"


# --- in words ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two revisions.

    `name` is what was asked for, `commit` what Git made of it (empty for a folder). `hash` is the
    policy's. `absent`: this revision has no such policy, so everything is new; then `policy` and
    `hash` are empty and `rules` is 0.
    """

    name: str
    commit: str
    policy: str
    hash: str
    rules: int
    absent: bool


@dataclass(frozen=True, slots=True)
class Words:
    """What changed, in the language's words and in the order in which it is to be read.

    First authority and permissions, then protections that are or may be weaker, then other rules,
    then lists, labels, features, params and cases, last what only people read. `texts_differ` says
    whether any file differs: with no difference in here, that is formatting or comments. `measure`
    names what both are measured with and what Git knows another content of at the revision before:
    the mapping, files of the history.
    """

    differences: tuple[Difference, ...]
    texts_differ: bool
    measure: tuple[str, ...] = ()

    @property
    def meaning_changed(self) -> bool:
        """Whether any payment may be decided otherwise, by anybody's leave."""
        return any(difference.effect != "none" for difference in self.differences)


# --- over a history ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceRows:
    """How many rows of one source each revision's door takes in."""

    event: str
    rows: int
    accepted_before: int
    accepted_after: int


@dataclass(frozen=True, slots=True)
class Transition:
    """The payments with these two outcomes, outside the warm-up; the two may be the same."""

    before: str
    after: str
    all: Volume
    known: ClassVolumes


@dataclass(frozen=True, slots=True)
class RateChange:
    """A share of the same payments before and after.

    `name` is `approve`, `review`, `step_up` or `decline` (an outcome), or `looked_at` (a person
    looks at it, before or after the payment). `lost` payments had it before and not after, `gained`
    the other way round. The difference is `after - before` with an interval of 95 % for pairs
    (McNemar's cells, adjusted after Agresti and Min); None where nothing was measured.
    """

    name: str
    before: Rate
    after: Rate
    lost: int
    gained: int
    difference_millionths: int | None
    low_millionths: int | None
    high_millionths: int | None


@dataclass(frozen=True, slots=True)
class LevelChange:
    """How well outcomes from `words` find fraud, before and after.

    `recall` and `insults` are the changes of these shares, of the same payments.
    """

    name: LevelName
    words: tuple[str, ...]
    before: Detection
    after: Detection
    recall: RateChange
    insults: RateChange


@dataclass(frozen=True, slots=True)
class DayLoad:
    """The load of measured days, those without any included; `peak_day` is the first of several."""

    total: int
    days: int
    mean_thousandths: int
    median_thousandths: int
    peak: int
    peak_day: int | None


@dataclass(frozen=True, slots=True)
class LoadChange:
    """`review` (reviews of every kind) or `step_up`, by local day."""

    name: str
    before: DayLoad
    after: DayLoad


@dataclass(frozen=True, slots=True)
class Flip:
    """One payment with another outcome. `known` is what its label says: a name of `ClassVolumes`.

    `payment` is a keyed hash of its key. `fired_before` and `fired_after` are the rules that fired
    and were live, `reason_*` the main reason (empty where nobody gave one).
    """

    payment: str
    day: int
    before: str
    after: str
    minor: int
    known: str
    fired_before: tuple[str, ...]
    fired_after: tuple[str, ...]
    reason_before: str
    reason_after: str


@dataclass(frozen=True, slots=True)
class FlipSample:
    """Some of the payments that go from one outcome to another: the largest first."""

    before: str
    after: str
    all: Volume
    shown: tuple[Flip, ...]


@dataclass(frozen=True, slots=True)
class OutcomeShift:
    """What one change does to an outcome: how many payments and how much money more, or less."""

    word: str
    count: int
    minor: int


@dataclass(frozen=True, slots=True)
class Marginal:
    """What one changed rule does by itself.

    `alone`: its change put into the policy before, compared with the policy before; `last`: its
    change taken out of the policy after, compared with the policy after, as the change makes it.
    `flipped_*` are the payments whose outcome that changes. `fraud_stopped_*` and `good_stopped_*`
    are how many payments more (or less) of each known class are not approved. Two changes that do
    the same work show much `alone` and nothing `last`.
    """

    rule: str
    alone: tuple[OutcomeShift, ...]
    flipped_alone: Volume
    fraud_stopped_alone: int
    good_stopped_alone: int
    last: tuple[OutcomeShift, ...]
    flipped_last: Volume
    fraud_stopped_last: int
    good_stopped_last: int


@dataclass(frozen=True, slots=True)
class UnknownChange:
    """In how many payments a rule was unknown; None where it is not there."""

    rule: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class MissingChange:
    """In how many payments an input had no value, by reason; 0 where it is not read."""

    input: str
    reason: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Segment:
    """The payments whose `field` has this value: a text, or a band of amounts in words."""

    field: str
    value: str
    all: Volume
    rates: tuple[RateChange, ...]
    levels: tuple[LevelChange, ...]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A score that rules compare with (millionths): how many payments that both versions score are
    at or above it, and how many rose or fell across it."""

    at: int
    rules: tuple[str, ...]
    above_before: int
    above_after: int
    rose: int
    fell: int


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """Two versions of one model over the same payments, outside the warm-up.

    `both` are scored by both versions and `differ` of them otherwise; `only_before` and
    `only_after` by one alone, for the other abstains or is not used there.
    """

    model: str
    version_before: int
    version_after: int
    both: int
    differ: int
    only_before: int
    only_after: int
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True)
class EventComparison:
    """Both revisions over the decisions of one event.

    `before` and `after` are whole dry runs over the same rows with the same warm-up (the later
    one). `only_before` and `only_after` are rows that only one door takes in: nothing else counts
    them. `warm_up_until_before` and `_after` (microseconds) are where each would begin alone.
    `marginals` are empty, and `no_marginals` says why, where changes cannot be told apart.
    `segments` are by the fields that were asked for. `scores` are of models whose file differs.
    """

    event: str
    before: EventResult
    after: EventResult
    only_before: Volume
    only_after: Volume
    warm_up_until_before_us: int
    warm_up_until_after_us: int
    flipped: Volume
    transitions: tuple[Transition, ...]
    rates: tuple[RateChange, ...]
    levels: tuple[LevelChange, ...]
    loads: tuple[LoadChange, ...]
    marginals: tuple[Marginal, ...]
    no_marginals: str
    flips: tuple[FlipSample, ...]
    unknown: tuple[UnknownChange, ...]
    missing: tuple[MissingChange, ...]
    segments: tuple[Segment, ...] = ()
    scores: tuple[ScoreChange, ...] = ()

    def rate(self, name: str) -> RateChange:
        """The change of one rate by its name; KeyError where there is none."""
        for change in self.rates:
            if change.name == name:
                return change
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Effects:
    """What the change does over one history. `notes` have to be read with the figures."""

    history: str
    mapping_hash: str
    minor_digits: int
    start_us: int
    end_us: int
    sources: tuple[SourceRows, ...]
    events: tuple[EventComparison, ...]
    notes: tuple[str, ...]


# --- seconds -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one event is decided, in rows a second; None where there was nothing to measure.

    `columns` is the evaluator of dry runs, `decide` the one that decides in production, over
    `sample` payments, without the door and without writing a record.
    """

    event: str
    columns_before: int | None
    columns_after: int | None
    decide_before: int | None
    decide_after: int | None
    sample: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Measured on this machine in this run, and different in the next: no part of the comparison.

    `milliseconds` is how long the comparison over the history took.
    """

    milliseconds: int
    speeds: tuple[Speed, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything. `effects` is None where no history was given, or one revision has no policy.

    `no_effects` then says why in one sentence; it is empty where nobody asked for effects.
    """

    before: Side
    after: Side
    words: Words
    effects: Effects | None
    no_effects: str
    timing: Timing | None


def as_json(comparison: Comparison) -> dict[str, object]:
    """The comparison as lists, objects, integers, texts and null, keys in a fixed order.

    Everything but `timing` is the same in each run with the same inputs and the same key.
    """
    plain = result.as_json(comparison)
    assert isinstance(plain, dict)
    return {"schema": SCHEMA, **plain}
