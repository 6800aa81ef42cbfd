"""Policy folders for tests, written from texts."""

from collections.abc import Mapping
from pathlib import Path

POLICY = """
policy shop language 1
  "Payments of a shop"
  currency EUR
  timezone "Europe/Paris"
  rates "rates.csv"

event payment decided by default approve
  "A payment"
  silent  review
  id      text key
  at      time
  amount  money max 10000 EUR
  card    token
  card_country country
  ip_address ip?
"""

RULES = """
list blocked of token from "lists/blocked.csv"
list near of country from "lists/near.csv"
list networks of ip from "lists/networks.csv"
list trusted of token managed

reason blocked "On the block list" message "We could not accept this card."
reason far "From far away" message "We are checking this payment."

rule blocked_card version 1
  mandatory
  when card in blocked
  then decline because blocked

rule far version 1
  when card_country not in near and amount > 100 EUR
  then review because far
  except when card in trusted

rule network version 1
  when ip_address in networks
  then review because far
  if unknown then skip
"""

FILES: Mapping[str, str] = {
    "policy.tide": POLICY,
    "rules/rules.tide": RULES,
    "rates.csv": "date,currency,rate\n2026-01-02,USD,1.25\n",
    "lists/blocked.csv": "value\ntok_1\ntok_2\n",
    "lists/near.csv": "FR\nDE\n",
    "lists/networks.csv": "value\n192.0.2.0/24\n2001:db8::/32\n203.0.113.7\n",
}


def write_policy(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """Write the policy below `folder`, some files otherwise; None leaves a file out."""
    for name, content in {**FILES, **(changes or {})}.items():
        if content is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
