"""Why a decision fell, from its record and the program of its policy.

For the analyst: each determining rule with every condition, the value it read and how far that
lay from the threshold, what was capped, masked, unknown or silenced, and what shadow rules would
have done. For the customer: at most four messages of the reasons, and whether to try again; never
a threshold, a rule's name, a score or a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, overload

from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.program import (
    LADDERS,
    NO_ACTIONS,
    RUNGS,
    Actions,
    And,
    Compare,
    Constant,
    Disposition,
    EventType,
    Expression,
    InList,
    InNetworks,
    Input,
    InSet,
    IsMissing,
    Ladder,
    LetRef,
    Not,
    Or,
    PointsAtLeast,
    Program,
    Reason,
    Rule,
    TextTest,
)
from tidegate.dsl.rates import format_day
from tidegate.dsl.types import DURATION, INTEGER_KINDS, Kind, Type, Value
from tidegate.dsl.unknowns import walk
from tidegate.dsl.zones import DAY_US
from tidegate.engine.authority import clamped
from tidegate.engine.expression_text import (
    short_token,
    show_actions,
    show_expression,
    show_value,
)
from tidegate.engine.functions import zone_named
from tidegate.engine.interpreter import (
    NOBODY,
    Missing,
    explain_value,
    masks,
    reader_of,
    truth,
    used_here,
)
from tidegate.engine.interpreter import evaluate as interpret
from tidegate.engine.lowered import lowered_program
from tidegate.engine.record import Record
from tidegate.engine.replay import situation_of
from tidegate.engine.score_explanation import ScoreExplanation, explain_scores
from tidegate.engine.situation import Capped, Evaluation, Situation
from tidegate.engine.standing import in_share
from tidegate.engine.values import format_decimal

Audience = Literal["analyst", "customer"]
AtomState = Literal["true", "false", "unknown", "masked"]
RuleState = Literal["fired", "unknown", "silenced", "not_fired", "inactive"]

CUSTOMER_MESSAGES_MAX = 4
"""More than four reasons help nobody."""


class UnknownRuleError(LookupError):
    """The event has no such rule."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that a condition read; where it was missing `text` is None and `reason` says why."""

    name: str
    text: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AtomExplanation:
    """One comparison. `met` is whether it came out as the rule needs it (under `not`: false).

    `threshold` is what was compared with, where that is a constant; `distance` how far the value
    lay from it, in the unit of their type, `side` on which side of it.
    """

    condition: str
    state: AtomState
    met: bool
    readings: tuple[Reading, ...]
    threshold: str = ""
    distance: str = ""
    side: Literal["", "above", "below", "equal"] = ""


@dataclass(frozen=True, slots=True)
class ExceptionExplanation:
    """One `except when` with what came of it."""

    condition: str
    state: AtomState
    atoms: tuple[AtomExplanation, ...]


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """Why one rule fired or did not.

    `actions` is what it did, or for a rule in the shadow would have done. `masked` are the models
    whose score it did not read there, `unread` says of each why, `capped` the rungs it asked for in
    vain.
    `standing` says why a rule without `shadow` did not act whatever it said: its rollout, its
    dates, a newer version.
    """

    rule: str
    text: str
    state: RuleState
    live: bool
    condition: str
    atoms: tuple[AtomExplanation, ...]
    exceptions: tuple[ExceptionExplanation, ...]
    actions: tuple[str, ...]
    masked: tuple[str, ...]
    capped: tuple[Capped, ...]
    standing: str = ""
    unread: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """The text that `render_rule` gives."""
        from tidegate.engine.explanation_text import render_rule

        return render_rule(self)


