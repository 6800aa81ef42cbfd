"""What happens when something goes wrong that is nobody's rule: defects, disks, interrupts."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Run, json_of
from tidegate.cli import init
from tidegate.cli.main import app
from tidegate.cli.output import ExitCode

Break = Callable[[BaseException], None]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Let `tidegate init` fail with an exception."""

    def fail_with(error: BaseException) -> None:
        def fail(*_: object) -> NoReturn:
            raise error

        monkeypatch.setattr(init, "_next", fail)

    return fail_with


def test_a_defect_is_one_line_with_a_way_to_report_it(
    run: Run, broken: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback frightens analysts and may hold values; whoever debugs asks for it."""
    broken(ZeroDivisionError("secret"))
    monkeypatch.delenv("TIDEGATE_DEBUG")
    quiet = run("init", "quiet", code=70).stderr
    assert quiet.startswith("error: a defect of Tidegate: ZeroDivisionError\n  help: ")
    assert "--debug" in quiet
    assert "secret" not in quiet
    assert "Traceback" in run("--debug", "init", "loud", code=70).stderr
    monkeypatch.setenv("TIDEGATE_DEBUG", "1")
    assert "Traceback" in run("init", "louder", code=70).stderr


def test_trouble_with_the_system_is_no_defect(run: Run, broken: Break) -> None:
    """A full disk is for the user to mend, and the message says which file it was."""
    broken(OSError(errno.ENOSPC, "No space left on device", "shop/rules.tide"))
    result = run("init", "shop", code=3)
    assert result.stderr == "error: `shop/rules.tide`: No space left on device\n"


def test_an_interrupt_ends_quietly(run: Run, broken: Break) -> None:
    """Ctrl-C is an answer and needs no comment."""
    broken(KeyboardInterrupt())
    assert run("init", "shop", code=ExitCode.INTERRUPTED).stderr == ""


def test_a_command_exits_as_a_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last word is an exit code, for a good ending too."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["--version"]).exit_code == 0
    assert CliRunner().invoke(app, ["init", "shop"]).exit_code == 0
    assert CliRunner().invoke(app, []).exit_code == ExitCode.USAGE


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    """Whoever types the bare name wants to know what there is."""
    assert "Commands:" in run(code=2).stderr
    assert "Commands:" in run("history", code=2).stderr


def test_a_folder_that_is_a_file_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    """Somebody's file would be gone."""
    (tmp_path / "shop").write_text("mine")
    run("init", "shop", code=3)
    assert (tmp_path / "shop").read_text() == "mine"


def test_what_init_writes_may_be_edited(run: Run, shop: Path) -> None:
    """Installed files are write-protected on some systems; their copies must not be."""
    del run
    for path in shop.rglob("*"):
        assert path.stat().st_mode & 0o200, path


# --- options that write ---


@pytest.mark.usefixtures("shop")
def test_a_backtest_is_kept_beside_the_report(run: Run, tmp_path: Path) -> None:
    """A run of an hour must not be repeated for the other form of its result."""
    arguments = ("backtest", "shop", "shop/mapping.yaml", "--limit", "200")
    report = run(*arguments, "--out", "out.json").stdout
    assert report == run(*arguments).stdout
    assert report.startswith("Dry run of first_rules")
    kept = json.loads((tmp_path / "out.json").read_bytes())
    assert kept == json_of(run(*arguments, "--json"))
    assert "cannot be written" in run(*arguments, "--out", "no/out.json", code=3).stderr


@pytest.mark.usefixtures("shop")
def test_an_error_goes_into_no_file(run: Run, tmp_path: Path) -> None:
    """A file named `out.json` that holds an error would be read as a result."""
    run("backtest", "shop", "nowhere.yaml", "--out", "out.json", code=3)
    assert not (tmp_path / "out.json").exists()


# --- the customer ---


@pytest.mark.usefixtures("shop")
def test_the_customer_is_told_words_and_nothing_else(run: Run) -> None:
    """Whoever learns rules, thresholds or scores learns how to get past them."""
    event = ("decide", "shop", "shop/payment.json", "--features", "shop/features.json")
    found = json_of(run(*event, "--audience", "customer", "--json"))
    assert found == {
        "schema": "tidegate.decide/1",
        "word": "step_up",
        "explanation": {"messages": ["Please confirm this payment."], "retry": ""},
    }


def test_a_customer_of_an_approved_payment_is_told_nothing(run: Run, shop: Path) -> None:
    """An empty line looks like a defect."""
    payment = json.loads((shop / "payment.json").read_text())
    (shop / "payment.json").write_text(json.dumps(payment | {"amount": "5.00 EUR"}))
    event = ("decide", "shop", "shop/payment.json", "--features", "shop/features.json")
    said = run(*event, "--audience", "customer").stdout
    assert said == "nothing: the payment was approved\n"


def test_points_tags_and_advice_are_shown(run: Run, shop: Path) -> None:
    """They are part of the answer, and no rung of a ladder tells of them."""
    with (shop / "rules.tide").open("a") as file:
        file.write(
            '\nrule abroad version 1\n  when card_country = "FR"\n'
            '  then add 15 points, tag "geo", advise route = "slow"\n'
        )
    event = ("decide", "shop", "shop/payment.json", "--features", "shop/features.json")
    shown = run(*event).stdout.splitlines()
    assert shown[-3:] == ["points: 15", "tags: geo", "advice: route = slow"]


@pytest.mark.parametrize("score", [True, [0.5], {"value": 0.5}])
def test_a_score_that_is_no_score_is_refused(run: Run, tmp_path: Path, score: object) -> None:
    """A flag taken for the number 1 would decline somebody."""
    run("init", "card", "--example", "card")
    (tmp_path / "s.json").write_text(json.dumps({"fraud_score": score}))
    (tmp_path / "e.json").write_text("{}")
    result = run("decide", "card", "e.json", "--scores", "s.json", code=3)
    assert "`fraud_score` is no score" in result.stderr


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("option", ["--features", "--scores", "--lists"])
@pytest.mark.parametrize("value", [1, None, [0.5]])
def test_a_card_number_as_a_name_is_never_repeated(
    run: Run, tmp_path: Path, option: str, value: object
) -> None:
    """The message, and whatever keeps it, would hold the card number."""
    (tmp_path / "given.json").write_text(json.dumps({"4111111111111111": value}))
    result = run("decide", "shop", "shop/payment.json", option, "given.json", code=3)
    assert "4111" not in result.output
    assert "given.json" not in result.output


@pytest.mark.usefixtures("shop")
def test_standard_input_is_read_once(run: Run) -> None:
    """The second reader would find it empty and blame the file."""
    assert "read once" in run("decide", "shop", "-", "--features", "-", code=2).stderr


# --- what cannot be read ---


@pytest.mark.parametrize(
    "arguments",
    [["check", "shop"], ["test", "shop"], ["decide", "shop", "shop/payment.json"], ["fmt", "shop"]],
)
@pytest.mark.parametrize("sealed", ["shop", "shop/rules.tide"])
def test_what_cannot_be_read_is_bad_input(
    run: Run, shop: Path, seal: Callable[[Path], None], arguments: list[str], sealed: str
) -> None:
    """A build would blame the policy for a disk, or go on without its rules."""
    seal(shop.parent / sealed)
    output = run(*arguments, code=3).output
    assert "TG182" in output
    assert "TG202" not in output
    assert "shop" in output


def test_a_policy_that_is_wrong_and_unread_shows_both(
    run: Run, shop: Path, seal: Callable[[Path], None]
) -> None:
    """All that is wrong comes in one run."""
    (shop / "more.tide").write_text("ruel x version 1\n")
    seal(shop / "rules.tide")
    output = run("check", "shop", code=3).output
    assert "--> shop/rules.tide" in output
    assert "--> shop/more.tide:1" in output


def test_init_into_a_file_says_that_it_is_one(run: Run, tmp_path: Path) -> None:
    """`Not empty` is said of folders."""
    (tmp_path / "afile").touch()
    assert "`afile` is a file" in run("init", "afile", code=3).stderr


# --- fmt ---


def test_fmt_of_nothing_is_no_success(run: Run, tmp_path: Path) -> None:
    """A misspelt folder would keep the build green for ever."""
    (tmp_path / "empty").mkdir()
    assert "holds no rule files" in run("fmt", "--check", "empty", code=3).stderr


def test_fmt_names_a_file_as_it_was_called(run: Run, shop: Path) -> None:
    """Two folders may hold a `rules.tide`, and an editor opens what is printed."""
    (shop / "deep").mkdir()
    (shop / "deep" / "more.tide").write_text("ruel x version 1\n")
    for called in ("shop", "shop/deep/more.tide"):
        assert "--> shop/deep/more.tide:1" in run("fmt", called, code=1).stderr
        found = json_of(run("fmt", called, "--json", code=1))["files"][0]
        assert found["file"] == found["diagnostics"][0]["file"] == "shop/deep/more.tide"


# --- slips in what is given ---


@pytest.mark.usefixtures("shop")
def test_features_that_are_not_given_name_their_option(run: Run) -> None:
    """The first call of `decide` is the one without them."""
    without = run("decide", "shop", "shop/payment.json", code=3).stderr
    assert without.endswith("help: give features with `--features FILE`\n")


def test_an_event_that_is_not_decided_is_said_alone(run: Run, shop: Path) -> None:
    """Its fields are nobody's fault."""
    with (shop / "policy.tide").open("a") as file:
        file.write("\nevent dispute\n  id text key\n  at time\n  kind text\n")
    arguments = ("decide", "shop", "shop/payment.json", "--event", "dispute", "--json")
    (problem,) = json_of(run(*arguments, code=3))["problems"]
    assert (problem["code"], problem["message"]) == (
        "not_decided",
        "`dispute` is not decided here",
    )


def test_a_misspelt_reason_in_a_case_gets_its_neighbour(run: Run, shop: Path) -> None:
    """`expected brust, found burst` takes a second look."""
    cases = shop / "cases" / "first.yaml"
    cases.write_text(cases.read_text().replace("reasons: [burst]", "reasons: [brust]"))
    shown = run("test", "shop", code=1).stdout
    assert "help: the policy has no reason `brust`, did you mean `burst`?" in shown


def test_a_misspelt_score_or_event_in_a_case_fails_with_help(run: Run) -> None:
    """The case would test an outage, and pass."""
    run("init", "card", "--example", "card")
    cases = Path("card/cases/slips.yaml")
    for event, scores, said in (
        ("card_paymnt", "{}", "did you mean `card_payment`?"),
        ("card_payment", "{fraud_score: high}", 'write 0.91, "unavailable" or "abstained"'),
    ):
        cases.write_text(
            f"- name: slip\n  event: {{{event}: {{id: x}}}}\n  scores: {scores}\n"
            "  expect: {outcome: approve, reasons: [], fired: []}\n"
        )
        assert said in run("test", "card", "--only", "slip", code=1).stdout
