"""Edits of the small policy of `histories`, as an analyst makes them between two dry runs."""

from __future__ import annotations

from pathlib import Path

from tests.simulation.histories import POLICY, sub

MANY = "rule many version 1\n  when items > 1\n  then add 25 points\n  if unknown then skip\n"
MARKED = "rule marked version 1\n  when frauds >= 1 or lost > 50 EUR\n  then add 40 points\n"
RISKY = "rule risky version 1\n  when risk >= 0.7\n  then "
NEWER = (
    "rule dear version 2\n  replaces version 1\n  rollout 40% by card as dear2\n"
    "  when spent > 90 EUR\n  then add 35 points\n"
)
RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "threshold": (("tries >= 3", "tries >= 2"),),
    "money threshold": (("amount < 40 EUR", "amount < 400 EUR"),),
    "score threshold": (("risk >= 0.7", "risk >= 0.9"),),
    "score and field": (("risk >= 0.7", "risk >= 0.7 or amount > 100 EUR"),),
    "added": (("rule risky", MANY + "\nrule risky"),),
    "removed": ((MARKED, ""),),
    "fewer inputs": (("places >= 3 or networks >= 3", "places >= 3"),),
    "renamed": (("rule burst version", "rule bursting version"),),
    "exception": (("then decline because strange\n  except when note",
                   "then decline because strange\n  except when verified\n  except when note"),),
    "exception of a score": (
        ("may review, step_up", "may review, step_up, relax"),
        ("  then decline because strange\n\nrule unlike",
         "  then decline because strange\n  except when risk < 0.8\n\nrule unlike")),
    "live": (("rule odd version 1\n  shadow\n", "rule odd version 1\n"),),
    "shadow": (("rule burst version 1\n", "rule burst version 1\n  shadow\n"),),
    "dated": (("rule burst version 1\n", "rule burst version 1\n  from 2026-09-25\n"),),
    "rollout": (("rollout 50%", "rollout 80%"),),
    "unknown": (("  if unknown then review before because strange\n\nrule spread",
                 "  if unknown then decline because strange\n\nrule spread"),),
    "points reader": (("points >= 50", "points >= 30"),),
    "points": (("add 40 points", "add 60 points"),),
    "shadow points": (("rule dear version 1\n", "rule dear version 1\n  shadow\n"),),
    "action": (("  then step_up confirm because strange\n\nrule odd",
                "  then review because strange\n\nrule odd"),),
    "default": (("decided by default approve\n  silent      review",
                 "decided by default decline\n  silent      review"),),
    "authority": (("may review, step_up", "may review, exempt, relax"),
                  (RISKY + "step_up confirm because strange", RISKY + "review because strange")),
    "use": (("amount <= 5000 EUR", "amount <= 100 EUR"),),
    "outage": (("if unavailable then review because strange\n\nreason",
                "if unavailable then add 30 points\n\nreason"),),
    "replaced": (("rule sum_up", NEWER + "\nrule sum_up"),),
    "text": (("rule burst version 1\n", 'rule burst "Many tries" version 1\n'),),
}  # fmt: skip
"""Edits of rules: no input of any decision changes."""

INPUTS: dict[str, tuple[tuple[str, str], ...]] = {
    "window": (("by card over 2h", "by card over 3h"),),
    "feature's condition": (('over 1d where channel = "ecom"', 'over 1d where channel = "pos"'),),
    "label": (('where kind = "fraudulent"', 'where kind != "fraudulent"'),),
    "field": (("max 10000 EUR", "max 5000 EUR"),),
}
"""Edits that change what decisions read."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "points decide": (
        ("points >= 50", "points >= 200"),
        ("  then review before because strange\n\nrule risky",
         "  then decline because strange\n\nrule risky"),),
    "points by score": (
        (RISKY + "step_up confirm because strange",
         "rule risky version 1\n  when risk >= 0.7 or amount > 20 EUR\n  then add 200 points"),),
    "points by more": (("amount > 20 EUR", "amount > 500 EUR"),),
    "exception gone": (("  except when note = \"friend\"\n", ""),),
    "rule reads list": (("over 1d where card in watched", "over 1d"),
                        ("amount < 40 EUR", "amount < 40 EUR or card in watched")),
}  # fmt: skip
"""Edits that tests of their own make."""


def edited(names: list[str], text: str = POLICY) -> str:
    """The policy with these edits."""
    for name in names:
        for old, new in (RULES | INPUTS | OTHERS)[name]:
            text = sub(text, old, new)
    return text


def write_list(folder: Path, values: str) -> None:
    """Other contents of the list that the policy reads."""
    (folder / "lists" / "watched.csv").write_text(f"value\n{values}\n")
