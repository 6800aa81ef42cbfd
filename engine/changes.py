"""One event with something otherwise: an input, or one value on or off a list.

What follows from a changed input follows with it: an amount's `.original`, the cells of tables, a
model whose term ends. Features are held as they were, for the window is not at hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from tidegate.dsl.lists import ListContent, of_ranges
from tidegate.dsl.program import Input, Model, Program
from tidegate.dsl.tables import Tables
from tidegate.dsl.types import Kind, Type, Value
from tidegate.engine.arithmetic import fit_int64
from tidegate.engine.expression_text import show_value
from tidegate.engine.situation import ScoreStatus, Situation
from tidegate.engine.values import NUMBER_DIGITS

ABSENT = "absent"
EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Change:
    """An input with another value (None: missing), or `value` on or off the list called `name`.

    `other`: the value stands for any that no condition names.
    """

    name: str
    type: Type
    value: Value | None
    sort: Literal["input", "on_list", "off_list"] = "input"
    other: bool = False

    @property
    def subject(self) -> tuple[str, Value | None]:
        """What is changed: two changes of one subject exclude each other."""
        return (self.name, None) if self.sort == "input" else (f"in {self.name}", self.value)

    def shown(self, currency: str) -> str:
        """What is otherwise, in the language's words; a token never whole."""
        if self.sort != "input":
            assert self.value is not None
            on = "in" if self.sort == "on_list" else "not in"
            return f"{show_value(self.value, self.type, currency)} {on} {self.name}"
        if self.value is None:
            return f"{self.name} missing"
        if self.other:
            return f"another {self.name}"
        return f"{self.name} {show_value(self.value, self.type, currency)}"


def changed(
    program: Program, situation: Situation, changes: Iterable[Change], tables: Tables
) -> Situation | None:
    """The event with these changes; None where what follows from one cannot be known."""
    for change in changes:
        if change.sort != "input":
            situation = _listed(situation, change)
            continue
        found = _Editor(program, situation, tables).edited(change)
        if found is None:
            return None
        situation = found
    return situation


def _listed(situation: Situation, change: Change) -> Situation:
    content = situation.lists.get(change.name) or ListContent()
    value = change.value
    assert value is not None
    if change.sort == "on_list":
        new = ListContent(content.values | {value}, content.ranges)
    else:
        new = ListContent(content.values - {value}, _without(content.ranges, value))
    return replace(situation, lists={**situation.lists, change.name: new})


def _without(ranges: tuple[tuple[int, int], ...], value: Value) -> tuple[tuple[int, int], ...]:
    """The ranges with a hole at an address."""
    if not ranges or not isinstance(value, int):
        return ranges
    parts = [
        part
        for low, high in ranges
        for part in (
            [(low, value - 1), (value + 1, high)] if low <= value <= high else [(low, high)]
        )
    ]
    return of_ranges((low, high) for low, high in parts if low <= high).ranges


class _Editor:
    """Changes one input; lives for one change."""

    def __init__(self, program: Program, situation: Situation, tables: Tables) -> None:
        self.program = program
        self.situation = situation
        self.tables = tables
        self.slots = {entry.name: slot for slot, entry in enumerate(situation.event.inputs)}
        self.values = list(situation.values)
        self.statuses: dict[str, ScoreStatus] = dict(situation.statuses)
        self.reasons = dict(situation.reasons)

    def edited(self, change: Change) -> Situation | None:
        slot = self.slots.get(change.name)
        if slot is None:
            return None
        before = self.values[slot]
        entry = self.situation.event.inputs[slot]
        self._set(change.name, change.value, ABSENT)
        follows = True
        if entry.source == "score":
            follows = self._score(entry, change.value)
        elif change.name == self.situation.event.at:
            follows = self._terms(before, change.value)
        elif entry.type.kind is Kind.MONEY:
            follows = self._original(change.name, before, change.value)
        if not (follows and self._lookups(change.name)):
            return None
        return replace(
            self.situation,
            values=tuple(self.values),
            statuses=self.statuses,
            reasons=self.reasons,
        )

    def _set(self, name: str, value: Value | None, reason: str) -> None:
        self.values[self.slots[name]] = value
        self.reasons.pop(name, None)
        if value is None:
            self.reasons[name] = reason

    def _models(self) -> Iterable[Model]:
        return map(self.program.model, self.situation.event.models)

    def _score(self, entry: Input, value: Value | None) -> bool:
        at = self.values[self.slots[self.situation.event.at]]
        for model in self._models():
            if model.score == entry.name:
                ended = model.until_us is not None and isinstance(at, int) and at >= model.until_us
                self.statuses[model.name] = "unavailable" if value is None else "ok"
                return value is None or not ended
        return False

    def _terms(self, before: Value | None, after: Value | None) -> bool:
        """A model whose term ends by then gives no score; one whose term had ended is not known."""
        assert isinstance(before, int)
        assert isinstance(after, int)
        for model in self._models():
            if model.until_us is None:
                continue
            if before >= model.until_us > after:
                return False
            if after >= model.until_us > before:
                self.statuses[model.name] = "unavailable"
                if model.score in self.slots:
                    self._set(model.score, None, EXPIRED)
        return True

    def _original(self, name: str, before: Value | None, after: Value | None) -> bool:
        """`amount.original` follows its amount, as long as that came in the policy's currency."""
        original, currency = f"{name}.original", f"{name}.currency"
        if original in self.slots:
            if after is None:
                self._set(original, None, ABSENT)
            elif self.values[self.slots[original]] != self._whole_units(before):
                return False
            else:
                units = self._whole_units(after)
                if units is None:
                    return False
                self._set(original, units, ABSENT)
        if currency in self.slots:
            if after is None:
                self._set(currency, None, ABSENT)
            elif self.values[self.slots[currency]] not in (None, self.program.currency):
                return False
            else:
                self._set(currency, self.program.currency, ABSENT)
        return True

    def _whole_units(self, minor: Value | None) -> int | None:
        if not isinstance(minor, int):
            return None
        number: int = minor * 10 ** (NUMBER_DIGITS - self.program.minor_digits)
        return fit_int64(number)

    def _lookups(self, key: str) -> bool:
        for entry in self.situation.event.inputs:
            lookup = entry.lookup
            if lookup is None or lookup.key != key:
                continue
            table = self.tables.get(lookup.table)
            if table is None:
                return False
            value, reason = table.read(lookup, self.values[self.slots[key]])
            self._set(entry.name, value, reason or ABSENT)
        return True
