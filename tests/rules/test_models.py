"""A policy is loaded with the files of its models, or every reason why not in one run."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.engine.scored_policy import BOOSTING, CHALLENGER, TEXT, payment
from tests.models.card_samples import CARD
from tests.models.registry_samples import READS
from tests.rules.repositories import commit, repository
from tidegate import Engine, load_policy
from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import render
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source
from tidegate.dsl.types import COUNT
from tidegate.models.cards import write_card
from tidegate.models.portable import Input, PortableModel
from tidegate.models.reading import write_model
from tidegate.models.registry import NotServing, Serving
from tidegate.models.registry_log import Head
from tidegate.rules import PolicyRefused, read
from tidegate.rules.input_meanings import changed_inputs, input_meanings
from tidegate.rules.models import LoadedModel, StoppedModel
from tidegate.rules.revisions import read_revision

HEAD = Head(0, "0" * 64)


def write(folder: Path, *models: PortableModel, text: str = TEXT) -> Path:
    """A policy folder with these models, each in the folder of its version."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.tide").write_text(text)
    for model in models:
        place = folder / "models" / model.name / str(model.version)
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.json").write_bytes(write_model(model))
    return folder


def said(folder: Path, *codes: str) -> str:
    """What is said of a folder with these codes, as people read it."""
    loaded = read(folder)
    chosen = [d for d in loaded.diagnostics if not codes or d.code in codes]
    return "\n".join(render(d, loaded.sources) for d in chosen)


def refused(folder: Path) -> list[str]:
    with pytest.raises(PolicyRefused) as error:
        load_policy(folder)
    return [d.code for d in error.value.diagnostics if d.severity.value == "error"]


def test_a_policy_holds_its_models_and_decides_by_them(tmp_path: Path) -> None:
    """Scores would have to be given by hand though the file lies there."""
    policy = load_policy(write(tmp_path, BOOSTING, CHALLENGER))
    assert sorted(policy.models) == ["boosting", "challenger"]
    boosting = policy.models["boosting"]
    assert isinstance(boosting, LoadedModel)
    assert boosting.portable == BOOSTING
    decision = Engine(policy).decide(
        payment(amount="1500.00 EUR", channel="moto"), features={"tries": 5}
    )
    assert decision.record.scored["boosting"].score == 922_260


def test_the_hash_of_a_policy_covers_its_models(tmp_path: Path) -> None:
    """Two models would decide differently under one hash."""
    first = load_policy(write(tmp_path, BOOSTING, CHALLENGER)).hash
    second = load_policy(write(tmp_path, replace(BOOSTING, base=1), CHALLENGER)).hash
    assert first != second
    assert load_policy(write(tmp_path, BOOSTING, CHALLENGER)).hash == first


