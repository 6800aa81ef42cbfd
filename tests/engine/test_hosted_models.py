"""An engine whose models are scored elsewhere: every decision gets its answer, whatever they do."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from tests.conftest import ROOT
from tests.engine.small_policy import SmallPolicy, policy_of
from tests.models.test_host import LONG_US, QUICK
from tidegate.dsl.types import MONEY
from tidegate.engine import Engine
from tidegate.models.host import HostedModel, ModelHost, Reason, Shape, hosted
from tidegate.models.hosting.system_calls import ALLOWED
from tidegate.models.portable import Input, LinearTerm, PortableModel
from tidegate.models.reading import write_model
from tidegate.rules.models import LoadedModel

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="hosts need Linux")

POLICY = """
policy shop language 1 currency EUR timezone "UTC"
event payment decided by default approve
  silent review
  id text key
  at time
  amount money max 100000 EUR
reason risky "A high score" message "Please confirm."
reason no_score "No score" message "We are checking this payment."
model trees version 1
  from "models/trees"
  reads amount
  score tree_score
  use payment
  may hold, review
  within {within}
  if unavailable then review because no_score
rule risky version 1
  when tree_score >= 0.5
  then hold because risky
"""
MODEL = PortableModel(
    name="trees",
    version=1,
    family="logistic_regression",
    link="logit",
    inputs=(Input("amount", MONEY, "EUR", low=0, high=1_000_000),),
    base=-(10**9),
    terms=(LinearTerm(0, 100_000.0, 0.0),),
)


def policy(within: str) -> SmallPolicy:
    """The policy with its model, which is waited for so long."""
    content = write_model(MODEL)
    loaded = LoadedModel(MODEL, hashlib.sha256(content).hexdigest())
    return replace(policy_of(POLICY.format(within=within)), models={"trees": loaded})


def body(amount: str) -> dict[str, object]:
    """A payment."""
    return {"id": "p-1", "at": "2026-11-23T14:00:00Z", "amount": amount}


def test_the_wall_changes_no_decision() -> None:
    """A record would differ by where the model was scored."""
    shop = policy("60s")
    with ModelHost([hosted(MODEL)]) as host:
        assert host.wait_ready(60)
        walled, plain = Engine(shop, scorer=host), Engine(shop)
        for amount in ("1.00 EUR", "99.99 EUR", "100.00 EUR", "5000.00 EUR", "20000.00 EUR"):
            decision = walled.decide(body(amount))
            assert decision.record_bytes == plain.decide(body(amount)).record_bytes
            assert walled.replay(decision.record).identical


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("hangs", "late"), ("dies", "crashed"), ("raises", "crashed"), ("floods", "bad_answer"),
     ("says_nan", "bad_answer"), ("does_not_sum", "bad_answer")],
)  # fmt: skip
def test_a_model_that_fails_leaves_the_decision_standing(fault: str, reason: str) -> None:
    """A payment would wait, or get no answer, because a model is broken."""
    broken = HostedModel(
        "trees", fault.encode(), Shape(-20, 3), "tests.models.faulty:load", (str(ROOT),)
    )
    shop = policy("100ms" if reason == "late" else "60s")
    with ModelHost([broken], replace(QUICK, grace_us=LONG_US)) as host:
        assert host.wait_ready(60)
        engine = Engine(shop, scorer=host)
        decision = engine.decide(body("5000.00 EUR"))
        assert (decision.outcome.word, decision.outcome.review) == ("approve", "after")
        assert decision.outcome.reasons == ("no_score",)
        assert f'"{reason}"'.encode() in decision.record_bytes
        assert engine.replay(decision.record).identical


def test_the_examples_of_the_page_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who copies one would get an error, or read a figure that is not true."""
    page = (ROOT / "docs" / "model-isolation.md").read_text(encoding="utf-8")
    assert f"lists the {len(ALLOWED)} system calls" in page
    assert all(f"`{reason}`" in page for reason in get_args(Reason))
    example, foreign = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.setattr("tidegate.load_policy", lambda _: policy("60s"))
    names: dict[str, object] = {}
    exec(example, names)
    assert isinstance(names["host"], ModelHost)
    monkeypatch.setattr(Path, "read_bytes", lambda _: b"")
    exec(foreign, names)
    vendors = names["host"]
    assert isinstance(vendors, ModelHost)
    vendors.close()
