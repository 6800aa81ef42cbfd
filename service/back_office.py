"""Everything beside decisions, put together: intake, cases, lists, snoozes, the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.engine.event import HashToken
from tidegate.engine.grants import Grants
from tidegate.engine.values import format_time, parse_time
from tidegate.engine.windows import EventName
from tidegate.service.alerts import Tell, to_log
from tidegate.service.cases import Cases
from tidegate.service.decider import Decider, Side
from tidegate.service.decision_messages import DecisionMessages, Recipients
from tidegate.service.inflow import Appends, Inflow
from tidegate.service.intake import Intake
from tidegate.service.labels import Found, Labels
from tidegate.service.lists import KIND as LIST
from tidegate.service.lists import ListKeeper, restore
from tidegate.service.managed_lists import ManagedLists
from tidegate.service.outbox import Consumer, Outbox
from tidegate.service.problems import ProblemError
from tidegate.service.quarantine import Quarantine
from tidegate.service.recorded import EventForms
from tidegate.service.routes_cases import case_routes
from tidegate.service.routes_events import event_routes
from tidegate.service.routes_lists import list_routes, snooze_routes
from tidegate.service.settings import Settings, SettingsError
from tidegate.service.snoozes import ENDED, Snoozes, snoozes_of
from tidegate.service.snoozes import KIND as SNOOZE
from tidegate.service.webhooks import SharedSecret, WebhookError, read_secret, wrong_target
from tidegate.store.cases import CaseReader
from tidegate.store.outbox import OutboxReader

if TYPE_CHECKING:
    from fastapi import APIRouter

    from tidegate.dsl.lists import Lists
    from tidegate.dsl.program import Program
    from tidegate.service.decisions import Decisions
    from tidegate.service.gate import Gate
    from tidegate.service.window_recovery import CountedEvents
    from tidegate.store.async_ledger import AsyncLedger
    from tidegate.store.ledger import Ledger
    from tidegate.store.reading import Reader

_DAY_SECONDS = 86_400.0
_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Base:
    """What both decisions and the back office stand on. `appends` is the ledger, or what stands
    before it; `threads` are for reading.
    """

    settings: Settings
    program: Program
    grants: Grants
    ledger: Ledger
    appends: Appends
    appending: AsyncLedger
    reader: Reader
    threads: Executor
    clock_us: Callable[[], int]
    hash_token: HashToken
    tell: Tell = to_log


@dataclass(frozen=True, slots=True)
class BackOffice:
    """All of it, running until `close`."""

    inflow: Inflow
    intake: Intake
    labels: Labels
    quarantine: Quarantine
    cases: Cases
    lists: ListKeeper
    snoozes: Snoozes
    outbox: Outbox
    routers: Sequence[APIRouter]
    tasks: Sequence[asyncio.Task[None]]
    close_readers: Callable[[], None]

    async def close(self) -> None:
        """Stop what runs; what was not delivered is delivered after the next start."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.close_readers()


@dataclass(frozen=True, slots=True)
class Kept:
    """What the ledger gives back at a start: lists and snoozes as they were."""

    lists: ManagedLists
    snoozes: Snoozes
    consumers: tuple[Consumer, ...]

    def side(self, grants: Grants) -> Side:
        """What decisions read of it."""
        recipients = Recipients(self.consumers, grants) if self.consumers else None
        return Side(self.lists, self.snoozes, recipients)


def keep(base: Base, fixed: Lists) -> Kept:
    """Read lists and snoozes from the ledger; on a thread. `fixed` are the lists of the policy."""
    now_us, program = base.clock_us(), base.program
    lists = ManagedLists(program.lists, fixed)
    restore(lists, base.reader.of_kinds((LIST,)), now_us)
    snoozes = Snoozes(
        base.appending,
        base.settings.snoozes,
        program=program,
        grants=base.grants,
        clock_us=base.clock_us,
        hash_token=base.hash_token,
        snoozes=snoozes_of(base.reader.of_kinds((SNOOZE, ENDED)), program, parse_time, now_us),
    )
    return Kept(lists, snoozes, consumers_of(base.settings))


