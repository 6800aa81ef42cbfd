"""What the checker refuses: rule text with the expected error beside the line.

`checks/*.tide` holds chunks parted by `---`; each is checked together with `checks/_preamble.txt`.
A line that must be refused ends in `# error: CODE "part of the message"`; anything unexpected or
missing fails.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tidegate.dsl.checker import Checked, check
from tidegate.dsl.diagnostics import Diagnostic, Severity, render
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source

CHECKS = Path(__file__).parent / "checks"
PREAMBLE = Source("preamble.tide", (CHECKS / "_preamble.txt").read_text())
EXPECTED = re.compile(r'# (error|warning): (TG\d{3}) "([^"]*)"')


def checked(text: str) -> tuple[Checked, Source, tuple[Diagnostic, ...]]:
    """Check `text` together with the preamble."""
    source = Source("chunk.tide", text)
    files = [parse(PREAMBLE), parse(source)]
    result = check([f.file for f in files])
    return result, source, (*files[0].diagnostics, *files[1].diagnostics, *result.diagnostics)


def chunks() -> list[tuple[str, str]]:
    """Every chunk with a name to find it by."""
    found = []
    for path in sorted(CHECKS.glob("*.tide")):
        for number, text in enumerate(path.read_text().split("\n---\n"), start=1):
            found.append((f"{path.stem}:{number}", text))
    return found


@pytest.mark.parametrize(("name", "text"), chunks(), ids=[name for name, _ in chunks()])
def test_a_chunk_gets_exactly_the_diagnostics_beside_its_lines(name: str, text: str) -> None:
    """An error would go missing, change its place or its code, or come where none belongs."""
    _, source, diagnostics = checked(text)
    found = {
        (source.position(d.span.start)[0] if d.span.path == source.path else 0, d.code): d
        for d in diagnostics
        if d.severity is not Severity.NOTE
    }
    wanted = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for severity, code, message in EXPECTED.findall(line):
            wanted[number, code] = (severity, message)
    sources = {PREAMBLE.path: PREAMBLE, source.path: source}
    unexpected = "\n".join(render(found[k], sources) for k in found.keys() - wanted.keys())
    assert not unexpected, f"unexpected in {name}:\n{unexpected}"
    assert not wanted.keys() - found.keys(), f"missing in {name}"
    for place, (severity, message) in wanted.items():
        assert found[place].severity.value == severity
        assert message in found[place].message + " | " + found[place].help


def test_the_preamble_is_right() -> None:
    """Every chunk would fail for the preamble's sake."""
    result, _, diagnostics = checked("")
    assert result.program is not None, [d.message for d in diagnostics]


def test_a_message_keeps_the_house_grammar() -> None:
    """Messages would speak in several voices."""
    for _, text in chunks():
        for diagnostic in checked(text)[2]:
            message = diagnostic.message
            assert message[0] == "`" or message[0].islower() or message[0].isdigit(), message
            assert not message.endswith("."), message
            assert not re.search(r"\b(None|NoneType|str|int|tuple|dict)\b", message), message
