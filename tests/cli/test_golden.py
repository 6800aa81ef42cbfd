"""What people read, kept as a whole: `pytest --write-golden` renews it, the diff is reviewed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.rules.repositories import commit, repository

Golden = Callable[[str, str], None]

WRONG_RULES = """\
rule burst version 1
  when tries_10m > = 5
  then decline because burst

rule large_payment version 1
  when amout > 300 EUR or spend_24h > 800
  then step_up strong because lagre

rule country_gap version 1
  when ip_country != card_country
  then review because country_gap
"""
OLD_RULE = """
rule last_year version 1
  expires 2026-12-15
  when amount > 200 EUR
  then review because large
"""


def replaced(path: Path, old: str, new: str) -> None:
    """Change a text in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def screen(run: Run, *arguments: str, code: int = 0) -> str:
    """What a terminal shows: the command, its output and its exit code."""
    result = run(*arguments, code=code)
    ending = f"(exit code {code})\n" if code else ""
    return f"$ tidegate {' '.join(arguments)}\n{result.output}{ending}"


def test_help(run: Run, golden: Golden) -> None:
    """The first page of the manual, and the exit codes that scripts rely on."""
    golden("cli/help.txt", screen(run, "--help"))


@pytest.mark.parametrize("command", ["check", "decide", "backtest", "diff"])
def test_help_of_a_command(run: Run, golden: Golden, command: str) -> None:
    """Every option in its own words."""
    golden(f"cli/help_{command}.txt", screen(run, command, "--help"))


def test_wrong_usage(run: Run, golden: Golden) -> None:
    """Each slip gets one line and a way out."""
    slips = [
        ["chek"], ["check", "--formt", "json"], ["check", "--format", "xml"],
        ["check", "--today", "tomorrow"], ["decide"], ["backtest", ".", "m.yaml", "--limit", "0"],
        ["history", "chek"],
    ]  # fmt: skip
    golden("cli/wrong_usage.txt", "\n".join(screen(run, *slip, code=2) for slip in slips))


@pytest.mark.usefixtures("shop")
def test_check_of_a_policy_that_is_fine(run: Run, golden: Golden) -> None:
    """What is not done yet is said, in few lines."""
    run("init", "card", "--example", "card")
    shown = [screen(run, "check", name, "--today", "2026-11-23") for name in ("shop", "card")]
    golden("cli/check_fine.txt", "\n".join(shown))


IDLE_RULES = """
rule huge_payment version 1
  when amount > 40000 EUR
  then review because large

rule any_payment version 1
  when amount >= 0.01 EUR
  then tag "seen"

rule burst_again version 1
  when tries_10m >= 5
  then hold because country_gap
"""
WRONG_LEVELS = """\
levels:
  never-fire: error
ignore:
  - {lint: unused}
"""


def test_what_a_history_and_the_levels_say(run: Run, shop: Path, golden: Golden) -> None:
    """Idle rules are told apart, and what is wrong with the levels is said in full."""
    with (shop / "rules.tide").open("a") as file:
        file.write(IDLE_RULES)
    command = ("check", "shop", "--today", "2026-11-23", "--history", "shop/mapping.yaml")
    shown = [screen(run, *command)]
    (shop / "lint.yaml").write_text(
        "ignore:\n  - {lint: never-fires, name: burst, because: it fires}\n"
    )
    shown.append(screen(run, *command))
    (shop / "lint.yaml").write_text(WRONG_LEVELS)
    shown.append(screen(run, *command, code=1))
    golden("cli/check_lints.txt", "\n".join(shown))


def test_check_of_a_policy_with_errors(run: Run, shop: Path, golden: Golden) -> None:
    """All errors of all files in one run, each with its place and a way out."""
    (shop / "rules.tide").write_text(WRONG_RULES)
    arguments = ("check", "shop", "--today", "2026-11-23")
    shown = screen(run, *arguments, code=1)
    golden("cli/check_errors.txt", shown)
    golden("cli/check_github.txt", screen(run, *arguments, "--format", "github", code=1))


def test_check_of_a_rule_that_runs_out(run: Run, shop: Path, golden: Golden) -> None:
    """A month before a protection vanishes its owner has to hear of it."""
    with (shop / "rules.tide").open("a") as file:
        file.write(OLD_RULE)
    days = [("2026-11-01", 0), ("2026-11-23", 0), ("2026-12-15", 1)]
    shown = [screen(run, "check", "shop", "--today", day, code=code) for day, code in days]
    golden("cli/check_expires.txt", "\n".join(shown))


