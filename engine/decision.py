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
from tidegate.dsl.tables import Tables
from tidegate.dsl.types import Value
from tidegate.dsl.unknowns import walk
from tidegate.engine.authority import Authority
from tidegate.engine.evaluator import Evaluator, EvaluatorKind, evaluator_of
from tidegate.engine.event import (
    Admitted,
    HashToken,
    Refusal,
    admit,
    keep_token,
    unknown_event,
)
from tidegate.engine.explanation import (
    AnalystExplanation,
    Audience,
    CustomerExplanation,
    Explanation,
    RuleExplanation,
    explain,
    explain_rule,
)
from tidegate.engine.given import (
    ABSTAINED,
    BAD_SCORE,
    FeatureValue,
    GivenList,
    HeardScore,
    Score,
    check_mapping,
    read_features,
    read_lists,
    read_scores,
)
from tidegate.engine.lowered import lowered_at, lowered_program, validations_of
from tidegate.engine.record import RatesFacts, Record, ScoreFacts, record_hash
from tidegate.engine.recorder import Provenance, Recorder, recorder
from tidegate.engine.replay import ReplayResult, replay
from tidegate.engine.scoring import (
    OUTSIDE_USE,
    InProcess,
    ModelAnswer,
    ScoredModel,
    scored_models,
)
from tidegate.engine.situation import Outcome, ScoreStatus, Situation
from tidegate.models.scored import ModelScorer
from tidegate.rules.models import Models, StoppedModel

NOT_GIVEN = "not_given"
"""Why a feature or a score is missing that the caller left out."""
EXPIRED = "expired"
"""Why a score is missing whose model is past its `until`."""

