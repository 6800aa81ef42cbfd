"""A policy while it is edited: its folder, texts that are not written yet, and the last dry run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tidegate.dsl.parser import Parsed, parse
from tidegate.dsl.source import Source
from tidegate.dsl.standing import Standing, standings
from tidegate.rules.files import RULE_SUFFIX, decoded
from tidegate.rules.loading import Loaded, read

LAST_RUN = Path(".tidegate") / "last.json"
"""Where the editor looks for the result that `tidegate backtest --out` kept."""

_POLICY = re.compile(r"^\s*policy\s+[a-z_]", re.MULTILINE)
_MAX_PEEK = 2**20


@dataclass(frozen=True, slots=True)
class Edited:
    """A policy folder as it would be if everything were saved now.

    `names` holds every name of its files. A file outside any policy is `alone`: it is parsed and
    not checked.
    """

    root: Path
    loaded: Loaded
    names: tuple[Standing, ...]
    alone: bool = False

    @property
    def declared(self) -> tuple[Standing, ...]:
        """The names that are declarations."""
        return tuple(one for one in self.names if one.node is not None)


def policy_folder(path: Path, unsaved: Mapping[Path, str]) -> Path | None:
    """The nearest folder at or above a rule file with a file in it that declares a policy."""
    for folder in path.parents:
        if any(_POLICY.search(text) for p, text in unsaved.items() if p.parent == folder):
            return folder
        try:
            files = [p for p in folder.glob(f"*{RULE_SUFFIX}") if p not in unsaved]
            if any(_POLICY.search(_peek(p)) for p in files):
                return folder
        except OSError:
            continue
    return None


def _peek(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_PEEK).decode("utf-8", "replace")
    except OSError:
        return ""


def read_edited(path: Path, unsaved: Mapping[Path, str]) -> Edited:
    """The policy that a rule file belongs to, with the texts that an editor holds."""
    root = policy_folder(path, unsaved)
    if root is None:
        return _alone(path, unsaved.get(path))
    inside = {
        p.relative_to(root).as_posix(): text
        for p, text in unsaved.items()
        if p.is_relative_to(root) and not _hidden(p.relative_to(root))
    }
    loaded = read(root, unsaved=inside, parse_one=_parsed)
    own = [s for s in loaded.sources.values() if (root / s.path).suffix == RULE_SUFFIX]
    return Edited(root, loaded, tuple(n for s in own for n in _names(s)))


@lru_cache(maxsize=256)
def _parsed(source: Source) -> Parsed:
    """The tree of a file; an edit changes one file of many."""
    return parse(source)


@lru_cache(maxsize=256)
def _names(source: Source) -> tuple[Standing, ...]:
    """The names of a file."""
    return standings(_parsed(source).file)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _alone(path: Path, text: str | None) -> Edited:
    if text is None:
        try:
            found = decoded(path.read_bytes(), path.name)
        except OSError:
            found = ""
        if not isinstance(found, str):
            return Edited(path.parent, Loaded(None, (found,), {}), (), alone=True)
        text = found.replace("\r\n", "\n")
    source = Source(path.name, text)
    parsed = parse(source)
    loaded = Loaded(None, parsed.diagnostics, {path.name: source})
    return Edited(path.parent, loaded, standings(parsed.file), alone=True)


@dataclass(frozen=True, slots=True)
class LastRun:
    """What the last dry run counted. `fired` maps a rule's id, `name@version`, to its payments."""

    policy_hash: str
    fired: Mapping[str, int]
    rows: int


def last_run(root: Path) -> LastRun | None:
    """The result in `.tidegate/last.json`; None where there is none that can be read."""
    try:
        found: Any = json.loads((root / LAST_RUN).read_bytes())
        rules = [rule for event in found["events"] for rule in event["rules"]]
        rows = sum(int(event["decided"]["count"]) for event in found["events"])
        fired = {str(rule["id"]): int(rule["fired"]["count"]) for rule in rules}
        return LastRun(str(found["policy_hash"]), fired, rows)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def said_of(run: LastRun, rule: str, policy_hash: str) -> str:
    """How often a rule fired in the last dry run, and whether the policy changed since."""
    if rule not in run.fired:
        return ""
    share = f"{run.fired[rule]:,} of {run.rows:,} payments"
    older = "" if run.policy_hash == policy_hash else ", by an older text of the policy"
    return f"{rule} fired in {share} of the last dry run ({run.policy_hash[:12]}){older}"
