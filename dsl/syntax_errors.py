"""The sentences of syntax errors: what was found, what was expected, and a way out.

What the parser would accept comes as words of the language and, in capitals, as sorts of words; it
is folded into what a person would say. What people really type by mistake has a sentence of its
own, in the tables below: that is the greater part of this file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.diagnostics import Diagnostic, nearest
from tidegate.dsl.pieces import Piece, Stop
from tidegate.dsl.scanner import Chunk
from tidegate.dsl.source import Source, Span
from tidegate.dsl.words import DECLARATIONS, RESERVED, TYPE_WORDS, other_name, why_reserved


class _Case(NamedTuple):
    """The place and its surroundings, as the sentences need them."""

    stop: Stop
    chunk: Chunk
    after: str
    span: Span


class _Said(NamedTuple):
    message: str
    help: str = ""
    code: str = "TG101"
    related: tuple[tuple[Span, str], ...] = ()


def describe(source: Source, chunk: Chunk, stop: Stop) -> Diagnostic:
    """The diagnostic for what stopped the parser."""
    # The end of a declaration is shown under its last character.
    start = stop.start if stop.found else max(stop.start - 1, chunk.start)
    span = Span(source.path, start, max(stop.end, start + 1))
    case = _Case(stop, chunk, source.text[stop.end : chunk.end], span)
    said = next((s for special in _SPECIALS if (s := special(case)) is not None), None)
    if said is None:
        said = _general(case)
    return Diagnostic(said.code, said.message, span, said.help, related=said.related)


def describe_stray(source: Source, start: int) -> Diagnostic:
    """The diagnostic for text that belongs to no declaration."""
    found = source.text[start:].split(maxsplit=1)[0]
    word = re.match(r"\w+", found) or re.match(r".", found, re.DOTALL)
    text = word.group() if word else found
    return Diagnostic(
        "TG101", f"`{_short(text)}` does not open a declaration",
        Span(source.path, start, start + len(text)), _which_declaration(text),
    )  # fmt: skip


def _which_declaration(word: str) -> str:
    if word.lower() in DECLARATIONS:
        return f"words of the language are lower case: `{word.lower()}`"
    if word in _ALIASES_OF_DECLARATIONS:
        return f"did you mean `{_ALIASES_OF_DECLARATIONS[word]}`?"
    return nearest(word, DECLARATIONS) or "a file holds declarations such as `rule` or `event`"


def opens_nothing(source: Source, chunk: Chunk, stop: Stop) -> bool:
    """Whether the parser stopped at what was meant to open the next declaration."""
    line_start = source.text.rfind("\n", 0, stop.start) + 1
    indent = source.text[line_start : stop.start]
    chunk_line = source.text.rfind("\n", 0, chunk.start) + 1
    if indent.strip() or stop.start == chunk.start or not re.match(r"[A-Za-z_]", stop.found):
        return False
    if len(indent) > chunk.start - chunk_line or chunk_line == line_start:
        return False
    ended = "$END" in stop.expected and stop.found not in RESERVED
    meant = (
        bool(nearest(stop.found.lower(), DECLARATIONS)) or stop.found in _ALIASES_OF_DECLARATIONS
    )
    return ended or (meant and stop.found not in RESERVED)


# --- what anything else would say ----------------------------------------------------------------

_SORTS = {
    "WORD": "a name", "STRING": 'a text in `"`', "INT": "a whole number", "DURATION": "a duration "
    "such as `10m`", "PERCENT": "a percentage such as `10%`", "DATE": "a date such as `2026-11-23`",
    "CURRENCY": "a currency such as `EUR`", "PREFIX": "a prefix length such as `/24`",
    "NETWORK": "a network such as `10.0.0.0/8`", "DISPOSITION": "`approve`, `hold` or `decline`",
    "SILENT": "`approve`, `review`, `hold` or `decline`",
    "RESULT": "`failed`, `abandoned` or `unavailable`",
    "WORLD": "`client` or `role`", "MOMENT": "`before` or `after`",
    "TRUTH": "`true` or `false`", "$END": "the next declaration", "RELATION": "a comparison",
    "NUMBER": "a number", "MONEY": "an amount", "TIME": "a time",
}  # fmt: skip
_LONGER = {
    "except": "`except when`", "decided":
    "`decided by default`", "always": "`always at least`", "known": "`known after`",
    "if:rule": "`if unknown then`", "if:group": "`if unknown then`",
    "if:model": "`if unavailable then`", "if:step_up": "`if failed then`",
}  # fmt: skip
_ORDER = (
    "WORD", "STRING", "version", "language", "currency", "timezone", "rates", "decided", "silent",
    "rank", "try", "message", "retry", "owner", "in", "on", "shadow", "mandatory", "rollout",
    "replaces", "from", "reads", "score", "use", "may", "never", "sees", "until", "within",
    "expires", "when", "then", "because", "and", "or",
    ",", ")", "except", "if", "else", "end", "$END",
)  # fmt: skip
_OPERATORS = frozenset(
    [
        "and",
        "or",
        "+",
        "-",
        "*",
        "/",
        "=",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "otherwise",
        "between",
        "in",
        "not",
        "is",
        "starts",
        "ends",
        "contains",
        "like",
        ".",
        "SIGN",
        "FACTOR",
        "RELATION",
    ]
)
_SILENT_ALTERNATIVES = {"?", "."}
_MOST = 14


def _general(case: _Case) -> _Said:
    stop = case.stop
    found = (
        f"`{_short(stop.found)}` does not fit here" if stop.found else "the declaration ends here"
    )
    wanted = _expected(case)
    return _Said(f"{found}; expected {wanted}" if wanted else found, _help(case))


def _expected(case: _Case) -> str:
    expected = case.stop.expected
    if {"decline", "hold"} <= expected:
        skip = "`skip` or " if case.stop.read("unknown") else ""
        return f"{skip}an action such as `decline`, `review` or `step_up NAME`"
    if "AGGREGATE" in expected:
        return "an aggregate such as `count of`, `sum of`, `distinct` or `first at of`"
    if "TYPE" in expected:
        return "a type such as `money`, `text` or `one of (…)`"
    if {"WORD", "(", "INT"} <= expected:
        return _expected_value(case)
    if {"(", "NETWORK", "WORD"} <= expected:
        return "a list, a network, or a set such as `(1, 2)`"
    if {"INT", "NUMBER", "STRING"} <= expected:
        return "a literal or a name" if "WORD" in expected else "a literal"
    if expected & {"or", "SIGN", "otherwise"}:
        return _listed([*_after_value(expected), *_words(case, expected - _OPERATORS)])
    return _listed(_words(case, expected - _SILENT_ALTERNATIVES))


def _expected_value(case: _Case) -> str:
    if "not" not in case.stop.expected:
        return "a value"
    return (
        "a value or a condition" if case.stop.last in ("(", "=", "then", "else") else "a condition"
    )


def _after_value(expected: frozenset[str]) -> list[str]:
    """What may go on after a complete value or condition."""
    if "or" not in expected:
        return ["`and`"] if "and" in expected else []
    return (["a comparison"] if "RELATION" in expected else []) + ["`and`", "`or`"]


def _words(case: _Case, expected: Iterable[str]) -> list[str]:
    def place(word: str) -> tuple[int, str]:
        return (_ORDER.index(word) if word in _ORDER else _ORDER.index("because"), word)

    found = sorted((w for w in expected if not w.startswith("__")), key=place)
    phrases = [_phrase(case, word) for word in found]
    return [*phrases[:_MOST], "…"] if len(phrases) > _MOST else phrases


def _phrase(case: _Case, word: str) -> str:
    if word == "WORD" and case.chunk.word == "event" and "$END" in case.stop.expected:
        return "the next field"
    if word == "," and "because" in case.stop.expected:
        return "`,` and another action"
    longer = _LONGER.get(f"{word}:{case.chunk.word}") or _LONGER.get(word)
    return longer or _SORTS.get(word) or f"`{word}`"


def _listed(phrases: list[str]) -> str:
    unique = list(dict.fromkeys(phrases))
    return " or ".join([", ".join(unique[:-1]), unique[-1]]) if len(unique) > 1 else "".join(unique)


def _help(case: _Case) -> str:
    stop = case.stop
    if alias := _alias(stop):
        return alias
    if stop.found in ("if", "except", "then", "when") and "WORD" not in stop.expected:
        return "the order is: describing clauses, `when`, `then`, `except when`, `if unknown`"
    if not stop.found.isidentifier():
        return ""
    choices = [w for w in stop.expected if w.isidentifier() and w.islower()]
    if "TYPE" in stop.expected:
        choices += TYPE_WORDS
    for sort in ("DISPOSITION", "SILENT", "RESULT", "WORLD", "AGGREGATE", "EDGE"):
        if sort in stop.expected:
            choices += _CHOICES[sort]
    return nearest(stop.found.lower(), choices)


_CHOICES = {
    "DISPOSITION": ("approve", "hold", "decline"),
    "SILENT": ("approve", "review", "hold", "decline"),
    "RESULT": ("failed", "abandoned", "unavailable"), "WORLD": ("client", "role"),
    "AGGREGATE": ("sum", "average", "minimum", "maximum"), "EDGE": ("first", "last"),
}  # fmt: skip

# --- what people type ----------------------------------------------------------------------------

_ALIASES_OF_DECLARATIONS = {
    "var": "let", "const": "let", "def": "let", "define": "let", "variable": "feature",
    "parameter": "param", "schema": "event", "transaction": "event", "velocity": "feature",
    "aggregate": "feature", "stepup": "step_up", "challenge": "step_up", "policies": "policy",
    "role": "grant", "permit": "grant", "assert": "guarantee", "blocklist": "list", "set": "list",
}  # fmt: skip
_ALIASES_OF_TYPES = {
    "string": "text", "str": "text", "varchar": "text", "char": "text", "int": "count",
    "integer": "count", "bigint": "count", "float": "number", "decimal": "number",
    "double": "number", "real": "number", "bool": "flag", "boolean": "flag", "datetime": "time",
    "timestamp": "time", "date": "time", "currency": "money", "amount": "money",
    "interval": "duration", "uuid": "text", "id": "text", "cidr": "ip", "enum": "one of (…)",
}  # fmt: skip
_ALIASES_OF_FIELD_CLAUSES = {
    "maximum": "max", "minimum": "min", "limit": "max", "primary": "key", "unique": "key",
    "optional": "?", "nullable": "?",
}  # fmt: skip
_ALIASES_OF_ACTIONS = {
    "block": "did you mean `decline`?", "reject": "did you mean `decline`?",
    "deny": "did you mean `decline`?", "refuse": "did you mean `decline`?",
    "approve": "no rule approves: an exception is written `except when` on the rule it weakens",
    "allow": "no rule approves: an exception is written `except when` on the rule it weakens",
    "accept": "no rule approves: an exception is written `except when` on the rule it weakens",
    "challenge": "did you mean `step_up NAME`?", "authenticate": "did you mean `step_up NAME`?",
    "score": "did you mean `add 10 points`?", "flag": 'did you mean `tag "…"`?',
}  # fmt: skip
_ALIASES_OF_AGGREGATES = {
    "avg": "average", "mean": "average", "min": "minimum", "max": "maximum", "unique": "distinct",
    "total": "sum",
}  # fmt: skip


def _alias(stop: Stop) -> str:
    found, expected = stop.found.lower(), stop.expected
    if "TYPE" in expected and found in _ALIASES_OF_TYPES:
        return f"did you mean `{_ALIASES_OF_TYPES[found]}`?"
    if "decline" in expected and found in _ALIASES_OF_ACTIONS:
        return _ALIASES_OF_ACTIONS[found]
    if "AGGREGATE" in expected and found in _ALIASES_OF_AGGREGATES:
        return f"did you mean `{_ALIASES_OF_AGGREGATES[found]} of`?"
    if "over" in expected and found in ("for", "in", "within", "last", "window"):
        return "a window is written `over 10m`"
    return ""


def _reserved_name(case: _Case) -> _Said | None:
    found, expected = case.stop.found, case.stop.expected
    if found not in RESERVED or "WORD" not in expected or "or" in expected:
        return None
    operand = {"(", "INT"} <= expected
    if operand and found in _STRUCTURE and not re.match(r"\s*(=|!=|<|>)", case.after):
        return None
    if not operand and found in ("then", "when", "if", "except"):
        return None
    if "NETWORK" in expected and case.stop.last == "in" and found in _STRUCTURE:
        return None
    return _Said(
        f"{why_reserved(found)} and cannot be a name", f"call it `{other_name(found)}`", "TG105"
    )


_STRUCTURE = frozenset(
    [
        "then",
        "and",
        "or",
        "when",
        "else",
        "end",
        "if",
        "except",
        "otherwise",
        "between",
        "is",
        "in",
        "over",
        "where",
        "because",
        "starts",
        "ends",
        "contains",
        "like",
        "by",
        "always",
        "at",
    ]
)


def _twice(case: _Case) -> _Said | None:
    found, stop = case.stop.found, case.stop
    if case.chunk.word in ("rule", "guarantee") and found == "when" and stop.read("when"):
        if stop.last in ("except", "case") or "WORD" in stop.expected:
            return None
        return _Said("`when` is given twice", "join the conditions with `and`", "TG109")
    if case.chunk.word != "rule" or not stop.read("then"):
        return None
    if found == "then" and "$END" in stop.expected:
        return _Said("`then` is given twice", "join the actions with `,`", "TG109")
    if found == "if" and re.match(r"\s+unknown\b", case.after) and stop.read("unknown"):
        return _Said("`if unknown` is given twice", "keep one of them", "TG109")
    return None


def _field_clause(case: _Case) -> _Said | None:
    """A word after a field's type that was read as the next field."""
    stop = case.stop
    if case.chunk.word != "event" or "TYPE" not in stop.expected:
        return None
    clauses = ("max", "min", "key", "coarse", "folded", "lenient", "silent")
    other = _ALIASES_OF_FIELD_CLAUSES.get(stop.last)
    near = f"did you mean `{other}`?" if other else nearest(stop.last, clauses)
    if not near:
        return None
    return _Said(f"`{_short(stop.last)}` is no clause of a field, and no type follows it", near)


