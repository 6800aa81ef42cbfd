"""The commands of the registry: what they say, how they end, and what they never show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, json_of
from tests.cli.model_samples import PASSPHRASE, prepare_models
from tests.models.registry_samples import READS, write_version
from tidegate.models.people import People
from tidegate.rules.people import read_people

MOMENT = "2026-11-25T09:00:00Z"
FOLDER = "models/boosting"


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    """Give the folder of a model with two versions, and three people beside it."""
    del run  # it makes the folder the one that commands run in
    return prepare_models(tmp_path, 1, 2)


def step(run: Run, name: str, *arguments: str, who: str = "", code: int = 0, **more: Any) -> Any:
    """Run one step by whoever does it usually."""
    who = who or {"register": "ada", "approve": "ben", "withdraw": "ben"}.get(name, "ola")
    options = ["--key", f"{who}.key.pem", "--passphrase-file", "passphrase"]
    options += ["--reason", f"{name} it"]
    if "--at" not in arguments:
        options += ["--at", MOMENT]
    if name == "approve" and "--until" not in arguments:
        options += ["--until", "2027-06-30"]
    return run("models", name, FOLDER, *arguments, *options, code=code, **more)


def serve(run: Run, version: str) -> None:
    """Bring a version into service."""
    for name in ("register", "approve", "activate"):
        step(run, name, version)


def said(result: Any) -> list[str]:
    """Give the lines of what was printed, without the hashes."""
    return [line.partition(":")[0] if line.startswith("head") else line
            for line in result.output.splitlines() if not line.startswith("content")]  # fmt: skip


def test_every_step_says_what_it_did(run: Run, folder: Path) -> None:
    """Somebody would not know whether it was done."""
    assert said(step(run, "register", "1")) == ["boosting version 1 is registered", "head 1"]
    assert said(step(run, "approve", "1")) == [
        "boosting version 1 is approved until 2027-06-30", "head 2",
    ]  # fmt: skip
    assert said(step(run, "activate", "1")) == ["boosting version 1 is active", "head 3"]
    serve(run, "2")
    assert said(step(run, "disable")) == ["boosting is disabled", "head 7"]
    still = "the model is still disabled: `enable` lets it serve"
    assert said(step(run, "rollback")) == ["boosting version 1 is active again", still, "head 8"]
    assert said(step(run, "activate", "2")) == ["boosting version 2 is active", still, "head 9"]
    assert said(step(run, "enable")) == ["boosting is enabled: version 2 is active", "head 10"]
    assert said(step(run, "withdraw", "1")) == ["boosting version 1 is withdrawn", "head 11"]
    status = run("models", "status", FOLDER, "--at", "2027-06-30T00:00:00Z")
    assert said(status) == [
        "boosting: version 2 is active",
        "  1  withdrawn: registered by ada, approved by ben, until 2027-06-30",
        "  2  expired: registered by ada, approved by ben, until 2027-06-30",
        "head 11",
    ]
    assert (folder / "log.jsonl").read_text().count("\n") == 11


def test_status_of_an_empty_and_of_a_stopped_model(run: Run, folder: Path) -> None:
    """A stop would not be seen."""
    assert folder.is_dir()
    for command in ("status", "verify"):
        for place in (FOLDER, "."):
            found = run("models", command, place, code=4).output
            assert f"`{place}` holds no registry: nothing was registered there" in found
    assert said(step(run, "disable")) == ["boosting is disabled", "head 1"]
    assert said(step(run, "enable")) == ["boosting is enabled: no version is active", "head 2"]
    serve(run, "1")
    serve(run, "2")
    step(run, "disable")
    assert said(run("models", "status", FOLDER))[:3] == [
        "boosting: version 2 is active",
        f"disabled by ola at {MOMENT}: disable it",
        "a rollback leads to version 1",
    ]


def test_status_in_json(run: Run, folder: Path) -> None:
    """A program could not tell what the text says."""
    serve(run, "1")
    step(run, "register", "2")
    (folder / "2" / "card.md").write_text("other")
    found = json_of(run("models", "status", FOLDER, "--json", "--at", MOMENT, code=1))
    assert found["schema"] == "tidegate.models-status/1"
    assert (found["model"], found["active"], found["before"], found["disabled"]) == (
        "boosting", 1, None, None,
    )  # fmt: skip
    assert found["head"].startswith("4:")
    first, second = found["versions"]
    assert (first["version"], first["state"], first["problems"]) == (1, "active", [])
    assert first["approved"] == {
        "who": "ben", "key": first["approved"]["key"], "at": MOMENT, "reason": "approve it",
    }  # fmt: skip
    assert (second["state"], second["approved"]) == ("not_whole", None)
    assert [p["place"] for p in second["problems"]] == ["2/card.md"]


def test_verify_names_what_was_changed(run: Run, folder: Path) -> None:
    """A flipped byte would be found by nobody."""
    serve(run, "1")
    assert said(run("models", "verify", FOLDER)) == [
        "3 entries and 6 files of 1 version are as they were signed", "head 3",
    ]  # fmt: skip
    right = (folder / "1" / "reliability.svg").read_bytes()
    (folder / "1" / "reliability.svg").write_text("<svg>better</svg>")
    result = run("models", "verify", FOLDER, code=1)
    assert "fail: 1/reliability.svg: does not hold what was registered" in result.output
    found = json_of(run("models", "verify", FOLDER, "--json", code=1))
    assert (found["verified"], found["entries"], found["files"]) == (False, 3, 0)
    assert [p["kind"] for p in found["problems"]] == ["hash_mismatch"]
    path = folder / "log.jsonl"
    path.write_bytes(path.read_bytes().replace(b"approve it", b"approve-it"))
    for command in ("verify", "status"):
        found = json_of(run("models", command, FOLDER, "--json", code=1))
        assert (found["schema"], found["kind"]) == ("tidegate.error/1", "bad_signature")
        assert found["message"] == "log.jsonl:2: the signature is not that of `ben`"
    step(run, "rollback", code=1)
    assert said(step(run, "disable")) == [
        "boosting is disabled by a stop beside its log",
        "the log took no entry: log.jsonl:2: the signature is not that of `ben`",
    ]
    path.write_bytes(path.read_bytes().replace(b"approve-it", b"approve it"))
    stopped = f"disabled by ola at {MOMENT}: disable it"
    (folder / "1" / "reliability.svg").write_bytes(right)
    assert stopped in said(run("models", "status", FOLDER))
    assert said(step(run, "enable")) == ["boosting is enabled: version 1 is active", "head 5"]
    assert stopped not in said(run("models", "status", FOLDER))


def test_the_head_that_was_kept_is_held_against_the_log(run: Run, folder: Path) -> None:
    """Cutting a stop off the log would start the model again."""
    serve(run, "1")
    before = (folder / "log.jsonl").read_bytes()
    step(run, "disable")
    head = json_of(run("models", "status", FOLDER, "--json"))["head"]
    (folder / "log.jsonl").write_bytes(before)
    run("models", "status", FOLDER)
    for command in ("status", "verify"):
        result = run("models", command, FOLDER, "--expect-head", head, code=1)
        assert "the log has 3 entries, and 4 were seen" in result.output
    step(run, "rollback", "--expect-head", head, code=1)
    assert "`status` prints one" in run(
        "models", "status", FOLDER, "--expect-head", "4", code=2
    ).output  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["approve", "1", "--who", "ada"], 1, "`ada` may not approve: that takes an approver"),
    (["activate", "1"], 1, "version 1 is not approved"),
    (["activate", "7"], 1, "version 7 is not registered"),
    (["rollback"], 1, "no version was active before that could serve"),
    (["approve", "1", "--content", "0" * 64], 1, "not what was asked for"),
    (["approve", "1", "--until", "2026-11-25"], 1, "`2026-11-25` is over"),
    (["approve", "1", "--until", "soon"], 2, "write it as 2027-06-30"),
    (["disable", "--at", "noon"], 2, "write it as 2026-11-25T09:30:00Z"),
    (["disable", "--people", "nowhere"], 3, "`nowhere` is no file"),
    (["register", "1", "--who", "nobody"], 3, "`nobody.key.pem` is no file"),
    (["register", "9"], 1, "`9/` is no folder"),
    (["register", "9"], 1, "train it first: `tidegate models train`"),
    (["approve", "2"], 1, "registered: 1; `tidegate models register` comes first"),
    (["register", "0"], 2, "Input should be greater than or equal to 1"),
])  # fmt: skip
def test_what_is_refused_says_why(
    run: Run, folder: Path, arguments: list[str], code: int, message: str
) -> None:
    """A script would go on."""
    step(run, "register", "1")
    before = (folder / "log.jsonl").read_bytes()
    who = ""
    if "--who" in arguments:
        place = arguments.index("--who")
        who = arguments[place + 1]
        arguments = [*arguments[:place], *arguments[place + 2 :]]
    result = step(run, arguments[0], *arguments[1:], who=who, code=code)
    assert message in result.output
    assert (folder / "log.jsonl").read_bytes() == before


def test_a_key_that_nobody_lists_signs_nothing(run: Run, folder: Path) -> None:
    """Anybody could make a key and use it."""
    run("models", "key", "eve", "--role", "operator", "--passphrase-file", "passphrase")
    result = step(run, "disable", who="eve", code=1)
    assert "the key is nobody's whom the people's file lists" in result.output
    assert not (folder / "log.jsonl").exists()


def test_a_row_that_key_prints_is_a_row(run: Run, folder: Path) -> None:
    """The line would have to be mended by hand."""
    row = run(
        "models", "key", "eve", "--role", "operator", "--role", "approver",
        "--passphrase-file", "passphrase",
    ).stdout  # fmt: skip
    path = folder.parent / "people.yaml"
    path.write_text(path.read_text() + row)
    step(run, "disable", who="eve")


def test_people_with_an_error_refuse_everything(run: Run, folder: Path) -> None:
    """One bad row would be left out in silence."""
    step(run, "register", "1")
    path = folder.parent / "people.yaml"
    path.write_text(path.read_text().replace("approver", "aprover"))
    result = step(run, "disable", code=3)
    assert "error[TG821]: `aprover` is no role" in result.output
    assert "people.yaml:4" in result.output
    assert json_of(run("models", "status", FOLDER, "--json", code=3))["kind"] == "people_refused"


def test_people_may_lie_elsewhere(run: Run, folder: Path) -> None:
    """In production they have to: where authors cannot write."""
    (folder.parent / "people.yaml").rename("kept.yaml")
    assert "`models/people.yaml` is no file" in step(run, "disable", code=3).output
    step(run, "disable", "--people", "kept.yaml")


def test_a_folder_that_is_none_is_told(run: Run, folder: Path) -> None:
    """A slip of the pen would look like a model without versions."""
    assert folder.is_dir()
    assert "`models/bosting` is no folder" in run(
        "models", "status", "models/bosting", code=3
    ).output  # fmt: skip


def test_a_full_disk_is_told(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would look like a defect, and nobody would know whether it was done."""

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    assert folder.is_dir()
    monkeypatch.setattr("os.fsync", full)
    assert "cannot be written: No space left on device" in step(run, "disable", code=3).output


