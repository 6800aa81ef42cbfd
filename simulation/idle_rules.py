"""Rules that a history shows to be idle: never or always firing, or never deciding anything."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.dsl.program import Program, Rule
from tidegate.rules.lints import Finding, finding
from tidegate.simulation.result import BacktestResult, EventResult, RuleResult

ENOUGH = 100
"""How many decisions outside the warm-up say anything about a rule."""


def idle_rules(result: BacktestResult, program: Program) -> Iterator[Finding]:
    """What the lints of a history say.

    Nothing of an event with too few decisions, nor of a rule with dates, which the history may not
    have reached.
    """
    for event in result.events:
        if event.measured.count >= ENOUGH:
            rules = {rule.id: rule for rule in program.event(event.event).rules}
            for measured in event.rules:
                yield from _of_rule(rules[measured.id], measured, event)


def _of_rule(rule: Rule, measured: RuleResult, event: EventResult) -> Iterator[Finding]:
    fired, rows = measured.fired.count, event.measured.count
    name, span = rule.name, rule.span
    if measured.standing == "dated":
        return
    if not fired + measured.fired_in_warm_up.count:
        yield finding(
            "never-fires", f"rule `{name}` fires in none of {rows:,} decisions", span,
            "loosen it, give it a case that it is there for, or drop it", name=name,
        )  # fmt: skip
    elif fired == rows:
        yield finding(
            "always-fires", f"rule `{name}` fires in all of {rows:,} decisions", span,
            "it tells nothing apart: narrow its condition", name=name,
        )  # fmt: skip
    elif measured.acted.count and not measured.determining.count:
        yield finding(
            "never-decides",
            f"rule `{name}` acts in {measured.acted.count:,} of {rows:,} decisions and decides "
            "none: others ask for more", span,
            "drop it, or let it ask for more", name=name,
        )  # fmt: skip