def _late_clause(case: _Case) -> _Said | None:
    stop = case.stop
    describing = ("version", "owner", "shadow", "mandatory", "rollout", "replaces", "expires",
                  "from", "until", "on", "in")  # fmt: skip
    if case.chunk.word not in ("rule", "guarantee") or not stop.read("when"):
        return None
    if stop.found in describing and ("or" in stop.expected or "$END" in stop.expected):
        return _Said(
            f"`{stop.found}` stands before `when`", "move it up: describing clauses come first"
        )
    return None


def _chained(case: _Case) -> _Said | None:
    found, expected = case.stop.found, case.stop.expected
    if (
        found in ("<=", ">=", "!=", "=", "<", ">")
        and "or" in expected
        and "RELATION" not in expected
    ):
        return _Said(
            "comparisons cannot be chained",
            "join two comparisons with `and`, or write `x between a and b`", "TG110",
        )  # fmt: skip
    return None


def _brackets(case: _Case) -> _Said | None:
    stop = case.stop
    if stop.found == ")":
        opened = _open_bracket(stop.before)
        if opened is None:
            return _Said("this `)` closes nothing", "delete it, or open it before", "TG111")
        if opened.text == "case":
            related = ((_at(case, opened), "opened here"),)
            return _Said("this `case` is not ended", "end it with `end`", "TG111", related)
        return None
    if ")" not in stop.expected or "WORD" in stop.expected:
        return None
    opened = _open_bracket(stop.before)
    closing = not stop.found or stop.found in RESERVED
    if opened is None or not closing:
        return None
    return _Said(
        "this parenthesis is not closed",
        "close it with `)`",
        "TG111",
        ((_at(case, opened), "opened here"),),
    )


