"""What ids of rules meant in the history of a policy: none may come back as another rule.

Git is asked which commits added or removed the line that begins a rule; the policy is read as it
was then. A rule whose version stands on another line than its name is not found.
"""

from __future__ import annotations

import re
from pathlib import Path

from tidegate.dsl.program import Program, Rule
from tidegate.rules.git import GitError, Repository
from tidegate.rules.revisions import Revision, RevisionRefused, read_revision
from tidegate.rules.versions import Meanings

NOT_LOOKED_AT = ""
"""Instead of a meaning, for versions of which only the number counts."""


def past_meanings(folder: Path, before: Revision, new: Program) -> dict[str, Meanings]:
    """Of each rule with an id that `before` does not have, which versions there were up to then.

    What those meant is said of ids that are there again. Empty for what is no revision of Git.
    """
    if not before.commit or before.loaded is None or before.loaded.policy is None:
        return {}
    known = {rule.id for rule in _rules(before.loaded.policy.program)}
    try:
        past = _Past(folder, Repository(folder), before.commit)
        return {
            rule.name: found
            for rule in _rules(new)
            if rule.id not in known and (found := past.of(rule))
        }
    except GitError:
        return {}


def _rules(program: Program) -> list[Rule]:
    return [rule for event in program.events for rule in event.rules]


class _Past:
    """The commits up to one."""

    def __init__(self, folder: Path, repository: Repository, commit: str) -> None:
        self.folder = folder
        self.repository = repository
        self.commit = commit

    def of(self, rule: Rule) -> Meanings:
        """The versions that the rule had, with what this one meant when it was last there."""
        pattern = f"(rule|as)[ \t]+{rule.name}[ \t]+version[ \t]+([0-9]+)"
        numbered = re.compile(rf"^[+-].*\b{pattern}\b", re.MULTILINE)
        found: dict[int, str] = {}
        for commit, lines in self.repository.changes_of(pattern, self.commit):
            versions = {int(groups[-1]) for groups in numbered.findall(lines)}
            found |= dict.fromkeys(versions - found.keys(), NOT_LOOKED_AT)
            if rule.version in versions and found[rule.version] == NOT_LOOKED_AT:
                found[rule.version] = self._meaning(rule, commit)
        return found

    def _meaning(self, rule: Rule, commit: str) -> str:
        """What the rule meant in a commit, else in the one before it."""
        for name in (commit, f"{commit}^"):
            try:
                loaded = read_revision(self.folder, name).loaded
            except RevisionRefused:
                continue
            policy = loaded.policy if loaded is not None else None
            for was in _rules(policy.program) if policy is not None else ():
                if was.id == rule.id:
                    return was.meaning
        return NOT_LOOKED_AT
