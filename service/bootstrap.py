"""The first approver: who may approve the release that brings the first grants.

Grants come with a release, and a release needs an approver who has a grant. At its first start a
service therefore reads one file, `first-approver.json`, that names a person, the issuer who knows
that person, and until when. What it said goes into the ledger as an entry of kind `bootstrap`, and
from then on the file is read no more: the right ends with the first active release, or with its
time. Somebody else than its author still has to approve that release.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from tidegate.dsl.program import Grant
from tidegate.dsl.source import NOWHERE
from tidegate.engine.grants import Grants
from tidegate.service.callers import Caller

FILE_NAME = "first-approver.json"
KIND = "bootstrap"
ROLE = "first_approver"
LONGEST = timedelta(days=7)
VERBS = frozenset({"approve_release", "activate_release"})
FIRST_GRANTS = Grants(
    (Grant("role", ROLE, VERBS, frozenset(), (), frozenset({"outcome"}), NOWHERE),)
)
"""The only grants before the first release."""
_MOST_BYTES = 4_096
_NAME = re.compile(r"[\x21-\x7e]{1,200}")
_MEMBERS = {"name", "issuer", "until"}


class BootstrapError(Exception):
    """The first approver cannot be read or taken; the sentence says the way out."""


@dataclass(frozen=True, slots=True)
class FirstApprover:
    """A person, as the claim `sub` of tokens of `issuer` names them. `file_hash`: SHA-256, hex."""

    name: str
    issuer: str
    until: datetime
    file_hash: str

    @property
    def facts(self) -> dict[str, str]:
        """What the ledger's entry says for good; nothing personal."""
        return {"file_sha256": self.file_hash, "until": self.until.strftime("%Y-%m-%dT%H:%M:%SZ")}

    @property
    def payload(self) -> bytes:
        """What the entry says under encryption: canonical JSON."""
        members = {"issuer": self.issuer, "name": self.name, **self.facts}
        return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def read_first_approver(content: bytes, now: datetime) -> FirstApprover:
    """The file at a first start; `BootstrapError` with a way out where it cannot be taken."""
    if len(content) > _MOST_BYTES:
        raise BootstrapError(f"{FILE_NAME} has at most {_MOST_BYTES} bytes")
    try:
        members: Any = json.loads(content)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict) or set(members) != _MEMBERS:
        raise BootstrapError(f"{FILE_NAME} is a JSON object of `name`, `issuer` and `until`")
    first = _checked(members, sha256(content).hexdigest())
    if not now < first.until <= now + LONGEST:
        raise BootstrapError(
            f"{FILE_NAME} ends within {LONGEST.days} days from now: set `until` anew"
        )
    return first


def recorded_first_approver(payload: bytes, facts: dict[str, str]) -> FirstApprover:
    """The same from the ledger's entry, at every later start."""
    return _checked(json.loads(payload), facts["file_sha256"])


def permits_first_approver(
    first: FirstApprover, caller: Caller, issuer: str, now: datetime, *, released: bool
) -> Caller | None:
    """The caller with the role `first_approver` alone, to be held against `FIRST_GRANTS`.

    None for anybody else, and once a release was active (`released`): then the policy's own grants
    speak, and nothing else does. `issuer` is that of the caller's token.
    """
    if (
        released
        or caller.world != "person"
        or caller.name != first.name
        or issuer != first.issuer
        or now >= first.until
    ):
        return None
    return replace(caller, roles=frozenset({ROLE}))


def _checked(members: dict[str, Any], file_hash: str) -> FirstApprover:
    name, issuer, until = members["name"], members["issuer"], members["until"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BootstrapError(f"`name` in {FILE_NAME} is what tokens of the person say in `sub`")
    if not isinstance(issuer, str) or not issuer:
        raise BootstrapError(f"`issuer` in {FILE_NAME} is that of the person's tokens")
    try:
        ends = datetime.strptime(str(until), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BootstrapError(f"`until` in {FILE_NAME} reads `2026-11-25T08:00:00Z`") from None
    return FirstApprover(name, issuer, ends, file_hash)
