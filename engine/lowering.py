"""From typed expressions to Python expressions: values that may be missing, and two-valued tests.

A value becomes `Code`: a Python expression, and the literals that have to hold before it may be
evaluated (its inputs are there, a divisor is not zero, a result fits). Missing is never computed
with; a comparison is *sure* where all of these hold and it is true, *possible* where one does not.

Names in the generated code are the lowering's own: `v3` is the input in slot 3, `l0` a list that is
looked up at each decision, `k5` a constant or a helper, `t7` a value worked out once for several
rules when the first needs it, `w4` one that a single place needs twice. What an author wrote stands
in constants only, so that no text of a policy ever becomes code.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal as Word

from tidegate.dsl.lists import ListContent, Lists, of_ranges
from tidegate.dsl.patterns import matcher
from tidegate.dsl.program import (
    And,
    Arithmetic,
    Call,
    Case,
    Compare,
    Constant,
    EventType,
    Expression,
    InList,
    InNetworks,
    Input,
    InSet,
    IsMissing,
    LetRef,
    Negate,
    Not,
    Or,
    Otherwise,
    PointsAtLeast,
    Program,
    TextTest,
)
from tidegate.dsl.shapes import lower, upper
from tidegate.dsl.types import (
    ANY_INT64,
    INT64_MIN,
    INTEGER_KINDS,
    TIME_MAX_US,
    TIME_MIN_US,
    Bounds,
    Kind,
    Value,
)
from tidegate.dsl.zones import DAY_US, Zone
from tidegate.engine import functions
from tidegate.engine.arithmetic import divide_half_even
from tidegate.engine.formulas import (
    NO_FACTS,
    Among,
    AtLeast,
    Formula,
    Literal,
    Test,
    all_of,
    negate,
    render,
    simplify,
    size,
    some_of,
)
from tidegate.engine.great_circle import distance
from tidegate.engine.subexpressions import Keys, children, is_calendar, look_through

Context = Word["a", "b", "e"]
"""What a condition is for, by the prefix of its models' flags: ordinary, relaxing, exempting."""

LEAF_SIZE = 12
"""A flag let that several rules read is spelled out in each of them up to this many tests."""
LONELY_LEAF_SIZE = 48
SHARED_COST = 3
"""From this cost on a value that is read in several places is worked out once."""
MAX_NESTING = 40
"""Parentheses; CPython's parser gives up at 200."""
MAX_LENGTH = 600
"""What is spelled out longer becomes a statement of its own, worked out for each event."""
_TEMPORARY_NAMES = re.compile(r"\bt\d+\b")
SPELLED_RANGES = 4
CELL_BITS = 40
"""Twelve days: one cell in fifteen has a change of clocks, and is searched."""

_CALENDAR = {"hour": (3_600_000_000, 24), "minute": (60_000_000, 60)}
_TIME_SPAN = Bounds(TIME_MIN_US, TIME_MAX_US)


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression for a value; `presence` has to hold before it is evaluated."""

    text: str
    presence: tuple[Literal, ...] = ()
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Truth:
    """A condition as two formulas: it is true, and it is not false."""

    sure: Formula
    possible: Formula


class Names:
    """The constants and helpers that generated code refers to."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {"abs": abs, "len": len, "min": min, "max": max}
        self._known: dict[object, str] = {}

    def bind(self, value: object) -> str:
        """The name of a constant."""
        key = (type(value), value if isinstance(value, str | int | frozenset) else id(value))
        if key not in self._known:
            self._known[key] = f"k{len(self._known)}"
            self.values[self._known[key]] = value
        return self._known[key]


