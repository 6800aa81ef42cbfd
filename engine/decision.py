"""One engine for one policy: events in, recorded and explainable decisions out.

Everything is worked out when the engine is made; afterwards it holds nothing that changes a
decision and may be used by any number of threads. It prints nothing, logs nothing and keeps no
event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, overload

from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.lists import Lists
from tidegate.dsl.program import EventType, Input, Model, Program
from tidegate.dsl.rates import Rates
from tidegate.dsl.types import Kind, Value
from tidegate.dsl.unknowns import walk
from tidegate.engine.authority import Authority
from tidegate.engine.evaluator import Evaluator, EvaluatorKind, evaluator_of
from tidegate.engine.event import Admitted, HashToken, Refusal, admit, keep_token, unknown_name
from tidegate.engine.explanation import (
    AnalystExplanation,
    Audience,
    CustomerExplanation,
    Explanation,
    RuleExplanation,
    explain,
    explain_rule,
)
from tidegate.engine.record import RatesFacts, Record, record_hash
from tidegate.engine.recorder import Provenance, Recorder, recorder
from tidegate.engine.replay import ReplayResult, replay
from tidegate.engine.situation import Outcome, ScoreStatus, Situation
from tidegate.engine.values import NotHeldError, parse_decimal
from tidegate.engine.wire import UnreadableError, read_amount, read_value

NOT_GIVEN = "not_given"
"""Why a feature or a score is missing that the caller left out."""
BAD_SCORE = "bad_score"
"""Why a score is missing that is no number from 0 to 1 with at most 6 decimals."""
EXPIRED = "expired"
"""Why a score is missing whose model is past its `until`."""

FeatureValue = tuple[Value | None, str | None]
"""A feature's value, or None and why it is missing: what windows answer."""

NOTHING: Mapping[str, object] = {}
NO_FEATURES: Mapping[str, FeatureValue] = {}
NO_SCORES: Mapping[str, str] = {}


class Policy(Protocol):
    """What the engine needs of a policy; `tidegate.load_policy` gives one."""

    @property
    def program(self) -> Program:
        """The checked program."""
        ...

    @property
    def hash(self) -> str:
        """The hash (hex) of everything the policy is made of."""
        ...

    @property
    def lists(self) -> Lists:
        """The contents of its lists; None for one that cannot be read now."""
        ...

    @property
    def rates(self) -> Rates | None:
        """Its exchange rates, where it has any."""
        ...


class EventRefused(ValueError):  # noqa: N818 - an event is refused as it may be declined
    """An event was not taken in and so not decided; `refusals` holds every reason at once."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        super().__init__("; ".join(refusal.message for refusal in refusals))
        self.refusals = refusals


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided. `record_bytes` is what to keep before anybody is answered."""

    outcome: Outcome
    record: Record
    record_bytes: bytes = field(repr=False)
    program: Program = field(repr=False, compare=False)

    @property
    def record_hash(self) -> str:
        """SHA-256 (hex) of the record's bytes."""
        return record_hash(self.record_bytes)

    @overload
    def explain(self, audience: Literal["analyst"] = "analyst") -> AnalystExplanation: ...
    @overload
    def explain(self, audience: Literal["customer"]) -> CustomerExplanation: ...
    def explain(self, audience: Audience = "analyst") -> Explanation:
        """Why this was decided, for an analyst or for the customer."""
        return explain(self.program, self.record, audience)

    def explain_rule(self, rule: str) -> RuleExplanation:
        """Why one rule fired or did not."""
        return explain_rule(self.program, self.record, rule)


