"""Events that are not decided here: gateways' answers, refunds, chargebacks.

An event counts once for its type and key, whoever sends it how often and in which order. It keeps
the sender's time and gets that of its arrival; no decision before its arrival sees it. It is
recorded before it is acknowledged. Between two decisions only a handful of events is looked at.

An event that reports labels is held against the cap of its source. What is beyond it goes to the
quarantine: recorded and acknowledged, but in no window until a person lets it in.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from tidegate.engine import Engine, EventRefused
from tidegate.engine.event import Admitted, HashToken, keep_token
from tidegate.engine.features import Counted
from tidegate.engine.features import reports as reports_of
from tidegate.engine.grants import Grants
from tidegate.engine.values import format_time
from tidegate.engine.windows import EventName
from tidegate.service.alerts import Alert, Tell, to_log
from tidegate.service.callers import Caller
from tidegate.service.identifiers import Identifiers
from tidegate.service.inflow import Inflow
from tidegate.service.label_caps import LabelCaps
from tidegate.service.labels import Found
from tidegate.service.problems import FieldError, Problem, ProblemError, invalid
from tidegate.service.recorded import EventForms, write_payload
from tidegate.service.windows import Taken
from tidegate.store.entries import Entry, Request, parse_leaf
from tidegate.store.errors import RequestConflictError

if TYPE_CHECKING:
    from tidegate.dsl.program import EventType
    from tidegate.service.settings import IntakeSettings
    from tidegate.store.batches import Recorded

EVENT = "event"
QUARANTINE = "quarantine"
LET_IN = "event_let_in"
"""The kinds of entries: counted, kept apart, and counted after all."""
TURNED_AWAY = "event_turned_away"
"""What was kept apart and stays so."""

Status = Literal["accepted", "duplicate", "quarantined"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of an event: recorded as `id`, and whether it counts."""

    status: Status
    id: str


@dataclass(frozen=True, slots=True)
class _Arrival:
    """An event that may be taken in. `hash` is the same for the same content."""

    admitted: Admitted
    caller: Caller
    hash: bytes

    @property
    def name(self) -> EventName:
        return self.admitted.event.name, self.admitted.key