NOTHING: Mapping[str, object] = {}
NO_FEATURES: Mapping[str, FeatureValue] = {}
NO_SCORES: Mapping[str, Score] = {}
NO_FACTS: Mapping[str, ScoreFacts] = {}
NOTHING_STOPPED: Mapping[str, str] = {}


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
    def tables(self) -> Tables:
        """The contents of its reference tables."""
        ...

    @property
    def rates(self) -> Rates | None:
        """Its exchange rates, where it has any."""
        ...

    @property
    def models(self) -> Models:
        """Its models that are scored here, by name; the score of any other is given."""
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

    `scorer` is who is asked for the scores of the policy's models; by default they are worked out
    where the decision is made. With `given_scores` a score that is given stands in the place of
    what such a model says: for cases and for what would be, never for what serves.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        evaluator: EvaluatorKind = "compiled",
        scorer: ModelScorer | None = None,
        given_scores: bool = False,
    ) -> None:
        if not hasattr(policy, "program"):
            raise TypeError(
                'an engine is made of a policy, such as `Engine(load_policy("shop"))`, '
                f"and of no {type(policy).__name__}"
            )
        self.policy = policy
        self.program = policy.program
        program = policy.program
        files = {d.name: policy.lists[d.name] for d in program.lists if d.path}
        asking = _Asking(scorer or InProcess(policy.models), given_scores)
        self._judges = {
            event.name: _Judge(policy, event, files, evaluator, asking)
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
        scores: Mapping[str, Score] = NO_SCORES,
        lists: Mapping[str, GivenList] | None = None,
        stopped: Mapping[str, str] = NOTHING_STOPPED,
        hash_token: HashToken = keep_token,
        at_us: int | None = None,
    ) -> Decision:
        """Decide an event as it comes over the wire.

        `features` are values as in an event, None where missing; one that is left out is missing
        with the reason `not_given`, and refused where the policy counts on it.

        `scores` are numbers such as `0.91`, their texts, `unavailable` or `abstained`. A number
        that is no score (outside 0 to 1, more than 6 decimals, NaN) is missing as `bad_score`:
        nothing is rounded to fit, so a float is given as `round(score, 6)`. An `external` score has
        the bounds that the policy declares, and no other score is given (see `given_scores`).

        `stopped` are models that are not asked and give no score, each with why in one word.

        `lists` are the managed lists as they are now, by name the texts of each or None where it
        cannot be read; those left out cannot be read either. Without it the policy's own stand.

        `EventRefused` with everything that is wrong with any of them.
        """
        judge = self._judge(event or self._only_event())
        admitted = admit(
            self.program,
            judge.event.name,
            body,
            rates=self.policy.rates,
            hash_token=hash_token,
            at_us=at_us,
        )
        return judge.decide(*self._read(judge, admitted, features, scores, lists, stopped=stopped))

    def situation(
        self,
        body: object,
        event: str = "",
        *,
        features: Mapping[str, object] = NOTHING,
        scores: Mapping[str, Score] = NO_SCORES,
        lists: Mapping[str, GivenList] | None = None,
    ) -> Situation:
        """What `decide` would decide from, with the same refusals."""
        judge = self._judge(event or self._only_event())
        admitted = admit(self.program, judge.event.name, body, rates=self.policy.rates)
        return judge.situation(*self._read(judge, admitted, features, scores, lists))[0]

    def decide_admitted(
        self,
        admitted: Admitted,
        *,
        features: Mapping[str, FeatureValue] = NO_FEATURES,
        scores: Mapping[str, Score] = NO_SCORES,
        lists: Mapping[str, GivenList] | None = None,
        stopped: Mapping[str, str] = NOTHING_STOPPED,
    ) -> Decision:
        """Decide an event that was admitted, with features as windows give them."""
        judge = self._judge(admitted.event.name)
        given, refusals = judge.given(features, scores, lists, stopped)
        if refusals:
            raise EventRefused(tuple(refusals))
        return judge.decide(admitted, given)

    def replay(self, record: Record) -> ReplayResult:
        """Decide again what a record tells of, from the record alone and by the definition."""
        return replay(self.program, self.policy.hash, record)

    def _read(
        self,
        judge: _Judge,
        admitted: Admitted | tuple[Refusal, ...],
        features: Mapping[str, object],
        scores: Mapping[str, Score],
        lists: Mapping[str, GivenList] | None,
        *,
        stopped: Mapping[str, str] = NOTHING_STOPPED,
    ) -> tuple[Admitted, _Given]:
        """The event and what was given with it, or every reason against either."""
        read, refusals = read_features(self.program, judge.features, features)
        given, refused = judge.given(read, scores, lists, stopped)
        known = {refusal.path for refusal in refusals}
        refusals += (refusal for refusal in refused if refusal.path not in known)
        if isinstance(admitted, tuple) or refusals:
            raise EventRefused((*(admitted if isinstance(admitted, tuple) else ()), *refusals))
        return admitted, given

    def _only_event(self) -> str:
        if len(self._judges) == 1:
            return next(iter(self._judges))
        names = ", ".join(f"`{name}`" for name in self._judges) or "none"
        message = f"the event is not named; decided here: {names}"
        raise EventRefused((Refusal("unknown_event", "", message),))

    def _judge(self, event: str) -> _Judge:
        judge = self._judges.get(event)
        if judge is not None:
            return judge
        if all(declared.name != event for declared in self.program.events):
            raise EventRefused((unknown_event(event, self._judges),))
        message = f"`{event}` is not decided here"
        raise EventRefused((Refusal("not_decided", "", message, nearest(event, self._judges)),))


