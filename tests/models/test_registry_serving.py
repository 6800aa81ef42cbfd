"""What serves, and what goes on serving when something is wrong."""

from __future__ import annotations

import shutil
import threading
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from tests.models.registry_samples import (
    ADA,
    BEN,
    NAME,
    OLA,
    PEOPLE,
    active_folder,
    ask,
    at_us,
    done,
    people_of,
    write_version,
)
from tidegate.models.registry import NotServing, Serving, accepted, serving_version
from tidegate.models.registry_log import Action
from tidegate.models.serving import DeclaredModel, ServingModels

pytestmark = pytest.mark.usefixtures("unsynced")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder in which version 2 is active."""
    return active_folder(tmp_path, 1, 2)


def service(folder: Path, declared: int = 2) -> ServingModels:
    """Give a service of one model that was started."""
    models = ServingModels({"score": DeclaredModel(folder, declared)})
    models.refresh(PEOPLE)
    return models


def said(answer: Serving | NotServing) -> int | str:
    """Give the version that serves, or why none does."""
    return answer.version if isinstance(answer, Serving) else answer.why


def now(models: ServingModels) -> int | str:
    """Give what serves now."""
    return said(models.served.models["score"])


def test_the_active_version_serves_where_the_policy_accepts_it(folder: Path) -> None:
    """A new model would come into a policy whose author never saw it."""
    assert said(serving_version(folder, 2, PEOPLE)) == 2
    assert said(serving_version(folder, 3, PEOPLE)) == 2
    assert said(serving_version(folder, 1, PEOPLE)) == "newer_than_declared"
    done(folder, OLA, "rollback")
    assert said(serving_version(folder, 1, PEOPLE)) == 1
    assert said(serving_version(folder, 2, PEOPLE)) == 1


def test_nothing_serves_that_was_not_activated(tmp_path: Path) -> None:
    """Lying there would be enough."""
    folder = tmp_path / NAME
    write_version(folder, 1)
    assert said(serving_version(folder, 1, PEOPLE)) == "nothing_active"
    done(folder, ADA, "register", 1)
    done(folder, BEN, "approve", 1)
    assert said(serving_version(folder, 1, PEOPLE)) == "nothing_active"


def test_a_disabled_model_is_unavailable_and_says_why(folder: Path) -> None:
    """The stop would stop nothing."""
    done(folder, OLA, "disable")
    answer = serving_version(folder, 2, PEOPLE)
    assert isinstance(answer, NotServing)
    assert answer.why == "disabled"
    assert answer.said == (
        "`ola` disabled the model at 2026-11-25T09:00:00Z: disable for a test"
    )  # fmt: skip
    done(folder, OLA, "enable")
    assert said(serving_version(folder, 2, PEOPLE)) == 2


def test_the_end_of_the_validation_comes_with_the_version(folder: Path) -> None:
    """Nobody could lower the authority of a model that was not looked at for a year."""
    answer = serving_version(folder, 2, PEOPLE)
    assert isinstance(answer, Serving)
    assert answer.validated_until_us == at_us("2027-06-30T00:00:00Z")
    ask(folder, BEN, "approve", 2, until="2028-01-01")
    answer = serving_version(folder, 2, PEOPLE)
    assert isinstance(answer, Serving)
    assert answer.validated_until_us == at_us("2028-01-01T00:00:00Z")


def test_nothing_serves_before_the_first_look(folder: Path) -> None:
    """A service would answer with what it does not have."""
    models = ServingModels({"score": DeclaredModel(folder, 2)})
    assert now(models) == "nothing_active"
    assert said(models.refresh(PEOPLE).served.models["score"]) == 2


def test_actions_take_effect_at_the_next_refresh(folder: Path) -> None:
    """An operator would have to start every service again."""
    models = service(folder)
    for action, expected in (("disable", "disabled"), ("rollback", "disabled"), ("enable", 1)):
        done(folder, OLA, action)  # type: ignore[arg-type]
        assert models.refresh(PEOPLE).problems == {}
        assert now(models) == expected


@pytest.mark.parametrize("name", ["model.json", "card.md", "../log.jsonl"])
def test_a_changed_byte_leaves_the_version_before_serving(folder: Path, name: str) -> None:
    """Whoever can break a file could switch the model off, or exchange it."""
    done(folder, OLA, "rollback")
    models = service(folder)
    assert now(models) == 1
    before = models.served.models["score"]
    done(folder, OLA, "activate", 2)
    path = folder / "2" / name
    path.write_bytes(path.read_bytes()[:-2] + b"x\n")
    refreshed = models.refresh(PEOPLE)
    (problem,) = refreshed.problems["score"]
    assert problem.place == ("log.jsonl:8" if "log" in name else f"2/{name}")
    served = models.served.models["score"]
    assert served == before
    assert isinstance(served, Serving)
    assert served.problems == (problem,)


def test_a_service_that_starts_on_a_broken_registry_has_no_model(folder: Path) -> None:
    """Without a version before, what is broken would serve."""
    (folder / "log.jsonl").write_text("{}\n")
    assert now(service(folder)) == "refused"


def test_a_service_that_starts_has_the_whole_version_before(folder: Path) -> None:
    """A flipped byte would switch the model off at the next start."""
    (folder / "2" / "model.json").write_text("{}")
    answer = serving_version(folder, 2, PEOPLE)
    assert isinstance(answer, Serving)
    assert (answer.version, answer.instead_of) == (1, 2)
    assert [p.place for p in answer.problems] == ["2/model.json"]
    assert now(service(folder)) == 1
    assert said(serving_version(folder, 1, PEOPLE)) == "newer_than_declared"
    assert said(accepted(answer, 1)) == "newer_than_declared"
    done(folder, OLA, "disable")
    assert now(service(folder)) == "disabled"


@pytest.mark.parametrize("harm", ["broken", "withdrawn", "left"])
def test_no_other_version_stands_in_at_a_start(tmp_path: Path, harm: str) -> None:
    """What was taken away would come back through a broken file."""
    folder = active_folder(tmp_path, 1, 2)
    if harm == "broken":
        (folder / "1" / "card.md").write_text("better")
    elif harm == "withdrawn":
        done(folder, BEN, "withdraw", 1)
    else:
        done(folder, OLA, "rollback")
    broken = "1" if harm == "left" else "2"
    (folder / broken / "model.json").write_text("{}")
    assert now(service(folder)) == "refused"


def test_a_broken_version_that_does_not_serve_is_told_and_harms_nothing(folder: Path) -> None:
    """A version under work could stop the one that serves."""
    write_version(folder, 3)
    done(folder, ADA, "register", 3)
    (folder / "3" / "card.md").write_text("still writing")
    models = service(folder)
    assert now(models) == 2
    (problem,) = models.refresh(PEOPLE).problems["score"]
    assert problem.place == "3/card.md"


def test_a_version_that_was_left_does_not_go_on(folder: Path) -> None:
    """What was rolled back for its harm would serve on, since the one before is broken."""
    models = service(folder)
    done(folder, OLA, "rollback")
    (folder / "1" / "model.json").write_text("{}")
    refreshed = models.refresh(PEOPLE)
    assert [p.place for p in refreshed.problems["score"]] == ["1/model.json"]
    assert now(models) == "refused"


def test_a_version_that_was_withdrawn_does_not_go_on(folder: Path) -> None:
    """The same, where somebody took the version back."""
    done(folder, OLA, "rollback")
    models = service(folder)
    done(folder, OLA, "activate", 2)
    done(folder, BEN, "withdraw", 1)
    (folder / "2" / "model.json").write_text("{}")
    models.refresh(PEOPLE)
    assert now(models) == "refused"


def test_a_stopped_model_stays_stopped_when_the_log_breaks(folder: Path) -> None:
    """Breaking the log would be a way around the stop."""
    done(folder, OLA, "disable")
    models = service(folder)
    (folder / "log.jsonl").write_text("{}\n")
    assert [p.kind for p in models.refresh(PEOPLE).problems["score"]] == ["log_broken"]
    assert now(models) == "disabled"


def test_a_log_that_became_shorter_changes_nothing(folder: Path) -> None:
    """Cutting the stop off the log would start the model again."""
    before = (folder / "log.jsonl").read_bytes()
    done(folder, OLA, "disable")
    models = service(folder)
    (folder / "log.jsonl").write_bytes(before)
    assert [p.kind for p in models.refresh(PEOPLE).problems["score"]] == ["log_cut_short"]
    assert now(models) == "disabled"
    again = ServingModels({"score": DeclaredModel(folder, 2)}, seen=models.served.heads)
    assert [p.kind for p in again.refresh(PEOPLE).problems["score"]] == ["log_cut_short"]
    assert now(again) == "refused"
    (folder / "log.jsonl").write_bytes(before)
    done(folder, OLA, "rollback")
    assert [p.kind for p in models.refresh(PEOPLE).problems["score"]] == ["log_replaced"]
    assert now(models) == "disabled"


def test_what_was_mended_serves_again(folder: Path) -> None:
    """One bad moment would last until the service is started again."""
    models = service(folder)
    content = (folder / "log.jsonl").read_bytes()
    (folder / "log.jsonl").write_text("{}\n")
    models.refresh(PEOPLE)
    (folder / "log.jsonl").write_bytes(content)
    done(folder, OLA, "disable")
    assert models.refresh(PEOPLE).problems == {}
    assert now(models) == "disabled"


def test_a_service_that_was_refused_at_first_serves_when_it_is_mended(folder: Path) -> None:
    """A service would have to be started again after a repair."""
    content = (folder / "log.jsonl").read_bytes()
    (folder / "log.jsonl").write_text("{}\n")
    models = service(folder)
    assert now(models) == "refused"
    (folder / "log.jsonl").write_bytes(content)
    models.refresh(PEOPLE)
    assert now(models) == 2


def test_what_people_who_went_let_serve_stops_and_is_told(folder: Path) -> None:
    """A stolen key would be taken away, and its work would go on."""
    models = service(folder)
    assert [p.kind for p in models.refresh(people_of([])).problems["score"]] == ["distrusted"]
    assert said(models.served.models["score"]) == "distrusted"
    assert models.refresh(PEOPLE).problems == {}
    assert now(models) == 2


def test_one_model_does_not_stop_another(folder: Path, tmp_path: Path) -> None:
    """One broken folder would take all models with it."""
    bad = tmp_path / "bad" / NAME
    shutil.copytree(folder, bad)
    (bad / "log.jsonl").write_text("{}\n")
    models = ServingModels({"bad": DeclaredModel(bad, 2), "score": DeclaredModel(folder, 2)})
    assert set(models.refresh(PEOPLE).problems) == {"bad"}
    assert now(models) == 2
    assert said(models.served.models["bad"]) == "refused"


def test_a_snapshot_does_not_change(folder: Path) -> None:
    """A decision would begin with one version and end with another."""
    models = service(folder)
    before = models.served
    done(folder, OLA, "rollback")
    models.refresh(PEOPLE)
    assert said(before.models["score"]) == 2
    with pytest.raises(TypeError):
        before.models["score"] = before.models["score"]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        before.models = {}  # type: ignore[misc]


def test_many_threads_see_whole_snapshots(folder: Path) -> None:
    """A reader would see a version with the head of another one."""
    models = service(folder)
    right = {(2, models.served.heads["score"].sequence)}
    seen: set[tuple[int | str, int]] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            served = models.served
            seen.add((said(served.models["score"]), served.heads["score"].sequence))

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(6):
        action: Action = "activate" if number % 2 else "rollback"
        sequence = done(folder, OLA, action, 2).head.sequence
        right.add((2 if number % 2 else 1, sequence))
        writers = [threading.Thread(target=models.refresh, args=(PEOPLE,)) for _ in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    stop.set()
    for reader in readers:
        reader.join()
    assert seen <= right
    assert len(seen) > 1
