"""The meaning of a policy, as a walk over its typed program. This file is the specification.

It is obvious rather than fast: the compiled evaluators are tested against it, value by value and
row by row. Three ideas carry it:

- a value is there or `Missing` with a reason; conditions follow strong Kleene logic, where a
  missing flag is *unknown*;
- an *atom* is a condition that is neither `and`, `or`, `not` nor a let of these. `not` is pushed
  inwards to the atoms, and an atom that reads a masked score is false in both polarities;
- rules that add points are evaluated first, rules that read points after them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from tidegate.dsl.lists import Lists
from tidegate.dsl.program import (
    Actions,
    And,
    Arithmetic,
    Call,
    Case,
    Compare,
    Constant,
    Expression,
    InList,
    InNetworks,
    Input,
    InSet,
    IsMissing,
    LetRef,
    Model,
    Negate,
    Not,
    Or,
    Otherwise,
    PointsAtLeast,
    Program,
    Rule,
    TextTest,
)
from tidegate.dsl.types import Value
from tidegate.engine.arithmetic import divide, fit, multiply
from tidegate.engine.functions import MISSING_REASONS, TEXT_TESTS, call
from tidegate.engine.situation import OWN_ACTS, Evaluation, Situation, Standing
from tidegate.engine.standing import standing

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that is not there, and why: `absent` or the input's own reason, `overflow`,
    `division_by_zero`, `not_found`, `unreadable_list`, `case_unknown`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reader:
    """What the leaves of an expression are looked up in: the values of one event, by name.

    A name without a value is missing. `points` is what `points >= N` reads.
    """

    values: Mapping[str, Value | None]
    lists: Lists = field(default_factory=dict)
    points: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)


def reader_of(situation: Situation, points: int = 0) -> Reader:
    """The reader of a deciding event."""
    names = [entry.name for entry in situation.event.inputs]
    values = dict(zip(names, situation.values, strict=True))
    return Reader(values, situation.lists, points, situation.reasons)


def value_of(expression: Expression, reader: Reader) -> Value | None:
    """The value of `expression`; None where it is missing, for a condition where it is unknown."""
    value = _value(expression, reader)
    return None if isinstance(value, Missing) else value


def explain_value(expression: Expression, situation: Situation, points: int = 0) -> Value | Missing:
    """The value of `expression` for this event, or why it is missing."""
    return _value(expression, reader_of(situation, points))


def truth(
    condition: Expression, reader: Reader, masked: frozenset[str] = NOBODY, positive: bool = True
) -> bool | None:
    """Whether `condition` (or where not `positive`, its negation) holds; None is unknown."""
    holds = _truth(condition, reader, masked, positive)
    return None if isinstance(holds, Missing) else holds


# --- values ------------------------------------------------------------------------------------


def _value(expression: Expression, reader: Reader) -> Value | Missing:
    return _MEANING.get(type(expression), _strict)(expression, reader)


def _constant(expression: Constant, _reader: Reader) -> Value:
    return expression.value


def _input(expression: Input, reader: Reader) -> Value | Missing:
    name = expression.name
    value = reader.values.get(name)
    return Missing(reader.reasons.get(name, "absent")) if value is None else value


def _let(expression: LetRef, reader: Reader) -> Value | Missing:
    return _value(expression.body, reader)


def _condition(expression: Expression, reader: Reader) -> bool | Missing:
    return _truth(expression, reader, NOBODY, True)


def _points_reached(expression: PointsAtLeast, reader: Reader) -> bool:
    return reader.points >= expression.threshold


def _is_missing(expression: IsMissing, reader: Reader) -> bool:
    return isinstance(_value(expression.operand, reader), Missing)


def _otherwise(expression: Otherwise, reader: Reader) -> Value | Missing:
    first = _value(expression.left, reader)
    return _value(expression.right, reader) if isinstance(first, Missing) else first


def _case(expression: Case, reader: Reader) -> Value | Missing:
    for condition, value in expression.branches:
        holds = _value(condition, reader)
        if isinstance(holds, Missing):
            return Missing("case_unknown")
        if holds:
            return _value(value, reader)
    return _value(expression.default, reader)


_MEANING: Mapping[type[Expression], Callable[[Any, Reader], Value | Missing]] = {
    Constant: _constant,
    Input: _input,
    LetRef: _let,
    And: _condition,
    Or: _condition,
    Not: _condition,
    PointsAtLeast: _points_reached,
    IsMissing: _is_missing,
    Otherwise: _otherwise,
    Case: _case,
}


def _strict(expression: Expression, reader: Reader) -> Value | Missing:
    """Expressions that are missing as soon as one operand is, for the first one's reason."""
    operands: list[Any] = []
    for operand in _operands(expression):
        value = _value(operand, reader)
        if isinstance(value, Missing):
            return value
        operands.append(value)
    match expression:
        case Compare(op=op):
            return _RELATIONS[op](*operands)
        case InSet(values=values):
            return operands[0] in values
        case InList(list=name):
            content = reader.lists.get(name)
            return Missing("unreadable_list") if content is None else operands[0] in content
        case InNetworks(ranges=ranges):
            return any(low <= operands[0] <= high for low, high in ranges)
        case TextTest(op=op, pattern=pattern):
            return TEXT_TESTS[op](operands[0], pattern)
        case Arithmetic():
            return _arithmetic(expression, *operands)
        case Negate():
            return _fitted(-operands[0], expression)
        case Call():
            return _call(expression, tuple(operands))
    raise TypeError(f"no meaning for {type(expression).__name__}")


