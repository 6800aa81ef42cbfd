"""What a tidy policy does without: the lints by their names, and findings before a level is set.

A finding is a warning until `rules/lint_levels.py` gives it the level of the folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.source import Span
from tidegate.rules.fixes import Fix

Level = Literal["off", "note", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("off", "note", "warning", "error")


@dataclass(frozen=True, slots=True)
class Lint:
    """One lint. `usual` is its level where the folder sets none."""

    code: str
    usual: Level
    of_history: bool = False


LINTS: Final[dict[str, Lint]] = {
    "no-owner": Lint("TG721", "off"),
    "no-expiry": Lint("TG722", "off"),
    "expires": Lint("TG407", "warning"),
    "never-missing": Lint("TG320", "warning"),
    "never-true": Lint("TG324", "warning"),
    "idle-row": Lint("TG243", "warning"),
    "never-matches": Lint("TG708", "warning"),
    "unused": Lint("TG723", "warning"),
    "unused-field": Lint("TG724", "off"),
    "repeated-member": Lint("TG725", "warning"),
    "repeated-set": Lint("TG726", "warning"),
    "same-text": Lint("TG727", "warning"),
    "duplicate-rule": Lint("TG731", "warning"),
    "implied-rule": Lint("TG732", "warning"),
    "contradiction": Lint("TG733", "warning"),
    "threshold-gap": Lint("TG734", "warning"),
    "never-fires": Lint("TG741", "warning", of_history=True),
    "always-fires": Lint("TG742", "warning", of_history=True),
    "never-decides": Lint("TG743", "warning", of_history=True),
}
"""Every lint by the name that `lint.yaml` calls it."""
BY_CODE: Final = {lint.code: name for name, lint in LINTS.items()}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a lint found. `name` is that of the rule or declaration it speaks of, if of one."""

    diagnostic: Diagnostic
    name: str = ""
    fix: Fix | None = None


def finding(
    lint: str,
    message: str,
    span: Span,
    help_text: str = "",
    related: tuple[tuple[Span, str], ...] = (),
    *,
    name: str = "",
    fix: Fix | None = None,
) -> Finding:
    """A finding of the lint of that name."""
    said = Diagnostic(LINTS[lint].code, message, span, help_text, Severity.WARNING, related)
    return Finding(said, name, fix)