def test_cases_that_fail(run: Run, shop: Path, golden: Golden) -> None:
    """Expected and found side by side, the line of the case, and why the rule was silent."""
    replaced(shop / "rules.tide", "amount > 300 EUR", "amount > 500 EUR")
    replaced(shop / "rules.tide", "decline because burst", "decline because large")
    golden("cli/test_failures.txt", screen(run, "test", "shop", code=1))


def test_cases_that_cannot_be_read(run: Run, shop: Path, golden: Golden) -> None:
    """A case that states nothing must not count as passed."""
    replaced(shop / "cases" / "first.yaml", "reasons: [burst]", "reason: [burst]")
    shown = [screen(run, "test", "shop", code=1)]
    (shop / "cases" / "first.yaml").unlink()
    shown.append(screen(run, "test", "shop", code=4))
    golden("cli/test_unreadable.txt", "\n".join(shown))


@pytest.mark.usefixtures("shop")
def test_a_decision_and_its_explanations(run: Run, golden: Golden) -> None:
    """Analyst, customer and a single rule: what each of them reads about one payment."""
    event = ("shop", "shop/payment.json", "--features", "shop/features.json")
    record = ("record.json", "--policy", "shop")
    shown = [
        screen(run, "decide", *event),
        screen(run, "decide", *event, "--audience", "customer"),
    ]
    run("decide", *event, "--record", "record.json")
    shown += [
        screen(run, "explain", *record),
        screen(run, "explain", *record, "--audience", "customer"),
        screen(run, "explain", *record, "--rule", "burst"),
        screen(run, "explain", *record, "--rule", "brust", code=3),
        screen(run, "replay", *record),
    ]
    golden("cli/decision.txt", "\n".join(shown))


@pytest.mark.usefixtures("shop")
def test_an_event_that_is_refused(run: Run, tmp_path: Path, golden: Golden) -> None:
    """Every reason at once, each with a way out and none with the value."""
    (tmp_path / "event.json").write_text(
        '{"id": "p-1", "at": "yesterday", "amount": "12,50", "card": "4111 1111 1111 1111",'
        ' "card_country": "fr", "colour": "red"}'
    )
    (tmp_path / "scores.json").write_text('{"fraud_score": 0.5}')
    (tmp_path / "broken.json").write_text('{"id": "p-1", "id": "p-2"}')
    event = ("decide", "shop", "event.json")
    golden(
        "cli/decide_refused.txt",
        "\n".join(
            [
                screen(run, *event, code=3),
                screen(run, *event, "--event", "paymant", code=3),
                screen(run, "decide", "shop", "shop/payment.json", code=3),
                screen(run, "decide", "shop", "shop/payment.json", "--scores", "scores.json",
                       "--features", "shop/features.json", code=3),
                screen(run, "decide", "shop", "broken.json", code=3),
                screen(run, "decide", "shop", "absent.json", code=3),
            ]
        ),
    )  # fmt: skip


@pytest.mark.usefixtures("shop")
def test_a_replay_that_differs(run: Run, shop: Path, tmp_path: Path, golden: Golden) -> None:
    """Where two policies part, place by place, and nothing hidden by a bad record beside it."""
    event = ("shop", "shop/payment.json", "--features", "shop/features.json")
    run("decide", *event, "--record", "record.json")
    (tmp_path / "torn.json").write_text('{"schema":1')
    replaced(shop / "rules.tide", '"Confirm what is large', '"Confirm all that is large')
    shown = [
        screen(run, "replay", "torn.json", "record.json", "--policy", "shop", code=3),
        screen(run, "replay", "record.json", "--policy", "shop", "--outcome"),
    ]
    golden("cli/replay_differs.txt", without_hashes("\n".join(shown)))


def without_hashes(text: str) -> str:
    """The text with every SHA-256 as `HASH`: the examples may change."""
    import re

    return re.sub(r"\b[0-9a-f]{64}\b", "HASH", text)


def test_a_mapping_and_its_history(run: Run, shop: Path, golden: Golden) -> None:
    """How every column is read, and each row that cannot be."""
    lines = (shop / "history.csv").read_text().splitlines()[:40]
    lines[3] = lines[3].replace(" ", "T25:", 1).replace("2026-", "2026/", 1)
    (shop / "history.csv").write_text("\n".join([*lines, "only,three,cells"]) + "\n")
    shown = [screen(run, "history", "check", "shop", "shop/mapping.yaml", code=3)]
    replaced(shop / "mapping.yaml", "card_country: card_country", "card_contry: card_country")
    shown.append(screen(run, "history", "check", "shop", "shop/mapping.yaml", code=3))
    shown.append(screen(run, "backtest", "shop", "shop/nothing.yaml", code=3))
    golden("cli/history.txt", "\n".join(shown))