# --- keys and passphrases


def test_the_passphrase_is_asked_for_where_somebody_can_answer(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have to lie in a file; or be seen when it is typed."""
    monkeypatch.setattr("tidegate.cli.models_key.is_terminal", lambda: True)
    options = ["--key", "ola.key.pem", "--reason", "stop"]
    result = run("models", "disable", FOLDER, *options, stdin=f"{PASSPHRASE}\n")
    assert PASSPHRASE not in result.output
    made = run("models", "key", "eve", stdin=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert PASSPHRASE not in made.output
    assert folder.is_dir()


def test_without_a_terminal_nothing_waits_for_ever(run: Run, folder: Path) -> None:
    """A job at night would hang."""
    assert folder.is_dir()
    result = run("models", "key", "eve", code=3)
    assert "there is no terminal to ask for the passphrase on" in result.output


def test_the_file_of_the_passphrase_may_be_named_by_the_environment(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call would repeat it."""
    monkeypatch.setenv("TIDEGATE_PASSPHRASE_FILE", "passphrase")
    run("models", "disable", FOLDER, "--key", "ola.key.pem", "--reason", "stop")
    monkeypatch.setenv("TIDEGATE_PASSPHRASE_FILE", "nowhere")
    result = run(
        "models", "enable", FOLDER, "--key", "ola.key.pem", "--reason", "go", code=3
    )  # fmt: skip
    assert "`nowhere` cannot be read" in result.output
    assert folder.is_dir()


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["Ada"], 2, "a name is of small letters"),
    (["eve", "--role", "boss"], 2, "`boss` is no role: author, approver, operator are"),
    (["ada"], 3, "`ada.key.pem` is there already"),
    (["eve", "--passphrase-file", "short"], 3, "shorter than 16 characters"),
])  # fmt: skip
def test_a_key_that_cannot_be_made_is_told(
    run: Run, folder: Path, arguments: list[str], code: int, message: str
) -> None:
    """A key would be made that nobody can list, or a key would be lost."""
    Path("short").write_text("secret\n")
    result = run("models", "key", "--passphrase-file", "passphrase", *arguments, code=code)
    assert message in result.output
    assert folder.is_dir()


