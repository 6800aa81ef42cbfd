"""Who may register, approve and operate models, as `people.yaml` lists them.

    registry: 8f2c01…
    people:
      - {name: ada, roles: [author], key: ed25519:8139…}
      - {name: ben, roles: [approver, operator], key: ed25519:3d40…, until: 2027-06-30}

The registry's id is random, and of one place: a log that was begun in staging does not serve in
production. One row a key. A name with a new key has a second row, and `until` on the first: entries
that the old key signed stay valid. A row that is deleted stops what its key registered or approved.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tidegate.dsl.diagnostics import Diagnostic, nearest
from tidegate.dsl.rates import parse_day
from tidegate.dsl.source import Span
from tidegate.models.moments import DAY_US
from tidegate.models.people import REGISTRY_ID, ROLES, People, Person, Role, read_key, why_untrusted
from tidegate.rules.strict_yaml import line_of, read_yaml

PEOPLE_FILE: Final = "people.yaml"
CODE: Final = "TG821"
_FIRST: Final = "`tidegate models key NAME --first` prints the beginning of a file, with a new id"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Row(_Strict):
    name: str
    roles: list[str]
    key: str
    until: str = ""


class _File(_Strict):
    registry: str
    people: list[_Row]


def read_people(path: Path) -> People | tuple[Diagnostic, ...]:
    """The people whom the file lists, or everything that is wrong with it."""
    read = read_yaml(path, path.name, CODE)
    if isinstance(read, Diagnostic):
        return (read,)
    node, values = read
    try:
        file = _File.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        return tuple(_invalid(path.name, node, one) for one in found)
    persons: list[Person] = []
    problems: list[Diagnostic] = []
    if REGISTRY_ID.fullmatch(file.registry) is None:
        message = f"`{file.registry}` is no id of a registry: 32 digits of small hex"
        line = line_of(node, ("registry",))
        problems.append(Diagnostic(CODE, message, Span(path.name, 0, 0), _FIRST, line=line))
    for place, row in enumerate(file.people):
        said = list(_problems(row, persons))
        problems += (
            Diagnostic(
                CODE, text, Span(path.name, 0, 0), help_, line=line_of(node, ("people", place, key))
            )
            for key, text, help_ in said
        )
        if not said:
            persons.append(_person(row))
    return tuple(problems) if problems else People(persons, file.registry)


def _problems(row: _Row, before: list[Person]) -> Iterator[tuple[str, str, str]]:
    """The key, the sentence and the way out of everything that is wrong with a row."""
    for role in row.roles:
        if role not in ROLES:
            yield "roles", f"`{role}` is no role", nearest(role, ROLES) or f"{', '.join(ROLES)} are"
    if row.until and parse_day(row.until) is None:
        yield "until", f"`{row.until}` is no date", "write it as 2027-06-30"
    key = read_key(row.key)
    if key is None:
        yield (
            "key",
            f"the key of `{row.name}` is not `ed25519:` and 64 digits of small hex",
            "`tidegate models key` prints the line",
        )
    elif why := why_untrusted(
        Person(row.name, key, _roles(row) or frozenset({"author"} if row.roles else ())),
        next((p for p in before if p.key == key), None),
    ):
        yield "key" if "key" in why else "roles" if "role" in why else "name", why, ""


def _roles(row: _Row) -> frozenset[Role]:
    return frozenset(role for role in ROLES if role in row.roles)


def _person(row: _Row) -> Person:
    key = read_key(row.key)
    assert key is not None
    day = parse_day(row.until) if row.until else None
    return Person(row.name, key, _roles(row), None if day is None else day * DAY_US)


def _invalid(name: str, node: yaml.Node | None, found: Any) -> Diagnostic:
    where = list(found["loc"])
    last = str(where[-1]) if where else "the file"
    message, help_ = f"`{last}` does not hold what stands there", ""
    if found["type"] == "extra_forbidden":
        known = _File.model_fields if len(where) == 1 else _Row.model_fields
        message, help_ = f"`{last}` is nothing that is said of people", nearest(last, known)
    elif found["type"] == "missing":
        message = f"`{last}` is not there"
        help_ = _FIRST if last == "registry" else ""
    elif not where or found["type"] in ("model_type", "list_type"):
        message = "it is `people:` and below it a list: each row has a name, roles and a key"
    return Diagnostic(CODE, message, Span(name, 0, 0), help_, line=line_of(node, where))
