"""Text to tree. Lark is known here and nowhere else.

Each declaration is parsed on its own (see `scanner`), so one error costs one declaration and all
errors of a file come in one run. The builder makes tree nodes bottom-up without recursion.
"""

# ruff: noqa: ARG002 - Lark calls every method of the builder with the same arguments

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from functools import lru_cache
from typing import Any, NamedTuple, cast
from unicodedata import normalize

from lark import Lark, Token, Tree, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr
from lark.parsers.lalr_interactive_parser import InteractiveParser
from lark.parsers.lalr_parser_state import ParserState
from lark.visitors import Transformer_NonRecursive

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic, Severity, in_order
from tidegate.dsl.scanner import MAX_ERRORS, MAX_FILE_BYTES, Chunk, scan
from tidegate.dsl.source import Source, Span
from tidegate.dsl.syntax_errors import Piece, Stop, describe, describe_stray, opens_nothing
from tidegate.dsl.words import DECLARATIONS, FUNCTIONS, RESERVED

MAX_PROBLEMS = 20
"""How many errors one declaration reports that was read to its end."""
MAX_DEPTH = 160
"""How many nodes deep an expression may be; 32 levels of what people write stay far below."""


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
        return Reading(Parsed(tree.File(source.path, (), ()), (problem,)), ())
    found = scan(source)
    read_so_far: list[tuple[tree.Declaration, list[Piece]]] = []
    diagnostics = list(found.diagnostics)
    for chunk in found.chunks:
        if not chunk.spoiled and _errors(diagnostics) < MAX_ERRORS:
            diagnostics += _read_chunk(source, chunk, read_so_far)
    if _errors(diagnostics) >= MAX_ERRORS:
        diagnostics.append(_more(diagnostics))
    file = tree.File(source.path, tuple(d for d, _ in read_so_far), found.comments)
    pieces = tuple(tuple(p) for _, p in read_so_far)
    return Reading(Parsed(file, in_order(diagnostics)), pieces)


def _errors(diagnostics: list[Diagnostic]) -> int:
    return sum(d.severity is Severity.ERROR for d in diagnostics)


def _more(diagnostics: list[Diagnostic]) -> Diagnostic:
    return Diagnostic(
        "TG112", f"there are {MAX_ERRORS} errors, and what comes after them was not read",
        max(d.span for d in diagnostics), "repair those first",
    )  # fmt: skip


def _read_chunk(
    source: Source, chunk: Chunk, into: list[tuple[tree.Declaration, list[Piece]]]
) -> list[Diagnostic]:
    """Parse one declaration; what is sound of it goes `into` the rest."""
    if not chunk.word:
        return [describe_stray(source, chunk.start)]
    pieces: list[Piece] = []
    try:
        parsed = _feed(source.text, chunk, pieces)
    except _StoppedError as stopped:
        stop = stopped.stop
        if stop.found and opens_nothing(source, chunk, stop):
            first = Chunk(chunk.word, chunk.start, stop.start)
            return [*_read_chunk(source, first, into), describe_stray(source, stop.start)]
        return [describe(source, chunk, stop)]
    builder = _Builder(source.path, chunk.start)
    declaration = cast("tree.Declaration", builder.transform(parsed))
    if not builder.broken:
        into.append((declaration, pieces))
    return builder.problems[:MAX_PROBLEMS]


class _StoppedError(Exception):
    """Where the parser stopped."""

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self.stop = stop


def _feed(text: str, chunk: Chunk, pieces: list[Piece]) -> Tree[Any]:
    """Parse one declaration token by token, so that words run together are noticed.

    The declaration's own text is cut out: before a slice Lark would count the lines anew each time.
    """
    body = text[chunk.start : chunk.end]
    parser = _lark().parse_interactive(body, start=chunk.word)
    try:
        for token in parser.iter_parse():
            start, end = cast("int", token.start_pos), cast("int", token.end_pos)
            together = _WORD_CHARS.match(body, end) if _WORD_CHARS.match(token[-1]) else None
            if together is not None or _misplaced(parser, token, body):
                stop_end = together.end() if together else end
                raise _StoppedError(_stop(chunk, body, (start, stop_end), parser, pieces))
            pieces.append(Piece(token.type, str(token), chunk.start + start, chunk.start + end))
        return cast("Tree[Any]", parser.feed_eof())  # type: ignore[no-untyped-call]
    except UnexpectedInput as error:
        start, end = _place(body, error)
        if start < end and pieces and pieces[-1].start == chunk.start + start:
            pieces.pop()  # it was read, but did not fit
        raise _StoppedError(_stop(chunk, body, (start, end), parser, pieces)) from None


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


