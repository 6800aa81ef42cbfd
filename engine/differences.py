"""What differs between two programs: one value a declaration, with what changed in its words.

Nothing is evaluated here: how grave a difference is follows from the texts alone, and where that
does not decide, it is said to be so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Effect = Literal["authority", "weakens", "may_weaken", "changes", "strengthens", "none"]
"""`authority`: who or what may do what. `weakens`: a protection is surely weaker. `may_weaken`: the
text does not say which way it goes. `changes`: neither way by itself. `strengthens`: a protection
is surely stronger. `none`: no payment is decided otherwise."""
EFFECTS: Final[tuple[Effect, ...]] = (
    "authority", "weakens", "may_weaken", "changes", "strengthens", "none",
)  # fmt: skip
"""The gravest first."""

Kind = Literal[
    "policy",
    "event",
    "model",
    "grant",
    "guarantee",
    "rule",
    "step_up",
    "reason",
    "list",
    "table",
    "label",
    "feature",
    "let",
    "param",
    "case",
]
Turn = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing about a declaration that differs.

    `what` is the clause (`when`, `then`, `except when`, `may`, …); `before` and `after` are in the
    language's words, empty where nothing was or is. `note` is a short sentence, often empty.
    """

    what: str
    before: str
    after: str
    effect: Effect
    note: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One declaration that differs. `effect` is the gravest of its details.

    For a rule `name` is without its version. Of rules and models `version_before` and
    `version_after` are None where it is not there (of several versions, the newest). `file` and
    `line` (from 1) are where it stands after, for what was removed where it stood; the line is 0
    where there is none. Of a rule `text_before` and `text_after` are its whole declaration, empty
    where nothing was before.
    """

    kind: Kind
    name: str
    turn: Turn
    effect: Effect
    details: tuple[Detail, ...]
    version_before: int | None = None
    version_after: int | None = None
    file: str = ""
    line: int = 0
    text_before: str = ""
    text_after: str = ""


def gravest(effects: tuple[Effect, ...]) -> Effect:
    """The first of them in the order of gravity; `none` where there are none."""
    return min(effects, key=EFFECTS.index, default="none")
