"""A file that cannot be read says why; a row that cannot be read costs one row."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.simulation.histories import sub
from tests.simulation.test_backtest import CSV, MAPPING, POLICY
from tidegate.rules import load_policy
from tidegate.simulation.backtest import run_backtest
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.result import SourceResult


def source(folder: Path, content: bytes, mapping: str = MAPPING) -> SourceResult:
    """What becomes of payments.csv."""
    (folder / "policy").mkdir(exist_ok=True)
    (folder / "policy" / "policy.tide").write_text(POLICY)
    (folder / "payments.csv").write_bytes(content)
    (folder / "mapping.yaml").write_text(mapping)
    return run_backtest(load_policy(folder / "policy"), folder / "mapping.yaml").sources[0]


def parquet(folder: Path) -> bytes:
    """The bytes of a Parquet file."""
    pl.DataFrame({"id": ["p01"]}).write_parquet(folder / "x")
    return (folder / "x").read_bytes()


@pytest.mark.parametrize(
    ("content", "message", "help_"),
    [
        (b"", "is empty", "export it again"),
        (CSV.encode("utf-16"), "is UTF-16", "save it as CSV UTF-8"),
        (CSV.encode("utf-16-le"), "holds zero bytes", "save it as CSV UTF-8"),
        (sub(CSV, "amount,card", "montant_pay\u00e9,card").encode("latin-1"),
         "is not UTF-8: byte 18 of its heading", "iconv -f LATIN1 -t UTF-8 payments.csv"),
        (gzip.compress(CSV.encode()), "is packed by gzip", "unpack it"),
        (b"PK\x03\x04...", "is a workbook or a ZIP archive", "save the sheet as CSV UTF-8"),
    ],
)  # fmt: skip
def test_a_file_says_what_is_wrong_with_it(
    tmp_path: Path, content: bytes, message: str, help_: str
) -> None:
    """An analyst tries encodings one by one because `cannot be read as csv` is all that is said."""
    with pytest.raises(MappingError) as refused:
        source(tmp_path, content)
    (problem,) = refused.value.problems
    assert message in problem.message
    assert help_ in problem.help


def test_parquet_is_told_from_csv(tmp_path: Path) -> None:
    """The ending says one thing and the file is another."""
    with pytest.raises(MappingError, match="write `format: parquet`"):
        source(tmp_path, parquet(tmp_path))
    text = sub(MAPPING, "file: payments.csv", "file: payments.csv\n    format: parquet")
    with pytest.raises(MappingError, match="write `format: csv`"):
        source(tmp_path, CSV.encode(), text)
    with pytest.raises(MappingError, match="damaged or cut off"):
        source(tmp_path, parquet(tmp_path)[:-9], text)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied"), "permission denied"),
        (IsADirectoryError(21, "Is a directory"), "is a folder"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_a_file_that_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, message: str
) -> None:
    """Who may not read a file is told that it is no CSV."""
    opened = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "payments.csv" and args == ("rb",):
            raise error
        return opened(path, *args, **options)

    (tmp_path / "payments.csv").write_text(CSV)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MappingError, match=message):
        source_as_it_is(tmp_path)


def source_as_it_is(folder: Path) -> None:
    """Run over the file that is there."""
    (folder / "policy").mkdir(exist_ok=True)
    (folder / "policy" / "policy.tide").write_text(POLICY)
    (folder / "mapping.yaml").write_text(MAPPING)
    run_backtest(load_policy(folder / "policy"), folder / "mapping.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder of files is an easy slip, and the way out is a pattern."""
    (tmp_path / "history").mkdir()
    with pytest.raises(MappingError) as refused:
        source(tmp_path, CSV.encode(), sub(MAPPING, "file: payments.csv", "file: history"))
    (problem,) = refused.value.problems
    assert problem.message.endswith("is a folder")
    assert "history/*.csv" in problem.help


@pytest.mark.parametrize(("mark", "shown"), [(";", '";"'), ("\t", '"\\t"'), ("|", '"|"')])
def test_another_delimiter_is_one_slip(tmp_path: Path, mark: str, shown: str) -> None:
    """One wrong delimiter comes as a dozen missing columns."""
    content = CSV.replace(",", mark).encode()
    with pytest.raises(MappingError) as refused:
        source(tmp_path, content)
    (problem,) = refused.value.problems
    assert problem.help == f"write `delimiter: {shown}`"
    text = sub(MAPPING, "zone: UTC", f"zone: UTC\n    delimiter: {shown}")
    assert source(tmp_path, content, text).accepted == source(tmp_path, CSV.encode()).accepted


def test_a_bad_byte_costs_its_row(tmp_path: Path) -> None:
    """One byte of another encoding near the top, and the whole file is refused."""
    found = source(tmp_path, sub(CSV, "p02,", "p\u00e902,").encode("latin-1"))
    assert [
        (fault.field, fault.code, fault.rows) for fault in found.faults if fault.code == "not_utf8"
    ] == [("", "not_utf8", 1)]
    assert (found.named[0].row, found.named[0].faults) == (2, ("not_utf8",))
    assert found.bad == 7


def test_a_quote_that_is_never_closed_is_named(tmp_path: Path) -> None:
    """Everything behind a stray quote is one cell, and a defect of ours is blamed for it."""
    long = "".join(f"p{n},2026-09-04 00:00:00,1.00,a,FR,,no,ok\n" for n in range(30_000))
    content = sub(CSV, "p15,", '"p15,') + long
    with pytest.raises(MappingError, match="more than 1 MiB, up to line"):
        source(tmp_path, content.encode())


@pytest.mark.parametrize(("key", "lost"), [("p02,", 9), ("p15,", 2)])
def test_a_stray_quote_hides_no_row(tmp_path: Path, key: str, lost: int) -> None:
    """A quote takes the rows behind it along, up to the next one, and nobody counts them."""
    plain = source(tmp_path, CSV.encode())
    found = source(tmp_path, sub(CSV, key, f'"{key}').encode())
    assert found.rows == plain.rows
    codes = {fault.code: fault.rows for fault in found.faults}
    assert codes["wrong_field_count"] == 1 + lost


def test_a_cell_may_hold_line_breaks(tmp_path: Path) -> None:
    """A note of two lines is cut into two broken rows."""
    plain = source(tmp_path, CSV.encode())
    found = source(tmp_path, sub(CSV, '"x\ty"', '"x\n\ny"').encode())
    assert (found.rows, found.accepted) == (plain.rows, plain.accepted)