class Lowering:
    """Lowers the expressions of one event.

    Where `masking`, every atom is guarded by a flag for each model it depends on; elsewhere every
    score is there. `lists` are the contents that never change; other lists are parameters.
    """

    def __init__(self, program: Program, event: EventType, lists: Lists, masking: bool) -> None:
        self.event = event
        self.names = Names()
        self.points = "p"
        self.list_names: list[str] = []
        self._shared: dict[str, tuple[str, str]] = {}
        self.statements: list[tuple[str, str]] = []
        """Names, and what is worked out for them before any rule is looked at."""
        self._masking = masking
        self._inside_a_value = False
        self._lists = {d.name: lists.get(d.name) for d in program.lists if d.path}
        self._slots = {entry.name: slot for slot, entry in enumerate(event.inputs)}
        self._scores = [(s, entry.models) for s, entry in enumerate(event.inputs) if entry.models]
        self._models = {name: index for index, name in enumerate(event.models)}
        self._tests: dict[str, Test] = {}
        self._temporaries = 0
        self._codes: dict[int, Code] = {}
        self._truths: dict[tuple[int, bool, str, str], Truth] = {}
        self._keys = Keys()
        self._uses: Counter[int] = Counter()
        self._count_uses()
        for let in event.lets:
            # Lowered in their order, so that no chain of lets is walked in one go.
            self._condition_or_value(let)

    def _count_uses(self) -> None:
        for let in self.event.lets:
            self._keys.of(let)
        for rule in self.event.rules:
            for root in (rule.when, *rule.exceptions):
                self._visit(root)

    def _visit(self, root: Expression) -> None:
        waiting = [root]
        while waiting:
            expression = waiting.pop()
            key = self._keys.of(expression)
            self._uses[key] += 1
            if is_calendar(expression):
                self._uses[self._keys.of_local_time(expression)] += 1
            if self._uses[key] == 1:
                waiting.extend(children(expression))

    def _condition_or_value(self, let: LetRef) -> None:
        if let.type.kind is not Kind.FLAG:
            self.value(let)
            return
        contexts: tuple[Context, ...] = ("a", "b", "e") if self._masking else ("a",)
        for context in contexts:
            self.condition(let, True, context)
            self.condition(let, False, context)

    def state_certain(self, lines: list[str]) -> list[str]:
        """The lines, with shared values that every event needs worked out once beforehand."""
        for whole, (name, text) in self._shared.items():
            needed = any(line.startswith(f"if {whole}") for line in lines)
            if needed and not any(whole in value for _, value in self.statements):
                self.statements.append((name, text))
                lines = [line.replace(whole, name) for line in lines]
        return lines

    def preparation(self, code: str) -> list[str]:
        """What has to run before `code`: shared values not yet worked out, then the statements."""
        needed: list[str] = []
        names = set(_TEMPORARY_NAMES.findall(code))
        for name, value in reversed(self.statements):
            if name in names:
                needed.append(f"{name} = {value}")
                names.update(_TEMPORARY_NAMES.findall(value))
        names.difference_update(name for name, _ in self.statements)
        unset = " = ".join(sorted(names, key=lambda name: int(name[1:])))
        return [*([f"{unset} = ..."] if unset else []), *reversed(needed)]

    # --- tests ---

    def _test(
        self,
        text: str,
        opposite: str,
        cost: int,
        of: Expression | None,
        *,
        needs: Iterable[Literal] = (),
        meaning: AtLeast | Among | None = None,
        share: float = 0.5,
        is_split: bool = False,
    ) -> Literal:
        known = self._tests.get(text)
        if known is None:
            known = self._tests[text] = Test(
                text,
                opposite,
                cost,
                needs=tuple(needs),
                meaning=meaning,
                share=share,
                is_split=is_split,
                is_free=not (self._masking and of is not None and of.models),
            )
        return known.yes

    def _flag(self, context: Context, model: str) -> Literal:
        name = f"{context}{self._models[model]}"
        return self._test(name, f"not {name}", 0, None, share=0.9)

    def _at_least(self, code: Code, least: int, of: Expression) -> Formula:
        text = f"{code.text} >= {least}"
        return self._test(
            text,
            f"{code.text} < {least}",
            code.cost,
            of,
            needs=code.presence,
            meaning=AtLeast(code.text, least),
            share=_share_above(of, least),
        )

    def _name(self, shared: bool) -> str:
        self._temporaries += 1
        return f"{'t' if shared else 'w'}{self._temporaries}"

    def _assigned(self, name: str, text: str) -> str:
        """An expression that works `text` out, at most once where the name is shared."""
        if not name.startswith("t"):
            return f"({name} := {text})"
        whole = f"({name} if {name} is not ... else ({name} := {text}))"
        self._shared[whole] = name, text
        return whole

    def _nullable(self, text: str, of: Expression, cost: int, needs: tuple[Literal, ...]) -> Code:
        """The code of an expression whose Python value is None where it is missing."""
        name = self._name(self._is_shared(of))
        assigned = self._assigned(name, text)
        there = self._test(f"{assigned} is not None", f"{assigned} is None", cost, of, needs=needs)
        return Code(name, (*needs, there))

    def _within(self, code: Code, span: Bounds, of: Expression) -> Code:
        """The code of a value that is missing outside `span`."""
        name = self._name(self._is_shared(of))
        test = f"{span.low} <= {self._assigned(name, code.text)} <= {span.high}"
        fits = self._test(test, f"not {test}", code.cost, of, needs=code.presence, share=0.99)
        return Code(name, (*code.presence, fits))

    def _is_shared(self, expression: Expression) -> bool:
        return self._uses[self._keys.of(expression)] > 1

    # --- values ---

    def value(self, expression: Expression) -> Code:
        """The code of a value."""
        key = self._keys.of(expression)
        known = self._codes.get(key)
        if known is None:
            known = self._codes[key] = self._finished(self._value(expression), expression)
        return known

    def _finished(self, code: Code, of: Expression) -> Code:
        if _is_long((code.text, *(literal.text for literal in code.presence))):
            return self._stated(code, of)
        if code.cost >= SHARED_COST and self._is_shared(of):
            return Code(self._assigned(self._name(True), code.text), code.presence, 2)
        return code

    def _stated(self, code: Code, of: Expression) -> Code:
        """The code of a value that a statement works out beforehand."""
        name = self._state(_or_none(code), of.models)
        if not code.presence:
            return Code(name)
        return Code(name, (self._test(f"{name} is not None", f"{name} is None", 1, of),))

    def _state(self, text: str, models: Iterable[str]) -> str:
        """The name of what a statement works out; None where a score that it reads is not there.

        A statement stands before any test of what is masked.
        """
        read = frozenset(models)
        scores = [f"v{slot} is not None" for slot, owners in self._scores if owners & read]
        if self._masking and scores:
            text = f"({text} if {' and '.join(scores)} else None)"
        name = self._name(True)
        self.statements.append((name, text))
        return name

    def _value(self, expression: Expression) -> Code:
        match expression:
            case Constant(value=value):
                return Code(self._constant(value))
            case Input(name=name):
                return self._input(expression, self._slots[name])
            case LetRef(body=body) if body.type.kind is not Kind.FLAG:
                return self.value(body)
            case Arithmetic():
                return self._arithmetic(expression)
            case Negate(operand=operand):
                code = self.value(operand)
                opposite = Code(f"(-{code.text})", code.presence, code.cost + 1)
                return self._fitted(opposite, _mirrored(_bounds(operand)), expression)
            case Call():
                return self._call(expression)
            case Otherwise():
                return self._otherwise(expression)
            case Case():
                return self._case(expression)
            case _:
                return self._flag_value(expression)

    def _constant(self, value: Value) -> str:
        if isinstance(value, str):
            return self.names.bind(value)
        return repr(value) if value >= 0 else f"({value!r})"

    def _input(self, expression: Input, slot: int) -> Code:
        name = f"v{slot}"
        if not expression.can_be_missing:
            return Code(name)
        there = self._test(
            f"{name} is not None", f"{name} is None", 1, expression, share=0.85, is_split=True
        )
        return Code(name, (there,))

    def _arithmetic(self, expression: Arithmetic) -> Code:
        left, right = self.value(expression.left), self.value(expression.right)
        presence = _merged(left.presence, right.presence)
        cost = left.cost + right.cost + 1
        if expression.op == "/":
            presence = _merged(presence, self._divisible(expression, right))
            text = self._half_even(_scaled(left.text, expression.up), right.text)
            cost += 5
        elif expression.down != 1:
            text = self._half_even_by(f"{left.text} * {right.text}", expression.down)
            cost += 3
        else:
            text = f"({left.text} {expression.op} {right.text})"
        return self._fitted(Code(text, presence, cost), _result_bounds(expression), expression)

    def _divisible(self, expression: Arithmetic, right: Code) -> tuple[Literal, ...]:
        bounds = _bounds(expression.right)
        if bounds.low > 0 or bounds.high < 0:
            return ()
        name = right.text
        test = self._test(
            f"{name} != 0",
            f"{name} == 0",
            right.cost,
            expression.right,
            needs=right.presence,
            share=0.95,
        )
        return (test,)

    def _half_even(self, dividend: str, divisor: str) -> str:
        return f"{self.names.bind(divide_half_even)}({dividend}, {divisor})"

    def _half_even_by(self, dividend: str, divisor: int) -> str:
        """The dividend over a known divisor, rounded half to even without a call."""
        half = divisor // 2
        if divisor % 2:
            return f"(({dividend} + {half}) // {divisor})"
        # A tie goes up from an odd quotient: then the sum reaches the next multiple.
        name = self._name(False)
        whole = f"({name} := {dividend})"
        return f"(({whole} + ({name} // {divisor} & 1) + {half - 1}) // {divisor})"

    def _fitted(self, code: Code, result: Bounds, of: Expression) -> Code:
        span = _TIME_SPAN if of.type.kind is Kind.TIME else ANY_INT64
        if span.low <= result.low and result.high <= span.high:
            return code
        return self._within(code, span, of)

    def _otherwise(self, expression: Otherwise) -> Code:
        left, right = self.value(expression.left), self.value(expression.right)
        if not left.presence:
            return left
        cost = left.cost + right.cost + len(left.presence)
        text = f"({left.text} if {_conjunction(left.presence)} else {_or_none(right)})"
        if not right.presence:
            return Code(text, (), cost)
        return self._nullable(text, expression, cost, ())

    def _case(self, expression: Case) -> Code:
        can_miss = False
        parts, cost = [], 1
        for condition, result in expression.branches:
            truth, code = self._inner(condition), self.value(result)
            parts.append(f"{_or_none(code)} if {render(truth.sure)} else ")
            cost += code.cost + size(truth.sure)
            can_miss |= bool(code.presence)
            if truth.sure != truth.possible:
                parts.append(f"None if {render(truth.possible)} else ")
                can_miss = True
        default = self.value(expression.default)
        text = f"({''.join(parts)}{_or_none(default)})"
        if can_miss or default.presence:
            return self._nullable(text, expression, cost + default.cost, ())
        return Code(text, (), cost + default.cost)

    def _inner(self, condition: Expression) -> Truth:
        """A condition inside a value: what it reads is not masked, or nobody would get here."""
        outer, self._inside_a_value = self._inside_a_value, True
        truth = self.condition(condition, True, "a")
        self._inside_a_value = outer
        return Truth(simplify(truth.sure, NO_FACTS), simplify(truth.possible, NO_FACTS))

    def _flag_value(self, expression: Expression) -> Code:
        truth = self._inner(expression)
        sure = render(truth.sure)
        cost = size(truth.sure)
        if truth.sure == truth.possible:
            return Code(f"({sure})", (), cost)
        text = f"(True if {sure} else None if {render(truth.possible)} else False)"
        return self._nullable(text, expression, cost + size(truth.possible), ())

    # --- functions ---

    def _call(self, expression: Call) -> Code:
        codes = [self.value(argument) for argument in expression.arguments]
        presence = _merged(*(code.presence for code in codes))
        cost = sum(code.cost for code in codes)
        texts = [code.text for code in codes]
        if is_calendar(expression):
            return Code(self._calendar(expression, texts[0]), presence, cost + 4)
        match expression.function:
            case "days_since":
                return Code(f"(({texts[1]} - {texts[0]}) // {DAY_US})", presence, cost + 2)
            case "min" | "max" | "abs" if not self._overflows(expression):
                return Code(f"{expression.function}({', '.join(texts)})", presence, cost + 3)
            case "length":
                return Code(f"len({texts[0]})", presence, cost + 2)
            case "lower" | "upper":
                change = lower if expression.function == "lower" else upper
                return Code(self._helper(change, texts), presence, cost + 4)
            case "modulo" if not expression.can_fail:
                return Code(f"({texts[0]} % {texts[1]})", presence, cost + 2)
            case "distance" if not expression.can_fail:
                return Code(self._helper(distance, texts), presence, cost + 40)
        text = self._helper(*_nullable_helper(expression, texts))
        return self._nullable(text, expression, cost + 4, presence)

    def _overflows(self, expression: Call) -> bool:
        return expression.function == "abs" and _bounds(expression.arguments[0]).low == INT64_MIN

    def _helper(self, function: Callable[..., object], arguments: list[str]) -> str:
        return f"{self.names.bind(function)}({', '.join(arguments)})"

    def _calendar(self, expression: Call, time: str) -> str:
        zone = functions.zone_named(expression.zone)
        if expression.function in _CALENDAR or expression.function == "weekday":
            local = self._local_time(expression, time)
            if expression.function == "weekday":
                return f"(({local} // {DAY_US} + 3) % 7 + 1)"
            unit, modulus = _CALENDAR[expression.function]
            return f"({local} // {unit} % {modulus})"
        helper = {
            "day": functions.day,
            "month": functions.month,
            "date": functions.day_start_us,
        }[expression.function]
        return f"{self.names.bind(helper)}({time}, {self.names.bind(zone)})"

    def _local_time(self, expression: Call, time: str) -> str:
        zone = functions.zone_named(expression.zone)
        if len(zone.offsets_us) == 1:
            return f"({time} + {zone.offsets_us[0]})"
        bind = self.names.bind
        if _bounds(expression.arguments[0]).low < 0:
            # Before 1970 the first offset stands; that is for computed times alone.
            return f"({time} + {bind(zone.offset_us)}({time}))"
        starts, offsets, cells = map(bind, (zone.starts_us, zone.offsets_us, _cells(zone)))
        guess = self._name(False)
        # The time is not below the first start, which is 0.
        exact = f"{offsets}[{bind(bisect_right)}({starts}, {time}) - 1]"
        cell = f"({guess} := {cells}[{time} >> {CELL_BITS}])"
        text = f"({time} + ({exact} if {cell} is None else {guess}))"
        key = self._keys.of_local_time(expression)
        if self._uses[key] < 2:
            return text
        if key not in self._codes:
            self._codes[key] = Code(self._assigned(self._name(True), text))
        return self._codes[key].text

    # --- conditions ---

    @property
    def _is_guarded(self) -> bool:
        return self._masking and not self._inside_a_value

    def condition(self, expression: Expression, positive: bool, context: Context) -> Truth:
        """Whether the condition holds, or where not `positive`, its negation."""
        key = (
            self._keys.of(expression),
            positive,
            context if self._is_guarded else "",
            self.points,
        )
        known = self._truths.get(key)
        if known is None:
            known = self._truths[key] = self._condition(expression, positive, context)
        return known

    def _condition(self, expression: Expression, positive: bool, context: Context) -> Truth:
        match expression:
            case And(items=items) | Or(items=items):
                truths = [self.condition(item, positive, context) for item in items]
                join = all_of if isinstance(expression, And) == positive else some_of
                return Truth(join(t.sure for t in truths), join(t.possible for t in truths))
            case Not(operand=operand):
                return self.condition(operand, not positive, context)
            case LetRef(body=body):
                return self._leaf(self.condition(body, positive, context), expression)
        truth = self._atom(expression, positive)
        if self._is_guarded and expression.models:
            flags = tuple(self._flag(context, model) for model in sorted(expression.models))
            return Truth(all_of((*flags, truth.sure)), all_of((*flags, truth.possible)))
        return truth

    def _leaf(self, truth: Truth, let: LetRef) -> Truth:
        """A large condition as one test, so that rules do not grow with every let they read."""
        shared = self._is_shared(let)
        if size(truth.possible) <= (LEAF_SIZE if shared else LONELY_LEAF_SIZE):
            return truth
        sure = self._as_test(truth.sure, let)
        same = truth.sure == truth.possible
        return Truth(sure, sure if same else self._as_test(truth.possible, let))

    def _as_test(self, formula: Formula, of: LetRef) -> Formula:
        simple = simplify(formula, NO_FACTS)
        if isinstance(simple, bool | Literal):
            return simple
        text = render(simple)
        if _is_long((text,)):
            # Where atoms are guarded by flags, the statement says what holds whatever is masked.
            name = self._state(text, () if self._is_guarded else of.models)
            return self._test(name, f"not {name}", 1, None)
        text = self._assigned(self._name(True), text)
        return self._test(text, f"not {text}", size(simple), None)

    def _atom(self, expression: Expression, positive: bool) -> Truth:
        presence, holds = self.two_valued(expression)
        wanted = holds if positive else negate(holds)
        absent = (literal.opposite for literal in presence)
        return Truth(all_of((*presence, wanted)), some_of((*absent, wanted)))

    def two_valued(self, atom: Expression) -> tuple[tuple[Literal, ...], Formula]:
        """What has to be there, and a formula for the atom where it is; no score is masked."""
        match atom:
            case Constant(value=value):
                return (), bool(value)
            case PointsAtLeast(threshold=threshold):
                return (), self._at_least(Code(self.points), threshold, atom)
            case IsMissing(operand=operand):
                presence = self.value(operand).presence
                return (), some_of(literal.opposite for literal in presence)
            case Compare():
                return self._compare(atom)
            case InSet(operand=operand, values=values):
                code = self.value(operand)
                return code.presence, self._among(code, values, atom)
            case InList(operand=operand):
                return self._in_list(atom, self.value(operand))
            case InNetworks(operand=operand):
                code = self.value(operand)
                return code.presence, self._in_ranges(atom, code)
            case TextTest():
                return self._text_test(atom)
        code = self.value(atom)
        name = code.text
        return code.presence, self._test(name, f"not {name}", code.cost, atom, needs=code.presence)

    def _among(self, code: Code, values: frozenset[Value], of: Expression) -> Formula:
        if not values:
            return False
        meaning = Among(code.text, values)
        share = min(0.1 + 0.1 * len(values), 0.6)
        if len(values) == 1:
            (value,) = values
            other = self._constant(value)
            yes, no = f"{code.text} == {other}", f"{code.text} != {other}"
        else:
            name = self.names.bind(values)
            yes, no = f"{code.text} in {name}", f"{code.text} not in {name}"
        return self._test(yes, no, code.cost, of, needs=code.presence, meaning=meaning, share=share)

    def _in_list(self, atom: InList, code: Code) -> tuple[tuple[Literal, ...], Formula]:
        content = self._lists.get(atom.list)
        presence = code.presence
        if content is not None:
            name = self.names.bind(container(content))
        else:
            name = self._list_parameter(atom.list)
            readable = self._test(f"{name} is not None", f"{name} is None", 1, None, share=0.95)
            presence = _merged(presence, (readable,))
        yes, no = f"{code.text} in {name}", f"{code.text} not in {name}"
        cost = code.cost + (1 if content is None or not content.ranges else 4)
        return presence, self._test(yes, no, cost, atom, needs=presence, share=0.05)

    def _list_parameter(self, name: str) -> str:
        if name not in self.list_names:
            self.list_names.append(name)
        return f"l{self.list_names.index(name)}"

    def _in_ranges(self, atom: InNetworks, code: Code) -> Formula:
        if len(atom.ranges) > SPELLED_RANGES:
            yes = f"{code.text} in {self.names.bind(of_ranges(atom.ranges))}"
        else:
            parts = (f"{low} <= {code.text} <= {high}" for low, high in atom.ranges)
            yes = f"({' or '.join(parts)})"
        return self._test(yes, f"not {yes}", code.cost + 3, atom, needs=code.presence, share=0.1)

    def _text_test(self, atom: TextTest) -> tuple[tuple[Literal, ...], Formula]:
        code = self.value(atom.operand)
        text = code.text
        op, pattern = _plain_test(atom.pattern) if atom.op == "like" else (atom.op, atom.pattern)
        if op == "matches":
            yes = f"{self.names.bind(matcher(pattern))}({text})"
            return code.presence, self._test(
                yes, f"not {yes}", code.cost + 8, atom, needs=code.presence, share=0.1
            )
        mark = self.names.bind(pattern)
        yes = {
            "=": f"{text} == {mark}",
            "starts with": f"{text}.startswith({mark})",
            "ends with": f"{text}.endswith({mark})",
            "contains": f"{mark} in {text}",
            "like": f"{self.names.bind(functions.like)}({text}, {mark})",
        }[op]
        cost = code.cost + 3
        return code.presence, self._test(
            yes, f"not {yes}", cost, atom, needs=code.presence, share=0.1
        )

    # --- comparisons ---

    def _compare(self, atom: Compare) -> tuple[tuple[Literal, ...], Formula]:
        left, right = atom.left, atom.right
        turned = isinstance(left, Constant) and not isinstance(right, Constant)
        op = _TURNED[atom.op] if turned else atom.op
        if turned:
            left, right = right, left
        body = look_through(left)
        if isinstance(right, Constant) and isinstance(body, Otherwise):
            spread = self._compare_otherwise(op, body, right)
            if spread is not None:
                return (), spread
        return self._compared(op, left, right)

    def _compare_otherwise(self, op: str, left: Otherwise, right: Constant) -> Formula | None:
        """`(a otherwise b) > c`: one comparison where a is there, another where it is not."""
        there = self.value(left.left).presence
        presence, fallback = self._compared(op, left.right, right)
        if presence:
            return None
        usual = self._compared(op, left.left, right)[1]
        absent = some_of(literal.opposite for literal in there)
        return some_of((all_of((*there, usual)), all_of((absent, fallback))))

    def _compared(
        self, op: str, left: Expression, right: Expression
    ) -> tuple[tuple[Literal, ...], Formula]:
        if isinstance(right, Constant):
            return self._compared_with_constant(op, left, right.value)
        first, second = self.value(left), self.value(right)
        if op in (">", "<="):
            first, second = second, first
        # One test for an operator and its opposite: a > b is b < a, and a >= b is not a < b.
        yes, no = ("==", "!=") if op in ("=", "!=") else ("<", ">=")
        presence = _merged(first.presence, second.presence)
        test = self._test(
            f"{first.text} {yes} {second.text}",
            f"{first.text} {no} {second.text}",
            first.cost + second.cost,
            _either(left, right),
            needs=presence,
        )
        return presence, test.opposite if op in ("!=", ">=", "<=") else test

    def _compared_with_constant(
        self, op: str, left: Expression, value: Value
    ) -> tuple[tuple[Literal, ...], Formula]:
        if left.type.kind in INTEGER_KINDS and op not in ("=", "!="):
            assert isinstance(value, int)
            above = self._above(left, value + (op in (">", "<=")))
            formula = above if op in (">", ">=") else negate(above)
            return self.value(left).presence, formula
        code = self.value(left)
        if isinstance(value, bool):
            test: Formula = self._test(
                code.text, f"not {code.text}", code.cost, left, needs=code.presence
            )
            return code.presence, test if value == (op == "=") else negate(test)
        equal = self._among(code, frozenset({value}), left)
        return code.presence, equal if op == "=" else negate(equal)

    def _above(self, expression: Expression, least: int) -> Formula:
        """`expression >= least` where the expression is present.

        Arithmetic is undone where its result always fits, so that rules about one input meet in
        tests of that input: x + 5 >= 7 is x >= 2. A rounded quotient reaches c where the exact one
        reaches c - 1/2, that half itself only where c is even.
        """
        bounds = _bounds(expression)
        if least <= bounds.low:
            return True
        if least > bounds.high:
            return False
        body = look_through(expression)
        if isinstance(body, Arithmetic) and _always_fits(body):
            undone = self._undone(body, least)
            if undone is not None:
                return undone
            test = self._at_least(self.value(expression), least, expression)
            return all_of((*self._needed(body, least), test))
        return self._at_least(self.value(expression), least, expression)

    def _needed(self, body: Arithmetic, least: int) -> Iterator[Formula]:
        """What each operand must reach whatever the other is: a cheap test that often decides."""
        left, right = _bounds(body.left), _bounds(body.right)
        if body.op == "+":
            if _is_selective(least - right.high, left):
                yield self._above(body.left, least - right.high)
            if _is_selective(least - left.high, right):
                yield self._above(body.right, least - left.high)
        elif body.op == "-" and _is_selective(least + right.low, left):
            yield self._above(body.left, least + right.low)

    def _undone(self, body: Arithmetic, least: int) -> Formula | None:
        left, right = body.left, body.right
        match body.op:
            case "+" if isinstance(right, Constant):
                return self._above(left, least - _integer(right))
            case "+" if isinstance(left, Constant):
                return self._above(right, least - _integer(left))
            case "-" if isinstance(right, Constant):
                return self._above(left, least + _integer(right))
            case "-" if isinstance(left, Constant):
                return negate(self._above(right, _integer(left) - least + 1))
            case "*" if isinstance(right, Constant) and _integer(right) > 0:
                factor = 2 * _integer(right)
                return self._above(left, _least_integer(body.down, least, factor))
            case "/" if isinstance(right, Constant) and _integer(right) > 0:
                return self._above(left, _least_integer(_integer(right), least, 2 * body.up))
            case "*" if body.down != 1:
                product = Code(
                    f"{self.value(left).text} * {self.value(right).text}",
                    self.value(body).presence,
                    self.value(left).cost + self.value(right).cost + 1,
                )
                return self._at_least(product, _least_integer(body.down, least, 2), body)
            case "/" if _bounds(right).low >= 0:
                return self._quotient_above(body, least)
        return None

    def _quotient_above(self, body: Arithmetic, least: int) -> Formula:
        dividend, divisor = self.value(body.left), self.value(body.right)
        sign, opposite = (">=", "<") if least % 2 == 0 else (">", "<=")
        scaled = _scaled(dividend.text, 2 * body.up)
        other = f"{2 * least - 1} * {divisor.text}"
        cost = dividend.cost + divisor.cost + 2
        presence = self.value(body).presence
        return self._test(
            f"{scaled} {sign} {other}", f"{scaled} {opposite} {other}", cost, body, needs=presence
        )


