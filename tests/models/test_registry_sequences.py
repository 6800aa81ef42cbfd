"""Random people do random things; a small model says what they may and what is active then."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models.registry_samples import (
    ADA,
    ALL,
    BEN,
    NAME,
    OLA,
    PEOPLE,
    ROWS,
    START_US,
    UNTIL,
    kind,
    signer,
    write_version,
)
from tidegate.models.registry import (
    NotServing,
    Registry,
    Request,
    Serving,
    act,
    read_registry,
    serving_version,
)
from tidegate.models.registry_log import ACTIONS, Action
from tidegate.vault.key_file import FileSigner

DECLARED = 2
VERSIONS = (1, 2, 3)
MAY = {row.name: row.roles for row in ROWS}
WHO = (ADA, BEN, OLA, ALL, signer("eve"), signer("ada", "ben"))


@dataclass
class Expected:
    """The registry as one would keep it on paper."""

    author: dict[int, str] = field(default_factory=dict)
    approved: set[int] = field(default_factory=set)
    withdrawn: set[int] = field(default_factory=set)
    served: list[int] = field(default_factory=list)
    stopped: bool = False

    @property
    def earlier(self) -> list[int]:
        """What was active before and could serve again, the next one last."""
        earlier = list(self.served)
        while earlier and (earlier[-1] == self.served[-1] or earlier[-1] in self.withdrawn):
            earlier.pop()
        return earlier

    def allows(self, who: FileSigner, action: Action, version: int) -> bool:
        """Say whether somebody may do that now."""
        if who.name not in MAY or who.public_key != signer(who.name).public_key:
            return False
        roles = MAY[who.name]
        alive = version in self.author and version not in self.withdrawn
        active = self.served[-1] if self.served else None
        match action:
            case "register":
                return "author" in roles and version not in self.author
            case "approve":
                return "approver" in roles and alive and self.author[version] != who.name
            case "activate":
                ready = alive and version in self.approved and version != active
                return "operator" in roles and ready
            case "rollback":
                return "operator" in roles and bool(self.earlier)
            case "disable":
                return "operator" in roles and not self.stopped
            case "enable":
                return "operator" in roles and self.stopped
            case "withdraw":
                own = (
                    "author" in roles
                    and self.author.get(version) == who.name
                    and version not in self.approved
                )
                return alive and version != active and ("approver" in roles or own)

    def do(self, who: FileSigner, action: Action, version: int) -> None:
        """Note that it was done."""
        match action:
            case "register":
                self.author[version] = who.name
            case "approve":
                self.approved.add(version)
            case "activate":
                self.served.append(version)
            case "rollback":
                self.served = self.earlier
            case "disable" | "enable":
                self.stopped = action == "disable"
            case "withdraw":
                self.withdrawn.add(version)

    @property
    def serving(self) -> int | str:
        """The version that serves, or why none does."""
        if self.stopped:
            return "disabled"
        if not self.served:
            return "nothing_active"
        return self.served[-1] if self.served[-1] <= DECLARED else "newer_than_declared"


# Rightful steps are frequent enough that sequences get somewhere.
STEPS = st.lists(
    st.tuples(
        st.sampled_from((ALL, ALL, BEN, BEN, OLA, *WHO)),
        st.sampled_from((*ACTIONS, "register", "approve", "approve", "activate", "activate")),
        st.sampled_from(VERSIONS),
    ),
    min_size=5,
    max_size=25,
)


@pytest.mark.usefixtures("unsynced")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_nobody_does_more_or_less_than_they_may(
    steps: list[tuple[FileSigner, Action, int]],
) -> None:
    """Some order of steps would lead past a rule."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / NAME
        for version in VERSIONS:
            write_version(folder, version)
        expected, entries = Expected(), 0
        for number, (who, action, version) in enumerate(steps):
            until = UNTIL if action == "approve" else ""
            request = Request(action, "by chance", START_US + number, version, "", until)
            allowed = expected.allows(who, action, version)
            found = act(folder, PEOPLE, who, request)
            assert isinstance(found, Registry) == allowed, (who.name, action, version, kind(found))
            if allowed:
                expected.do(who, action, version)
                entries += 1
            answer = serving_version(folder, DECLARED, PEOPLE)
            serving = answer.version if isinstance(answer, Serving) else answer.why
            assert serving == expected.serving
            assert isinstance(answer, Serving | NotServing)
        registry = read_registry(folder, PEOPLE)
        assert isinstance(registry, Registry)
        assert registry.head.sequence == entries
        assert list(registry.standing.activations) == expected.served
