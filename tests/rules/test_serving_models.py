"""From the registry to a policy that serves: the version that was approved, or none."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.models.registry_samples import BEN, NAME, OLA, PEOPLE, active_folder, at_us, done
from tidegate.models.registry import serving_version
from tidegate.models.serving import DeclaredModel, ServingModels
from tidegate.rules.loading import load_policy
from tidegate.rules.models import LoadedModel, StoppedModel

POLICY = """
policy shop language 1
  "Payments of a shop"
  currency EUR
  timezone "Europe/Paris"

event payment decided by default approve
  "A payment"
  silent  review
  id      text key
  at      time
  tries   count max 1000

reason no_score "The model gives no score"
reason risky "The model finds this unusual"

model boosting version 2
  "What payments usually look like"
  from "models/boosting"
  reads tries
  score risk
  use payment
  may review
  if unavailable then review because no_score

rule risky_payment version 1
  "Look at what the model finds unusual"
  when risk >= 0.9
  then review because risky
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Give a policy whose model has two versions, the second one active."""
    (tmp_path / "policy.tide").write_text(POLICY)
    active_folder(tmp_path / "models", 1, 2)
    return tmp_path


def served(policy: Path) -> LoadedModel | StoppedModel:
    """Give what a service that starts has of the model."""
    loaded = load_policy(policy, serving=partial(serving_version, people=PEOPLE))
    return loaded.models["boosting"]


def test_the_active_version_is_loaded(policy: Path) -> None:
    """The policy's own number would decide, and a rollback change nothing."""
    model = served(policy)
    assert isinstance(model, LoadedModel)
    assert model.portable.version == 2
    assert model.validated_until_us == at_us("2027-06-30T00:00:00Z")
    done(policy / "models" / NAME, OLA, "rollback")
    model = served(policy)
    assert isinstance(model, LoadedModel)
    assert model.portable.version == 1


def test_a_newer_version_waits_for_the_policy(policy: Path) -> None:
    """A model would come into a policy whose author never saw it."""
    path = policy / "policy.tide"
    path.write_text(path.read_text().replace("boosting version 2", "boosting version 1"))
    model = served(policy)
    assert isinstance(model, StoppedModel)
    assert model.reason == "newer_than_declared"


@pytest.mark.parametrize("name", ["2/model.json", "2/card.json", "log.jsonl"])
def test_a_changed_byte_serves_nothing_at_the_start(policy: Path, name: str) -> None:
    """Something that nobody approved would decide."""
    path = policy / "models" / NAME / name
    content = path.read_bytes()
    path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    model = served(policy)
    assert isinstance(model, StoppedModel)
    assert model.reason == "refused"


def test_a_stopped_model_is_loaded_as_stopped(policy: Path) -> None:
    """The stop would not reach the policy."""
    done(policy / "models" / NAME, OLA, "disable")
    model = served(policy)
    assert isinstance(model, StoppedModel)
    assert "`ola` disabled the model" in model.said


def test_a_service_loads_what_its_snapshot_has(policy: Path) -> None:
    """A service would take a broken version with its next policy."""
    folder = policy / "models" / NAME
    models = ServingModels({"boosting": DeclaredModel(folder, 2)})
    models.refresh(PEOPLE)
    (folder / "2" / "model.json").write_text("{}")
    assert models.refresh(PEOPLE).problems.keys() == {"boosting"}
    model = load_policy(policy, serving=models.answer).models["boosting"]
    assert isinstance(model, LoadedModel)
    assert model.portable.version == 2
    path = policy / "policy.tide"
    path.write_text(path.read_text().replace("boosting version 2", "boosting version 1"))
    stopped = load_policy(policy, serving=models.answer).models["boosting"]
    assert isinstance(stopped, StoppedModel)
    assert stopped.reason == "newer_than_declared"
    with pytest.raises(KeyError):
        models.answer(policy, 2)


def test_a_withdrawn_version_is_never_loaded(policy: Path) -> None:
    """What was taken back would serve after a rollback."""
    folder = policy / "models" / NAME
    done(folder, BEN, "withdraw", 1)
    model = served(policy)
    assert isinstance(model, LoadedModel)
    assert model.portable.version == 2