def consumers_of(settings: Settings) -> tuple[Consumer, ...]:
    """The consumers that settings name; `SettingsError` with all that is wrong with them."""
    found, wrong = [], []
    for name, one in settings.outbox.webhooks.items():
        problem = wrong_target(one.url, development=settings.mode == "development")
        if problem:
            wrong.append(f"outbox.webhooks.{name}.url: {problem}")
        try:
            secrets = [read_secret(Path(path)) for path in one.secrets]
        except WebhookError as error:
            wrong.append(f"outbox.webhooks.{name}.secrets: {error}")
            continue
        found.append(Consumer(name, one.url, one.client, SharedSecret(secrets)))
    if wrong:
        raise SettingsError("\n".join(wrong))
    return tuple(found)


async def open_back_office(
    base: Base,
    kept: Kept,
    decider: Decider,
    decisions: Decisions,
    events: CountedEvents,
    *,
    gate: Gate,
    subjects: Mapping[str, tuple[str, ...]],
) -> BackOffice:
    """The back office of a decider, with its tasks running."""
    loop = asyncio.get_running_loop()
    settings, clock_us, threads = base.settings, base.clock_us, base.threads
    inflow = Inflow(decider, base.appends, clock_us=clock_us, loop=loop)
    decider.guests.append(inflow)

    def landing(name: EventName) -> bool:
        return decider.is_landing(name) or intake.is_landing(name)

    found = Found(events.find, landing, threads)
    labels = Labels(inflow, found)
    intake = Intake(
        decider.engine,
        inflow,
        found,
        settings.intake,
        grants=base.grants,
        clock_us=clock_us,
        hash_token=base.hash_token,
        subjects=subjects,
        tell=base.tell,
    )
    quarantine = Quarantine(
        intake,
        base.reader,
        base.appending,
        EventForms(base.program),
        clock_us=clock_us,
        readers=threads,
    )
    case_reader, outbox_reader = CaseReader(settings.ledger_url), OutboxReader(settings.ledger_url)
    cases = Cases(
        case_reader,
        base.reader,
        base.appending,
        labels,
        find=decisions.counted,
        settings=settings.cases,
        program=base.program,
        grants=base.grants,
        clock_us=clock_us,
        readers=threads,
    )
    lists = ListKeeper(
        kept.lists,
        base.appending,
        program=base.program,
        clock_us=clock_us,
        hash_token=base.hash_token,
        workers=threads,
    )
    outbox = Outbox(
        outbox_reader,
        base.ledger,
        DecisionMessages(base.reader, decisions.found, base.grants, lambda: decider.lists),
        kept.consumers,
        settings.outbox,
        clock_us=clock_us,
        tell=base.tell,
    )
    routers = (
        event_routes(
            intake,
            labels,
            quarantine,
            gate,
            program=base.program,
            grants=base.grants,
            hash_token=base.hash_token,
            batch=settings.intake.batch,
        ),
        case_routes(cases, decisions, gate, clock_us),
        list_routes(lists, gate),
        snooze_routes(kept.snoozes, gate),
    )

    def close_readers() -> None:
        case_reader.close()
        outbox_reader.close()

    running: list[Coroutine[None, None, None]] = [_restate_daily(lists, clock_us)]
    if kept.consumers:
        running.append(outbox.run())
        decider.side = replace(decider.side, recorded=outbox.wake)
    return BackOffice(
        inflow,
        intake,
        labels,
        quarantine,
        cases,
        lists,
        kept.snoozes,
        outbox,
        routers,
        [loop.create_task(one) for one in running],
        close_readers,
    )


async def _restate_daily(lists: ListKeeper, clock_us: Callable[[], int]) -> None:
    """Keep what is on lists out of the reach of retention."""
    while True:
        try:
            await lists.restate(format_time(clock_us())[:7])
        except ProblemError:
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            await asyncio.sleep(_DAY_SECONDS)
