"""The commands on a policy that has models of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Run, json_of
from tests.engine.scored_policy import BOOSTING, CHALLENGER, payment
from tests.models.registry_samples import NAME, OLA, active_folder, done
from tests.rules.test_models import write
from tests.rules.test_serving_models import POLICY, people_file

Golden = Callable[[str, str], None]

CASES = """
- name: a high score asks for a challenge
  event: {payment: {id: p-1, at: 2026-11-23T14:00:00+01:00, amount: 20.00 EUR, card: tok_abcdef,
          channel: ecom}}
  features: {tries: 0}
  scores: {risk: 0.5}
  expect: {outcome: step_up, reasons: [risky], fired: [risky, seen]}
- name: one that the model works out
  event: {payment: {id: p-2, at: 2026-11-23T14:00:00+01:00, amount: 20.00 EUR, card: tok_abcdef,
          channel: ecom}}
  features: {tries: 0}
  expect: {outcome: approve, reasons: [], fired: []}
"""


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy with models, an event with its features, and cases."""
    folder = write(tmp_path / "scored", BOOSTING, CHALLENGER)
    (folder / "cases").mkdir()
    (folder / "cases" / "scores.yaml").write_text(CASES)
    body = payment(amount="1500.00 EUR", channel="moto")
    (tmp_path / "event.json").write_text(json.dumps(body))
    (tmp_path / "features.json").write_text('{"tries": 5}')
    monkeypatch.chdir(tmp_path)
    return folder


DECIDE = ("decide", "scored", "event.json", "--features", "features.json")


@pytest.mark.usefixtures("scored")
def test_decide_says_what_a_score_is_made_of(run: Run, golden: Golden) -> None:
    """An analyst would be shown a number that nobody can argue with."""
    golden("cli/decide_scored.txt", run(*DECIDE).stdout)


@pytest.mark.usefixtures("scored")
def test_a_score_that_is_given_is_told(run: Run, tmp_path: Path) -> None:
    """A what-if would be taken for a decision."""
    (tmp_path / "scores.json").write_text('{"risk": "0.1"}')
    said = run(*DECIDE, "--scores", "scores.json").stdout
    assert "score risk of boosting@3: 0.1, given in the place of what the model says" in said
    assert "risky@1" not in said


@pytest.mark.usefixtures("scored")
def test_the_customer_hears_no_score(run: Run) -> None:
    """Scores and thresholds teach fraud."""
    assert run(*DECIDE, "--audience", "customer").stdout == "Please confirm this payment.\n"


@pytest.mark.usefixtures("scored")
def test_a_record_is_explained_and_replayed(run: Run, scored: Path, golden: Golden) -> None:
    """A record would say less than the decision did, or nobody would ask the model again."""
    decided = run(*DECIDE, "--record", "record.json").stdout
    explained = run("explain", "record.json", "--policy", "scored").stdout
    assert explained in decided
    golden("cli/replay_scored.txt", run("replay", "record.json", "--policy", "scored").stdout)
    otherwise = run("explain", "record.json", "--policy", "scored", "--counterfactual").stdout
    assert "risk (score) 0.499999 instead of 0.92226" in otherwise
    _, _, behind = otherwise.partition("what made risk of boosting@3 what it was, to be checked")
    assert behind.splitlines()[1:] == [
        "  +2.500 amount (1500.00 EUR)",
        "  +0.900 tries (5)",
        "  +0.700 channel (moto)",
    ]
    # The same file with another content behind the name that was recorded.
    write(scored, replace(BOOSTING, base=0))
    result = run("replay", "record.json", "--policy", "scored", "--outcome").stdout
    assert "boosting@3: not asked again, the policy has another file of it" in result


@pytest.mark.usefixtures("scored")
def test_a_record_whose_score_was_changed_is_found(run: Run, tmp_path: Path) -> None:
    """Whoever keeps records could make a model say what it never said."""
    run(*DECIDE, "--record", "record.json")
    record = tmp_path / "record.json"
    record.write_bytes(record.read_bytes().replace(b'"amount":900000000', b'"amount":900000001'))
    result = run("replay", "record.json", "--policy", "scored", "--json", code=1)
    (found,) = json_of(result)["records"]
    assert found["scores"][0] == {
        "model": "boosting", "version": 3, "result": "differs", "differing": ["contributions"],
        "validation": "none",
    }  # fmt: skip
    assert (
        "another contributions" in run("replay", "record.json", "--policy", "scored", code=1).stdout
    )


