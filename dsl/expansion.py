"""Uses of templates, written out: `apply velocity.tries as card_tries` becomes features and rules.

It is done on trees, before anything is checked, so that nothing after it knows of templates. Every
place keeps the name of its use (`Span.use`), and messages point to the use, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic, Severity, nearest
from tidegate.dsl.literals import duration_us
from tidegate.dsl.source import Span
from tidegate.dsl.substitution import Substitution, names_read
from tidegate.dsl.templates import (
    ALLOWED,
    Template,
    Templates,
    by_name,
    cut_file,
    is_window,
    sound,
    words_of,
)

Shipped = Mapping[tuple[str, int], Sequence[tree.File]]
"""The libraries that come with the product, by name and version."""
NOTHING_SHIPPED: Shipped = {}
_OTHERS = (tree.ParamDeclaration, tree.LetDeclaration)
"""What may be given besides fields."""
_NEW = (tree.TemplateDeclaration, tree.ApplyDeclaration, tree.LibraryDeclaration)


@dataclass(frozen=True, slots=True)
class Expanded:
    """The files of a policy with its uses of templates written out.

    `uses` are the places of the uses by name.
    """

    files: tuple[tree.File, ...]
    uses: Mapping[str, Span] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()

    def placed(self, diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
        """Diagnostics that name the use beside a place in a template.

        That an `otherwise` is never needed is no fault of a template: another use needs it.
        """
        for found in diagnostics:
            use = self.uses.get(found.span.use)
            if use is None:
                yield found
            elif found.code != "TG320" or found.severity is not Severity.WARNING:
                yield replace(found, related=(*found.related, (use, "applied here")))


def expand(files: Sequence[tree.File], shipped: Shipped = NOTHING_SHIPPED) -> Expanded:
    """Write out every `apply`; `shipped` are the libraries that need no folder."""
    files = [_without_lost_bodies(file) for file in files]
    if not any(isinstance(d, _NEW) for file in files for d in file.declarations):
        return Expanded(tuple(files))
    return _Expansion(files, shipped).result()


def _without_lost_bodies(file: tree.File) -> tree.File:
    """The file without what may be the body of a template whose head could not be read."""
    if all(unread.word != "template" for unread in file.unread):
        return file
    kept = tuple(d for d in file.declarations if not isinstance(d, ALLOWED))
    lost = (tree.Unread(*pair) for pair in words_of(file.declarations))
    return replace(file, declarations=kept, unread=(*file.unread, *lost))


class _Expansion:
    """The libraries and templates of one policy."""

    def __init__(self, files: Sequence[tree.File], shipped: Shipped) -> None:
        self.shipped = shipped
        self.problems: list[Diagnostic] = []
        self.libraries = self._declared(files)
        folders = [f"{_folder(lib.path)}/" for lib in self.libraries.values() if lib.path]
        self.own = [f for f in files if not f.path.startswith(tuple(folders))]
        self.housed = [f for f in files if f.path.startswith(tuple(folders))]
        cut = [cut_file(file) for file in self.own]
        self.plain = [declarations for declarations, _ in cut]
        self.unread = {(u.word, u.name) for file in files for u in file.unread}
        self.local = self._sound(template for _, templates in cut for template in templates)
        self.loaded = {name: self._load(library) for name, library in self.libraries.items()}
        self.events = {
            d.name.text: d
            for part in self.plain
            for d in part
            if isinstance(d, tree.EventDeclaration)
        }
        self.others = {
            d.name.text: d for part in self.plain for d in part if isinstance(d, _OTHERS)
        }
        self.uses: dict[str, Span] = {}

    def result(self) -> Expanded:
        """The files without templates, and one more for each use."""
        files, applied = [], []
        for file, declarations in zip(self.own, self.plain, strict=True):
            kept = tuple(d for d in declarations if not isinstance(d, _NEW))
            files.append(replace(file, declarations=kept))
            applied += [d for d in declarations if isinstance(d, tree.ApplyDeclaration)]
        for apply in sorted(applied, key=lambda a: a.span):
            found = self._apply(apply)
            if found is not None:
                files.append(found)
        return Expanded(tuple(files), self.uses, tuple(self.problems))

    def _error(
        self, code: str, message: str, span: Span, help_text: str = "",
        related: tuple[tuple[Span, str], ...] = (),
    ) -> None:  # fmt: skip
        self.problems.append(Diagnostic(code, message, span, help_text, related=related))

    # --- libraries

    def _declared(self, files: Sequence[tree.File]) -> dict[str, tree.LibraryDeclaration]:
        found: dict[str, tree.LibraryDeclaration] = {}
        declared = [
            d for f in files for d in f.declarations if isinstance(d, tree.LibraryDeclaration)
        ]
        for library in sorted(declared, key=lambda d: d.span):
            first = found.setdefault(library.name.text, library)
            if first is not library:
                self._error(
                    "TG201", f"library `{library.name.text}` is declared twice",
                    library.name.span, "a policy uses one version of a library",
                    ((first.name.span, "first declared here"),),
                )  # fmt: skip
        return found

    def _load(self, library: tree.LibraryDeclaration) -> Templates | None:
        files = self._files(library)
        if files is None:
            return None
        cut = [cut_file(file) for file in files]
        for stray in (d for declarations, _ in cut for d in declarations):
            message = "a file of a library begins with `template`"
            self._error("TG230", message, stray.name.span)
        return self._sound(template for _, templates in cut for template in templates)

    def _files(self, library: tree.LibraryDeclaration) -> Sequence[tree.File] | None:
        name, version = library.name.text, library.version
        if library.path is not None:
            folder = f"{_folder(library.path)}/{version}/"
            files = [f for f in self.housed if f.path.startswith(folder)]
            if not files:
                self._error(
                    "TG231", f"no template lies in `{folder}`", library.path.span,
                    "templates are `.tide` files; each version has a folder of its own",
                )  # fmt: skip
            return files or None
        if (name, version) in self.shipped:
            return self.shipped[name, version]
        versions = sorted(v for n, v in self.shipped if n == name)
        if versions:
            known = ", ".join(map(str, versions))
            self._error(
                "TG231", f"library `{name}` has no version {version}", library.name.span,
                f"there is version {known}",
            )  # fmt: skip
        else:
            names = sorted({n for n, _ in self.shipped})
            self._error(
                "TG231", f"no library is called `{name}`", library.name.span,
                nearest(name, names) or 'write `from "FOLDER"` for one of your own',
            )  # fmt: skip
        return None

    def _sound(self, templates: Iterable[Template]) -> Templates:
        every = by_name(templates, self.problems)
        good = sound(list(every.values()), self.problems)
        self.unread |= {("template", name) for name in every.keys() - {t.name for t in good}}
        return {t.name: t for t in good}

    # --- one use

    def _apply(self, apply: tree.ApplyDeclaration) -> tree.File | None:
        first = self.uses.get(apply.name.text)
        if first is not None:
            self._error(
                "TG201", f"`{apply.name.text}` is applied twice", apply.name.span,
                "give one of them another name", ((first, "first applied here"),),
            )  # fmt: skip
            return None
        self.uses[apply.name.text] = apply.name.span
        if apply.version is None:
            self._error(
                "TG404", f"`{apply.name.text}` has no version", apply.name.span,
                "add `version 1` after its name",
            )  # fmt: skip
        template = self._template(apply)
        event = self._event(apply)
        if template is None or event is None:
            return None
        counted = self._counted(apply, template, event)
        if counted is None:
            return None
        use = _Use(apply, template, (event, counted), self.others)
        self.problems += use.problems
        if use.problems:
            unread = tuple(tree.Unread(*pair) for pair in use.would_declare())
            return tree.File(apply.span.path, (), (), unread)
        return tree.File(apply.span.path, tuple(use.declarations()), ())

    def _template(self, apply: tree.ApplyDeclaration) -> Template | None:
        assert apply.template is not None
        name, templates = apply.template.text, self.local
        if apply.library is not None:
            library = apply.library.text
            if library not in self.libraries and ("library", library) not in self.unread:
                self._error(
                    "TG231", f"no library is called `{library}`", apply.library.span,
                    nearest(library, self.libraries) or f"add `library {library} version 1`",
                )  # fmt: skip
            found = self.loaded.get(library)
            if found is None:
                return None
            templates = found
        if name not in templates and ("template", name) not in self.unread:
            self._error(
                "TG231", f"no template is called `{name}`", apply.template.span,
                nearest(name, templates) or _known(templates),
            )  # fmt: skip
        return templates.get(name)

    def _event(self, apply: tree.ApplyDeclaration) -> tree.EventDeclaration | None:
        if apply.event is not None:
            event = self.events.get(apply.event.text)
            if event is None and ("event", apply.event.text) not in self.unread:
                self._error(
                    "TG215", f"no event is called `{apply.event.text}`", apply.event.span,
                    nearest(apply.event.text, self.events),
                )  # fmt: skip
            return event
        decided = [e for e in self.events.values() if e.default is not None]
        if len(decided) != 1 and not any(word == "event" for word, _ in self.unread):
            self._error(
                "TG232", f"`{apply.name.text}` does not say which event it is on",
                apply.name.span, "add `on EVENT`",
            )  # fmt: skip
        return decided[0] if len(decided) == 1 else None

    def _counted(
        self, apply: tree.ApplyDeclaration, template: Template, event: tree.EventDeclaration
    ) -> tree.EventDeclaration | None:
        """The event that is counted; the one it is on, where the template counts no other."""
        asked, given = template.head.counting, apply.counting
        if asked is None:
            if given is None:
                return event
            message = f"template `{template.name}` counts the event it is on"
            self._error("TG232", message, given.span, "delete `counting`")
            return None
        if given is None:
            self._error(
                "TG232", f"`{apply.name.text}` does not say what is its `{asked.text}`",
                apply.name.span, "add `counting EVENT`", ((asked.span, "counted here"),),
            )  # fmt: skip
            return None
        found = self.events.get(given.text)
        if found is None and ("event", given.text) not in self.unread:
            near = nearest(given.text, self.events)
            self._error("TG215", f"no event is called `{given.text}`", given.span, near)
        return found


def _folder(path: tree.Text) -> str:
    return path.value.removeprefix("./").rstrip("/")


def _known(templates: Templates) -> str:
    return f"there are {', '.join(f'`{name}`' for name in sorted(templates))}" if templates else ""


class _Use:
    """One use of a template: what its names become, and what is wrong with what it is given."""

    def __init__(
        self,
        apply: tree.ApplyDeclaration,
        template: Template,
        events: tuple[tree.EventDeclaration, tree.EventDeclaration],
        others: Mapping[str, tree.Declaration],
    ) -> None:
        self.apply = apply
        self.template = template
        self.event, self.counted = events
        self.others = others
        self.problems: list[Diagnostic] = []
        self.values: dict[str, tree.Literal] = {}
        self.names = {name: self._called(name) for name in template.declared}
        self.names |= dict(zip(template.events, (e.name.text for e in events), strict=False))
        settings = self._settings()
        for takes in template.head.takes:
            if takes.value is None:
                self._field(takes, settings.get(takes.name.text))
            else:
                self._value(takes, takes.value, settings.get(takes.name.text))

    def declarations(self) -> Iterator[tree.Declaration]:
        """What the template declares, as this use has it, and a param for each value."""
        windows = {
            t.name.text: self.values[t.name.text] for t in self.template.head.takes if is_window(t)
        }
        here = Substitution(self.apply.name.text, self.names, windows)
        read = {name for name, _ in _outside_windows(self.template.body)}
        for takes in self.template.head.takes:
            if takes.name.text in self.values and takes.name.text in read:
                yield tree.ParamDeclaration(
                    here.of(takes.span), here.of(takes.name), here.of(takes.types[0]),
                    self.values[takes.name.text], here.of(takes.low), here.of(takes.high),
                    takes.text,
                )  # fmt: skip
        for declaration in self.template.body:
            made = here.of(declaration)
            yield self._ruled(made) if isinstance(made, tree.RuleDeclaration) else made

    def would_declare(self) -> Iterator[tuple[str, str]]:
        """The words and names of what cannot be declared."""
        for word, name in words_of(self.template.body):
            yield word, self.names[name]
        for takes in self.template.head.takes:
            yield "param", self._called(takes.name.text)

    def _called(self, name: str) -> str:
        own = self.apply.name.text
        return own if name == self.template.name else f"{own}_{name}"

    def _ruled(self, rule: tree.RuleDeclaration) -> tree.RuleDeclaration:
        """The rule with what the use says of it."""
        apply = self.apply
        return replace(
            rule,
            # What is wrong with the rule as a whole is the use's to mend.
            name=tree.Name(apply.name.span, rule.name.text),
            version=apply.version or 1,
            text=apply.text or rule.text,
            owner=apply.owner or rule.owner,
            group=apply.group or rule.group,
            event=apply.event or self.event.name,
            shadow=apply.shadow or rule.shadow,
            then=apply.then or rule.then,
            exceptions=(*rule.exceptions, *apply.exceptions),
            unknown=apply.unknown or rule.unknown,
            origin=f"apply {apply.name.text}",
        )

    # --- what it is given

    def _wrong(
        self, message: str, span: Span, help_text: str = "", taken: Span | None = None
    ) -> None:
        related = () if taken is None else ((taken, "taken here"),)
        self.problems.append(Diagnostic("TG232", message, span, help_text, related=related))

    def _settings(self) -> dict[str, tree.Expr]:
        known = [takes.name.text for takes in self.template.head.takes]
        found: dict[str, tree.Expr] = {}
        for name, value in self.apply.settings:
            if name.text in found:
                self._wrong(f"`{name.text}` is given twice", name.span, "delete one of them")
            elif name.text not in known:
                takes = ", ".join(f"`{one}`" for one in known)
                self._wrong(
                    f"template `{self.template.name}` takes no `{name.text}`", name.span,
                    nearest(name.text, known) or f"it takes {takes}",
                )  # fmt: skip
            else:
                found[name.text] = value
        return found

    def _field(self, takes: tree.TakesClause, setting: tree.Expr | None) -> None:
        name = takes.name.text
        of_counted = takes.event is not None and takes.event.text == self.template.events[-1]
        event = self.counted if of_counted else self.event
        fields = {f.name.text: f for f in event.fields}
        if isinstance(setting, tree.Literal):
            self.values[name], self.names[name] = setting, self._called(name)
            return
        called = setting.name if isinstance(setting, tree.Reference) else name
        place = self.apply.name.span if setting is None else setting.span
        declared = fields.get(called) or self.others.get(called)
        kind = getattr(declared, "type", None)
        if declared is None and setting is None:
            self._wrong(
                f"`{self.apply.name.text}` does not say which field is `{name}`", place,
                f"add `with {name} = FIELD`", takes.span,
            )  # fmt: skip
        elif declared is None:
            self._wrong(
                f"event `{event.name.text}` has no field `{called}`", place,
                nearest(called, fields), takes.span,
            )  # fmt: skip
        elif kind is not None and kind.word not in [known.word for known in takes.types]:
            wanted = " or ".join(known.word for known in takes.types)
            self._wrong(
                f"`{name}` is a {wanted}, and `{called}` a {kind.word}", place,
                f"add `with {name} = FIELD`" if setting is None else "", takes.span,
            )  # fmt: skip
        self.names[name] = called

    def _value(
        self, takes: tree.TakesClause, default: tree.Literal, setting: tree.Expr | None
    ) -> None:
        name = takes.name.text
        if setting is not None and not isinstance(setting, tree.Literal):
            self._wrong(
                f"`{name}` is a {takes.types[0].word}, and its value is written here",
                setting.span, "", takes.span,
            )  # fmt: skip
            return
        value = default if setting is None else setting
        self.values[name] = value
        self.names[name] = self._called(name)
        if is_window(takes):
            self._window(takes, value)

    def _window(self, takes: tree.TakesClause, value: tree.Literal) -> None:
        """Nothing else looks at the length of a window."""
        name = takes.name.text
        if value.kind != "duration" or value.negative:
            self._wrong(f"`{name}` is a duration, as in `10m`", value.span, "", takes.span)
            return
        low, high = takes.low, takes.high
        if low is None or high is None or {low.kind, high.kind} != {"duration"}:
            return
        if (
            not duration_us(low.spelling)
            <= duration_us(value.spelling)
            <= duration_us(high.spelling)
        ):
            self._wrong(
                f"`{name}` lies from {low.spelling} to {high.spelling}", value.span, "", takes.span
            )


def _outside_windows(body: Iterable[tree.Declaration]) -> Iterator[tuple[str, Span]]:
    """What a body reads otherwise than as the length of a window."""
    for declared in body:
        if isinstance(declared, tree.FeatureDeclaration):
            yield from names_read(replace(declared, window_name=None))
        else:
            yield from names_read(declared)
