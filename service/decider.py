"""Decides events: once for each key, in one order, recorded before anybody is answered.

All of it runs on one asyncio loop. In one stretch without a pause an event is stamped with a time
that no other decided event has, reads its windows, is decided, is handed to the ledger's writer and
enters the windows: so the order of times, of the ledger and of the windows is one. What is awaited
is only that the record is durable.

- *One decision for a key.* Requests with the same caller, key and body share one flight while it
  is under way, the answer in memory after it, and the ledger's record where memory has forgotten:
  the ledger looks the key up in the transaction that would insert it.
- *Deadlines.* Where the scores are worked out elsewhere, the event's `silent` answer is recorded
  `margin_ms` before the deadline, and a result that comes later is discarded. What is not durable
  by the deadline is not answered: the caller gets a 503, and a retry what was recorded.
- *Load.* With more decisions on their way than a caller's priority allows, the `silent` answer is
  recorded at once; nothing is dropped.
- *Windows.* What was taken in and not recorded is taken out again. After an error in which that is
  not known, the ledger is read as soon as it answers, and what it holds is taken in.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.dsl.types import Value
from tidegate.engine import Engine, EventRefused
from tidegate.engine.event import Admitted, HashToken, keep_token
from tidegate.engine.features import Counted
from tidegate.engine.given import Score
from tidegate.engine.grants import Grants, World
from tidegate.engine.values import format_time
from tidegate.engine.windows import EventName
from tidegate.service.answers import Cause, Decided, answer_of, to_bytes, word_of
from tidegate.service.case_log import case_of_review, looks_of
from tidegate.service.identifiers import Identifiers
from tidegate.service.problems import Problem, ProblemError, invalid
from tidegate.service.recorded import EventForms, read_payload, write_payload
from tidegate.service.settings import Deciding, Priority
from tidegate.service.windows import FindCounted, Taken, Windows, nothing_found
from tidegate.store.batches import Recorded
from tidegate.store.entries import Entry, Request
from tidegate.store.errors import (
    ErasedError,
    LedgerBusyError,
    LedgerError,
    LedgerUnavailableError,
    RequestConflictError,
)

if TYPE_CHECKING:
    from tidegate.dsl.lists import Lists
    from tidegate.engine.decision import Decision
    from tidegate.store.ledger import Outcome, Receiver
    from tidegate.store.reading import Read
    from tidegate.store.side_tables import Deliveries

_LOG = logging.getLogger("tidegate.decider")
NOTHING_SNOOZED: Mapping[str, str] = {}
_LANDING_SECONDS = 0.005


class Appends(Protocol):
    """What the decider needs of a ledger; `store.ledger.Ledger` is one."""

    def submit(self, entry: Entry, whom: object, receiver: Receiver) -> None:
        """Record `entry`; the receiver hears on another thread what came of it."""
        ...


class Reads(Protocol):
    """What the decider reads of the ledger; `store.reading.Reader` is one."""

    def by_seq(self, seq: int) -> Read:
        """The entry with this number."""
        ...


class LooksAtLists(Protocol):
    """The lists of a time; `service.managed_lists.ManagedLists` has them."""

    def at(self, now_us: int) -> Lists:
        """All lists as they are then."""
        ...


class KnowsSnoozes(Protocol):
    """The rules that are silent for an event; `service.snoozes.Snoozes` knows them."""

    def of(self, event: str, values: Mapping[str, Value | None], at_us: int) -> Mapping[str, str]:
        """By name, each with its snooze."""
        ...


class KnowsRecipients(Protocol):
    """Who is told of a decision; `service.decision_messages.Recipients` knows."""

    def of(
        self, event: str, values: Mapping[str, Value | None], lists: Lists, at_us: int
    ) -> Deliveries | None:
        """The deliveries of a decision."""
        ...


class Lands(Protocol):
    """Others who take something into the windows; `service.inflow.Inflow` does."""

    async def landed(self) -> None:
        """Return when all that is under way now is durable, or has failed."""
        ...


def _nobody() -> None:
    """Where nobody waits to hear that something was recorded."""


@dataclass(frozen=True, slots=True)
class Side:
    """What a decision reads besides the policy and the windows, and what it leads to."""

    lists: LooksAtLists | None = None
    snoozes: KnowsSnoozes | None = None
    recipients: KnowsRecipients | None = None
    recorded: Callable[[], None] = _nobody


@dataclass(frozen=True, slots=True)
class Call:
    """A request for a decision whose caller was authenticated.

    `body` is what the door made of the request: sensitive data were looked for in all of it.
    `hash` is SHA-256 of what was asked: the event's type and the body. `names` are what grants are
    given to. `started` is when the request came, on the loop's clock.
    """

    caller: str
    world: World
    names: frozenset[str]
    event: str
    key: str
    hash: bytes
    body: Mapping[str, object]
    scores: Mapping[str, Score] = field(default_factory=dict)
    priority: Priority = "normal"
    deadline_ms: int = 0
    started: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: the body, byte for byte the same for every retry."""

    decision_id: str
    body: bytes
    repeated: bool = False


