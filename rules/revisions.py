"""A policy as it was at another revision, read from Git's objects, or as another folder has it.

Nothing is written to the work tree: the files that the policy is made of are put into a folder that
is gone when it was read. Lists, rates and cases are those of the revision.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from tidegate.dsl.diagnostics import visible
from tidegate.models.manifest import CARD_FILE, MODEL_FILE
from tidegate.models.registry_log import LOG_FILE
from tidegate.rules.cases import CASE_FOLDER, SUFFIXES, Cases, read_cases
from tidegate.rules.files import MAX_DATA_BYTES, RULE_SUFFIX
from tidegate.rules.gate import GATE_FILE, NO_GATE, Gate, read_gate
from tidegate.rules.git import FOLDER, LINK, SUBMODULE, Entry, GitError, Repository
from tidegate.rules.loading import Loaded, read
from tidegate.rules.model_cards import NO_CARDS, Cards, read_cards

_QUOTED = re.compile(rb'"((?:[^"\\\n]|\\.)*)"')
_VERSION = re.compile(rb"\bversion\s+([0-9]{1,9})\b")
_LFS = b"version https://git-lfs.github.com/spec/"


class RevisionRefused(ValueError):  # noqa: N818 - the word of the field, as in PolicyRefused
    """A revision cannot be read; the text says why, `help` how to go on."""

    def __init__(self, message: str, help_: str = "") -> None:
        super().__init__(message)
        self.help = help_


@dataclass(frozen=True, slots=True)
class Revision:
    """A policy at one revision. `commit` is the full id, empty for a folder.

    `loaded` is None where the revision has no such folder, or no rule file in it. `cases` are
    those that can be read, `gate` holds the limits of changes that it declares, `cards` what is
    said of its models.
    """

    name: str
    commit: str
    loaded: Loaded | None
    cases: Cases
    gate: Gate = NO_GATE
    cards: Cards = field(default_factory=lambda: NO_CARDS)


NO_CASES = Cases((), ())


def read_folder(folder: Path, name: str = "") -> Revision:
    """The policy as it stands in a folder."""
    return _revision(folder, name or str(folder), "")


def _revision(root: Path, name: str, commit: str) -> Revision:
    """The revision whose files stand below `root`."""
    loaded = read(root)
    cases = read_cases(root)
    if loaded.policy is None:
        return Revision(name, commit, loaded, cases)
    gate = read_gate(root, loaded.policy.program)
    return Revision(name, commit, loaded, cases, gate, read_cards(loaded.policy))


def read_revision(folder: Path, name: str) -> Revision:
    """The policy in `folder` as it was at the revision `name`, or as the folder `name` has it.

    `name` is anything that Git resolves to a commit (a branch, a tag, `HEAD~1`) or to a folder of
    one (`main:old/place`). RevisionRefused where it is neither, where Git cannot answer, and where
    a link, a submodule or a file of Git LFS stands in the way.
    """
    if _is_surely_a_folder(name):
        return read_folder(Path(name))
    try:
        return _at_revision(folder, name)
    except GitError as error:
        raise RevisionRefused(str(error), error.help) from None


def changed_files(before: Revision, paths: Sequence[Path]) -> tuple[str, ...]:
    """Those of the paths that had another content at the revision, as far as Git keeps them."""
    if not before.commit or not paths:
        return ()
    try:
        return Repository(paths[0].parent).changed(before.commit, paths)
    except GitError:
        return ()  # they are kept elsewhere, and no commit speaks of them


def _is_surely_a_folder(name: str) -> bool:
    path = Path(name)
    return path.is_dir() and (path.is_absolute() or name.startswith(("./", "../", ".")))


def _at_revision(folder: Path, name: str) -> Revision:
    is_folder = bool(name) and Path(name).is_dir()
    try:
        repository = Repository(folder)
    except GitError:
        if is_folder:
            return read_folder(Path(name))
        raise
    commit = repository.commit(name)
    tree = repository.tree(name) if commit is None else None
    if commit is None and tree is None:
        if is_folder:
            return read_folder(Path(name))
        raise _unknown(repository, name)
    if is_folder:
        message = f"`{name}` is a revision and a folder"
        raise RevisionRefused(
            message, f"write `./{name}` for the folder, `refs/…` for the revision"
        )
    found = tree or _tree_of(repository, commit or "", name)
    return _read(repository, name, commit or tree or "", found)


def _unknown(repository: Repository, name: str) -> RevisionRefused:
    help_ = "name a branch, a tag, a commit such as `HEAD~1`, or a folder"
    if repository.is_shallow:
        help_ = "the clone is shallow: fetch its history (`fetch-depth: 0` in a GitHub workflow)"
    return RevisionRefused(f"Git knows no revision `{visible(name)}`, and it is no folder", help_)


def _tree_of(repository: Repository, commit: str, name: str) -> str | None:
    """The tree of the policy's folder in a commit; None where it is not there."""
    if not repository.prefix:
        return commit
    parts, found = repository.prefix.split("/"), commit
    for depth in range(1, len(parts) + 1):
        entry = repository.entry(commit, "/".join(parts[:depth]))
        if entry is None:
            return None
        if entry.mode in (LINK, SUBMODULE):
            raise _in_the_way(entry, name)
        if entry.mode != FOLDER:
            return None
        found = entry.object
    return found


