"""Grants: the compiled answer against twenty lines by the book, on generated grants."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

from tests.engine.nodes import compare, constant, field_input
from tests.engine.small_policy import policy_of
from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import Grant, GrantScope
from tidegate.dsl.source import NOWHERE
from tidegate.dsl.types import COUNT, Value
from tidegate.engine.grants import Grants, Permission, World, grants_of, permission

VERBS = ("decide", "read_decisions", "snooze")
EVENTS = ("payment", "refund")
NAMES = ("a", "b", "c")
SIZE = field_input("size", COUNT, optional=True)


def by_the_book(
    grants: tuple[Grant, ...], world: World, names: frozenset[str], verb: str,
    event: str | None, *, size: int | None, known: bool,
) -> tuple[bool, frozenset[str]]:  # fmt: skip
    """Default deny, `never` beats `may`, unknown is denied."""
    allowed, sees = False, set[str]()
    for grant in grants:
        if grant.name not in names or (grant.world == "client") != (world == "client"):
            continue
        applies: bool | None = not grant.on
        for scope in grant.on:
            if event is None:
                here = None
            elif scope.event != event:
                here = False
            elif scope.when is None:
                here = True
            else:
                here = None if size is None or not known else size < scope.when.right.value  # type: ignore[attr-defined]
            applies = (
                True if True in {applies, here} else None if None in {applies, here} else False
            )
        if verb in grant.never and applies is not False:
            return False, frozenset()
        if verb in grant.may and applies:
            allowed, sees = True, sees | (grant.sees or {"outcome"})
    return allowed, frozenset(sees)


def some_grant(chance: random.Random) -> Grant:
    """A grant with up to three scopes."""
    scopes = tuple(
        GrantScope(
            chance.choice(EVENTS),
            None
            if chance.random() < 0.3
            else compare("<", SIZE, constant(COUNT, chance.randint(0, 9))),
        )
        for _ in range(chance.choice((0, 0, 1, 2, 3)))
    )
    return Grant(
        world=chance.choice(("client", "role")),
        name=chance.choice(NAMES),
        may=frozenset(chance.sample(VERBS, chance.randint(0, 3))),
        never=frozenset(chance.sample(VERBS, chance.choice((0, 0, 0, 1)))),
        on=scopes,
        sees=frozenset(chance.sample(("outcome", "reasons", "record"), chance.randint(0, 2))),
        span=NOWHERE,
    )


def test_agrees_with_the_book() -> None:
    """Somebody would be let in, or kept out, that the language says otherwise of."""
    chance = random.Random(6)
    seen: Counter[str] = Counter()
    for _ in range(6_000):
        grants = tuple(some_grant(chance) for _ in range(chance.randint(0, 5)))
        asked = Grants(grants)
        for _ in range(5):
            world: World = chance.choice(("client", "person"))
            names = frozenset(chance.sample(NAMES, chance.randint(0, 3)))
            verb, event = chance.choice(VERBS), chance.choice((*EVENTS, None))
            size, known = chance.choice((None, *range(10))), chance.random() < 0.8
            values: Mapping[str, Value | None] | None = {"size": size} if known else None

            found = asked.permission(world, names, verb, event, values=values)

            expected = by_the_book(grants, world, names, verb, event, size=size, known=known)
            assert (found.allowed, found.sees) == expected, (grants, world, names, verb, event)
            assert found.allowed == (found.why == "granted")
            if found.allowed:
                assert asked.may_somewhere(world, names, verb)
            if not asked.may_somewhere(world, names, verb):
                assert not found.allowed
            seen[found.why, event is None] += 1  # type: ignore[index]
    assert min(seen.values()) > 20
    assert len(seen) == 8


POLICY = """
policy shop
  language 1
  currency EUR
  timezone "UTC"

event payment decided by default approve silent review
  id     text key
  at     time
  amount money max 100000 EUR
  shop   text?

list trusted of text managed

grant client checkout
  may decide, report_step_up
  on payment when amount <= 5000 EUR
  sees outcome, reasons

grant client partner
  may decide
  on payment when shop in trusted

grant role risk_analyst
  may author_release, view_simulation

grant role approver
  may approve_release, view_simulation, review_cases
  never author_release
"""


def ask(world: World, names: set[str], verb: str, **values: Value | None) -> Permission:
    """Ask the policy above, with values of an event where there are any."""
    program = policy_of(POLICY).program
    lists = {"trusted": ListContent(frozenset({"good"}))}
    if not values:
        return permission(program, world, names, verb)
    return permission(program, world, names, verb, "payment", values=values, lists=lists)


def test_a_policy_grants_what_it_says() -> None:
    """The grants of a policy's text would not be those that are asked."""
    assert ask("client", {"checkout"}, "decide", amount=500_000) == Permission(
        True, "granted", frozenset({"outcome", "reasons"})
    )
    assert ask("client", {"checkout"}, "decide", amount=500_001).why == "out_of_scope"
    assert ask("client", {"checkout"}, "decide", amount=None).why == "out_of_scope"
    assert ask("client", {"checkout"}, "send_events", amount=1).why == "not_granted"
    assert ask("client", {"other"}, "decide", amount=1).why == "not_granted"
    assert ask("person", {"checkout"}, "decide", amount=1).why == "not_granted"
    assert ask("client", {"partner"}, "decide", amount=1, shop="good").sees == {"outcome"}
    assert not ask("client", {"partner"}, "decide", amount=1, shop="bad").allowed


def test_one_role_takes_away_what_another_gives() -> None:
    """Whoever has both roles would approve releases of their own."""
    assert ask("person", {"risk_analyst"}, "author_release").allowed
    assert ask("person", {"risk_analyst", "approver"}, "author_release").why == "never"
    assert ask("person", {"risk_analyst", "approver"}, "approve_release").allowed


def test_a_list_that_cannot_be_read_grants_nothing() -> None:
    """A partner would be let in while nobody knows who is trusted."""
    grants = grants_of(policy_of(POLICY).program)
    names = frozenset({"partner"})
    for lists in ({}, {"trusted": None}):
        asked = grants.permission(
            "client", names, "decide", "payment", values={"shop": "good"}, lists=lists
        )
        assert asked.why == "out_of_scope"


def test_it_remembers_few_callers() -> None:
    """Tokens with ever new roles would fill the memory."""
    grants = Grants(())
    for number in range(11_000):
        grants.permission("person", frozenset({str(number)}), "stop")
    assert len(grants._relevant) <= 10_000
