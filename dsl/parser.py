"""Text to tree. Lark is known here and nowhere else.

Each declaration is parsed on its own (see `scanner`), so one error costs one declaration and all
errors of a file come in one run. Lark reads the words and says which rule of the grammar they
complete; `tree_builder` makes the node, from the leaves upwards and without recursion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, cast

from lark import Lark, Token
from lark.exceptions import UnexpectedInput, UnexpectedToken
from lark.grammar import Rule
from lark.lexer import PatternStr
from lark.parsers.lalr_interactive_parser import InteractiveParser
from lark.parsers.lalr_parser_state import ParserState

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic, Severity, in_order
from tidegate.dsl.pieces import Piece, Stop
from tidegate.dsl.scanner import MAX_ERRORS, MAX_FILE_BYTES, Chunk, scan
from tidegate.dsl.source import Source, Span
from tidegate.dsl.syntax_errors import (
    describe,
    describe_stray,
    meant_declaration,
    opens_nothing,
)
from tidegate.dsl.tree_builder import TreeBuilder
from tidegate.dsl.unread import unread
from tidegate.dsl.words import DECLARATIONS, FUNCTIONS, RESERVED

MAX_PROBLEMS = 20
"""How many errors one declaration reports that was read to its end."""


class Parsed(NamedTuple):
    """What could be read of a file, and every error in it."""

    file: tree.File
    diagnostics: tuple[Diagnostic, ...]


class Reading(NamedTuple):
    """A parsed file with the words and signs of each declaration."""

    parsed: Parsed
    pieces: tuple[tuple[Piece, ...], ...]


def parse(source: Source) -> Parsed:
    """Parse one file; never raises, whatever the text."""
    return read(source).parsed


def read(source: Source) -> Reading:
    """Parse one file and keep its words, for those who print it again."""
    if len(source.text.encode("utf-8", "replace")) > MAX_FILE_BYTES:
        problem = Diagnostic(
            "TG108", "this file is larger than 1 MiB", Span(source.path, 0, 0),
            "split it; all files of a folder are one policy",
        )  # fmt: skip
        file = tree.File(source.path, (), (), whole=False)
        return Reading(Parsed(file, (problem,)), ())
    scanned = scan(source)
    reader, found = _Reader(source), _Found(list(scanned.diagnostics))
    for chunk in scanned.chunks:
        if not chunk.spoiled and _errors(found.diagnostics) < MAX_ERRORS:
            _read_chunk(reader, chunk, found)
        else:
            found.unread += unread(chunk.word, source.text[chunk.start : chunk.end])
    if _errors(found.diagnostics) >= MAX_ERRORS:
        found.diagnostics.append(_more(found.diagnostics))
    codes = {d.code for d in found.diagnostics}
    file = tree.File(
        source.path, tuple(d for d, _ in found.read), scanned.comments, tuple(found.unread),
        whole=not codes & {"TG108", "TG112"},
    )  # fmt: skip
    pieces = tuple(tuple(p) for _, p in found.read)
    return Reading(Parsed(file, in_order(found.diagnostics)), pieces)


def accepted_after(source: Source) -> Stop | None:
    """What may follow the text, which may end in the middle of a declaration.

    None where no declaration is open, or where the one that is has an error before its end.
    """
    chunks = scan(source).chunks
    if not chunks or not chunks[-1].word:
        return None
    end = len(source.text)
    # A character that no word has stops the parser just there, complete or not.
    ended = Source(source.path, source.text + " \0")
    try:
        _Reader(ended).declaration(Chunk(chunks[-1].word, chunks[-1].start, end + 2))
    except _StoppedError as stopped:
        return stopped.stop if stopped.stop.start > end else None
    return None


@dataclass(slots=True)
class _Found:
    """What came out of the declarations so far."""

    diagnostics: list[Diagnostic]
    read: list[tuple[tree.Declaration, list[Piece]]] = field(default_factory=list)
    unread: list[tree.Unread] = field(default_factory=list)


def _errors(diagnostics: list[Diagnostic]) -> int:
    return sum(d.severity is Severity.ERROR for d in diagnostics)


def _more(diagnostics: list[Diagnostic]) -> Diagnostic:
    return Diagnostic(
        "TG112", f"there are {MAX_ERRORS} errors, and what comes after them was not read",
        max(d.span for d in diagnostics), "repair those first",
    )  # fmt: skip


def _read_chunk(reader: _Reader, chunk: Chunk, found: _Found) -> None:
    """Parse one declaration and keep it, or the names that it has and what is wrong with it."""
    source = reader.source
    if not chunk.word:
        _stray(source, chunk.start, chunk.end, found)
        return
    try:
        declaration, pieces, problems = reader.declaration(chunk)
    except _StoppedError as stopped:
        stop = stopped.stop
        if stop.found and opens_nothing(source, chunk, stop):
            _read_chunk(reader, Chunk(chunk.word, chunk.start, stop.start), found)
            _stray(source, stop.start, chunk.end, found)
            return
        problems = [describe(source, chunk, stop)]
    else:
        if not problems:
            found.read.append((declaration, pieces))
            return
    found.diagnostics += problems[:MAX_PROBLEMS]
    found.unread += unread(chunk.word, source.text[chunk.start : chunk.end])


def _stray(source: Source, start: int, end: int, found: _Found) -> None:
    """Say that nothing opens the text `[start, end)`, and what was probably meant to."""
    found.diagnostics.append(describe_stray(source, start))
    text = source.text[start:end]
    found.unread += unread(meant_declaration(text.split(maxsplit=1)[0]), text)


class _StoppedError(Exception):
    """Where the parser stopped."""

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self.stop = stop


class _Reader:
    """Reads the declarations of one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._builder = TreeBuilder(source.path)
        self._pieces: list[Piece] = []
        self._callbacks = _Callbacks(self._builder)
        self._callbacks.update(dict.fromkeys(_terminals(), self._shifted))

    def declaration(self, chunk: Chunk) -> tuple[tree.Declaration, list[Piece], list[Diagnostic]]:
        """The tree of one declaration with its words, and what is wrong with it."""
        self._builder.begin()
        self._pieces = []
        declaration = self._feed(chunk)
        return declaration, self._pieces, self._builder.problems

    def _shifted(self, _token: Token) -> _Part:
        """What Lark keeps of the token that it has just taken."""
        piece = self._pieces[-1]
        return _Part(piece.start, piece.end, piece)

    def _feed(self, chunk: Chunk) -> tree.Declaration:
        """Parse one declaration token by token, so that words run together are noticed.

        Its own text is cut out: before a slice Lark would count the lines anew each time.
        """
        pieces, offset = self._pieces, chunk.start
        body = self.source.text[offset : chunk.end]
        parser = _lark().parse_interactive(body, start=chunk.word)
        state = parser.parser_state
        state.parse_conf.callbacks = cast("Any", self._callbacks)
        try:
            for token in parser.lexer_thread.lex(state):  # type: ignore[no-untyped-call]
                start, end = cast("int", token.start_pos), cast("int", token.end_pos)
                together = _run_together(body, token, end)
                if together or _misplaced(parser, token, body, pieces):
                    raise _StoppedError(
                        _stop(chunk, body, (start, together or end), parser, pieces)
                    )
                pieces.append(Piece(token.type, token.value, offset + start, offset + end))
                state.feed_token(token)
            return cast("tree.Declaration", parser.feed_eof().value)  # type: ignore[no-untyped-call]
        except UnexpectedInput as error:
            start, end = _place(body, error)
            if start < end and pieces and pieces[-1].start == offset + start:
                pieces.pop()  # it was read, but did not fit
            raise _StoppedError(_stop(chunk, body, (start, end), parser, pieces)) from None


