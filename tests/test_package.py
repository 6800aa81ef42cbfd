"""The wheel holds every file below the folders, runs unpacked, and the pins are complete."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tests.test_layout import code_folders

PINS = ROOT / "requirements"


def build_tree(tree: Path) -> None:
    """Copy what a build needs: building in the work tree would leave a stale `build/` behind."""
    tree.mkdir()
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, tree)
    for folder in ("src", "docs", *code_folders(ROOT)):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / folder, tree / folder, symlinks=True, ignore=ignored)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the pinned backend, without a network."""
    place = tmp_path_factory.mktemp("wheel")
    build_tree(place / "tree")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    finished = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "-w", str(place), str(place / "tree")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (built,) = place.glob("*.whl")
    return built


def is_litter(path: Path) -> bool:
    """Tell what tools leave behind (`__pycache__`, `.mypy_cache`) from what people write."""
    return any(part == "__pycache__" or part.startswith(".") for part in path.parts)


def files_below_the_folders() -> set[str]:
    """Name every file of the tree that belongs into the wheel."""
    below = {
        path.relative_to(ROOT)
        for folder in code_folders(ROOT)
        for top, _, names in os.walk(ROOT / folder, followlinks=True)
        for path in (Path(top, name) for name in names)
        if not is_litter(path.relative_to(ROOT))
    }
    return {f"tidegate/{path.as_posix()}" for path in below} | {
        "tidegate/__init__.py",
        "tidegate/py.typed",
    }


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    """A grammar, template or example that the globs forget never reaches a user."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == files_below_the_folders()


def test_the_wheel_carries_licence_and_command(wheel: Path) -> None:
    """Without the entry point there is no `tidegate`; without the licence nobody may ship it."""
    with zipfile.ZipFile(wheel) as archive:
        named = {name.partition(".dist-info/")[2]: name for name in archive.namelist()}
        metadata = archive.read(named["METADATA"]).decode()
        commands = archive.read(named["entry_points.txt"]).decode()
    assert "licenses/LICENSE" in named
    assert "License-Expression: Apache-2.0" in metadata
    assert "tidegate = tidegate.cli.main:main" in commands


def test_the_wheel_runs_unpacked(wheel: Path, tmp_path: Path) -> None:
    """What only works beside the repository's folders does not work for a user."""
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    finished = python(unpacked, "-c", "import tidegate; print(tidegate.__file__)")
    assert finished.stdout.startswith(str(unpacked))
    for command in ("init shop", "check shop", "test shop"):
        finished = python(unpacked, "-m", "tidegate.cli", *command.split())
        assert finished.returncode == 0, finished.stderr
    explained = python(unpacked, "-m", "tidegate.cli", "explain", "TG411").stdout
    assert explained == (ROOT / "docs" / "diagnostics" / "TG411.md").read_text()


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python beside an unpacked wheel, away from the repository."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=site.parent,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )


def pinned(*names: str) -> dict[str, str]:
    """Read pins, name to version, and refuse any line that is not one."""
    pins: dict[str, str] = {}
    for line in (line for name in names for line in (PINS / name).read_text().splitlines()):
        if line and not line.startswith(("#", "-r ")):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
            assert match, f"not a plain pin: {line}"
            pins[canonicalize_name(match[1])] = match[2]
    return pins


def closure(wanted: list[Requirement]) -> set[str]:
    """Name the distributions that requirements bring, transitively, on this machine."""
    found: set[str] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        marker = requirement.marker
        if name not in found and (marker is None or marker.evaluate({"extra": ""})):
            found.add(name)
            wanted += [Requirement(line) for line in requires(name) or ()]
    return found


def direct_requirements() -> list[Requirement]:
    """Read the ranges that pyproject declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["dependencies"]]


def test_every_pin_lies_in_its_declared_range() -> None:
    """Otherwise the tests prove a version that pip would refuse."""
    pins = pinned("runtime.txt")
    for requirement in direct_requirements():
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_the_runtime_pins_are_exactly_what_is_needed() -> None:
    """A package that is missing floats with the day; a superfluous one hides an import."""
    assert set(pinned("runtime.txt")) == closure(direct_requirements())


def test_the_test_pins_are_complete() -> None:
    """A test tool that floats turns the gate red on a day when nothing was changed."""
    pins = pinned("build.txt", "runtime.txt", "train.txt", "postgres.txt", "test.txt")
    assert closure([Requirement(name) for name in pins]) == set(pins)
