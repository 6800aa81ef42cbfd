"""The page about the ledger runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from tests.conftest import ROOT
from tidegate.store import errors, schema
from tidegate.store.entries import EntryError, parse_leaf
from tidegate.store.reading import Reader

PAGE = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")


def block(kind: str) -> str:
    found = re.search(rf"^```{kind}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert found is not None
    return found.group(1)


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block("python"), "docs/ledger.md", "exec"), {})
    with Reader(f"sqlite:///{tmp_path}/ledger.db") as reader:
        assert reader.size() == 1


def test_the_leaf_shown_is_one() -> None:
    shown = block("json").strip().encode()
    leaf = parse_leaf(shown)
    assert leaf.kind == "decision"
    assert leaf.payload is not None


def test_every_error_and_table_is_explained() -> None:
    names = {
        name
        for name in vars(errors)
        if name.startswith(("Ledger", "Request")) and name != "LedgerError"
    } | {EntryError.__name__}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
    ours = {"leaves", "payloads", "data_keys", "requests", "checkpoints"}
    assert schema.LeafRow.__tablename__ in ours
    assert ours <= set(SQLModel.metadata.tables)
    assert {name for name in ours if f"| `{name}` |" not in PAGE} == set()
