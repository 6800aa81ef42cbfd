"""Why values are missing, in columns. Nobody pays for this but who asks.

Evaluation itself keeps no reasons. They are worked out afterwards, from the values that the chunk
still holds: an expression is missing for its first missing operand's reason, else for its own.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tidegate.dsl.program import (
    And,
    Arithmetic,
    Call,
    Case,
    Constant,
    Expression,
    InList,
    Input,
    IsMissing,
    LetRef,
    Not,
    Or,
    Otherwise,
    PointsAtLeast,
)
from tidegate.dsl.unknowns import children
from tidegate.engine.column_batch import ABSENT, Bits, Flags, unpack
from tidegate.engine.column_chunk import Chunk
from tidegate.engine.column_plan import Planner
from tidegate.engine.functions import MISSING_REASONS

Reasons = npt.NDArray[np.uint8]

PRESENT = "present"


class ReasonReader:
    """The reasons of expressions over one chunk: positions in `names`; 0 is present."""

    def __init__(self, planner: Planner, chunk: Chunk) -> None:
        self.planner = planner
        self.chunk = chunk
        self._places = {PRESENT: 0}

    @property
    def names(self) -> tuple[str, ...]:
        """What the positions mean."""
        return tuple(self._places)

    def reasons(self, expression: Expression) -> Reasons:
        """Why `expression` is missing, row by row."""
        match expression:
            case Constant() | IsMissing() | PointsAtLeast():
                return self._none()
            case Input(name=name):
                return self._of_input(name, self._missing(expression))
            case LetRef(body=body):
                return self.reasons(body)
            case And(items=items) | Or(items=items):
                return np.where(self._missing(expression), self._first(items), 0)
            case Not(operand=operand):
                return self.reasons(operand)
            case Otherwise(left=left, right=right):
                return np.where(self._missing(left), self.reasons(right), 0)
            case Case():
                return self._of_case(expression)
        inherited = self._first(children(expression))
        own = self._missing(expression) & (inherited == 0)
        return np.where(own, self._own(expression), inherited) if own.any() else inherited

    def _none(self) -> Reasons:
        return np.zeros(self.chunk.rows, np.uint8)

    def _place(self, name: str) -> np.uint8:
        return np.uint8(self._places.setdefault(name, len(self._places)))

    def _flags(self, bits: Bits) -> Flags:
        return unpack(bits, self.chunk.rows)

    def _missing(self, expression: Expression) -> Flags:
        return self._flags(self.chunk.truth(self.planner.missing(expression))[0])

    def _first(self, expressions: Iterable[Expression]) -> Reasons:
        found = self._none()
        for expression in expressions:
            found = np.where(found == 0, self.reasons(expression), found)
        return found

    def _of_input(self, name: str, missing: Flags) -> Reasons:
        column = self.chunk.binding.batch.columns[name]
        if column.reasons is None:
            return np.where(missing, self._place(ABSENT), 0).astype(np.uint8)
        places = np.array([self._place(reason) for reason in column.reason_names], np.uint8)
        return np.where(missing, places[column.reasons[self.chunk.span]], 0).astype(np.uint8)

    def _of_case(self, expression: Case) -> Reasons:
        conditions = [self.planner.condition(condition) for condition, _ in expression.branches]
        found = self.reasons(expression.default)
        selected = self.chunk.select(conditions)
        for (chosen, unknown), (_, value) in zip(selected, expression.branches, strict=True):
            found = np.where(self._flags(chosen), self.reasons(value), found)
            found = np.where(self._flags(unknown), self._place("case_unknown"), found)
        return found

    def _own(self, expression: Expression) -> Reasons:
        """Why the expression itself gives nothing, its operands being there."""
        match expression:
            case Call(function=function):
                reason = MISSING_REASONS[function]
            case InList():
                reason = "unreadable_list"
            case _:
                reason = "overflow"
        own = np.full(self.chunk.rows, self._place(reason), np.uint8)
        if isinstance(expression, Arithmetic) and expression.op == "/":
            divisor = self.chunk.vector(self.planner.integer(expression.right)).values
            own = np.where(divisor == 0, self._place("division_by_zero"), own)
        return own