@dataclass(frozen=True, slots=True)
class LadderExplanation:
    """What led to the rung on one ladder; `alone` names the rules that decided it alone."""

    ladder: str
    rung: str
    rules: tuple[RuleExplanation, ...]
    adders: tuple[RuleExplanation, ...]
    models: tuple[str, ...]
    alone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnalystExplanation:
    """Everything about one decision. `missing` pairs inputs with the reason for their absence.

    `scores` are those of models that are files of the policy, with what they are made of. `unread`
    says of each model that is `masked` why.
    """

    word: str
    event: str
    key: str
    reasons: tuple[tuple[str, str], ...]
    ladders: tuple[LadderExplanation, ...]
    points: int
    capped: tuple[Capped, ...]
    masked: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...]
    unknown: tuple[RuleExplanation, ...]
    silenced: tuple[RuleExplanation, ...]
    shadow: tuple[RuleExplanation, ...]
    shadow_word: str
    scores: tuple[ScoreExplanation, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """The text that `render_explanation` gives."""
        from tidegate.engine.explanation_text import render_explanation

        return render_explanation(self)


@dataclass(frozen=True, slots=True)
class CustomerExplanation:
    """What a customer may know. `retry` is the policy's word for trying again, or empty."""

    messages: tuple[str, ...]
    retry: str

    def __str__(self) -> str:
        """The text that `render_explanation` gives."""
        from tidegate.engine.explanation_text import render_explanation

        return render_explanation(self)


Explanation = AnalystExplanation | CustomerExplanation


@overload
def explain(
    program: Program, record: Record, audience: Literal["analyst"]
) -> AnalystExplanation: ...
@overload
def explain(
    program: Program, record: Record, audience: Literal["customer"]
) -> CustomerExplanation: ...
def explain(program: Program, record: Record, audience: Audience) -> Explanation:
    """Explain a recorded decision of this program's policy."""
    if audience == "customer":
        return _for_customer(program, record)
    return _Explainer(program, record).whole()


def explain_rule(program: Program, record: Record, rule: str) -> RuleExplanation:
    """Why a rule, named with or without its version, fired or did not; the live one of several."""
    return _Explainer(program, record).named(rule)


# --- the analyst -------------------------------------------------------------------------------


class _Explainer:
    """Explains one record; lives for one call."""

    def __init__(self, program: Program, record: Record) -> None:
        program = lowered_program(program, record.lowered)
        self.program = program
        self.record = record
        self.event: EventType = program.event(record.event.type)
        self.situation: Situation = situation_of(program, self.event, record)
        self.by_id = {rule.id: rule for rule in self.event.rules}
        self.bits = {rule.id: 1 << index for index, rule in enumerate(self.event.rules)}
        self._evaluations: dict[frozenset[str], Evaluation] = {}

    def whole(self) -> AnalystExplanation:
        record, rules = self.record, self.record.rules
        reasons = {reason.name: reason for reason in self.program.reasons}
        heard = (*rules.fired, *rules.unknown)
        return AnalystExplanation(
            word=record.outcome.word,
            event=record.event.type,
            key=self._key(),
            reasons=tuple((n, reasons[n].text) for n in record.outcome.reasons if n in reasons),
            ladders=tuple(self._ladder(ladder) for ladder in LADDERS
                          if ladder in record.determining),
            points=record.outcome.points,
            capped=record.capped,
            masked=tuple((model, self._why_masked(model)) for model in record.masked),
            missing=tuple(sorted(record.missing.items())),
            unknown=self._of(r for r in rules.unknown if r not in rules.shadow),
            silenced=self._of(rules.silenced),
            shadow=self._of(r for r in heard if r in rules.shadow),
            shadow_word=record.shadow_word,
            scores=explain_scores(self.program, record),
            unread=tuple((model, self._why_unread(model)) for model in record.masked),
        )  # fmt: skip

    def named(self, name: str) -> RuleExplanation:
        candidates = [r for r in self.event.rules if name in (r.name, r.id)]
        if not candidates:
            near = nearest(name, (rule.name for rule in self.event.rules))
            known = f"`{self.event.name}` has no rule `{name}`"
            raise UnknownRuleError(f"{known}; {near}" if near else known)
        return self._rule(max(candidates, key=self._standing_order))

    def _standing_order(self, rule: Rule) -> tuple[bool, bool, int]:
        inactive = rule.id in self.record.rules.inactive
        return self._is_live(rule), not inactive, rule.version

    def _key(self) -> str:
        key, declared = self.record.event.key, {f.name: f.type for f in self.event.fields}
        return short_token(key) if declared[self.event.key].kind is Kind.TOKEN else key

    def _is_live(self, rule: Rule) -> bool:
        rules = self.record.rules
        return rule.id not in rules.shadow and rule.id not in rules.inactive

    def _why_masked(self, model: str) -> str:
        if model not in {used.name for used in used_here(self.program, self.situation)}:
            return "outside_use"
        return self.record.scores[model]

    def _why_unread(self, model: str) -> str:
        """Why a score was not read, in words."""
        word = self._why_masked(model)
        if word == "outside_use":
            return "the event is outside of its use"
        facts = self.record.scored.get(model)
        said = self.record.missing.get(self.program.model(model).score, "") or word
        if facts is not None and facts.reason:
            said = facts.reason
        why = said.replace("_", " ") if said.isidentifier() else said
        if word == "abstained":
            return "it abstained" if said == word else f"it abstained because {why}"
        if word == "unavailable":
            return "it gave no score" + ("" if said == word else f" ({why})")
        return "it may not cause what is asked for"

    def _of(self, ids: Iterable[str]) -> tuple[RuleExplanation, ...]:
        return tuple(self._rule(self.by_id[rule]) for rule in ids)

    def _ladder(self, ladder: Ladder) -> LadderExplanation:
        found = self.record.determining[ladder]
        rung = getattr(self.record.outcome, ladder)
        clamp = self._winning_clamp(ladder)
        return LadderExplanation(
            ladder=ladder,
            rung=rung,
            rules=tuple(self._rule(self.by_id[rule], clamp) for rule in found.rules),
            adders=tuple(self._rule(self.by_id[rule], clamp) for rule in found.adders),
            models=found.models,
            alone=found.alone,
        )

    def _winning_clamp(self, ladder: Ladder) -> frozenset[str]:
        """The models masked in the evaluation that won this ladder's rung."""
        asked_on: Ladder = "review" if self._is_raised(ladder) else ladder
        rung = RUNGS[asked_on][getattr(self.record.outcome, asked_on).upper()]
        return clamped(self.program, self.event, asked_on, int(rung))

    def _is_raised(self, ladder: Ladder) -> bool:
        """Whether the disposition is a hold only because a review comes before the payment."""
        found, outcome = self.record.determining[ladder], self.record.outcome
        if ladder != "disposition" or outcome.disposition != "hold" or outcome.review != "before":
            return False
        clamp = clamped(self.program, self.event, ladder, Disposition.HOLD)
        rules = (self._acted(self.by_id[rule], clamp) for rule in found.rules)
        models = (self.program.model(name).unavailable for name in found.models)
        return not any(
            ask.ladder == ladder for actions in (*rules, *models) for ask in actions.asks
        )

    def _acted(self, rule: Rule, clamp: frozenset[str] = NOBODY) -> Actions:
        """What the rule asks for in the state that it is in."""
        state = self._state(rule, clamp)
        actions = {"fired": rule.then, "unknown": rule.unknown}.get(state)
        return actions or NO_ACTIONS

    def _rule(self, rule: Rule, clamp: frozenset[str] = NOBODY) -> RuleExplanation:
        hidden = masks(self.program, self.situation, clamp)
        read = hidden.for_rule(rule)
        points = self._points(rule, clamp)
        state = self._state(rule, clamp)
        actions = rule.unknown if state == "unknown" else rule.then
        return RuleExplanation(
            rule=rule.id,
            text=rule.text,
            state=state,
            live=self._is_live(rule),
            condition=self._show(rule.when),
            atoms=tuple(self._atoms(rule.when, read, points)),
            exceptions=tuple(self._exception(e, hidden.relaxing) for e in rule.exceptions),
            actions=show_actions(actions, self.program.currency) if actions else (),
            masked=tuple(sorted(rule.models & read)),
            unread=tuple((name, self._why_unread(name)) for name in sorted(rule.models & read)),
            capped=tuple(self._capped(rule)),
            standing="" if self._is_live(rule) else self._standing(rule),
        )

    def _evaluation(self, clamp: frozenset[str]) -> Evaluation:
        if clamp not in self._evaluations:
            self._evaluations[clamp] = interpret(self.program, self.situation, clamp)
        return self._evaluations[clamp]

    def _standing(self, rule: Rule) -> str:
        if rule.id in self.record.rules.inactive:
            return self._dates(rule)
        if rule.shadow:
            return ""
        rollout = rule.rollout
        if rollout is not None and not in_share(rollout, self._read(rollout.field)):
            share = format_decimal(rollout.share, 4, trim=True)
            return f"outside the rollout {share}% by {rollout.field} ({rollout.wave})"
        newer = (r for r in self.event.rules if r.name == rule.name and self._is_live(r))
        return next((f"version {live.version} stands in its place" for live in newer), "")

    def _dates(self, rule: Rule) -> str:
        """Why the rule does not act on the event's day, as its dates are written."""
        at_us = self._read(self.event.at)
        if rule.from_us is not None and isinstance(at_us, int) and at_us < rule.from_us:
            return f"not yet, it acts from {self._day(rule.from_us)}"
        return "" if rule.until_us is None else f"it ended, until {self._day(rule.until_us)}"

    def _day(self, time_us: int) -> str:
        zone = zone_named(self.program.zone)
        return format_day((time_us + zone.offset_us(time_us)) // DAY_US)

    def _read(self, name: str) -> Value | None:
        slots = {entry.name: slot for slot, entry in enumerate(self.event.inputs)}
        return self.situation.values[slots[name]]

    def _points(self, rule: Rule, clamp: frozenset[str]) -> int:
        found = self._evaluation(clamp)
        return found.points if self._is_live(rule) else found.all_points

    def _state(self, rule: Rule, clamp: frozenset[str]) -> RuleState:
        if rule.id in self.record.rules.inactive:
            return "inactive"
        found, bit = self._evaluation(clamp), self.bits[rule.id]
        if found.fired & bit:
            return "fired"
        if found.unknown & bit:
            return "unknown"
        return "silenced" if found.silenced & bit else "not_fired"

    def _capped(self, rule: Rule) -> Iterator[Capped]:
        """The rungs that the rule itself asked for in vain, where no model was clamped."""
        asks = self._acted(rule).asks if self._is_live(rule) else ()
        for capped in self.record.capped:
            rungs = RUNGS[capped.ladder]  # type: ignore[index]
            rung = int(rungs[capped.rung.upper()])
            if any(ask.ladder == capped.ladder and ask.rung >= rung for ask in asks):
                yield capped

    def _exception(self, condition: Expression, masked: frozenset[str]) -> ExceptionExplanation:
        holds = truth(condition, reader_of(self.situation), masked)
        return ExceptionExplanation(
            condition=self._show(condition),
            state=_as_state(holds),
            atoms=tuple(self._atoms(condition, masked, 0)),
        )

    # atoms

    def _show(self, expression: Expression) -> str:
        return show_expression(expression, self.program.currency)

    def _atoms(
        self, condition: Expression, masked: frozenset[str], points: int, positive: bool = True
    ) -> Iterator[AtomExplanation]:
        match condition:
            case And(items=items) | Or(items=items):
                for item in items:
                    yield from self._atoms(item, masked, points, positive)
            case Not(operand=operand):
                yield from self._atoms(operand, masked, points, not positive)
            case LetRef(body=body):
                yield from self._atoms(body, masked, points, positive)
            case _:
                yield self._atom(condition, masked, points, positive)

    def _atom(
        self, atom: Expression, masked: frozenset[str], points: int, positive: bool
    ) -> AtomExplanation:
        shown = self._show(atom) if positive else f"not ({self._show(atom)})"
        if atom.models & masked:
            return AtomExplanation(shown, "masked", False, self._readings(atom))
        value = explain_value(atom, self.situation, points)
        state = "unknown" if isinstance(value, Missing) else _as_state(bool(value))
        met = not isinstance(value, Missing) and bool(value) == positive
        if isinstance(atom, PointsAtLeast):
            return self._points_atom(atom, shown, state, met, points)
        threshold, distance, side = self._threshold(atom)
        return AtomExplanation(shown, state, met, self._readings(atom), threshold, distance, side)

    def _points_atom(
        self, atom: PointsAtLeast, shown: str, state: AtomState, met: bool, points: int
    ) -> AtomExplanation:
        side, away = _side(points, atom.threshold), str(abs(points - atom.threshold))
        reading = (Reading("points", str(points)),)
        return AtomExplanation(shown, state, met, reading, str(atom.threshold), away, side)

    def _readings(self, atom: Expression) -> tuple[Reading, ...]:
        """What the atom compared, then the inputs that went into what had to be worked out."""
        parts = [part for part in _operands(atom) if not isinstance(part, Constant)]
        inputs = [node for part in parts for node in walk(part) if isinstance(node, Input)]
        return tuple(dict.fromkeys(self._reading(part) for part in (*parts, *inputs)))

    def _reading(self, part: Expression) -> Reading:
        value = explain_value(part, self.situation)
        name = self._show(part)
        if isinstance(value, Missing):
            return Reading(name, None, value.reason)
        return Reading(name, show_value(value, part.type, self.program.currency))

    def _threshold(
        self, atom: Expression
    ) -> tuple[str, str, Literal["", "above", "below", "equal"]]:
        match atom:
            case Compare(left=left, right=Constant(value=int() as limit)):
                measured = left
            case Compare(left=Constant(value=int() as limit), right=right):
                measured = right
            case _:
                return "", "", ""
        value = explain_value(measured, self.situation)
        if measured.type.kind not in INTEGER_KINDS:
            return "", "", ""
        shown = show_value(limit, measured.type, self.program.currency)
        if isinstance(value, Missing | str):
            return shown, "", ""
        away = show_value(abs(value - limit), _distance_type(measured.type), self.program.currency)
        return shown, away, _side(value, limit)


def _as_state(holds: bool | None) -> AtomState:
    return "unknown" if holds is None else "true" if holds else "false"


def _side(value: int, limit: int) -> Literal["above", "below", "equal"]:
    return "equal" if value == limit else "above" if value > limit else "below"


def _distance_type(of: Type) -> Type:
    return DURATION if of.kind is Kind.TIME else of


def _operands(atom: Expression) -> tuple[Expression, ...]:
    match atom:
        case Compare(left=left, right=right):
            return left, right
        case InSet() | InList() | InNetworks() | TextTest() | IsMissing():
            return (atom.operand,)
        case PointsAtLeast():
            return ()
    return (atom,)


# --- the customer ------------------------------------------------------------------------------


def _for_customer(program: Program, record: Record) -> CustomerExplanation:
    # An approved payment needs no words: a review after it is nobody's business but ours.
    if record.outcome.word == "approve":
        return CustomerExplanation((), "")
    reasons = tuple(_shown_reasons(program, record))
    messages = tuple(dict.fromkeys(reason.message for reason in reasons if reason.message))
    return CustomerExplanation(messages[:CUSTOMER_MESSAGES_MAX], _retry(reasons))


def _shown_reasons(program: Program, record: Record) -> Iterator[Reason]:
    hidden = set[str]()
    if record.outcome.review == "after":
        shown = _reasons_of(program, record, ("disposition", "authentication"))
        hidden = _reasons_of(program, record, ("review",)) - shown
    by_name = {reason.name: reason for reason in program.reasons}
    for name in record.outcome.reasons:
        if name in by_name and name not in hidden:
            yield by_name[name]


def _reasons_of(program: Program, record: Record, ladders: tuple[Ladder, ...]) -> set[str]:
    """The reasons that determining rules and absent models give on these ladders."""
    rules = {rule.id: rule for rule in program.event(record.event.type).rules}
    return {
        ask.reason
        for ladder in ladders
        if (found := record.determining.get(ladder)) is not None
        for actions in (
            *(rules[rule].then for rule in found.rules),
            *(rules[rule].unknown for rule in found.rules),
            *(program.model(model).unavailable for model in found.models),
        )
        if actions is not None
        for ask in actions.asks
        if ask.ladder == ladder
    }


def _retry(reasons: tuple[Reason, ...]) -> str:
    """`never` where one reason says so, else what the first one says."""
    advice = [reason.retry for reason in reasons if reason.retry]
    return "never" if "never" in advice else next(iter(advice), "")
