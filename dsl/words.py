"""The words of the language that cannot be names, and what a name looks like."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z_][a-z0-9_]*")

DECLARATIONS = (
    "policy", "event", "feature", "let", "param", "label", "list", "table", "model", "reason",
    "step_up", "group", "rule", "guarantee", "grant", "library", "template", "apply",
    "decision",
)  # fmt: skip

TYPE_WORDS = (
    "text", "time", "money", "token", "country", "ip", "flag", "count", "number", "duration",
)  # fmt: skip

CLAUSES = (
    "language", "currency", "timezone", "rates", "decided", "silent", "key", "max", "min", "coarse",
    "folded", "lenient", "by", "over", "delayed", "where", "from", "known", "matching", "managed",
    "version", "reads", "score", "use", "may", "until", "within", "if", "message", "retry", "rank",
    "try", "owner", "on", "in", "shadow", "mandatory", "rollout", "replaces", "expires", "when",
    "then", "except", "always", "never", "sees", "because", "takes", "with",
    "counting", "columns", "rows", "row", "external",
)  # fmt: skip

OPERATORS = (
    "and", "or", "not", "between", "is", "otherwise", "case", "else", "end", "true", "false",
    "starts", "ends", "contains", "like", "matches", "missing", "present", "all", "points",
    "skip", "one",
)  # fmt: skip

RESERVED = frozenset(DECLARATIONS + TYPE_WORDS + CLAUSES + OPERATORS)
FUNCTIONS = frozenset(
    {
        "hour", "minute", "weekday", "day", "month", "date", "days_since", "abs", "min", "max",
        "round", "floor", "ceiling", "modulo", "distance", "length", "before", "after", "lower",
        "upper",
    }
)  # fmt: skip


def why_reserved(word: str) -> str:
    """What a reserved word does, for a message."""
    if word in DECLARATIONS:
        return f"`{word}` opens a declaration"
    if word in TYPE_WORDS:
        return f"`{word}` is a type"
    if word in CLAUSES:
        return f"`{word}` opens a clause"
    return f"`{word}` is a word of the language"


def other_name(word: str) -> str:
    """A name that says nearly the same as the reserved `word`."""
    return f"decline_{word}" if word == "reason" else f"payment_{word}"
