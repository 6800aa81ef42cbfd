"""A small policy folder with a list of every kind and rates, to be broken one file at a time."""

from pathlib import Path

import pytest

POLICY = """
policy shop language 1
  "Card payments"
  currency EUR
  timezone "Europe/Paris"
  rates "rates/ecb.csv"

event payment decided by default approve
  "A payment"
  silent   review
  id       text key
  at       time
  amount   money max 10000 EUR
  card     token
  home     country
  address  ip

list blocked of token   from "lists/blocked.csv"
list allowed of country from "lists/allowed.csv"
list risky   of ip      from "lists/risky.csv"
list trusted of token managed

reason blocked "The card is on the block list" message "We could not accept this card."
"""

RULES = """
rule blocked_card version 1
  mandatory
  when card in blocked
  then decline because blocked

rule risky_address version 1
  when address in risky and not (home in allowed)
  then review because blocked

rule stranger version 1
  when not (card in trusted) and amount > 500 EUR
  then review because blocked
  if unknown then skip
"""

FILES = {
    "policy.tide": POLICY,
    "rules.tide": RULES,
    "lists/blocked.csv": "value\ntok_stolen\n",
    "lists/allowed.csv": "FR\nDE\n",
    "lists/risky.csv": "value\n192.0.2.0/24\n2001:db8::/32\n",
    "rates/ecb.csv": "date,currency,rate\n2026-01-02,USD,1.1712\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder that loads without a finding."""
    root = tmp_path / "shop"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return root
