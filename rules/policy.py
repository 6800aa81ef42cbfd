"""A policy as it is loaded: the typed program with everything that it needs from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.dsl.diagnostics import Diagnostic
from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.program import Program
from tidegate.dsl.rates import Rates
from tidegate.dsl.source import Source


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy without errors. Nothing in it changes; any number of threads may share it.

    `hash` covers every rule file, list file and the rates, by path and content. `lists` holds the
    lists that come from files; a `managed` one is None until the caller gives its contents.
    `diagnostics` are warnings and notes on what this release does not do yet.
    """

    program: Program
    hash: str
    lists: Lists
    rates: Rates | None
    sources: Mapping[str, Source]
    diagnostics: tuple[Diagnostic, ...]
    folder: Path

    def with_lists(self, contents: Mapping[str, ListContent]) -> Policy:
        """This policy with the contents of managed lists; KeyError for a list it does not have."""
        managed = {d.name for d in self.program.lists if not d.path}
        unknown = sorted(contents.keys() - managed)
        if unknown:
            raise KeyError(f"no managed list is called {unknown[0]!r}")
        return Policy(
            self.program,
            self.hash,
            {**self.lists, **contents},
            self.rates,
            self.sources,
            self.diagnostics,
            self.folder,
        )
