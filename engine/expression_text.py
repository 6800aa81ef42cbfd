"""Typed expressions and actions in the language's own words, for people who read explanations.

The text is what the formatter would make of the same meaning: names and params as written, sugar
as the checker left it. Tokens are never shown whole, long sets only by their beginning.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.dsl.program import (
    Actions,
    And,
    Arithmetic,
    Ask,
    Authentication,
    Call,
    Case,
    Compare,
    Constant,
    Disposition,
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
    Review,
    TextTest,
)
from tidegate.dsl.types import IP, Kind, Type, Value
from tidegate.engine.values import format_value

SHOWN_OF_TOKEN = 6
SHOWN_OF_SET = 5

_OR, _AND, _NOT, _COMPARISON, _OTHERWISE, _SUM, _PRODUCT, _UNARY, _ATOM = range(9)


def short_token(token: str) -> str:
    """The beginning of a token: six characters, and never more than half of it."""
    return f"{token[: min(SHOWN_OF_TOKEN, len(token) // 2)]}…"


def show_value(value: Value, type_: Type, currency: str) -> str:
    """A value as an explanation shows it: texts in quotes, tokens shortened."""
    if type_.kind is Kind.TOKEN:
        return f'"{short_token(str(value))}"'
    text = format_value(value, type_, currency)
    return f'"{text}"' if isinstance(value, str) else text


def show_expression(expression: Expression, currency: str) -> str:
    """The expression in the language's words."""
    return _Writer(currency).write(expression, _OR)


def show_actions(actions: Actions, currency: str) -> tuple[str, ...]:
    """Each action in the language's words."""
    return tuple(_actions(actions, currency))


def _actions(actions: Actions, currency: str) -> Iterator[str]:
    for ask in actions.asks:
        yield f"{show_ask(ask)}{_because(ask.reason)}"
    added = [str(actions.fixed_points)] if actions.fixed_points else []
    added += [f"{param.param} ({param.value})" for param in actions.points_params]
    if added:
        yield f"add {' + '.join(added)} points{_because(*actions.points_reasons)}"
    for tag in actions.tags:
        reasons = (reason for tagged, reason in actions.tag_reasons if tagged == tag)
        yield f'tag "{tag}"{_because(*reasons)}'
    for one in actions.advice:
        shown = show_value(one.value, one.type, currency)
        value = f"{one.param.param} ({shown})" if one.param else shown
        yield f"advise {one.name} = {value}{_because(one.reason)}"


def _because(*reasons: str) -> str:
    given = " and ".join(dict.fromkeys(filter(None, reasons)))
    return f" because {given}" if given else ""


def show_ask(ask: Ask) -> str:
    """An ask without its reason: `step_up strong`."""
    words = _ASKS[ask.ladder, ask.rung]
    return " ".join(filter(None, (words, ask.step_up or ask.exemption)))


_ASKS: dict[tuple[str, int], str] = {
    ("disposition", Disposition.APPROVE): "approve",
    ("disposition", Disposition.HOLD): "hold",
    ("disposition", Disposition.DECLINE): "decline",
    ("authentication", Authentication.EXEMPT): "exempt",
    ("authentication", Authentication.NONE): "no exemption",
    ("authentication", Authentication.PREFERRED): "prefer step_up",
    ("authentication", Authentication.MANDATED): "step_up",
    ("review", Review.AFTER): "review",
    ("review", Review.BEFORE): "review before",
}