_TURNED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@lru_cache(maxsize=64)
def _cells(zone: Zone) -> tuple[int | None, ...]:
    """The zone's offset in each span of 2**CELL_BITS µs; None where it changes within."""
    step = 1 << CELL_BITS
    edges = [zone.offset_us(start) for start in range(0, TIME_MAX_US + 2 * step, step)]
    changing = {start >> CELL_BITS for start in zone.starts_us[1:]}
    return tuple(None if i in changing else offset for i, offset in enumerate(edges))


def _either(left: Expression, right: Expression) -> Expression:
    """One of the two, one that depends on a model if any does."""
    return left if left.models else right


def container(content: ListContent) -> ListContent | frozenset[Value]:
    """What `in` looks into: the plain set wherever a list is one."""
    return content if content.ranges else content.values


def _is_long(texts: tuple[str, ...]) -> bool:
    if sum(map(len, texts)) > MAX_LENGTH:
        return True
    return any(_nesting(text) > MAX_NESTING for text in texts)


def _nesting(text: str) -> int:
    """How deep the parentheses of a Python expression go."""
    deepest = depth = 0
    for character in text:
        if character == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif character == ")":
            depth -= 1
    return deepest


def _merged(*presences: tuple[Literal, ...]) -> tuple[Literal, ...]:
    return tuple(dict.fromkeys(literal for presence in presences for literal in presence))