def _read(repository: Repository, name: str, commit: str, tree: str | None) -> Revision:
    if tree is None:
        return Revision(name, commit, None, NO_CASES)
    files = [entry for entry in repository.files(tree) if not _is_hidden(entry.path)]
    for entry in files:
        if _is_a_folder_elsewhere(entry):
            raise _in_the_way(entry, name)
    by_path = {entry.path: entry for entry in files}
    own = [entry for entry in files if _is_own(entry.path)]
    contents = _contents(repository, own, name)
    if not any(map(_is_rule_file, contents)):
        return Revision(name, commit, None, NO_CASES)
    named = {*_named_files(contents), *_model_files(contents)} & by_path.keys() - contents.keys()
    contents |= _contents(repository, [by_path[path] for path in sorted(named)], name)
    with TemporaryDirectory(prefix="tidegate-") as drafts:
        root = Path(drafts)
        for path, content in contents.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return _revision(root, name, commit)


def _contents(repository: Repository, entries: list[Entry], name: str) -> dict[str, bytes]:
    for entry in entries:
        if entry.mode == LINK:
            raise _in_the_way(entry, name)
        if ".." in PurePosixPath(entry.path).parts or entry.path.startswith("/"):
            raise RevisionRefused(f"`{visible(entry.path)}` at `{name}` lies outside the policy")
        if (entry.size or 0) > MAX_DATA_BYTES:
            raise RevisionRefused(f"`{visible(entry.path)}` at `{name}` is larger than 256 MiB")
    found = dict(
        zip(
            (entry.path for entry in entries),
            repository.contents(entry.object for entry in entries),
            strict=True,
        )
    )
    for path, content in found.items():
        if content.startswith(_LFS):
            message = f"`{visible(path)}` at `{name}` is kept in Git LFS, not in the repository"
            help_ = "check that revision out somewhere else, and name the folder"
            raise RevisionRefused(message, help_)
    return found


def _named_files(contents: Mapping[str, bytes]) -> Iterator[str]:
    """Whatever stands in quotes in a rule file may name a list, the rates or a model."""
    for path, content in contents.items():
        if _is_rule_file(path):
            for quoted in _QUOTED.findall(content):
                yield posixpath.normpath(quoted.decode(errors="replace"))


def _model_files(contents: Mapping[str, bytes]) -> Iterator[str]:
    """Whatever stands in quotes may name a model's folder, and every version one that it has."""
    versions = {
        found.decode()
        for path, content in contents.items()
        if _is_rule_file(path)
        for found in _VERSION.findall(content)
    }
    for named in _named_files(contents):
        yield f"{named}/{LOG_FILE}"
        for version in versions:
            yield from (f"{named}/{version}/{file}" for file in (MODEL_FILE, CARD_FILE))


def _in_the_way(entry: Entry, name: str) -> RevisionRefused:
    what = "a submodule" if entry.mode == SUBMODULE else "a link"
    return RevisionRefused(
        f"`{visible(entry.path)}` is {what} at `{name}`, and what lies behind it is not read",
        "check that revision out somewhere else, and name the folder",
    )


def _is_a_folder_elsewhere(entry: Entry) -> bool:
    """A submodule, or a link that may lead to a folder: rules may lie behind either."""
    if entry.mode == SUBMODULE:
        return True
    return entry.mode == LINK and not PurePosixPath(entry.path).suffix


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _is_own(path: str) -> bool:
    """Whether a file belongs to the policy whatever the rules name."""
    return _is_rule_file(path) or _is_case_file(path) or path == GATE_FILE


def _is_rule_file(path: str) -> bool:
    return path.lower().endswith(RULE_SUFFIX)


def _is_case_file(path: str) -> bool:
    return posixpath.dirname(path) == CASE_FOLDER and path.lower().endswith(SUFFIXES)
