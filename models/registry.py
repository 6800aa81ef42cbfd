"""The registry of one model: a folder with a signed log and a folder for each version.

    models/boosting/log.jsonl      who registered, approved, activated … which content
    models/boosting/3/             model.json, card.json and what reviewers look at

`read_registry` believes nothing: it verifies the chain, every signature, every role, and every file
of each version that may still serve. `act` adds one signed entry. `serving_version` answers what
may serve. What is wrong is a value; nothing that the folder holds makes them raise.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from tidegate.models import clock
from tidegate.models.admission import why_not_admitted
from tidegate.models.clock import TOLERANCE_US
from tidegate.models.durable import FileChanged, FolderBusy, replace_durably, sync_folder
from tidegate.models.manifest import REQUIRED, VersionFiles, content_hash, differences, read_files
from tidegate.models.moments import moment_text
from tidegate.models.ordinary_files import NotOrdinaryError, TooLargeError, read_ordinary
from tidegate.models.people import People
from tidegate.models.problems import Problem
from tidegate.models.registry_log import (
    LOG_FILE,
    MAX_LOG_BYTES,
    MODEL_NAME,
    Action,
    Entry,
    Head,
    Line,
    foreign_signature,
    is_signed,
    read_log,
    signed_line,
    start_of,
    why_no_reason,
    wrong_field,
)
from tidegate.models.standing import (
    RegisteredVersion,
    Signature,
    Standing,
    advance,
    beginning,
    doubted,
)
from tidegate.models.stop_file import Stop, read_stop
from tidegate.vault.keys import Signer

NEEDS_WHOLE: Final[frozenset[Action]] = frozenset({"approve", "activate", "rollback", "enable"})
"""Actions after which a version is nearer to serving: not where a file of it has changed."""

MAX_ATTEMPTS: Final = 20
"""How often an entry is written anew where others wrote to the log meanwhile."""


@dataclass(frozen=True, slots=True)
class Registry:
    """What a folder held, verified. `faults` are, by version, files that are not as registered.

    Those of 0 belong to no version. `stop` is a stop beside the log that is in force.
    """

    folder: Path
    standing: Standing
    lines: tuple[Line, ...]
    faults: Mapping[int, tuple[Problem, ...]]
    files: Mapping[int, VersionFiles] = field(repr=False)
    content: bytes = field(repr=False)
    stop: Stop | None = None

    @property
    def head(self) -> Head:
        """The last entry: keep it elsewhere, and a log that was cut short is noticed."""
        return self.standing.head


@dataclass(frozen=True, slots=True)
class Serving:
    """A version that may serve, with the bytes that were verified: `model` and `card` are JSON.

    From `validated_until_us` (UTC microseconds) on it has less authority.

    `problems` say what is wrong though it serves: where the active version, then `instead_of`, is
    not whole, the one that was active before it serves. `keys` (hex) let it serve: with any of them
    not listed any more, it does not.
    """

    model: str
    version: int
    content: str
    validated_until_us: int
    author: str
    approver: str
    head: Head
    model_json: bytes = field(repr=False)
    card_json: bytes = field(repr=False)
    problems: tuple[Problem, ...] = field(default=(), compare=False)
    instead_of: int = field(default=0, compare=False)
    keys: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NotServing:
    """Why no version serves: the policy's `if unavailable` answers.

    `refused` is a failure: log or files are not what was signed, and `problems` say where. So is
    `distrusted`: who let the version serve is not among the people any more.
    """

    model: str
    why: Literal["nothing_active", "disabled", "newer_than_declared", "refused", "distrusted"]
    said: str
    head: Head | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants done at a moment in UTC microseconds.

    `version` is needed by `register`, `approve`, `activate` and `withdraw` alone; `content`, where
    it is given, is what the version has to hold. `validated_until` is a date.
    """

    action: Action
    reason: str
    at_us: int
    version: int | None = None
    content: str = ""
    validated_until: str = ""