def test_a_model_without_a_file(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """The score would be missing on every payment, and nobody would be told."""
    folder = write(tmp_path, replace(BOOSTING, version=2), replace(BOOSTING, version=10))
    assert refused(folder) == ["TG761", "TG761"]
    golden("rules/models_absent.txt", said(folder, "TG761") + "\n")


def test_a_file_that_is_refused(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """A file that runs code would be loaded, or the message would be a traceback."""
    folder = write(tmp_path, BOOSTING, CHALLENGER)
    file = folder / "models" / "boosting" / "3" / "model.json"
    content = file.read_bytes()
    file.write_bytes(b"\x80\x04" + content)
    assert refused(folder) == ["TG762"]
    shown = said(folder, "TG762")
    file.write_bytes(content.replace(b'"unit":1000000000', b'"unit":0'))
    golden("rules/models_refused.txt", f"{shown}\n{said(folder, 'TG762')}\n")


def test_a_file_in_the_wrong_place(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """A version that nobody reviewed under this number would decide."""
    folder = write(tmp_path, BOOSTING, CHALLENGER)
    file = folder / "models" / "boosting" / "3" / "model.json"
    file.write_bytes(write_model(replace(BOOSTING, version=2)))
    assert refused(folder) == ["TG763"]
    shown = said(folder, "TG763")
    file.write_bytes(write_model(CHALLENGER))
    golden("rules/models_misplaced.txt", f"{shown}\n{said(folder, 'TG763')}\n")


@pytest.mark.parametrize("path", ["../models/boosting", "/models/boosting"])
def test_a_model_lies_in_the_folder(tmp_path: Path, path: str) -> None:
    """A policy would change with a file that is no part of it."""
    outside = write(tmp_path / "other", BOOSTING) / "models"
    outside.rename(tmp_path / "models")
    folder = write(tmp_path / "policy", CHALLENGER, text=TEXT.replace("models/boosting", path))
    assert refused(folder) == ["TG701"]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    """The same by a link."""
    elsewhere = write(tmp_path / "other", BOOSTING) / "models" / "boosting" / "3"
    folder = write(tmp_path / "policy", CHALLENGER)
    (folder / "models" / "boosting").mkdir()
    (folder / "models" / "boosting" / "3").symlink_to(elsewhere, target_is_directory=True)
    assert refused(folder) == ["TG701"]


@pytest.mark.parametrize("name", ["log.jsonl", "model.json"])
def test_a_pipe_or_a_device_is_not_read(tmp_path: Path, name: str) -> None:
    """`check` would hang, or eat the memory of whoever looks at a proposal."""
    folder = write(tmp_path, BOOSTING, CHALLENGER)
    place = folder / "models" / "boosting"
    file = next(place.glob("*/model.json")) if name.endswith("model.json") else place / name
    for make in (os.mkfifo, lambda path: Path(path).symlink_to("/dev/zero")):
        file.unlink(missing_ok=True)
        make(file)
        codes = {d.code for d in read(folder).diagnostics}
        assert codes & {"TG761", "TG767"}, codes


def test_reads_are_held_against_the_file(tmp_path: Path) -> None:
    """A model would be given other inputs than it was trained on."""
    text = TEXT.replace("reads share, channel, amount, tip, tries", "reads share, channel, amount")
    folder = write(tmp_path, BOOSTING, CHALLENGER, text=text)
    assert refused(folder) == ["TG509"]
    assert "`reads amount, channel, tries, tip, share`" in said(folder, "TG509")


def test_a_model_that_nobody_approved_is_noted(
    tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    """Its author would think that it serves."""
    folder = write(tmp_path, BOOSTING, CHALLENGER)
    golden("rules/models_unapproved.txt", said(folder, "TG765") + "\n")


# --- what serves -------------------------------------------------------------------------------


def serving(model: PortableModel, until_us: int = 10**18) -> Serving:
    """The registry's word that this version serves."""
    content = write_model(model)
    program = check([parse(Source("policy.tide", TEXT)).file]).program
    assert program is not None
    card = replace(
        CARD,
        model=model.name,
        version=model.version,
        model_hash=hashlib.sha256(content).hexdigest(),
        inputs=input_meanings(program, program.model(model.name)),
    )
    return Serving(
        model.name, model.version, "0" * 64, until_us, "ada", "ben", HEAD, content, write_card(card)
    )


def test_what_serves_is_what_the_registry_hands_on(tmp_path: Path) -> None:
    """A file that was changed after it was verified would decide."""
    folder = write(tmp_path, BOOSTING, CHALLENGER)
    older = replace(BOOSTING, version=2, base=5)
    asked: list[tuple[Path, int]] = []

    def what_serves(place: Path, declared: int) -> Serving | NotServing:
        asked.append((place, declared))
        return serving(older if declared == 3 else CHALLENGER, until_us=77)

    policy = load_policy(folder, serving=what_serves)
    assert asked == [(folder / "models/boosting", 3), (folder / "models/challenger", 1)]
    boosting = policy.models["boosting"]
    assert isinstance(boosting, LoadedModel)
    assert (boosting.portable, boosting.validated_until_us) == (older, 77)
    assert not [d for d in policy.diagnostics if d.code == "TG765"]
    assert policy.hash != load_policy(folder).hash


def test_a_model_that_does_not_serve_stops_nothing_else(
    tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    """One bad file would take every payment with it."""
    folder = write(tmp_path, BOOSTING, CHALLENGER)

    def what_serves(place: Path, _: int) -> Serving | NotServing:
        if place.name == "challenger":
            return serving(CHALLENGER)
        return NotServing("boosting", "disabled", "`ben` disabled the model: it went mad")

    policy = load_policy(folder, serving=what_serves)
    assert policy.models["boosting"] == StoppedModel(
        "disabled", "`ben` disabled the model: it went mad"
    )
    warned = [d for d in policy.diagnostics if d.code == "TG764"]
    golden("rules/models_stopped.txt", render(warned[0], policy.sources) + "\n")
    decision = Engine(policy).decide(payment(), features={"tries": 1})
    assert decision.record.missing["risk"] == "disabled"
    assert decision.outcome.reasons == ("down",)


def test_a_newer_version_than_declared_does_not_serve(tmp_path: Path) -> None:
    """What the policy's author never accepted would decide, should a registry hand it on."""
    folder = write(tmp_path, BOOSTING, CHALLENGER)
    newer = replace(BOOSTING, version=4)
    with pytest.raises(PolicyRefused, match="newer than version 3"):
        load_policy(folder, serving=lambda _, v: serving(newer if v == 3 else CHALLENGER))


@pytest.mark.parametrize("refused", [False, True])
def test_a_rollback_stops_the_model_and_not_the_policy(tmp_path: Path, refused: bool) -> None:
    """At night somebody rolls a model back, and nothing is decided any more."""
    folder = write(tmp_path, BOOSTING, CHALLENGER)
    older = replace(BOOSTING, version=2, inputs=(*BOOSTING.inputs, Input("age", COUNT)))
    content = b"{}" if refused else write_model(older)
    before = serving(older)
    before = replace(before, model_json=content)
    policy = load_policy(folder, serving=lambda p, _: before if p.name == "boosting"
                         else serving(CHALLENGER))  # fmt: skip
    stopped = policy.models["boosting"]
    assert isinstance(stopped, StoppedModel)
    assert stopped.reason == "does_not_fit"
    (warned,) = (d for d in policy.diagnostics if d.code == "TG764")
    assert "version 2 serves and does not fit version 3" in warned.message
    decision = Engine(policy).decide(payment(), features={"tries": 1})
    assert decision.record.missing["risk"] == "does_not_fit"
    assert decision.outcome.reasons == ("down",)


def test_the_declared_version_has_to_fit(tmp_path: Path) -> None:
    """A mistake of the policy's author would take the model out of use in silence."""
    folder = write(tmp_path, BOOSTING, CHALLENGER)
    other = replace(BOOSTING, inputs=(*BOOSTING.inputs, Input("age", COUNT)))
    with pytest.raises(PolicyRefused, match="reads `age` too"):
        load_policy(folder, serving=lambda p, _: serving(other if p.name == "boosting"
                                                        else CHALLENGER))  # fmt: skip


# --- revisions ---------------------------------------------------------------------------------


def test_a_revision_has_the_models_of_its_time(tmp_path: Path) -> None:
    """A change would be compared with today's model on both sides, or could not be at all."""
    folder = write(repository(tmp_path), BOOSTING, CHALLENGER)
    commit(folder, "first")
    write(folder, replace(BOOSTING, base=1))
    loaded = read_revision(folder, "HEAD").loaded
    assert loaded is not None
    assert loaded.policy is not None, loaded.rendered()
    before = loaded.policy.models["boosting"]
    assert isinstance(before, LoadedModel)
    assert before.portable == BOOSTING


def test_inputs_that_mean_something_else_are_named(
    tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    """A let that was turned round would be scored as the one that the model learnt from."""
    folder = tmp_path / "scored"
    shutil.copytree(ROOT / "examples" / "scored", folder)
    path = folder / "policy.tide"
    text = path.read_text()
    assert not said(folder, "TG768")
    path.write_text(
        text.replace("= ip_country != card_country", "= ip_country = card_country").replace(
            "tries_7d        = count of payment by card over 7d",
            "tries_7d        = count of payment by card over 8d",
        )
    )
    shown = said(folder, "TG768")
    assert isinstance(load_policy(folder).models["risk"], LoadedModel)
    path.write_text(text.replace("may review, step_up", "may review, step_up").replace(
        "large    \"A large payment needs", "large    \"Any large payment needs"
    ))  # fmt: skip
    assert not said(folder, "TG768")
    card = folder / "models" / "risk" / "1" / "card.json"
    card.write_text(card.read_text().replace("tidegate-card/2", "tidegate-card/1"))
    golden("rules/models_inputs_changed.txt", f"{shown}\n{said(folder, 'TG768')}\n")


def test_the_value_of_a_param_is_part_of_an_input() -> None:
    """A release would raise the param, and the model would score other inputs."""

    def meanings(value: str) -> dict[str, str]:
        text = f"param factor count = {value} from 1 to 9\n" + READS.replace(
            "model boosting", "let doubled = tries * factor\nmodel boosting"
        ).replace("reads tries", "reads tries, doubled")
        program = check([parse(Source("policy.tide", text)).file]).program
        assert program is not None
        return input_meanings(program, program.models[0])

    two, three = meanings("2"), meanings("3")
    assert changed_inputs(two, three) == ("doubled",)
    assert changed_inputs(two, two) == ()
    assert changed_inputs({}, two) == ("tries", "doubled")
