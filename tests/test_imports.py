"""Imports flow downhill: the contracts hold, they bite, and little is really loaded."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_layout import code_folders

LEARNING = {"interpret", "joblib", "pandas", "scipy", "skops", "sklearn"}
HEAVY = {"fastapi", "httpx", "polars", "pyarrow", "pydantic", "rich", "sqlmodel", "typer", "yaml"}

# One offence a line: the file it is written to, the import, the contract that has to break.
OFFENCES = [
    ("dsl/offence.py", "import tidegate.engine", "a folder imports only from the rows below"),
    ("engine/offence.py", "import time", "language and engine know no clock"),
    ("models/offence.py", "import lark", "lark is known to the parser alone"),
    ("rules/offence_too.py", "import sklearn", "learning libraries are known to the offline"),
    ("rules/offence.py", "import tidegate.examples", "no code imports the examples"),
    ("service/offence.py", "import hvac", "hvac is known in the vault alone"),
    ("store/offence.py", "import tidegate.vault.memory", "below the gateways, the vault"),
]


def python(script: str, *arguments: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh interpreter that sees a tree's `src` and nothing of ours."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def lint_imports(root: Path = ROOT) -> tuple[int, str]:
    """Run import-linter over a tree: exit code and output, each run of blanks as one."""
    script = "from importlinter.cli import lint_imports_command as run; run()"
    finished = python(script, "--no-cache", "--no-logo", root=root)
    return finished.returncode, re.sub(r"\s+", " ", finished.stdout + finished.stderr)


def test_the_contracts_hold() -> None:
    """An import that points uphill ties two folders together for good."""
    code, output = lint_imports()
    assert code == 0, output


@pytest.fixture(scope="module")
def offending(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Commit every offence in a copy of the tree, and give what import-linter says."""
    tree = tmp_path_factory.mktemp("offending") / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("src", *code_folders(ROOT)):
        shutil.copytree(ROOT / folder, tree / folder, symlinks=True, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tree)
    (tree / "vault" / "memory.py").touch()
    for file, line, _ in OFFENCES:
        (tree / file).write_text(line + "\n")
    code, output = lint_imports(tree)
    assert code == 1, output
    return output


@pytest.mark.parametrize(("file", "line", "contract"), OFFENCES)
def test_a_contract_bites(offending: str, file: str, line: str, contract: str) -> None:
    """A contract with a slip in its configuration is kept by everything."""
    assert re.search(rf"{re.escape(contract)}[^A-Z]* BROKEN", offending), (file, line, offending)


def test_the_layers_are_exhaustive(tmp_path: Path) -> None:
    """A new folder would otherwise stand outside the order."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in (*code_folders(ROOT), "extra"):
        (tmp_path / "src" / "tidegate" / folder).mkdir(parents=True)
        (tmp_path / "src" / "tidegate" / folder / "__init__.py").touch()
    (tmp_path / "src" / "tidegate" / "__init__.py").touch()
    code, output = lint_imports(tmp_path)
    assert code == 1, output
    assert "extra" in output


def loaded(statement: str) -> set[str]:
    """Name the modules that a statement loads in a fresh interpreter."""
    script = (
        f"import sys; before = set(sys.modules); {statement}; print(*sys.modules.keys() - before)"
    )
    finished = python(script)
    assert finished.returncode == 0, finished.stderr
    return set(finished.stdout.split())


@pytest.mark.parametrize("folder", ["dsl", "engine"])
def test_language_and_engine_load_no_framework(folder: str) -> None:
    """A decision in someone's process must not cost them a web or data-frame library."""
    roots = {name.partition(".")[0] for name in loaded(f"import tidegate.{folder}")}
    assert roots & HEAVY == set()


@pytest.mark.parametrize(
    "module",
    ["models", "models.export", "models.portable", "engine", "rules", "simulation", "cli.main"],
)
def test_serving_loads_no_learning_library(module: str) -> None:
    """What fits models is installed where they are fitted, and costs seconds to import."""
    roots = {name.partition(".")[0] for name in loaded(f"import tidegate.{module}")}
    assert roots & LEARNING == set()


def impure_calls(source: str) -> list[str]:
    """Name the calls that read a clock or a file without an import that a contract could see."""
    called = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    methods = {call.attr for call in called if isinstance(call, ast.Attribute)}
    functions = {call.id for call in called if isinstance(call, ast.Name)}
    return sorted(methods & {"now", "today", "utcnow"} | functions & {"input", "open"})


@pytest.mark.parametrize("folder", ["dsl", "engine"])
def test_language_and_engine_read_no_clock_and_no_file(folder: str) -> None:
    """A decision that depends on when or where it is replayed cannot be checked."""
    files = {path.name: impure_calls(path.read_text()) for path in (ROOT / folder).rglob("*.py")}
    assert {name: calls for name, calls in files.items() if calls} == {}
    assert impure_calls("datetime.now(UTC); open('x')") == ["now", "open"]


def test_the_public_face_loads_nothing_until_asked() -> None:
    """`import tidegate` would otherwise load every folder for one name."""
    assert {name for name in loaded("import tidegate") if name.startswith("tidegate.")} == set()


@pytest.mark.parametrize(
    "name", ["Decision", "Engine", "EventRefused", "Policy", "PolicyRefused", "load_policy"]
)
def test_every_public_name_resolves(name: str) -> None:
    """A name that moved would fail at the user's first use of it only."""
    script = f"import tidegate; print(tidegate.{name}.__name__, {name!r} in dir(tidegate))"
    finished = python(script)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == [name, "True"]


def test_an_unknown_name_is_refused() -> None:
    """`hasattr(tidegate, ...)` would otherwise raise something else than AttributeError."""
    assert "AttributeError" in python("import tidegate; tidegate.nothing").stderr
