"""What `tidegate test --coverage` and `--mutate` print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.cli.diagnostics import from_here
from tidegate.cli.output import counted

if TYPE_CHECKING:
    from tidegate.dsl.source import Source, Span
    from tidegate.engine.coverage import Coverage, Gap, Suggestion
    from tidegate.engine.mutants import Mutant
    from tidegate.engine.mutation import Mutation, Survivor
    from tidegate.rules import Policy

_OF_RULES = {
    "fired": "never fires",
    "not fired": "is in no case without firing",
    "unknown": "is never unknown",
    "silenced": "is never silenced by an exception",
}
_OF_MODELS = {
    "answered": "never answers",
    "unavailable": "is never unavailable",
    "abstained": "never abstains",
    "outside use": "is never outside its use",
}


def coverage_text(found: Coverage, cases: int, policy: Policy, folder: Path) -> str:
    """The share, then each gap at its place."""
    share = f"{found.shown:,} of {found.demanded:,} ({found.percent}%)"
    lines = [f"{counted(cases, 'case')} show {share}"]
    for gap in found.gaps:
        goal = gap.goal
        lines += ("", f"{_place(goal.span, policy, folder)}: {goal.of} {_never(gap)}")
        lines += (f"  {line}" for line in _suggested(gap.suggestion))
    return "\n".join(lines)


def _never(gap: Gap) -> str:
    goal = gap.goal
    match goal.sort:
        case "rule":
            return _OF_RULES[goal.state]
        case "model":
            return _OF_MODELS[goal.state]
        case "exception":
            return f"`except when {goal.what}` is never {goal.state}"
        case "condition":
            return f"`{goal.what}` is never {goal.state}"


def _suggested(suggestion: Suggestion | None) -> Iterator[str]:
    if suggestion is not None:
        yield f"add a case like `{suggestion.like}` with {suggestion.change}"


def coverage_json(
    found: Coverage, cases: int, policy: Policy, fail_under: int | None
) -> dict[str, Any]:
    """The stable form; a gap's `sort` says what `of` names and how `state` reads."""
    return {
        "schema": "tidegate.coverage/1",
        "cases": cases,
        "shown": found.shown,
        "demanded": found.demanded,
        "percent": found.percent,
        "fail_under": fail_under,
        "gaps": [
            {
                "event": gap.goal.event,
                "sort": gap.goal.sort,
                "of": gap.goal.of,
                "what": gap.goal.what,
                "state": gap.goal.state,
                **_at(gap.goal.span, policy),
                "suggestion": _suggestion_json(gap.suggestion),
            }
            for gap in found.gaps
        ],
    }


def mutation_text(found: Mutation, cases: int, policy: Policy, folder: Path) -> str:
    """The share, then each mutant that nobody notices, as a change of its line."""
    share = f"{found.noticed:,} of {counted(found.total, 'mutant')} ({found.percent}%)"
    lines = [f"{counted(cases, 'case')} notice {share}"]
    if found.equivalent:
        lines.append(f"{found.equivalent:,} left out: no value can tell them from the rule")
    for survivor in found.survivors:
        lines += ("", *_survivor(survivor, policy, folder))
    return "\n".join(lines)


def _survivor(survivor: Survivor, policy: Policy, folder: Path) -> Iterator[str]:
    mutant = survivor.mutant
    more = f" and {len(mutant.rules) - 1:,} more" if len(mutant.rules) > 1 else ""
    yield f"{_place(mutant.span, policy, folder)}: {mutant.rules[0]}{more}: nobody notices"
    before, after = _lines_of(mutant, policy.sources.get(mutant.span.path))
    yield f"  - {before}"
    yield f"  + {after}"
    if survivor.suggestion is None:
        yield "  no case with one or two changes that was tried tells them apart"
    yield from (f"  {line}" for line in _suggested(survivor.suggestion))


def _lines_of(mutant: Mutant, source: Source | None) -> tuple[str, str]:
    """The line as it is and as it would be, where the place is within one line."""
    if source is None or mutant.sort == "rung":
        return mutant.before, mutant.after
    (line, start), (last, end) = (source.position(p) for p in (mutant.span.start, mutant.span.end))
    if line != last:
        return mutant.before, mutant.after
    text = source.line(line)
    return text.strip(), f"{text[: start - 1]}{mutant.after}{text[end - 1 :]}".strip()


def mutation_json(
    found: Mutation, cases: int, policy: Policy, fail_under: int | None
) -> dict[str, Any]:
    """The stable form."""
    return {
        "schema": "tidegate.mutation/1",
        "cases": cases,
        "noticed": found.noticed,
        "total": found.total,
        "equivalent": found.equivalent,
        "percent": found.percent,
        "fail_under": fail_under,
        "survivors": [
            {
                "event": survivor.mutant.event.name,
                "rules": list(survivor.mutant.rules),
                "sort": survivor.mutant.sort,
                **_at(survivor.mutant.span, policy),
                "before": survivor.mutant.before,
                "after": survivor.mutant.after,
                "suggestion": _suggestion_json(survivor.suggestion),
            }
            for survivor in found.survivors
        ],
    }


def _suggestion_json(suggestion: Suggestion | None) -> dict[str, str] | None:
    return None if suggestion is None else {"like": suggestion.like, "change": suggestion.change}


def _at(span: Span, policy: Policy) -> dict[str, Any]:
    source = policy.sources.get(span.path)
    line, column = source.position(span.start) if source else (0, 0)
    return {"file": span.path, "line": line, "column": column}


def _place(span: Span, policy: Policy, folder: Path) -> str:
    """File and line; of a shipped library, whose text is not the folder's, the file alone."""
    file, line = from_here(folder / span.path), _at(span, policy)["line"]
    return f"{file}:{line}" if line else file
