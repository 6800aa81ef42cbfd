"""The protocol of editors, and nothing else: what it says comes from `dsl` and `rules`.

Standard output belongs to the protocol; what there is to log goes to standard error.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer

from tidegate import __version__
from tidegate.dsl.completion import complete
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.formatter import format_source
from tidegate.dsl.hover import describe, describe_expression, expression_at, rules_named
from tidegate.dsl.positions import Lines
from tidegate.dsl.source import Source, Span
from tidegate.dsl.standing import Standing, declarations_of, standing_at, uses_of
from tidegate.rules.editing import Edited, last_run, read_edited, said_of

WAIT_SECONDS = 0.15
"""How long no key must have been pressed before a policy is checked."""

NO_FOLDER = Path("/.tidegate-unsaved").absolute()

_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.NOTE: types.DiagnosticSeverity.Information,
}
_PAGES = Path(str(files("tidegate.cli"))) / "pages"
_KINDS = {
    "word": types.CompletionItemKind.Keyword,
    "function": types.CompletionItemKind.Function,
    "enumerated": types.CompletionItemKind.EnumMember,
    "event": types.CompletionItemKind.Class,
    "field": types.CompletionItemKind.Field,
    "param": types.CompletionItemKind.Constant,
}
_SYMBOLS = {
    "event": types.SymbolKind.Class,
    "field": types.SymbolKind.Field,
    "rule": types.SymbolKind.Function,
    "decision": types.SymbolKind.Function,
    "param": types.SymbolKind.Constant,
    "list": types.SymbolKind.Array,
    "table": types.SymbolKind.Array,
}


class Desk:
    """The texts that an editor holds, and the policies that they belong to."""

    def __init__(self) -> None:
        self.texts: dict[Path, str] = {}
        self.shown: dict[Path, set[Path]] = {}
        """By policy folder, the files that have findings on display."""
        self._kept: dict[Path, Edited] = {}
        self._last: dict[Path, Edited] = {}

    def changed(self, path: Path, text: str | None) -> None:
        """Take the text of an open file, or None where it is closed."""
        self._kept = {}  # one that is being read goes on with the old
        if text is None:
            self.texts.pop(path, None)
        else:
            self.texts[path] = text.removeprefix("\ufeff").replace("\r\n", "\n")

    def forget(self) -> None:
        """Read again what lies on the disk."""
        self._kept = {}  # one that is being read goes on with the old

    def edited(self, path: Path) -> Edited:
        """The policy of a file, read once for each change."""
        kept = self._kept
        if path not in kept:
            kept[path] = self._last[path] = read_edited(path, dict(self.texts))
        return kept[path]

    def last(self, path: Path) -> Edited:
        """The policy as it was read last: whoever types does not wait for the check."""
        return self._last.get(path) or self.edited(path)

    def source(self, path: Path) -> Source | None:
        """A file's text with its path below the policy folder; None where there is none."""
        edited = self.edited(path)
        try:
            return edited.loaded.sources.get(path.relative_to(edited.root).as_posix())
        except ValueError:
            return None


class Server(LanguageServer):
    """The server, with its desk and the check that waits for a pause in typing."""

    def __init__(self) -> None:
        super().__init__(
            "tidegate",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Full,
        )
        self.desk = Desk()
        self.waiting: dict[Path, asyncio.Task[None]] = {}
        self.uris: dict[Path, str] = {}
        """How the editor itself names the files that it opened."""

    def check_soon(self, path: Path) -> None:
        """Check the policy of a file once nothing has changed for a moment."""
        if path in self.waiting:
            self.waiting[path].cancel()
        self.waiting[path] = asyncio.get_running_loop().create_task(self._check(path))

    async def _check(self, path: Path) -> None:
        await asyncio.sleep(WAIT_SECONDS)
        try:
            edited = await asyncio.to_thread(self.desk.edited, path)
            self.publish(edited, path)
        except Exception:  # the editor goes on without findings, and the log says why
            logging.getLogger(__name__).exception("the check failed")

    def publish(self, edited: Edited, path: Path) -> None:
        """Show every finding beside its place, and take away those that are gone."""
        lines = {name: Lines(source.text) for name, source in edited.loaded.sources.items()}
        found: dict[Path, list[types.Diagnostic]] = {}
        for one in edited.loaded.diagnostics:
            place = _path_of(edited, one.span, path)
            found.setdefault(place, []).append(as_lsp(one, edited, lines))
        key = path if edited.alone else edited.root
        gone = self.desk.shown.get(key, set()) - set(found)
        self.desk.shown[key] = set(found)
        for place in {*found, *gone, path}:
            self.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(
                    self.uris.get(place) or _uri(place), found.get(place, [])
                )
            )


def _path_of(edited: Edited, span: Span, path: Path) -> Path:
    return edited.root / span.path if span.path else path


def _uri(path: Path) -> str:
    return uris.from_fs_path(str(path)) or path.as_uri()


def _path(uri: str) -> Path:
    """The file of a URI; what is no file yet gets a place in a folder that no policy has."""
    path = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return Path(path) if path else NO_FOLDER / quote(uri, safe="")


def as_lsp(one: Diagnostic, edited: Edited, lines: Mapping[str, Lines]) -> types.Diagnostic:
    """A finding as editors show it: code with its page, way out, and related places."""
    related = [
        types.DiagnosticRelatedInformation(
            types.Location(_uri(edited.root / span.path), _range(span, lines.get(span.path))), label
        )
        for span, label in one.related
    ]
    return types.Diagnostic(
        range=_range(one.span, lines.get(one.span.path), one.line),
        message=one.message + (f"\nhelp: {one.help}" if one.help else ""),
        severity=_SEVERITIES[one.severity],
        code=one.code,
        code_description=types.CodeDescription(_uri(_PAGES / f"{one.code}.md")),
        source="tidegate",
        related_information=related,
    )