@dataclass(frozen=True, slots=True)
class _Given:
    """All that comes with one event, as it was read."""

    features: Mapping[str, FeatureValue]
    scores: Mapping[str, HeardScore]
    lists: Lists
    stopped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who is asked for scores, and whether a score that is given stands in their place."""

    scorer: ModelScorer
    given_scores: bool


class _Judge:
    """Decides one event type."""

    def __init__(
        self,
        policy: Policy,
        event: EventType,
        file_lists: Lists,
        kind: EvaluatorKind,
        asking: _Asking,
    ) -> None:
        self.policy = policy
        self.file_lists = file_lists
        self.kind: EvaluatorKind = kind
        self.asking = asking
        self.event = event
        evaluator = evaluator_of(policy.program, event, file_lists, kind)
        self.evaluator = evaluator
        self.recorder: Recorder = recorder(evaluator.authority)
        self.models: dict[str, Model] = {m.score: m for m in evaluator.authority.models}
        self.scored = scored_models(policy.program, event, policy.models)
        self.slots = {entry.name: slot for slot, entry in enumerate(event.inputs)}
        own = {name: model for name, model in policy.models.items() if name in event.models}
        self.not_given = frozenset() if asking.given_scores else frozenset(own)
        self.stopped = {n: m.reason for n, m in own.items() if isinstance(m, StoppedModel)}
        self.validations = validations_of(own)
        self._lowered: dict[tuple[str, ...], tuple[Evaluator, Recorder]] = {}
        self.features = {i.name: i for i in self.event.inputs if i.source == "feature"}
        self.needed = tuple(sorted(_never_missing(evaluator.authority)))

    def given(
        self,
        features: Mapping[str, FeatureValue],
        scores: Mapping[str, Score],
        lists: Mapping[str, GivenList] | None,
        stopped: Mapping[str, str] = NOTHING_STOPPED,
    ) -> tuple[_Given, list[Refusal]]:
        """What was given with the event, and everything that is wrong with it."""
        check_mapping("features", features, '{"tries_10m": (3, None)}')
        refusals = [_needed(n) for n in self.needed if features.get(n, _NOT_GIVEN)[0] is None]
        heard, bad_scores = read_scores(self.models, scores, self.not_given)
        refusals += bad_scores
        contents = self.policy.lists
        if lists is not None:
            managed, bad_lists = read_lists(self.policy.program, lists)
            contents = {**managed, **self.file_lists}
            refusals += bad_lists
        return _Given(features, heard, contents, {**self.stopped, **stopped}), refusals

    def decide(self, admitted: Admitted, given: _Given) -> Decision:
        """Decide with what was found to be in order."""
        situation, scored = self.situation(admitted, given)
        lowered = lowered_at(self.validations, admitted.at_us) if self.validations else ()
        evaluator, writer = self._lowering(lowered)
        settled = evaluator.settle(situation)
        provenance = self._provenance(admitted, given.lists, scored, lowered)
        record = writer.record(situation, settled, provenance, evaluator.evaluate)
        return Decision(settled.outcome, record, record.to_bytes(), self.policy.program)

    def _lowering(self, names: tuple[str, ...]) -> tuple[Evaluator, Recorder]:
        """The evaluator in which these models may cause less, made when it is first needed."""
        if not names:
            return self.evaluator, self.recorder
        known = self._lowered.get(names)
        if known is None:
            program = lowered_program(self.policy.program, names)
            evaluator = evaluator_of(program, self.event, self.file_lists, self.kind)
            known = self._lowered[names] = evaluator, recorder(evaluator.authority)
        return known

    def _provenance(
        self,
        admitted: Admitted,
        lists: Lists,
        scored: Mapping[str, ScoreFacts],
        lowered: tuple[str, ...],
    ) -> Provenance:
        contents = {name: lists.get(name) for name in self.recorder.tested_lists}
        return Provenance(
            policy_hash=self.policy.hash,
            key=admitted.key,
            rates=RatesFacts(admitted.rates_hash, admitted.conversions),
            list_hashes={n: None if c is None else c.hash for n, c in contents.items()},
            scored=scored,
            lowered=lowered,
        )

    def situation(
        self, admitted: Admitted, given: _Given
    ) -> tuple[Situation, Mapping[str, ScoreFacts]]:
        """The event with all that came with it and what the models say, ready to be evaluated."""
        situation = self._given_situation(admitted, given)
        return self._scored(situation, admitted, given) if self.scored else (situation, NO_FACTS)

    def _scored(
        self, situation: Situation, admitted: Admitted, given: _Given
    ) -> tuple[Situation, Mapping[str, ScoreFacts]]:
        """The event with the scores of the models that are asked here."""
        outside = self.evaluator.outside_use(situation)
        values, reasons = list(situation.values), dict(situation.reasons)
        statuses, facts = dict(situation.statuses), dict[str, ScoreFacts]()
        for index, name in enumerate(self.event.models):
            asked = self.scored.get(name)
            if asked is None:
                continue
            if outside >> index & 1:
                answer = asked.unasked(OUTSIDE_USE)
            else:
                answer = self._answer(asked, situation, admitted, given)
            score = asked.model.score
            values[self.slots[score]] = answer.score
            statuses[name] = answer.status
            facts[name] = answer.facts
            if answer.score is None:
                reasons[score] = answer.reason
            else:
                reasons.pop(score, None)
        found = Situation(self.event, tuple(values), given.lists, statuses, reasons)
        return found, facts

    def _answer(
        self, asked: ScoredModel, situation: Situation, admitted: Admitted, given: _Given
    ) -> ModelAnswer:
        model = asked.model
        if model.score in given.scores:
            heard = self._score(model, admitted, given)
            score, reason = (None, heard) if isinstance(heard, str) else (heard, "")
            return asked.given(score, _status(heard), reason)
        unasked = self._why_unasked(model, admitted, given)
        if unasked:
            return asked.unasked(unasked)
        return asked.ask(self.asking.scorer, situation)

    def _given_situation(self, admitted: Admitted, given: _Given) -> Situation:
        """The event with all that came with it; a score that nobody gave is missing."""
        reasons = dict(admitted.reasons)
        scores = {m.score: self._score(m, admitted, given) for m in self.models.values()}
        statuses: dict[str, ScoreStatus] = {
            model.name: _status(scores[model.score]) for model in self.models.values()
        }
        values = tuple(self._value(i, admitted, given, scores, reasons) for i in self.event.inputs)
        reasons |= {name: said for name, said in scores.items() if isinstance(said, str)}
        return Situation(self.event, values, given.lists, statuses, reasons)

    def _score(self, model: Model, admitted: Admitted, given: _Given) -> HeardScore:
        return self._why_unasked(model, admitted, given) or given.scores.get(model.score, NOT_GIVEN)

    def _why_unasked(self, model: Model, admitted: Admitted, given: _Given) -> str:
        """Why the model's score does not count, whatever it is; empty where it does."""
        if model.until_us is not None and admitted.at_us >= model.until_us:
            return EXPIRED
        return given.stopped.get(model.name, "")

    def _value(
        self,
        entry: Input,
        admitted: Admitted,
        given: _Given,
        scores: Mapping[str, HeardScore],
        reasons: dict[str, str],
    ) -> Value | None:
        if entry.source == "field":
            return admitted.values.get(entry.name)
        if entry.lookup is not None:
            table = self.policy.tables[entry.lookup.table]
            value, reason = table.read(entry.lookup, admitted.values.get(entry.lookup.key))
            if reason is not None:
                reasons[entry.name] = reason
            return value
        if entry.source == "score":
            said = scores[entry.name]
            return None if isinstance(said, str) else said
        value, reason = given.features.get(entry.name, _NOT_GIVEN)
        if value is None and reason is not None:
            reasons[entry.name] = reason
        return value


_NOT_GIVEN: FeatureValue = (None, NOT_GIVEN)


def _status(said: HeardScore) -> ScoreStatus:
    if isinstance(said, int):
        return "ok"
    return _STATUS_OF.get(said, "unavailable")


_STATUS_OF: Mapping[str, ScoreStatus] = {ABSTAINED: "abstained", BAD_SCORE: "failed"}


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
