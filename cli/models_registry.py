"""`tidegate models register … verify`: the registry of one model, as its folder holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tidegate.cli.inputs import AsJson, bad_input
from tidegate.cli.models_key import PassphraseFile, open_key
from tidegate.cli.output import ExitCode, Stop, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.models.people import People
    from tidegate.models.problems import Problem
    from tidegate.models.registry import Registry
    from tidegate.models.registry_log import Action, Head
    from tidegate.models.standing import RegisteredVersion, Signature
    from tidegate.models.stop_file import Stop as ModelStop
    from tidegate.vault.key_file import FileSigner

Done = TypeVar("Done")

ModelFolder = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", show_default=False, help="The model's folder: models/NAME."),
]
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version's number.")]
Key = Annotated[Path, typer.Option(metavar="FILE", help="The key of whoever does it.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why: it stays in the log.")]
PeopleFile = Annotated[
    Path | None,
    typer.Option(
        "--people",
        metavar="FILE",
        show_default="people.yaml beside FOLDER",
        help="Who may do what; in production a file that authors of models cannot write.",
    ),
]
ExpectHead = Annotated[
    str,
    typer.Option(
        metavar="HEAD", help="A head that was seen: the log has to hold it, or nothing is believed."
    ),
]
At = Annotated[
    str,
    typer.Option(
        metavar="MOMENT",
        show_default="now",
        help="Such as 2026-11-25T09:30:00Z; what is done is done within minutes of now.",
    ),
]


def register(
    folder: ModelFolder,
    version: Version,
    *,
    key: Key,
    reason: Reason,
    people: PeopleFile = None,
    passphrase_file: PassphraseFile = "",
    expect_head: ExpectHead = "",
    at: At = "",
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            metavar="FOLDER",
            show_default="the one that FOLDER lies in",
            help="The policy whose definitions the inputs are held against.",
        ),
    ] = None,
) -> None:
    """Register a version: what every file of it holds, signed by its author.

    Refused without a model that can be read and a whole card that is of this model, and where the
    policy's inputs mean something else than it learnt.
    """
    _refuse_changed_inputs(folder, version, policy)
    after = _act(
        _Step(folder, key, reason, people, passphrase_file, expect_head, at), "register", version
    )
    say(f"{after.standing.model} version {version} is registered")
    say(f"content {after.standing.versions[version].content}")
    _say_head(after)


def approve(
    folder: ModelFolder,
    version: Version,
    *,
    until: Annotated[
        str, typer.Option(metavar="DAY", help="From this day (UTC) on it has less authority.")
    ],
    key: Key,
    reason: Reason,
    content: Annotated[
        str, typer.Option(metavar="HASH", help="What was looked at: it has to be that.")
    ] = "",
    people: PeopleFile = None,
    passphrase_file: PassphraseFile = "",
    expect_head: ExpectHead = "",
    at: At = "",
) -> None:
    """Approve what was registered, by an approver who is not its author.

    Done again with a later day, it validates the version anew.
    """
    from tidegate.models.registry_log import day_us

    if day_us(until) is None:
        raise typer.BadParameter("write it as 2027-06-30", param_hint="--until")
    after = _act(
        _Step(folder, key, reason, people, passphrase_file, expect_head, at),
        "approve",
        version,
        content=content,
        until=until,
    )
    say(f"{after.standing.model} version {version} is approved until {until}")
    say(f"content {after.standing.versions[version].content}")
    _say_head(after)


def activate(
    folder: ModelFolder,
    version: Version,
    *,
    key: Key,
    reason: Reason,
    people: PeopleFile = None,
    passphrase_file: PassphraseFile = "",
    expect_head: ExpectHead = "",
    at: At = "",
) -> None:
    """Let an approved version serve, where the policy accepts it."""
    after = _act(
        _Step(folder, key, reason, people, passphrase_file, expect_head, at), "activate", version
    )
    say(f"{after.standing.model} version {version} is active")
    if after.standing.disabled is not None:
        say("the model is still disabled: `enable` lets it serve")
    _say_head(after)


def rollback(
    folder: ModelFolder,
    *,
    key: Key,
    reason: Reason,
    people: PeopleFile = None,
    passphrase_file: PassphraseFile = "",
    expect_head: ExpectHead = "",
    at: At = "",
) -> None:
    """Go back to the version that was active before."""
    after = _act(_Step(folder, key, reason, people, passphrase_file, expect_head, at), "rollback")
    active = after.standing.active
    assert active is not None, "a rollback leads to a version"
    say(f"{after.standing.model} version {active.version} is active again")
    if after.standing.disabled is not None:
        say("the model is still disabled: `enable` lets it serve")
    _say_head(after)


def disable(
    folder: ModelFolder,
    *,
    key: Key,
    reason: Reason,
    people: PeopleFile = None,
    passphrase_file: PassphraseFile = "",
    expect_head: ExpectHead = "",
    at: At = "",
) -> None:
    """Stop the model at once: the policy's `if unavailable` answers.

    Where the log is broken or takes no entry, a signed stop is written beside it.
    """
    from tidegate.models.stopping import Stopped, disable

    step = _Step(folder, key, reason, people, passphrase_file, expect_head, at)
    after = _done(step, "disable", disable)
    if isinstance(after, Stopped):
        say(f"{folder.resolve().name} is disabled by a stop beside its log")
        say(f"the log took no entry: {after.because}")
        return
    say(f"{after.standing.model} is disabled")
    _say_head(after)


def enable(
    folder: ModelFolder,
    *,
    key: Key,
    reason: Reason,
    people: PeopleFile = None,
    passphrase_file: PassphraseFile = "",
    expect_head: ExpectHead = "",
    at: At = "",
) -> None:
    """Let a model that was disabled serve again; a stop beside its log is taken back with that."""
    from tidegate.models.stopping import enable

    step = _Step(folder, key, reason, people, passphrase_file, expect_head, at)
    after = _done(step, "enable", enable)
    active = after.standing.active
    say(
        f"{after.standing.model} is enabled: "
        + (f"version {active.version} is active" if active else "no version is active")
    )
    _say_head(after)


def withdraw(
    folder: ModelFolder,
    version: Version,
    *,
    key: Key,
    reason: Reason,
    people: PeopleFile = None,
    passphrase_file: PassphraseFile = "",
    expect_head: ExpectHead = "",
    at: At = "",
) -> None:
    """Take a version back for good; its folder may be deleted then."""
    after = _act(
        _Step(folder, key, reason, people, passphrase_file, expect_head, at), "withdraw", version
    )
    say(f"{after.standing.model} version {version} is withdrawn")
    _say_head(after)


def status(
    folder: ModelFolder,
    *,
    people: PeopleFile = None,
    expect_head: ExpectHead = "",
    at: At = "",
    as_json: AsJson = False,
) -> None:
    """Say which versions there are, and which one is active.

    A log or a version that is not as it was signed ends it with exit code 1. Keep the head that it
    prints elsewhere: given back as `--expect-head`, it notices a log that was cut short.
    """
    registry = _begun(folder, people, expect_head)
    at_us = _moment(at)
    if as_json:
        say_json(_as_json(registry, at_us))
    else:
        _say_status(registry, at_us)
    raise typer.Exit(ExitCode.FAILED if registry.faults else ExitCode.FINE)


def verify(
    folder: ModelFolder,
    *,
    people: PeopleFile = None,
    expect_head: ExpectHead = "",
    as_json: AsJson = False,
) -> None:
    """Verify every entry, every signature and every file of versions that may still serve.

    Whatever is not as it was signed ends it with exit code 1, a folder without a log with 4.
    """
    registry = _begun(folder, people, expect_head)
    faults = [fault for found in registry.faults.values() for fault in found]
    if as_json:
        say_json(
            {
                "schema": "tidegate.models-verify/1",
                "model": registry.standing.model,
                "verified": not faults,
                "head": str(registry.head),
                "entries": len(registry.lines),
                "files": sum(len(files.digests) for files in registry.files.values()),
                "problems": [_problem(fault) for fault in faults],
            }
        )
    else:
        for fault in faults:
            say(f"fail: {fault}")
        said = counted(sum(len(files.digests) for files in registry.files.values()), "file")
        whole = counted(len(registry.files), "version")
        entries = counted(len(registry.lines), "entry", "entries")
        say(f"{entries} and {said} of {whole} are as they were signed")
        _say_head(registry)
    raise typer.Exit(ExitCode.FAILED if faults else ExitCode.FINE)


def _refuse_changed_inputs(folder: Path, version: int, policy: Path | None) -> None:
    """A stop where a policy declares this version and means something else by what it reads."""
    from tidegate.rules import read

    root = policy or next((p for p in folder.resolve().parents[:4] if any(p.glob("*.tide"))), None)
    if root is None:
        return
    loaded = read(root)
    if loaded.policy is None:
        if policy is None:
            return
        raise bad_input(f"`{policy}` holds no policy without errors", "`tidegate check` says why")
    own = {model.name: model for model in loaded.policy.program.models if not model.external}
    for diagnostic in loaded.diagnostics:
        declared = next((m for m in own.values() if m.span == diagnostic.span), None)
        if diagnostic.code != "TG768" or declared is None or declared.version != version:
            continue
        if (root / declared.path).resolve() == folder.resolve():
            help_ = diagnostic.help
            raise Stop(ExitCode.FAILED, "inputs_changed", diagnostic.message, help_=help_)


# --- what they share


@dataclass(frozen=True, slots=True)
class _Step:
    """What every step is given."""

    folder: Path
    key: Path
    reason: str
    people: Path | None
    passphrase_file: str
    expect_head: str
    at: str


def _act(
    step: _Step,
    action: Action,
    version: int | None = None,
    *,
    content: str = "",
    until: str = "",
) -> Registry:
    from tidegate.models.registry import act

    return _done(step, action, act, version, content=content, until=until)


def _done(
    step: _Step,
    action: Action,
    do: Callable[..., Registry | Done | Problem],
    version: int | None = None,
    *,
    content: str = "",
    until: str = "",
) -> Registry | Done:
    from tidegate.models.problems import Problem
    from tidegate.models.registry import Request

    people = _people(step.folder, step.people)
    head = _head(step.expect_head)
    request = Request(action, step.reason, _moment(step.at), version, content, until)
    signer = _named(open_key(step.key, step.passphrase_file), people)
    try:
        after = do(step.folder, people, signer, request, expected=head)
    except OSError as error:
        raise bad_input(f"`{step.folder}` cannot be written: {error.strerror}") from None
    if isinstance(after, Problem):
        raise _stop(after)
    return after


def _named(signer: FileSigner, people: People) -> FileSigner:
    person = people.owner(signer.public_key)
    if person is None:
        raise Stop(
            ExitCode.FAILED,
            "unknown_person",
            "the key is nobody's whom the people's file lists",
            help_="`tidegate models key` printed its row: a reviewed change adds it",
        )
    return signer.named(person.name)


def _read(folder: Path, people_file: Path | None, expect_head: str) -> Registry:
    from tidegate.models.problems import Problem
    from tidegate.models.registry import read_registry

    registry = read_registry(folder, _people(folder, people_file), expected=_head(expect_head))
    if isinstance(registry, Problem):
        raise _stop(registry)
    return registry


def _begun(folder: Path, people: Path | None, expect_head: str) -> Registry:
    """The registry, or a stop where nobody registered anything in this folder."""
    from tidegate.models.registry_log import LOG_FILE

    # A folder that is no model's is told before the people beside it are looked for.
    absent = folder.is_dir() and not expect_head and not (folder / LOG_FILE).exists()
    registry = None if absent else _read(folder, people, expect_head)
    if registry is not None and registry.lines:
        return registry
    raise Stop(
        ExitCode.NOTHING_TESTED,
        "no_registry",
        f"`{folder}` holds no registry: nothing was registered there",
        help_="a model's folder is `models/NAME`, and `tidegate models register` begins its log",
    )


def _stop(problem: Problem) -> Stop:
    code = ExitCode.BAD_INPUT if problem.kind == "unreadable" else ExitCode.FAILED
    return Stop(
        code, problem.kind, str(problem), help_=problem.help, problems=[_problem(problem)]
    )  # fmt: skip


def _people(folder: Path, path: Path | None) -> People:
    from tidegate.cli.diagnostics import as_json, as_text
    from tidegate.models.people import People
    from tidegate.rules.people import PEOPLE_FILE, read_people

    if not folder.is_dir():
        raise bad_input(f"`{folder}` is no folder")
    file = path or folder.resolve().parent / PEOPLE_FILE
    if not file.is_file():
        shown = path or folder.parent / PEOPLE_FILE
        raise bad_input(f"`{shown}` is no file", "it lists who may do what; `--people` says where")
    found = read_people(file)
    if isinstance(found, People):
        return found
    raise Stop(
        ExitCode.BAD_INPUT,
        "people_refused",
        f"`{file.name}` has {counted(len(found), 'error')}; nothing was done",
        problems=[as_json(diagnostic, {}) for diagnostic in found],
        text=as_text(found, {}, file.parent),
    )


def _head(text: str) -> Head | None:
    from tidegate.models.registry_log import read_head

    head = read_head(text)
    if text and head is None:
        raise typer.BadParameter("`status` prints one", param_hint="--expect-head")
    return head


def _moment(text: str) -> int:
    from tidegate.models import clock
    from tidegate.models.moments import moment_us

    if not text:
        return clock.now_us() // 1_000_000 * 1_000_000
    moment = moment_us(text)
    if moment is None:
        raise typer.BadParameter("write it as 2026-11-25T09:30:00Z", param_hint="--at")
    return moment


def _say_head(registry: Registry) -> None:
    say(f"head {registry.head}")


def _state(registry: Registry, version: RegisteredVersion, at_us: int) -> str:
    """What a version is, in one word."""
    if version.withdrawn is not None:
        return "withdrawn"
    if version.version in registry.faults:
        return "not_whole"
    if version.approved is None:
        return "registered"
    if version.doubt:
        return "distrusted"
    until_us = version.validated_until_us
    if until_us is not None and until_us <= at_us:
        return "expired"
    return "active" if registry.standing.active == version else "approved"


def _say_status(registry: Registry, at_us: int) -> None:
    standing = registry.standing
    active = standing.active
    said = f"version {active.version} is active" if active else "no version is active"
    say(f"{standing.model}: {said}")
    if by := registry.stop or standing.disabled:
        say(f"disabled by {by.who} at {by.at}: {by.reason}")
    if active and standing.before:
        say(f"a rollback leads to version {standing.before[-1]}")
    if standing.doubt:
        say(f"it does not serve: {standing.doubt}")
    for fault in registry.faults.get(0, ()):
        say(f"fail: {fault}")
    for number, version in sorted(standing.versions.items()):
        words = _state(registry, version, at_us).replace("_", " ")
        until = f", until {version.validated_until}" if version.validated_until else ""
        approver = f", approved by {version.approved.who}" if version.approved else ""
        say(f"  {number}  {words}: registered by {version.registered.who}{approver}{until}")
        for fault in registry.faults.get(number, ()):
            say(f"     fail: {fault}")
    _say_head(registry)


def _as_json(registry: Registry, at_us: int) -> dict[str, Any]:
    standing = registry.standing
    return {
        "schema": "tidegate.models-status/1",
        "model": standing.model,
        "head": str(registry.head),
        "active": standing.active.version if standing.active else None,
        "before": standing.before[-1] if standing.before else None,
        "disabled": _signature(registry.stop or standing.disabled),
        "versions": [
            {
                "version": version.version,
                "state": _state(registry, version, at_us),
                "content": version.content,
                "files": dict(version.files),
                "registered": _signature(version.registered),
                "approved": _signature(version.approved),
                "validated_until": version.validated_until or None,
                "withdrawn": _signature(version.withdrawn),
                "problems": [_problem(p) for p in registry.faults.get(version.version, ())],
            }
            for _, version in sorted(standing.versions.items())
        ],
    }


def _signature(signature: Signature | ModelStop | None) -> dict[str, str] | None:
    if signature is None:
        return None
    return {
        "who": signature.who, "key": signature.key, "at": signature.at, "reason": signature.reason
    }  # fmt: skip


def _problem(problem: Problem) -> dict[str, str]:
    return {
        "kind": problem.kind,
        "message": problem.message,
        "help": problem.help,
        "place": problem.place,
    }
