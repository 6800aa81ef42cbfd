"""From what the rules say to what is decided, within what each model may cause.

The clamp: on each ladder, for each rung, the rules are evaluated with every model masked whose
ceiling there is lower, and the outcome is the highest rung whose own evaluation reaches it. A
model is so never asked "did you cause this?": what it may not cause has to come about without it.

Most decisions need one evaluation. What can be known of an event type beforehand is worked out
once in an `Authority`; then two tests, each a few ANDs, save the others: clamping changes nothing
where every rule that reads a clamped score is false (`Clamp.changes`), and where clamping can only
take asks away, a rung that nobody reaches unmasked needs no second look (`Clamp.only_lowers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.dsl.program import (
    LADDERS,
    RUNGS,
    Actions,
    Ask,
    Authentication,
    Disposition,
    EventType,
    Expression,
    Ladder,
    Model,
    Program,
    Review,
    Rule,
)
from tidegate.dsl.types import Value
from tidegate.engine.interpreter import (
    NOBODY,
    asks_exempt,
    evaluate,
    evaluate_as,
    reader_of,
    truth,
)
from tidegate.engine.outcome import Levels, outcome_of
from tidegate.engine.situation import (
    OWN_ACTS,
    Capped,
    Evaluation,
    ScoreStatus,
    Settled,
    Situation,
    Standing,
)
from tidegate.engine.standing import Roster, roster

Evaluate = Callable[[Program, Situation, frozenset[str]], Evaluation]
"""An evaluator: the program, the event and the models to clamp."""

OutsideUse = Callable[[Situation], int]
"""Bit i: `event.models[i]` is outside its use for this event."""

MAX_REMEMBERED = 16_384


def settle(program: Program, situation: Situation, evaluate: Evaluate = evaluate) -> Settled:
    """The decision for one event. Who decides many keeps an `Authority` instead."""
    return authority(program, situation.event).settle(situation, evaluate)


def clamped(program: Program, event: EventType, ladder: Ladder, rung: int) -> frozenset[str]:
    """The models masked in the evaluation for this rung: those that may not cause it."""
    return frozenset(m for m in event.models if program.model(m).ceiling(ladder) < rung)


# --- what is known before an event is seen -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clamp:
    """A set of models that is masked all at once.

    `readers` are the rules whose `when` loses a score by it, `excepting` those with an exception
    that does, `payers` (bits of the event's models) those whose abstention adds points.
    """

    models: frozenset[str]
    readers: int
    excepting: int
    payers: int
    only_lowers: bool

    def changes(self, unmasked: Evaluation, abstained: int) -> bool:
        """Whether the evaluation with these models masked may differ from the unmasked one."""
        heard = unmasked.fired | unmasked.unknown | unmasked.silenced
        return bool(
            heard & self.readers | unmasked.silenced & self.excepting | abstained & self.payers
        )


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of a ladder: the clamp it is judged under, and the rules that reach it."""

    ladder: Ladder
    rung: int
    name: str
    clamp: Clamp
    then: int
    unknown: int

    @property
    def askers(self) -> int:
        """The rules that may ask for this rung or a higher one."""
        return self.then | self.unknown

    def asked(self, evaluation: Evaluation, acting: int) -> bool:
        """Whether a rule among `acting` asks for this rung or a higher one."""
        return bool((evaluation.fired & self.then | evaluation.unknown & self.unknown) & acting)


@dataclass(frozen=True, slots=True)
class Authority:
    """Everything about deciding one event type that does not depend on the event.

    `ladders` holds, in the order of `LADDERS`, the rungs that anybody can ask for, highest first.
    `taggers` are the rules that tag, `advisers` those that advise, `points_readers` those that read
    points. `ranks` are those of the step_ups. `quiet` is what comes out where no rule is heard and
    every model answered.

    Results are remembered by what they depend on: the unmasked evaluation, the models' answers,
    the standing. Where that does not settle it, the entry names the models to clamp next, and
    what that evaluation finds is appended to the key.
    """

    program: Program
    event: EventType
    models: tuple[Model, ...]
    roster: Roster
    ladders: tuple[tuple[Rung, ...], ...]
    unclamped: Clamp
    advising: Clamp
    taggers: int
    advisers: int
    points_readers: int
    ranks: Mapping[str, int]
    use_conditions: tuple[tuple[int, Expression], ...]
    all_ok: Mapping[str, ScoreStatus]
    quiet: Settled
    remembered: dict[tuple[int, ...], Settled | frozenset[str]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def settle(
        self,
        situation: Situation,
        evaluate: Evaluate = evaluate,
        outside_use: OutsideUse | None = None,
    ) -> Settled:
        """The decision for one event, by any evaluator of the same meaning."""
        found = evaluate(self.program, situation, NOBODY)
        absent = self._absent(situation, outside_use)
        standing = self.roster.fixed
        if standing is None:
            standing = self.roster.standing(situation)
        elif not (absent or found.fired or found.unknown or found.silenced):
            return self.quiet
        key: tuple[int, ...] = (
            found.fired, found.unknown, found.silenced, found.points, found.all_points,
            absent, standing.live, standing.shadow,
        )  # fmt: skip
        known = self.remembered.get(key)
        if isinstance(known, Settled):
            return known
        clamped: dict[frozenset[str], Evaluation] = {}
        longer = key
        while isinstance(known, frozenset):
            clamped[known] = evaluate(self.program, situation, known)
            longer = _extended(longer, clamped[known])
            known = self.remembered.get(longer)
        if known is not None:
            return known
        settlement = _Settlement(
            authority=self,
            situation=situation,
            evaluate=evaluate,
            unmasked=found,
            standing=standing,
            absent=absent,
            clamped=clamped,
        )
        settled = settlement.settled()
        if not settlement.is_singular:
            self._remember(key, clamped, settled)
        return settled

    def _remember(
        self, key: tuple[int, ...], clamped: Mapping[frozenset[str], Evaluation], settled: Settled
    ) -> None:
        if len(self.remembered) >= MAX_REMEMBERED:
            self.remembered.clear()
        for models, found in clamped.items():
            self.remembered[key] = models
            key = _extended(key, found)
        self.remembered[key] = settled

    def _absent(self, situation: Situation, outside_use: OutsideUse | None) -> int:
        """Three bit fields of the event's models: outside use, unavailable, silent by itself."""
        outside = 0
        if self.use_conditions:
            outside = (outside_use or self.outside_use)(situation)
        if not outside and situation.statuses == self.all_ok:
            return 0
        absent, count = outside, len(self.models)
        for index, model in enumerate(self.models):
            status = situation.statuses.get(model.name, "unavailable")
            if status != "ok" and not outside >> index & 1:
                absent |= 1 << index + (2 * count if status in OWN_ACTS else count)
        return absent

    def outside_use(self, situation: Situation) -> int:
        """The models that are not used on this event, by bit."""
        reader = reader_of(situation)
        return sum(bit for bit, use_when in self.use_conditions if not truth(use_when, reader))


def _extended(key: tuple[int, ...], found: Evaluation) -> tuple[int, ...]:
    return *key, found.fired, found.unknown, found.silenced, found.points, found.all_points


def authority(program: Program, event: EventType) -> Authority:
    """What deciding `event` needs to know beforehand."""
    if event.default is None:
        raise ValueError(f"the event {event.name} is not decided here")
    models = tuple(program.model(name) for name in event.models)
    stands = roster(event)
    adviseless = frozenset(m.name for m in models if "advise" not in m.may)
    return Authority(
        program=program,
        event=event,
        models=models,
        roster=stands,
        ladders=tuple(_rungs(program, event, models, ladder) for ladder in LADDERS),
        unclamped=_clamp(event, models, NOBODY),
        advising=_clamp(event, models, adviseless),
        taggers=_bits(event, lambda r: bool(r.then.tags or (r.unknown and r.unknown.tags))),
        advisers=_bits(event, lambda r: bool(r.then.advice or (r.unknown and r.unknown.advice))),
        points_readers=_bits(event, lambda r: r.reads_points),
        ranks={step_up.name: step_up.rank for step_up in program.step_ups},
        use_conditions=tuple(
            (1 << i, m.use_when) for i, m in enumerate(models) if m.use_when is not None
        ),
        all_ok={m.name: "ok" for m in models},
        quiet=_quiet(event.default, stands.fixed or Standing(0, 0)),
    )


def _quiet(default: Disposition, standing: Standing) -> Settled:
    outcome = outcome_of(Levels(default, Authentication.NONE, None))
    return Settled(outcome, Evaluation(0, 0, 0, 0, 0), standing, shadow_word=outcome.word)


def _rungs(
    program: Program, event: EventType, models: tuple[Model, ...], ladder: Ladder
) -> tuple[Rung, ...]:
    asked = [ask.rung for actions in _all_actions(event, models) for ask in actions.asks
             if ask.ladder == ladder]  # fmt: skip
    # A disposition below the event's default is never compared, and nobody asks for `approve`.
    lowest = max(event.default or 0, Disposition.HOLD) if ladder == "disposition" else 0
    return tuple(
        Rung(
            ladder=ladder,
            rung=rung,
            name=RUNGS[ladder](rung).name.lower(),
            clamp=_clamp(event, models, clamped(program, event, ladder, rung)),
            then=_reachers(ladder, rung, [rule.then for rule in event.rules]),
            unknown=_reachers(ladder, rung, [rule.unknown for rule in event.rules]),
        )
        for rung in range(max(asked, default=-1), lowest - 1, -1)
    )


def _all_actions(event: EventType, models: tuple[Model, ...]) -> Iterator[Actions]:
    for rule in event.rules:
        yield rule.then
        if rule.unknown is not None:
            yield rule.unknown
    for model in models:
        yield model.unavailable


def _reachers(ladder: Ladder, rung: int, actions: Sequence[Actions | None]) -> int:
    return sum(1 << i for i, one in enumerate(actions) if _reaches(one, ladder, rung))


def _reaches(actions: Actions | None, ladder: Ladder, rung: int) -> bool:
    return actions is not None and any(
        ask.ladder == ladder and ask.rung >= rung for ask in actions.asks
    )


def _bits(event: EventType, holds: Callable[[Rule], bool]) -> int:
    return sum(1 << index for index, rule in enumerate(event.rules) if holds(rule))


def _clamp(event: EventType, models: tuple[Model, ...], names: frozenset[str]) -> Clamp:
    without_relax = names - {m.name for m in models if "relax" in m.may}
    without_exempt = names - {m.name for m in models if "exempt" in m.may}

    def loses(rule: Rule) -> bool:
        if rule.then.points < 0:
            return bool(rule.models & without_relax)
        return bool(rule.models & (without_exempt if asks_exempt(rule.then) else names))

    def excepts(rule: Rule) -> bool:
        return any(exception.models & without_relax for exception in rule.exceptions)

    def may_raise(rule: Rule) -> bool:
        if excepts(rule) or (rule.then.points < 0 and loses(rule)):
            return True
        return (loses(rule) or rule.reads_points) and not _covers(rule.then, rule.unknown)

    return Clamp(
        models=names,
        readers=_bits(event, loses),
        excepting=_bits(event, excepts),
        payers=sum(
            1 << i for i, m in enumerate(models) if m.name in names and m.unavailable.points
        ),
        only_lowers=not any(may_raise(rule) for rule in event.rules),
    )


def _covers(then: Actions, unknown: Actions | None) -> bool:
    """Whether a rule that is true asks for and adds at least what it does where it is unknown."""
    if unknown is None:
        return True
    asks = all(_reaches(then, ask.ladder, ask.rung) for ask in unknown.asks)
    return asks and then.points >= unknown.points


# --- one event ---------------------------------------------------------------------------------


def acts(event: EventType, found: Evaluation, acting: int) -> Iterator[tuple[int, Rule, Actions]]:
    """Every acting rule that is true or unknown: its bit, the rule and what it does, in order."""
    bits = (found.fired | found.unknown) & acting
    while bits:
        bit = bits & -bits
        bits ^= bit
        rule = event.rules[bit.bit_length() - 1]
        actions = rule.then if found.fired & bit else rule.unknown
        if actions is not None:
            yield bit, rule, actions


def overreaching(
    rung: tuple[Ladder, int],
    acting: Sequence[tuple[int, Rule, Actions]],
    answered: Iterable[Model],
    abstained: Iterable[Model],
) -> tuple[str, ...]:
    """The models that stood behind a rung above their ceiling, by name.

    A model that answered did so where a rule that asks for the rung reads it, or one that adds to
    the points read there; one that abstained by what it asks or adds itself.
    """
    asking = [rule for _, rule, actions in acting if _reaches(actions, *rung)]
    by_points = any(rule.reads_points for rule in asking)
    adding = [rule for _, rule, actions in acting if by_points and actions.points > 0]
    read = NOBODY.union(*(rule.models for rule in (*asking, *adding)))
    behind = [model for model in answered if model.name in read]
    for model in (model for model in abstained if not model.shadow):
        own = model.unavailable
        if _reaches(own, *rung) or (by_points and own.points > 0):
            behind.append(model)
    ladder, height = rung
    return tuple(sorted(model.name for model in behind if model.ceiling(ladder) < height))


@dataclass(frozen=True, slots=True)
class _Won:
    """A rung that its own evaluation reached."""

    rung: Rung
    evaluation: Evaluation


_Silent = tuple[tuple[Model, bool], ...]
_Climb = tuple[_Won | None, ...]
"""In the order of `LADDERS`, what was won; None where nobody asked with authority."""


@dataclass(slots=True, kw_only=True)
class _Settlement:
    """One decision under way.

    `clamped` keeps the evaluations that were needed, in that order; `is_singular` once the event
    itself was looked at, so that the result holds for it alone. `silent` are the models that are
    used here and gave no score, each with whether it abstained; `watching` those among them that
    are in the shadow, which `silent` leaves out.
    """

    authority: Authority
    situation: Situation
    evaluate: Evaluate
    unmasked: Evaluation
    standing: Standing
    absent: int
    clamped: dict[frozenset[str], Evaluation]
    is_singular: bool = False
    silent: _Silent = ()
    watching: _Silent = ()

    def __post_init__(self) -> None:
        """Look once which models said nothing: mostly none, and each rung asks."""
        bits = self.unavailable | self.abstained
        if bits:
            found = tuple(
                (model, bool(self.abstained >> index & 1))
                for index, model in enumerate(self.authority.models)
                if bits >> index & 1
            )
            self.silent = tuple(one for one in found if not one[0].shadow)
            self.watching = tuple(one for one in found if one[0].shadow)

    @property
    def abstained(self) -> int:
        """The models silent by their own act, by bit; `absent` holds three such fields."""
        return self.absent >> 2 * len(self.authority.models)

    @property
    def unavailable(self) -> int:
        """The models that are used here and gave no answer."""
        count = len(self.authority.models)
        return self.absent >> count & (1 << count) - 1

    @property
    def outside(self) -> int:
        """The models that are not used on this event."""
        return self.absent & (1 << len(self.authority.models)) - 1

    def settled(self) -> Settled:
        live = self.standing.live
        climb = self.climb(live, self.silent, self.evaluation)
        levels = self._levels(climb)
        winners = {won.rung.ladder: self._winners(won, live) for won in climb if won is not None}
        outcome = outcome_of(
            levels,
            {ladder: asks for ladder, (_, asks) in winners.items()},
            self.authority.ranks,
            tags=self._tags(live),
            advice=self._advice(live),
            points=self.unmasked.points,
        )
        return Settled(
            outcome=outcome,
            evaluation=self.unmasked,
            standing=self.standing,
            masked=self._names(self.outside | self.unavailable | self.abstained),
            capped=tuple(self._capped(climb, levels, live)),
            winners=tuple((ladder, bits) for ladder, (bits, _) in winners.items()),
            shadow_word=self._shadow_word(outcome.word),
        )

    # evaluations

    def evaluation(self, clamp: Clamp) -> Evaluation:
        """The evaluation that clamps these models."""
        if not clamp.changes(self.unmasked, self.abstained):
            return self.unmasked
        if clamp.models not in self.clamped:
            found = self.evaluate(self.authority.program, self.situation, clamp.models)
            self.clamped[clamp.models] = found
        return self.clamped[clamp.models]

    def evaluation_all_live(self, clamp: Clamp) -> Evaluation:
        """The same, had every shadow rule been live: then all rules read all points."""
        found = self.evaluation(clamp)
        if found.points == found.all_points or not self.authority.points_readers:
            return found
        self.is_singular = True
        everyone = Standing(self.standing.live | self.standing.shadow, 0, everyone=True)
        return evaluate_as(self.authority.program, self.situation, clamp.models, everyone)

    # ladders

    def climb(
        self,
        acting: int,
        silent: _Silent,
        evaluation_of: Callable[[Clamp], Evaluation],
    ) -> _Climb:
        """The highest rung on each ladder that its own evaluation reaches."""
        unmasked = evaluation_of(self.authority.unclamped)
        return tuple(
            self._highest(rungs, acting, silent, unmasked, evaluation_of)
            for rungs in self.authority.ladders
        )

    def _highest(
        self,
        rungs: tuple[Rung, ...],
        acting: int,
        silent: _Silent,
        unmasked: Evaluation,
        evaluation_of: Callable[[Clamp], Evaluation],
    ) -> _Won | None:
        for rung in rungs:
            asked = self._asked(rung, unmasked, acting, silent)
            if rung.clamp.only_lowers and not asked:
                continue
            evaluation = evaluation_of(rung.clamp)
            if evaluation is not unmasked:
                asked = self._asked(rung, evaluation, acting, silent)
            if asked:
                return _Won(rung, evaluation)
        return None

    def _asked(self, rung: Rung, evaluation: Evaluation, acting: int, silent: _Silent) -> bool:
        return rung.asked(evaluation, acting) or _models_ask(silent, rung)

    def _levels(self, climb: _Climb) -> Levels:
        disposition, authentication, review = climb
        default = self.authority.event.default or Disposition.APPROVE
        return Levels(
            Disposition(disposition.rung.rung) if disposition else default,
            Authentication(authentication.rung.rung) if authentication else Authentication.NONE,
            Review(review.rung.rung) if review else None,
        )

    def _capped(self, climb: _Climb, levels: Levels, live: int) -> Iterator[Capped]:
        # Where nothing was clamped, whoever asked was heard.
        if not (self.clamped or self.abstained):
            return
        for rungs, won in zip(self.authority.ladders, climb, strict=True):
            top = next((rung for rung in rungs if self._wanted(rung, live)), None)
            if top is None or (won is not None and won.rung.rung >= top.rung):
                continue
            if levels.name(top.ladder) != top.name:
                yield Capped(top.ladder, top.name, self._overreaching(top, live))

    def _overreaching(self, rung: Rung, live: int) -> tuple[str, ...]:
        silent = self.outside | self.unavailable | self.abstained
        acting = tuple(acts(self.authority.event, self.unmasked, live))
        answered, abstained = self._models(~silent), self._models(self.abstained)
        return overreaching((rung.ladder, rung.rung), acting, answered, abstained)

    def _models(self, bits: int) -> Iterator[Model]:
        return (m for i, m in enumerate(self.authority.models) if bits >> i & 1)

    def _wanted(self, rung: Rung, live: int) -> bool:
        """Whether somebody asks for the rung or a higher one, authority aside."""
        return rung.asked(self.unmasked, live) or _models_ask(self.silent, rung, capped=False)

    # actions

    def _winners(self, won: _Won, live: int) -> tuple[int, tuple[Ask, ...]]:
        """Who asks for the rung that was won: the rules' bits, and all asks.

        Where authority cut an ask down to this rung and nobody asks for exactly it, the asks
        above it are the ones that won it.
        """
        ladder, rung = won.rung.ladder, won.rung.rung
        asks = [
            (bit, ask)
            for bit, _, actions in acts(
                self.authority.event, won.evaluation, live & won.rung.askers
            )
            for ask in actions.asks
            if ask.ladder == ladder and ask.rung >= rung
        ]
        asks += [(0, ask) for ask in _model_asks(self.silent, ladder) if ask.rung >= rung]
        exact = [(bit, ask) for bit, ask in asks if ask.rung == rung] or asks
        bits = 0
        for bit, _ in exact:
            bits |= bit
        return bits, tuple(ask for _, ask in exact)

    def _tags(self, live: int) -> tuple[str, ...]:
        acting = acts(self.authority.event, self.unmasked, live & self.authority.taggers)
        tags = {tag for _, _, actions in acting for tag in actions.tags}
        tags.update(tag for model, _ in self.silent for tag in model.unavailable.tags)
        return tuple(sorted(tags))

    def _advice(self, live: int) -> tuple[tuple[str, Value], ...]:
        advising = live & self.authority.advisers
        acting = acts(self.authority.event, self._advising_evaluation(), advising)
        advice = [one for _, _, actions in acting for one in actions.advice]
        for model, abstained in self.silent:
            if not abstained or "advise" in model.may:
                advice += model.unavailable.advice
        return tuple(sorted({one.name: one.value for one in reversed(advice)}.items()))

    def _advising_evaluation(self) -> Evaluation:
        clamp, heard = self.authority.advising, self.unmasked.fired | self.unmasked.unknown
        if clamp.only_lowers and not heard & self.authority.advisers:
            return self.unmasked
        return self.evaluation(clamp)

    # words

    def _shadow_word(self, word: str) -> str:
        shadow = self.standing.shadow
        seen = (self.unmasked, *self.clamped.values())
        heard = any(shadow & (found.fired | found.unknown) for found in seen)
        if not (heard or self.watching):
            return word
        everyone = self.standing.live | shadow, self.silent + self.watching
        climb = self.climb(*everyone, self.evaluation_all_live)
        return outcome_of(self._levels(climb)).word

    def _names(self, bits: int) -> tuple[str, ...]:
        return tuple(m.name for m in self._models(bits))


def _models_ask(silent: _Silent, rung: Rung, capped: bool = True) -> bool:
    """Whether one of these absent models asks for the rung or a higher one."""
    return bool(silent) and any(
        ask.rung >= rung.rung for ask in _model_asks(silent, rung.ladder, capped)
    )


def _model_asks(silent: _Silent, ladder: Ladder, capped: bool = True) -> Iterator[Ask]:
    """What absent models' `if unavailable` asks; a model's own act only within its ceiling."""
    for model, abstained in silent:
        for ask in model.unavailable.asks:
            allowed = not (abstained and capped) or ask.rung <= model.ceiling(ladder)
            if ask.ladder == ladder and allowed:
                yield ask
