"""What may be written at a place: words that the parser accepts there, and names in reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tidegate.dsl import tree
from tidegate.dsl.parser import accepted_after
from tidegate.dsl.pieces import Piece, Stop
from tidegate.dsl.source import Source
from tidegate.dsl.standing import Standing
from tidegate.dsl.words import DECLARATIONS, FUNCTIONS, TYPE_WORDS

_CHOICES = {
    "DISPOSITION": ("approve", "hold", "decline"),
    "SILENT": ("approve", "review", "hold", "decline"),
    "RESULT": ("failed", "abandoned", "unavailable"),
    "WORLD": ("client", "role"),
    "MOMENT": ("before", "after"),
    "TRUTH": ("true", "false"),
    "AGGREGATE": ("sum", "average", "minimum", "maximum"),
    "EDGE": ("first", "last"),
    "HIT": ("first", "all", "one"),
    "TYPE": TYPE_WORDS,
    "STEP_UP": ("step_up",),
    "NOT": ("not",),
}
_SORT_AFTER = {
    "because": "reason", "step_up": "step_up", "on": "event", "counting": "event", "use": "event",
    "by": "value", "reads": "value", "matching": "value", "distinct": "value",
}  # fmt: skip
_NAMES_NOTHING = frozenset({"owner", "score", "as", "version", "advise", "takes", "row", "try"})


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word that fits. `sort` is `word`, `function`, `enumerated`, or what the name is."""

    text: str
    sort: str
    detail: str = ""


class Completion(NamedTuple):
    """What fits in place of the characters `[start, end)`, the word that has been begun."""

    start: int
    end: int
    suggestions: tuple[Suggestion, ...]


def complete(source: Source, offset: int, declared: Sequence[Standing]) -> Completion:
    """What may stand at `offset`; `declared` are the declarations of the whole policy."""
    text = source.text
    start = offset
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    if _in_comment_or_text(text, start):
        return Completion(start, offset, ())
    stop = accepted_after(Source(source.path, text[:start]))
    found = list(_words(stop)) if stop else []
    if stop is None or "$END" in stop.expected:
        found += [Suggestion(word, "word") for word in DECLARATIONS]
    if stop is not None and "WORD" in stop.expected:
        found += _names(stop, declared)
    unique = {one.text: one for one in reversed(found)}
    return Completion(start, offset, tuple(sorted(unique.values(), key=lambda s: s.text)))


def _in_comment_or_text(text: str, offset: int) -> bool:
    quoted = escaped = False
    for char in text[text.rfind("\n", 0, offset) + 1 : offset]:
        if quoted and not escaped and char == "\\":
            escaped = True
            continue
        if char == '"' and not escaped:
            quoted = not quoted
        elif char == "#" and not quoted:
            return True
        escaped = False
    return quoted


def _words(stop: Stop) -> Iterable[Suggestion]:
    for expected in stop.expected:
        if expected == "skip" and not stop.read("unknown"):
            continue  # the grammar takes it, and only `if unknown then` may say it
        if expected.isidentifier() and expected.islower():
            yield Suggestion(expected, "word")
        for choice in _CHOICES.get(expected, ()):
            yield Suggestion(choice, "word")


def _names(stop: Stop, declared: Sequence[Standing]) -> list[Suggestion]:
    words = _enumerated(stop.before, declared)
    if words:
        return words
    sort = _sort(stop)
    found = [
        Suggestion(one.name, one.word, describe_shortly(one))
        for one in declared
        if one.sort == sort and not (sort == "value" and one.word != "field" and _wants_field(stop))
    ]
    if sort == "value" and {"(", "INT"} <= stop.expected:
        found += [Suggestion(name, "function") for name in sorted(FUNCTIONS)]
    return found


def _sort(stop: Stop) -> str:
    """The sort of names that fit after the last word; empty where a new name is given."""
    before, last = stop.before, stop.last
    if {"(", "NETWORK"} <= stop.expected and last == "in":
        return "list"
    if len(before) < 2 or last in _NAMES_NOTHING:
        return ""
    if last == "in":
        return "group"
    if last == "of":
        return "event" if before[-2].text in ("count", "at") or _counts(before) else "value"
    if last in _SORT_AFTER:
        return _SORT_AFTER[last]
    if {"(", "INT"} <= stop.expected or last == "by":
        return "value"
    if last == ",":
        return "value" if any(p.text in ("by", "reads") for p in before[-4:]) else ""
    return ""


def _wants_field(stop: Stop) -> bool:
    """Whether only a field fits of all that has a value: what is counted, and by what."""
    return stop.last in ("by", "of", "matching", "distinct") or (
        stop.last == "," and stop.before[0].text == "feature"
    )


def _counts(before: Sequence[Piece]) -> bool:
    """Whether `of` names the counted event: it stands after the aggregate's own operand."""
    return len(before) > 2 and (before[-3].text in ("of", "distinct") or before[0].text == "label")


def _enumerated(before: Sequence[Piece], declared: Sequence[Standing]) -> list[Suggestion]:
    """The words of the enumeration that what stands before is compared with."""
    index = len(before) - 1
    if index >= 0 and before[index].text in ("(", ","):
        while index >= 0 and before[index].text != "(":
            if before[index].text != "," and before[index].sort not in ("WORD", "STRING"):
                return []
            index -= 1
        index -= 1
        if index < 0 or before[index].text != "in":
            return []
        index -= 1
    elif index >= 0 and before[index].text in ("=", "!="):
        index -= 1
    else:
        return []
    if index >= 0 and before[index].text == "not":
        index -= 1
    name = before[index].text if index > 0 else ""
    words = [
        word
        for one in declared
        if one.name == name and isinstance(one.node, tree.FieldDeclaration)
        for word in one.node.type.words
    ]
    return [Suggestion(word, "enumerated", f"of {name}") for word in dict.fromkeys(words)]


def describe_shortly(one: Standing) -> str:
    """A declaration in a few words: what it is and its type or text."""
    node = one.node
    if isinstance(node, tree.FieldDeclaration | tree.ParamDeclaration) and node.type is not None:
        words = f" ({', '.join(node.type.words)})" if node.type.words else ""
        return f"{one.word}, {node.type.word}{words}{'?' if node.type.optional else ''}"
    text = getattr(node, "text", None)
    return f"{one.word}: {text.value}" if isinstance(text, tree.Text) else one.word
