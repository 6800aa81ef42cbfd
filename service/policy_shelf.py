"""Every policy that ever decided here, kept by its hash, so that old decisions can be explained.

A policy that starts to serve is copied whole; what is on the shelf is never changed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.dsl.program import Program
    from tidegate.rules.policy import Policy

_HASH = re.compile(r"[0-9a-f]{64}")
_KEPT_IN_MEMORY = 16


class PolicyShelf:
    """Policies in a folder, by hash. For several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: dict[str, Program] = {}
        self._lock = Lock()

    def put(self, policy: Policy) -> bool:
        """Keep a policy; whether it was not there before."""
        with self._lock:
            self._remember(policy.hash, policy.program)
        place = self._folder / policy.hash
        if place.exists():
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=self._folder, prefix=".draft-"))
        try:
            copy = draft / "policy"
            shutil.copytree(policy.folder, copy, ignore=shutil.ignore_patterns(".*"))
            copy.replace(place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return True

    def folder_of(self, policy_hash: str) -> Path:
        """Where the policy with this hash is kept."""
        return self._folder / policy_hash

    def program(self, policy_hash: str) -> Program | None:
        """The program of the policy with this hash; None where it is not kept or not readable."""
        from tidegate.rules import PolicyRefused, load_policy

        with self._lock:
            known = self._programs.get(policy_hash)
        if known is not None:
            return known
        if _HASH.fullmatch(policy_hash) is None or not (self._folder / policy_hash).is_dir():
            return None
        try:
            program = load_policy(self._folder / policy_hash).program
        except PolicyRefused:
            return None
        with self._lock:
            self._remember(policy_hash, program)
        return program

    def _remember(self, policy_hash: str, program: Program) -> None:
        while len(self._programs) >= _KEPT_IN_MEMORY:
            del self._programs[next(iter(self._programs))]
        self._programs[policy_hash] = program
