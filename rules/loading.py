"""From a folder to a policy: rule files, lists, tables and rates, with every problem in one run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tidegate.dsl import tree
from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import Diagnostic, has_errors, in_order, render
from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.parser import Parsed, parse
from tidegate.dsl.program import Table
from tidegate.dsl.rates import Rates
from tidegate.dsl.source import Source, Span
from tidegate.dsl.tables import TableContent, Tables
from tidegate.rules.files import data_file, read_source, relative, rule_files
from tidegate.rules.hygiene import unmatched_keys, unmatched_values
from tidegate.rules.libraries import Library, shipped
from tidegate.rules.models import (
    LoadedModel,
    WhatServes,
    hold_against_cards,
    read_models,
    signatures_of,
    stop_misfits,
)
from tidegate.rules.policy import Policy
from tidegate.rules.reference_tables import read_table
from tidegate.rules.tables import LIST_KINDS, read_list, read_rates

HASH_FORMAT = b"tidegate-policy-1\n"
NOTHING_UNSAVED: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder held: the policy, or None where an error stands among the diagnostics."""

    policy: Policy | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, Source]

    def rendered(self, *, errors_only: bool = False) -> str:
        """Every diagnostic as a person reads it, an empty line between them."""
        shown = [d for d in self.diagnostics if not errors_only or d.severity.value == "error"]
        return "\n\n".join(render(d, self.sources) for d in shown)