def _range(span: Span, lines: Lines | None, line: int = 0) -> types.Range:
    if lines is None:
        place = types.Position(max(line - 1, 0), 0)
        return types.Range(place, place)
    start, end = lines.place(span.start), lines.place(max(span.end, span.start))
    return types.Range(types.Position(*start), types.Position(*end))


def _locations(found: tuple[Standing, ...], edited: Edited) -> list[types.Location]:
    lines = {name: Lines(source.text) for name, source in edited.loaded.sources.items()}
    return [
        types.Location(_uri(edited.root / s.span.path), _range(s.span, lines.get(s.span.path)))
        for s in found
    ]


def _here(server: Server, params: Any) -> tuple[Edited, Source, int, Standing | None] | None:
    """The policy, the file, the offset and the name that a request speaks of."""
    path = _path(params.text_document.uri)
    edited, source = server.desk.edited(path), server.desk.source(path)
    if source is None:
        return None
    offset = Lines(source.text).offset(params.position.line, params.position.character)
    own = [s for s in edited.names if s.span.path == source.path]
    return edited, source, offset, standing_at(own, offset)


def make_server() -> Server:
    """A server that answers every request of the language."""
    server = Server()
    _follow_texts(server)
    _answer(server)
    return server


def _follow_texts(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
        path = _path(params.text_document.uri)
        ls.uris[path] = params.text_document.uri
        ls.desk.changed(path, params.text_document.text)
        ls.check_soon(path)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
        path = _path(params.text_document.uri)
        for change in params.content_changes:
            ls.desk.changed(path, change.text)
        ls.check_soon(path)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
        path = _path(params.text_document.uri)
        ls.desk.changed(path, None)
        ls.check_soon(path)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
        ls.desk.forget()
        ls.check_soon(_path(params.text_document.uri))

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def on_disk(ls: Server, _params: types.DidChangeWatchedFilesParams) -> None:
        ls.desk.forget()
        for path in ls.desk.texts:
            ls.check_soon(path)


def _answer(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
        here = _here(ls, params)
        said = _said(*here) if here else []
        if not said:
            return None
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, "\n\n".join(said)))

    @server.feature(types.TEXT_DOCUMENT_COMPLETION)
    def completion(ls: Server, params: types.CompletionParams) -> list[types.CompletionItem]:
        path = _path(params.text_document.uri)
        if path not in ls.desk.texts:
            return []
        source = Source(path.name, ls.desk.texts[path])
        offset = Lines(source.text).offset(params.position.line, params.position.character)
        declared = ls.desk.last(path).declared
        return [
            types.CompletionItem(
                one.text, kind=_KINDS.get(one.sort, types.CompletionItemKind.Variable),
                detail=one.detail or one.sort,
            )
            for one in complete(source, offset, declared).suggestions
        ]  # fmt: skip

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def definition(ls: Server, params: types.DefinitionParams) -> list[types.Location]:
        here = _here(ls, params)
        if here is None or here[3] is None:
            return []
        return _locations(declarations_of(here[3], here[0].names), here[0])

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def references(ls: Server, params: types.ReferenceParams) -> list[types.Location]:
        here = _here(ls, params)
        if here is None or here[3] is None:
            return []
        declared = params.context.include_declaration
        found = declarations_of(here[3], here[0].names) if declared else ()
        return _locations((*found, *uses_of(here[3], here[0].names)), here[0])

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def symbols(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        path = _path(params.text_document.uri)
        edited, source = ls.desk.edited(path), ls.desk.source(path)
        if source is None:
            return []
        lines = Lines(source.text)
        own = (s for s in edited.declared if s.span.path == source.path and s.word != "score")
        return [
            types.DocumentSymbol(
                s.name, _SYMBOLS.get(s.word, types.SymbolKind.Variable),
                _range(s.node.span if s.node else s.span, lines), _range(s.span, lines),
                detail=s.word,
            )
            for s in own
        ]  # fmt: skip

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatting(ls: Server, params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        source = ls.desk.source(_path(params.text_document.uri))
        if source is None:
            return []
        formatted = format_source(source)
        if formatted.text is None:
            first = next(d for d in formatted.diagnostics if d.severity is Severity.ERROR)
            said = f"not formatted: {first.message} ({first.code})"
            ls.window_show_message(types.ShowMessageParams(types.MessageType.Warning, said))
            return []
        if formatted.text == source.text:
            return []
        whole = _range(Span("", 0, len(source.text)), Lines(source.text))
        return [types.TextEdit(whole, formatted.text)]


def _said(edited: Edited, source: Source, offset: int, name: Standing | None) -> list[str]:
    said = []
    sources = edited.loaded.sources
    if name is not None:
        found = declarations_of(name, edited.names)
        said += [describe(one, sources[one.span.path]) for one in found]
    policy = edited.loaded.policy
    if policy is None:
        return said
    expression = expression_at(policy.program, source.path, offset)
    if expression is not None:
        said.append(describe_expression(expression, source, policy.program))
    if name is not None and name.sort == "rule":
        run = last_run(edited.root)
        rules = rules_named(policy.program, name.name) if run else ()
        said += [said_of(run, rule.id, policy.hash) for rule in rules if run]
    return [one for one in dict.fromkeys(said) if one]


def serve() -> None:
    """Serve over standard input and output until the editor leaves."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    make_server().start_io()
