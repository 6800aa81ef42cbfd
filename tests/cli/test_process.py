"""The command as a process of its own: streams, pipes, terminals and the wheel's entry."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

COMMAND = [sys.executable, "-m", "tidegate.cli"]


def environment(**more: str) -> dict[str, str]:
    """The variables of a bare shell, with the package in reach."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"} | more


def tidegate(
    folder: Path, *arguments: str, stdin: bytes = b"", **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a folder."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**more),
        input=stdin,
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the first example in it."""
    folder = tmp_path_factory.mktemp("process")
    assert tidegate(folder, "init", "shop").returncode == 0
    return folder


def test_a_payment_goes_through_pipes(shop: Path) -> None:
    """Standard output holds the answer and nothing else."""
    event = (shop / "shop" / "payment.json").read_bytes()
    arguments = ("decide", "shop", "-", "--features", "shop/features.json", "--json")
    finished = tidegate(shop, *arguments, stdin=event)
    assert finished.returncode == 0
    assert finished.stderr == b""
    assert json.loads(finished.stdout)["outcome"]["word"] == "step_up"


def test_errors_go_to_standard_error(shop: Path) -> None:
    """A script that reads the answer must not read a complaint."""
    finished = tidegate(shop, "decide", "shop", "-", stdin=b"{}")
    assert finished.returncode == 3
    assert finished.stdout == b""
    assert b"Traceback" not in finished.stderr


def test_there_is_no_colour_without_a_terminal(shop: Path) -> None:
    """Escape sequences in a log are noise."""
    (shop / "bad").mkdir(exist_ok=True)
    (shop / "bad" / "bad.tide").write_text("rule x version\n")
    for arguments in (
        ("check", "bad"),
        ("test", "shop"),
        ("backtest", "shop", "shop/mapping.yaml"),
    ):
        finished = tidegate(shop, *arguments)
        assert b"\x1b" not in finished.stdout + finished.stderr


def on_a_terminal(folder: Path, *arguments: str, **more: str) -> str:
    """Run the command with a terminal on every stream and give what it showed."""
    pty = pytest.importorskip("pty")
    main, other = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(TERM="xterm-256color", **more),
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    shown = b""
    try:
        while part := os.read(main, 4096):
            shown += part
    except OSError:  # the other end was closed: that is how Linux says so
        pass
    process.wait(timeout=60)
    os.close(main)
    return shown.decode()


def test_a_terminal_gets_colour_unless_it_asks_for_none(shop: Path) -> None:
    """`NO_COLOR` is how people who cannot use colours say so."""
    (shop / "bad").mkdir(exist_ok=True)
    (shop / "bad" / "bad.tide").write_text("rule x version\n")
    colour = re.compile(r"\x1b\[[\d;]*3\d[\d;]*m")
    assert colour.search(on_a_terminal(shop, "check", "bad"))
    assert not colour.search(on_a_terminal(shop, "check", "bad", NO_COLOR="1"))


def test_a_long_line_is_not_wrapped_on_a_terminal(shop: Path) -> None:
    """A wrapped source line puts the underline below something else."""
    (shop / "long").mkdir(exist_ok=True)
    (shop / "long" / "long.tide").write_text(f'policy long language 1 "{"x" * 150}" rule\n')
    shown = on_a_terminal(shop, "check", "long", NO_COLOR="1", COLUMNS="60")
    assert "x" * 150 in shown


def test_a_reader_that_goes_away_is_no_error(shop: Path) -> None:
    """`tidegate backtest … | head` is how people look."""
    arguments = ["backtest", "shop", "shop/mapping.yaml", "--json"]
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=shop,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=60)


def test_another_encoding_is_no_defect(shop: Path) -> None:
    """Not every machine prints UTF-8."""
    finished = tidegate(shop, "history", "check", "shop", "shop/mapping.yaml",
                        PYTHONIOENCODING="ascii")  # fmt: skip
    assert finished.returncode == 0
    assert b"\\u2026" in finished.stdout


def test_help_loads_neither_the_engine_nor_a_data_frame_library(shop: Path) -> None:
    """Completion and help have to answer at once."""
    script = (
        "import sys; sys.argv = ['tidegate', '--help']\n"
        "from tidegate.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=shop, env=environment(), capture_output=True, check=True
    )
    loaded = set(finished.stderr.decode().split())
    assert loaded & {"polars", "numpy", "pydantic", "yaml", "lark", "tidegate.engine"} == set()
