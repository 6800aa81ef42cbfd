"""Which rules act for an event."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from tests.engine.builders import ALWAYS, AT_US, bits_of, does, hold, policy, rule, situation_of
from tidegate.dsl.program import Program, Rollout, Rule
from tidegate.engine.situation import Standing
from tidegate.engine.standing import in_share, roster, standing


def plain(name: str = "r", **rest: Any) -> Rule:
    """A rule that always holds."""
    return rule(name, ALWAYS, does(hold()), **rest)


def stands(program: Program, **values: Any) -> Standing:
    """The standing of the program's rules for one payment."""
    return standing(program.events[0], situation_of(program, **values))


def rollout(share: int, field: str = "card", wave: str = "wave1") -> Rollout:
    """Live for that many millionths of the keys."""
    return Rollout(share, field, wave)


def test_the_share_is_that_of_the_hash() -> None:
    """A rollout would take other customers than the record and a second implementation say."""
    digest = sha256(b"wave1\x00c1").hexdigest()
    place = int(digest[:16], 16) * 10**6 >> 64
    assert not in_share(rollout(place), "c1")
    assert in_share(rollout(place + 1), "c1")


def test_the_ends_of_a_share() -> None:
    """Nobody would be somebody, or everybody not quite all."""
    keys = [f"c{i}" for i in range(2_000)]
    assert not any(in_share(rollout(0), key) for key in keys)
    assert all(in_share(rollout(10**6), key) for key in keys)
    assert not in_share(rollout(10**6), None)
    taken = sum(in_share(rollout(100_000), key) for key in keys)
    assert 150 < taken < 250
    assert any(
        in_share(rollout(500_000), key) != in_share(rollout(500_000, wave="wave2"), key)
        for key in keys
    )


def test_keys_that_are_not_text_are_taken_by_their_digits() -> None:
    """A rollout by a number would fail."""
    assert in_share(rollout(500_000), 42) == in_share(rollout(500_000), "42")


@pytest.mark.parametrize(
    ("from_us", "until_us", "acts"),
    [
        (None, None, True),
        (AT_US, None, True),
        (AT_US + 1, None, False),
        (None, AT_US, False),
        (None, AT_US + 1, True),
        (AT_US, AT_US + 1, True),
    ],
)
def test_dates_include_their_start_and_exclude_their_end(
    from_us: int | None, until_us: int | None, acts: bool
) -> None:
    """A rule would start or end an instant off."""
    program = policy(plain(from_us=from_us, until_us=until_us))
    assert stands(program) == Standing(live=int(acts), shadow=0)
    shadow = policy(plain(from_us=from_us, until_us=until_us, shadow=True))
    assert stands(shadow) == Standing(live=0, shadow=int(acts))


def test_an_expired_rule_still_acts() -> None:
    """A protection would vanish on the day somebody forgot to renew it."""
    assert stands(policy(plain(expires_us=1))) == Standing(live=1, shadow=0)


@pytest.mark.parametrize(
    ("newer", "live", "shadow"),
    [
        ({}, "r@2", "r@1"),
        ({"shadow": True}, "r@1", "r@2"),
        ({"until_us": AT_US}, "r@1", ""),
        ({"rollout": rollout(0)}, "r@1", "r@2"),
        ({"rollout": rollout(10**6)}, "r@2", "r@1"),
        ({"rollout": rollout(10**6, "email")}, "r@1", "r@2"),
    ],
)
def test_a_live_version_shadows_the_one_it_replaces(
    newer: dict[str, Any], live: str, shadow: str
) -> None:
    """Both versions would act, or neither."""
    program = policy(plain(), plain(version=2, replaces=1, **newer))
    assert stands(program) == Standing(bits_of(program, live), bits_of(program, shadow))


def test_a_replaced_version_stands_as_declared() -> None:
    """A version out of its dates or in the shadow would come alive when its successor rests."""
    program = policy(plain(until_us=AT_US), plain(version=2, replaces=1, shadow=True))
    assert stands(program) == Standing(0, bits_of(program, "r@2"))
    program = policy(plain(shadow=True), plain(version=2, replaces=1, rollout=rollout(0)))
    assert stands(program) == Standing(0, 0b11)
    program = policy(plain(until_us=AT_US), plain(version=2, replaces=1))
    assert stands(program) == Standing(bits_of(program, "r@2"), 0)


def test_replacement_goes_through_a_chain() -> None:
    """Versions 1 and 3 of one rule would act together where 3 replaces 2 and 2 replaces 1."""
    everybody, nobody = rollout(10**6), rollout(0)
    for second in (everybody, nobody):
        program = policy(
            plain(),
            plain(version=2, replaces=1, rollout=second),
            plain(version=3, replaces=2, rollout=everybody),
        )
        assert stands(program).live == bits_of(program, "r@3")
        assert stands(program).shadow == bits_of(program, "r@1", "r@2")


def test_a_replacement_knows_its_own_name_and_ends() -> None:
    """A version of another rule would be shadowed, or a circle would never end."""
    program = policy(plain("q"), plain("r", version=2, replaces=1), plain("s", replaces=1))
    assert stands(program) == Standing(0b111, 0)


def test_a_standing_that_no_event_changes_is_worked_out_once() -> None:
    """Every decision would pay for dates and shares that no rule has."""
    fixed = roster(policy(plain(), plain("s", shadow=True)).events[0]).fixed
    assert fixed == Standing(live=0b01, shadow=0b10)
    assert roster(policy(plain(rollout=rollout(5))).events[0]).fixed is None
