"""How much each lint weighs in a policy folder, as its `lint.yaml` says.

    levels:
      no-owner: error
      TG724: note
    ignore:
      - {lint: implied-rule, name: old_limit, because: kept until the audit of March}

A lint is called by its name or its code. What is ignored needs a reason, and an entry that ignores
nothing is reported, so that none outlives what it was written for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tidegate.dsl.diagnostics import Diagnostic, Severity, nearest
from tidegate.dsl.source import Span
from tidegate.rules.lints import BY_CODE, LEVELS, LINTS, Finding, Level
from tidegate.rules.strict_yaml import line_of, read_yaml

LINT_FILE: Final = "lint.yaml"
CODE: Final = "TG751"
IDLE: Final = "TG752"


@dataclass(frozen=True, slots=True)
class Ignored:
    """One entry of `ignore`. `name` is that of a rule or declaration; empty for every one."""

    lint: str
    name: str
    because: str
    line: int


@dataclass(frozen=True, slots=True)
class Levels:
    """What `lint.yaml` says; the usual levels hold where anything is wrong with it."""

    levels: Mapping[str, Level] = field(default_factory=dict)
    ignored: tuple[Ignored, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    def of(self, lint: str) -> Level:
        """The level of the lint of that name."""
        return self.levels.get(lint, LINTS[lint].usual)

    def weighed(self, findings: Iterable[Finding], *, history: bool = False) -> Iterator[Finding]:
        """The findings that are to be told, each as heavy as its lint, and idle entries.

        Errors of the language are no lints and pass. `history`: the lints of a history ran too.
        """
        used: set[Ignored] = set()
        for found in findings:
            lint = BY_CODE.get(found.diagnostic.code)
            if lint is None:
                yield found
                continue
            entries = [e for e in self.ignored if e.lint == lint and e.name in ("", found.name)]
            used.update(entries)
            level = self.of(lint)
            if not entries and level != "off":
                said = replace(found.diagnostic, severity=Severity(level))
                yield replace(found, diagnostic=said)
        for entry in self.ignored:
            if entry not in used and (history or not LINTS[entry.lint].of_history):
                yield Finding(_idle(entry))


def _idle(entry: Ignored) -> Diagnostic:
    what = f"`{entry.lint}` at `{entry.name}`" if entry.name else f"`{entry.lint}`"
    return Diagnostic(
        IDLE,
        f"{what} is ignored, and nothing is found there",
        Span(LINT_FILE, 0, 0),
        "remove the entry",
        Severity.WARNING,
        line=entry.line,
    )


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Entry(_Strict):
    lint: str
    name: str = ""
    because: str


class _File(_Strict):
    levels: dict[str, str] = {}
    ignore: list[_Entry] = []


def read_levels(folder: Path) -> Levels:
    """The levels that `lint.yaml` in the policy folder sets; the usual ones where there is none."""
    path = folder / LINT_FILE
    if not path.exists():
        return Levels()
    read = read_yaml(path, LINT_FILE, CODE)
    if isinstance(read, Diagnostic):
        return Levels(diagnostics=(read,))
    node, values = read
    try:
        written = _File.model_validate({} if values is None else values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        return Levels(diagnostics=tuple(_invalid(node, each) for each in found))
    problems = (*_wrong_levels(written, node), *_wrong_entries(written, node))
    if problems:
        return Levels(diagnostics=problems)
    entries = tuple(
        Ignored(str(_named(one.lint)), one.name, one.because, line_of(node, ("ignore", place)))
        for place, one in enumerate(written.ignore)
    )
    levels: dict[str, Level] = {
        str(_named(word)): level
        for word, given in written.levels.items()
        for level in LEVELS
        if level == given
    }
    return Levels(levels, entries)


def _named(word: str) -> str | None:
    return word if word in LINTS else BY_CODE.get(word)


def _wrong_levels(written: _File, node: yaml.Node | None) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for word, level in written.levels.items():
        where = ("levels", word)
        name = _named(word)
        if name is None:
            yield _problem(node, where, f"no lint is called `{word}`", _near(word))
        elif name in seen:
            yield _problem(node, where, f"`{name}` comes twice, by name and by code")
        if level not in LEVELS:
            help_text = nearest(level, LEVELS) or f"one of {', '.join(LEVELS)}"
            yield _problem(node, where, f"no level is called `{level}`", help_text)
        seen.add(name or word)


def _wrong_entries(written: _File, node: yaml.Node | None) -> Iterator[Diagnostic]:
    for place, one in enumerate(written.ignore):
        if _named(one.lint) is None:
            where = ("ignore", place, "lint")
            yield _problem(node, where, f"no lint is called `{one.lint}`", _near(one.lint))
        if not one.because.strip():
            yield _problem(node, ("ignore", place, "because"), "say why this is ignored")


def _near(word: str) -> str:
    return nearest(word, (*LINTS, *BY_CODE)) or "`docs/cli.md` names them all"


def _invalid(node: yaml.Node | None, found: Any) -> Diagnostic:
    where = tuple(found["loc"])
    name = str(where[-1]) if where else "the file"
    message, help_text = f"`{name}` does not hold what stands there", ""
    if found["type"] == "extra_forbidden":
        known = _File.model_fields if len(where) == 1 else _Entry.model_fields
        message, help_text = f"`{name}` is no part of `{LINT_FILE}`", nearest(name, known)
    elif found["type"] == "missing":
        message = f"`{name}` is not there"
    elif not where or found["type"] in ("model_type", "list_type", "dict_type"):
        message = (
            f"`{LINT_FILE}` is `levels:` with a level for each lint, and `ignore:` with a list"
        )
    return _problem(node, where, message, help_text)


def _problem(
    node: yaml.Node | None, where: tuple[str | int, ...], message: str, help_text: str = ""
) -> Diagnostic:
    line = line_of(node, where)
    return Diagnostic(CODE, message, Span(LINT_FILE, 0, 0), help_text, line=line)