def test_a_wrong_passphrase_is_told_and_not_shown(run: Run, folder: Path) -> None:
    """A slip of the pen would stand in the log of the terminal."""
    Path("passphrase").write_text("something else entirely\n")
    result = step(run, "disable", code=3)
    assert "is no key, or the passphrase is another one" in result.output
    assert "something else" not in result.output
    assert folder.is_dir()


def test_no_key_is_printed(run: Run, folder: Path) -> None:
    """A private key in a log is nobody's any more."""
    result = run(
        "models", "key", "eve", "--out", "here.pem", "--passphrase-file", "passphrase"
    )  # fmt: skip
    body = "".join(Path("here.pem").read_text().splitlines()[1:-1])
    assert body[:20] not in result.output
    assert Path("here.pem").stat().st_mode & 0o777 == 0o600
    assert write_version(folder, 3).is_dir()


def test_a_long_passphrase_is_refused_whole(run: Run, folder: Path) -> None:
    """A passphrase would be cut in silence, and its end would protect nothing."""
    del folder
    for size, code in ((1023, 0), (1024, 3), (5000, 3)):
        Path("long").write_text("x" * size + "\n")
        out = f"{size}.pem"
        result = run("models", "key", "eli", "--out", out, "--passphrase-file", "long", code=code)
        assert Path(out).exists() == (code == 0)
        assert code == 0 or "more than 1,023 bytes" in result.output


def test_the_first_key_brings_a_whole_file(run: Run, tmp_path: Path) -> None:
    """Somebody new would have to invent an id."""
    Path("passphrase").write_text("correct horse battery staple\n")
    shown = [
        run("models", "key", name, "--first", "--passphrase-file", "passphrase").stdout
        for name in ("eli", "eve")
    ]
    found = []
    for text in shown:
        (tmp_path / "people.yaml").write_text(text)
        people = read_people(tmp_path / "people.yaml")
        assert isinstance(people, People)
        found.append(people.registry)
    assert len(set(found)) == 2


def test_a_version_whose_inputs_changed_is_not_registered(run: Run, folder: Path) -> None:
    """It would be approved by its card, and give no scores where it serves."""
    policy = Path("policy.tide")
    changed = READS.replace("tries  count", "attempts count").replace(
        "model boosting", "let tries = attempts + attempts\nmodel boosting"
    )
    policy.write_text(changed)
    result = step(run, "register", "1", code=1)
    assert "learnt from other inputs: `tries` means something else now" in result.stderr
    assert not (folder / "log.jsonl").exists()
    step(run, "register", "2")  # no policy declares it yet
    policy.write_text(READS)
    step(run, "register", "1")
