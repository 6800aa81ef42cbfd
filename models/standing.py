"""What a log says: which versions there are, who approved them, which one is active.

`advance` is the whole of the rules: who may do what, and when. Reading a log and adding to it both
go through it, so nothing can be written that would not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tidegate.models.manifest import content_hash
from tidegate.models.moments import moment_text
from tidegate.models.people import People, Person, Role
from tidegate.models.problems import Problem
from tidegate.models.registry_log import Action, Entry, Head, day_us, start_of

NEEDED: Final[Mapping[Action, tuple[Role, ...]]] = {
    "register": ("author",),
    "approve": ("approver",),
    "activate": ("operator",),
    "rollback": ("operator",),
    "disable": ("operator",),
    "enable": ("operator",),
    "withdraw": ("author", "approver"),
}


MAX_WAITING: Final = 50
"""Versions of one author with which nobody else had to do: enough to try, too few to fill a log."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who did something, with which key (hex), when and why."""

    who: str
    key: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version: what it holds, and whether it may serve.

    `validated_until` is a date: from its beginning (UTC) the version has less authority. The doubts
    say why who registered or approved it is not trusted any more; empty where they are.
    """

    version: int
    content: str
    files: Mapping[str, str]
    registered: Signature
    approved: Signature | None = None
    validated_until: str = ""
    withdrawn: Signature | None = None
    author_doubt: str = ""
    approver_doubt: str = ""

    @property
    def validated_until_us(self) -> int | None:
        """The moment, UTC microseconds; None where nobody approved it."""
        return day_us(self.validated_until)

    @property
    def doubt(self) -> str:
        """Why it does not serve though it was approved; empty where nothing is the matter."""
        return self.author_doubt or self.approver_doubt

    @property
    def was_allowed(self) -> bool:
        """Whether it is approved and was not withdrawn."""
        return self.approved is not None and self.withdrawn is None

    @property
    def may_serve(self) -> bool:
        """The same, and whoever let it are still trusted."""
        return self.was_allowed and not self.doubt


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of one model's registry after its last entry.

    `activations` are the versions that were active, oldest first: the last is active, the ones
    before it are what a rollback goes back to. `disabled` says who stopped the model; None where
    it is not stopped. `enabled_us` is when it was last enabled. `doubt` says why whoever brought
    the active version into service is not trusted any more.
    """

    model: str
    head: Head
    versions: Mapping[int, RegisteredVersion] = field(default_factory=dict)
    activations: tuple[int, ...] = ()
    disabled: Signature | None = None
    at_us: int | None = None
    enabled_us: int | None = None
    doubt: str = ""

    @property
    def active(self) -> RegisteredVersion | None:
        """The version that was activated last and not rolled back."""
        return self.versions[self.activations[-1]] if self.activations else None

    @property
    def before(self) -> tuple[int, ...]:
        """What a rollback leaves of `activations`: it ends with another version that may serve."""
        left = self.activations
        while left and (left[-1] == self.activations[-1] or not self.versions[left[-1]].may_serve):
            left = left[:-1]
        return left


def beginning(model: str, registry: str = "") -> Standing:
    """The standing of a model without entries, in the registry of this id."""
    return Standing(model, start_of(model, registry))


def advance(
    standing: Standing, entry: Entry, head: Head, people: People, *, past: bool = False
) -> Standing | Problem:
    """The standing after an entry, or why its signer may not do that now.

    `head` is the entry's own. The signature is not looked at here; that the signer may use the
    key is. An entry of the `past` whose key is not listed any more is followed: it can stop what it
    let serve, and let nothing serve.
    """
    if standing.at_us is not None and entry.at_us < standing.at_us:
        return Problem(
            "time_goes_back",
            f"the entry is of {entry.at}, before the last one of {moment_text(standing.at_us)}",
            "look at the clock of whoever wrote it",
        )
    doubt = doubted(entry, people) if past else None
    person = None if doubt else _person(entry, people)
    if isinstance(person, Problem):
        return person
    if not past and (problem := _not_now(standing, entry)):
        return problem
    after = _ACTIONS[entry.action](standing, entry)
    if isinstance(after, Problem):
        return after
    if person and entry.action == "withdraw":
        problem = _withdraw_problem(standing, entry, person)
        if problem is not None:
            return problem
    if doubt is not None:
        after = _with_doubt(standing, after, entry, doubt.message)
    elif entry.action in ("activate", "rollback"):
        after = replace(after, doubt="")
    return replace(after, head=head, at_us=entry.at_us)