def _unended_case(case: _Case) -> _Said | None:
    stop = case.stop
    opened = _open_bracket(stop.before)
    if opened is None or opened.text != "case" or (stop.found and stop.found not in RESERVED):
        return None
    related = ((_at(case, opened), "opened here"),)
    if "end" in stop.expected and stop.found != "when":
        return _Said("this `case` is not ended", "end it with `end`", "TG111", related)
    if "else" in stop.expected and stop.found == "end":
        return _Said(
            "this `case` has no `else`",
            "say what it is where no branch holds: `else 0 end`",
            related=related,
        )
    return None


def _open_bracket(pieces: tuple[Piece, ...]) -> Piece | None:
    stack: list[Piece] = []
    for piece in pieces:
        if piece.text in ("(", "case") and piece.sort != "STRING":
            stack.append(piece)
        elif piece.text in (")", "end") and stack:
            stack.pop()
    return stack[-1] if stack else None


def _at(case: _Case, piece: Piece) -> Span:
    return Span(case.span.path, piece.start, piece.end)


def _amount(case: _Case) -> _Said | None:
    stop = case.stop
    if re.fullmatch(r"[A-Z]{3}", stop.found) and stop.last[-1:].isdigit():
        return _Said(f"`{stop.found}` does not fit here", "an amount is written `100 EUR`", "TG102")
    if re.fullmatch(r"[A-Z]{3}", stop.found) and "INT" in stop.expected:
        return _Said(f"`{stop.found}` does not fit here; the number stands before its currency",
                     f"write `100 {stop.found}`")  # fmt: skip
    unit = stop.found in _UNITS_OF_MONEY or stop.found.upper() in MINOR_DIGITS
    if "CURRENCY" in stop.expected and unit:
        return _Said(f"`{stop.found}` does not fit here; a currency is written in capitals",
                     f"write `{stop.found.upper()}`")  # fmt: skip
    if unit and stop.last[-1:].isdigit():
        way = (
            "write `12%`"
            if stop.found == "percent"
            else ("an amount is written with its currency in capitals: `100 EUR`")
        )
        return _Said(f"`{_short(stop.found)}` does not fit here", way, "TG102")
    if stop.found in ("€", "$", "£"):
        return _Said(f"`{stop.found}` does not fit here", "an amount is written `100 EUR`", "TG102")
    return None


