"""Templates as they are written: what belongs to each, and what one may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic, nearest
from tidegate.dsl.substitution import names_read

_WORDS: Mapping[type[tree.Declaration], str] = {
    tree.FeatureDeclaration: "feature", tree.LetDeclaration: "let",
    tree.ReasonDeclaration: "reason", tree.RuleDeclaration: "rule",
}  # fmt: skip
ALLOWED = tuple(_WORDS)
"""What the body of a template is made of."""
_KNOWN_EVERYWHERE = frozenset({"at", "points"})


def words_of(body: Iterable[tree.Declaration]) -> Iterator[tuple[str, str]]:
    """The word and the name of each declaration that may stand in a body."""
    for declared in body:
        if type(declared) in _WORDS:
            yield _WORDS[type(declared)], declared.name.text


@dataclass(frozen=True, slots=True)
class Template:
    """A template with its body. `whole`: nothing of its file was left unread."""

    head: tree.TemplateDeclaration
    body: tuple[tree.Declaration, ...]
    whole: bool

    @property
    def name(self) -> str:
        """What it is called."""
        return self.head.name.text

    @property
    def events(self) -> tuple[str, ...]:
        """What it calls the event that it is on and, where there is one, the one it counts."""
        events = (self.head.event, self.head.counting)
        return tuple(event.text for event in events if event is not None)

    @property
    def declared(self) -> dict[str, tree.Declaration]:
        """What its body declares, by name."""
        return {d.name.text: d for d in self.body}


Templates = Mapping[str, Template]


def cut_file(file: tree.File) -> tuple[tuple[tree.Declaration, ...], tuple[Template, ...]]:
    """The declarations before the first template, and the templates of the file."""
    starts = [
        n for n, d in enumerate(file.declarations) if isinstance(d, tree.TemplateDeclaration)
    ]  # fmt: skip
    whole = file.whole and not file.unread
    ends = [*starts, len(file.declarations)][1:]
    templates = tuple(
        Template(
            cast("tree.TemplateDeclaration", file.declarations[start]),
            file.declarations[start + 1 : end],
            whole,
        )
        for start, end in zip(starts, ends, strict=True)
    )
    return file.declarations[: starts[0] if starts else None], templates


def by_name(templates: Iterable[Template], problems: list[Diagnostic]) -> dict[str, Template]:
    """The templates by name; one that is there twice is reported."""
    found: dict[str, Template] = {}
    for template in sorted(templates, key=lambda t: t.head.span):
        first = found.setdefault(template.name, template)
        if first is not template:
            problems.append(
                Diagnostic(
                    "TG201", f"template `{template.name}` is declared twice",
                    template.head.name.span, "give one of them another name",
                    related=((first.head.name.span, "first declared here"),),
                )
            )  # fmt: skip
    return found


def faults(template: Template) -> Iterator[Diagnostic]:
    """What is wrong with a template, whoever uses it."""
    takes = {t.name.text: t for t in template.head.takes}
    yield from _twice(template)
    for declaration in template.body:
        if not isinstance(declaration, ALLOWED):
            message = "a template holds features, lets, reasons and rules, and nothing else"
            yield Diagnostic("TG230", message, declaration.name.span)
        elif declaration.name.text in takes:
            yield Diagnostic(
                "TG230", f"`{declaration.name.text}` is declared here, and taken from the use",
                declaration.name.span, "give one of them another name",
                related=((takes[declaration.name.text].span, "taken here"),),
            )  # fmt: skip
        yield from _of_rule(declaration)
        yield from _of_feature(declaration, template)
    yield from _reads(template, takes)
    if not any(isinstance(d, tree.RuleDeclaration) for d in template.body):
        yield Diagnostic(
            "TG230", f"template `{template.name}` has no rule", template.head.name.span,
            "what follows it in its file belongs to it",
        )  # fmt: skip


def _twice(template: Template) -> Iterator[Diagnostic]:
    seen: dict[str, tree.TakesClause] = {}
    for takes in template.head.takes:
        first = seen.setdefault(takes.name.text, takes)
        if first is not takes:
            yield Diagnostic(
                "TG230", f"`{takes.name.text}` is taken twice", takes.name.span,
                "delete one of them", related=((first.name.span, "first taken here"),),
            )  # fmt: skip
        event = takes.event
        if event is not None and event.text not in template.events:
            names = " or ".join(f"`{known}`" for known in template.events)
            yield Diagnostic("TG230", f"the events of this template are {names}", event.span)
        if takes.value is not None and len(takes.types) > 1:
            yield Diagnostic("TG230", "a value is of one type", takes.types[1].span)


def _of_rule(declaration: tree.Declaration) -> Iterator[Diagnostic]:
    if not isinstance(declaration, tree.RuleDeclaration):
        return
    if declaration.version is not None or declaration.event is not None:
        what = "version" if declaration.version is not None else "event"
        yield Diagnostic(
            "TG230", f"the {what} of a template's rule is that of its use", declaration.name.span,
            f"delete `{'version' if what == 'version' else 'on'}`",
        )  # fmt: skip


def _of_feature(declaration: tree.Declaration, template: Template) -> Iterator[Diagnostic]:
    if not isinstance(declaration, tree.FeatureDeclaration):
        return
    event, name = declaration.event, declaration.window_name
    if event is not None and event.text not in template.events:
        names = " or ".join(f"`{known}`" for known in template.events)
        yield Diagnostic("TG230", f"this template counts {names}", event.span)
    windows = [t.name.text for t in template.head.takes if is_window(t)]
    if name is not None and name.text not in windows:
        yield Diagnostic(
            "TG230", f"`{name.text}` is no duration that the template takes", name.span,
            nearest(name.text, windows) or "add `takes within duration = 10m from 1m to 1d`",
        )  # fmt: skip


def is_window(takes: tree.TakesClause) -> bool:
    """Whether it may be the length of a window."""
    return takes.value is not None and takes.types[0].word == "duration"


def _reads(template: Template, takes: Mapping[str, tree.TakesClause]) -> Iterator[Diagnostic]:
    read = list(names_read(template.body))
    known = {*takes, *template.declared, *_KNOWN_EVERYWHERE}
    for name, span in dict(reversed(read)).items():
        if name not in known:
            yield Diagnostic(
                "TG230", f"`{name}` is neither taken nor declared by the template", span,
                nearest(name, known - _KNOWN_EVERYWHERE) or f"add `takes {name} TYPE`",
            )  # fmt: skip
    for name in takes.keys() - {name for name, _ in read}:
        yield Diagnostic(
            "TG230", f"`{name}` is taken and never used", takes[name].name.span, "delete it"
        )  # fmt: skip


def sound(templates: Sequence[Template], problems: list[Diagnostic]) -> list[Template]:
    """Those without a fault; the faults of the others are reported."""
    found = []
    for template in templates:
        wrong = list(faults(template)) if template.whole else []
        problems += wrong
        if template.whole and not wrong:
            found.append(template)
    return found