class Engine:
    """Decides the events of one policy.

    `evaluator` chooses how the rules are run: `compiled`, or the slower `interpreter`, which is
    the definition of what they mean. Both give the same decisions.
    """

    def __init__(self, policy: Policy, *, evaluator: EvaluatorKind = "compiled") -> None:
        self.policy = policy
        self.program = policy.program
        program = policy.program
        files = {d.name: policy.lists[d.name] for d in program.lists if d.path}
        self._judges = {
            event.name: _Judge(policy, evaluator_of(program, event, files, evaluator), files)
            for event in program.events
            if event.decided
        }

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events that are decided here."""
        return tuple(self._judges)

    def admit(
        self,
        body: object,
        event: str = "",
        *,
        hash_token: HashToken = keep_token,
        at_us: int | None = None,
    ) -> Admitted:
        """Check and convert a parsed body; `EventRefused` with every reason where it is bad.

        `event` may be left out where one event is decided; any event of the policy may be named.
        `at_us` stands instead of the sender's time.
        """
        admitted = admit(
            self.program,
            event or self._only_event(),
            body,
            rates=self.policy.rates,
            hash_token=hash_token,
            at_us=at_us,
        )
        if isinstance(admitted, tuple):
            raise EventRefused(admitted)
        return admitted

    def decide(
        self,
        body: object,
        event: str = "",
        *,
        features: Mapping[str, object] = NOTHING,
        scores: Mapping[str, str] = NO_SCORES,
        lists: Lists | None = None,
        hash_token: HashToken = keep_token,
        at_us: int | None = None,
    ) -> Decision:
        """Decide an event as it comes over the wire.

        `features` are values as in an event, None where missing; one that is left out is missing
        with the reason `not_given`, and refused where the policy counts on it. `scores` are texts
        such as `0.91`, `unavailable` or `abstained`. `lists` are the managed lists as they are
        now, where the policy's own have grown old. `EventRefused` where a value cannot be read.
        """
        admitted = self.admit(body, event, hash_token=hash_token, at_us=at_us)
        read = _read_features(self.program, self._judge(admitted), features)
        return self.decide_admitted(admitted, features=read, scores=scores, lists=lists)

    def decide_admitted(
        self,
        admitted: Admitted,
        *,
        features: Mapping[str, FeatureValue] = NO_FEATURES,
        scores: Mapping[str, str] = NO_SCORES,
        lists: Lists | None = None,
    ) -> Decision:
        """Decide an event that was admitted, with features as windows give them."""
        return self._judge(admitted).decide(_Given(admitted, features, scores), lists)

    def replay(self, record: Record) -> ReplayResult:
        """Decide again what a record tells of, from the record alone and by the definition."""
        return replay(self.program, self.policy.hash, record)

    def _only_event(self) -> str:
        if len(self._judges) == 1:
            return next(iter(self._judges))
        names = ", ".join(f"`{name}`" for name in self._judges) or "none"
        message = f"the event is not named; decided here: {names}"
        raise EventRefused((Refusal("unknown_event", "", message),))

    def _judge(self, admitted: Admitted) -> _Judge:
        judge = self._judges.get(admitted.event.name)
        if judge is None:
            message = f"`{admitted.event.name}` is not decided here"
            near = nearest(admitted.event.name, self._judges)
            raise EventRefused((Refusal("not_decided", "", message, near),))
        return judge


@dataclass(frozen=True, slots=True)
class _Given:
    """All that comes with one event."""

    admitted: Admitted
    features: Mapping[str, FeatureValue]
    scores: Mapping[str, str]


class _Judge:
    """Decides one event type."""

    def __init__(self, policy: Policy, evaluator: Evaluator, file_lists: Lists) -> None:
        self.policy = policy
        self.file_lists = file_lists
        self.evaluator = evaluator
        self.event: EventType = evaluator.authority.event
        self.recorder: Recorder = recorder(evaluator.authority)
        self.models: dict[str, Model] = {m.score: m for m in evaluator.authority.models}
        self.scores = frozenset(self.models)
        self.known_features = frozenset(f.name for f in policy.program.features)
        self.features = {i.name: i for i in self.event.inputs if i.source == "feature"}
        self.needed = tuple(sorted(_never_missing(evaluator.authority)))

    def decide(self, given: _Given, lists: Lists | None) -> Decision:
        contents = self.policy.lists if lists is None else {**lists, **self.file_lists}
        situation = self._situation(given, contents)
        settled = self.evaluator.settle(situation)
        record = self.recorder.record(
            situation, settled, self._provenance(given.admitted, contents), self.evaluator.evaluate
        )
        return Decision(settled.outcome, record, record.to_bytes(), self.evaluator.program)

    def _provenance(self, admitted: Admitted, lists: Lists) -> Provenance:
        contents = {name: lists.get(name) for name in self.recorder.tested_lists}
        return Provenance(
            policy_hash=self.policy.hash,
            key=admitted.key,
            rates=RatesFacts(admitted.rates_hash, admitted.conversions),
            list_hashes={n: None if c is None else c.hash for n, c in contents.items()},
        )

    def _situation(self, given: _Given, lists: Lists) -> Situation:
        _refuse_unknown("score", given.scores, self.scores)
        self._refuse_missing(given.features)
        reasons = dict(given.admitted.reasons)
        statuses = {m.name: self._status(m, given, reasons) for m in self.models.values()}
        values = tuple(self._value(i, given, statuses, reasons) for i in self.event.inputs)
        return Situation(self.event, values, lists, statuses, reasons)

    def _refuse_missing(self, features: Mapping[str, FeatureValue]) -> None:
        absent = (n for n in self.needed if features.get(n, _NOT_GIVEN)[0] is None)
        refusals = tuple(map(_needed, absent))
        if refusals:
            raise EventRefused(refusals)

    def _status(self, model: Model, given: _Given, reasons: dict[str, str]) -> ScoreStatus:
        """Whether the model gave a score; if not, the reason is noted."""
        said = given.scores.get(model.score, NOT_GIVEN)
        if model.until_us is not None and given.admitted.at_us >= model.until_us:
            said = EXPIRED
        elif said not in _SILENT:
            if _score(said) is not None:
                return "ok"
            said = BAD_SCORE
        reasons[model.score] = said
        return "abstained" if said == "abstained" else "unavailable"

    def _value(
        self,
        entry: Input,
        given: _Given,
        statuses: Mapping[str, ScoreStatus],
        reasons: dict[str, str],
    ) -> Value | None:
        if entry.source == "field":
            return given.admitted.values.get(entry.name)
        if entry.source == "score":
            heard = statuses[self.models[entry.name].name] == "ok"
            return _score(given.scores[entry.name]) if heard else None
        value, reason = given.features.get(entry.name, _NOT_GIVEN)
        if value is None and reason is not None:
            reasons[entry.name] = reason
        return value


_SILENT = frozenset({"unavailable", "abstained", NOT_GIVEN})
_NOT_GIVEN: FeatureValue = (None, NOT_GIVEN)


def _never_missing(authority: Authority) -> set[str]:
    """The features that conditions read and the checker knows to be always there."""
    rules = authority.event.rules
    conditions = [part for rule in rules for part in (rule.when, *rule.exceptions)]
    conditions += [m.use_when for m in authority.models if m.use_when is not None]
    return {
        node.name
        for condition in conditions
        for node in walk(condition)
        if isinstance(node, Input) and node.source == "feature" and not node.can_be_missing
    }


def _needed(feature: str) -> Refusal:
    # The checker saw that it is always there and asked no rule what to do without it: deciding
    # all the same would switch those rules off.
    return Refusal(
        "missing_feature",
        feature,
        f"`{feature}` is missing and never may be",
        "where windows cannot be read, nothing is decided and the `silent` answer stands",
    )


def _score(text: str) -> int | None:
    """The scaled score that `text` gives, where it is one from 0 to 1."""
    try:
        score = parse_decimal(text, 6)
    except NotHeldError:
        return None
    return score if 0 <= score <= 10**6 else None


def _refuse_unknown(what: str, given: Mapping[str, object], known: frozenset[str]) -> None:
    if known.issuperset(given):
        return
    raise EventRefused(
        tuple(unknown_name(what, name, known) for name in sorted(given.keys() - known))
    )


def _read_features(
    program: Program, judge: _Judge, features: Mapping[str, object]
) -> dict[str, FeatureValue]:
    """Features from the wire; those that this event does not read are left aside."""
    _refuse_unknown("feature", features, judge.known_features)
    read: dict[str, FeatureValue] = {}
    refusals = []
    for name, entry in judge.features.items():
        try:
            if name in features:
                read[name] = _read_feature(program, entry, features[name])
        except UnreadableError as bad:
            refusals.append(Refusal(bad.code, name, f"`{name}` {bad.what}", bad.help))
    if refusals:
        raise EventRefused(tuple(refusals))
    return read


def _read_feature(program: Program, entry: Input, raw: object) -> FeatureValue:
    if raw is None:
        return None, None
    value = _feature_amount(program, raw) if entry.type.kind is Kind.MONEY \
        else read_value(raw, entry.type)  # fmt: skip
    bounds = entry.bounds
    if bounds is not None and isinstance(value, int) and not bounds.low <= value <= bounds.high:
        raise UnreadableError("out_of_range", "is out of its range", "no window can give it")
    return value, None


def _feature_amount(program: Program, raw: object) -> int:
    amount = read_amount(raw)
    if amount.currency != program.currency:
        raise UnreadableError(
            "no_rate", f"is not in {program.currency}", "features are in the policy's currency"
        )
    return amount.minor