_UNITS_OF_MONEY = frozenset(["euro", "euros", "dollar", "dollars", "pound", "pounds", "percent"])
_UNITS = {
    "seconds": "s", "second": "s", "sec": "s", "s": "s", "minutes": "m", "minute": "m", "min": "m",
    "mins": "m", "m": "m", "hours": "h", "hour": "h", "h": "h", "days": "d", "day": "d", "d": "d",
    "weeks": "w", "week": "w", "w": "w", "ms": "ms", "us": "us",
}  # fmt: skip


def _spaced_duration(case: _Case) -> _Said | None:
    stop = case.stop
    follows = re.match(r"\s*([a-z]+)", case.after)
    if "DURATION" in stop.expected and stop.found.isdigit() and follows and follows[1] in _UNITS:
        literal = f"{stop.found}{_UNITS[follows[1]]}"
    elif stop.found in _UNITS and stop.last.isdigit() and "WORD" not in stop.expected:
        literal = f"{stop.last}{_UNITS[stop.found]}"
    else:
        return None
    return _Said("a duration is one word", f"write `{literal}`", "TG102")


def _range(case: _Case) -> _Said | None:
    stop = case.stop
    joined = stop.found in ("to", ",", "-", "..", ".") or (stop.found == "or")
    if stop.read("between") and joined and "or" not in stop.expected and "and" in stop.expected:
        return _Said("`between` joins its ends with `and`", "write `between 1 and 5`")
    if stop.found == "to" and "or" in stop.expected:
        return _Said(
            "`to` does not fit here",
            "write `between 1 and 5`; for 23 to 5 write `hour(at) >= 23 or hour(at) < 5`",
        )  # fmt: skip
    return None


