"""The comment below a pull request: quiet, complete, and never too long."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.simulation.changed_policies import comparison
from tidegate.engine.differences import Detail, Difference
from tidegate.rules.gate import Limit
from tidegate.simulation.comparison_markdown import MARK, MOST, code, plain, to_markdown
from tidegate.simulation.judgement import judge

NASTY = "<b>x</b> | @someone [a](https://evil.example) www.evil.example `c` #12 *d* __e__\n# f"


def test_text_is_only_text() -> None:
    """A rule would mention people, link somewhere or break a table."""
    for written in (plain(NASTY), code(NASTY)):
        assert "@" not in written
        assert "://" not in written
        assert "www." not in written
        assert "<b>" not in written
        assert "\n" not in written
        assert not re.search(r"(?<!\\)\|", written)
    assert not re.search(r"(?<!\\)[`*_\[\]#]", plain(NASTY).replace("&#", ""))


def test_the_verdict_comes_first() -> None:
    """Who reads the first line alone would not know whether to go on."""
    text = to_markdown(
        comparison(), judge(comparison(), [Limit("approval_rate", 1, at_least=10**6)])
    )
    first, second = text.splitlines()[:2]
    assert first == MARK
    assert "Not as it stands: 1 limit is broken, of 1." in second
    assert "❌ broken" in text
    assert text.index("The gate") < text.index("What changed") < text.index("What it does to")


def test_no_payment_is_named() -> None:
    """A comment on a public repository would name cards and payments."""
    assert not re.search(r"\btok_|\bp\d{6}\b", to_markdown(comparison()))


def test_blocks_are_closed() -> None:
    """What follows would be hidden."""
    text = to_markdown(comparison())
    assert text.count("<details>") == text.count("</details>") > 0
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_what_does_not_fit_is_said() -> None:
    """The platform would refuse the comment, and nobody would see one."""
    detail = Detail("when", "a" * 3_000, "b", "weakens")
    many = tuple(
        Difference("rule", f"rule_{n}", "changed", "weakens", (detail,)) for n in range(39)
    )
    words = replace(comparison().words, differences=many)
    text = to_markdown(replace(comparison(), words=words))
    assert len(text) <= MOST
    assert "More does not fit into a comment" in text
    assert "39 protections are weaker" in text
    assert text.count("<details>") == text.count("</details>")
