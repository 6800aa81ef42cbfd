"""`tidegate check`: lints at the folder's levels, over a history too, and their fixes."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cli.inputs import bad_input

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.rules import Loaded, Policy
    from tidegate.rules.fixes import Fix
    from tidegate.rules.lints import Finding


def linted(loaded: Loaded, folder: Path, history: Path | None, snapshot: Path | None) -> Loaded:
    """What was loaded, with what the lints say; what an error keeps from loading is not linted."""
    from tidegate.dsl.diagnostics import in_order
    from tidegate.rules.lint import lint
    from tidegate.rules.lint_levels import read_levels

    levels = read_levels(folder)
    if loaded.policy is None:
        return replace(loaded, diagnostics=in_order([*loaded.diagnostics, *levels.diagnostics]))
    found: list[Finding] = [*lint(loaded.policy, loaded.diagnostics)]
    if history is not None:
        found += _of_history(loaded.policy, history, snapshot)
    told = levels.weighed(found, history=history is not None)
    said = [*(each.diagnostic for each in told), *levels.diagnostics]
    return replace(loaded, diagnostics=in_order(said))


def _of_history(policy: Policy, history: Path, snapshot: Path | None) -> Iterator[Finding]:
    from tidegate.cli.backtest import history_refused, progress_bar
    from tidegate.simulation.backtest import run_backtest
    from tidegate.simulation.idle_rules import idle_rules
    from tidegate.simulation.mapping import MappingError
    from tidegate.simulation.snapshot_run import run_with_snapshot

    try:
        with progress_bar() as progress:
            if snapshot is None:
                result = run_backtest(policy, history, progress=progress)
            else:
                result = run_with_snapshot(policy, history, snapshot, progress=progress).result
    except MappingError as error:
        raise history_refused(error) from None
    except OSError as error:
        if snapshot is None:
            raise
        raise bad_input(f"`{snapshot}` cannot be written: {error.strerror}") from None
    return idle_rules(result, policy.program)


def mend(loaded: Loaded, folder: Path, *, dry_run: bool) -> list[str]:
    """Make the safe fixes of what the folder does not ignore; a line for each, or the difference.

    Only texts that were read again and mean the same are written.
    """
    from tidegate.cli.files import replace_file
    from tidegate.rules.fixes import CannotFixError, fixed

    policy = loaded.policy
    if policy is None:
        return []
    try:
        texts, made = fixed(policy.sources, policy.program, _wanted(policy, folder))
    except CannotFixError as error:
        raise bad_input(str(error), "mend it by hand") from None
    if dry_run:
        return [
            line for path, text in texts.items()
            for line in _difference(path, policy.sources[path].text, text)
        ]  # fmt: skip
    try:
        for path, text in texts.items():
            raw = (folder / path).read_bytes()
            replace_file(folder / path, _spelt(raw, text))
    except OSError as error:
        raise bad_input(f"`{error.filename}` cannot be written: {error.strerror}") from None
    return [_told(fix, loaded, folder) for fix in made]


def _wanted(policy: Policy, folder: Path) -> list[Fix]:
    from tidegate.rules.lint import lint
    from tidegate.rules.lint_levels import read_levels

    levels = read_levels(folder)
    if levels.diagnostics:
        return []
    return [found.fix for found in levels.weighed(lint(policy, ())) if found.fix is not None]


def _told(fix: Fix, loaded: Loaded, folder: Path) -> str:
    from tidegate.cli.diagnostics import from_here

    line, _ = loaded.sources[fix.path].position(fix.start)
    return f"{fix.said}  {from_here(folder / fix.path)}:{line}"


def _spelt(raw: bytes, text: str) -> bytes:
    """`text` with the byte order mark and the line endings of the file it was read from."""
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    body = text.encode()
    return mark + (body.replace(b"\n", b"\r\n") if b"\r\n" in raw else body)


def _difference(path: str, old: str, new: str) -> list[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), path, path, lineterm="", n=1)
    return list(lines)