def _is(case: _Case) -> _Said | None:
    stop = case.stop
    if stop.last != "is" or "missing" not in stop.expected:
        return None
    if stop.found == "not":
        rest = re.match(r"\s*(missing|present|null|none)?", case.after)
        word = rest[1] if rest and rest[1] else "missing"
        other = "missing" if word == "present" else "present"
        return _Said("`is not` is not an operator here", f"write `is {other}`", "TG103")
    if stop.found.lower() in ("null", "none", "nil", "undefined", "empty", "unknown", "absent"):
        return _Said(
            f"`is {_short(stop.found)}` is not an operator here", "write `is missing`", "TG103"
        )
    return _Said("after `is` stands `missing` or `present`", "use `=` to compare")


_BRACKETS_OF_OTHERS = {
    "[": ("a set stands in parentheses", "write `in (1, 2)`"),
    "]": ("a set stands in parentheses", "write `in (1, 2)`"),
    "{": ("braces are no part of the language", "delete it; the next declaration ends this one"),
    "}": ("braces are no part of the language", "delete it; the next declaration ends this one"),
    ";": ("`;` is no part of the language", "delete it; the next declaration ends this one"),
}  # fmt: skip
_SIGNS_OF_OTHERS = {
    ":": "delete it, or write `then`", "%": "a percentage is written `12%`; there is no remainder",
    "^": "there is no power; multiply", "?": "write `case when … then … else … end`",
    "&": "write `and`", "|": "write `or`", "~": 'write `like "a*"`',
    "@": "a field is its name alone", "$": "a field is its name alone",
    "`": "names need no quotes", "\\": "lines need no joining",
}  # fmt: skip


