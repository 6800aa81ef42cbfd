"""From the registry to a policy that serves: the version that was approved, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.models.registry_samples import (
    ADA,
    BEN,
    NAME,
    OLA,
    PEOPLE,
    REGISTRY,
    ROWS,
    active_folder,
    at_us,
    done,
)
from tidegate import Engine, PeopleRefused, registry
from tidegate.dsl.diagnostics import render
from tidegate.models.people import key_text
from tidegate.models.registry import Serving, serving_version
from tidegate.models.serving import DeclaredModel, ServingModels
from tidegate.rules.loading import load_policy
from tidegate.rules.models import LoadedModel, StoppedModel

Golden = Callable[[str, str], None]

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


def test_a_model_whose_inputs_changed_gives_no_scores(policy: Path) -> None:
    """A count over other payments would be scored as the one that the model learnt from."""
    path = policy / "policy.tide"
    doubled = "let tries = attempts + attempts\n\nmodel boosting"
    text = path.read_text().replace("  tries   count", "  attempts count")
    path.write_text(text.replace("model boosting", doubled))
    model = served(policy)
    assert isinstance(model, StoppedModel)
    assert model.reason == "inputs_changed"
    assert model.said == ("version 2 learnt from other inputs: `tries` means something else now")


def test_a_card_that_tells_nothing_of_inputs_serves_nothing(policy: Path) -> None:
    """What the card cannot tell would count as unchanged."""
    answer = serving_version(policy / "models" / NAME, 2, PEOPLE)
    assert isinstance(answer, Serving)
    old = answer.card_json.replace(b"tidegate-card/2", b"tidegate-card/1")
    given = replace(answer, card_json=old)
    model = load_policy(policy, serving=lambda _folder, _version: given).models["boosting"]
    assert isinstance(model, StoppedModel)
    assert model.reason == "inputs_changed"
    assert "does not tell what its inputs meant" in model.said


def test_a_newer_version_waits_for_the_policy(policy: Path) -> None:
    """A model would come into a policy whose author never saw it."""
    path = policy / "policy.tide"
    path.write_text(path.read_text().replace("boosting version 2", "boosting version 1"))
    model = served(policy)
    assert isinstance(model, StoppedModel)
    assert model.reason == "newer_than_declared"


def flip(path: Path) -> None:
    """Change one bit of a file."""
    content = path.read_bytes()
    path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])


def test_a_changed_byte_of_the_log_serves_nothing_at_the_start(policy: Path) -> None:
    """Something that nobody approved would decide."""
    flip(policy / "models" / NAME / "log.jsonl")
    model = served(policy)
    assert isinstance(model, StoppedModel)
    assert model.reason == "refused"


@pytest.mark.parametrize("name", ["model.json", "card.json"])
def test_a_changed_byte_leaves_the_version_before(policy: Path, name: str, golden: Golden) -> None:
    """The same; or a broken file would switch the model off, and nobody would hear of it."""
    flip(policy / "models" / NAME / "2" / name)
    loaded = load_policy(policy, serving=registry(PEOPLE))
    model = loaded.models["boosting"]
    assert isinstance(model, LoadedModel)
    assert (model.portable.version, model.standing) == (1, "serving")
    told = [render(d, loaded.sources) for d in loaded.diagnostics if d.code == "TG766"]
    if name == "model.json":
        golden("rules/models_serving_though.txt", "\n".join(told) + "\n")
    assert len(told) == 1


# --- the short way -----------------------------------------------------------------------------


def people_file(path: Path) -> Path:
    """Write the people as a file."""
    rows = [
        f"  - {{name: {row.name}, roles: [{roles}], key: {key_text(row.key)}}}"
        for row in ROWS
        for roles in [", ".join(sorted(row.roles))]
    ]
    path.write_text(f"registry: {REGISTRY}\npeople:\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_file_of_people_is_enough(policy: Path, tmp_path: Path, elsewhere: bool) -> None:
    """Readers of people and of registries would have to be put together by hand."""
    beside = people_file(policy / "models" / "people.yaml")
    serving = registry(beside.rename(tmp_path / "kept.yaml")) if elsewhere else registry()
    payment = {"id": "p-1", "at": "2026-11-25T10:00:00Z", "tries": 3}
    decided = Engine(load_policy(policy, serving=serving)).decide(payment)
    assert decided.record.scored["boosting"].standing == "serving"
    assert "under work" not in str(decided.explain())
    done(policy / "models" / NAME, OLA, "disable")
    stopped = Engine(load_policy(policy, serving=serving)).decide(payment)
    assert stopped.record.missing["risk"] == "disabled"
    assert "score not read: boosting, for it gave no score (disabled)" in str(stopped.explain())


def test_what_serves_is_remembered(policy: Path) -> None:
    """A log that breaks would take the model from a service that loads its policy again."""
    serving = registry(PEOPLE)
    load_policy(policy, serving=serving)
    (policy / "models" / NAME / "log.jsonl").write_text("{}\n")
    loaded = load_policy(policy, serving=serving)
    model = loaded.models["boosting"]
    assert isinstance(model, LoadedModel)
    assert model.portable.version == 2
    assert [d.code for d in loaded.diagnostics if d.code.startswith("TG76")] == ["TG766"]
    again = load_policy(policy, serving=registry(PEOPLE)).models["boosting"]
    assert isinstance(again, StoppedModel)


def test_people_that_break_later_stop_nothing(policy: Path) -> None:
    """A slip of the pen in the people's file would take every model away."""
    people = people_file(policy / "models" / "people.yaml")
    serving = registry()
    load_policy(policy, serving=serving)
    people.write_text("people: 3")
    loaded = load_policy(policy, serving=serving)
    assert isinstance(loaded.models["boosting"], LoadedModel)
    assert [d.code for d in loaded.diagnostics if d.code.startswith("TG76")] == ["TG766"]


