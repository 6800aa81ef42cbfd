"""Snoozes: a person silences one rule for one key until a time, with a reason.

While it lasts, the rule does not act on events whose field has that value; it is evaluated and
recorded all the same. No mandatory rule is ever snoozed. A snooze ends by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.dsl.program import EventType, Program
from tidegate.dsl.types import Kind, Value
from tidegate.engine.event import HashToken, Refusal, keep_token, read_field
from tidegate.engine.grants import Grants
from tidegate.engine.values import NotHeldError, format_time, format_value, parse_value
from tidegate.service.appending import record, wrong_field
from tidegate.service.callers import Caller
from tidegate.service.identifiers import Identifiers
from tidegate.service.problems import FieldError, Problem, ProblemError, refused
from tidegate.service.recorded import PayloadError, read_payload, write_payload
from tidegate.store.entries import Entry

if TYPE_CHECKING:
    from tidegate.service.settings import SnoozeSettings
    from tidegate.store.async_ledger import AsyncLedger
    from tidegate.store.reading import Read

KIND = "snooze"
ENDED = "snooze_ended"
NOTHING: Mapping[str, str] = {}
_KEYS = frozenset({Kind.TOKEN, Kind.TEXT, Kind.COUNTRY, Kind.IP})
"""What a key can be; a money or a flag names nobody."""


@dataclass(frozen=True, slots=True)
class Snooze:
    """A rule that is silent for events whose `field` holds `value`, until `until_us`."""

    id: str
    event: str
    rule: str
    field: str
    value: Value
    since_us: int
    until_us: int
    by: str
    reason: str


class SnoozedRules:
    """The snoozes as a decision asks for them. Immutable: a change makes another one."""

    __slots__ = ("_by_event", "all")

    def __init__(self, snoozes: Iterable[Snooze] = ()) -> None:
        self.all = tuple(snoozes)
        self._by_event: dict[str, dict[str, dict[Value, list[Snooze]]]] = {}
        for one in self.all:
            fields = self._by_event.setdefault(one.event, {})
            fields.setdefault(one.field, {}).setdefault(one.value, []).append(one)

    def of(self, event: str, values: Mapping[str, Value | None], at_us: int) -> Mapping[str, str]:
        """The rules that are silent for this event, by name, each with its snooze."""
        fields = self._by_event.get(event)
        if fields is None:
            return NOTHING
        found: dict[str, str] = {}
        for field, by_value in fields.items():
            value = values.get(field)
            for one in by_value.get(value, ()) if value is not None else ():
                if one.since_us <= at_us < one.until_us:
                    found.setdefault(one.rule, one.id)
        return found


class Snoozes:
    """Sets and ends snoozes. For one loop; `current` is what decisions read."""

    def __init__(
        self,
        ledger: AsyncLedger,
        settings: SnoozeSettings,
        *,
        program: Program,
        grants: Grants,
        clock_us: Callable[[], int],
        hash_token: HashToken = keep_token,
        snoozes: Iterable[Snooze] = (),
    ) -> None:
        self.current = SnoozedRules(snoozes)
        self._ledger = ledger
        self._settings = settings
        self._program = program
        self._grants = grants
        self._clock_us = clock_us
        self._hash_token = hash_token
        self._ids = Identifiers()
        self._turn = asyncio.Lock()

    def of(self, event: str, values: Mapping[str, Value | None], at_us: int) -> Mapping[str, str]:
        """The rules that are silent for this event now, by name, each with its snooze."""
        return self.current.of(event, values, at_us)

    def active(self, caller: Caller) -> list[dict[str, Any]]:
        """The snoozes that last, of events for which the caller may set one."""
        now_us = self._clock_us()
        return [
            self._shown(one)
            for one in self.current.all
            if now_us < one.until_us and self._may(caller, one.event)
        ]

    async def start(
        self,
        caller: Caller,
        what: tuple[str, str],
        key: tuple[str, object],
        until_us: int,
        reason: str,
    ) -> dict[str, Any]:
        """Silence `what`, a rule of an event, for `key`, a field and its value as it comes."""
        event, rule = what
        declared = self._event(event)
        if not self._may(caller, event):
            raise refused("out_of_grant")
        self._check_rule(declared, rule)
        field, value = key[0], self._value(declared, *key)
        async with self._turn:
            now_us = self._clock_us()
            longest_us = self._settings.longest_days * 86_400 * 10**6
            if not now_us < until_us <= now_us + longest_us:
                raise wrong_field(
                    "until",
                    "out_of_range",
                    f"`until` lies within the next {self._settings.longest_days} days",
                )
            lasting = [one for one in self.current.all if now_us < one.until_us]
            if len(lasting) >= self._settings.most:
                raise refused("conflict", f"there are {self._settings.most} snoozes already")
            snooze = Snooze(
                self._ids.make(now_us), event, rule, field, value, now_us, until_us,
                caller.principal, reason,
            )  # fmt: skip
            await record(self._ledger, self._entry(snooze, declared))
            self.current = SnoozedRules((*lasting, snooze))
        return self._shown(snooze)

    async def end(self, caller: Caller, snooze_id: str, reason: str) -> None:
        """End a snooze before its time."""
        async with self._turn:
            now_us = self._clock_us()
            lasting = [one for one in self.current.all if now_us < one.until_us]
            snooze = next((one for one in lasting if one.id == snooze_id), None)
            if snooze is None:
                raise refused("not_found", "no such snooze lasts")
            if not self._may(caller, snooze.event):
                raise refused("out_of_grant")
            entry = Entry(
                ENDED,
                self._ids.make(now_us),
                format_time(now_us),
                about=snooze.id,
                facts={"event": snooze.event, "rule": snooze.rule},
                payload=write_payload({"form": 1, "by": caller.principal, "reason": reason}),
            )
            await record(self._ledger, entry)
            self.current = SnoozedRules(one for one in lasting if one is not snooze)

    def _event(self, name: str) -> EventType:
        for event in self._program.events:
            if event.name == name and event.decided:
                return event
        raise refused("not_found", "no such event is decided here")

    def _check_rule(self, event: EventType, name: str) -> None:
        rules = [rule for rule in event.rules if rule.name == name]
        if not rules:
            raise refused("not_found", "the event has no such rule")
        if any(rule.mandatory for rule in rules):
            raise refused("conflict", "this rule is mandatory, and no snooze silences it")

    def _value(self, event: EventType, field: str, raw: object) -> Value:
        found = read_field(self._program, event, field, raw, self._hash_token)
        if isinstance(found, Refusal):
            code = "sensitive_data_refused" if found.code == "card_number" else "invalid_request"
            error = FieldError(found.code, found.path, found.message, found.help)
            raise ProblemError(Problem(code, errors=(error,)))
        if event.field(field).type.kind not in _KEYS:
            raise wrong_field(field, "wrong_type", f"`{field}` names nobody", "a token, say")
        return found

    def _may(self, caller: Caller, event: str) -> bool:
        return self._grants.permission(caller.world, caller.names, "snooze", event).allowed

    def _entry(self, snooze: Snooze, event: EventType) -> Entry:
        shown = format_value(snooze.value, event.field(snooze.field).type, self._program.currency)
        return Entry(
            KIND,
            snooze.id,
            format_time(snooze.since_us),
            facts={
                "event": snooze.event,
                "rule": snooze.rule,
                "field": snooze.field,
                "until_us": snooze.until_us,
            },
            payload=write_payload(
                {"form": 1, "by": snooze.by, "reason": snooze.reason, "value": shown}
            ),
        )

    def _shown(self, snooze: Snooze) -> dict[str, Any]:
        declared = self._program.event(snooze.event).field(snooze.field)
        return {
            "snooze_id": snooze.id,
            "event": snooze.event,
            "rule": snooze.rule,
            "field": snooze.field,
            "value": format_value(snooze.value, declared.type, self._program.currency),
            "since": format_time(snooze.since_us),
            "until": format_time(snooze.until_us),
            "by": snooze.by,
            "reason": snooze.reason,
        }


def snoozes_of(
    entries: Iterable[Read], program: Program, times: Callable[[str], int], now_us: int
) -> list[Snooze]:
    """The snoozes that last, from the entries of the ledger in order.

    One whose payload was erased, or whose field there is no more, silences nothing.
    """
    found: dict[str, Snooze] = {}
    for read in entries:
        if read.leaf.kind == ENDED:
            found.pop(read.leaf.about, None)
        elif read.leaf.kind == KIND and int(read.leaf.facts["until_us"]) > now_us:
            snooze = _snooze(read, program, times)
            if snooze is not None:
                found[snooze.id] = snooze
    return list(found.values())


def _snooze(read: Read, program: Program, times: Callable[[str], int]) -> Snooze | None:
    facts = read.leaf.facts
    if read.payload is None:
        return None
    try:
        head = read_payload(read.payload).head
        field = program.event(facts["event"]).field(facts["field"])
        value = parse_value(str(head["value"]), field.type, program.currency)
        return Snooze(
            read.leaf.id, facts["event"], facts["rule"], facts["field"], value,
            times(read.leaf.at), int(facts["until_us"]), str(head["by"]), str(head["reason"]),
        )  # fmt: skip
    except (PayloadError, KeyError, NotHeldError):
        return None
