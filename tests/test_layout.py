"""Folders at the top and links in `src/tidegate` agree, and every list of folders is whole."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

FACE = {"__init__.py", "py.typed", "__pycache__"}
NOT_SHIPPED = {"bench", "tests"}


def code_folders(root: Path) -> set[str]:
    """Name the packages at the top of a tree."""
    packages = {path.parent.name for path in root.glob("*/__init__.py")}
    return packages - NOT_SHIPPED


def layout_faults(root: Path) -> list[str]:
    """Say what is wrong with the links of a tree, one sentence each."""
    faults = []
    entries = {path.name: path for path in (root / "src" / "tidegate").iterdir()}
    for name in sorted(entries.keys() - FACE):
        if not entries[name].is_symlink():
            faults.append(f"src/tidegate/{name} is not a link: check out with symbolic links")
        elif entries[name].readlink() != Path("..", "..", name):
            faults.append(f"src/tidegate/{name} does not point to ../../{name}")
        elif not (entries[name] / "__init__.py").is_file():
            faults.append(f"src/tidegate/{name} points to no package")
    faults += [
        f"{name}/ has no link in src/tidegate"
        for name in sorted(code_folders(root) - entries.keys())
    ]
    return faults


def settings() -> dict[str, Any]:
    """Read pyproject's tool tables."""
    tools: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    return tools


def test_links_and_folders_agree() -> None:
    """A folder without its link cannot be imported and is missing from the wheel."""
    assert layout_faults(ROOT) == []
    assert code_folders(ROOT)


def test_the_layers_name_every_folder() -> None:
    """A folder outside the contract could import, and be imported by, anything."""
    layers = next(c for c in settings()["importlinter"]["contracts"] if c["id"] == "layers")
    named = {name.strip() for row in layers["layers"] for name in row.split("|")}
    assert named | set(layers["exhaustive_ignores"]) == code_folders(ROOT)


def test_bare_imports_of_every_folder_are_banned() -> None:
    """A bare import would make a second copy of every class, unequal to the first."""
    banned = settings()["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert set(banned) == code_folders(ROOT)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a sound tree of one folder, to be broken."""
    (tmp_path / "src" / "tidegate").mkdir(parents=True)
    (tmp_path / "dsl").mkdir()
    (tmp_path / "dsl" / "__init__.py").touch()
    (tmp_path / "src" / "tidegate" / "dsl").symlink_to("../../dsl")
    assert layout_faults(tmp_path) == []
    return tmp_path


def test_a_link_that_became_a_text_file_is_noticed(tree: Path) -> None:
    """A checkout without symbolic links builds an almost empty wheel without an error."""
    link = tree / "src" / "tidegate" / "dsl"
    link.unlink()
    link.write_text("../../dsl")
    assert layout_faults(tree) == ["src/tidegate/dsl is not a link: check out with symbolic links"]


def test_a_folder_without_a_link_is_noticed(tree: Path) -> None:
    """Its code would be importable from the repository root only."""
    (tree / "src" / "tidegate" / "dsl").unlink()
    assert layout_faults(tree) == ["dsl/ has no link in src/tidegate"]


def test_a_link_to_nowhere_is_noticed(tree: Path) -> None:
    """A deleted folder would leave a link that breaks every copy of the tree."""
    shutil.rmtree(tree / "dsl")
    assert layout_faults(tree) == ["src/tidegate/dsl points to no package"]


def test_an_absolute_link_is_noticed(tree: Path) -> None:
    """It would point into the tree of whoever committed it."""
    link = tree / "src" / "tidegate" / "dsl"
    link.unlink()
    link.symlink_to(tree / "dsl")
    assert layout_faults(tree) == ["src/tidegate/dsl does not point to ../../dsl"]
