"""The general sentence of a syntax error: what was found and what was expected.

What the parser would accept comes as words of the language and, in capitals, as sorts of words; it
is folded into what a person would say.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.pieces import Stop
from tidegate.dsl.syntax_case import Case, Said, short
from tidegate.dsl.words import RESERVED, TYPE_WORDS

_SORTS = {
    "WORD": "a name", "STRING": 'a text in `"`', "INT": "a whole number", "DURATION": "a duration "
    "such as `10m`", "PERCENT": "a percentage such as `10%`", "DATE": "a date such as `2026-11-23`",
    "CURRENCY": "a currency such as `EUR`", "PREFIX": "a prefix length such as `/24`",
    "NETWORK": "a network such as `10.0.0.0/8`", "DISPOSITION": "`approve`, `hold` or `decline`",
    "SILENT": "`approve`, `review`, `hold` or `decline`",
    "RESULT": "`failed`, `abandoned` or `unavailable`",
    "HIT": "`first`, `all` or `one`",
    "WORLD": "`client` or `role`", "MOMENT": "`before` or `after`",
    "TRUTH": "`true` or `false`", "$END": "the next declaration", "RELATION": "a comparison",
    "EDGE": "`first` or `last`",
    "PERIOD": "`day`, `week`, `month` or `year`", "NUMBER": "a number", "MONEY": "an amount",
    "TIME": "a time",
}  # fmt: skip
_LONGER = {
    "except": "`except when`", "decided":
    "`decided by default`", "always": "`always at least`", "known": "`known after`",
    "if:rule": "`if unknown then`", "if:group": "`if unknown then`",
    "if:model": "`if unavailable then`", "if:step_up": "`if failed then`",
}  # fmt: skip
_ORDER = (
    "WORD", "STRING", "version", "language", "currency", "timezone", "rates", "decided", "silent",
    "rank", "try", "message", "retry", "owner", "in", "on", "external", "shadow", "mandatory",
    "rollout", "replaces", "from", "reads", "score", "use", "may", "never", "sees", "until",
    "within", "expires", "when", "then", "because", "and", "or",
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
        "matches",
        ".",
        "[",
        "SIGN",
        "FACTOR",
        "RELATION",
    ]
)
_CELL = frozenset(["any", "missing", "present"])
"""What only the place of a cell expects."""
_SILENT_ALTERNATIVES = {"?", ".", "["}
_MOST = 14


def general(case: Case) -> Said:
    stop = case.stop
    found = (
        f"`{short(stop.found)}` does not fit here" if stop.found else "the declaration ends here"
    )
    wanted = _expected(case)
    return Said(f"{found}; expected {wanted}" if wanted else found, _help(case))


def _expected(case: Case) -> str:
    expected = case.stop.expected
    if {"decline", "hold"} <= expected:
        skip = "`skip` or " if case.stop.read("unknown") else ""
        return f"{skip}an action such as `decline`, `review` or `step_up NAME`"
    if expected >= _CELL:
        return 'a cell such as `> 5 EUR`, `"web"`, `in (1, 2)` or `any`'
    if expected == {"."}:
        return "a column of the table, as in `limits[merchant].cut`"
    if "AGGREGATE" in expected:
        return "an aggregate such as `count of`, `sum of`, `distinct` or `since last`"
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


def _expected_value(case: Case) -> str:
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


def _words(case: Case, expected: Iterable[str]) -> list[str]:
    def place(word: str) -> tuple[int, str]:
        return (_ORDER.index(word) if word in _ORDER else _ORDER.index("because"), word)

    found = sorted((w for w in expected if not w.startswith("__")), key=place)
    phrases = [_phrase(case, word) for word in found]
    return [*phrases[:_MOST], "…"] if len(phrases) > _MOST else phrases


def _phrase(case: Case, word: str) -> str:
    if word == "WORD" and case.chunk.word == "event" and "$END" in case.stop.expected:
        return "the next field"
    if word == "," and "because" in case.stop.expected:
        return "`,` and another action"
    longer = _LONGER.get(f"{word}:{case.chunk.word}") or _LONGER.get(word)
    return longer or _SORTS.get(word) or f"`{word}`"


def _listed(phrases: list[str]) -> str:
    unique = list(dict.fromkeys(phrases))
    return " or ".join([", ".join(unique[:-1]), unique[-1]]) if len(unique) > 1 else "".join(unique)


def _help(case: Case) -> str:
    stop = case.stop
    if alias := _alias(stop):
        return alias
    if stop.expected >= _CELL and stop.found.isidentifier() and stop.found not in RESERVED:
        return f'a word is quoted, `"{short(stop.found)}"`; a param is written `= {stop.found}`'
    if stop.found in ("if", "except", "then", "when") and "WORD" not in stop.expected:
        return "the order is: describing clauses, `when`, `then`, `except when`, `if unknown`"
    if not stop.found.isidentifier():
        return ""
    choices = [w for w in stop.expected if w.isidentifier() and w.islower()]
    if "TYPE" in stop.expected:
        choices += TYPE_WORDS
    for sort in ("DISPOSITION", "SILENT", "RESULT", "WORLD", "AGGREGATE", "EDGE", "PERIOD", "HIT"):
        if sort in stop.expected:
            choices += _CHOICES[sort]
    return nearest(stop.found.lower(), choices)


_CHOICES = {
    "DISPOSITION": ("approve", "hold", "decline"),
    "SILENT": ("approve", "review", "hold", "decline"),
    "RESULT": ("failed", "abandoned", "unavailable"), "WORLD": ("client", "role"),
    "AGGREGATE": ("sum", "average", "minimum", "maximum", "deviation"),
    "EDGE": ("first", "last"), "PERIOD": ("day", "week", "month", "year"),
    "HIT": ("first", "all", "one"),
}  # fmt: skip
_ALIASES_OF_TYPES = {
    "string": "text", "str": "text", "varchar": "text", "char": "text", "int": "count",
    "integer": "count", "bigint": "count", "float": "number", "decimal": "number",
    "double": "number", "real": "number", "bool": "flag", "boolean": "flag", "datetime": "time",
    "timestamp": "time", "date": "time", "currency": "money", "amount": "money",
    "interval": "duration", "uuid": "text", "id": "text", "cidr": "ip", "enum": "one of (…)",
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
    "total": "sum", "stddev": "deviation", "std": "deviation", "stdev": "deviation",
}  # fmt: skip


def _alias(stop: Stop) -> str:
    found, expected = stop.found.lower(), stop.expected
    if "TYPE" in expected and found in _ALIASES_OF_TYPES:
        return f"did you mean `{_ALIASES_OF_TYPES[found]}`?"
    if "decline" in expected and found in _ALIASES_OF_ACTIONS:
        return _ALIASES_OF_ACTIONS[found]
    if "AGGREGATE" in expected and found in _ALIASES_OF_AGGREGATES:
        return f"did you mean `{_ALIASES_OF_AGGREGATES[found]} of`?"
    if "by" in expected and stop.last == "of":
        return f"write `since last {found}`, without `of`"
    if "over" in expected and found in ("for", "in", "within", "last", "window"):
        return "a window is written `over 10m`"
    return ""