def _conjunction(presence: tuple[Literal, ...]) -> str:
    return render(all_of(presence))


def _or_none(code: Code) -> str:
    """A Python expression that is None where the value is missing."""
    if not code.presence:
        return code.text
    return f"({code.text} if {_conjunction(code.presence)} else None)"


def _scaled(text: str, factor: int) -> str:
    return text if factor == 1 else f"{text} * {factor}"


def _integer(constant: Constant) -> int:
    assert isinstance(constant.value, int)
    return constant.value


def _bounds(expression: Expression) -> Bounds:
    return expression.bounds or ANY_INT64


def _mirrored(bounds: Bounds) -> Bounds:
    return Bounds(-bounds.high, -bounds.low)


def _result_bounds(expression: Arithmetic) -> Bounds:
    """Between what the exact result lies, before anything is said about what fits."""
    a, b = _bounds(expression.left), _bounds(expression.right)
    match expression.op:
        case "+":
            return Bounds(a.low + b.low, a.high + b.high)
        case "-":
            return Bounds(a.low - b.high, a.high - b.low)
        case "*":
            corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
            down = expression.down
            return Bounds(
                divide_half_even(min(corners), down), divide_half_even(max(corners), down)
            )
    nearest = min((abs(y) for y in (b.low, b.high)), default=1) if b.low > 0 or b.high < 0 else 1
    farthest = divide_half_even(max(abs(a.low), abs(a.high)) * expression.up, nearest)
    return Bounds(-farthest, farthest)


