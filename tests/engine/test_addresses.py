"""Networks of a policy and the addresses of its events."""

from __future__ import annotations

import pytest

from tests.engine.small_policy import policy_of
from tidegate.engine import Engine

POLICY = """
policy addresses language 1 currency EUR timezone "Europe/Paris"
event visit decided by default approve
  silent review
  id text key
  at time
  place ip
"""


@pytest.mark.parametrize(("network", "inside", "outside"), [
    ("::/64", "::1", "1.2.3.4"),
    ("::/0", "2001:db8::1", "1.2.3.4"),
    ("::/0", "::1:0:0:0", "255.255.255.255"),
    ("::fffe:0:0/95", "::fffe:0:1", "1.2.3.4"),
    ("0.0.0.0/0", "255.255.255.255", "::1"),
    ("10.0.0.0/8", "::ffff:10.1.2.3", "11.0.0.0"),
    ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
])  # fmt: skip
def test_a_network_holds_addresses_of_its_own_version(
    network: str, inside: str, outside: str
) -> None:
    """`::/64` would match every IPv4 address, for where these are held among the others."""
    engine = Engine(policy_of(f"{POLICY} rule r version 1 when place in {network} then hold"))

    def disposition(address: str) -> str:
        body = {"id": "v-1", "at": "2026-11-23T10:00:00Z", "place": address}
        return engine.decide(body).outcome.disposition

    assert (disposition(inside), disposition(outside)) == ("hold", "approve")
