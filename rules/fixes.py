"""Mending the text of a policy, and proof that it means what it meant before anything is written.

A fix cuts or replaces characters of one file. Fixes that overlap are made one at a time: the next
run makes the other one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import has_errors
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program
from tidegate.dsl.source import Source
from tidegate.rules.libraries import shipped


@dataclass(frozen=True, slots=True, order=True)
class Fix:
    """`[start, end)` of the file at `path` becomes `replacement`; `said` says so to people.

    `param` is the param that it takes away, if any.
    """

    path: str
    start: int
    end: int
    replacement: str
    said: str
    param: str = ""


class CannotFixError(Exception):
    """The mended text would not mean the same; says so."""


def fixed(
    sources: Mapping[str, Source], program: Program, fixes: Iterable[Fix]
) -> tuple[dict[str, str], tuple[Fix, ...]]:
    """The texts that change and the fixes made in them, in the order of places.

    The mended texts were read again: they make the same program but for params that were taken
    away. CannotFixError where they do not, and nothing is to be written then.
    """
    made = _apart(fix for fix in fixes if fix.path in sources)
    texts = {path: source.text for path, source in sources.items()}
    for fix in reversed(made):
        text = texts[fix.path]
        texts[fix.path] = text[: fix.start] + fix.replacement + text[fix.end :]
    gone = {fix.param for fix in made}
    expected = replace(program, params=tuple(p for p in program.params if p.name not in gone))
    if _program(texts) != expected:
        raise CannotFixError("the mended text would not mean the same; nothing was written")
    changed = {path: text for path, text in texts.items() if text != sources[path].text}
    return changed, made


def _apart(fixes: Iterable[Fix]) -> tuple[Fix, ...]:
    made: list[Fix] = []
    for fix in sorted(set(fixes)):
        if made and made[-1].path == fix.path and fix.start < made[-1].end:
            continue
        made.append(fix)
    return tuple(made)


def _program(texts: Mapping[str, str]) -> Program | None:
    parsed = [parse(Source(path, text)) for path, text in texts.items()]
    if any(has_errors(found.diagnostics) for found in parsed):
        return None
    libraries = {name: each.files for name, each in shipped().items()}
    return check([found.file for found in parsed], shipped=libraries).program