class PolicyRefused(ValueError):  # noqa: N818 - the word of the field, as in EventRefused
    """A policy has errors and nothing can be decided by it; `diagnostics` holds all of them."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded.rendered(errors_only=True))
        self.diagnostics = loaded.diagnostics


def load_policy(
    folder: str | Path, *, today_us: int | None = None, serving: WhatServes | None = None
) -> Policy:
    """Load the policy in `folder`; `PolicyRefused` with every error where it has any.

    `today_us` (UTC microseconds) is the day by which a rule's `expires` is judged; without it no
    rule is too old.

    `serving` says which version of each model serves; a model of which none does gives no scores.
    Without it, which is for work on a policy, each model is the version that the policy declares,
    whether or not anybody approved it.
    """
    loaded = read(folder, today_us=today_us, serving=serving)
    if loaded.policy is None:
        raise PolicyRefused(loaded)
    return loaded.policy


def read(
    folder: str | Path,
    *,
    today_us: int | None = None,
    unsaved: Mapping[str, str] = NOTHING_UNSAVED,
    parse_one: Callable[[Source], Parsed] = parse,
    serving: WhatServes | None = None,
) -> Loaded:
    """Read the policy in `folder`; whatever is wrong with it is a diagnostic, not an exception.

    `unsaved` are texts, by path below the folder, that stand for those of rule files: what an
    editor holds and has not written yet. An editor gives a `parse_one` that remembers, too.
    """
    root = Path(folder)
    if not root.is_dir():
        missing = Diagnostic("TG183", f"`{folder}` is no folder", Span("", 0, 0))
        return Loaded(None, (missing,), {})
    sources, unread = _sources(root, unsaved)
    if not sources:
        return Loaded(None, in_order(unread or [no_rules(folder)]), {})
    parsed = [parse_one(source) for source in sources.values()]
    files = [p.file for p in parsed]
    libraries = _libraries(files)
    models, bad_models = read_models(root, files, serving)
    shipped = {name: each.files for name, each in libraries.items()}
    if serving is not None:
        models, misfits = stop_misfits(
            models,
            files,
            lambda signatures: check(files, shipped=shipped, signatures=signatures).diagnostics,
        )
        bad_models += misfits
    checked = check(files, today_us=today_us, shipped=shipped, signatures=signatures_of(models))
    # Read whether the rules are right or not: all errors of a policy come in one run.
    lists, rates, problems = _data(root, files)
    tables, bad_tables = _tables(root, checked.tables, files)
    problems += (*bad_tables, *bad_models)
    said = checked.diagnostics if not unread else filter(_is_sure, checked.diagnostics)
    found = in_order([*unread, *(d for p in parsed for d in p.diagnostics), *said, *problems])
    shown = {path: s for each in libraries.values() for path, s in each.sources.items()} | sources
    if checked.program is None or has_errors(found):
        return Loaded(None, found, shown)
    unmatched = (
        *unmatched_values(checked.program, lists), *unmatched_keys(checked.program, tables)
    )  # fmt: skip
    held, strange = hold_against_cards(checked.program, models, serves=serving is not None)
    found = in_order([*found, *unmatched, *strange])
    hashes = {n: m.hash for n, m in held.items() if isinstance(m, LoadedModel)}
    digest = _digest(sources, lists, rates, tables, _used(files, libraries), models=hashes)
    policy = Policy(checked.program, digest, lists, rates, sources, found, root, tables, held)
    return Loaded(policy, found, shown)


def no_rules(folder: str | Path) -> Diagnostic:
    """What is said of a folder without a rule file."""
    return Diagnostic(
        "TG183",
        f"`{folder}` holds no rule files",
        Span("", 0, 0),
        "rules are text files that end in `.tide`; `tidegate init` writes a first policy",
    )


def _is_sure(diagnostic: Diagnostic) -> bool:
    """Whether it stands though a file is unread, which may hold the `policy` that is missed."""
    return diagnostic.code != "TG202" or bool(diagnostic.related)


def _sources(root: Path, unsaved: Mapping[str, str]) -> tuple[dict[str, Source], list[Diagnostic]]:
    sources: dict[str, Source] = {}
    files = rule_files(root)
    problems = list(files.problems)
    new = (name for name in unsaved if not (root / name).exists())
    paths = sorted({*files.paths, *(root / name for name in new)}, key=lambda p: relative(p, root))
    for path in paths:
        text = unsaved.get(relative(path, root))
        found = read_source(path, root) if text is None else Source(relative(path, root), text)
        if isinstance(found, Source):
            sources[relative(path, root)] = found
        else:
            problems.append(found)
    return sources, problems


def _data(root: Path, files: Sequence[tree.File]) -> tuple[Lists, Rates | None, list[Diagnostic]]:
    """The lists and the rates that are declared; a managed list is None."""
    lists: dict[str, ListContent | None] = {}
    rates: Rates | None = None
    problems: list[Diagnostic] = []
    for declared in (d for file in files for d in file.declarations):
        if isinstance(declared, tree.ListDeclarationNode):
            lists[declared.name.text], found = _list(root, declared)
            problems += found
        elif isinstance(declared, tree.PolicyDeclaration) and declared.rates is not None:
            rates, found = _rates(root, declared.rates, declared.currency)
            problems += found
    return lists, rates, problems


def _list(
    root: Path, declared: tree.ListDeclarationNode
) -> tuple[ListContent | None, list[Diagnostic]]:
    kind = LIST_KINDS.get(declared.type.word) if declared.type else None
    if declared.path is None or kind is None:
        return None, []
    path = data_file(root, declared.path.value, declared.path.span)
    if isinstance(path, Diagnostic):
        return None, [path]
    return read_list(path, declared.path.value, kind)


def _libraries(files: Sequence[tree.File]) -> Mapping[tuple[str, int], Library]:
    """The libraries that come with the product, where the policy asks for any."""
    asked = (d for f in files for d in f.declarations if isinstance(d, tree.LibraryDeclaration))
    return shipped() if any(library.path is None for library in asked) else {}


def _used(
    files: Sequence[tree.File], libraries: Mapping[tuple[str, int], Library]
) -> dict[str, str]:
    """By name and version, the hashes of the libraries that the policy declares."""
    asked = (d for f in files for d in f.declarations if isinstance(d, tree.LibraryDeclaration))
    named = {(d.name.text, d.version) for d in asked if d.path is None}
    return {f"{name}@{version}": libraries[name, version].hash for name, version in named}


def _tables(
    root: Path, declared: Sequence[Table], files: Sequence[tree.File]
) -> tuple[Tables, list[Diagnostic]]:
    """The tables that are declared right."""
    places = {
        d.name.span: d.path.span
        for file in files
        for d in file.declarations
        if isinstance(d, tree.TableDeclaration) and d.path is not None
    }
    currencies = [
        d.currency.text
        for file in files
        for d in file.declarations
        if isinstance(d, tree.PolicyDeclaration) and d.currency is not None
    ]
    tables: dict[str, TableContent] = {}
    problems: list[Diagnostic] = []
    for table in declared:
        path = data_file(root, table.path, places[table.span])
        if isinstance(path, Diagnostic):
            problems.append(path)
            continue
        content, found = read_table(path, table, currencies[0] if len(currencies) == 1 else "")
        problems += found
        if content is not None:
            tables[table.name] = content
    return tables, problems


def _rates(
    root: Path, named: tree.Text, currency: tree.Name | None
) -> tuple[Rates | None, list[Diagnostic]]:
    path = data_file(root, named.value, named.span)
    if isinstance(path, Diagnostic):
        return None, [path]
    return read_rates(path, named.value, currency.text if currency else "")


def _digest(
    sources: Mapping[str, Source],
    lists: Lists,
    rates: Rates | None,
    tables: Tables,
    libraries: Mapping[str, str],
    *,
    models: Mapping[str, str],
) -> str:
    """SHA-256 (hex) over every file's path and content, in the order of the paths."""
    digest = hashlib.sha256(HASH_FORMAT)
    parts = [("rules", path, source.text.encode()) for path, source in sorted(sources.items())]
    parts += [
        ("list", name, content.hash.encode())
        for name, content in sorted(lists.items())
        if content is not None
    ]
    parts += [("table", name, table.hash.encode()) for name, table in sorted(tables.items())]
    parts += [("library", name, found.encode()) for name, found in sorted(libraries.items())]
    parts += [("model", name, found.encode()) for name, found in sorted(models.items())]
    if rates is not None:
        parts.append(("rates", "", rates.hash.encode()))
    for sort, name, content in parts:
        for piece in (sort.encode(), name.encode(), content):
            digest.update(len(piece).to_bytes(8, "big"))
            digest.update(piece)
    return digest.hexdigest()