def _operands(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case Compare() | Arithmetic():
            return expression.left, expression.right
        case Negate() | InSet() | InList() | InNetworks() | TextTest():
            return (expression.operand,)
        case Call():
            return expression.arguments
    return ()


_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _arithmetic(expression: Arithmetic, left: int, right: int) -> int | Missing:
    match expression.op:
        case "+":
            return _fitted(left + right, expression)
        case "-":
            return _fitted(left - right, expression)
        case "*":
            return _fitted(multiply(left, right, expression.down), expression)
        case "/":
            quotient = divide(left, right, expression.up)
            if quotient is None:
                return Missing("division_by_zero")
            return _fitted(quotient, expression)


def _call(expression: Call, arguments: tuple[Value, ...]) -> Value | Missing:
    value = call(expression.function, arguments, expression.zone, expression.places)
    return Missing(MISSING_REASONS[expression.function]) if value is None else value


def _fitted(value: int, expression: Expression) -> int | Missing:
    fitted = fit(value, expression.type.kind)
    return Missing("overflow") if fitted is None else fitted


# --- conditions --------------------------------------------------------------------------------


def _truth(
    condition: Expression, reader: Reader, masked: frozenset[str], positive: bool
) -> bool | Missing:
    if isinstance(condition, And):
        return _joined(condition.items, reader, masked, positive, decisive=not positive)
    if isinstance(condition, Or):
        return _joined(condition.items, reader, masked, positive, decisive=positive)
    if isinstance(condition, Not):
        return _truth(condition.operand, reader, masked, not positive)
    if isinstance(condition, LetRef):
        return _truth(condition.body, reader, masked, positive)
    if masked and condition.models & masked:
        return False
    value = _value(condition, reader)
    return value if isinstance(value, Missing) else value == positive


def _joined(
    items: Iterable[Expression],
    reader: Reader,
    masked: frozenset[str],
    positive: bool,
    decisive: bool,
) -> bool | Missing:
    """One `decisive` item decides; else the first unknown one does; else the other truth value."""
    unknown = None
    for item in items:
        part = _truth(item, reader, masked, positive)
        if part is decisive:
            return decisive
        if unknown is None and isinstance(part, Missing):
            unknown = part
    return (not decisive) if unknown is None else unknown


AtomState = bool | None | Literal["masked"]


def atoms_of(condition: Expression) -> Iterator[Expression]:
    """The atoms of a condition, in the order in which they stand."""
    match condition:
        case And(items=items) | Or(items=items):
            for item in items:
                yield from atoms_of(item)
        case Not(operand=operand):
            yield from atoms_of(operand)
        case LetRef(body=body):
            yield from atoms_of(body)
        case _:
            yield condition


def condition_states(
    condition: Expression, reader: Reader, masked: frozenset[str] = NOBODY
) -> tuple[tuple[Expression, AtomState], ...]:
    """Each atom with its own truth (whatever `not` stands around it), None, or `masked`."""
    return tuple((atom, _state(atom, reader, masked)) for atom in atoms_of(condition))


def _state(atom: Expression, reader: Reader, masked: frozenset[str]) -> AtomState:
    return "masked" if atom.models & masked else cast(bool | None, value_of(atom, reader))


def atom_states(
    rule: Rule, situation: Situation, masked: frozenset[str] = NOBODY, points: int = 0
) -> tuple[tuple[Expression, AtomState], ...]:
    """The atoms of the rule's `when`; `condition_states` does the same for an exception."""
    return condition_states(rule.when, reader_of(situation, points), masked)


# --- models ------------------------------------------------------------------------------------


def used_here(program: Program, situation: Situation) -> tuple[Model, ...]:
    """The models whose `use` covers this event, whether or not they answered."""
    reader = reader_of(situation)
    models = (program.model(name) for name in situation.event.models)
    return tuple(m for m in models if m.use_when is None or truth(m.use_when, reader))


def masked_everywhere(program: Program, situation: Situation) -> frozenset[str]:
    """The models whose score is read nowhere: outside their use, or without a score."""
    answered = {m.name for m in used_here(program, situation) if is_ok(m.name, situation)}
    return frozenset(situation.event.models) - answered


def is_ok(model: str, situation: Situation) -> bool:
    """Whether the model gave a score for this event."""
    return situation.statuses.get(model) == "ok"


@dataclass(frozen=True, slots=True)
class Masks:
    """What a rule does not read, by what the rule and the condition are for."""

    ordinary: frozenset[str]
    relaxing: frozenset[str]
    exempting: frozenset[str]

    def for_rule(self, rule: Rule) -> frozenset[str]:
        """The models masked in the rule's `when`; for its exceptions `relaxing` holds."""
        if rule.then.points < 0:
            return self.relaxing
        return self.exempting if asks_exempt(rule.then) else self.ordinary


def asks_exempt(actions: Actions) -> bool:
    """Whether an exemption is asked for."""
    return any(ask.ladder == "authentication" and ask.rung == 0 for ask in actions.asks)


def masks(program: Program, situation: Situation, clamped: frozenset[str] = NOBODY) -> Masks:
    """What each sort of condition does not read in the evaluation that clamps these models."""
    everywhere = masked_everywhere(program, situation)
    return Masks(
        everywhere | clamped,
        everywhere | {name for name in clamped if "relax" not in program.model(name).may},
        everywhere | {name for name in clamped if "exempt" not in program.model(name).may},
    )


# --- rules -------------------------------------------------------------------------------------


def evaluate(
    program: Program, situation: Situation, clamped: frozenset[str] = NOBODY
) -> Evaluation:
    """What all rules of the event say while the scores of `clamped` are masked."""
    return evaluate_as(program, situation, clamped, standing(situation.event, situation))


def evaluate_as(
    program: Program, situation: Situation, clamped: frozenset[str], stand: Standing
) -> Evaluation:
    """The same for rules that stand as given, whatever their status clauses say."""
    rules, hidden = situation.event.rules, masks(program, situation, clamped)
    active = [i for i in range(len(rules)) if (stand.live | stand.shadow) >> i & 1]
    reader = reader_of(situation)
    found = {i: rule_state(rules[i], reader, hidden) for i in active if not rules[i].reads_points}
    live, watched = points_of_models(program, situation, clamped)
    points = live + (watched if stand.everyone else 0) + _points(rules, found, stand.live)
    all_points = live + watched + _points(rules, found, stand.live | stand.shadow)
    for i in active:
        if rules[i].reads_points:
            read = points if stand.live >> i & 1 else all_points
            found[i] = rule_state(rules[i], reader_of(situation, read), hidden)
    bits = {state: sum(1 << i for i in found if found[i] == state) for state in set(found.values())}
    return Evaluation(
        bits.get("fired", 0), bits.get("unknown", 0), bits.get("silenced", 0), points, all_points
    )


Found = Literal["fired", "unknown", "silenced", "no"]


def rule_state(rule: Rule, reader: Reader, hidden: Masks) -> Found:
    """What one rule says, whether or not it acts."""
    holds = truth(rule.when, reader, hidden.for_rule(rule))
    if holds is False:
        return "no"
    # An unknown exception does not silence: unknown never relaxes.
    if any(truth(exception, reader, hidden.relaxing) for exception in rule.exceptions):
        return "silenced"
    return "fired" if holds else "unknown"


def _points(rules: tuple[Rule, ...], found: Mapping[int, Found], bits: int) -> int:
    return sum(actions_of(rules[i], found[i]).points for i in found if bits >> i & 1)


def actions_of(rule: Rule, found: Found) -> Actions:
    """What the rule does in this state."""
    if found == "fired":
        return rule.then
    return (rule.unknown or Actions()) if found == "unknown" else Actions()


def points_of_models(
    program: Program, situation: Situation, clamped: frozenset[str]
) -> tuple[int, int]:
    """What absent models add, those that are live and those in the shadow.

    An abstention and an answer that is none are the model's own acts, so they are clamped; an
    outage is not.
    """
    absent = [
        model
        for model in used_here(program, situation)
        if not is_ok(model.name, situation)
        and not (situation.statuses.get(model.name) in OWN_ACTS and model.name in clamped)
    ]
    live = sum(model.unavailable.points for model in absent if not model.shadow)
    return live, sum(model.unavailable.points for model in absent if model.shadow)
