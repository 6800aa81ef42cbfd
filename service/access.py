"""Who may use which route: one table, and the function that holds a caller against it.

A route that is not in the table serves nobody. First the world is looked at, then the token's
scope, then the grants of the policy; where the event is known they are asked again with its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidegate.dsl.lists import Lists
from tidegate.dsl.types import Value
from tidegate.engine.grants import NO_LISTS, Grants, Permission, World
from tidegate.service.callers import Caller
from tidegate.service.problems import refused

CLIENTS: frozenset[World] = frozenset({"client"})
PEOPLE: frozenset[World] = frozenset({"person"})
BOTH = CLIENTS | PEOPLE
NOBODY: frozenset[World] = frozenset()


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks of its caller.

    worlds: who may use it; empty where it is open and asks for no token. verb: what a grant of the
    policy has to allow; empty where the token's scope is enough. scope: what the token has to be
    for, the verb where nothing else is said.
    """

    method: str
    path: str
    worlds: frozenset[World]
    verb: str = ""
    scope: str = ""

    @property
    def route(self) -> str:
        """Method and path in one word, for events and metrics: no ids are in it."""
        return f"{self.method} {self.path}"

    @property
    def open(self) -> bool:
        """Whether it asks for no token."""
        return not self.worlds

    @property
    def needed_scope(self) -> str:
        """The scope that the token must have."""
        return self.scope or self.verb


ACCESS: tuple[Access, ...] = (
    Access("GET", "/livez", NOBODY),
    Access("POST", "/oauth/token", NOBODY),
    Access("GET", "/oauth/jwks.json", NOBODY),
    Access("GET", "/readyz", BOTH, scope="watch"),
    Access("GET", "/metrics", BOTH, scope="watch"),
    Access("GET", "/openapi.json", BOTH, scope="watch"),
    Access("POST", "/v1/decisions/{event}", CLIENTS, "decide"),
    Access("POST", "/v1/decisions", CLIENTS, "decide"),
    Access("GET", "/v1/decisions/{decision}", BOTH, "read_decisions"),
    Access("GET", "/v1/decisions/{decision}/explanation", BOTH, "read_decisions"),
    Access("POST", "/v1/decisions/{decision}/contest", BOTH, "read_decisions"),
    Access("POST", "/v1/events/{event}", CLIENTS, "send_events"),
    Access("POST", "/v1/labels", CLIENTS, "send_events"),
    Access("GET", "/v1/cases", PEOPLE, "review_cases"),
    Access("GET", "/v1/cases/{case}", PEOPLE, "review_cases"),
    Access("POST", "/v1/cases/{case}/claim", PEOPLE, "review_cases"),
    Access("POST", "/v1/cases/{case}/verdict", PEOPLE, "review_cases"),
    Access("GET", "/v1/lists", PEOPLE, "manage_lists"),
    Access("GET", "/v1/lists/{list}", PEOPLE, "manage_lists"),
    Access("POST", "/v1/lists/{list}/changes", PEOPLE, "manage_lists"),
    Access("GET", "/v1/snoozes", PEOPLE, "snooze"),
    Access("POST", "/v1/snoozes", PEOPLE, "snooze"),
    Access("DELETE", "/v1/snoozes/{snooze}", PEOPLE, "snooze"),
)
"""Every route of the service."""


@dataclass(frozen=True)
class AccessTable:
    """The table by method and path. Built at start; a route named twice is a mistake."""

    entries: Mapping[tuple[str, str], Access]

    def of(self, method: str, path: str) -> Access:
        """What the route with this path template asks; KeyError where the table lacks it."""
        return self.entries[method, path]


def access_table(entries: Iterable[Access] = ACCESS) -> AccessTable:
    """The table; ValueError where a route stands twice or asks for nothing of a token."""
    found: dict[tuple[str, str], Access] = {}
    for access in entries:
        if (access.method, access.path) in found:
            raise ValueError(f"{access.route} stands twice")
        if access.worlds and not access.needed_scope:
            raise ValueError(f"{access.route} asks for no scope")
        found[access.method, access.path] = access
    return AccessTable(found)


def table_faults(routes: Iterable[tuple[str, str]], table: AccessTable) -> tuple[str, ...]:
    """What is wrong between an app's routes (method, path template) and the table, in sentences."""
    served = set(routes)
    return (
        *(
            f"{m} {p} is served and not in the table"
            for m, p in sorted(served - set(table.entries))
        ),
        *(
            f"{m} {p} is in the table and not served"
            for m, p in sorted(set(table.entries) - served)
        ),
    )


def check_caller(access: Access, caller: Caller, grants: Grants) -> None:
    """Whether the caller may use the route at all: world, scope, and a grant that names its verb.

    Asked before a body is read. `ProblemError` with `machine_identity`, `human_identity`,
    `insufficient_scope` or `not_granted`.
    """
    if access.open:
        return
    if caller.world not in access.worlds:
        people = caller.world == "person"
        raise refused("human_identity" if people else "machine_identity")
    if access.needed_scope not in caller.scopes:
        raise refused("insufficient_scope", f"the scope `{access.needed_scope}` is needed")
    if access.verb and not grants.may_somewhere(caller.world, caller.names, access.verb):
        raise refused("not_granted", f"no grant allows `{access.verb}`")


def check_grant(
    access: Access,
    caller: Caller,
    grants: Grants,
    event: str | None = None,
    *,
    values: Mapping[str, Value | None] | None = None,
    lists: Lists = NO_LISTS,
) -> Permission:
    """What the policy grants for this event; `ProblemError` with `not_granted`, `out_of_grant`."""
    permission = grants.permission(
        caller.world, caller.names, access.verb, event, values=values, lists=lists
    )
    if not permission.allowed:
        outside = permission.why == "out_of_scope"
        raise refused("out_of_grant" if outside else "not_granted")
    return permission
