"""What a history told, as JSON keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tidegate.engine.decision import Policy
from tidegate.simulation.checked_mapping import CheckedMapping
from tidegate.simulation.history import Span
from tidegate.simulation.rows import BadRow, Fault, Intake
from tidegate.simulation.told import KeptHistory, Told


def to_plain(told: Told) -> dict[str, Any]:
    """Everything but the mapping and the policy, which are read anew each time."""
    return {
        "rows": told.span.rows,
        "start_us": told.span.start_us,
        "end_us": told.span.end_us,
        "begins_us": dict(told.begins_us),
        "unordered": list(told.unordered),
        "labels": sorted(told.labels),
        "intakes": {name: _intake(intake) for name, intake in told.intakes.items()},
    }


def from_plain(plain: Mapping[str, Any], mapping: CheckedMapping, policy: Policy) -> KeptHistory:
    """What the history told, for this policy."""
    return KeptHistory(
        mapping=mapping,
        policy=policy,
        span=Span(plain["rows"], plain["start_us"], plain["end_us"], ()),
        intakes={name: _as_intake(intake) for name, intake in plain["intakes"].items()},
        begins_us=plain["begins_us"],
        unordered=tuple(plain["unordered"]),
        labels=frozenset(plain["labels"]),
    )


def _intake(intake: Intake) -> list[Any]:
    return [
        [intake.rows, intake.bad, intake.after_end, intake.copies, intake.ties],
        [[*fault, rows] for fault, rows in intake.faults.items()],
        dict(intake.invalid),
        [[bad.file, bad.row, bad.key, bad.faults] for bad in intake.named],
    ]


def _as_intake(plain: list[Any]) -> Intake:
    counts, faults, invalid, named = plain
    intake = Intake(*counts)
    intake.faults = Counter({Fault(field, code): rows for field, code, rows in faults})
    intake.invalid = Counter(invalid)
    intake.named = [
        BadRow(file, row, key, tuple(Fault(*fault) for fault in of)) for file, row, key, of in named
    ]
    return intake
