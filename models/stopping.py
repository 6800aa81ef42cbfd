"""Stopping a model whatever its log is, and letting it serve again once the log is whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tidegate.models import clock
from tidegate.models.durable import remove_durably, write_durably
from tidegate.models.people import People
from tidegate.models.problems import Problem
from tidegate.models.registry import Registry, Request, act, read_registry
from tidegate.models.registry_log import LOG_FILE, Head
from tidegate.models.stop_file import STOP_FILE, Stop, signed_stop, stop_of
from tidegate.vault.keys import Signer

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Stopped:
    """The model is stopped by a file beside its log, which could not take the entry `because`."""

    stop: Stop
    because: Problem


def disable(
    folder: Path,
    people: People,
    signer: Signer,
    request: Request,
    *,
    expected: Head | None = None,
    now_us: int | None = None,
) -> Registry | Stopped | Problem:
    """Stop a model: by an entry of its log or, where the log takes none, by a file beside it.

    A Problem where the signer may not, or nothing is to be stopped. OSError where the system lets
    neither be written.
    """
    now = clock.now_us() if now_us is None else now_us
    try:
        found = act(folder, people, signer, request, expected=expected, now_us=now)
    except OSError as error:
        found = Problem("unreadable", f"cannot be written: {error.strerror}", "", LOG_FILE)
    if isinstance(found, Registry) or not found.place.startswith(LOG_FILE):
        return found
    model = folder.resolve().name
    content = signed_stop(model, people.registry, signer, request.reason, request.at_us)
    stop = stop_of(content, model, people, now)
    if isinstance(stop, Problem):
        return replace(stop, help="an operator stops it")
    write_durably(folder / STOP_FILE, content)
    return Stopped(stop, found)


def enable(
    folder: Path,
    people: People,
    signer: Signer,
    request: Request,
    *,
    expected: Head | None = None,
    now_us: int | None = None,
) -> Registry | Problem:
    """Let a stopped model serve again, once its log is whole: a stop beside it goes with that.

    Of such a stop the log then holds that it was, and that it was taken back.
    """
    now = clock.now_us() if now_us is None else now_us
    registry = read_registry(folder, people, expected=expected, now_us=now)
    if isinstance(registry, Problem):
        return registry
    stop = registry.stop
    if stop is not None:
        request = replace(request, at_us=max(request.at_us, stop.at_us + _SECOND_US))
        if registry.standing.disabled is None:
            said = f"stopped beside the log by {stop.who} at {stop.at}"
            noted = replace(request, action="disable", reason=said)
            after = act(folder, people, signer, noted, expected=expected, now_us=now)
            if isinstance(after, Problem):
                return after
    after = act(folder, people, signer, request, expected=expected, now_us=now)
    if isinstance(after, Problem) or stop is None:
        return after
    remove_durably(folder / STOP_FILE)
    return read_registry(folder, people, expected=after.head, now_us=now)