@dataclass(slots=True, eq=False)
class _Flight:
    """A decision under way: who waits for it, and what takes it out of the windows again."""

    name: tuple[str, str]
    hash: bytes
    event: EventName
    id: str = ""
    body: bytes = b""
    submitted: bool = False
    waiters: list[asyncio.Future[Answer]] = field(default_factory=list)
    others: list[tuple[Call, asyncio.Future[Answer]]] = field(default_factory=list)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Arrival:
    """An event under way that is not decided."""

    event: EventName
    waiter: asyncio.Future[Recorded]


@dataclass(slots=True)
class _Holder:
    """An event in the windows whose entries are not all durable yet."""

    taken: Taken
    find: FindCounted
    flights: int = 0
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class _Admission:
    """An event on its way from the windows to the ledger."""

    call: Call
    admitted: Admitted
    counted: Counted
    sees: frozenset[str]


class Decider:
    """Decides for one policy. For one loop: everything but `settle` is called on it."""

    def __init__(
        self,
        engine: Engine,
        windows: Windows,
        ledger: Appends,
        reader: Reads,
        limits: Deciding,
        *,
        grants: Grants,
        clock_us: Callable[[], int],
        loop: asyncio.AbstractEventLoop | None = None,
        hash_token: HashToken = keep_token,
        subjects: Mapping[str, tuple[str, ...]] | None = None,
        scorers: Executor | None = None,
        readers: Executor | None = None,
        through: int = -1,
        side: Side | None = None,
    ) -> None:
        """`scorers`: threads to decide in, where scores are waited for; without them in line.

        `through`: the last entry of the ledger that the windows hold. `side`: what else a decision
        reads and leads to.
        """
        self.engine = engine
        self.windows = windows
        self.grants = grants
        self.lists: Lists = engine.policy.lists
        self.stopped: Mapping[str, str] = {}
        self.shed: dict[Cause, int] = {}
        self._program = engine.program
        self._ledger = ledger
        self._reader = reader
        self._limits = limits
        self._clock_us = clock_us
        self._loop = loop or asyncio.get_running_loop()
        self._hash_token = hash_token
        self._subjects = subjects or {}
        self._scorers = scorers
        self._readers = readers
        self._forms = EventForms(self._program)
        self._ids = Identifiers()
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._answers: OrderedDict[tuple[str, str], tuple[bytes, Answer]] = OrderedDict()
        self._holders: dict[EventName, _Holder] = {}
        self._given_lists = {d.name for d in self._program.lists if not d.path}
        self.through = through
        self.in_doubt = False
        self.failures = 0
        self.side = side or Side()
        self.guests: list[Lands] = []
        self._arrivals = 0

    # --- asked by routes

    @property
    def waiting(self) -> int:
        """How many decisions and events are not durable yet."""
        return len(self._flights) + self._arrivals

    async def landed(self) -> None:
        """Return when all that is under way now is durable, or has failed."""
        holders = list(self._holders.items())
        while any(self._holders.get(name) is holder for name, holder in holders):
            await asyncio.sleep(_LANDING_SECONDS)
        for guest in self.guests:
            await guest.landed()

    def is_landing(self, name: EventName) -> bool:
        """Whether a decision of this event is on its way to the ledger."""
        return name in self._holders

    def is_certain(self, through: int) -> None:
        """After an error: the windows hold what the ledger holds, up to this entry."""
        self.through = through
        self.in_doubt = False

    def use(self, engine: Engine) -> None:
        """Decide with this engine from now on: the same rules, other models."""
        self.engine = engine

    async def decide(self, call: Call) -> Answer:
        """The decision of this key; `ProblemError` where there is none to be had."""
        found = self.ask(call)
        return found if isinstance(found, Answer) else await found

    def ask(self, call: Call) -> Answer | asyncio.Future[Answer]:
        """The answer, or what it will be; `ProblemError` where nothing will be recorded."""
        name = (call.caller, call.key)
        known = self._answers.get(name)
        if known is not None:
            if known[0] != call.hash:
                raise ProblemError(_CONFLICT)
            self._answers.move_to_end(name)
            return known[1]
        flight = self._flights.get(name)
        if flight is None:
            if self.in_doubt:
                raise ProblemError(_IN_DOUBT)
            flight = self._start(call, name)
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        if flight.hash == call.hash:
            flight.waiters.append(waiter)
        else:
            # Which of the two bodies is that of the key is known when one of them is recorded.
            flight.others.append((call, waiter))
        flight.timers.append(self._loop.call_at(self._deadline(call), _give_up, waiter))
        return waiter

    def _ask_again(self, call: Call, waiter: asyncio.Future[Answer]) -> None:
        """Answer a request that waited for another body with its key, which was not recorded."""
        if waiter.done():
            return
        try:
            found = self.ask(call)
        except ProblemError as error:
            waiter.set_exception(error)
            return
        if isinstance(found, Answer):
            waiter.set_result(found)
        else:
            found.add_done_callback(lambda done: _hand_on(done, waiter))

    def _deadline(self, call: Call) -> float:
        wanted = call.deadline_ms or self._limits.deadline_ms
        return call.started + min(wanted, self._limits.max_deadline_ms) / 1_000

    def count(self, entry: Entry, counted: Counted, find: FindCounted) -> asyncio.Future[Recorded]:
        """Record an event that is not decided and take it into the windows, in one stretch.

        The future is done when it is durable; a `LedgerError` takes it out of the windows again.
        `find` gives the events whose labels it reports (`Windows.reports` names them).
        Raises as `Appends.submit` does, and `ProblemError` while the windows are uncertain.
        """
        if self.in_doubt:
            raise ProblemError(_IN_DOUBT)
        waiter: asyncio.Future[Recorded] = self._loop.create_future()
        arrival = _Arrival((counted.event, counted.key), waiter)
        self._ledger.submit(entry, arrival, self)
        self._arrivals += 1
        self._hold(arrival, counted, find)
        return waiter

    # --- the critical section: no await from here to the windows

    def _start(self, call: Call, name: tuple[str, str]) -> _Flight:
        admission = self._admit(call)
        counted = admission.counted
        flight = _Flight(name, call.hash, (counted.event, counted.key))
        if len(self._flights) >= self._bound(call.priority):
            self._record(flight, admission, None, "overload")
        elif self._scorers is None:
            decision, cause = self._evaluate(admission, self._features(admission))
            self._record(flight, admission, decision, cause)
        else:
            self._evaluate_elsewhere(self._scorers, flight, admission)
        self._flights[name] = flight
        self._hold(flight, counted)
        return flight

    def _admit(self, call: Call) -> _Admission:
        at_us = max(self._clock_us(), self.windows.latest_us + 1)
        self.look_at_lists(at_us)
        try:
            admitted = self.engine.admit(
                call.body, call.event, hash_token=self._hash_token, at_us=at_us, looked_over=True
            )
        except EventRefused as refused:
            raise ProblemError(invalid(refused.refusals)) from None
        if not admitted.event.decided:
            raise ProblemError(Problem("not_found", "no such event is decided here"))
        permission = self.grants.permission(
            call.world, call.names, "decide", call.event, values=admitted.values, lists=self.lists
        )
        if not permission.allowed:
            code = "out_of_grant" if permission.why == "out_of_scope" else "not_granted"
            raise ProblemError(Problem(code))
        self.windows.latest_us = at_us
        counted = Counted(admitted.event.name, admitted.key, at_us, at_us, admitted.values)
        return _Admission(call, admitted, counted, permission.sees)

    def look_at_lists(self, at_us: int) -> None:
        """Read the managed lists as they are at this time from now on."""
        if self.side.lists is not None:
            self.lists = self.side.lists.at(at_us)

    def _features(self, admission: _Admission) -> Mapping[str, Any]:
        return self.windows.read(admission.admitted.event, admission.admitted.values)

    def _evaluate(
        self, admission: _Admission, features: Mapping[str, Any]
    ) -> tuple[Decision | None, Cause]:
        """The decision, or why the `silent` answer stands instead."""
        try:
            decision = self.engine.decide_admitted(
                admission.admitted,
                features=features,
                scores=admission.call.scores,
                lists=self._managed_lists(),
                stopped=self.stopped,
                snoozed=self._snoozed(admission),
            )
        except EventRefused as refused:
            # A score that is none is the caller's; a feature that is missing is ours.
            if any(refusal.code == "missing_feature" for refusal in refused.refusals):
                return None, "no_features"
            raise ProblemError(invalid(refused.refusals)) from None
        except Exception:  # noqa: BLE001 - a defect never approves anything
            _LOG.exception("an event could not be decided and gets its silent answer")
            return None, "engine_failed"
        return decision, ""

    def _snoozed(self, admission: _Admission) -> Mapping[str, str]:
        snoozes, counted = self.side.snoozes, admission.counted
        if snoozes is None:
            return NOTHING_SNOOZED
        return snoozes.of(counted.event, counted.values, counted.at_us)

    def _managed_lists(self) -> Lists | None:
        if not self._given_lists:
            return None
        return {name: self.lists.get(name) for name in self._given_lists}

    def _record(
        self, flight: _Flight, admission: _Admission, decision: Decision | None, cause: Cause
    ) -> None:
        """Hand the decision to the ledger; `ProblemError` where it takes nothing."""
        counted, call = admission.counted, admission.call
        event = admission.admitted.event
        record = None if decision is None else decision.record
        at = format_time(counted.at_us)
        flight.id = self._ids.make(counted.at_us)
        policy = self.engine.policy.hash if record is None else record.policy.hash
        decided = Decided(flight.id, event.name, counted.key, at, policy, cause, record)
        flight.body = to_bytes(answer_of(self._program, decided, admission.sees))
        head = {
            "form": 1,
            "answer": flight.body.decode(),
            "caller": call.caller,
            "event": self._forms.full(counted) if decision is None else self._forms.beside(counted),
        }
        looks = looks_of(event, record)
        recipients = self.side.recipients
        entry = Entry(
            "decision",
            flight.id,
            at,
            facts={
                "cause": cause,
                "event": event.name,
                "looks": looks,
                "mode": decided.mode,
                "policy": decided.policy,
                "word": word_of(event, record),
            },
            payload=write_payload(head, b"" if decision is None else decision.record_bytes),
            subject=self._subject(admission.admitted),
            transaction=f"{event.name}:{counted.key}",
            request=Request(call.caller, call.key, call.hash),
            case=case_of_review(flight.id, event.name, looks, counted.at_us),
            deliveries=None
            if recipients is None
            else recipients.of(event.name, counted.values, self.lists, counted.at_us),
        )
        if cause:
            self.shed[cause] = self.shed.get(cause, 0) + 1
        try:
            self._ledger.submit(entry, flight, self)
        except LedgerError as error:
            raise ProblemError(_why_not_recorded(error)) from None
        flight.submitted = True

    def _subject(self, admitted: Admitted) -> str | None:
        """Whom the event concerns: the first of the declared fields that is there."""
        for name in self._subjects.get(admitted.event.name, ()):
            value = admitted.values.get(name)
            if value is not None:
                return str(value)
        return None

    def _bound(self, priority: Priority) -> int:
        limits = self._limits
        bounds = {
            "low": limits.low_waiting,
            "normal": limits.normal_waiting,
            "high": limits.high_waiting,
        }
        return bounds[priority]

    def _hold(
        self, under_way: _Flight | _Arrival, counted: Counted, find: FindCounted = nothing_found
    ) -> None:
        holder = self._holders.get(under_way.event)
        if holder is None:
            holder = _Holder(self.windows.take(counted, self.lists, find), find)
            self._holders[under_way.event] = holder
        holder.flights += 1

    # --- where scores are waited for

    def _evaluate_elsewhere(
        self, scorers: Executor, flight: _Flight, admission: _Admission
    ) -> None:
        features = self._features(admission)
        at = self._deadline(admission.call) - self._limits.margin_ms / 1_000
        flight.timers.append(self._loop.call_at(at, self._too_late, flight, admission))
        work = self._loop.run_in_executor(scorers, self._evaluate, admission, features)
        work.add_done_callback(lambda done: self._evaluated(flight, admission, done))

    def _evaluated(
        self,
        flight: _Flight,
        admission: _Admission,
        done: asyncio.Future[tuple[Decision | None, Cause]],
    ) -> None:
        failed = done.exception()
        if flight.submitted or flight.name not in self._flights:
            return  # the silent answer stands
        if isinstance(failed, ProblemError):
            self._fail(flight, failed.problem)
        elif failed is not None:
            raise failed
        else:
            self._record_late(flight, admission, *done.result())

    def _too_late(self, flight: _Flight, admission: _Admission) -> None:
        if not flight.submitted and self._flights.get(flight.name) is flight:
            self._record_late(flight, admission, None, "deadline")

    def _record_late(
        self, flight: _Flight, admission: _Admission, decision: Decision | None, cause: Cause
    ) -> None:
        try:
            self._record(flight, admission, decision, cause)
        except ProblemError as error:
            self._fail(flight, error.problem)

    # --- what came of it

    def settle(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Called by the ledger's writer on its own thread, once a batch."""
        try:
            self._loop.call_soon_threadsafe(self._settled, outcomes)
        except RuntimeError:
            _LOG.warning("a batch was recorded after the loop had ended")

    def _settled(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        for flight, outcome in outcomes:
            if isinstance(flight, _Arrival):
                self._arrived(flight, outcome)
                continue
            assert isinstance(flight, _Flight)
            if not isinstance(outcome, Recorded):
                self._unrecorded(flight, outcome)
            elif outcome.repeated:
                self._release(flight, recorded=False)
                self._repeat(flight, outcome.seq)
            else:
                self.through = max(self.through, outcome.seq)
                self._release(flight, recorded=True)
                self._answer(flight, Answer(flight.id, flight.body))
        self.side.recorded()

    def _arrived(self, arrival: _Arrival, outcome: Outcome) -> None:
        self._arrivals -= 1
        if isinstance(outcome, Recorded):
            if not outcome.repeated:
                self.through = max(self.through, outcome.seq)
            self._release(arrival, recorded=True)
            if not arrival.waiter.done():
                arrival.waiter.set_result(outcome)
            return
        self._failed(outcome)
        self._release(arrival, recorded=False)
        if not arrival.waiter.done():
            arrival.waiter.set_exception(outcome)

    def _failed(self, error: LedgerError) -> None:
        self.failures += 1
        if isinstance(error, LedgerUnavailableError):
            self.in_doubt = True

    def _unrecorded(self, flight: _Flight, error: LedgerError) -> None:
        self._failed(error)
        self._fail(flight, _why_not_recorded(error))

    def _release(self, under_way: _Flight | _Arrival, *, recorded: bool) -> None:
        """Let go of its event, which leaves the windows where no entry of it is durable."""
        holder = self._holders[under_way.event]
        holder.flights -= 1
        holder.recorded |= recorded
        if holder.flights == 0:
            del self._holders[under_way.event]
            if not holder.recorded:
                self.windows.revert(holder.taken, self.lists, holder.find)

    def _repeat(self, flight: _Flight, seq: int) -> None:
        """Answer with what was recorded before memory forgot it."""
        work = self._loop.run_in_executor(self._readers, self._recorded_answer, seq)
        work.add_done_callback(lambda done: self._repeated(flight, done))

    def _recorded_answer(self, seq: int) -> Answer:
        read = self._reader.by_seq(seq)
        if read.payload is None:
            raise read.erased or ErasedError(seq, "no payload")
        answer = read_payload(read.payload).answer
        return Answer(read.leaf.id, answer.encode(), repeated=True)

    def _repeated(self, flight: _Flight, done: asyncio.Future[Answer]) -> None:
        error = done.exception()
        if error is None:
            self._answer(flight, done.result())
        else:
            self._flights.pop(flight.name, None)
            self._wake(flight, error=_why_not_read(error))

    def _answer(self, flight: _Flight, answer: Answer) -> None:
        del self._flights[flight.name]
        self._answers[flight.name] = (flight.hash, Answer(answer.decision_id, answer.body, True))
        while len(self._answers) > self._limits.remembered:
            self._answers.popitem(last=False)
        self._wake(flight, answer)

    def _fail(self, flight: _Flight, problem: Problem) -> None:
        self._flights.pop(flight.name, None)
        self._release(flight, recorded=False)
        self._wake(flight, error=ProblemError(problem))

    def _wake(
        self, flight: _Flight, answer: Answer | None = None, error: Exception | None = None
    ) -> None:
        for timer in flight.timers:
            timer.cancel()
        for waiter in flight.waiters:
            if waiter.done():
                continue
            if answer is not None:
                waiter.set_result(answer)
            else:
                assert error is not None
                waiter.set_exception(error)
        for call, waiter in flight.others:
            if answer is None:
                self._ask_again(call, waiter)
            elif not waiter.done():
                waiter.set_exception(ProblemError(_CONFLICT))


_CONFLICT = Problem(
    "idempotency_conflict",
    "this idempotency key was used with another body",
    "send a new key with a new body; a retry repeats the body byte for byte",
)
_IN_DOUBT = Problem(
    "unavailable",
    "after an error of the ledger it is being found out what it holds",
    "take the event's `silent` answer, or send the same request again",
    retry_after=1,
)
_NOT_IN_TIME = Problem(
    "unavailable",
    "no decision was durable before the deadline",
    "take the event's `silent` answer, or send the same request again: it gets what was recorded",
    retry_after=1,
)


def _hand_on(done: asyncio.Future[Answer], waiter: asyncio.Future[Answer]) -> None:
    error = done.exception()
    if waiter.done():
        return
    if error is None:
        waiter.set_result(done.result())
    else:
        waiter.set_exception(error)


def _give_up(waiter: asyncio.Future[Answer]) -> None:
    """The deadline has passed: nothing is answered that is not recorded."""
    if not waiter.done():
        waiter.set_exception(ProblemError(_NOT_IN_TIME))


def _why_not_recorded(error: LedgerError) -> Problem:
    if isinstance(error, RequestConflictError):
        return _CONFLICT
    if isinstance(error, LedgerBusyError):
        return Problem("overloaded", "too many decisions wait to be recorded", retry_after=1)
    return Problem(
        "unavailable",
        "the ledger does not record, and nothing is answered that is not recorded",
        "take the event's `silent` answer, or send the same request again",
        retry_after=1,
    )


def _why_not_read(error: BaseException) -> ProblemError:
    if isinstance(error, ErasedError):
        return ProblemError(
            Problem("conflict", "the decision of this key was erased; there is no answer any more")
        )
    return ProblemError(
        Problem("unavailable", "the recorded answer of this key cannot be read", retry_after=1)
    )
