"""docs/cli.md is whole and true: every command has its section, every invocation runs."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.cli.conftest import Run
from tests.cli.model_samples import prepare_models
from tests.conftest import ROOT
from tidegate.cli.explain import codes
from tidegate.cli.main import EXIT_CODES, app
from tidegate.cli.output import ExitCode

PAGE = (ROOT / "docs" / "cli.md").read_text()


def commands() -> dict[str, Any]:
    """Name every command that the command line has, groups written out."""
    found: dict[str, Any] = {}
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        below = getattr(command, "commands", None)
        if below is None:
            found[name] = command
        else:
            found |= {f"{name} {child}": item for child, item in below.items()}
    return found


def section(name: str) -> str:
    """The part of the page below a heading."""
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section `{name}`"
    return found[1]


def test_every_command_has_its_section_and_every_section_its_command() -> None:
    """A command nobody reads about might as well not be there."""
    headings = set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) - {"Exit codes"}
    assert headings == set(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_is_in_its_section(name: str) -> None:
    """An option that the page forgets is found by accident only."""
    text = section(name)
    for parameter in commands()[name].params:
        long = [option for option in parameter.opts if option.startswith("--")]
        for option in set(long) - {"--json", "--help"}:
            assert option in text, f"{name}: {option}"


def test_exit_codes_are_the_same_everywhere() -> None:
    """Scripts act on them; two lists that differ break one script each."""
    documented = set(map(int, re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)))
    helped = set(map(int, re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE)))
    assert documented == helped | {ExitCode.INTERRUPTED} == set(ExitCode)


def transcripts(page: str = PAGE) -> list[tuple[str, int, str]]:
    """Every invocation of a page: command, exit code and the output that stands below it."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = shown.partition("\n")
            command, _, code = line.partition("  # exit ")
            found.append((command, int(code or 0), output))
    return found


def matches(shown: str, printed: str) -> bool:
    """Whether the output is as shown; `...` stands for anything, no output for any output."""
    if not shown.strip():
        return True
    pattern = re.escape(shown.rstrip("\n")).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, printed.rstrip("\n"), re.DOTALL) is not None


def test_every_invocation_runs_and_prints_what_is_shown(run: Run, tmp_path: Path) -> None:
    """Prose that does not run is wrong within a month."""
    prepare_models(tmp_path)
    assert len(transcripts()) >= len(commands())
    for command, code, shown in transcripts():
        program, *arguments = shlex.split(command)
        assert program == "tidegate"
        printed = run(*arguments, code=code).output
        assert matches(shown, printed), f"$ {command}\n{printed}"


def test_the_page_of_libraries_runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the page would not be what the page says."""
    monkeypatch.chdir(ROOT)
    found = transcripts((ROOT / "docs" / "libraries.md").read_text())
    assert found
    for command, code, shown in found:
        assert matches(shown, run(*shlex.split(command)[1:], code=code).output)


def test_the_page_of_monitoring_runs(run: Run) -> None:
    """Whoever tries what the page shows meets an error."""
    page = (ROOT / "docs" / "monitoring.md").read_text()
    (shadow,) = re.findall(r"^```\n(model newer .*?)^```", page, re.MULTILINE | re.DOTALL)
    found = transcripts(page)
    assert len(found) == 11
    for command, code, shown in found:
        program, *arguments = shlex.split(command)
        if program != "tidegate":
            subprocess.run([program, *arguments], check=True)
            continue
        if arguments[:2] == ["models", "train"]:
            Path("scored/shadow.tide").write_text(shadow)
        assert matches(shown, run(*arguments, code=code).output), command


def test_every_command_is_shown() -> None:
    """A section without an invocation is a section that nobody runs."""
    for name in commands():
        assert f"$ tidegate {name} " in section(name)


def test_every_diagnostic_code_has_its_page() -> None:
    """A message whose code explains nothing sends the analyst away."""
    used = {
        code
        for folder in ("dsl", "rules")
        for file in (ROOT / folder).glob("*.py")
        for code in re.findall(r'"(TG\d{3})"', file.read_text())
    }
    pages = codes()
    assert sorted(used - pages.keys()) == []
    assert sorted(pages.keys() - used) == []


@pytest.mark.parametrize("code", sorted(codes()))
def test_a_page_is_titled_with_its_code(code: str) -> None:
    """A page that was copied and not renamed explains the wrong thing."""
    assert codes()[code].startswith(f"# {code}: ")


def test_the_pages_of_the_package_are_those_of_the_docs() -> None:
    """The link is what brings them into the wheel."""
    assert (ROOT / "cli" / "pages").readlink() == Path("..", "docs", "diagnostics")
