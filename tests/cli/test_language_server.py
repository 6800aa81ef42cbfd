"""The language server as an editor meets it: a process, and a client that speaks over its pipes."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import copytree

import pytest
from lsprotocol import types
from pygls import uris
from pygls.lsp.client import LanguageClient

from tests.conftest import ROOT

WAIT = 60.0


class Editor:
    """A client that keeps what the server says of each file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = LanguageClient("tests", "1")
        self.found: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.told: list[str] = []

        def told(params: types.ShowMessageParams) -> None:
            self.told.append(params.message)

        def published(params: types.PublishDiagnosticsParams) -> None:
            self.found.put_nowait(params)

        self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(published)
        self.client.feature(types.WINDOW_SHOW_MESSAGE)(told)

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str | None = None) -> str:
        said = (self.folder / name).read_text("utf-8") if text is None else text
        item = types.TextDocumentItem(self.uri(name), "tidegate", 1, said)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return said

    def change(self, name: str, text: str) -> None:
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(2, self.uri(name)),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    async def findings(self, name: str, *codes: str) -> list[types.Diagnostic]:
        """What is said of a file, once it has these codes."""
        while True:
            published = await asyncio.wait_for(self.found.get(), WAIT)
            if published.uri == self.uri(name):
                said = [str(d.code) for d in published.diagnostics]
                if sorted(codes) == sorted(said):
                    return list(published.diagnostics)

    def at(self, name: str, text: str, mark: str) -> dict[str, object]:
        """The place of `mark` in a text, in UTF-16 code units."""
        before = text[: text.index(mark)].split("\n")
        column = len(before[-1].encode("utf-16-le")) // 2
        return {
            "text_document": types.TextDocumentIdentifier(self.uri(name)),
            "position": types.Position(len(before) - 1, column),
        }