class _Part(NamedTuple):
    """What Lark holds for a word, or for a rule that is complete, and the text it covers."""

    start: int
    end: int
    value: Any


class _Callbacks(dict[Any, Callable[[Any], _Part]]):
    """What Lark calls, by terminal and rule. One file needs few of the rules: made when asked."""

    def __init__(self, builder: TreeBuilder) -> None:
        super().__init__()
        self._builder = builder

    def __missing__(self, rule: Rule) -> Callable[[list[_Part]], _Part]:
        self[rule] = made = _reduction(rule, self._builder)
        return made


def _reduction(rule: Rule, builder: TreeBuilder) -> Callable[[list[_Part]], _Part]:
    """What to do where `rule` is complete: keep its telling parts, and make a node of them.

    Words that only mark a place are left out. A rule that Lark made for a repetition (`__…`) gives
    the parts themselves, and a rule with `?` and one part is that part.
    """
    name = rule.alias or rule.origin.name
    path, kept = builder.path, _kept(rule)
    alone = rule.options.expand1 and not rule.alias
    if alone and len(kept) == 1:
        index = kept[0][0]
        return lambda parts: _Part(parts[0].start, parts[-1].end, parts[index].value)
    make = None if name.startswith("_") else builder.method(name)

    def reduce(parts: list[_Part]) -> _Part:
        start, end = parts[0].start, parts[-1].end
        values: list[Any] = []
        for index, inlined in kept:
            if not inlined:
                values.append(parts[index].value)
            elif values:
                values += parts[index].value
            else:
                # It is grown in place: a copy a word would be quadratic.
                values = parts[index].value
        if make is None:
            return _Part(start, end, values)
        if alone and len(values) == 1:
            return _Part(start, end, values[0])
        return _Part(start, end, make(Span(path, start, end), values))

    return reduce