def _always_fits(expression: Arithmetic) -> bool:
    result = _result_bounds(expression)
    span = _TIME_SPAN if expression.type.kind is Kind.TIME else ANY_INT64
    return span.low <= result.low and result.high <= span.high


def _least_integer(divisor: int, least: int, factor: int) -> int:
    """The smallest x with `factor * x / 2 / divisor`, rounded half to even, at least `least`."""
    edge = (2 * least - 1) * divisor
    quotient, rest = divmod(edge, factor)
    return quotient if rest == 0 and least % 2 == 0 else quotient + 1


def _nullable_helper(call: Call, arguments: list[str]) -> tuple[Callable[..., object], list[str]]:
    """A function that answers None where its value is missing, and what it is called with."""
    match call.function:
        case "round" | "floor" | "ceiling":
            return functions.ROUNDINGS[call.function], [*arguments, str(call.places)]
        case "modulo":
            return functions.modulo, arguments
        case "distance":
            return distance, arguments
        case "before":
            return functions.before, arguments
        case "after":
            return functions.after, arguments
    return functions.absolute, arguments


def _is_selective(least: int, bounds: Bounds) -> bool:
    """Whether a good part of the values within `bounds` lies below `least`."""
    return 5 * (least - bounds.low) > bounds.high - bounds.low


def _share_above(of: Expression, least: int) -> float:
    """A guess how often `of` reaches `least`."""
    body = look_through(of)
    if isinstance(body, PointsAtLeast):
        return 0.05
    if is_calendar(body):
        bounds = _bounds(body)
        return (bounds.high - least + 1) / (bounds.high - bounds.low + 1)
    return 0.4 if isinstance(body, Input) and body.source == "field" else 0.25


def _plain_test(pattern: str) -> tuple[str, str]:
    """A pattern's cheaper spelling, where it has one."""
    inner = pattern.strip("*")
    if "*" in inner:
        return "like", pattern
    if "*" not in pattern:
        return "=", pattern
    if pattern.startswith("*"):
        return ("contains" if pattern.endswith("*") else "ends with"), inner
    return "starts with", inner
