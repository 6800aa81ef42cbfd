"""Who may what: the grants of a policy, asked for one verb and, where there is one, one event.

Default deny. A grant with `on` holds for those events alone; its condition reads the event's own
fields. `never` beats `may`, of whichever grant it is. What cannot be known (a field that is
missing, an event that was not given) never allows: a `may` needs its scope to be true, a `never`
holds unless every scope of it is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tidegate.dsl.lists import Lists
from tidegate.dsl.program import Expression, Grant, Program
from tidegate.dsl.types import Value
from tidegate.engine.interpreter import Reader, truth

World = Literal["client", "person"]
"""Machines and people; a grant to a `role` is for people."""
Why = Literal["granted", "not_granted", "never", "out_of_scope"]
"""`not_granted`: no grant names the verb. `never`: one forbids it here. `out_of_scope`: the verb is
granted, but not for this event or these values."""

UNSAID: frozenset[str] = frozenset({"outcome"})
"""What an answer shows to those whose grant says no `sees`."""
NOTHING: frozenset[str] = frozenset()
NO_LISTS: Lists = {}


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether a verb is allowed, why, and which parts of an answer may be shown.

    `sees` joins what the grants that allow it see; empty where nothing is allowed.
    """

    allowed: bool
    why: Why
    sees: frozenset[str] = NOTHING


@dataclass(frozen=True, slots=True)
class _Relevant:
    """The grants to one caller that speak of one verb."""

    may: tuple[Grant, ...]
    never: tuple[Grant, ...]


@dataclass(frozen=True)
class Grants:
    """The grants of one policy. What a caller's names bring together is looked up once."""

    grants: tuple[Grant, ...]
    _relevant: dict[tuple[World, frozenset[str], str], _Relevant] = field(
        default_factory=dict, repr=False, compare=False
    )

    def permission(
        self,
        world: World,
        names: frozenset[str],
        verb: str,
        event: str | None = None,
        *,
        values: Mapping[str, Value | None] | None = None,
        lists: Lists = NO_LISTS,
    ) -> Permission:
        """Whether a caller may do `verb`, to an event of type `event` with `values`.

        `names`: the client's name, or a person's roles. `values`: as admitted, by field; None
        where only the type is known: then a scope with a condition is unknown. `lists` are those
        that conditions read; a list that is not in there cannot be read.
        """
        relevant = self._speaking_of(world, names, verb)
        if not relevant.may:
            return Permission(False, "not_granted")
        reader = None if values is None else Reader(values, lists)
        for grant in relevant.never:
            if _holds(grant, event, reader) is not False:
                return Permission(False, "never")
        allowing = [grant for grant in relevant.may if _holds(grant, event, reader)]
        if not allowing:
            return Permission(False, "out_of_scope")
        return Permission(
            True, "granted", frozenset().union(*(grant.sees or UNSAID for grant in allowing))
        )

    def may_somewhere(self, world: World, names: frozenset[str], verb: str) -> bool:
        """Whether some event could exist for which `verb` is allowed: asked before a body is read.

        False only where `permission` denies whatever the event and its values are.
        """
        relevant = self._speaking_of(world, names, verb)
        return bool(relevant.may) and all(grant.on for grant in relevant.never)

    def _speaking_of(self, world: World, names: frozenset[str], verb: str) -> _Relevant:
        found = self._relevant.get((world, names, verb))
        if found is None:
            found = _relevant_to(self.grants, world, names, verb)
            # Names come from signed tokens, but a stranger's issuer may invent many.
            if len(self._relevant) < 10_000:
                self._relevant[world, names, verb] = found
        return found


def grants_of(program: Program) -> Grants:
    """The grants of a policy, ready to be asked many times."""
    return Grants(program.grants)


def permission(
    program: Program,
    world: World,
    names: Iterable[str],
    verb: str,
    event: str | None = None,
    *,
    values: Mapping[str, Value | None] | None = None,
    lists: Lists = NO_LISTS,
) -> Permission:
    """Asked once; `Grants.permission` says the rest."""
    return grants_of(program).permission(
        world, frozenset(names), verb, event, values=values, lists=lists
    )


def _relevant_to(
    grants: Iterable[Grant], world: World, names: frozenset[str], verb: str
) -> _Relevant:
    spoken_of = "client" if world == "client" else "role"
    own = [grant for grant in grants if grant.world == spoken_of and grant.name in names]
    return _Relevant(
        tuple(grant for grant in own if verb in grant.may),
        tuple(grant for grant in own if verb in grant.never),
    )


def _holds(grant: Grant, event: str | None, reader: Reader | None) -> bool | None:
    """Whether the grant is about this event; None is unknown."""
    if not grant.on:
        return True
    if event is None:
        return None
    unknown = False
    for scope in grant.on:
        if scope.event != event:
            continue
        holds = _is_true(scope.when, reader)
        if holds:
            return True
        unknown |= holds is None
    return None if unknown else False


def _is_true(when: Expression | None, reader: Reader | None) -> bool | None:
    if when is None:
        return True
    return None if reader is None else truth(when, reader)