def read_registry(
    folder: Path, people: People, *, expected: Head | None = None, now_us: int | None = None
) -> Registry | Problem:
    """The registry in `folder`, named like its model; a Problem where its log is not right.

    `expected` is a head that was seen before: the log has to hold it still. `now_us` is the moment
    (UTC microseconds), without it the clock's: an entry that is dated later is not believed.
    """
    now = clock.now_us() if now_us is None else now_us
    content = _log_bytes(folder)
    if isinstance(content, Problem):
        return content
    name = folder.resolve().name
    lines = read_log(content, name, people.registry)
    if isinstance(lines, Problem):
        return lines
    if problem := _dated_ahead(lines, now):
        return problem
    if expected is not None and (problem := _forgotten(lines, expected, name, people)):
        return problem
    standing = standing_after(lines, name, people)
    if isinstance(standing, Problem):
        return standing
    faults: dict[int, tuple[Problem, ...]] = {}
    files: dict[int, VersionFiles] = {}
    for number, version in sorted(standing.versions.items()):
        if version.withdrawn is not None:
            continue
        found = read_files(folder, number)
        if isinstance(found, Problem):
            faults[number] = (found,)
        elif wrong := tuple(differences(number, found.digests, version.files)):
            faults[number] = wrong
        else:
            files[number] = found
    stop = read_stop(folder, people, now)
    if isinstance(stop, Problem):
        faults[0] = (stop,)
        stop = None
    if stop is not None and was_taken_back(stop, standing):
        stop = None
    return Registry(
        folder, standing, lines, MappingProxyType(faults), MappingProxyType(files), content, stop
    )


def was_taken_back(stop: Stop, standing: Standing) -> bool:
    """Whether the log holds an `enable` that is later than a stop beside it."""
    return standing.enabled_us is not None and standing.enabled_us > stop.at_us


def standing_after(lines: tuple[Line, ...], model: str, people: People) -> Standing | Problem:
    """What the lines of a log come to; a Problem at the first that is not right."""
    standing = beginning(model, people.registry)
    for line in lines:
        after = _follow(standing, line, people, past=True)
        if isinstance(after, Problem):
            return after
        standing = after
    return standing


def act(
    folder: Path,
    people: People,
    signer: Signer,
    request: Request,
    *,
    expected: Head | None = None,
    now_us: int | None = None,
) -> Registry | Problem:
    """Do what is asked, as one signed entry on the disk; a Problem where it may not be done.

    `now_us` is the moment (UTC microseconds), without it the clock's: the request is of about now,
    and the signer's key is in force now. OSError where the system does not let the log be written:
    it then is the old one or the new one.
    """
    now = clock.now_us() if now_us is None else now_us
    if problem := _not_of_now(people, signer, request, now):
        return problem
    before: tuple[int, ...] | None = None
    for attempt in range(MAX_ATTEMPTS):
        registry = read_registry(folder, people, expected=expected, now_us=now)
        if isinstance(registry, Problem):
            return registry
        activations = registry.standing.activations
        if request.action == "rollback" and before not in (None, activations):
            return _CHANGED  # done twice, it would go back by two
        before = activations
        found = _written(registry, people, signer, request)
        if isinstance(found, Head):
            return read_registry(folder, people, expected=found, now_us=now)
        if found is not _CHANGED:
            return found
        time.sleep(0.002 * attempt)
    return _CHANGED


def _not_of_now(people: People, signer: Signer, request: Request, now_us: int) -> Problem | None:
    if abs(request.at_us - now_us) > TOLERANCE_US:
        message = f"`{_moment(request.at_us)}` is not now: it is {_moment(now_us)}"
        return Problem("not_now", message, "look at the clock, and leave the moment out")
    person = people.owner(signer.public_key)
    if person is not None and person.until_us is not None and now_us >= person.until_us:
        message = f"the key of `{person.name}` ended at {moment_text(person.until_us)}"
        return Problem("key_ended", message, "sign with a key that is still in force")
    return None


