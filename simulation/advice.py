"""What to do about rows that are refused for one reason, in a line."""

from __future__ import annotations

from tidegate.dsl.types import Kind
from tidegate.simulation.checked_mapping import CheckedSource
from tidegate.simulation.files import NOT_UTF8, WRONG_FIELD_COUNT
from tidegate.simulation.result import FaultCount
from tidegate.simulation.rows import LABEL_COLUMN, UNKNOWN_WORD, Fault, Intake

_BY_CODE = {
    NOT_UTF8: "export the file as UTF-8",
    WRONG_FIELD_COUNT: "look for a stray quote or delimiter",
    UNKNOWN_WORD: "`values` gives each text its word",
    "unknown_country": "`values` renames texts, such as {UK: GB}",
    "no_rate": "no rate in the seven days before; see the policy's `rates`",
}
_UNREADABLE = {
    Kind.TIME: "write 2026-11-23T10:00:00, or name the `unit` of numbers",
    Kind.MONEY: "write 1234.50, with the decimals of its currency at most",
    Kind.NUMBER: "write 1234.5, with six decimals at most",
    Kind.COUNT: "write 1234, without a mark between thousands",
    Kind.FLAG: "`values` renames texts, such as {1: true, 0: false}",
}


def fault_counts(source: CheckedSource, intake: Intake) -> tuple[FaultCount, ...]:
    """Why rows were refused, each reason with its rows and a way out."""
    return tuple(
        FaultCount(*fault, rows, advice(source, fault))
        for fault, rows in sorted(intake.faults.items())
    )


def invalid_counts(intake: Intake) -> tuple[FaultCount, ...]:
    """Bad values of lenient fields, which count as missing."""
    found = sorted(intake.invalid.items())
    return tuple(FaultCount(name, "invalid", rows) for name, rows in found if rows)


def advice(source: CheckedSource, fault: Fault) -> str:
    """The way out of one reason; empty where the reason says it all."""
    if fault.field.startswith(LABEL_COLUMN):
        return "name its texts in `true_values` and `false_values`"
    kinds = {column.field.name: column.field.type.kind for column in source.columns}
    if fault.code == "wrong_type" and fault.field in kinds:
        return _UNREADABLE.get(kinds[fault.field], "")
    return _BY_CODE.get(fault.code, "")
