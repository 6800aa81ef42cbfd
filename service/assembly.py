"""The one place where a service is put together from its settings. Nothing of it is global."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import Program
from tidegate.dsl.types import Kind
from tidegate.engine import Engine
from tidegate.engine.event import HashToken, keep_token
from tidegate.engine.grants import grants_of
from tidegate.engine.values import format_time
from tidegate.service.access import access_table
from tidegate.service.alerts import Tell, to_log
from tidegate.service.app import Routes, application
from tidegate.service.back_office import BackOffice, Base, keep, open_back_office
from tidegate.service.decider import Decider
from tidegate.service.decisions import Decisions
from tidegate.service.door import Door
from tidegate.service.event_examples import example_of, schema_of
from tidegate.service.front import Front
from tidegate.service.gate import Gate, VerifiesTokens, no_sink
from tidegate.service.hot import HotDecisions
from tidegate.service.identifiers import Identifiers
from tidegate.service.issuer import DevelopmentIssuer
from tidegate.service.limits import Rate, RateLimits
from tidegate.service.model_refresh import ModelRefresh
from tidegate.service.policy_shelf import PolicyShelf
from tidegate.service.pseudonyms import token_hasher
from tidegate.service.recorded import EventForms
from tidegate.service.routes_decisions import decision_routes
from tidegate.service.routes_health import health_routes
from tidegate.service.routes_oauth import TOKEN, oauth_routes
from tidegate.service.scoring import scorer_of
from tidegate.service.security_events import SecurityEvent
from tidegate.service.settings import Settings, SettingsError
from tidegate.service.window_keeper import WindowKeeper
from tidegate.service.window_recovery import CountedEvents, needed_from, recover
from tidegate.service.window_snapshot import SnapshotError, read_snapshot
from tidegate.service.windows import Windows
from tidegate.store.anchors import FileAnchor
from tidegate.store.async_ledger import AsyncLedger
from tidegate.store.entries import Entry
from tidegate.store.ledger import Ledger, LedgerKeys, open_ledger
from tidegate.store.reading import Reader
from tidegate.vault.memory import MemoryKeys

if TYPE_CHECKING:
    from tidegate.dsl.lists import Lists
    from tidegate.models.people import People
    from tidegate.models.scored import ModelScorer
    from tidegate.rules.policy import Policy

_LOG = logging.getLogger("tidegate.assembly")
SNAPSHOT = "windows.snapshot"
POLICIES = "policies"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service may be given instead of what its settings say; tests do that.

    `verifier` says who sent a request, and `issuer` signs tokens in development. `scorer` works
    scores out, and is waited for on threads.
    """

    verifier: VerifiesTokens
    issuer: DevelopmentIssuer | None = None
    keys: LedgerKeys | None = None
    ledger: Callable[[Ledger], Ledger] | None = None
    scorer: ModelScorer | None = None
    clock_us: Callable[[], int] | None = None
    tell: Callable[[SecurityEvent], None] = no_sink
    alert: Tell = to_log


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs, as `opened` gives it."""

    app: Front
    data: Path
    policy: Policy
    decider: Decider
    decisions: Decisions
    keeper: WindowKeeper
    ledger: Ledger
    reader: Reader
    gate: Gate
    office: BackOffice


@asynccontextmanager
async def opened(
    settings: Settings, parts: Parts, policy: Policy | None = None
) -> AsyncIterator[Service]:
    """A running service; closed when the block ends: the windows saved, the head signed.

    `policy` is what `load_serving_policy` gave, where that was asked already.
    """
    loop = asyncio.get_running_loop()
    clock_us = parts.clock_us or _clock_us
    settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = parts.keys or MemoryKeys.kept(settings.keys_path)
    hash_token = token_hasher(keys.hasher) if settings.hash_tokens else keep_token
    policy = _with_hashed_lists(policy or load_serving_policy(settings), hash_token)
    stack = contextlib.ExitStack()
    scorer = parts.scorer or stack.enter_context(scorer_of(policy, settings.models))
    shelf = PolicyShelf(settings.data_folder / POLICIES)
    is_new = shelf.put(policy)
    readers = ThreadPoolExecutor(4, "tidegate-reader")
    scorers = ThreadPoolExecutor(16, "tidegate-scorer") if scorer is not None else None
    ledger = open_ledger(settings.ledger_url, keys, [FileAnchor(settings.anchor_path)])
    try:
        reader = Reader(settings.ledger_url, keys.source)
        appending = AsyncLedger(ledger, loop)
        events = CountedEvents(reader, keys.hasher, EventForms(policy.program))
        grants = grants_of(policy.program)
        appends = parts.ledger(ledger) if parts.ledger else ledger
        base = Base(
            settings,
            policy.program,
            grants,
            ledger,
            appends,
            appending,
            reader,
            readers,
            clock_us,
            hash_token,
            parts.alert,
        )
        kept = await loop.run_in_executor(readers, keep, base, policy.lists)
        lists = kept.lists.at(clock_us())
        windows = await loop.run_in_executor(
            readers,
            partial(_windows, settings, policy.program, keys, events, lists, now_us=clock_us()),
        )
        engine = Engine(policy, scorer=scorer)
        subjects = _subjects(settings, policy.program)
        decider = Decider(
            engine,
            windows,
            appends,
            reader,
            settings.deciding,
            grants=grants,
            clock_us=clock_us,
            loop=loop,
            hash_token=hash_token,
            subjects=subjects,
            scorers=scorers,
            readers=readers,
            through=reader.size() - 1,
            side=kept.side(grants),
        )
        decisions = Decisions(reader, appending, shelf, grants, clock_us=clock_us, readers=readers)
        keeper = WindowKeeper(
            decider,
            events,
            appending,
            keys.source,
            path=settings.data_folder / SNAPSHOT,
            settings=settings.windows,
            clock_us=clock_us,
            readers=readers,
        )
        gate = Gate(
            parts.verifier,
            access_table(),
            grants,
            RateLimits(Rate(settings.rate.per_second, settings.rate.burst), time.monotonic),
            parts.tell,
        )
        office = await open_back_office(
            base, kept, decider, decisions, events, gate=gate, subjects=subjects
        )
        app = _application(
            settings,
            parts,
            gate,
            decider=decider,
            decisions=decisions,
            office=office,
            is_ready=lambda: ledger.state == "open" and not decider.in_doubt,
        )
        if is_new:
            await appending.append(_release(policy, clock_us()))
        tasks = [
            loop.create_task(keeper.keep_saving()),
            loop.create_task(keeper.keep_certain()),
        ]
        models: ModelRefresh | None = None
        if settings.models.people:
            models = ModelRefresh(
                decider,
                policy,
                Path(settings.policy),
                _people(settings),
                shelf=shelf,
                settings=settings.models,
                readers=readers,
            )
            stack.callback(models.close)
            tasks.append(loop.create_task(models.keep_fresh()))
        try:
            yield Service(
                app,
                settings.data_folder,
                policy,
                decider,
                decisions,
                keeper,
                ledger,
                reader,
                gate,
                office,
            )
        finally:
            await office.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(OSError):
                await keeper.save()
            reader.close()
    finally:
        await loop.run_in_executor(None, ledger.close)
        readers.shutdown()
        if scorers is not None:
            scorers.shutdown(wait=False, cancel_futures=True)
        stack.close()


def _clock_us() -> int:
    return time.time_ns() // 1_000


def load_serving_policy(settings: Settings) -> Policy:
    """The policy that serves: of its models the versions that the registry says.

    `PolicyRefused` where it has errors, `SettingsError` where nobody's word can be had.
    """
    from tidegate.models.registry import serving_version
    from tidegate.rules import load_policy

    folder = Path(settings.policy)
    if not settings.models.people:
        return load_policy(folder)
    return load_policy(folder, serving=partial(serving_version, people=_people(settings)))


def _people(settings: Settings) -> People:
    """Who may approve and stop models."""
    from tidegate.rules.people import read_people

    people = read_people(Path(settings.models.people))
    if isinstance(people, tuple):
        raise SettingsError("\n".join(diagnostic.message for diagnostic in people))
    return people


def _with_hashed_lists(policy: Policy, hash_token: HashToken) -> Policy:
    """Lists of tokens hold what the door makes of tokens."""
    if hash_token is keep_token:
        return policy
    tokens = {d.name for d in policy.program.lists if d.type.kind is Kind.TOKEN and d.path}
    hashed = {
        name: ListContent(frozenset(hash_token(name, str(value)) for value in content.values))
        for name, content in policy.lists.items()
        if name in tokens and content is not None
    }
    return replace(policy, lists={**policy.lists, **hashed})


def _windows(
    settings: Settings,
    program: Program,
    keys: LedgerKeys,
    events: CountedEvents,
    lists: Lists,
    *,
    now_us: int,
) -> Windows:
    """The windows as they were: from the snapshot and what the ledger has since, or all of it."""
    try:
        found = read_snapshot(settings.data_folder / SNAPSHOT, program, keys.source)
    except SnapshotError as why:
        windows = Windows(program)
        start = needed_from(windows, events, now_us)
        _LOG.info("windows are rebuilt from entry %d of the ledger: %s", start, why)
    else:
        windows = Windows(program, found.state, found.reported, found.latest_us)
        start = found.start
    taken = recover(windows, events, lists, start)
    _LOG.info("windows hold %d events more than at the last save", taken)
    return windows


def _subjects(settings: Settings, program: Program) -> Mapping[str, tuple[str, ...]]:
    """By event, the fields that name whom it concerns."""
    found: dict[str, tuple[str, ...]] = {}
    for event in program.events:
        tokens = [field.name for field in event.fields if field.type.kind is Kind.TOKEN]
        first = [name for name in ("customer", "card") if name in tokens]
        wanted = settings.subjects.get(event.name)
        if wanted is not None and (unknown := set(wanted) - set(tokens)):
            names = ", ".join(sorted(unknown))
            raise SettingsError(f"subjects.{event.name}: {names}: no token field has this name")
        found[event.name] = wanted or (*first, *(n for n in tokens if n not in first))
    if unknown := set(settings.subjects) - set(found):
        raise SettingsError(f"subjects: the policy has no event {', '.join(sorted(unknown))}")
    return found


def _application(
    settings: Settings,
    parts: Parts,
    gate: Gate,
    *,
    decider: Decider,
    decisions: Decisions,
    office: BackOffice,
    is_ready: Callable[[], bool],
) -> Front:
    door, program = Door(), decider.engine.program
    hot = HotDecisions(decider, door, gate, settings.clients)
    routers = [
        decision_routes(decider, decisions, gate, settings.clients, settings.deciding.batch),
        health_routes(is_ready, gate),
        *office.routers,
    ]
    if parts.issuer is not None:
        routers.append(oauth_routes(parts.issuer))
    described = {
        event.name: {"schema": schema_of(event), "example": example_of(program, event)}
        for event in program.events
        if event.decided
    }
    return application(Routes(hot, routers), gate, door, described, forms=[TOKEN])


def _release(policy: Policy, at_us: int) -> Entry:
    """That a policy begins to decide."""
    return Entry(
        "release",
        Identifiers().make(at_us),
        format_time(at_us),
        facts={"policy": policy.hash, "name": policy.program.name},
    )
