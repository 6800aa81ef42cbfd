"""`tidegate check` with levels, fixes and a history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Run, json_of

SPARE = """param spare money = 5 EUR from 1 EUR to 9 EUR

"""
IDLE = """
rule huge version 1
  when amount > 9000 EUR
  then hold because large

rule any_payment version 1
  when amount >= 0 EUR
  then review because large
"""


def add(shop: Path, text: str) -> Path:
    """Put a text into the rules."""
    path = shop / "rules.tide"
    path.write_text(f"{text}{path.read_text()}" if text == SPARE else path.read_text() + text)
    return path


def codes(run: Run, *arguments: str, code: int = 0) -> list[tuple[str, str]]:
    """Codes and severities of what `check` says, but for notes on what is not done."""
    said = json_of(run("check", "shop", *arguments, "--json", code=code))["diagnostics"]
    return [(d["code"], d["severity"]) for d in said if d["code"] < "TG9"]


def test_strict_makes_warnings_fail(run: Run, shop: Path) -> None:
    """A build would pass with what it was told to refuse."""
    assert codes(run, "--strict") == []
    add(shop, SPARE)
    assert codes(run) == [("TG723", "warning")]
    assert codes(run, "--strict", code=1) == [("TG723", "warning")]


def test_a_level_of_the_folder_decides_the_exit_code(run: Run, shop: Path) -> None:
    """A team could not make its own rule binding."""
    add(shop, SPARE)
    (shop / "lint.yaml").write_text("levels: {unused: error}\n")
    assert codes(run, code=1) == [("TG723", "error")]
    (shop / "lint.yaml").write_text("ignore: [{lint: unused, name: spare, because: soon}]\n")
    assert codes(run, "--strict") == []
    (shop / "lint.yaml").write_text("levels: {unusd: error}\n")
    assert ("TG751", "error") in codes(run, code=1)


def test_github_shows_lints_beside_their_lines(run: Run, shop: Path) -> None:
    """A pull request would not show them."""
    add(shop, SPARE)
    lines = run("check", "shop", "--format", "github").stdout.splitlines()
    assert any(line.startswith("::warning file=shop/rules.tide,line=1,") for line in lines)


def test_a_note_is_not_called_undone(run: Run, shop: Path) -> None:
    """A finding would be told as something that this release lacks."""
    add(shop, SPARE)
    (shop / "lint.yaml").write_text("levels: {unused: note}\n")
    shown = run("check", "shop").stdout
    assert shown.startswith("worth a look:\n  shop/rules.tide:1: param `spare` is read by nothing")


def test_fix_shows_and_then_writes(run: Run, shop: Path) -> None:
    """Text would be changed unasked, or left as it was."""
    path = shop / "rules.tide"
    kept = path.read_bytes()
    add(shop, SPARE)
    untidy = path.read_bytes()
    shown = run("check", "shop", "--fix", "--dry-run").stdout
    assert "\n-param spare money = 5 EUR from 1 EUR to 9 EUR\n" in shown
    assert path.read_bytes() == untidy
    shown = run("check", "shop", "--fix").stdout
    assert shown.startswith("removed param `spare`, which nothing reads  shop/rules.tide:1\n")
    assert path.read_bytes() == b"\n" + kept
    assert "removed" not in run("check", "shop", "--fix").stdout


def test_a_fix_keeps_line_endings(run: Run, shop: Path) -> None:
    """Every line of the file would differ in the review."""
    path = shop / "rules.tide"
    kept = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(SPARE.replace("\n", "\r\n").encode() + kept)
    run("check", "shop", "--fix")
    assert path.read_bytes() == b"\r\n" + kept


def test_what_is_ignored_is_not_fixed(run: Run, shop: Path) -> None:
    """What was kept for a reason would be taken away."""
    path = add(shop, SPARE)
    (shop / "lint.yaml").write_text("ignore: [{lint: unused, name: spare, because: soon}]\n")
    untidy = path.read_bytes()
    run("check", "shop", "--fix")
    assert path.read_bytes() == untidy


def test_a_history_shows_idle_rules(
    run: Run, shop: Path, golden: Callable[[str, str], None]
) -> None:
    """A rule would be kept that does nothing, or be called idle without enough decisions."""
    add(shop, IDLE)
    shown = run("check", "shop", "--history", "shop/mapping.yaml").stdout
    golden("cli/check_history.txt", shown)
    assert codes(run) == []
    kept = codes(run, "--history", "shop/mapping.yaml", "--snapshot", "kept")
    assert kept == codes(run, "--history", "shop/mapping.yaml")
    assert {code for code, _ in kept} >= {"TG741", "TG742"}


def test_options_that_need_each_other(run: Run, shop: Path) -> None:
    """An option would be taken and do nothing."""
    assert shop.is_dir()
    run("check", "shop", "--dry-run", code=2)
    run("check", "shop", "--snapshot", "kept", code=2)
