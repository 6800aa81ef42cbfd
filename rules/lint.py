"""Every lint that a policy's folder alone can answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from tidegate.dsl import tree
from tidegate.dsl.diagnostics import Diagnostic
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program
from tidegate.dsl.source import Span
from tidegate.rules.lints import Finding, finding
from tidegate.rules.policy import Policy
from tidegate.rules.rules_alike import rules_alike
from tidegate.rules.unused import repeated, unused


def lint(policy: Policy, said: Sequence[Diagnostic]) -> tuple[Finding, ...]:
    """What is found in the policy: `said`, which is known of it already, with names; the lints."""
    files = [parse(source).file for source in policy.sources.values()]
    places = _places(files)
    return (
        *(Finding(d, _name_at(d.span, places)) for d in said),
        *_unowned(policy.program),
        *unused(files, policy.sources),
        *repeated(files, policy.sources),
        *_same_lists(policy),
        *rules_alike(policy.program, policy.sources),
    )


def _places(files: Sequence[tree.File]) -> list[tuple[Span, str]]:
    return [(d.span, d.name.text) for file in files for d in file.declarations]


def _name_at(span: Span, places: Sequence[tuple[Span, str]]) -> str:
    """The declaration in which `span` lies."""
    inside = (n for p, n in places if p.path == span.path and p.start <= span.start <= p.end)
    return next(inside, "")


def _unowned(program: Program) -> Iterator[Finding]:
    for event in program.events:
        for rule in event.rules:
            name = rule.name
            if not rule.owner:
                message = f"rule `{name}` has no owner"
                yield finding("no-owner", message, rule.span, "add `owner TEAM`", name=name)
            if rule.expires_us is None and not rule.mandatory:
                message = f"rule `{name}` never expires"
                help_text = "add `expires DATE`, the day to look at it again"
                yield finding("no-expiry", message, rule.span, help_text, name=name)


def _same_lists(policy: Policy) -> Iterator[Finding]:
    """Lists whose files hold the same; an empty one is like any other empty one."""
    for one, other in combinations(policy.program.lists, 2):
        here, there = policy.lists.get(one.name), policy.lists.get(other.name)
        if here and there and one.path != other.path and here.hash == there.hash:
            yield finding(
                "repeated-set",
                f"lists `{one.name}` and `{other.name}` hold the same",
                other.span,
                "keep one of them",
                ((one.span, "the other one"),),
                name=other.name,
            )