def _moment(time_us: int) -> str:
    return moment_text(time_us // 1_000_000 * 1_000_000)


def _written(
    registry: Registry, people: People, signer: Signer, request: Request
) -> Head | Problem:
    """Write one entry to the log as it was read; its head, or why not."""
    folder = registry.folder
    entry = _entry(registry, signer, request)
    if isinstance(entry, Problem):
        return entry
    # Rules first: the signer is asked for nothing that is refused.
    after = advance(registry.standing, entry, registry.head, people)
    if isinstance(after, Problem):
        return after
    if wrong := wrong_field(entry):
        return Problem("not_an_entry", f"`{wrong}` is not what an entry holds there")
    if problem := _not_whole(registry, entry):
        return problem
    content = registry.content + signed_line(entry, signer)
    # The log is read back before it is written: a signer that is broken must not break it.
    lines = read_log(content, registry.standing.model, people.registry)
    last = lines if isinstance(lines, Problem) else _follow(registry.standing, lines[-1], people)
    if isinstance(last, Problem):
        return last
    if entry.action == "register":
        sync_folder(folder / str(entry.version))
    try:
        replace_durably(folder / LOG_FILE, registry.content, content)
    except FolderBusy:
        message = "somebody else holds the folder's lock, and does not release it"
        return Problem("log_locked", message, "find the process that does, then repeat", LOG_FILE)
    except FileChanged:
        return _CHANGED
    return last.head


_CHANGED: Final = Problem(
    "log_changed",
    "somebody else wrote to the log meanwhile; nothing was done",
    "look at it again, then repeat",
    LOG_FILE,
)


def serving_version(
    folder: Path,
    declared: int,
    people: People,
    *,
    expected: Head | None = None,
    now_us: int | None = None,
) -> Serving | NotServing:
    """What may serve of the model in `folder`, where its policy declares the version `declared`.

    The active version serves where it is not newer than the declared one. Where a file of it is not
    what was registered, the version serves that was active before it and is whole, with `problems`.
    """
    now = clock.now_us() if now_us is None else now_us
    registry = read_registry(folder, people, expected=expected, now_us=now)
    if isinstance(registry, Problem):
        stop = read_stop(folder, people, now)
        if isinstance(stop, Stop):
            return stopped(folder.resolve().name, stop, None, (registry,))
        return NotServing(folder.resolve().name, "refused", str(registry), None, (registry,))
    return serving_of(registry, declared)


def serving_of(registry: Registry, declared: int) -> Serving | NotServing:
    """The same, of a registry that was read."""
    standing, head = registry.standing, registry.head
    active = standing.active
    if by := registry.stop or standing.disabled:
        return stopped(standing.model, by, head)
    if active is None:
        return NotServing(standing.model, "nothing_active", "no version is active", head)
    if active.version > declared:
        return _newer(standing.model, active.version, declared, head)
    if doubt := active.doubt or standing.doubt:
        said = f"version {active.version} does not serve: {doubt}"
        problem = Problem("distrusted", said, _OTHERS)
        return NotServing(standing.model, "distrusted", said, head, (problem,))
    faults = registry.faults.get(active.version)
    if not faults:
        return _serving(standing, active, registry.files[active.version])
    before = _whole_before(registry, active)
    if before is None:
        return NotServing(standing.model, "refused", str(faults[0]), head, faults)
    serving = _serving(standing, before, registry.files[before.version])
    return replace(serving, problems=faults, instead_of=active.version)


def _whole_before(registry: Registry, active: RegisteredVersion) -> RegisteredVersion | None:
    """What was active before and may serve still.

    What was rolled back is none of the activations, and of what was withdrawn there are no files.
    """
    standing = registry.standing
    before = (standing.versions[number] for number in reversed(standing.activations))
    return next(
        (
            version
            for version in before
            if version is not active and version.version in registry.files
        ),
        None,
    )


def stopped(
    model: str, by: Stop | Signature, head: Head | None, problems: tuple[Problem, ...] = ()
) -> NotServing:
    """What is said of a model that an operator stopped."""
    said = f"`{by.who}` disabled the model at {by.at}: {by.reason}"
    return NotServing(model, "disabled", said, head, problems)


def accepted(answer: Serving | NotServing, declared: int) -> Serving | NotServing:
    """What serves, where a policy declares this version: nothing that is newer."""
    if (
        isinstance(answer, Serving)
        and (newest := max(answer.version, answer.instead_of)) > declared
    ):
        return _newer(answer.model, newest, declared, answer.head)
    return answer


def _newer(model: str, version: int, declared: int, head: Head) -> NotServing:
    said = (
        f"version {version} is active, and the policy accepts none above {declared}: "
        "raise the version that it declares, or roll back"
    )
    return NotServing(model, "newer_than_declared", said, head)


def _serving(standing: Standing, active: RegisteredVersion, files: VersionFiles) -> Serving:
    until_us, approved = active.validated_until_us, active.approved
    assert until_us is not None, "only what is approved becomes active"
    assert approved is not None
    return Serving(
        standing.model,
        active.version,
        active.content,
        until_us,
        active.registered.who,
        approved.who,
        standing.head,
        files.kept["model.json"],
        files.kept["card.json"],
        keys=(active.registered.key, approved.key),
    )


def _log_bytes(folder: Path) -> bytes | Problem:
    try:
        if not folder.is_dir():
            return Problem("unreadable", f"`{folder}` is no folder")
        return read_ordinary(folder / LOG_FILE, MAX_LOG_BYTES)
    except FileNotFoundError:
        return b""
    except TooLargeError:
        return Problem("log_broken", "the log is larger than 16 MiB", _RESTORE, LOG_FILE)
    except NotOrdinaryError as error:
        return Problem("log_broken", f"the log {error.strerror}", _RESTORE, LOG_FILE)
    except OSError as error:
        return Problem("unreadable", f"cannot be read: {error.strerror}", "", LOG_FILE)


def _dated_ahead(lines: tuple[Line, ...], now_us: int) -> Problem | None:
    """The first entry that is dated later than clocks differ: it would close the log to others."""
    for line in lines:
        if line.entry.at_us > now_us + TOLERANCE_US:
            place = f"{LOG_FILE}:{line.head.sequence}"
            message = f"the entry of `{line.entry.who}` is dated {line.entry.at}, which is to come"
            return Problem("dated_ahead", message, _RESTORE, place)
    return None


def _forgotten(
    lines: tuple[Line, ...], expected: Head, name: str, people: People
) -> Problem | None:
    """Why a log is not the one, or a later one of it, whose head was seen.

    What came since, at its end, from a key that is not listed, was never trusted by whoever looked:
    anybody could have written it, and it stops nothing until an approver or operator goes on.
    """
    heads = [start_of(name, people.registry), *(line.head for line in lines)]
    if len(heads) <= expected.sequence:
        return Problem(
            "log_cut_short",
            f"the log has {len(lines)} entries, and {expected.sequence} were seen",
            "bring it back from version control or a copy, and ask who wrote to it",
            LOG_FILE,
        )
    if heads[expected.sequence] != expected:
        message = f"entry {expected.sequence} is another one than was seen"
        return Problem(
            "log_replaced",
            message,
            "bring it back from version control or a copy, and ask who wrote to it",
            f"{LOG_FILE}:{expected.sequence}",
        )
    strange: Problem | None = None
    for line in lines[expected.sequence :]:
        found = doubted(line.entry, people)
        person = people.owner(bytes.fromhex(line.entry.key))
        if found is not None and strange is None:
            place = f"{LOG_FILE}:{line.head.sequence}"
            strange = Problem(found.kind, found.message, _RESTORE, place)
        elif found is None and person is not None and person.roles & {"approver", "operator"}:
            strange = None
    return strange


def _follow(
    standing: Standing, line: Line, people: People, *, past: bool = False
) -> Standing | Problem:
    """The standing after a line, once its signature and its signer are known to be right."""
    after = advance(standing, line.entry, line.head, people, past=past)
    place = f"{LOG_FILE}:{line.head.sequence}"
    if isinstance(after, Problem):
        return Problem(after.kind, after.message, after.help, place)
    return after if is_signed(line) else foreign_signature(line)


def _entry(registry: Registry, signer: Signer, request: Request) -> Entry | Problem:
    """The entry that a request asks for, unsigned."""
    if why := why_no_reason(request.reason):
        return Problem("no_reason", why)
    standing = registry.standing
    if MODEL_NAME.fullmatch(standing.model) is None:
        message = f"`{standing.model}` is no name of a model"
        return Problem("no_model_name", message, "a folder is named like its model: `fraud_score`")
    version, content, files = _target(registry, request)
    if request.action == "register":
        found = read_files(registry.folder, version, keep=REQUIRED)
        if isinstance(found, Problem):
            absent = not (registry.folder / str(version)).exists()
            return replace(found, help=_TRAIN) if absent else found
        if problem := why_not_admitted(standing.model, version, found):
            return problem
        files = found.digests
        content = content_hash(standing.model, version, files)
    if request.content and request.content != content:
        message = f"version {version} holds {content or 'nothing'}, not what was asked for"
        return Problem("hash_mismatch", message, "look at what lies there now")
    return Entry(
        sequence=registry.head.sequence + 1,
        previous=registry.head.hash,
        at=moment_text(_at_us(standing, request)),
        action=request.action,
        model=standing.model,
        version=version,
        content=content,
        who=signer.name,
        key=signer.public_key.hex(),
        reason=request.reason,
        validated_until=request.validated_until,
        files=files,
    )


def _at_us(standing: Standing, request: Request) -> int:
    """The moment of an entry: a stop is never before the last one, whose clock may be ahead."""
    if request.action == "disable" and standing.at_us is not None:
        return max(request.at_us, standing.at_us)
    return request.at_us


def _target(registry: Registry, request: Request) -> tuple[int, str, Mapping[str, str]]:
    """Version and content that a request is about."""
    standing = registry.standing
    if request.action == "rollback":
        left = standing.before
        number = left[-1] if left else 0
    elif request.action in ("disable", "enable"):
        number = standing.active.version if standing.active else 0
    else:
        number = request.version or 0
    version = standing.versions.get(number)
    return number, version.content if version else "", {}


_TRAIN = "train it first: `tidegate models train` writes the folder"


def _not_whole(registry: Registry, entry: Entry) -> Problem | None:
    if entry.action not in NEEDS_WHOLE:
        return None
    faults = registry.faults.get(entry.version) if entry.version else None
    return faults[0] if faults else None


_OTHERS = "whoever is trusted registers or approves it anew, or an operator rolls back"
_RESTORE = "bring the log back from version control or a copy, and ask who wrote to it"