def against(run: Run, shop: Path) -> None:
    """The policy as it was, and as somebody changed it, in a repository."""
    root = repository(shop.parent)
    commit(root)
    replaced(shop / "rules.tide", "amount > 300 EUR", "amount > 400 EUR")
    replaced(shop / "rules.tide", "tries_10m >= 5", "tries_10m >= 4")
    replaced(shop / "rules.tide", "then review because", "then review before because")
    del run


def test_what_changed_since_a_revision(run: Run, shop: Path, golden: Golden) -> None:
    """In words, over a history, and with nothing changed."""
    against(run, shop)
    (shop.parent / "key").write_text("a secret of the shop, kept apart")
    arguments = ("diff", "HEAD", "shop", "shop/mapping.yaml", "--key-file", "key", "--flips", "2")
    shown = [screen(run, "diff", "HEAD", "shop"), screen(run, *arguments)]
    (shop / "rules.tide").write_text(f"# a comment\n{(shop / 'rules.tide').read_text()}")
    commit(shop.parent)
    replaced(shop / "rules.tide", "# a comment\n", "")
    shown.append(screen(run, "diff", "HEAD", "shop"))
    text = without_seconds("\n".join(shown))
    assert max(map(len, text.splitlines())) <= 80
    golden("cli/diff.txt", text)


def without_seconds(text: str) -> str:
    """The text without what differs from run to run: seconds, rows a second, ids of commits."""
    import re

    text = re.sub(r"compared in [0-9.]+ s", "compared in N s", text)
    text = re.sub(r"(columns|one by one) +[0-9,]+ +[0-9,]+", r"\1 N N", text)
    text = re.sub(r"(rows a second) +before +after", r"\1 before after", text)
    return re.sub(r"\([0-9a-f]{10}\)", "(COMMIT)", text)


def test_what_cannot_be_compared(run: Run, shop: Path, golden: Golden) -> None:
    """Each with its way out."""
    lone = [screen(run, "diff", "HEAD", "shop", code=3)]
    against(run, shop)
    (shop.parent / "key").write_text("short")
    broken = shop.parent / "broken"
    shutil.copytree(shop, broken)
    replaced(broken / "rules.tide", "then decline", "then declin")
    mapping = ("shop/mapping.yaml", "--snapshot", "shop")
    shown = [
        screen(run, "diff", "nonsense", "shop", code=3),
        screen(run, "diff", "broken", "shop", code=3),
        screen(run, "diff", "HEAD", "broken", code=1),
        screen(run, "diff", "HEAD", "nowhere", code=3),
        screen(run, "diff", "HEAD", "shop", "shop/nothing.yaml", code=3),
        screen(run, "diff", "HEAD", "shop", *mapping, code=3),
        screen(run, "diff", "HEAD", "shop", "--key-file", "key", code=3),
        screen(run, "diff", "HEAD", "shop", "--snapshot", "kept", code=2),
        screen(run, "diff", "HEAD", code=2),
        screen(run, "check", "shop", "--dry-run", code=2),
        screen(run, "check", "shop", "--against", "nonsense", code=3),
        screen(run, "check", "shop", "--against", "broken", code=3),
    ]
    golden("cli/diff_refused.txt", "\n".join([*lone, *shown]))


def test_versions_against_a_revision(run: Run, shop: Path, golden: Golden) -> None:
    """What is found, what `--fix` raises, and every code of a version."""
    against(run, shop)
    rules = shop / "rules.tide"
    shown = [
        screen(run, "check", "shop", "--against", "HEAD", code=1),
        screen(run, "check", "shop", "--against", "HEAD", "--format", "github", code=1),
        screen(run, "check", "shop", "--against", "HEAD", "--fix"),
        screen(run, "check", "shop", "--against", "HEAD"),
        rules.read_text(),
    ]
    commit(shop.parent)
    replaced(rules, "rule burst version 2", "rule burst version 1")
    replaced(rules, "rule large_payment version 2", "rule large_payment version 3")
    text = rules.read_text()
    rules.write_text(text[: text.index("rule country_gap")])
    commit(shop.parent)
    with rules.open("a") as file:
        file.write("rule country_gap version 1\n  when amount > 90 EUR\n  then review\n")
    shown += [
        screen(run, "check", "shop", "--against", "HEAD~1", code=1),
        screen(run, "check", "shop", "--against", "HEAD", code=1),
        screen(run, "check", "shop", "--against", "HEAD", "--fix"),
    ]
    golden("cli/versions.txt", "\n".join(shown))
