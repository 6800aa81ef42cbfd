"""Raising versions in the text of rules, and nothing else there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tidegate.dsl import tree
from tidegate.dsl.checker import check
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program, Rule
from tidegate.dsl.source import Source, Span
from tidegate.rules.libraries import shipped

_PIECE = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<comment>\#[^\n]*)
      | (?P<replaced>\breplaces(?:\s|\#[^\n]*\n)+version\b)
      | \bversion(?:\s|\#[^\n]*\n)+(?P<number>[0-9]+)\b""",
    re.VERBOSE,
)


class CannotRaiseError(Exception):
    """A version cannot be raised in the text without changing more; says why."""


def raised_texts(
    sources: Mapping[str, Source], program: Program, needed: Mapping[str, int]
) -> dict[str, str]:
    """The texts that change so that each rule, by its id, has the version that it needs.

    They were read again: the program they make differs from `program` in these versions alone.
    CannotRaiseError where that is not so.
    """
    needed = _of_all(program, needed)
    rules = [rule for event in program.events for rule in event.rules if rule.id in needed]
    _refuse_replaced(program, rules)
    texts = {path: source.text for path, source in sources.items()}
    named = _tables([parse(source).file for source in sources.values()])
    places = {named.get(rule.origin, rule.span): rule for rule in rules}
    # From the end of a file on, so that places before it stay what they are.
    for place, rule in sorted(places.items(), key=lambda pair: pair[0], reverse=True):
        texts[place.path] = _raised(texts[place.path], place, rule, needed[rule.id])
    changed = {path: text for path, text in texts.items() if text != sources[path].text}
    files = [parse(Source(path, text)).file for path, text in texts.items()]
    libraries = {name: library.files for name, library in shipped().items()}
    if check(files, shipped=libraries).program != _expected(program, needed):
        raise CannotRaiseError("the changed text would not mean the same; nothing was written")
    return changed


def _refuse_replaced(program: Program, rules: list[Rule]) -> None:
    for rule in rules:
        for event in program.events:
            for other in event.rules:
                if other.name == rule.name and other.replaces == rule.version:
                    raise CannotRaiseError(
                        f"`{other.id}` replaces `{rule.id}`: change the older version back, and "
                        "the newer one instead"
                    )


def _of_all(program: Program, needed: Mapping[str, int]) -> dict[str, int]:
    """`needed` for the rules, too, that share the version of one of these."""
    found = dict(needed)
    rules = [rule for event in program.events for rule in event.rules]
    for origin in {rule.origin for rule in rules if rule.origin and rule.id in needed}:
        together = [rule.id for rule in rules if rule.origin == origin]
        most = max(needed.get(id_, 0) for id_ in together)
        found |= dict.fromkeys(together, most)
    return found


def _tables(files: Iterable[tree.File]) -> dict[str, Span]:
    """Where the decision tables are named: their rows stand behind the version that they have."""
    return {
        f"decision {declared.name.text}": declared.name.span
        for file in files
        for declared in file.declarations
        if isinstance(declared, tree.DecisionDeclaration)
    }


def _raised(text: str, place: Span, rule: Rule, version: int) -> str:
    for piece in _PIECE.finditer(text, place.end):
        if piece["number"]:
            if int(piece["number"]) != rule.version:
                break
            return f"{text[: piece.start('number')]}{version}{text[piece.end('number') :]}"
    raise CannotRaiseError(f"the version of rule `{rule.name}` was not found in the text")


def _expected(program: Program, needed: Mapping[str, int]) -> Program:
    """The program with these versions."""
    return replace(
        program,
        events=tuple(
            replace(
                event,
                rules=tuple(
                    sorted(
                        (replace(r, version=needed.get(r.id, r.version)) for r in event.rules),
                        key=lambda rule: (rule.name, rule.version),
                    )
                ),
            )
            for event in program.events
        ),
    )


def spelt(raw: bytes, old: str, new: str) -> bytes:
    """`new` in the spelling of the file that `raw` was read from as `old`.

    Line endings and a mark at its beginning stay; only lines that differ are written anew.
    """
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    kept = raw[len(mark) :].decode().split("\n")
    lines = zip(kept, old.split("\n"), new.split("\n"), strict=True)
    made = [
        was if before == after else after + ("\r" if was.endswith("\r") else "")
        for was, before, after in lines
    ]
    return mark + "\n".join(made).encode()