def doubted(entry: Entry, people: People) -> Problem | None:
    """Why an entry that was right once is not trusted: its key is listed no more, or ended before.

    A key that is somebody else's is no such case: the entry is forged.
    """
    person = people.owner(bytes.fromhex(entry.key))
    if person is None:
        message = f"the key of `{entry.who}` is not among the people's"
        return Problem("distrusted", message, _DISTRUSTED)
    ended = person.until_us is not None and entry.at_us >= person.until_us
    if person.name == entry.who and ended:
        message = f"the key of `{entry.who}` had ended when it signed"
        return Problem("distrusted", message, _DISTRUSTED)
    return None


def _with_doubt(before: Standing, after: Standing, entry: Entry, doubt: str) -> Standing:
    """What an entry comes to that nobody trusts: it counts against serving, and never for it."""
    match entry.action:
        case "register":
            return _with(after, replace(after.versions[entry.version], author_doubt=doubt))
        case "approve":
            if before.versions[entry.version].approved is not None:
                return before
            return _with(after, replace(after.versions[entry.version], approver_doubt=doubt))
        case "activate" | "rollback" | "enable":
            return replace(after, doubt=doubt)
        case _:
            return after


def _not_now(standing: Standing, entry: Entry) -> Problem | None:
    """What is refused to whoever writes, though a log may hold it.

    It depends on who is trusted: a log that was right must not break when somebody is no more.
    """
    if entry.action == "rollback":
        return _no_rollback(standing, entry)
    version = standing.versions.get(entry.version)
    if version is None:
        return None
    if entry.action == "approve" and version.author_doubt:
        message = f"version {version.version}: {version.author_doubt}"
        return Problem("distrusted", message, "register a new version")
    if entry.action != "activate":
        return None
    if version.doubt:
        return Problem("distrusted", f"version {version.version}: {version.doubt}", _DISTRUSTED)
    if standing.active is version and not standing.doubt:
        return Problem("active_already", f"version {version.version} is active already")
    if version.validated_until_us is not None and version.validated_until_us <= entry.at_us:
        return Problem(
            "validation_expired",
            f"version {version.version} was validated until {version.validated_until}",
            "an approver validates it anew: `approve` with a later date",
        )
    return None


def _no_rollback(standing: Standing, entry: Entry) -> Problem | None:
    left = standing.before
    if not left:
        return Problem(
            "nothing_before",
            "no version was active before that could serve",
            "`disable` stops the model; the policy's `if unavailable` answers then",
        )
    if left[-1] != entry.version:
        message = f"a rollback leads to version {left[-1]}, not to {entry.version}"
        return Problem("not_before", message, _AGAIN)
    return None


def _waiting(standing: Standing, author: str) -> int:
    """How many versions an author registered with which nobody else had to do."""
    return sum(
        version.registered.who == author
        and version.approved is None
        and (version.withdrawn is None or version.withdrawn.who == author)
        for version in standing.versions.values()
    )


def _person(entry: Entry, people: People) -> Person | Problem:
    person = people.owner(bytes.fromhex(entry.key))
    if entry.who not in people:
        message = f"`{entry.who}` is not among the people"
        return Problem("unknown_person", message, "a reviewed change of the people's file adds one")
    if person is None or person.name != entry.who:
        whose = f"it is `{person.name}`'s" if person else "nobody's that is listed"
        message = f"`{entry.who}` used a key that is not theirs: {whose}"
        return Problem("foreign_key", message, "sign with the key that the people's file lists")
    if person.until_us is not None and entry.at_us >= person.until_us:
        message = f"the key of `{person.name}` ended at {moment_text(person.until_us)}"
        return Problem("key_ended", message, "sign with a key that is still in force")
    needed = NEEDED[entry.action]
    if not person.roles & set(needed):
        message = f"`{person.name}` may not {entry.action}: that takes an {' or '.join(needed)}"
        return Problem("role_missing", message, f"ask an {' or '.join(needed)}")
    return person


def _withdraw_problem(standing: Standing, entry: Entry, person: Person) -> Problem | None:
    """Authors take back what is theirs and nobody approved yet; the rest is for approvers."""
    version = standing.versions.get(entry.version)
    if version is None or "approver" in person.roles:
        return None
    if version.approved is None and version.registered.who == entry.who:
        return None
    whose = "is approved" if version.approved else f"is `{version.registered.who}`'s"
    message = f"version {entry.version} {whose}, and `{entry.who}` is no approver"
    return Problem("role_missing", message, "ask an approver")


def _signature(entry: Entry) -> Signature:
    return Signature(entry.who, entry.key, entry.at, entry.reason)


def _with(standing: Standing, version: RegisteredVersion) -> Standing:
    return replace(standing, versions={**standing.versions, version.version: version})


