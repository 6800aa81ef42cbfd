"""The access table: every route held against every sort of caller."""

from __future__ import annotations

import pytest

from tidegate.dsl.grant_checks import MACHINE_VERBS, PEOPLE_VERBS
from tidegate.dsl.program import Grant, GrantScope
from tidegate.dsl.source import NOWHERE
from tidegate.engine.grants import Grants, World
from tidegate.service.access import (
    ACCESS,
    BOTH,
    CLIENTS,
    Access,
    access_table,
    check_caller,
    check_grant,
    table_faults,
)
from tidegate.service.callers import Caller
from tidegate.service.problems import ProblemError
from tidegate.service.security_events import (
    AccessDenied,
    BadToken,
    CredentialSharing,
    RateLimited,
    SecurityEvent,
    SensitiveDataRefused,
    SharingWatch,
    event_of,
)

NONE: frozenset[str] = frozenset()
VERBS = sorted(MACHINE_VERBS | PEOPLE_VERBS)
SCOPES = frozenset({*VERBS, "watch"})


def grant(world: World, name: str, *verbs: str, never: str = "", event: str = "") -> Grant:
    """A grant of verbs to a client or a role."""
    on = (GrantScope(event, None),) if event else ()
    taken = frozenset({never} - {""})
    return Grant(
        "client" if world == "client" else "role", name, frozenset(verbs), taken, on, NONE, NOWHERE
    )


ALL = Grants((grant("client", "all", *VERBS), grant("person", "all", *VERBS)))


def code(access: Access, caller: Caller, grants: Grants) -> str:
    """The code of the refusal; empty where the caller may."""
    try:
        check_caller(access, caller, grants)
        if access.verb:
            check_grant(access, caller, grants, "payment")
    except ProblemError as refusal:
        return refusal.problem.code
    return ""


@pytest.mark.parametrize("access", ACCESS, ids=lambda access: access.route)
@pytest.mark.parametrize("world", ["client", "person"])
@pytest.mark.parametrize("scoped", [True, False])
@pytest.mark.parametrize("granted", [True, False])
def test_every_route_with_every_caller(
    access: Access, world: World, *, scoped: bool, granted: bool
) -> None:
    """Somebody would come in by a route that is not theirs."""
    name = "all" if granted else "nobody"
    caller = Caller(
        world, name, frozenset({name}) if world == "person" else NONE, SCOPES if scoped else NONE
    )
    if access.open:
        expected = ""
    elif world not in access.worlds:
        expected = "human_identity" if world == "person" else "machine_identity"
    elif not scoped:
        expected = "insufficient_scope"
    elif access.verb and not granted:
        expected = "not_granted"
    else:
        expected = ""
    assert code(access, caller, ALL) == expected


def test_verbs_are_those_of_the_language_and_of_the_world() -> None:
    """A route would ask for a verb that no policy can grant."""
    for access in ACCESS:
        if access.verb:
            for world in access.worlds:
                assert access.verb in (MACHINE_VERBS if world == "client" else PEOPLE_VERBS)


def test_only_these_are_open() -> None:
    """A route would serve strangers."""
    assert {access.path for access in ACCESS if access.open} == {
        "/livez", "/oauth/token", "/oauth/jwks.json"
    }  # fmt: skip


def test_the_event_is_looked_at() -> None:
    """A client would decide events that it was granted nothing about."""
    decide = access_table().of("POST", "/v1/decisions/{event}")
    caller = Caller("client", "shop", scopes=SCOPES)
    assert code(decide, caller, Grants((grant("client", "shop", "decide", event="payment"),))) == ""
    refund = Grants((grant("client", "shop", "decide", event="refund"),))
    assert code(decide, caller, refund) == "out_of_grant"
    taken = Grants((grant("client", "shop", "decide", never="decide"),))
    assert code(decide, caller, taken) == "not_granted"


def test_faults_of_the_table_are_named() -> None:
    """A route would be served that nobody decided about."""
    table = access_table([Access("GET", "/a", CLIENTS, "decide")])
    assert table_faults([("GET", "/a")], table) == ()
    assert table_faults([("GET", "/b")], table) == (
        "GET /b is served and not in the table",
        "GET /a is in the table and not served",
    )
    with pytest.raises(KeyError):
        table.of("POST", "/a")
    with pytest.raises(ValueError, match="twice"):
        access_table([Access("GET", "/a", CLIENTS, "decide")] * 2)
    with pytest.raises(ValueError, match="no scope"):
        access_table([Access("GET", "/a", BOTH)])


def problem_of(access: Access, caller: Caller) -> SecurityEvent | None:
    """The event of a refusal."""
    with pytest.raises(ProblemError) as caught:
        check_caller(access, caller, ALL)
    return event_of(caught.value.problem, access.route, caller)


def test_refusals_become_events() -> None:
    """Nobody would see that somebody knocks at doors."""
    from tidegate.service.door import Door
    from tidegate.service.problems import Problem

    route = access_table().of("GET", "/v1/cases")
    machine = Caller("client", "all", scopes=SCOPES)
    assert problem_of(route, machine) == AccessDenied(
        "GET /v1/cases", "client:all", "machine_identity"
    )
    assert event_of(Problem("bad_signature"), "r", None) == BadToken("r", "bad_signature")
    assert event_of(Problem("rate_limited"), "r", machine) == RateLimited("r", "client:all")
    assert event_of(Problem("bad_json"), "r", machine) is None
    with pytest.raises(ProblemError) as caught:
        Door().read_body(b'{"note":"4111111111111111"}')
    assert event_of(caught.value.problem, "r", None) == SensitiveDataRefused(
        "r", "unknown", (("card_number", "note"),)
    )


def test_credentials_in_two_hands_are_noticed_once() -> None:
    """A certificate or a token that was copied would be used unseen."""
    events: list[SecurityEvent] = []
    watch = SharingWatch(events.append, most=100)
    shop, other = Caller("client", "shop"), Caller("person", "shop")
    bound = Caller("client", "bound", thumbprint="c2")
    for _ in range(3):
        watch.see(shop, b"t1", "c1")
        watch.see(bound, b"t2", "c2")
        watch.see(shop, b"t1", "")
    assert events == []
    for _ in range(3):
        watch.see(other, b"t3", "c1")
    assert events == [CredentialSharing("certificate", ("client:shop", "person:shop"))]
    watch.see(shop, b"t1", "c9")
    assert events[1:] == [CredentialSharing("token", ("client:shop", "client:shop"))]
    for number in range(1_000):
        watch.see(Caller("client", f"n{number}"), b"%d" % number, f"x{number}")
    assert len(watch._owners) <= 100
    assert len(watch._certificates) <= 100
