"""A policy as it is loaded: the typed program with everything that it needs from its folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tidegate.dsl.diagnostics import Diagnostic
from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.program import Program
from tidegate.dsl.rates import Rates
from tidegate.dsl.source import Source
from tidegate.dsl.tables import Tables
from tidegate.rules.models import Models
from tidegate.rules.tables import content_of


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy without errors. Nothing in it changes; any number of threads may share it.

    `hash` covers every rule file, list file, table, model and the rates, by path and content.
    `lists` holds the lists that come from files; a `managed` one is None until the caller gives its
    contents.
    `models` has every model that is not external, whether it can be scored or not.
    `diagnostics` are warnings and notes on what this release does not do yet.
    """

    program: Program
    hash: str
    lists: Lists
    rates: Rates | None
    sources: Mapping[str, Source]
    diagnostics: tuple[Diagnostic, ...]
    folder: Path
    tables: Tables = field(default_factory=dict)
    models: Models = field(default_factory=dict)

    def with_lists(self, contents: Mapping[str, ListContent | Iterable[str]]) -> Policy:
        """This policy with the contents of managed lists, each a list of texts.

        ValueError for a list that it does not have or that holds what such a list cannot.
        """
        managed = {d.name: d for d in self.program.lists if not d.path}
        read: dict[str, ListContent] = {}
        for name, values in contents.items():
            if name not in managed:
                raise ValueError(f"no managed list is called `{name}`")
            content = content_of(values, managed[name])
            if isinstance(content, str):
                raise ValueError(f"list `{name}`: {content}")
            read[name] = content
        return replace(self, lists={**self.lists, **read})
