"""The libraries of templates that come with Tidegate: `library/NAME/VERSION/*.tide` beside this.

A version that was released is never edited; a better one is a new version
(`tests/rules/test_libraries.py` holds the hashes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tidegate.dsl import tree
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source
from tidegate.rules.files import relative, rule_files

FOLDER = Path(__file__).resolve().parent / "library"


@dataclass(frozen=True, slots=True)
class Library:
    """One version of a library; `sources` are by their path in the file system."""

    files: tuple[tree.File, ...]
    sources: Mapping[str, Source]
    hash: str
    """SHA-256 (hex) of its files, by name and content."""


@lru_cache(maxsize=1)
def shipped() -> Mapping[tuple[str, int], Library]:
    """Every library by name and version."""
    return {
        (folder.parent.name, int(folder.name)): read_library(folder)
        for folder in sorted(FOLDER.glob("*/*"))
        if folder.is_dir()
    }


def read_library(folder: Path) -> Library:
    """The library in `folder`; it has no error."""
    digest, sources = hashlib.sha256(), {}
    for path in rule_files(folder).paths:
        content = path.read_bytes()
        for part in (relative(path, folder).encode(), content):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        sources[str(path)] = Source(str(path), content.decode())
    files = tuple(parse(source).file for source in sources.values())
    return Library(files, sources, digest.hexdigest())