@pytest.mark.usefixtures("scored")
def test_a_record_that_contradicts_itself_is_found(run: Run, tmp_path: Path) -> None:
    """Rules would have read another score than the explanation tells of."""
    run(*DECIDE, "--record", "record.json")
    record = tmp_path / "record.json"
    record.write_bytes(record.read_bytes().replace(b'"risk":"0.92226"', b'"risk":"0.9"'))
    for options in ((), ("--outcome",)):
        said = run("replay", "record.json", "--policy", "scored", *options, code=1).stdout
        assert "fail: record.json: the record contradicts itself" in said
        assert "  inputs.risk  0.9, where 0.92226 follows" in said
    (found,) = json_of(run("replay", "record.json", "--policy", "scored", "--json", code=1))[
        "records"
    ]
    assert found["contradictions"] == [
        {"path": "inputs.risk", "recorded": "0.9", "follows": "0.92226"}
    ]


@pytest.mark.usefixtures("scored")
def test_what_was_not_asked_again_does_not_pass(run: Run, tmp_path: Path) -> None:
    """Whoever forges a score would name another file of the model, and nobody would notice."""
    run(*DECIDE, "--record", "record.json")
    record = tmp_path / "record.json"
    content = record.read_bytes()
    digest = json.loads(content)["scored"]["boosting"]["hash"].encode()
    record.write_bytes(content.replace(digest, b"0" * 64))
    said = run("replay", "record.json", "--policy", "scored", code=5).stdout
    assert "note: record.json: identical, but not checked against its models" in said
    assert "1 record, 1 identical, 1 not checked against its models" in said
    assert "pass:" not in said


@pytest.mark.usefixtures("scored")
def test_cases_give_scores_or_leave_them_to_the_model(run: Run) -> None:
    """A threshold could only be tested with an event that happens to lie at it."""
    assert json_of(run("test", "scored", "--json"))["failed"] == 0
    assert "of" in run("test", "scored", "--mutate").stdout


@pytest.mark.usefixtures("scored")
def test_check_notes_what_does_not_serve_yet(run: Run, golden: Golden) -> None:
    """Its author would think that it serves."""
    golden("cli/check_scored.txt", run("check", "scored").stdout)


# --- what serves -------------------------------------------------------------------------------


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy whose model has two versions, the second active, and people who may do that."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "kept"
    active_folder(folder / "models", 1, 2)
    (folder / "policy.tide").write_text(POLICY)
    people_file(folder / "models" / "people.yaml")
    (tmp_path / "payment.json").write_text(
        '{"id": "p-1", "at": "2026-11-25T12:00:00Z", "tries": 3}'
    )
    return folder


TRY = ("decide", "kept", "payment.json")


def test_decide_asks_the_registry_where_it_is_told_to(run: Run, registered: Path) -> None:
    """A model that was disabled would score on, and a trial would pass for a served decision."""
    folder = registered / "models" / NAME
    assert "boosting@2 under work: approved, and nobody asked whether it serves" in run(*TRY).stdout
    served = run(*TRY, "--serving", "--record", "r.json").stdout
    assert "score risk of boosting@2: " in served
    assert "under work" not in served
    assert json.loads(Path("r.json").read_text())["scored"]["boosting"]["standing"] == "serving"
    run("replay", "r.json", "--policy", "kept")
    assert run("explain", "r.json", "--policy", "kept", "--serving").stdout in served
    (folder / "2" / "model.json").write_text("{}")
    flipped = run(*TRY, "--serving")
    assert "score risk of boosting@1: " in flipped.stdout
    assert "warning[TG766]" in flipped.stderr
    done(folder, OLA, "disable")
    stopped = run(*TRY, "--serving")
    assert "score not read: boosting, for it gave no score (disabled)" in stopped.stdout
    assert "warning[TG764]" in stopped.stderr


def test_check_asks_the_registry_where_it_is_told_to(run: Run, registered: Path) -> None:
    """Whoever deploys a policy could not look whether its models serve."""
    done(registered / "models" / NAME, OLA, "disable")
    assert "TG764" not in run("check", "kept").stdout
    assert "warning[TG764]" in run("check", "kept", "--serving").stdout
    run("check", "kept", "--serving", "--strict", code=1)
    asked = ("check", "kept", "--serving", "--people")
    assert "`nowhere.yaml` is no file" in run(*asked, "nowhere.yaml", code=3).output
    Path("bad.yaml").write_text("people: 3\n")
    assert "error[TG821]" in run(*asked, "bad.yaml", code=3).output
    assert "it goes with `--serving`" in run("check", "kept", "--people", "bad.yaml", code=2).output


def test_a_score_that_is_not_read_says_why(run: Run, registered: Path) -> None:
    """An analyst would be told that the rule may not read a score that is not there."""
    assert registered.is_dir()
    path = Path("payment.json")
    path.write_text(path.read_text().replace("3}", "101}"))
    said = run(*TRY, "--record", "r.json").stdout
    assert "score not read: boosting, for it abstained because `tries` is above 100" in said
    rule = run("explain", "r.json", "--policy", "kept", "--rule", "risky_payment").stdout
    assert "score not read here: boosting, for it abstained because `tries` is above 100" in rule
    assert "not allowed" not in rule