def test_people_that_cannot_be_read_let_nothing_serve(policy: Path, tmp_path: Path) -> None:
    """Nobody to trust would be everybody to trust."""
    model = load_policy(policy, serving=registry()).models["boosting"]
    assert isinstance(model, StoppedModel)
    assert "people.yaml" in model.said
    with pytest.raises(PeopleRefused, match="TG821"):
        registry(tmp_path / "nowhere.yaml")


# --- under work --------------------------------------------------------------------------------


def under_work(policy: Path) -> tuple[str, list[str]]:
    """Give how the model stands for whoever works on the policy, and what is said of it."""
    loaded = load_policy(policy)
    model = loaded.models["boosting"]
    assert isinstance(model, LoadedModel)
    return model.standing, [d.code for d in loaded.diagnostics if d.code.startswith("TG76")]


def test_how_a_version_under_work_stands(policy: Path, golden: Golden) -> None:
    """A version that was edited after its approval would be used in silence."""
    folder = policy / "models" / NAME
    assert under_work(policy) == ("approved", [])
    page = (folder / "2" / "card.md").read_bytes()
    (folder / "2" / "card.md").write_text("better")
    assert under_work(policy) == ("changed", ["TG767"])
    loaded = load_policy(policy)
    shown = [render(d, loaded.sources) for d in loaded.diagnostics if d.code == "TG767"]
    flip(folder / "log.jsonl")
    assert under_work(policy) == ("log_broken", ["TG767"])
    loaded = load_policy(policy)
    shown += [render(d, loaded.sources) for d in loaded.diagnostics if d.code == "TG767"]
    golden("rules/models_changed.txt", "\n".join(shown) + "\n")
    (folder / "log.jsonl").unlink()
    assert under_work(policy) == ("unapproved", ["TG765"])
    (folder / "2" / "card.md").write_bytes(page)
    done(folder, ADA, "register", 2)
    assert under_work(policy) == ("unapproved", ["TG765"])


def test_a_log_by_strangers_is_told_where_people_are_known(policy: Path) -> None:
    """Whoever can write the folder could approve their own model, and `check` would be content."""
    path = people_file(policy / "models" / "people.yaml")
    assert under_work(policy) == ("approved", [])
    path.write_text("\n".join(row for row in path.read_text().splitlines() if "ben" not in row))
    assert under_work(policy) == ("log_broken", ["TG767"])


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
