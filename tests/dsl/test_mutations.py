"""Whatever is done to a policy file, the language answers with a tree or with diagnostics."""

from __future__ import annotations

import random

import pytest

from tests import fuzz_mutations
from tidegate.dsl.formatter import format_source
from tidegate.dsl.parser import read
from tidegate.dsl.source import Source


def test_two_thousand_mutants_are_answered() -> None:
    """A slip of the pen would end in a traceback, or in a text that the formatter changes."""
    tally = fuzz_mutations.run(range(2_000), seed=2026)
    assert not tally.failures, "\n".join(tally.failures[:3])


def test_the_mutants_are_worth_trying() -> None:
    """All mutants would be refused for one reason, or none would be refused."""
    tally = fuzz_mutations.run(range(300), seed=1)
    assert 10 < tally.sound < 200
    assert {"TG101", "TG102", "TG104", "TG105", "TG107", "TG111"} <= set(tally.codes)


def test_a_mutant_is_found_again() -> None:
    """A failure could not be looked at."""
    texts = fuzz_mutations.seeds()
    first, second = (fuzz_mutations.mutant(random.Random("1:7"), texts) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["tickets", "terse"])
@pytest.mark.parametrize("inserted", ["# note\n", "\n# note\n"])
def test_a_comment_in_any_gap_survives_the_formatter(name: str, inserted: str) -> None:
    """A remark would be lost, doubled or moved, or the formatter refuse the file."""
    text = (fuzz_mutations.POLICIES / f"{name}.tide").read_text(encoding="utf-8")
    for pieces in read(Source("p.tide", text)).pieces:
        start, end = pieces[0].start, pieces[-1].end
        for piece in pieces:
            commented = text[start : piece.start] + inserted + text[piece.start : end]
            formatted = format_source(Source("p.tide", commented)).text
            assert formatted is not None, commented
            assert formatted.count("# note") == 1, commented
            assert format_source(Source("p.tide", formatted)).text == formatted, commented