def _kept(rule: Rule) -> tuple[tuple[int, bool], ...]:
    """The parts of `rule` that tell something, and whether each is a list of parts itself."""
    every = rule.options.keep_all_tokens
    return tuple(
        (index, not symbol.is_term and symbol.name.startswith("_"))
        for index, symbol in enumerate(rule.expansion)
        if every or not (symbol.is_term and cast("Any", symbol).filter_out)
    )


def _run_together(body: str, token: Token, end: int) -> int:
    """Where the word ends that `token` is only the beginning of; 0 where it is whole."""
    if body[end : end + 1] not in _WORD_SIGNS or token[-1] not in _WORD_SIGNS:
        return 0
    word = _WORD_CHARS.match(body, end)
    return word.end() if word else 0


def _accepted(parser: InteractiveParser, pieces: list[Piece]) -> set[str]:
    """What may follow `pieces`. The stopped parser itself knows less: it has reduced already."""
    conf = copy(parser.parser_state.parse_conf)
    conf.callbacks = cast("Any", {})
    fresh = InteractiveParser(
        parser.parser, ParserState(conf, parser.lexer_thread), parser.lexer_thread
    )
    for piece in pieces:
        fresh.feed_token(Token(piece.sort, piece.text))
    return cast("set[str]", fresh.accepts())  # type: ignore[no-untyped-call]


_WORD_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_WORD_CHARS = re.compile(r"[A-Za-z0-9_]+")
_CALL = re.compile(r"(?:\s|#[^\n]*\n)*\(")


def _stop(
    chunk: Chunk, body: str, place: tuple[int, int], parser: InteractiveParser, pieces: list[Piece]
) -> Stop:
    words = _terminal_words()
    expected = frozenset(words.get(name, name) for name in _accepted(parser, pieces))
    start, end = place
    return Stop(chunk.start + start, chunk.start + end, body[start:end], expected, tuple(pieces))


def _place(body: str, error: UnexpectedInput) -> tuple[int, int]:
    """The characters that did not fit; empty at the end of the declaration."""
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        end = len(body.rstrip())
        return end, end
    start = cast("int", error.pos_in_stream)
    word = _WORD_CHARS.match(body, start)
    token = len(error.token) if isinstance(error, UnexpectedToken) else 1
    return start, max(word.end() if word else 0, start + token)


def _misplaced(parser: InteractiveParser, token: Token, body: str, pieces: list[Piece]) -> bool:
    """Whether a word of the language was about to be taken for a name."""
    if token.type != "WORD" or token not in RESERVED or token == "points":
        return False
    roles = _roles(parser.parser_state, token)
    if "function" in roles and _CALL.match(body, cast("int", token.end_pos)):
        return token not in FUNCTIONS
    if "permission" in roles:  # `retry never` alone says a word of the language
        return pieces[-1].text != "retry"
    return "name" in roles


def _roles(state: ParserState[int], token: Token) -> set[str]:
    """The grammar rules that a word here could be all of."""
    probe = state.copy(deepcopy_values=False)
    probe.parse_conf = copy(state.parse_conf)
    probe.parse_conf.callbacks = cast("Any", {})
    try:
        probe.feed_token(token)
    except UnexpectedToken:
        return set()
    steps = probe.parse_conf.states[probe.position].values()
    return {step.origin.name for _, step in steps if hasattr(step, "origin")}


@lru_cache(maxsize=1)
def _lark() -> Lark:
    return Lark.open_from_package(
        "tidegate.dsl", "grammar.lark", parser="lalr", lexer="contextual",
        start=list(DECLARATIONS), maybe_placeholders=False,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _terminals() -> tuple[str, ...]:
    return tuple(terminal.name for terminal in _lark().terminals)


@lru_cache(maxsize=1)
def _terminal_words() -> Mapping[str, str]:
    """What each terminal that is one word or sign looks like."""
    patterns = {t.name: t.pattern for t in _lark().terminals}
    return {name: p.value for name, p in patterns.items() if isinstance(p, PatternStr)}