class _Writer:
    """Writes one expression; `level` is the loosest operator that needs no parentheses there."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def write(self, expression: Expression, level: int) -> str:
        text, own = self._written(expression)
        return text if own >= level else f"({text})"

    def _written(self, expression: Expression) -> tuple[str, int]:
        match expression:
            case Constant(param=param, value=value):
                return param or show_value(value, expression.type, self.currency), _ATOM
            case Input(name=name) | LetRef(name=name):
                return name, _ATOM
            case And(items=items):
                return " and ".join(self.write(item, _NOT) for item in items), _AND
            case Or(items=items):
                return " or ".join(self.write(item, _AND) for item in items), _OR
            case Not(operand=operand):
                return self._negation(operand)
            case PointsAtLeast(param=Constant(param=param), above=above):
                return f"points {'>' if above else '>='} {param}", _COMPARISON
            case PointsAtLeast(threshold=threshold):
                return f"points >= {threshold}", _COMPARISON
            case Compare() | InSet() | InList() | InNetworks() | TextTest() | IsMissing():
                return self._comparison(expression), _COMPARISON
            case _:
                return self._computed(expression)

    def _negation(self, operand: Expression) -> tuple[str, int]:
        match operand:
            case IsMissing(operand=inner):
                return f"{self.write(inner, _SUM)} is present", _COMPARISON
            case InSet() | InList() | InNetworks():
                return self._comparison(operand, "not in"), _COMPARISON
        return f"not {self.write(operand, _UNARY)}", _NOT

    def _comparison(self, expression: Expression, within: str = "in") -> str:
        match expression:
            case Compare(op=op, left=left, right=right):
                return f"{self.write(left, _SUM)} {op} {self.write(right, _SUM)}"
            case InSet(operand=operand, values=values):
                return f"{self.write(operand, _SUM)} {within} {self._set(operand, values)}"
            case InList(operand=operand, list=name):
                return f"{self.write(operand, _SUM)} {within} {name}"
            case InNetworks(operand=operand, ranges=ranges):
                shown = _shortened([self._range(low, high) for low, high in ranges])
                return f"{self.write(operand, _SUM)} {within} {shown}"
            case TextTest(op=op, operand=operand, pattern=pattern):
                return f'{self.write(operand, _SUM)} {op} "{pattern}"'
            case IsMissing(operand=operand):
                return f"{self.write(operand, _SUM)} is missing"
        raise TypeError(f"no words for {type(expression).__name__}")

    def _computed(self, expression: Expression) -> tuple[str, int]:
        match expression:
            case Arithmetic(op="+" | "-" as op, left=left, right=right):
                return f"{self.write(left, _SUM)} {op} {self.write(right, _PRODUCT)}", _SUM
            case Arithmetic(op=op, left=left, right=right):
                return f"{self.write(left, _PRODUCT)} {op} {self.write(right, _UNARY)}", _PRODUCT
            case Negate(operand=operand):
                return f"-{self.write(operand, _ATOM)}", _UNARY
            case Otherwise(left=left, right=right):
                return f"{self.write(left, _SUM)} otherwise {self.write(right, _SUM)}", _OTHERWISE
            case Call():
                return self._call(expression), _ATOM
            case Case(branches=branches, default=default):
                whens = " ".join(
                    f"when {self.write(c, _OR)} then {self.write(v, _OR)}" for c, v in branches
                )
                return f"case {whens} else {self.write(default, _OR)} end", _ATOM
        raise TypeError(f"no words for {type(expression).__name__}")

    def _call(self, call: Call) -> str:
        arguments = [self.write(argument, _OR) for argument in call.arguments]
        if call.function in ("round", "floor", "ceiling"):
            arguments.append(str(call.places))
        if call.function == "days_since":
            del arguments[1:]
        return f"{call.function}({', '.join(arguments)})"

    def _set(self, operand: Expression, values: frozenset[Value]) -> str:
        ordered = sorted(values, key=lambda v: (isinstance(v, str), v))
        return _shortened([show_value(v, operand.type, self.currency) for v in ordered])

    def _range(self, low: int, high: int) -> str:
        ends = [format_value(end, IP, self.currency) for end in (low, high)]
        return ends[0] if low == high else " to ".join(ends)


def _shortened(items: list[str]) -> str:
    more = len(items) - SHOWN_OF_SET
    shown = items[:SHOWN_OF_SET] + ([f"and {more} more"] if more > 0 else [])
    return f"({', '.join(shown)})"
