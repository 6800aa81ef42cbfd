"""The rules of a typed program as Polars expressions: the peer of `bench/columns.py`.

Each rule becomes two expressions, fired and unknown, in Polars' best known form: strings are
categorical, lists and sets are `is_in`, Kleene logic is Polars' own. Polars shares no
sub-expression among the expressions of one `select` here (seen in 2.1.0), so whatever is worked out
is named in a `with_columns` of its own before it is read. What Polars computes otherwise than the
language says is written out: quotients are rounded half to even, a masked score makes its atoms
false. Overflow is not guarded, since bounds rule it out for the rules measured here; what the
translation does not cover is refused, never approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import polars as pl

from tidegate.dsl.lists import Lists
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
    Rule,
    TextTest,
)
from tidegate.dsl.types import ANY_INT64, INT64_MAX, TEXT_KINDS, Kind, Value

EXACT_DIVIDEND = 2**51
RELATIONS: Mapping[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class Translation:
    """One event's rules; `lists` are read as they are now."""

    def __init__(self, program: Program, event: EventType, lists: Lists) -> None:
        self.program = program
        self.event = event
        self.lists = lists
        self.points = pl.lit(0, pl.Int64)
        self.stages: list[pl.Expr] = []
        self._named: dict[Expression, pl.Expr] = {}
        if any(r.shadow or r.rollout or r.from_us or r.until_us for r in event.rules):
            raise NotImplementedError("rules that stand otherwise than live")

    def counts(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Per rule, in how many rows it fires and is unknown: columns `f0`, `u0`, `f1`, …"""
        self.points = self._stage(self._points())
        counts = []
        for index, rule in enumerate(self.event.rules):
            fired, unknown = self.rule(rule)
            counts += [fired.sum().alias(f"f{index}"), unknown.sum().alias(f"u{index}")]
        for stage in self.stages:
            frame = frame.with_columns(stage)
        return frame.select(counts)

    def rule(self, rule: Rule) -> tuple[pl.Expr, pl.Expr]:
        """Where the rule is true and where unknown, neither excepted."""
        when = self.truth(rule.when)
        fired, unknown = when.fill_null(value=False), when.is_null()
        if not rule.exceptions:
            return fired, unknown
        excepted = reduce(pl.Expr.or_, (self.truth(one) for one in rule.exceptions))
        acting = ~excepted.fill_null(value=False)
        return fired & acting, unknown & acting

    def _stage(self, worked_out: pl.Expr) -> pl.Expr:
        """What is worked out once, by a name of its own."""
        name = f"stage {len(self.stages)}"
        self.stages.append(worked_out.alias(name))
        return pl.col(name)

    def _once(self, expression: Expression, make: Callable[[], pl.Expr]) -> pl.Expr:
        if expression not in self._named:
            self._named[expression] = self._stage(make())
        return self._named[expression]

    def _points(self) -> pl.Expr:
        points = pl.lit(0, pl.Int64)
        for rule in self.event.rules:
            if rule.reads_points:
                continue
            fired, unknown = self.rule(rule)
            if rule.then.points:
                points += fired.cast(pl.Int64) * rule.then.points
            if rule.unknown is not None and rule.unknown.points:
                points += unknown.cast(pl.Int64) * rule.unknown.points
        return points

    # --- conditions ---

    def truth(self, condition: Expression, positive: bool = True) -> pl.Expr:
        """The condition, or its negation pushed inwards to the atoms."""
        match condition:
            case And(items=items) | Or(items=items):
                join = pl.Expr.and_ if isinstance(condition, And) is positive else pl.Expr.or_
                return reduce(join, (self.truth(item, positive) for item in items))
            case Not(operand=operand):
                return self.truth(operand, not positive)
            case LetRef(body=body):
                return self.truth(body, positive)
        atom = self.value(condition) if positive else ~self.value(condition)
        for name in sorted(condition.models):
            atom = self._given(name) & atom
        return atom

    def _given(self, name: str) -> pl.Expr:
        """Where the model is used and answered: a score that is not given is null."""
        model = self.program.model(name)
        given = pl.col(model.score).is_not_null()
        return given if model.use_when is None else given & self.truth(model.use_when)

    # --- values ---

    def value(self, expression: Expression) -> pl.Expr:
        """Any expression; null where it is missing or unknown."""
        match expression:
            case Constant(value=value):
                return pl.lit(value)
            case Input(name=name):
                return pl.col(name)
            case LetRef(body=body):
                return self.value(body)
            case And() | Or() | Not():
                return self.truth(expression)
            case PointsAtLeast(threshold=threshold):
                return self.points >= threshold
            case IsMissing(operand=operand):
                return self.value(operand).is_null()
            case Otherwise(left=left, right=right):
                return pl.coalesce(self.value(left), self.value(right))
            case Case():
                return self._case(expression)
            case Compare(op=op, left=left, right=right):
                return RELATIONS[op](self.value(left), self.value(right))
        return self._strict(expression)

    def _strict(self, expression: Expression) -> pl.Expr:
        """Expressions that are missing as soon as one operand is."""
        match expression:
            case Negate(operand=operand):
                return -self.value(operand)
            case Arithmetic():
                return self._once(expression, lambda: self._arithmetic(expression))
            case Call():
                return self._once(expression, lambda: self._call(expression))
            case InSet() | InList():
                return self._membership(expression)
            case TextTest():
                return self._text_test(expression)
        raise NotImplementedError(type(expression).__name__)

    def _case(self, expression: Case) -> pl.Expr:
        """An unknown condition makes the result null; Polars alone would take the next branch."""
        result = self.value(expression.default)
        for condition, value in reversed(expression.branches):
            holds = self.truth(condition)
            then = pl.when(holds).then(self.value(value)).otherwise(result)
            result = pl.when(holds.is_null()).then(None).otherwise(then)
        return result

    def _arithmetic(self, expression: Arithmetic) -> pl.Expr:
        refuse_unproven(expression)
        left, right = self.value(expression.left), self.value(expression.right)
        match expression.op:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                product = left * right
                return product if expression.down == 1 else half_even(product, expression.down)
            case "/":
                return half_even(left * expression.up, right)

    def _call(self, expression: Call) -> pl.Expr:
        arguments = [self.value(argument) for argument in expression.arguments]
        match expression.function:
            case "hour" | "minute" | "weekday" | "day" | "month":
                clock = arguments[0].cast(pl.Datetime("us", "UTC"))
                local = clock.dt.convert_time_zone(expression.zone).dt
                return getattr(local, expression.function)()  # type: ignore[no-any-return]
            case "days_since":
                return (arguments[1] - arguments[0]) // (86_400 * 10**6)
            case "abs":
                return arguments[0].abs()
            case "min" | "max":
                pick = pl.min_horizontal if expression.function == "min" else pl.max_horizontal
                absent = reduce(pl.Expr.or_, (argument.is_null() for argument in arguments))
                return pl.when(absent).then(None).otherwise(pick(*arguments))
            case "round":
                step = 10 ** (6 - expression.places)
                rounded: pl.Expr = half_even(arguments[0], step) * step
                return rounded
            case "length":
                return arguments[0].cast(pl.String).str.len_chars()
        raise NotImplementedError(expression.function)

    def _membership(self, expression: InSet | InList) -> pl.Expr:
        values: frozenset[Value]
        if isinstance(expression, InSet):
            values = expression.values
        else:
            content = self.lists[expression.list]
            if content is None or content.ranges:
                raise NotImplementedError(expression.list)
            values = content.values
        members = pl.Series(sorted(values), dtype=dtype_of(expression.operand.type.kind))
        return self.value(expression.operand).is_in(members.implode())

    def _text_test(self, expression: TextTest) -> pl.Expr:
        if expression.operand.type.kind not in TEXT_KINDS:
            raise NotImplementedError(expression.operand.type.kind)
        text = self.value(expression.operand)
        match expression.op:
            case "starts with":
                return text.cat.starts_with(expression.pattern)
            case "ends with":
                return text.cat.ends_with(expression.pattern)
            case "contains":
                return text.cast(pl.String).str.contains(expression.pattern, literal=True)
        raise NotImplementedError(expression.op)


def refuse_unproven(expression: Arithmetic) -> None:
    """Refuses arithmetic that could overflow, and quotients that floating point could miss."""
    left, right = expression.left.bounds, expression.right.bounds
    assert left is not None
    assert right is not None
    reach = max(abs(left.low), abs(left.high)) * expression.up
    if expression.op == "*":
        reach *= max(abs(right.low), abs(right.high))
    rounded = expression.op == "/" or expression.down > 1
    fits = (expression.bounds or ANY_INT64).fits()
    if not fits or reach > (EXACT_DIVIDEND if rounded else INT64_MAX):
        raise NotImplementedError(f"`{expression.op}` that bounds do not prove exact")


def half_even(dividend: pl.Expr, divisor: pl.Expr | int) -> pl.Expr:
    """An integer quotient as the language rounds it; null where the divisor is zero.

    Polars is fastest in floating point, which is exact here: below 2**51 a quotient is farther
    from a tie than its rounding error, or is the tie.
    """
    return (dividend / divisor).round(0, mode="half_to_even").cast(pl.Int64, strict=False)


def dtype_of(kind: Kind) -> pl.DataType:
    """How a table holds inputs of that kind."""
    if kind in TEXT_KINDS:
        return pl.Categorical()
    return pl.Boolean() if kind is Kind.FLAG else pl.Int64()
