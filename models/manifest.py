"""The files of one version of a model: read once, hashed, and held against what was registered."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.models.ordinary_files import NotOrdinaryError, TooLargeError, read_ordinary
from tidegate.models.problems import Problem

MODEL_FILE: Final = "model.json"
CARD_FILE: Final = "card.json"
PAGE_FILE: Final = "card.md"
CONTRIBUTIONS_FILE: Final = "contributions.json"
REFERENCE_FILE: Final = "reference.json"
PLOT_FILE: Final = "reliability.svg"
REQUIRED: Final = (
    CARD_FILE,
    PAGE_FILE,
    CONTRIBUTIONS_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    PLOT_FILE,
)
KEPT: Final = (CARD_FILE, MODEL_FILE)
"""Files whose bytes are handed on as they were hashed: nobody reads them a second time."""

MAX_FILES: Final = 32
MAX_FILE_BYTES: Final = 64 * 2**20
FILE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
CONTENT_FORMAT: Final = b"tidegate-model-content-1\n"


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """What a version's folder held: SHA-256 (hex) of every file, and the bytes of those kept."""

    digests: Mapping[str, str]
    kept: Mapping[str, bytes]


def content_hash(model: str, version: int, digests: Mapping[str, str]) -> str:
    """SHA-256 (hex) of the manifest: which model and version, and each file with its own."""
    manifest = {"files": dict(digests), "model": model, "version": version}
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(CONTENT_FORMAT + text.encode()).hexdigest()


def read_files(folder: Path, version: int, keep: Sequence[str] = KEPT) -> VersionFiles | Problem:
    """Every file of a version, or the first reason why its folder cannot be taken."""
    root = folder / str(version)
    try:
        if root.is_symlink() or not root.is_dir():
            return _problem("not_whole", f"`{version}/` is no folder", version)
        names = sorted(entry.name for entry in os.scandir(root))
    except OSError as error:
        return _problem("unreadable", f"cannot be read: {error.strerror}", version)
    if len(names) > MAX_FILES:
        return _problem("not_whole", f"more than {MAX_FILES} files", version)
    digests: dict[str, str] = {}
    kept: dict[str, bytes] = {}
    for name in names:
        content = _read(root / name, version)
        if isinstance(content, Problem):
            return content
        digests[name] = hashlib.sha256(content).hexdigest()
        if name in keep:
            kept[name] = content
    return VersionFiles(digests, kept)


def differences(
    version: int, found: Mapping[str, str], registered: Mapping[str, str]
) -> Iterator[Problem]:
    """Each file that is not what was registered."""
    for name in sorted(found.keys() | registered.keys()):
        if name not in found:
            yield _problem("not_whole", "is not there, and was registered", version, name)
        elif name not in registered:
            yield _problem("not_whole", "was not registered, and is there", version, name)
        elif found[name] != registered[name]:
            yield _problem("hash_mismatch", "does not hold what was registered", version, name)


def _read(path: Path, version: int) -> bytes | Problem:
    if FILE_NAME.fullmatch(path.name) is None:
        return _problem("not_whole", "a file is not named as files of a model are", version)
    try:
        return read_ordinary(path, MAX_FILE_BYTES)
    except TooLargeError:
        return _problem("not_whole", "is larger than 64 MiB", version, path.name)
    except NotOrdinaryError as error:
        return _problem("not_whole", error.strerror or "", version, path.name)
    except OSError as error:
        return _problem("unreadable", f"cannot be read: {error.strerror}", version, path.name)


def _problem(kind: str, message: str, version: int, name: str = "") -> Problem:
    return Problem(kind, message, _WAY_OUT, f"{version}/{name}")


_WAY_OUT = "bring the folder back as it was registered, or register a new version"
