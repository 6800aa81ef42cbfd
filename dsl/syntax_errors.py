"""The sentences of syntax errors: what was found, what was expected, and a way out.

What the parser would accept comes as grammar terminals; they are folded into the words a person
would use, and what people really type by mistake has a sentence of its own.
"""

from __future__ import annotations

import re

from tidegate.dsl.diagnostics import Diagnostic, nearest
from tidegate.dsl.scanner import Chunk
from tidegate.dsl.source import Source, Span
from tidegate.dsl.words import DECLARATIONS, RESERVED, why_reserved

_PHRASES = (
    ({"DECLINE", "HOLD"}, "an action such as `decline`, `review` or `step_up NAME`"),
    ({"DISPOSITION"}, "`approve`, `hold` or `decline`"),
    ({"SILENT"}, "`approve`, `review`, `hold` or `decline`"),
    ({"AGGREGATE"}, "`count of`, `sum of`, `average of`, `minimum of`, `maximum of`, `distinct`, "
                    "`first at of` or `last at of`"),
    ({"TYPE"}, "a type such as `money`, `text` or `one of (…)`"),
    ({"WORD", "LPAR", "INT"}, "a value or a condition"),
    ({"INT", "NUMBER", "STRING"}, "a literal"),
    ({"RESULT"}, "`failed`, `abandoned` or `unavailable`"),
    ({"WORLD"}, "`client` or `role`"),
)  # fmt: skip
_SINGLE = {
    "WORD": "a name", "STRING": 'a text in `"`', "INT": "a whole number", "DURATION": "a duration "
    "such as `10m`", "PERCENT": "a percentage such as `10%`", "DATE": "a date such as `2026-11-23`",
    "CURRENCY": "a currency such as `EUR`", "PREFIX": "a prefix length such as `/24`",
    "LPAR": "`(`", "RPAR": "`)`", "COMMA": "`,`", "NETWORK": "a network",
}  # fmt: skip
_CONTINUES = {
    "AND", "OR", "SIGN", "FACTOR", "RELATION", "EQUAL", "OTHERWISE", "BETWEEN", "IN", "NOT", "IS", "STARTS",
    "ENDS", "CONTAINS", "LIKE", "DOT", "COMMA", "$END", "QMARK", "OPTIONAL",
}  # fmt: skip


def describe(
    source: Source, chunk: Chunk, span: Span, found: str, expected: frozenset[str]
) -> Diagnostic:
    """The diagnostic for an unexpected `found` at `span`; empty `found` is the end of the text."""
    special = _special(source, chunk, span, found, expected)
    if special is not None:
        return special
    what = "the declaration ends here" if not found else f"`{_short(found)}` does not fit here"
    wanted = _expected(expected)
    message = f"{what}; expected {wanted}" if wanted else what
    return Diagnostic("TG101", message, span, _help(found, expected))


def _special(
    source: Source, chunk: Chunk, span: Span, found: str, expected: frozenset[str]
) -> Diagnostic | None:
    before = source.text[chunk.start : span.start].rstrip()
    after = source.text[span.start : chunk.end]
    if not chunk.word:
        return Diagnostic(
            "TG101", f"`{_short(found)}` does not open a declaration", span,
            nearest(found, DECLARATIONS) or "a file holds declarations such as `rule` or `event`",
        )  # fmt: skip
    if found in RESERVED and "WORD" in expected and not _follows_value(expected):
        name = f"decline_{found}" if found == "reason" else f"payment_{found}"
        return Diagnostic(
            "TG105", f"{why_reserved(found)} and cannot be a name", span, f"call it `{name}`"
        )
    if re.match(r"(<=|>=|!=|=|<|>)", found) and "AND" in expected and "RELATION" not in expected:
        return Diagnostic(
            "TG110", "comparisons cannot be chained", span,
            "join two comparisons with `and`, or write `x between a and b`",
        )  # fmt: skip
    if found == "," and re.search(r"\d$", before) and re.match(r",\d{3}\b", after):
        return Diagnostic(
            "TG102", "a number has no separators", span, "write the digits without commas"
        )
    if re.match(r"[A-Z]{3}\b", after) and re.search(r"\d$", before) is None:
        return Diagnostic(
            "TG101",
            f"`{after[:3]}` does not fit here; an amount is written `100 {after[:3]}`",
            span,
        )
    if re.match(r"[A-Z]", found):
        return Diagnostic(
            "TG101", f"`{_short(found)}` does not fit here; names are lower case", span
        )
    if re.match(r"[a-z]{3}\b", found) and re.search(r"\d$", before) and "SIGN" in expected:
        return Diagnostic(
            "TG102", f"`{found}` does not fit here", span,
            "an amount is written with its currency in capitals: `100 EUR`",
        )  # fmt: skip
    return None


def _follows_value(expected: frozenset[str]) -> bool:
    return "RELATION" in expected or "AND" in expected


def _expected(expected: frozenset[str]) -> str:
    for terminals, phrase in _PHRASES:
        if terminals <= expected:
            return phrase
    openers = {word.upper() for word in DECLARATIONS}
    rest = expected - _CONTINUES - openers
    if not rest and _follows_value(expected):
        return "`and`, `or`, a comparison or the next clause"
    words = sorted(_SINGLE.get(t, f"`{t.lower()}`") for t in rest if not t.startswith("__"))
    if len(words) > 7:
        words = [*words[:7], "…"]
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _help(found: str, expected: frozenset[str]) -> str:
    if found in ("if", "except", "then", "when"):
        return "the order is: describing clauses, `when`, `then`, `except when`, `if unknown`"
    keywords = [t.lower() for t in expected if t.isalpha() and t not in _SINGLE]
    return nearest(found, keywords) if found.isidentifier() else ""


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}…"
