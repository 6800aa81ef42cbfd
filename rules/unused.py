"""What is declared and read by nothing, and what is written twice, seen in the trees.

A name counts as read wherever its word stands but in its own declaration. That misses some unused
ones, where two kinds of things share a word, and never calls a used one unused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields

from tidegate.dsl import tree
from tidegate.dsl.source import Source, Span
from tidegate.rules.fixes import Fix
from tidegate.rules.lints import Finding, finding

_KINDS: Mapping[type[tree.Declaration], str] = {
    tree.FeatureDeclaration: "feature",
    tree.LetDeclaration: "let",
    tree.ParamDeclaration: "param",
    tree.ListDeclarationNode: "list",
    tree.TableDeclaration: "table",
    tree.ReasonDeclaration: "reason",
    tree.StepUpDeclaration: "step_up",
    tree.GroupDeclaration: "group",
}
"""What is there to be read. A label is read by dry runs, a model by those who watch its score."""
_MANY = 3
"""From how many members on a set that stands twice is worth a name."""


def unused(files: Iterable[tree.File], sources: Mapping[str, Source]) -> Iterator[Finding]:
    """Declarations and fields that nothing reads."""
    declared = [d for file in files for d in file.declarations]
    read: Counter[str] = Counter()
    for each in declared:
        read.update(_words(each))
    for each in declared:
        kind, name = _KINDS.get(type(each)), each.name.text
        if kind is not None and not read[name] - Counter(_words(each))[name]:
            yield finding(
                "unused",
                f"{kind} `{name}` is read by nothing",
                each.name.span,
                "remove it",
                name=name,
                fix=_removal(each, kind, sources),
            )
        if isinstance(each, tree.EventDeclaration):
            yield from _fields(each, read)


def _fields(event: tree.EventDeclaration, read: Counter[str]) -> Iterator[Finding]:
    for field in event.fields:
        # Each field stands once in its own declaration; a key and the time are read by the engine.
        if read[field.name.text] == 1 and not field.key and field.type.word != "time":
            message = f"field `{field.name.text}` is read by nothing"
            yield finding(
                "unused-field", message, field.name.span, "ask for what is needed alone",
                name=field.name.text,
            )  # fmt: skip


def _removal(each: tree.Declaration, kind: str, sources: Mapping[str, Source]) -> Fix | None:
    """Cut a let or a param with its line; None where a comment would be left behind."""
    source = sources.get(each.span.path)
    if kind not in ("let", "param") or source is None:
        return None
    text = source.text
    start = text.rfind("\n", 0, each.span.start) + 1
    end = text.find("\n", each.span.end)
    end = len(text) if end < 0 else end + 1
    before = text[:start].rstrip(" \t\n").rsplit("\n", 1)[-1].strip()
    around = text[start : each.span.start] + text[each.span.end : end]
    if around.strip() or before.startswith("#") or "#" in text[each.span.start : each.span.end]:
        return None
    name = each.name.text
    removed = f"removed {kind} `{name}`, which nothing reads"
    return Fix(source.path, start, end, "", removed, name if kind == "param" else "")


def repeated(files: Iterable[tree.File], sources: Mapping[str, Source]) -> Iterator[Finding]:
    """Members that stand twice in one set, sets that stand twice, reasons of one text."""
    declared = [d for file in files for d in file.declarations]
    sets = [node for each in declared for node in _sets(each)]
    for node in sets:
        yield from _members(node, sources)
    first: dict[frozenset[tuple[str, str]], Span] = {}
    for node in sets:
        members = frozenset(_key(item) for item in node.items)
        if len(members) < _MANY:
            continue
        if members in first and first[members] != node.span:
            yield finding(
                "repeated-set",
                f"the same {len(members)} values stand here and elsewhere",
                node.span,
                "give them a name: a list, or a let for the test",
                ((first[members], "the other place"),),
            )
        first.setdefault(members, node.span)
    yield from _texts(declared)


def _members(node: tree.AmongLiterals, sources: Mapping[str, Source]) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for before, item in zip((None, *node.items), node.items, strict=False):
        key = _key(item)
        if key in seen and before is not None:
            yield finding(
                "repeated-member",
                f"`{key[1]}` stands twice in this set",
                item.span,
                "remove one of them",
                fix=_cut(before.span, item.span, key[1], sources),
            )
        seen.add(key)


def _cut(before: Span, item: Span, shown: str, sources: Mapping[str, Source]) -> Fix | None:
    source = sources.get(item.path)
    if source is None or source.text[before.end : item.start].strip() != ",":
        return None
    said = f"removed the second `{shown}` of a set"
    return Fix(item.path, before.end, item.end, "", said)


def _key(item: tree.Expr) -> tuple[str, str]:
    match item:
        case tree.Literal():
            return item.kind, f"-{item.spelling}" if item.negative else item.spelling
        case tree.Reference():
            return "name", item.name
        case _:
            return "place", f"{item.span.path}:{item.span.start}"


def _texts(declared: Sequence[tree.Declaration]) -> Iterator[Finding]:
    first: dict[str, tree.ReasonDeclaration] = {}
    for each in declared:
        if not isinstance(each, tree.ReasonDeclaration) or each.text is None:
            continue
        other = first.setdefault(each.text.value, each)
        if other is not each:
            yield finding(
                "same-text",
                f"reasons `{other.name.text}` and `{each.name.text}` have the same text",
                each.text.span,
                "say what tells them apart, or keep one",
                ((other.name.span, "the other one"),),
                name=each.name.text,
            )


def _sets(node: object) -> Iterator[tree.AmongLiterals]:
    if isinstance(node, tree.AmongLiterals):
        yield node
    for below in _below(node):
        yield from _sets(below)


def _words(node: object) -> Iterator[str]:
    """Every name below `node`; a declaration's own name is left out."""
    if isinstance(node, tree.Name):
        yield node.text
    elif isinstance(node, tree.Reference):
        yield node.name
    elif isinstance(node, tree.Member):
        yield node.base
    for below in _below(node):
        yield from _words(below)


def _below(node: object) -> Iterator[object]:
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, tree.Node):
        for each in fields(node):
            if not (isinstance(node, tree.Declaration) and each.name == "name"):
                yield getattr(node, each.name)