def _register(standing: Standing, entry: Entry) -> Standing | Problem:
    if entry.version in standing.versions:
        return Problem(
            "registered_before",
            f"version {entry.version} is registered, and a version is registered once",
            f"give the model a version that is new: {max(standing.versions) + 1} is",
        )
    if _waiting(standing, entry.who) >= MAX_WAITING:
        return Problem(
            "too_many_waiting",
            f"`{entry.who}` registered {MAX_WAITING} versions that nobody approved or took back",
            "an approver approves or withdraws some of them first",
        )
    if content_hash(entry.model, entry.version, entry.files) != entry.content:
        return Problem("hash_mismatch", "the content hash is not that of the files", _AGAIN)
    registered = RegisteredVersion(entry.version, entry.content, entry.files, _signature(entry))
    return _with(standing, registered)


def _approve(standing: Standing, entry: Entry) -> Standing | Problem:
    version = _known(standing, entry)
    if isinstance(version, Problem):
        return version
    author = version.registered
    if entry.who == author.who or entry.key == author.key:
        return Problem(
            "self_approval",
            f"`{entry.who}` registered version {entry.version}, and its author cannot approve it",
            "another approver looks at it",
        )
    until_us = day_us(entry.validated_until)
    if until_us is None:
        message = "an approval says until which day the version is validated"
        return Problem("no_date", message, "write it as 2027-06-30")
    if until_us <= entry.at_us:
        return Problem(
            "validated_until_past",
            f"`{entry.validated_until}` is over: a validation lasts beyond the approval",
            "give a later date",
        )
    return _with(
        standing,
        replace(
            version,
            approved=_signature(entry),
            validated_until=entry.validated_until,
            approver_doubt="",
        ),
    )


def _activate(standing: Standing, entry: Entry) -> Standing | Problem:
    version = _known(standing, entry)
    if isinstance(version, Problem):
        return version
    if version.approved is None:
        return Problem(
            "not_approved",
            f"version {version.version} is not approved",
            "an approver who is not its author approves it first",
        )
    return replace(standing, activations=(*standing.activations, version.version))


def _rollback(standing: Standing, entry: Entry) -> Standing | Problem:
    version = _known(standing, entry)
    if isinstance(version, Problem):
        return version
    places = [n for n, each in enumerate(standing.activations) if each == version.version]
    if not places or standing.active is version or not version.was_allowed:
        message = f"a rollback does not lead to version {version.version}"
        return Problem("not_before", message, _AGAIN)
    return replace(standing, activations=standing.activations[: places[-1] + 1])


def _disable(standing: Standing, entry: Entry) -> Standing | Problem:
    if standing.disabled is not None:
        by = standing.disabled
        return Problem("disabled_already", f"`{by.who}` disabled the model at {by.at}")
    if problem := _about_active(standing, entry):
        return problem
    return replace(standing, disabled=_signature(entry))


def _enable(standing: Standing, entry: Entry) -> Standing | Problem:
    if standing.disabled is None:
        return Problem("not_disabled", "the model is not disabled")
    if problem := _about_active(standing, entry):
        return problem
    return replace(standing, disabled=None, enabled_us=entry.at_us)


def _withdraw(standing: Standing, entry: Entry) -> Standing | Problem:
    version = _known(standing, entry)
    if isinstance(version, Problem):
        return version
    if standing.active is version:
        return Problem(
            "is_active",
            f"version {version.version} is active",
            "`rollback` or `disable` stops it at once; it is withdrawn when another one is active",
        )
    return _with(standing, replace(version, withdrawn=_signature(entry)))


def _known(standing: Standing, entry: Entry) -> RegisteredVersion | Problem:
    """The version that an entry is about, with the content that it names."""
    version = standing.versions.get(entry.version)
    if version is None:
        known = ", ".join(map(str, sorted(standing.versions))) or "none"
        message = f"version {entry.version} is not registered"
        help_ = f"registered: {known}; `tidegate models register` comes first"
        return Problem("not_registered", message, help_)
    if version.content != entry.content:
        message = f"version {entry.version} was registered with another content"
        return Problem("hash_mismatch", message, _AGAIN)
    if version.withdrawn is not None:
        by = version.withdrawn
        message = f"`{by.who}` withdrew version {entry.version} at {by.at}"
        return Problem("withdrawn", message, "register a new version")
    return version


def _about_active(standing: Standing, entry: Entry) -> Problem | None:
    active = standing.active
    expected = (active.version, active.content) if active else (0, "")
    if (entry.version, entry.content) == expected:
        return None
    return Problem("not_active", f"the entry is about version {entry.version}, not active", _AGAIN)


_DISTRUSTED = "whoever is trusted registers or approves anew; a key that ended rightly has `until`"
_AGAIN = "read the registry again with `tidegate models status`"

_ACTIONS: Final[Mapping[Action, Callable[[Standing, Entry], Standing | Problem]]] = {
    "register": _register,
    "approve": _approve,
    "activate": _activate,
    "rollback": _rollback,
    "disable": _disable,
    "enable": _enable,
    "withdraw": _withdraw,
}
