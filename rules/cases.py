"""Cases: what must come out for what comes in, kept as YAML beside the rules they test.

    - name: a burst is declined
      event:
        payment: {id: p-1, at: 2026-02-10T12:00:00Z, amount: 1.50 EUR, card: tok_1}
      features: {tries_10m: 5}
      scores: {fraud_score: unavailable}
      lists: {trusted: [tok_9]}
      expect:
        outcome: decline
        reasons: [burst]
        fired: [card_testing]

Every case states its outcome, its reasons in order and the rules that fired, so that the right
word for the wrong reason fails. Texts are never turned into dates or flags by accident: only bare
`true` and `false` are flags and only plain numerals are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tidegate.dsl.diagnostics import Diagnostic, nearest
from tidegate.dsl.source import Span
from tidegate.rules.files import unreadable
from tidegate.rules.strict_yaml import line_of, read_yaml

CASE_FOLDER = "cases"
SUFFIXES = (".yaml", ".yml")
Word = Literal["approve", "review", "step_up", "decline"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Expected(_Strict):
    """What must come out. What is left out is not compared; `reasons` and `fired` always are.

    `fired` and `unknown` name rules, as `name` or `name@version`, in any order; `reasons` come in
    the order of the answer. `refused` expects the door's codes instead of a decision.
    """

    outcome: Word | None = None
    reasons: list[str] | None = None
    fired: list[str] | None = None
    unknown: list[str] | None = None
    disposition: Literal["approve", "hold", "decline"] | None = None
    authentication: Literal["exempt", "none", "preferred", "mandated"] | None = None
    review: Literal["none", "after", "before"] | None = None
    step_up: str | None = None
    tags: list[str] | None = None
    advice: dict[str, str | int | bool | Decimal] | None = None
    points: int | None = None
    refused: list[str] | None = None

    @model_validator(mode="after")
    def _be_complete(self) -> Expected:
        if self.refused is not None:
            return self
        absent = [n for n in ("outcome", "reasons", "fired") if getattr(self, n) is None]
        if absent:
            raise ValueError(f"a case states `{absent[0]}`; without it the wrong rule could pass")
        return self


class Case(_Strict):
    """One event with its features, scores and managed lists, and what must come out."""

    name: str
    event: dict[str, dict[str, Any]]
    expect: Expected
    features: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    lists: dict[str, list[str] | None] = {}

    @model_validator(mode="after")
    def _have_one_event(self) -> Case:
        if len(self.event) != 1:
            raise ValueError("`event` holds one event: its type, and below it its fields")
        return self


@dataclass(frozen=True, slots=True)
class LocatedCase:
    """A case with the file and the line (from one) where it begins."""

    file: str
    line: int
    case: Case


@dataclass(frozen=True, slots=True)
class Cases:
    """Every case of a folder, and what is wrong with the files."""

    cases: tuple[LocatedCase, ...]
    diagnostics: tuple[Diagnostic, ...]


def read_cases(folder: Path) -> Cases:
    """The cases in `cases/*.yaml` below the policy folder, sorted by file and line."""
    cases: list[LocatedCase] = []
    problems: list[Diagnostic] = []
    try:
        files = sorted(p for p in (folder / CASE_FOLDER).iterdir() if _is_case_file(p))
    except FileNotFoundError:
        files = []
    except OSError as error:
        return Cases((), (unreadable(CASE_FOLDER, error),))
    for path in files:
        for found in _read_file(path, f"{CASE_FOLDER}/{path.name}"):
            if isinstance(found, Diagnostic):
                problems.append(found)
            else:
                cases.append(found)
    return Cases(tuple(cases), (*problems, *_repeated_names(cases)))


def _is_case_file(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _read_file(path: Path, name: str) -> Iterator[LocatedCase | Diagnostic]:
    if path.suffix not in SUFFIXES:
        yield _problem(name, 0, "files of cases end in `.yaml` or `.yml`", "rename it")
        return
    read = read_yaml(path, name, "TG801")
    if isinstance(read, Diagnostic):
        yield read
        return
    node, items = read
    if not isinstance(node, yaml.SequenceNode) or not isinstance(items, list):
        yield _problem(name, 1, "a file of cases is a list: each case begins with `- name:`")
        return
    for child, item in zip(node.value, items, strict=True):
        line = child.start_mark.line + 1
        try:
            yield LocatedCase(name, line, Case.model_validate(item))
        except ValidationError as error:
            yield from (_invalid(name, child, found) for found in error.errors(include_url=False))


def _invalid(file: str, case: yaml.Node, found: Any) -> Diagnostic:
    line = line_of(case, found["loc"])
    where = ".".join(str(part) for part in found["loc"])
    kind, help_text = found["type"], ""
    if kind == "extra_forbidden":
        what = f"`{where}` is no part of a case"
        help_text = nearest(str(found["loc"][-1]), [*Case.model_fields, *Expected.model_fields])
    elif kind == "missing":
        what = f"the case has no `{where}`"
    elif kind == "value_error":
        what = str(found["ctx"]["error"])
    elif kind == "literal_error":
        what = f"`{where}` has to be {found['ctx']['expected']}"
    else:
        what = f"`{where}` {_KINDS.get(kind, 'does not hold what a case states there')}"
    return _problem(file, line, what, help_text)


_KINDS = {
    "string_type": "has to be a text; numbers and flags stand in quotes",
    "int_type": "has to be a whole number",
    "list_type": "has to be a list: `[a, b]`",
    "dict_type": "has to be a block of keys",
    "model_type": "has to be a block of keys",
}


def _repeated_names(cases: list[LocatedCase]) -> Iterator[Diagnostic]:
    first: dict[str, LocatedCase] = {}
    for located in cases:
        known = first.setdefault(located.case.name, located)
        if known is not located:
            yield _problem(
                located.file,
                located.line,
                f"there is a case `{located.case.name}` already, in {known.file}:{known.line}",
                "a case is found by its name",
            )


def _problem(file: str, line: int, message: str, help_text: str = "") -> Diagnostic:
    return Diagnostic("TG801", message, Span(file, 0, 0), help_text, line=line)