def _foreign_sign(case: _Case) -> _Said | None:
    stop = case.stop
    if stop.found in _BRACKETS_OF_OTHERS:
        return _Said(*_BRACKETS_OF_OTHERS[stop.found])
    touching = stop.before and stop.before[-1].end == stop.start
    if stop.found in ("/", "*") and stop.last == "/" and touching:
        return _Said("a comment starts with `#`", "write `# …`")
    if stop.found in _SIGNS_OF_OTHERS and stop.found not in stop.expected:
        return _Said(f"`{stop.found}` does not fit here", _SIGNS_OF_OTHERS[stop.found])
    named = touching and stop.before[-1].sort == "WORD" and re.match(r"[a-z]", case.after)
    if stop.found == "-" and named and "SIGN" not in stop.expected:
        return _Said("`-` cannot stand in a name", "write `_`", "TG105")
    return None


def _capital(case: _Case) -> _Said | None:
    found = case.stop.found
    if not re.match(r"[A-Za-z0-9_]*[A-Z]", found):
        return None
    if found.lower() in case.stop.expected or found.lower() in RESERVED:
        return _Said(f"`{_short(found)}` does not fit here",
                     f"words of the language are lower case: `{found.lower()}`")  # fmt: skip
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", found).lower()
    code = "TG105" if "WORD" in case.stop.expected else "TG101"
    message = f"`{_short(found)}` does not fit here; names are lower case"
    return _Said(message, f"call it `{_short(snake)}`", code)


def _otherwise_rule(case: _Case) -> _Said | None:
    """`else` after actions, an action before its condition, `if x then`, `unless`."""
    stop, rule = case.stop, case.chunk.word in ("rule", "group")
    if stop.found in ("else", "elif", "elsif") and not stop.read("case"):
        return _Said(f"a rule has no `{stop.found}`", "write a second rule for the other case")
    if rule and stop.found == "unless":
        return _Said(
            "`unless` is no word of the language", "an exception is written `except when …`"
        )
    if rule and "when" in stop.expected and "then" not in stop.expected and stop.last != "except":
        if stop.found in ("decline", "hold", "review", "step_up", "then", "add", "tag"):
            return _Said(f"`{stop.found}` does not fit here; a rule needs its condition first",
                         "write `when …`, then `then …`")  # fmt: skip
        if stop.found in ("if", "where"):
            return _Said(
                f"`{stop.found}` does not fit here", "the condition of a rule opens with `when`"
            )
    return None


def _action(case: _Case) -> _Said | None:
    stop = case.stop
    if (
        stop.last == "step_up"
        and (not stop.found or stop.found in RESERVED)
        and (stop.before[-2:-1] and stop.before[-2].text in ("then", ",", "prefer"))
    ):
        return _Said("`step_up` needs a name here", "say which step_up: `step_up strong`")
    if stop.last == "because" and stop.found.startswith('"'):
        return _Said(
            "a reason is named here", 'declare it with `reason NAME "…"` and write its name'
        )
    if stop.last == "in" and stop.found.startswith('"'):
        return _Said("a set stands in parentheses", f"write `in ({_short(stop.found)}, …)`")
    if stop.found == "and" and "because" in stop.expected:
        return _Said("`and` does not fit here", "actions are joined with `,`")
    return None


def _first_words(case: _Case) -> _Said | None:
    """A declaration without a name."""
    stop = case.stop
    if len(stop.before) != 1 or stop.found in _RESERVED_AS_NAMES or "WORD" not in stop.expected:
        return None
    if stop.found in RESERVED and re.match(r"\s*(=|of\b|version\b|\")", case.after):
        return None
    if not stop.found or stop.found in RESERVED or stop.found.startswith('"'):
        return _Said(
            f"this `{case.chunk.word}` has no name", f"write `{case.chunk.word} some_name`"
        )
    return None


_RESERVED_AS_NAMES = frozenset((*TYPE_WORDS, *DECLARATIONS))
_SPECIALS: tuple[Callable[[_Case], _Said | None], ...] = (
    _first_words, _action, _twice, _late_clause, _field_clause, _is, _range, _reserved_name,
    _chained, _unended_case, _brackets, _spaced_duration, _amount, _foreign_sign, _otherwise_rule,
    _capital,
)  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}…"