class Intake:
    """Takes events in. For one loop."""

    def __init__(
        self,
        engine: Engine,
        inflow: Inflow,
        found: Found,
        settings: IntakeSettings,
        *,
        grants: Grants,
        clock_us: Callable[[], int],
        hash_token: HashToken = keep_token,
        subjects: Mapping[str, tuple[str, ...]] | None = None,
        tell: Tell = to_log,
    ) -> None:
        self._engine = engine
        self._inflow = inflow
        self._found = found
        self._settings = settings
        self._grants = grants
        self._clock_us = clock_us
        self._hash_token = hash_token
        self._subjects = subjects or {}
        self._tell = tell
        self._program = engine.program
        self._forms = EventForms(engine.program)
        self._caps = LabelCaps(settings.labels_an_hour)
        self._ids = Identifiers()
        self._flights: dict[EventName, tuple[bytes, asyncio.Future[Receipt]]] = {}
        self._turn = asyncio.Lock()

    async def take(
        self, caller: Caller, event: str, bodies: Sequence[Mapping[str, object]]
    ) -> list[Receipt | Problem]:
        """What came of each event, in the order in which they were given.

        They are recorded, or were before, where the receipt says so: this returns when all are.
        `ProblemError` where none of them is looked at.
        """
        declared = self._declared(event)
        if self._inflow.waiting + len(bodies) > self._settings.waiting:
            raise ProblemError(
                Problem("overloaded", "too many events wait to be recorded", retry_after=1)
            )
        asked: list[asyncio.Future[Receipt] | Problem] = []
        for number, body in enumerate(bodies, start=1):
            try:
                asked.append(await self._start(declared, caller, body))
            except ProblemError as error:
                asked.append(error.problem)
            if number % self._settings.at_a_stretch == 0:
                await asyncio.sleep(0)  # decisions first
        return [each if isinstance(each, Problem) else await _outcome(each) for each in asked]

    def _declared(self, event: str) -> EventType:
        for declared in self._program.events:
            if declared.name == event:
                if declared.decided:
                    raise ProblemError(
                        Problem(
                            "not_found",
                            "this event is decided here and is not sent as one that happened",
                            f"POST /v1/decisions/{declared.name}",
                        )
                    )
                return declared
        raise ProblemError(Problem("not_found", "the policy has no such event"))

    async def _start(
        self, declared: EventType, caller: Caller, body: Mapping[str, object]
    ) -> asyncio.Future[Receipt]:
        arrival = self._admit(declared, caller, body)
        under_way = self._under_way(arrival)
        if under_way is not None:
            return under_way
        windows, lists = self._inflow.owner.windows, self._inflow.owner.lists
        wanted = windows.reports(self._counted(arrival, 0), lists)
        found = await self._found.among(wanted, windows) if wanted else {}
        # What was awaited may have brought the same event in.
        return self._under_way(arrival) or self._take(arrival, found)

    def _admit(self, declared: EventType, caller: Caller, body: Mapping[str, object]) -> _Arrival:
        try:
            admitted = self._engine.admit(body, declared.name, hash_token=self._hash_token)
        except EventRefused as refused:
            raise ProblemError(invalid(refused.refusals)) from None
        if admitted.at_us > self._clock_us() + self._settings.ahead_seconds * 10**6:
            error = FieldError("in_the_future", declared.at, f"`{declared.at}` lies in the future")
            raise ProblemError(Problem("invalid_request", errors=(error,)))
        permission = self._grants.permission(
            caller.world,
            caller.names,
            "send_events",
            declared.name,
            values=admitted.values,
            lists=self._inflow.owner.lists,
        )
        if not permission.allowed:
            outside = permission.why == "out_of_scope"
            raise ProblemError(Problem("out_of_grant" if outside else "not_granted"))
        return _Arrival(admitted, caller, self._hash(admitted))

    def _hash(self, admitted: Admitted) -> bytes:
        counted = Counted(admitted.event.name, admitted.key, admitted.at_us, 0, admitted.values)
        plain = json.dumps(self._forms.full(counted), sort_keys=True)
        return hashlib.sha256(plain.encode()).digest()

    def _under_way(self, arrival: _Arrival) -> asyncio.Future[Receipt] | None:
        known = self._flights.get(arrival.name)
        if known is None:
            return None
        if known[0] != arrival.hash:
            raise ProblemError(_CONFLICT)
        return asyncio.ensure_future(_repeated(known[1]))

    # --- no await from here to the end

    def _take(
        self, arrival: _Arrival, found: Mapping[EventName, Counted]
    ) -> asyncio.Future[Receipt]:
        inflow = self._inflow
        inflow.check_certain()
        received_us = inflow.stamp()
        counted = self._counted(arrival, received_us)
        windows, lists = inflow.owner.windows, inflow.owner.lists
        kind = EVENT
        if arrival.name not in windows.state.seen and not self._within_cap(arrival, received_us):
            kind, taken = QUARANTINE, Taken(counted, new=False)
        else:
            taken = windows.take(counted, lists, found.get)
        entry = self._entry(kind, arrival, counted)
        recorded = inflow.submit(entry, lambda: windows.revert(taken, lists, found.get))
        answer = asyncio.ensure_future(_answer(recorded))
        self._flights[arrival.name] = arrival.hash, answer
        answer.add_done_callback(lambda _: self._flights.pop(arrival.name, None))
        return answer

    def _counted(self, arrival: _Arrival, received_us: int) -> Counted:
        admitted = arrival.admitted
        return Counted(
            admitted.event.name, admitted.key, admitted.at_us, received_us, admitted.values
        )

    def _within_cap(self, arrival: _Arrival, now_us: int) -> bool:
        event, values = arrival.admitted.event.name, arrival.admitted.values
        labels = len(reports_of(self._program, event, values, self._inflow.owner.lists))
        if not labels:
            return True
        source = self._source(arrival)
        if self._caps.take(source, labels, now_us):
            return True
        if self._caps.is_new(source, now_us):
            self._tell(Alert("labels_quarantined", arrival.caller.principal))
        return False

    def _source(self, arrival: _Arrival) -> str:
        """Whose labels they are: the caller's, or of whom the caller passes on."""
        field = self._settings.sources.get(arrival.admitted.event.name, "")
        value = arrival.admitted.values.get(field) if field else None
        return arrival.caller.principal if value is None else f"{field}={value}"

    def is_landing(self, name: EventName) -> bool:
        """Whether this event is on its way to the ledger."""
        return name in self._flights

    def may_label(self, caller: Caller) -> bool:
        """Whether one more label that this caller says itself may count."""
        return self._caps.take(caller.principal, 1, self._clock_us())

    def _entry(self, kind: str, arrival: _Arrival, counted: Counted) -> Entry:
        head = {
            "form": 1,
            "caller": arrival.caller.principal,
            "event": self._forms.full(counted),
        }
        if kind == QUARANTINE:
            head["source"] = self._source(arrival)
        return Entry(
            kind,
            self._ids.make(counted.received_us),
            format_time(counted.received_us),
            facts={"event": counted.event},
            payload=write_payload(head),
            subject=self._subject(counted),
            transaction=f"{counted.event}:{counted.key}",
            request=Request(f"event {counted.event}", counted.key, arrival.hash),
        )

    def _subject(self, counted: Counted) -> str | None:
        for name in self._subjects.get(counted.event, ()):
            value = counted.values.get(name)
            if value is not None:
                return str(value)
        return None

    # --- the quarantine

    async def let_in(self, quarantined: Sequence[Kept], by: str, reason: str) -> int:
        """Let events count from now on that were kept apart; how many were not let in before."""
        taken = 0
        async with self._turn:
            for kept in quarantined:
                taken += await self._let_in(kept, by, reason)
        return taken

    async def _let_in(self, kept: Kept, by: str, reason: str) -> bool:
        windows, lists = self._inflow.owner.windows, self._inflow.owner.lists
        found = await self._found.among(windows.reports(kept.counted, lists), windows)
        self._inflow.check_certain()
        received_us = self._inflow.stamp()
        counted = replace(kept.counted, received_us=received_us)
        entry = Entry(
            LET_IN,
            self._ids.make(received_us),
            format_time(received_us),
            about=kept.id,
            facts={"event": counted.event},
            payload=write_payload(
                {"form": 1, "by": by, "reason": reason, "event": self._forms.full(counted)}
            ),
            subject=self._subject(counted),
            transaction=f"{counted.event}:{counted.key}",
            request=Request("quarantine", kept.id, b"\0" * 32),
        )
        taken = windows.take(counted, lists, found.get)
        recorded = await self._inflow.submit(entry, lambda: windows.revert(taken, lists, found.get))
        return not recorded.repeated


@dataclass(frozen=True, slots=True)
class Kept:
    """An event in the quarantine, by the id of its entry, and whose labels it reports."""

    id: str
    source: str
    counted: Counted


_CONFLICT = Problem(
    "conflict",
    "an event of this type and key was taken in with another content; the first one counts",
    "give what happened afterwards a key of its own",
)


async def _repeated(first: asyncio.Future[Receipt]) -> Receipt:
    """What a copy is answered that came while the first was under way."""
    receipt = await asyncio.shield(first)
    return replace(receipt, status="duplicate") if receipt.status == "accepted" else receipt


async def _outcome(future: asyncio.Future[Receipt]) -> Receipt | Problem:
    try:
        return await future
    except ProblemError as error:
        return error.problem


async def _answer(recorded: asyncio.Future[Recorded]) -> Receipt:
    try:
        found = await recorded
    except RequestConflictError:
        raise ProblemError(_CONFLICT) from None
    if parse_leaf(found.leaf).kind == QUARANTINE:
        return Receipt("quarantined", found.id)
    return Receipt("duplicate" if found.repeated else "accepted", found.id)
