"""What each command prints, and how it ends when something is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, json_of
from tidegate import Engine, load_policy


def edit(path: Path, old: str, new: str) -> None:
    """Change a text in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def write_json(path: Path, value: object) -> str:
    """Write a JSON file and name it."""
    path.write_text(json.dumps(value))
    return str(path)


# --- in general ---


def test_the_version_is_told(run: Run) -> None:
    """A bug report begins with it."""
    from tidegate import __version__

    assert run("--version").stdout == f"tidegate {__version__}\n"


@pytest.mark.parametrize("arguments", [["nothing"], ["check", "--nothing"], ["decide"]])
def test_a_call_that_does_not_exist_is_a_usage_error(run: Run, arguments: list[str]) -> None:
    """A script with a slip has to stop, and its log to show why."""
    result = run(*arguments, code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "nowhere", "--json"],
        ["test", "nowhere", "--json"],
        ["decide", "nowhere", "event.json", "--json"],
        ["backtest", "nowhere", "m.yaml", "--json"],
        ["history", "check", "nowhere", "m.yaml", "--json"],
    ],
)
def test_a_policy_that_is_not_there_ends_every_command(
    run: Run, tmp_path: Path, arguments: list[str]
) -> None:
    """A wrong path must not look like a policy that approves everything."""
    write_json(tmp_path / "event.json", {})
    result = run(*arguments, code=3)
    assert result.stderr == "error: `nowhere` is no folder\n"
    error = json_of(result)
    assert (error["schema"], error["kind"]) == ("tidegate.error/1", "bad_input")
    assert error["exit_code"] == 3


# --- init ---


@pytest.mark.parametrize("example", ["first", "card"])
def test_init_writes_a_policy_that_checks_and_passes(run: Run, example: str) -> None:
    """The first thing that a newcomer sees must not be an error."""
    written = json_of(run("init", "new", "--example", example, "--json"))
    assert "policy.tide" in written["files"]
    assert json_of(run("check", "new", "--json"))["errors"] == 0
    assert json_of(run("test", "new", "--json"))["failed"] == 0
    run("history", "check", "new", "new/mapping.yaml")


def test_init_leaves_what_is_there_alone(run: Run, shop: Path) -> None:
    """Somebody's rules would be gone."""
    before = (shop / "rules.tide").read_text()
    assert "not empty" in run("init", "shop", "--example", "card", code=3).stderr
    assert (shop / "rules.tide").read_text() == before


def test_init_takes_an_empty_folder(run: Run, tmp_path: Path) -> None:
    """`mkdir` first is what people do."""
    (tmp_path / "empty").mkdir()
    run("init", "empty")
    run("init", ".", code=3)


# --- check ---


def test_check_names_the_place_as_seen_from_here(run: Run, shop: Path) -> None:
    """An editor opens `file:line:column` from where the command ran."""
    edit(shop / "rules.tide", "amount > 300 EUR", "amout > 300 EUR")
    result = run("check", "shop", code=1)
    assert "--> shop/rules.tide:8:8" in result.stdout
    assert "did you mean `amount`?" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 error, 1 note"


