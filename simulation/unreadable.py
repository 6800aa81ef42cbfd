"""Why a file of a history cannot be read, and what to do about it. Only its first line is read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_FIRST_LINE = 1 << 20
_PARQUET = b"PAR1"
_OTHERS = {
    _PARQUET: ("a Parquet file", "write `format: parquet`"),
    b"PK\x03\x04": ("a workbook or a ZIP archive", "save the sheet as CSV UTF-8, or unpack it"),
    b"\x1f\x8b": ("packed by gzip", "unpack it"),
    b"\xff\xfe": ("UTF-16", "save it as CSV UTF-8"),
    b"\xfe\xff": ("UTF-16", "save it as CSV UTF-8"),
}
"""What files that are no CSV begin with."""


class Cause(NamedTuple):
    """What is wrong with a file; `what` completes "`x.csv` …"."""

    what: str
    help: str = ""


def why_unreadable(path: Path, format_: str) -> Cause | None:
    """The cause, None where the file looks like one of its format."""
    try:
        with path.open("rb") as stream:
            start = stream.readline(_FIRST_LINE)
    except IsADirectoryError:
        return Cause("is a folder", "name files, by a pattern such as payments_*.csv")
    except PermissionError:
        return Cause("cannot be read: permission denied", "allow whoever runs Tidegate to read it")
    except OSError as error:
        return Cause(f"cannot be read: {error.strerror}")
    if not start:
        return Cause("is empty: it has not even a heading", "export it again")
    return _no_csv(path, start) if format_ == "csv" else _no_parquet(start)


def _no_parquet(start: bytes) -> Cause | None:
    if start.startswith(_PARQUET):
        return None
    return Cause("cannot be read as parquet: it is none", "where it is CSV, write `format: csv`")


def _no_csv(path: Path, start: bytes) -> Cause | None:
    for magic, (what, help_) in _OTHERS.items():
        if start.startswith(magic):
            return Cause(f"is {what}, no CSV in UTF-8", help_)
    if b"\0" in start:
        return Cause("is no CSV in UTF-8: its heading holds zero bytes", "save it as CSV UTF-8")
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return Cause(f"is not UTF-8: byte {error.start + 1} of its heading", _to_utf8(path))
    return None


def _to_utf8(path: Path) -> str:
    return f"export it as UTF-8, or convert it: iconv -f LATIN1 -t UTF-8 {path.name}"
