"""What parts of an event's expressions mean the same, so that they are worked out once.

Expressions are compared by numbers, not by walking them: a let that reads a let that reads a let
twice would otherwise take longer with every step.
"""

from __future__ import annotations

from dataclasses import fields

from tidegate.dsl.program import Call, Expression, LetRef


class Keys:
    """A number for each distinct meaning; lets are looked through."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._of_lets: dict[str, int] = {}
        self._known: dict[int, tuple[Expression, int]] = {}

    def of(self, expression: Expression) -> int:
        """The number of an expression."""
        known = self._known.get(id(expression))
        if known is None:
            # The expression is kept so that its id is not given to another one.
            known = self._known[id(expression)] = (expression, self._number(expression))
        return known[1]

    def of_local_time(self, call: Expression) -> int:
        """The number of the local time that a calendar function reads."""
        assert isinstance(call, Call)
        return self._intern(("local time", call.zone, self.of(call.arguments[0])))

    def _number(self, expression: Expression) -> int:
        if isinstance(expression, LetRef):
            if expression.name not in self._of_lets:
                self._of_lets[expression.name] = self.of(expression.body)
            return self._of_lets[expression.name]
        parts = [self._part(getattr(expression, name)) for name in _meaningful(type(expression))]
        return self._intern((type(expression), expression.type, *parts))

    def _part(self, part: object) -> object:
        if isinstance(part, Expression):
            return self.of(part)
        if isinstance(part, tuple):
            return tuple(self._part(item) for item in part)
        return type(part), part

    def _intern(self, key: object) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


_CARRIED = {"type", "span", "models", "bounds", "can_be_missing", "can_fail", "param"}


def _meaningful(of: type[Expression]) -> list[str]:
    return [entry.name for entry in fields(of) if entry.name not in _CARRIED]


def children(expression: Expression) -> list[Expression]:
    """The expressions that this one is made of; a let is made of what its body is made of."""
    if isinstance(expression, LetRef):
        return children(expression.body)
    found: list[Expression] = []
    for name in _meaningful(type(expression)):
        part = getattr(expression, name)
        for item in part if isinstance(part, tuple) else (part,):
            found += [e for e in (item if isinstance(item, tuple) else (item,))
                      if isinstance(e, Expression)]  # fmt: skip
    return found


CALENDAR = frozenset({"hour", "minute", "weekday", "day", "month", "date"})


def is_calendar(expression: Expression) -> bool:
    """Whether a local clock is read."""
    return isinstance(expression, Call) and expression.function in CALENDAR


def look_through(expression: Expression) -> Expression:
    """What stands behind lets."""
    while isinstance(expression, LetRef):
        expression = expression.body
    return expression
