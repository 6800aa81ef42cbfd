"""Which class a vector belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Literal

from tests.conformance.evaluation import (
    Compiled,
    Refused,
    answer,
    compiled,
    situation_of,
    text_of,
    wanted,
)
from tests.conformance.translation import NotExpressibleError, Question, expected, translate
from tests.conformance.vectors import Vector
from tidegate.dsl.types import Value

Class = Literal["agrees", "diverges", "must not compile", "not expressible", "without a class"]
CLASSES: tuple[Class, ...] = ("agrees", "diverges", "must not compile", "not expressible")
COPIES = 3
"""How often each row stands in the shuffled batch of its shape."""


@dataclass(frozen=True)
class Classified:
    """A vector with its class, and why: the construct, the reason or what went wrong."""

    vector: Vector
    class_: Class
    why: str = ""


@dataclass(frozen=True)
class _Asked:
    """A vector that compiled: what was asked, lifted too, and the wanted answer."""

    vector: Vector
    lifted: Question
    value: Value | None
    wanted: str
    written: frozenset[str]


def classify(
    vectors: Iterable[Vector], reasons: Mapping[str, Sequence[str]], rng: Random
) -> list[Classified]:
    """Every vector in exactly one class; `reasons` holds patterns of ids by reason."""
    found: list[Classified] = []
    shapes: dict[str, list[_Asked]] = defaultdict(list)
    for vector in vectors:
        asked = _ask(vector)
        if isinstance(asked, _Asked):
            shapes[text_of(asked.lifted)].append(asked)
        else:
            found.append(_judged(*asked, reasons))
    for text, group in shapes.items():
        found += [_judged(*one, reasons) for one in _in_batch(text, group, rng)]
    return found


def _ask(vector: Vector) -> _Asked | tuple[Vector, Class, str]:
    """The answers as written, or the class that needs none."""
    try:
        written = translate(vector, lifted=False)
        policy = compiled(text_of(written))
        if isinstance(policy, Refused):
            refused = vector.may_fail or vector.value[0] == "null"
            first = policy.problems[0]
            why = f"{first.code} {first.message}"
            return vector, "must not compile" if refused else "without a class", why
        lifted = translate(vector, lifted=True)
        value = None if vector.may_fail else expected(vector, written.kind)
    except NotExpressibleError as construct:
        return vector, "not expressible", str(construct)
    rows = policy.answers([situation_of(policy, written, value)])
    answers = frozenset(answer(policy, written, row[0]) for row in rows)
    right = "null" if vector.may_fail else wanted(written, value)
    return _Asked(vector, lifted, value, right, answers)


def _in_batch(
    text: str, group: Sequence[_Asked], rng: Random
) -> Iterable[tuple[Vector, Class, str]]:
    """The vectors of one shape, lifted: each alone, and all of them shuffled in one batch."""
    policy = compiled(text)
    if isinstance(policy, Refused):
        first = policy.problems[0]
        for one in group:
            yield one.vector, "without a class", f"lifted: {first.code} {first.message}"
        return
    order = list(range(len(group))) * COPIES
    rng.shuffle(order)
    found = [set(one.written) | _alone(policy, one) for one in group]
    situations = [situation_of(policy, group[i].lifted, group[i].value) for i in order]
    for rows in policy.answers(situations):
        for i, row in zip(order, rows, strict=True):
            found[i].add(answer(policy, group[i].lifted, row))
    for one, answers in zip(group, found, strict=True):
        agrees = answers == {one.wanted}
        said = f"{' and '.join(sorted(answers))} where {one.wanted} is expected"
        yield one.vector, "agrees" if agrees else "without a class", "" if agrees else said


def _alone(policy: Compiled, one: _Asked) -> set[str]:
    rows = policy.answers([situation_of(policy, one.lifted, one.value)])
    return {answer(policy, one.lifted, row[0]) for row in rows}


def _judged(
    vector: Vector, class_: Class, why: str, reasons: Mapping[str, Sequence[str]]
) -> Classified:
    """What has no class diverges where a reason is listed for it."""
    if class_ == "without a class":
        for reason, patterns in reasons.items():
            if any(fnmatchcase(vector.id, pattern) for pattern in patterns):
                return Classified(vector, "diverges", reason)
    return Classified(vector, class_, why)


def unneeded(classified: Iterable[Classified], reasons: Mapping[str, Sequence[str]]) -> list[str]:
    """Patterns of divergences that no vector needs any more."""
    diverging = [one.vector.id for one in classified if one.class_ == "diverges"]
    return [
        f"{pattern} ({reason})"
        for reason, patterns in reasons.items()
        for pattern in patterns
        if not any(fnmatchcase(id_, pattern) for id_ in diverging)
    ]
