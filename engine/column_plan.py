"""From typed expressions to nodes: each meaning once, however often and however it is written.

Two rules that ask the same, straight or through a let, share one node, so its rows are worked out
once a chunk. Relations with a literal are all made of `>` and `=`: `amount <= 5` and
`amount > 5` read the column once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar, cast

from tidegate.dsl.program import (
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
    Negate,
    Not,
    Or,
    Otherwise,
    PointsAtLeast,
    TextTest,
)
from tidegate.dsl.types import ANY_INT64, TIME_MAX_US, TIME_MIN_US, Bounds, Kind, Value
from tidegate.engine import column_nodes as nodes
from tidegate.engine import column_texts as texts
from tidegate.engine.column_batch import is_coded
from tidegate.engine.column_chunk import IntegerNode, Node, TextNode, TruthNode
from tidegate.engine.functions import NUMBER_DIGITS

Made = TypeVar("Made", bound=Node)

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Planner:
    """Makes nodes of expressions and knows those it made."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Node] = {}

    def node(self, expression: Expression) -> Node:
        """The node of any expression."""
        if expression.type.kind is Kind.FLAG:
            return self.condition(expression)
        return self.text(expression) if is_coded(expression.type) else self.integer(expression)

    def condition(self, expression: Expression) -> TruthNode:
        """The node of an expression of type flag."""
        match expression:
            case And(items=items):
                return self._make(nodes.AllOf, tuple(map(self.condition, items)))
            case Or(items=items):
                return self._make(nodes.AnyOf, tuple(map(self.condition, items)))
            case Not(operand=operand):
                return self._make(nodes.NotOf, self.condition(operand))
            case LetRef(body=body):
                return self.condition(body)
            case Constant(value=value):
                return self._make(nodes.FlagConstant, bool(value))
            case Input(name=name, models=models):
                return self._make(nodes.FlagInput, self._input(nodes.IntegerInput, name, models))
            case PointsAtLeast(threshold=threshold):
                return self._make(nodes.PointsReach, threshold)
            case Otherwise(left=left, right=right):
                return self._choice(nodes.FlagChoice, self.condition, [left, right], left)
            case Case():
                return self._case(nodes.FlagChoice, self.condition, expression)
            case IsMissing(operand=operand):
                return self.missing(operand)
            case Compare():
                return self._compare(expression)
            case InSet() | InList() | InNetworks() | TextTest():
                return self._membership(expression)
        raise TypeError(f"no condition: {type(expression).__name__}")

    def integer(self, expression: Expression) -> IntegerNode:
        """The node of an expression of an integer kind; of a flag, as 0 and 1."""
        if expression.type.kind is Kind.FLAG:
            return self._make(nodes.FlagValue, self.condition(expression))
        match expression:
            case Constant(value=value):
                return self._make(nodes.IntegerConstant, int(value))
            case Input(name=name, models=models):
                return self._input(nodes.IntegerInput, name, models)
            case LetRef(body=body):
                return self.integer(body)
            case Arithmetic():
                return self._arithmetic(expression)
            case Negate(operand=operand):
                span = _span(expression.type.kind)
                return self._make(nodes.IntegerNegation, self.integer(operand), span)
            case Call():
                return self._integer_call(expression)
            case Otherwise(left=left, right=right):
                return self._make(nodes.IntegerOtherwise, self.integer(left), self.integer(right))
            case Case():
                return self._case(nodes.IntegerChoice, self.integer, expression)
        raise TypeError(f"no integer: {type(expression).__name__}")

    def text(self, expression: Expression) -> TextNode:
        """The node of an expression held as codes."""
        match expression:
            case Constant(value=value):
                return self._make(texts.TextConstant, value)
            case Input(name=name, models=models):
                return self._input(texts.TextInput, name, models)
            case LetRef(body=body):
                return self.text(body)
            case Call(function=function, arguments=(operand, *marks)):
                literals = tuple(cast("Constant", mark).value for mark in marks)
                return self._make(texts.TextCall, function, self.text(operand), literals)
            case Otherwise(left=left, right=right):
                return self._choice(texts.TextChoice, self.text, [left, right], left)
            case Case():
                return self._case(texts.TextChoice, self.text, expression)
        raise TypeError(f"no text: {type(expression).__name__}")

    def missing(self, operand: Expression) -> TruthNode:
        """The node that says where an expression is missing or unknown."""
        node = self.node(operand)
        if isinstance(node, TruthNode):
            return self._make(nodes.FlagMissing, node)
        if isinstance(node, TextNode):
            return self._make(texts.TextMissing, node)
        return self._make(nodes.IntegerMissing, node)

    # integers

    def _arithmetic(self, expression: Arithmetic) -> IntegerNode:
        operands = self.integer(expression.left), self.integer(expression.right)
        span = _span(expression.type.kind)
        scales = expression.up, expression.down
        return self._make(nodes.IntegerArithmetic, expression.op, operands, *scales, span)

    def _integer_call(self, expression: Call) -> IntegerNode:
        function = expression.function
        if function == "length":
            return self._make(texts.TextLength, self.text(expression.arguments[0]))
        operands = tuple(map(self.integer, expression.arguments))
        match function:
            case "abs":
                return self._make(nodes.IntegerDistance, operands[0])
            case "round" | "floor" | "ceiling":
                step = 10 ** max(NUMBER_DIGITS - expression.places, 0)
                return self._make(nodes.IntegerRounding, function, operands[0], step)
            case "distance":
                return self._make(nodes.IntegerPlaces, operands)
            case "modulo":
                return self._make(nodes.IntegerRest, *operands)
            case "min" | "max":
                return self._make(nodes.IntegerExtreme, function, operands)
            case "days_since":
                return self._make(nodes.DaysBetween, *operands)
            case _:
                return self._make(nodes.IntegerCalendar, function, operands[0], expression.zone)

    # choices

    def _choice(
        self,
        make: type[Made],
        node: Callable[[Expression], Node],
        values: list[Expression],
        wanted: Expression,
    ) -> Made:
        """`otherwise`: the first value where it is present."""
        present = self._make(nodes.Inverse, self.missing(wanted))
        return self._make(make, (present,), tuple(map(node, values)))

    def _case(self, make: type[Made], node: Callable[[Expression], Node], case: Case) -> Made:
        conditions = tuple(self.condition(condition) for condition, _ in case.branches)
        values = [value for _, value in case.branches]
        return self._make(make, conditions, tuple(map(node, [*values, case.default])))

    # atoms

    def _compare(self, expression: Compare) -> TruthNode:
        left, right = _resolved(expression.left), _resolved(expression.right)
        op: str = expression.op
        if isinstance(left, Constant) and not isinstance(right, Constant):
            left, right, op = right, left, _MIRRORED.get(op, op)
        if op in ("=", "!="):
            same = self._same(left, right)
            return same if op == "=" else self._make(nodes.Inverse, same)
        return self._ordered(op, left, right)

    def _same(self, left: Expression, right: Expression) -> TruthNode:
        if is_coded(left.type):
            if isinstance(right, Constant):
                return self._make(texts.TextIs, self.text(left), right.value)
            return self._make(texts.SameText, self.text(left), self.text(right))
        if isinstance(right, Constant):
            return self._make(nodes.OneOf, self.integer(left), frozenset({int(right.value)}))
        return self._make(nodes.SameInteger, self.integer(left), self.integer(right))

    def _ordered(self, op: str, left: Expression, right: Expression) -> TruthNode:
        if isinstance(right, Constant):
            bound = int(right.value) - (op in ("<", ">="))
            above = self._make(nodes.Above, self.integer(left), bound)
            return above if op in (">", ">=") else self._make(nodes.Inverse, above)
        if op in ("<", ">="):
            left, right = right, left
        greater = self._make(nodes.AboveOther, self.integer(left), self.integer(right))
        return greater if op in ("<", ">") else self._make(nodes.Inverse, greater)

    def _membership(self, expression: InSet | InList | InNetworks | TextTest) -> TruthNode:
        if not is_coded(expression.operand.type):
            return self._integer_membership(expression, self.integer(expression.operand))
        operand = self.text(expression.operand)
        match expression:
            case InSet(values=values):
                return self._make(texts.TextInSet, operand, values)
            case InList(list=name):
                return self._make(texts.TextInList, operand, name)
            case InNetworks(ranges=ranges):
                return self._make(texts.TextInNetworks, operand, ranges)
            case TextTest(op=op, pattern=pattern):
                return self._make(texts.TextLike, operand, op, pattern)

    def _integer_membership(self, expression: Expression, operand: IntegerNode) -> TruthNode:
        match expression:
            case InSet(values=values):
                return self._make(nodes.OneOf, operand, frozenset(map(int, values)))
            case InList(list=name):
                return self._make(nodes.OneOfList, operand, name)
        raise TypeError(f"no test of an integer: {type(expression).__name__}")

    # making

    def _input(self, make: type[Made], name: str, models: frozenset[str]) -> Made:
        node = self._make(make, name)
        node.models = models
        return node

    def _make(self, make: type[Made], *parts: Any) -> Made:
        key = (make, *parts)
        known = self._known.get(key)
        if known is not None:
            return cast("Made", known)
        # Operands first: connectives order their items by cost when they are made.
        node = make(*parts)
        node.parts = parts
        children = list(_nodes_among(parts))
        node.models = frozenset().union(*(child.models for child in children))
        node.points = node.points or any(child.points for child in children)
        node.cost = node.own_cost + sum(child.cost for child in children)
        self._known[key] = node
        return node


def _span(kind: Kind) -> Bounds:
    """What a result of arithmetic may be."""
    return Bounds(TIME_MIN_US, TIME_MAX_US) if kind is Kind.TIME else ANY_INT64


def _resolved(expression: Expression) -> Expression:
    while isinstance(expression, LetRef):
        expression = expression.body
    return expression


def _nodes_among(parts: Iterable[Value | Node | tuple[Node, ...] | object]) -> Iterator[Node]:
    for part in parts:
        if isinstance(part, Node):
            yield part
        elif isinstance(part, tuple):
            yield from _nodes_among(part)