def test_check_finds_the_policy_here(run: Run, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One works inside the folder of one's policy."""
    monkeypatch.chdir(shop)
    assert "  policy.tide:32: " in run("check").stdout


def test_check_gives_places_as_numbers(run: Run, shop: Path) -> None:
    """Editors and review tools read this, not the drawing."""
    edit(shop / "rules.tide", "amount > 300 EUR", "amout > 300 EUR")
    (found,) = [
        d
        for d in json_of(run("check", "shop", "--json", code=1))["diagnostics"]
        if d["severity"] == "error"
    ]
    assert (found["file"], found["line"], found["column"]) == ("rules.tide", 8, 8)
    assert (found["end_line"], found["end_column"]) == (8, 13)
    assert found["help"] == "did you mean `amount`?"
    assert (
        run("check", "shop", "--format", "json", code=1).stdout
        == run("check", "shop", "--json", code=1).stdout
    )


def test_check_speaks_to_github(run: Run, shop: Path) -> None:
    """A pull request shows the error beside its line, with nothing able to break out of it."""
    edit(shop / "rules.tide", "amount > 300 EUR", "amout > 300 EUR")
    (shop / "odd,name:%.tide").write_text("ruel x version 1\n")
    lines = run("check", "shop", "--format", "github", code=1).stdout.splitlines()
    assert all(line.startswith(("::error ", "::notice ", "::warning ")) for line in lines)
    (named,) = [line for line in lines if "amout" in line]
    assert named.startswith("::error file=shop/rules.tide,line=8,endLine=8,col=8,endColumn=13,")
    assert named.endswith("%0Adid you mean `amount`?")
    assert any("file=shop/odd%2Cname%3A%25.tide," in line for line in lines)


def test_check_judges_expiry_by_the_day_that_is_given(run: Run, shop: Path) -> None:
    """A rule that ran out has to fail the build on its day, in the policy's own zone."""
    edit(shop / "rules.tide", "rule burst version 1", "rule burst version 1\n  expires 2030-06-01")
    quiet = json_of(run("check", "shop", "--today", "2030-04-01", "--json"))
    assert (quiet["errors"], quiet["warnings"]) == (0, 0)
    soon = json_of(run("check", "shop", "--today", "2030-05-20", "--json"))
    assert (soon["errors"], soon["warnings"]) == (0, 1)
    last = json_of(run("check", "shop", "--today", "2030-05-31", "--json"))
    assert (last["errors"], last["warnings"]) == (0, 1)
    gone = json_of(run("check", "shop", "--today", "2030-06-01", "--json", code=1))
    assert [d["code"] for d in gone["diagnostics"] if d["severity"] == "error"] == ["TG407"]
    assert "2026-11-23" in run("check", "shop", "--today", "tomorrow", code=2).stderr


# --- test ---


def test_a_failing_case_says_what_and_why(run: Run, shop: Path) -> None:
    """The analyst who changed the threshold sees which case, which rule and how far off."""
    edit(shop / "rules.tide", "amount > 300 EUR", "amount > 500 EUR")
    result = run("test", "shop", code=1)
    assert "fail: a large payment from abroad is confirmed and looked at" in result.stdout
    assert "--> shop/cases/first.yaml:" in result.stdout
    assert "expected  step_up" in result.stdout
    assert "large_payment@1 did not fire" in result.stdout
    assert "80.00 EUR below 500.00 EUR" in result.stdout
    assert result.stdout.splitlines()[-1] == "4 cases passed, 1 failed"


def test_a_failing_case_is_data_too(run: Run, shop: Path) -> None:
    """A build shows it without reading prose."""
    edit(shop / "rules.tide", "decline because burst", "decline because large")
    found = json_of(run("test", "shop", "--json", code=1))
    assert (found["passed"], found["failed"]) == (4, 1)
    (failed,) = [case for case in found["cases"] if not case["passed"]]
    assert failed["differences"] == [
        {"what": "reasons", "expected": "burst", "found": "large", "help": ""}
    ]
    assert failed["file"] == "cases/first.yaml"


def test_nothing_tested_is_no_success(run: Run, shop: Path) -> None:
    """A misspelt folder of cases would keep the build green for ever."""
    (shop / "cases").rename(shop / "casses")
    assert "cases/first.yaml" in run("test", "shop", code=4).stderr
    (shop / "cases").mkdir()
    run("test", "shop", "--json", code=4)


def test_a_bad_case_fails_with_its_place(run: Run, shop: Path) -> None:
    """The other cases say nothing as long as one cannot be read."""
    edit(shop / "cases" / "first.yaml", "    reasons: [burst]", "    reason: [burst]")
    result = run("test", "shop", code=1)
    assert "--> shop/cases/first.yaml:" in result.stderr
    assert "did you mean `reasons`?" in result.stderr
    assert result.stdout == ""


# --- decide ---


PAYMENT = {
    "id": "p-9",
    "at": "2026-02-10T21:15:00Z",
    "amount": "20.00 EUR",
    "card": "tok_1",
    "card_country": "FR",
    "ip_country": "FR",
}
FEATURES = {"tries_10m": 1, "spend_24h": "35.50 EUR"}


@pytest.mark.usefixtures("shop")
def test_decide_reads_standard_input(run: Run, tmp_path: Path) -> None:
    """Events come through pipes."""
    features = write_json(tmp_path / "f.json", FEATURES)
    arguments = ("decide", "shop", "-", "--features", features, "--json")
    found = json_of(run(*arguments, stdin=json.dumps(PAYMENT)))
    assert found["outcome"]["word"] == "approve"
    assert found["record"]["inputs"]["amount"] == "20.00 EUR"
    assert len(found["record_hash"]) == 64


def test_decide_writes_the_record_that_the_engine_gives(
    run: Run, shop: Path, tmp_path: Path
) -> None:
    """A record that differs by a byte proves nothing."""
    event = write_json(tmp_path / "e.json", PAYMENT)
    features = write_json(tmp_path / "f.json", FEATURES)
    (tmp_path / "r.json").write_text("an older one")
    run("decide", "shop", event, "--features", features, "--record", "r.json")
    decision = Engine(load_policy(shop)).decide(PAYMENT, features=FEATURES)
    assert (tmp_path / "r.json").read_bytes() == decision.record_bytes
    assert not list(tmp_path.glob(".r.json*"))


@pytest.mark.usefixtures("shop")
def test_a_record_that_cannot_be_kept_is_an_error(run: Run, tmp_path: Path) -> None:
    """An answer without its record would be worth nothing later."""
    event = write_json(tmp_path / "e.json", PAYMENT)
    features = write_json(tmp_path / "f.json", FEATURES)
    arguments = ("decide", "shop", event, "--features", features, "--record", "no/where/r.json")
    result = run(*arguments, code=3)
    assert "no/where/r.json" in result.stderr
    assert result.stdout == ""


@pytest.mark.usefixtures("shop")
def test_a_refused_event_gives_every_reason_and_no_value(run: Run, tmp_path: Path) -> None:
    """A card number must not come back in a log."""
    body = {**PAYMENT, "amount": "twenty", "card": "4111111111111111", "colour": "red"}
    result = run("decide", "shop", write_json(tmp_path / "e.json", body), "--json", code=3)
    error = json_of(result)
    assert error["kind"] == "event_refused"
    codes = {problem["code"] for problem in error["problems"]}
    assert codes == {"card_number", "unknown_currency", "unknown_field", "missing_feature"}
    assert "4111" not in result.output
    assert "twenty" not in result.output


BAD_JSON: list[Any] = [
    ("{", "is not JSON"),
    ("[1]", "no JSON object"),
    ('{"id": "a", "id": "b"}', "twice"),
    ('{"amount": NaN}', "no number"),
    ('{"amount": 1e999999999999999999999}', "the exponent of a number is too large"),
    ('{"amount": 1e-999999999999999999999}', "the exponent of a number is too large"),
    ('{"amount": ' + "9" * 5_000 + "}", "a number has too many digits"),
    (b"\xff", "not UTF-8"),
    ("[" * 100_000, "e.json"),
    ('{"a": "' + "x" * 2**20 + '"}', "larger than 1 MiB"),
]


@pytest.mark.parametrize(("content", "said"), BAD_JSON)
@pytest.mark.usefixtures("shop")
def test_what_is_no_event_is_refused(
    run: Run, tmp_path: Path, content: str | bytes, said: str
) -> None:
    """Whatever a file holds, the answer is one message."""
    raw = content.encode() if isinstance(content, str) else content
    (tmp_path / "e.json").write_bytes(raw)
    assert said in run("decide", "shop", "e.json", code=3).stderr


def test_scores_and_lists_are_given(run: Run, tmp_path: Path) -> None:
    """A policy with a model and a managed list can be tried without either."""
    run("init", "card", "--example", "card")
    payment = {
        "id": "p-1", "at": "2026-02-10T12:00:00Z", "amount": "300.00 EUR", "card": "tok_1",
        "customer": "tok_2", "merchant": "m-1", "mcc": "5301", "card_country": "FR",
        "channel": "ecom",
    }  # fmt: skip
    features = {
        "tries_10m": 7, "tries_24h": 0, "spend_24h": "0 EUR", "declines_1h": 4, "places_7d": 0,
        "cards_1d": 0, "fraud_28d": 0, "seen_28d": 0,
    }  # fmt: skip
    event, given = write_json(tmp_path / "e", payment), write_json(tmp_path / "f", features)

    def decided(scores: object, lists: object) -> Any:
        arguments = ["--scores", write_json(tmp_path / "s", scores)]
        arguments += ["--lists", write_json(tmp_path / "l", lists)]
        return json_of(run("decide", "card", event, "--features", given, *arguments, "--json"))

    high = decided({"fraud_score": 0.9}, {"trusted": []})["record"]
    assert "risky_score@3" in high["rules"]["fired"]
    assert high["inputs"]["fraud_score"] == "0.9"
    assert "retry_storm@1" in high["rules"]["fired"]
    trusted = decided({"fraud_score": "unavailable"}, {"trusted": ["tok_2"]})["record"]
    assert trusted["scores"] == {"boosting": "unavailable"}
    assert "retry_storm@1" in trusted["rules"]["silenced"]
    refused: list[object] = [
        {"trustd": []},
        {"trusted": "tok_2"},
        {"trusted": ["4111111111111111"]},
    ]
    for lists in refused:
        bad = ["--lists", write_json(tmp_path / "l", lists)]
        result = run("decide", "card", event, "--features", given, *bad, code=3)
        assert "4111" not in result.output


# --- explain and replay ---


@pytest.fixture
def record(run: Run, shop: Path, tmp_path: Path) -> Path:
    """Keep the record of the example's payment."""
    features = str(shop / "features.json")
    payment = str(shop / "payment.json")
    run("decide", "shop", payment, "--features", features, "--record", "r.json")
    return tmp_path / "r.json"


def test_a_code_is_explained_however_it_is_written(run: Run) -> None:
    """It is copied by hand from a log."""
    assert run("explain", "tg411").stdout.startswith("# TG411: ")
    assert json_of(run("explain", "TG411", "--json"))["code"] == "TG411"
    assert "TG999" in run("explain", "TG999", code=3).stderr


def test_a_record_is_explained_to_both_audiences(run: Run, record: Path) -> None:
    """The customer hears no rule, no threshold and no value."""
    arguments = ("explain", str(record), "--policy", "shop")
    analyst = run(*arguments).stdout
    customer = run(*arguments, "--audience", "customer").stdout
    assert "large_payment@1 fired" in analyst
    assert customer == "Please confirm this payment.\n"
    found = json_of(run(*arguments, "--json"))["explanation"]
    assert (found["word"], found["key"]) == ("step_up", "p-1")
    rule = json_of(run(*arguments, "--rule", "burst", "--json"))["explanation"]
    assert rule["state"] == "not_fired"
    assert "did you mean `burst`?" in run(*arguments, "--rule", "brst", code=3).stderr


def test_a_decision_is_explained_by_its_own_policy_alone(
    run: Run, shop: Path, record: Path
) -> None:
    """Another text would give another reason for what happened."""
    edit(shop / "rules.tide", "amount > 300 EUR", "amount > 500 EUR")
    assert "replay" in run("explain", str(record), "--policy", "shop", code=3).stderr


def test_a_replay_tells_what_differs(run: Run, shop: Path, record: Path) -> None:
    """A changed policy must not pass for the one that decided."""
    arguments = ("replay", str(record), "--policy", "shop")
    assert json_of(run(*arguments, "--json"))["records"][0]["identical"] is True
    edit(shop / "rules.tide", '"Confirm what is large', '"Do confirm what is large')
    assert "the same outcome, but not identical" in run(*arguments, code=1).stdout
    run(*arguments, "--outcome")
    edit(shop / "rules.tide", "amount > 300 EUR", "amount > 500 EUR")
    result = run(*arguments, "--outcome", code=1)
    assert "outcome.word  step_up -> approve" in result.stdout


def test_several_records_are_replayed(run: Run, record: Path, tmp_path: Path) -> None:
    """An audit draws a sample."""
    (tmp_path / "second.json").write_bytes(record.read_bytes() + b"\n")
    result = run("replay", str(record), "second.json", "--policy", "shop")
    assert result.stdout.splitlines()[-1] == "2 records, 2 identical"


@pytest.mark.parametrize("command", ["explain", "replay"])
def test_a_record_that_was_touched_is_refused(run: Run, record: Path, command: str) -> None:
    """Even white space makes it another record."""
    record.write_bytes(record.read_bytes().replace(b",", b", ", 1))
    assert "no record" in run(command, str(record), "--policy", "shop", code=3).stderr
    run(command, "nowhere.json", "--policy", "shop", code=3)


# --- histories ---


@pytest.mark.usefixtures("shop")
def test_a_mapping_is_previewed(run: Run) -> None:
    """A column in the wrong unit has to be seen before anybody believes a figure."""
    found = json_of(run("history", "check", "shop", "shop/mapping.yaml", "--json"))
    (source,) = found["sources"]
    assert source["bad"] == 0
    amount = next(column for column in source["columns"] if column["name"] == "amount")
    assert amount["read_as"] == "major, EUR"
    assert all(value.endswith(" EUR") for value in amount["first"])
    card = next(column for column in source["columns"] if column["name"] == "card")
    assert all("…" in value for value in card["first"])


def test_bad_rows_are_named(run: Run, shop: Path) -> None:
    """A dry run would leave them out; whoever maps a history wants to mend them."""
    lines = (shop / "history.csv").read_text().splitlines()
    lines[2] = lines[2].replace(",ES,", ",Spain,", 1)
    (shop / "history.csv").write_text("\n".join(lines) + "\n")
    result = run("history", "check", "shop", "shop/mapping.yaml", code=3)
    assert "card_country: unknown_country" in result.stdout
    assert "history.csv row 2" in result.stdout
    assert "Spain" not in result.output


@pytest.mark.parametrize(
    ("command", "options"), [(["history", "check"], ["--json"]), (["backtest"], ["--json"])]
)
def test_a_mapping_that_does_not_fit_is_refused_as_a_whole(
    run: Run, shop: Path, command: list[str], options: list[str]
) -> None:
    """Every slip at once, and nothing measured from half of it."""
    edit(shop / "mapping.yaml", "card_country: card_country", "card_contry: card_country")
    edit(shop / "mapping.yaml", ", unit: major", "")
    result = run(*command, "shop", "shop/mapping.yaml", *options, code=3)
    error = json_of(result)
    assert error["kind"] == "history_refused"
    assert len(error["problems"]) >= 3
    assert "did you mean `card_country`?" in result.stderr


def test_a_history_of_nothing_is_no_success(run: Run, shop: Path) -> None:
    """A nightly run over an empty export is green for months."""
    heading = (shop / "history.csv").read_text().splitlines()[0]
    (shop / "history.csv").write_text(f"{heading}\n")
    assert "no row was taken in" in run("backtest", "shop", "shop/mapping.yaml", code=3).stderr
    shown = run("history", "check", "shop", "shop/mapping.yaml", code=3).stdout
    assert "error: no row was taken in" in shown
    assert "1970" not in shown


@pytest.mark.usefixtures("shop")
def test_a_backtest_is_limited(run: Run) -> None:
    """A first look over a long history should take seconds."""
    found = json_of(run("backtest", "shop", "shop/mapping.yaml", "--limit", "100", "--json"))
    assert found["schema"] == "tidegate.backtest/1"
    assert found["events"][0]["decided"]["count"] == 100
    assert "Dry run of first_rules" in run("backtest", "shop", "shop/mapping.yaml").stdout
    run("backtest", "shop", "shop/mapping.yaml", "--limit", "0", code=2)


@pytest.mark.usefixtures("shop")
def test_a_snapshot_changes_no_figure(run: Run) -> None:
    """The report would depend on what was run before."""
    whole = run("backtest", "shop", "shop/mapping.yaml", "--json").stdout
    first = run("backtest", "shop", "shop/mapping.yaml", "--json", "--snapshot", "kept")
    again = run("backtest", "shop", "shop/mapping.yaml", "--json", "--snapshot", "kept")
    assert first.stdout == again.stdout == whole
    assert "snapshot: built in" in first.stderr
    assert "no file of the history was read" in again.stderr
    run("backtest", "shop", "shop/mapping.yaml", "--snapshot", "kept", "--limit", "5", code=2)
    assert (
        "is no snapshot"
        in run("backtest", "shop", "shop/mapping.yaml", "--snapshot", "shop", code=3).stderr
    )


# --- fmt ---


def test_fmt_writes_what_changes_and_nothing_else(run: Run, shop: Path) -> None:
    """A file that is fine keeps its time; one that is not keeps its comments and its meaning."""
    run("fmt", "shop")
    fine, rules = shop / "policy.tide", shop / "rules.tide"
    formatted, untouched = rules.read_text(), fine.stat().st_mtime_ns
    before = load_policy(shop).program
    rules.write_text("# kept\n" + formatted.replace(" >= ", "    >=  "))
    rules.chmod(0o640)
    assert "shop/rules.tide" in run("fmt", "--check", "shop", code=1).stdout
    assert ">=  " in rules.read_text()
    found = json_of(run("fmt", "shop", "--json"))
    assert {f["file"]: f["changed"] for f in found["files"]} == {
        "shop/grants.tide": False,
        "shop/policy.tide": False,
        "shop/rules.tide": True,
    }
    assert rules.read_text() == "# kept\n" + formatted
    assert rules.stat().st_mode & 0o777 == 0o640
    assert fine.stat().st_mtime_ns == untouched
    assert load_policy(shop).program == before
    run("fmt", "--check", "shop")
    assert not list(shop.glob(".*"))


def test_fmt_leaves_a_file_with_an_error_alone(run: Run, shop: Path) -> None:
    """What cannot be read cannot be printed."""
    text = "rule burst   version\n"
    (shop / "rules.tide").write_text(text)
    result = run("fmt", "shop", code=1)
    assert "rules.tide:1:" in result.stderr
    assert (shop / "rules.tide").read_text() == text


@pytest.mark.usefixtures("shop")
def test_fmt_takes_rule_files_only(run: Run) -> None:
    """A list formatted as rules would be gone."""
    run("fmt", "shop/history.csv", code=3)
    run("fmt", "nowhere", code=3)
    run("fmt", "shop/rules.tide")