def _misplaced(parser: InteractiveParser, token: Token, body: str) -> bool:
    """Whether a word of the language was about to be taken for a name."""
    if token.type != "WORD" or token not in RESERVED or token == "points":
        return False
    roles = _roles(parser.parser_state, token)
    if "function" in roles and _CALL.match(body, cast("int", token.end_pos)):
        return token not in FUNCTIONS
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
        start=list(DECLARATIONS), propagate_positions=True, maybe_placeholders=False,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _terminal_words() -> Mapping[str, str]:
    """What each terminal that is one word or sign looks like."""
    patterns = {t.name: t.pattern for t in _lark().terminals}
    return {name: p.value for name, p in patterns.items() if isinstance(p, PatternStr)}


class _Clause(NamedTuple):
    """A clause on its way to the declaration it belongs to."""

    slot: str
    value: Any
    span: Span
    many: bool = False


Meta = Any
_Children = list[Any]


@v_args(meta=True)
class _Builder(Transformer_NonRecursive):  # type: ignore[type-arg]
    """Makes tree nodes. A method is named for its rule or alias in grammar.lark."""

    def __init__(self, path: str, offset: int) -> None:
        super().__init__()
        self.path = path
        self.offset = offset
        self.problems: list[Diagnostic] = []
        self.broken = False
        self._depths: dict[int, int] = {}
        self._kept: list[tree.Expr] = []

    # --- helpers

    def _span(self, meta: Meta) -> Span:
        if getattr(meta, "empty", False):
            return Span(self.path, self.offset, self.offset)
        return Span(self.path, self.offset + meta.start_pos, self.offset + meta.end_pos)

    def _token_span(self, token: Token) -> Span:
        start, end = cast("int", token.start_pos), cast("int", token.end_pos)
        return Span(self.path, self.offset + start, self.offset + end)

    def _problem(self, code: str, message: str, span: Span, help_text: str = "") -> None:
        self.problems.append(Diagnostic(code, message, span, help_text))
        self.broken = True

    def _nest(self, node: tree.Expr, *children: tree.Expr) -> tree.Expr:
        """Keep the depth of `node`; refuse what is too deep before anything recurses."""
        depth = 1 + max((self._depths.get(id(c), 0) for c in children), default=0)
        self._depths[id(node)] = depth
        self._kept.append(node)  # an id is only as good as the object is alive
        if depth > MAX_DEPTH and not self.broken:
            self._problem(
                "TG106", "this is too deep: long chains stand within each other", node.span,
                "name a part of it with `let`",
            )  # fmt: skip
        return node

    def _declare(
        self, kind: Callable[..., tree.Declaration], meta: Meta, children: _Children, **extra: Any
    ) -> tree.Declaration:
        """Put clauses into their slots; one that is given twice is an error."""
        name, *rest = children
        slots: dict[str, Any] = dict(extra)
        many: dict[str, list[Any]] = {}
        for clause in rest:
            if clause.many:
                many.setdefault(clause.slot, []).extend(clause.value)
            elif clause.slot in slots:
                self._problem(
                    "TG109", f"`{_clause_word(clause.slot)}` is given twice", clause.span,
                    "keep one of them",
                )  # fmt: skip
            else:
                slots[clause.slot] = clause.value
        slots.update({slot: tuple(values) for slot, values in many.items()})
        return kind(self._span(meta), name, **slots)

    def _one(self, slot: str, meta: Meta, value: Any) -> _Clause:
        return _Clause(slot, value, self._span(meta))

    def _many(self, slot: str, meta: Meta, values: tuple[Any, ...]) -> _Clause:
        return _Clause(slot, values, self._span(meta), many=True)

    # --- words and literals

    def name(self, meta: Meta, children: _Children) -> tree.Name:
        return tree.Name(self._span(meta), str(children[0]))

    def function(self, meta: Meta, children: _Children) -> tree.Name:
        return tree.Name(self._span(meta), str(children[0]))

    def part(self, meta: Meta, children: _Children) -> tree.Name:
        return self.function(meta, children)

    def relation(self, meta: Meta, children: _Children) -> str:
        return str(children[0])

    def permission(self, meta: Meta, children: _Children) -> tree.Name:
        return tree.Name(self._span(meta), str(children[0]))

    def string(self, meta: Meta, children: _Children) -> tree.Text:
        return tree.Text(self._span(meta), _unescape(children[0]))

    def _literal(self, kind: tree.LiteralKind, meta: Meta, text: str) -> tree.Expr:
        return self._nest(tree.Literal(self._span(meta), kind, text))

    def whole(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._literal("whole", meta, str(children[0]))

    def decimal(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._literal("decimal", meta, str(children[0]))

    def percent(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._literal("percent", meta, str(children[0]))

    def money(self, meta: Meta, children: _Children) -> tree.Expr:
        digits, currency = children[0][:-3].rstrip(), children[0][-3:]
        return self._literal("money", meta, f"{digits} {currency}")

    def duration(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._literal("duration", meta, str(children[0]))

    def date(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._literal("date", meta, str(children[0]))

    def time(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._literal("time", meta, str(children[0]))

    def text(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._literal("text", meta, _unescape(children[0]))

    def network(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._literal("network", meta, str(children[0]))

    def truth(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._literal("flag", meta, str(children[0]))

    def signed(self, meta: Meta, children: _Children) -> tree.Expr:
        if len(children) == 1:
            return cast("tree.Expr", children[0])
        return self._negative(meta, str(children[0]), children[1])

    def _negative(self, meta: Meta, sign: str, operand: tree.Expr) -> tree.Expr:
        if sign == "+":
            self._problem("TG103", "a leading `+` says nothing", self._span(meta), "delete it")
            return operand
        numeric = ("whole", "decimal", "percent", "money", "duration")
        if isinstance(operand, tree.Literal) and operand.kind in numeric and not operand.negative:
            literal = tree.Literal(self._span(meta), operand.kind, operand.spelling, negative=True)
            return self._nest(literal)
        return self._nest(tree.Minus(self._span(meta), operand), operand)

    # --- expressions

    def disjunction(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._nest(tree.Disjunction(self._span(meta), tuple(children)), *children)

    def conjunction(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._nest(tree.Conjunction(self._span(meta), tuple(children)), *children)

    def not_(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._nest(tree.Negation(self._span(meta), children[0]), children[0])

    def compare(self, meta: Meta, children: _Children) -> tree.Expr:
        left, op, right = children
        return self._nest(tree.Comparison(self._span(meta), op, left, right), left, right)

    def between(self, meta: Meta, children: _Children) -> tree.Expr:
        operand, negated, rest = _negated(children)
        return self._nest(
            tree.Between(self._span(meta), operand, rest[0], rest[1], negated), operand, *rest
        )

    def among_literals(self, meta: Meta, children: _Children) -> tree.Expr:
        operand, negated, items = _negated(children)
        return self._nest(
            tree.AmongLiterals(self._span(meta), operand, tuple(items), negated), operand
        )

    def among_named(self, meta: Meta, children: _Children) -> tree.Expr:
        operand, negated, rest = _negated(children)
        return self._nest(tree.AmongNamed(self._span(meta), operand, rest[0], negated), operand)

    def among_network(self, meta: Meta, children: _Children) -> tree.Expr:
        operand, negated, rest = _negated(children)
        token = rest[0]
        network = tree.Literal(self._token_span(token), "network", str(token))
        return self._nest(tree.AmongNetwork(self._span(meta), operand, network, negated), operand)

    def bare_word(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._nest(tree.Reference(self._span(meta), str(children[0])))

    def _matches(self, op: Any, meta: Meta, children: _Children) -> tree.Expr:
        operand, negated, rest = _negated(children)
        return self._nest(tree.TextMatch(self._span(meta), op, operand, rest[0], negated), operand)

    def starts_with(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._matches("starts with", meta, children)

    def ends_with(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._matches("ends with", meta, children)

    def contains(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._matches("contains", meta, children)

    def like(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._matches("like", meta, children)

    def is_missing(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._nest(tree.Presence(self._span(meta), children[0], present=False), children[0])

    def is_present(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._nest(tree.Presence(self._span(meta), children[0], present=True), children[0])

    def otherwise(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._nest(tree.Default(self._span(meta), *children), *children)

    def binary(self, meta: Meta, children: _Children) -> tree.Expr:
        left, op, right = children
        return self._nest(
            tree.Binary(self._span(meta), cast("Any", str(op)), left, right), left, right
        )

    def minus(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._negative(meta, str(children[0]), children[1])

    def reference(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._nest(tree.Reference(self._span(meta), children[0].text))

    def reference_value(self, meta: Meta, children: _Children) -> tree.Expr:
        return self.reference(meta, children)

    def value(self, meta: Meta, children: _Children) -> tree.Expr:
        return cast("tree.Expr", children[0])

    def call(self, meta: Meta, children: _Children) -> tree.Expr:
        function, *arguments = children
        return self._nest(tree.Apply(self._span(meta), function, tuple(arguments)), *arguments)

    def member(self, meta: Meta, children: _Children) -> tree.Expr:
        return self._nest(tree.Member(self._span(meta), children[0].text, children[1].text))

    def group_expr(self, meta: Meta, children: _Children) -> tree.Expr:
        return cast("tree.Expr", children[0])

    def branch(self, meta: Meta, children: _Children) -> tuple[tree.Expr, tree.Expr]:
        return children[0], children[1]

    def case(self, meta: Meta, children: _Children) -> tree.Expr:
        *branches, default = children
        parts = [part for branch in branches for part in branch]
        return self._nest(
            tree.Branches(self._span(meta), tuple(branches), default), *parts, default
        )

    # --- actions

    def skip(self, meta: Meta, children: _Children) -> tree.ActionList:
        return tree.ActionList(self._span(meta), (), skip=True)

    def action_list(self, meta: Meta, children: _Children) -> tree.ActionList:
        return tree.ActionList(self._span(meta), tuple(children))

    def because(self, meta: Meta, children: _Children) -> tree.Name:
        return cast("tree.Name", children[0])

    def action(self, meta: Meta, children: _Children) -> tree.Action:
        verb, fields = children[0]
        because = children[1] if len(children) > 1 else None
        return tree.Action(self._span(meta), verb, because=because, **fields)

    def decline(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        return "decline", {}

    def hold(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        return "hold", {}

    def review(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        return "review", {"word": str(children[0]) if children else ""}

    def do_step_up(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        return "step_up", {"name": children[0]}

    def prefer(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        return "prefer", {"name": children[0]}

    def exempt(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        return "exempt", {"name": children[0]}

    def no_exemption(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        return "no_exemption", {}

    def tag(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        text = children[0]
        return "tag", {"value": tree.Literal(text.span, "text", text.value)}

    def points(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        return "points", {"value": children[0]}

    def advise(self, meta: Meta, children: _Children) -> tuple[str, dict[str, Any]]:
        return "advise", {"name": children[0], "value": children[1]}

    # --- clauses that several declarations share

    def c_text(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("text", meta, children[0])

    def c_version(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("version", meta, int(children[0]))

    def c_within(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("within", meta, self._bare("duration", children[0]))

    def c_until(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("until_date", meta, self._bare("date", children[0]))

    def c_from(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("from_date", meta, self._bare("date", children[0]))

    def c_expires(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("expires", meta, self._bare("date", children[0]))

    def c_owner(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("owner", meta, children[0])

    def c_in(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("group", meta, children[0])

    def c_on(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("event", meta, children[0])

    def c_shadow(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("shadow", meta, value=True)

    def c_mandatory(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("mandatory", meta, value=True)

    def c_replaces(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("replaces", meta, int(children[0]))

    def c_may(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("may", meta, tuple(children))

    def c_rollout(self, meta: Meta, children: _Children) -> _Clause:
        share, field, *wave = children
        clause = tree.RolloutClause(
            self._span(meta), self._bare("percent", share), field, wave[0] if wave else None
        )
        return self._one("rollout", meta, clause)

    def _bare(self, kind: tree.LiteralKind, token: Token) -> tree.Literal:
        return tree.Literal(self._token_span(token), kind, str(token))

    def when(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("when", meta, children[0])

    def where(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("where", meta, children[0])

    def except_(self, meta: Meta, children: _Children) -> _Clause:
        return self._many("exceptions", meta, (children[0],))

    def unknown(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("unknown", meta, children[0])

    # --- policy, events

    def c_language(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("language", meta, int(children[0]))

    def c_currency(self, meta: Meta, children: _Children) -> _Clause:
        token = children[0]
        return self._one("currency", meta, tree.Name(self._token_span(token), str(token)))

    def c_timezone(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("timezone", meta, children[0])

    def c_rates(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("rates", meta, children[0])

    def policy(self, meta: Meta, children: _Children) -> tree.Declaration:
        return self._declare(tree.PolicyDeclaration, meta, children)

    def decided(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("default", meta, str(children[0]))

    def c_silent(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("silent", meta, str(children[0]))

    def event(self, meta: Meta, children: _Children) -> tree.Declaration:
        return self._declare(tree.EventDeclaration, meta, children)

    def field(self, meta: Meta, children: _Children) -> _Clause:
        name, kind, *clauses = children
        declared = self._declare(
            cast("Callable[..., tree.Declaration]", tree.FieldDeclaration), meta,
            [name, *clauses], type=kind,
        )  # fmt: skip
        return self._many("fields", meta, (declared,))

    def f_key(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("key", meta, value=True)

    def f_max(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("maximum", meta, children[0])

    def f_min(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("minimum", meta, children[0])

    def f_coarse(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("coarse", meta, tuple(int(c[1:]) for c in children))

    def f_folded(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("folded", meta, value=True)

    def f_lenient(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("lenient", meta, value=True)

    def plain_type(self, meta: Meta, children: _Children) -> tree.TypeName:
        return tree.TypeName(self._span(meta), str(children[0]), (), len(children) > 1)

    def word(self, meta: Meta, children: _Children) -> str:
        token = children[0]
        return _unescape(token) if token.type == "STRING" else str(token)

    def word_type(self, meta: Meta, children: _Children) -> tree.TypeName:
        optional = isinstance(children[-1], Token)
        words = children[:-1] if optional else children
        return tree.TypeName(self._span(meta), "one of", tuple(words), optional)

    # --- features, lets, params, labels, lists

    def a_count(self, meta: Meta, children: _Children) -> _Clause:
        return self._many("aggregate", meta, ("count", children[0], None))

    def a_of(self, meta: Meta, children: _Children) -> _Clause:
        return self._many("aggregate", meta, (str(children[0]), children[2], children[1]))

    def a_distinct(self, meta: Meta, children: _Children) -> _Clause:
        return self._many("aggregate", meta, ("distinct", children[1], children[0]))

    def a_edge(self, meta: Meta, children: _Children) -> _Clause:
        return self._many("aggregate", meta, (f"{children[0]}_at", children[1], None))

    def k_all(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("keys", meta, ())

    def k_some(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("keys", meta, tuple(children))

    def key(self, meta: Meta, children: _Children) -> tuple[tree.Name, tree.Name]:
        return children[0], children[-1]

    def delay(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("delay", meta, self._bare("duration", children[0]))

    def feature(self, meta: Meta, children: _Children) -> tree.Declaration:
        name, (_, (aggregate, event, operand), _, _), keys, window, *rest = children
        return self._declare(
            tree.FeatureDeclaration, meta, [name, keys, *rest], aggregate=aggregate, event=event,
            operand=operand, window=self._bare("duration", window),
        )  # fmt: skip

    def let(self, meta: Meta, children: _Children) -> tree.Declaration:
        return tree.LetDeclaration(self._span(meta), children[0], children[1])

    def range(self, meta: Meta, children: _Children) -> tuple[tree.Expr, tree.Expr]:
        return children[0], children[1]

    def param(self, meta: Meta, children: _Children) -> tree.Declaration:
        name, kind, value, *rest = children
        low = high = text = None
        for part in rest:
            if isinstance(part, tree.Text):
                text = part
            else:
                low, high = part
        return tree.ParamDeclaration(self._span(meta), name, kind, value, low, high, text)

    def source(self, meta: Meta, children: _Children) -> tuple[Any, ...]:
        event, matching, *where = children
        return event, matching, where[0].value if where else None

    def label(self, meta: Meta, children: _Children) -> tree.Declaration:
        name, event, after, *source = children
        parts = source[0] if source else (None, None, None)
        return tree.LabelDeclaration(
            self._span(meta), name, event, self._bare("duration", after), *parts
        )

    def l_file(self, meta: Meta, children: _Children) -> tree.Text:
        return cast("tree.Text", children[0])

    def l_managed(self, meta: Meta, children: _Children) -> None:
        return None

    def list(self, meta: Meta, children: _Children) -> tree.Declaration:
        name, kind, path = children
        return tree.ListDeclarationNode(self._span(meta), name, kind, path)

    # --- models, reasons, step-ups

    def m_from(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("path", meta, children[0])

    def m_reads(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("reads", meta, tuple(children))

    def m_score(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("score", meta, children[0])

    def m_use(self, meta: Meta, children: _Children) -> _Clause:
        return self._many("use", meta, tuple(children))

    def m_unavailable(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("unavailable", meta, children[0])

    def model(self, meta: Meta, children: _Children) -> tree.Declaration:
        clauses: _Children = [children[0]]
        for clause in children[1:]:
            if clause.slot == "use":
                event, *condition = clause.value
                clauses.append(clause._replace(value=event, many=False))
                clauses += [c._replace(slot="use_when") for c in condition]
            elif clause.slot == "until_date":
                clauses.append(clause._replace(slot="until"))
            else:
                clauses.append(clause)
        return self._declare(tree.ModelDeclaration, meta, clauses)

    def r_message(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("message", meta, children[0])

    def r_retry(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("retry", meta, children[0])

    def reason(self, meta: Meta, children: _Children) -> tree.Declaration:
        return self._declare(tree.ReasonDeclaration, meta, children)

    def s_rank(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("rank", meta, int(children[0]))

    def s_try(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("methods", meta, tuple(children))

    def s_result(self, meta: Meta, children: _Children) -> _Clause:
        return self._many("results", meta, ((str(children[0]), children[1]),))

    def step_up(self, meta: Meta, children: _Children) -> tree.Declaration:
        return self._declare(tree.StepUpDeclaration, meta, children)

    # --- groups, rules, guarantees, grants

    def group(self, meta: Meta, children: _Children) -> tree.Declaration:
        return self._declare(tree.GroupDeclaration, meta, children)

    def rule(self, meta: Meta, children: _Children) -> tree.Declaration:
        clauses = [
            _Clause("then", c, c.span) if isinstance(c, tree.ActionList) else c for c in children
        ]
        return self._declare(tree.RuleDeclaration, meta, clauses)

    def guarantee(self, meta: Meta, children: _Children) -> tree.Declaration:
        names = tuple(c for c in children[1:] if isinstance(c, tree.Name))
        clauses = [c for c in children[1:] if not isinstance(c, tree.Name)]
        return self._declare(
            tree.GuaranteeDeclaration, meta, [children[0], *clauses], at_least=names
        )

    def g_never(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("never", meta, tuple(children))

    def g_on(self, meta: Meta, children: _Children) -> _Clause:
        event, *when = children
        scope = tree.ScopeClause(self._span(meta), event, when[0].value if when else None)
        return self._many("on", meta, (scope,))

    def g_sees(self, meta: Meta, children: _Children) -> _Clause:
        return self._one("sees", meta, tuple(children))

    def grant(self, meta: Meta, children: _Children) -> tree.Declaration:
        world, *rest = children
        return self._declare(tree.GrantDeclaration, meta, rest, world=str(world))


setattr(_Builder, "except", _Builder.except_)  # the rule is named for a word that Python keeps


def _negated(children: _Children) -> tuple[tree.Expr, bool, _Children]:
    operand, *rest = children
    negated = bool(rest) and isinstance(rest[0], Token) and rest[0].type == "NOT"
    return operand, negated, rest[1:] if negated else rest


def _unescape(token: str) -> str:
    """The text that a quoted one holds, composed as the door composes what comes in."""
    return normalize("NFC", token[1:-1].replace('\\"', '"').replace("\\\\", "\\"))


def _clause_word(slot: str) -> str:
    words = {
        "text": "the description", "from_date": "from", "until_date": "until", "event": "on",
        "group": "in", "maximum": "max", "minimum": "min", "path": "from", "methods": "try",
        "unknown": "if unknown", "unavailable": "if unavailable",
    }  # fmt: skip
    return words.get(slot, slot)