def in_editor(folder: Path, work: Callable[[Editor], Awaitable[None]]) -> int:
    """Start the server, do the work, shut down; the exit code of the process."""

    async def run() -> int:
        editor = Editor(folder)
        client = editor.client
        variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        await client.start_io(sys.executable, "-m", "tidegate.cli", "lsp", env=variables)
        await client.initialize_async(
            types.InitializeParams(
                types.ClientCapabilities(), process_id=os.getpid(), root_uri=folder.as_uri()
            )
        )
        client.initialized(types.InitializedParams())
        await work(editor)
        await client.shutdown_async(None)
        client.exit(None)
        process = client._server
        assert process is not None
        code = await asyncio.wait_for(process.wait(), WAIT)
        await client.stop()  # type: ignore[no-untyped-call]
        return code

    return asyncio.run(run())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Give a copy of the first example, in a folder with a space in its name."""
    return Path(copytree(ROOT / "examples" / "first", tmp_path / "my shop"))


def test_a_wrong_edit_is_shown_where_it_stands_and_goes_with_its_repair(shop: Path) -> None:
    async def work(editor: Editor) -> None:
        text = editor.open("rules.tide")
        await editor.findings("rules.tide")
        editor.change("rules.tide", text.replace("amount > 300", "amuont > 300"))
        (wrong,) = await editor.findings("rules.tide", "TG204")
        line = text[: text.index("amount > 300")].count("\n")
        assert (wrong.range.start.line, wrong.range.start.character) == (line, 7)
        assert (wrong.range.end.line, wrong.range.end.character) == (line, 13)
        assert "amount" in wrong.message
        assert wrong.code_description is not None
        page = Path(uris.to_fs_path(wrong.code_description.href) or "")
        assert page.read_text("utf-8").startswith("# TG204")
        editor.change("rules.tide", text)
        assert await editor.findings("rules.tide") == []

    assert in_editor(shop, work) == 0


def test_places_count_utf_16_code_units(shop: Path) -> None:
    """An emoji is two units and a combining accent is one, in text before the place."""

    async def work(editor: Editor) -> None:
        text = (shop / "rules.tide").read_text("utf-8")
        line = 'rule odd version 1 "\N{ROCKET}\N{ROCKET} e\N{COMBINING ACUTE ACCENT}" when amuont'
        editor.open("rules.tide", f"{text}\n{line} > 1 EUR then decline because burst\n")
        (wrong,) = await editor.findings("rules.tide", "TG204")
        start = len(line.removesuffix("amuont").encode("utf-16-le")) // 2
        assert wrong.range.start.character == start
        assert wrong.range.end.character == start + 6

    assert in_editor(shop, work) == 0


def test_an_unsaved_declaration_is_seen_from_the_other_file(shop: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.open("policy.tide")
        rules = editor.open("rules.tide")
        policy = (shop / "policy.tide").read_text("utf-8")
        editor.change("policy.tide", policy.replace("tries_10m", "tries_ten"))
        await editor.findings("rules.tide", "TG204")
        editor.change("rules.tide", rules.replace("tries_10m", "tries_ten"))
        assert await editor.findings("rules.tide") == []

    assert in_editor(shop, work) == 0


def test_hover_says_the_type_and_the_last_dry_run(shop: Path) -> None:
    (shop / ".tidegate").mkdir()
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    kept = shop / ".tidegate" / "last.json"
    command = ("backtest", ".", "mapping.yaml", "--out", str(kept))
    subprocess.run(
        [sys.executable, "-m", "tidegate.cli", *command],
        cwd=shop, env=variables, check=True, capture_output=True,
    )  # fmt: skip
    (event,) = json.loads(kept.read_bytes())["events"]
    count = next(r["fired"]["count"] for r in event["rules"] if r["id"] == "burst@1")
    rows = event["decided"]["count"]

    async def work(editor: Editor) -> None:
        text = editor.open("rules.tide")

        async def said(mark: str) -> str:
            place = editor.at("rules.tide", text, mark)
            answer = await editor.client.text_document_hover_async(types.HoverParams(**place))  # type: ignore[arg-type]
            assert answer is not None
            assert isinstance(answer.contents, types.MarkupContent)
            return answer.contents.value

        amount = await said("amount > 300")
        assert "**field** `amount`: money" in amount
        assert "`amount`: money in EUR; is never missing" in amount
        assert "`ip_country`: country; can be missing" in await said("ip_country != ")
        assert "Many payments on one card" in await said("burst\n\n")
        dry = await said("burst version")
        assert count > 0
        assert f"burst@1 fired in {count:,} of {rows:,} payments" in dry
        assert "older" not in dry
        editor.change("rules.tide", text + "# another text\n")
        assert "by an older text of the policy" in await said("burst version")

    assert in_editor(shop, work) == 0


def test_completion_definition_references_and_symbols(shop: Path) -> None:
    async def work(editor: Editor) -> None:
        text = editor.open("rules.tide")
        client = editor.client
        place = editor.at("rules.tide", text, "burst\n\n")
        listed = await client.text_document_completion_async(types.CompletionParams(**place))  # type: ignore[arg-type]
        assert isinstance(listed, list)
        assert [item.label for item in listed] == ["burst", "country_gap", "large"]
        found = await client.text_document_definition_async(types.DefinitionParams(**place))  # type: ignore[arg-type]
        assert isinstance(found, list)
        policy = (shop / "policy.tide").read_text("utf-8")
        (target,) = found
        assert isinstance(target, types.Location)
        assert target.uri == editor.uri("policy.tide")
        assert target.range.start.line == policy[: policy.index("reason burst")].count("\n")
        context = types.ReferenceContext(include_declaration=True)
        place = editor.at("rules.tide", text, "amount > 300")
        used = await client.text_document_references_async(
            types.ReferenceParams(context=context, **place)  # type: ignore[arg-type]
        )
        assert used is not None
        files = sorted(one.uri.rsplit("/", 1)[1] for one in used)
        assert files == ["policy.tide", "policy.tide", "rules.tide", "rules.tide"]
        document = types.TextDocumentIdentifier(editor.uri("rules.tide"))
        symbols = await client.text_document_document_symbol_async(
            types.DocumentSymbolParams(document)
        )
        assert symbols is not None
        assert [s.name for s in symbols] == ["burst", "large_payment", "country_gap"]

    assert in_editor(shop, work) == 0


def test_format_rewrites_and_refuses_with_errors(shop: Path) -> None:
    async def work(editor: Editor) -> None:
        text = (shop / "rules.tide").read_text("utf-8")
        editor.open("rules.tide", text.replace("\n  when", "    when"))
        params = types.DocumentFormattingParams(
            types.TextDocumentIdentifier(editor.uri("rules.tide")),
            types.FormattingOptions(tab_size=2, insert_spaces=True),
        )
        edits = await editor.client.text_document_formatting_async(params)
        assert edits is not None
        assert [edit.new_text for edit in edits] == [text]
        editor.change("rules.tide", text.replace("when amount", "whne amount"))
        assert not await editor.client.text_document_formatting_async(params)
        assert "not formatted" in editor.told[0]

    assert in_editor(shop, work) == 0


def test_odd_files_never_end_the_server(shop: Path) -> None:
    """Not UTF-8, outside any policy, far too large, gone from the disk: findings, no crash."""
    (shop / "latin.tide").write_bytes(b"# caf\xe9\n")
    outside = shop.parent / "elsewhere" / "alone.tide"
    outside.parent.mkdir()
    outside.write_text("rule x\n  when\n")

    async def work(editor: Editor) -> None:
        text = editor.open("rules.tide")
        await editor.findings("latin.tide", "TG181")
        (shop / "latin.tide").unlink()
        editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([]))
        await editor.findings("latin.tide")
        editor.open("../elsewhere/alone.tide", "rule x\n  when\n")
        editor.change("rules.tide", text + "# " + "x" * 2**20)
        await editor.findings("rules.tide", "TG108")
        (shop / "rules.tide").unlink()
        editor.change("rules.tide", text)
        assert await editor.findings("rules.tide") == []

    assert in_editor(shop, work) == 0


def test_a_text_without_a_file_is_parsed(shop: Path) -> None:
    """A new buffer has a URI that names no file, and gets it back with its findings."""

    async def work(editor: Editor) -> None:
        uri = "untitled:Untitled-1"
        item = types.TextDocumentItem(uri, "tidegate", 1, "rule x\n  whne\n")
        editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        published = await asyncio.wait_for(editor.found.get(), WAIT)
        assert published.uri == uri
        assert published.diagnostics

    assert in_editor(shop, work) == 0


def test_the_server_ends_with_its_parent(shop: Path) -> None:
    """An editor that is killed closes the pipe and says nothing more."""

    async def run() -> int:
        variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tidegate.cli", "lsp", cwd=shop, env=variables,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.close()
        return await asyncio.wait_for(process.wait(), WAIT)

    assert asyncio.run(run()) == 0
