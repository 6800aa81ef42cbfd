"""What people really type by mistake in declarations: their names, clauses, actions and order.

Each function looks at the place where the parser stopped and says what is meant, or nothing.
"""

from __future__ import annotations

import re

from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.syntax_case import Case, Said, short
from tidegate.dsl.words import DECLARATIONS, RESERVED, TYPE_WORDS, other_name, why_reserved

_ALIASES_OF_FIELD_CLAUSES = {
    "maximum": "max", "minimum": "min", "limit": "max", "primary": "key", "unique": "key",
    "optional": "?", "nullable": "?",
}  # fmt: skip


def reserved_name(case: Case) -> Said | None:
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
    return Said(
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
        "matches",
        "by",
        "always",
        "at",
    ]
)


def twice(case: Case) -> Said | None:
    found, stop = case.stop.found, case.stop
    if case.chunk.word in ("rule", "guarantee") and found == "when" and stop.read("when"):
        if stop.last in ("except", "case") or "WORD" in stop.expected:
            return None
        return Said("`when` is given twice", "join the conditions with `and`", "TG109")
    if case.chunk.word != "rule" or not stop.read("then"):
        return None
    if found == "then" and "$END" in stop.expected:
        return Said("`then` is given twice", "join the actions with `,`", "TG109")
    if found == "if" and re.match(r"\s+unknown\b", case.after) and stop.read("unknown"):
        return Said("`if unknown` is given twice", "keep one of them", "TG109")
    return None


def field_clause(case: Case) -> Said | None:
    """A word after a field's type that was read as the next field."""
    stop = case.stop
    if case.chunk.word != "event" or "TYPE" not in stop.expected:
        return None
    clauses = ("max", "min", "key", "coarse", "folded", "lenient", "silent")
    other = _ALIASES_OF_FIELD_CLAUSES.get(stop.last)
    near = f"did you mean `{other}`?" if other else nearest(stop.last, clauses)
    if not near:
        return None
    return Said(f"`{short(stop.last)}` is no clause of a field, and no type follows it", near)


def late_clause(case: Case) -> Said | None:
    stop = case.stop
    describing = ("version", "owner", "shadow", "mandatory", "rollout", "replaces", "expires",
                  "from", "until", "on", "in")  # fmt: skip
    if case.chunk.word not in ("rule", "guarantee") or not stop.read("when"):
        return None
    if stop.found in describing and ("or" in stop.expected or "$END" in stop.expected):
        return Said(
            f"`{stop.found}` stands before `when`", "move it up: describing clauses come first"
        )
    return None


def other_rule_words(case: Case) -> Said | None:
    """`else` after actions, an action before its condition, `if x then`, `unless`."""
    stop, rule = case.stop, case.chunk.word in ("rule", "group")
    table = case.chunk.word == "decision"
    if stop.found in ("else", "elif", "elsif") and not (table or stop.read("case")):
        return Said(f"a rule has no `{stop.found}`", "write a second rule for the other case")
    if rule and stop.found == "unless":
        return Said(
            "`unless` is no word of the language", "an exception is written `except when …`"
        )
    if rule and "when" in stop.expected and "then" not in stop.expected and stop.last != "except":
        if stop.found in ("decline", "hold", "review", "step_up", "then", "add", "tag"):
            return Said(f"`{stop.found}` does not fit here; a rule needs its condition first",
                         "write `when …`, then `then …`")  # fmt: skip
        if stop.found in ("if", "where"):
            return Said(
                f"`{stop.found}` does not fit here", "the condition of a rule opens with `when`"
            )
    return None


def action(case: Case) -> Said | None:
    stop = case.stop
    if (
        stop.last == "step_up"
        and (not stop.found or stop.found in RESERVED)
        and (stop.before[-2:-1] and stop.before[-2].text in ("then", ",", "prefer"))
    ):
        return Said("`step_up` needs a name here", "say which step_up: `step_up strong`")
    if stop.last == "because" and stop.found.startswith('"'):
        return Said(
            "a reason is named here", 'declare it with `reason NAME "…"` and write its name'
        )
    if stop.last == "in" and stop.found.startswith('"'):
        return Said("a set stands in parentheses", f"write `in ({short(stop.found)}, …)`")
    if stop.found == "and" and "because" in stop.expected:
        return Said("`and` does not fit here", "actions are joined with `,`")
    return None


def first_words(case: Case) -> Said | None:
    """A declaration without a name."""
    stop = case.stop
    if len(stop.before) != 1 or stop.found in _RESERVED_AS_NAMES or "WORD" not in stop.expected:
        return None
    if stop.found in RESERVED and re.match(r"\s*(=|of\b|version\b|\")", case.after):
        return None
    if not stop.found or stop.found in RESERVED or stop.found.startswith('"'):
        return Said(f"this `{case.chunk.word}` has no name", f"write `{case.chunk.word} some_name`")
    return None


_RESERVED_AS_NAMES = frozenset((*TYPE_WORDS, *DECLARATIONS))
