"""The compiled scalar evaluator: an event's rules as one generated Python function.

Everything that can be looked up is looked up while compiling. What runs for an event unpacks its
values into locals and branches over them (`lowering` makes the tests, `branches` their order); it
answers three bit masks and the points. Nothing in it can raise: a value that may be missing is
tested before it is used.

An event has several such functions, each made when it is first needed: with every score there or
with some masked, with a standing that no event changes or with one that is given, and one that
goes on to the decision.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from tidegate.dsl.lists import Lists
from tidegate.dsl.program import Actions, EventType, Program, Rule
from tidegate.dsl.types import Value
from tidegate.engine.authority import MAX_REMEMBERED, Authority, authority
from tidegate.engine.branches import Branches, Effect, Job
from tidegate.engine.formulas import NO_FACTS, negate, render, simplify, some_of
from tidegate.engine.interpreter import NOBODY, asks_exempt
from tidegate.engine.lowering import Context, Lowering, container
from tidegate.engine.normal_form import conjunctions
from tidegate.engine.plain import Answers, Bind, PlainSettler
from tidegate.engine.predicate_index import (
    MAX_CONJUNCTIONS,
    IndexedRule,
    Paid,
    PredicateIndex,
    worth_indexing,
)
from tidegate.engine.situation import (
    OWN_ACTS,
    Evaluation,
    ScoreStatus,
    Settled,
    Situation,
    Standing,
)

Values = tuple[Value | None, ...]
Found = tuple[int, int, int, int, int]
"""Fired, unknown and silenced rules, the points of live rules and of all rules."""

_INPUT_NAMES = re.compile(r"\bv(\d+)\b")
_ALL_POINTS = re.compile(r"\br\b")
Decide = Callable[[Values, Lists, Mapping[str, ScoreStatus]], Settled]


INDEX_FROM = 1_000
"""With fewer rules branching code, which tests what many rules share once too, is faster than the
index: `python -m bench.many_rules --crossover 500 1000 2000` measures both."""
NOTHING_INDEXED: Mapping[int, IndexedRule] = {}


def compile_event(
    program: Program, event: EventType, lists: Lists, index_from: int = INDEX_FROM
) -> CompiledEvent:
    """The evaluator of `event`. `lists` are the contents of lists that come from files.

    From so many rules on as `index_from` says, a predicate index takes the place of branching code.
    """
    return CompiledEvent(program, event, lists, authority(program, event), index_from)


@dataclass(frozen=True)
class CompiledEvent:
    """One event type of a program, ready to be evaluated and decided many times."""

    program: Program
    event: EventType
    lists: Lists
    authority: Authority
    index_from: int = INDEX_FROM
    _functions: dict[tuple[bool, Standing | None], _Generated] = field(
        default_factory=dict, compare=False, repr=False
    )

    def evaluate(self, situation: Situation, clamped: frozenset[str] = NOBODY) -> Evaluation:
        """What all rules say while the scores of `clamped` are masked."""
        return self.evaluate_as(situation, clamped, self.authority.roster.standing(situation))

    def evaluate_as(
        self, situation: Situation, clamped: frozenset[str], stand: Standing
    ) -> Evaluation:
        """The same for rules that stand as given, whatever their status clauses say."""
        fixed = self.authority.roster.fixed
        is_fixed = fixed is not None and stand == fixed
        outside = self.outside_use(situation)
        masked = outside | self._unanswered(situation)
        generated = self._generated(bool(masked or clamped), fixed if is_fixed else None)
        arguments: list[object] = [situation.values, generated.containers(situation.lists)]
        if not is_fixed:
            arguments += [stand.live, stand.live | stand.shadow]
        if masked or clamped:
            arguments += self._masks(situation, clamped, masked, outside, stand.everyone)
        return Evaluation(*generated.run(*arguments))

    def decide(self, situation: Situation) -> Settled:
        """The decision for one event."""
        return self.authority.settle(situation, self._evaluate, self.outside_use)

    @cached_property
    def decide_values(self) -> Decide:
        """The hot path: values, managed lists and statuses of models in, the decision out.

        The generated function itself answers where the same was found before and nothing else
        matters; `decide` does the rest.
        """
        standing = self.authority.roster.fixed
        return self._decide_at_length if standing is None else _decider(self, standing)

    def _decide_at_length(
        self, values: Values, lists: Lists, statuses: Mapping[str, ScoreStatus]
    ) -> Settled:
        return self.decide(Situation(self.event, values, lists, statuses))

    def outside_use(self, situation: Situation) -> int:
        """Bit i: `event.models[i]` is outside its use for this event."""
        if not self.authority.use_conditions:
            return 0
        generated = self._use
        return cast(int, generated.run(situation.values, generated.containers(situation.lists)))

    @cached_property
    def _use(self) -> _Generated:
        return _use_function(self)

    def _generated(self, masking: bool, fixed: Standing | None) -> _Generated:
        key = masking, fixed
        if key not in self._functions:
            self._functions[key] = _rules_function(self, masking, fixed)
        return self._functions[key]

    def _evaluate(self, _: Program, situation: Situation, clamped: frozenset[str]) -> Evaluation:
        return self.evaluate(situation, clamped)

    def _unanswered(self, situation: Situation) -> int:
        bits = 0
        for index, name in enumerate(self.event.models):
            if situation.statuses.get(name) != "ok":
                bits |= 1 << index
        return bits

    def _masks(
        self,
        situation: Situation,
        clamped: frozenset[str],
        masked: int,
        outside: int,
        everyone: bool,
    ) -> Iterator[object]:
        """The points that absent models add and that those in the shadow would, then for each
        context which models are read."""
        points = [0, 0]
        for index, model in enumerate(self.authority.models):
            own = model.name in clamped and situation.statuses.get(model.name) in OWN_ACTS
            if (masked & ~outside) >> index & 1 and not own:
                points[model.shadow and not everyone] += model.unavailable.points
        yield from points
        for word in ("", "relax", "exempt"):
            yield tuple(
                not masked >> index & 1 and (model.name not in clamped or word in model.may)
                for index, model in enumerate(self.authority.models)
            )


@dataclass(frozen=True, slots=True)
class _Generated:
    """A generated function and the lists it wants at each call."""

    run: Callable[..., Any]
    list_names: tuple[str, ...]
    source: str

    def containers(self, lists: Lists) -> tuple[object, ...]:
        """What the function looks into; None for a list that cannot be read."""
        if not self.list_names:
            return ()
        contents = (lists.get(name) for name in self.list_names)
        return tuple(None if content is None else container(content) for content in contents)


# --- the functions -----------------------------------------------------------------------------


def _rules_function(compiled: CompiledEvent, masking: bool, fixed: Standing | None) -> _Generated:
    body = _Body(compiled, masking, fixed)
    body.write_rules()
    parameters = ["values", "lists"]
    if fixed is None:
        parameters += ["L", "A"]
    if masking:
        parameters += ["base", "watched", "ordinary", "relaxing", "exempting"]
    return body.function(parameters, [f"return {', '.join(body.answers)}"])


def _use_function(compiled: CompiledEvent) -> _Generated:
    body = _Body(compiled, masking=False, fixed=None)
    body.write_use()
    return body.function(["values", "lists"], ["return o"])


def _decider(compiled: CompiledEvent, standing: Standing) -> Decide:
    """The function behind `decide_values`, for an event whose rules always stand alike."""
    body = _Body(compiled, masking=False, fixed=standing)
    bind = body.lowering.names.bind
    memory = _Memory(compiled)
    settle = bind(memory.settle)
    if compiled.event.models:
        all_ok = bind(compiled.authority.all_ok)
        body.before.append(f"if statuses is not {all_ok} and statuses != {all_ok}:")
        body.before.append(f" return {settle}(values, lists, statuses)")
    body.write_use()
    if body.use:
        # Before anything else: the score of a model that is not used here may be missing.
        body.use.append(f"if o: return {settle}(values, lists, statuses)")
    body.write_rules()
    plain = PlainSettler(compiled.authority, standing)
    after = _settling(Answers(*body.answers), plain, memory, bind, remembers=not body.has_index)
    return body.function(_DECIDER, list(after), wants_containers=True).run


_DECIDER = ["values", "lists", "statuses"]


def _settling(
    answers: Answers, plain: PlainSettler, memory: _Memory, bind: Bind, remembers: bool
) -> Iterator[str]:
    """From what the rules found to the decision.

    Of few rules the same are found again and again, and what was decided then is remembered. Many
    rules find something new at every second event, and to look it up costs as much as to settle it.
    """
    heard = [name for name in (answers.fired, answers.unknown, answers.silenced) if name != "0"]
    # Points follow from the masks: every model answered, and every rule stands as it always does.
    # Few masks differ in more than what fired, so that is the inner key.
    outer = ", ".join(name for name in (answers.unknown, answers.silenced) if name != "0") or "0"
    key = f"({outer}), {answers.fired}"
    if remembers:
        yield f"try: return {bind(memory.settled)}[{outer}][{answers.fired}]"
        yield f"except {bind(KeyError)}: pass"
    quiet = bind(plain.authority.quiet)
    if remembers:
        quiet = f"{bind(memory.remember)}({key}, {quiet})"
    yield f"if not ({' or '.join(heard) or '0'}): return {quiet}"
    at_length = plain.needs_a_closer_look(bind, answers)
    if at_length:
        call = f"{bind(memory.settle)}(values, lists, statuses, {key})"
        yield f"if {at_length}: return {call}"
    yield from plain.lines(bind, answers)
    yield f"return {bind(memory.remember)}({key}, y)" if remembers else "return y"


@dataclass(slots=True)
class _Memory:
    """Decisions that follow from what the rules found alone, by what they found."""

    compiled: CompiledEvent
    settled: dict[object, dict[int, Settled]] = field(default_factory=dict)
    count: int = 0

    def settle(
        self,
        values: Values,
        lists: Lists,
        statuses: Mapping[str, ScoreStatus],
        outer: object = None,
        fired: int | None = None,
    ) -> Settled:
        """The decision, remembered where nothing but what was found matters.

        Where `fired` is given, every model is used and answered; it is the inner key, and `outer`
        the rest of the key.
        """
        if fired is not None and outer in self.settled and fired in self.settled[outer]:
            return self.settled[outer][fired]
        compiled = self.compiled
        settled = compiled.decide(Situation(compiled.event, values, lists, statuses))
        if fired is not None and self._follows(settled):
            self.remember(outer, fired, settled)
        return settled

    def remember(self, outer: object, fired: int, settled: Settled) -> Settled:
        """The decision itself, to be found again."""
        if self.count >= MAX_REMEMBERED:
            self.settled.clear()
            self.count = 0
        self.settled.setdefault(outer, {})[fired] = settled
        self.count += 1
        return settled

    def _follows(self, settled: Settled) -> bool:
        """Whether the authority gives the same decision wherever the same was found."""
        authority = self.compiled.authority
        found, stand = settled.evaluation, settled.standing
        key = (
            found.fired, found.unknown, found.silenced, found.points, found.all_points,
            0, stand.live, stand.shadow,
        )  # fmt: skip
        return authority.remembered.get(key) is settled


class _Body:
    """The body of one generated function while it is written."""

    def __init__(self, compiled: CompiledEvent, masking: bool, fixed: Standing | None) -> None:
        self.index_from = compiled.index_from
        self.event = compiled.event
        self.authority = compiled.authority
        self.masking = masking
        self.fixed = fixed
        self.lowering = Lowering(compiled.program, compiled.event, compiled.lists, masking)
        self.branches = Branches()
        self.before: list[str] = []
        self.use: list[str] = []
        self.answers = ["0", "0", "0", "0", "0"]
        self.has_index = False

    # --- rules ---

    def write_rules(self) -> None:
        """The rules that may add points, then those that read them."""
        indexed = self._indexed()
        self.branches.write(self._jobs(reading=False, without=indexed))
        self._write_index(indexed)
        self._keep_active()
        self._write_points(indexed)
        readers = list(self._jobs(reading=True))
        if readers:
            start = len(self.branches.lines)
            self.branches.write(readers)
            if any(_ALL_POINTS.search(line) for line in self.branches.lines[start:]):
                self.branches.lines.insert(start, "r = p + q")
            self._keep_active()
        self._answer()

    def _keep_active(self) -> None:
        if self.fixed is None:
            self.branches.lines += ["m &= A", "u &= A", "s &= A"]

    def _answer(self) -> None:
        text = "\n".join(self.branches.lines)
        for index, name in enumerate("mus"):
            if f"{name} |= " in text or f"{name} = " in text:
                self.answers[index] = name
        if self.masking or "p += " in text or "q += " in text:
            watching = self._watches() or "q += " in text
            self.answers[3:] = ["p", "p + q"] if watching else ["p", "p"]

    def _watches(self) -> bool:
        """Whether a model in the shadow may add points."""
        return self.masking and any(
            m.shadow and m.unavailable.points for m in self.authority.models
        )

    def _jobs(
        self, reading: bool, without: Mapping[int, IndexedRule] = NOTHING_INDEXED
    ) -> Iterator[Job]:
        for index, rule in enumerate(self.event.rules):
            wanted = rule.reads_points == reading and self._may_act(1 << index)
            if wanted and index not in without:
                yield self._job(rule, 1 << index)

    def _may_act(self, bit: int) -> bool:
        return self.fixed is None or bool((self.fixed.live | self.fixed.shadow) & bit)

    def _job(self, rule: Rule, bit: int) -> Job:
        self.lowering.points = self._points_read(bit)
        when = self.lowering.condition(rule.when, True, _context(rule))
        excepted = some_of(self.lowering.condition(e, True, "b").sure for e in rule.exceptions)
        return Job(
            sure=simplify(when.sure, NO_FACTS),
            possible=simplify(when.possible, NO_FACTS),
            excepted=excepted,
            fired=self._effect("m", bit, rule, rule.then),
            unknown=self._effect("u", bit, rule, rule.unknown),
            silenced=Effect(bits=(("s", bit),)),
        )

    # --- many rules ---

    def _indexed(self) -> Mapping[int, IndexedRule]:
        """The rules that the index answers for, where there are enough of them."""
        if len(self.event.rules) < self.index_from:
            return NOTHING_INDEXED
        found = {}
        for index, rule in enumerate(self.event.rules):
            if not rule.reads_points and self._may_act(1 << index):
                indexed = self._in_normal_form(rule, 1 << index)
                if indexed is not None:
                    found[index] = indexed
        found = worth_indexing(found)
        return found if len(found) >= self.index_from else NOTHING_INDEXED

    def _in_normal_form(self, rule: Rule, bit: int) -> IndexedRule | None:
        lower, limit = self.lowering.two_valued, MAX_CONJUNCTIONS
        when = conjunctions(rule.when, lower, limit)
        exceptions = [conjunctions(e, lower, limit) for e in rule.exceptions]
        if when is None or any(exception is None for exception in exceptions):
            return None
        return IndexedRule(bit, when, tuple(c for e in exceptions if e for c in e), _context(rule))

    def _write_index(self, indexed: Mapping[int, IndexedRule]) -> None:
        if not indexed:
            return
        self.has_index = True
        index = PredicateIndex(list(indexed.values()), len(self.event.rules), self.event.models)
        alone = not self.branches.lines
        self.branches.lines += index.lines(self.lowering.names.bind, self.masking)
        # An operation less on long integers where nothing else has fired, or nothing is missing.
        self.branches.lines += (
            ["m = n", "if n is not i: u |= i ^ n"] if alone else ["m |= n", "u |= i ^ n"]
        )

    def _write_points(self, indexed: Mapping[int, IndexedRule]) -> None:
        """What indexed rules add; the others' code adds by itself."""
        live = -1 if self.fixed is None else self.fixed.live
        for counter, chosen in (("p", live), ("q", ~live)):
            rules = {1 << i: self.event.rules[i] for i in indexed if chosen >> i & 1}
            paid = Paid(
                {bit: rule.then.points for bit, rule in rules.items() if rule.then.points},
                {bit: rule.unknown.points for bit, rule in rules.items()
                 if rule.unknown is not None and rule.unknown.points},
            )  # fmt: skip
            self.branches.lines += self._paid(counter, paid)

    def _paid(self, counter: str, paid: Paid) -> Iterator[str]:
        bind = self.lowering.names.bind
        fired, unknown = f"m & {bind(paid.fired)}", f"u & {bind(paid.unknown)}"
        if not (paid.fired or paid.unknown):
            return
        add = bind(paid.add)
        yield f"if {fired} or {unknown}:"
        if self.fixed is not None:
            yield f" {counter} += {add}({fired}, {unknown})"
        else:
            yield f" p += {add}({fired} & L, {unknown} & L)"
            yield f" q += {add}({fired} & ~L, {unknown} & ~L)"

    def _points_read(self, bit: int) -> str:
        if self.fixed is None:
            return f"(p if L & {bit} else r)"
        return "p" if self.fixed.live & bit else "r"

    def _effect(self, mask: str, bit: int, rule: Rule, actions: Actions | None) -> Effect:
        points = 0 if actions is None or rule.reads_points else actions.points
        if not points:
            return Effect(bits=((mask, bit),))
        if self.fixed is not None:
            counter = "p" if self.fixed.live & bit else "q"
            return Effect(bits=((mask, bit),), points=((counter, points),))
        lines = f"if L & {bit}: p += {points}", f"elif A & {bit}: q += {points}"
        return Effect(bits=((mask, bit),), lines=lines)

    # --- models ---

    def write_use(self) -> None:
        """Collect the models that are outside their use."""
        for bit, use_when in self.authority.use_conditions:
            used = simplify(self.lowering.condition(use_when, True, "a").sure, NO_FACTS)
            self.use.append(f"if {render(negate(used))}: o |= {bit}")
        if self.use:
            self.use.insert(0, "o = 0")

    # --- source ---

    def function(
        self, parameters: list[str], after: list[str], wants_containers: bool = False
    ) -> _Generated:
        """The function, compiled. Its text holds no name and no text that an author wrote."""
        list_names = tuple(self.lowering.list_names)
        use = [*self.lowering.preparation("\n".join(self.use)), *self.use]
        rules = self.lowering.state_certain(self.branches.lines)
        rules = [*self.lowering.preparation("\n".join(rules)), *rules]
        text = "\n".join((*use, *rules))
        lines = [*self.before, *self._first(text, list_names, wants_containers)]
        lines += [*use, *rules, *after]
        body = "\n".join(f" {line}" for line in lines)
        source = f"def run({', '.join(parameters)}):\n{body}\n"
        values: dict[str, Any] = {"__builtins__": {}, **self.lowering.names.values}
        exec(compile(source, "<generated from rules>", "exec"), values)  # noqa: S102
        return _Generated(values["run"], list_names, source)

    def _first(
        self, text: str, list_names: tuple[str, ...], wants_containers: bool
    ) -> Iterator[str]:
        """Put what the rules read into locals."""
        yield from _unpacked(text, len(self.event.inputs))
        if list_names:
            lists = "lists"
            if wants_containers:
                bind = self.lowering.names.bind
                lists = f"{bind(_containers)}({bind(list_names)}, lists)"
            yield f"{_targets('l', len(list_names))} = {lists}"
        if self.masking:
            for prefix, flags in (("a", "ordinary"), ("b", "relaxing"), ("e", "exempting")):
                yield f"{_targets(prefix, len(self.event.models))} = {flags}"
        yield "m = u = s = 0" if self.masking else "m = u = s = q = p = 0"
        if self.masking:
            yield "p = base"
            yield "q = watched"


def _targets(prefix: str, count: int) -> str:
    return "".join(f"{prefix}{index}, " for index in range(count)).strip()


def _containers(names: tuple[str, ...], lists: Lists) -> tuple[object, ...]:
    contents = (lists.get(name) for name in names)
    return tuple(None if content is None else container(content) for content in contents)


def _context(rule: Rule) -> Context:
    if rule.then.points < 0:
        return "b"
    return "e" if asks_exempt(rule.then) else "a"


def _unpacked(text: str, count: int) -> Iterator[str]:
    """Statements that put the values that are read into locals."""
    read = {int(name) for name in _INPUT_NAMES.findall(text)}
    if not read:
        return
    if len(read) * 4 < count:
        yield from (f"v{slot} = values[{slot}]" for slot in sorted(read))
    else:
        names = (f"v{slot}" if slot in read else "_" for slot in range(count))
        yield f"{', '.join(names)}, = values"
