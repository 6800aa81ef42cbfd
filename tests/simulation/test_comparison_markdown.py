"""The comment below a pull request: quiet, complete, and never too long."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from tests.simulation.changed_policies import comparison
from tidegate.engine.differences import Detail, Difference
from tidegate.rules.gate import Limit
from tidegate.simulation.comparison_markdown import MARK, MOST, _table, code, plain, to_markdown
from tidegate.simulation.judgement import judge

NASTY = (
    "<b>x</b> | @someone [a](https://evil.example) ![p](https://evil.example/p.png) "
    "www.evil.example `c` ``d`` #12 GH-7 *e* __f__ <https://evil.example>\n# g"
)
LIVE = re.compile(r"<(a|img|b|em|strong|h\d)\b")


def rendered(text: str) -> str:
    """The Markdown as a browser would get it."""
    return str(MarkdownIt("commonmark").enable("table").render(text))


@pytest.mark.parametrize("write", [plain, code])
def test_text_is_only_text(write: Callable[[str], str]) -> None:
    """A rule would mention people, link somewhere or break a table."""
    for shown in (
        rendered(f"- {write(NASTY)}\n"),
        rendered(_table(("a", "b"), [(write(NASTY), "end")])),
    ):
        assert not LIVE.search(shown), shown
        assert "&lt;b&gt;x&lt;/b&gt;" in shown
        assert "evil.example" in shown
    assert rendered(_table(("a", "b"), [(write(NASTY), "end")])).count("<td") == 2


def test_nothing_is_a_mention_or_a_reference() -> None:
    """People would be called, and issues linked, by what stands in a rule."""
    shown = html.unescape(rendered(plain(NASTY)))
    assert not re.search(r"@\w|#\d|GH-\d|://|www\.", shown)


@pytest.mark.parametrize("text", ["", "`", "a`b``c", "``", " a "])
def test_code_is_shown_as_it_is(text: str) -> None:
    """A backtick would end the code, and the rest would be Markdown."""
    shown = rendered(code(text))
    assert html.unescape(re.sub("<[^>]+>", "", shown)).strip() == text.strip()
    assert shown.count("<code>") == 1


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


def test_a_rule_stands_there_as_code() -> None:
    """A backtick in a rule would end the code, and the rest would be Markdown."""
    (changed, *_) = comparison().words.differences
    nasty = replace(changed, text_before="", text_after="rule x\n  ```\n![p](https://evil.example)")
    words = replace(comparison().words, differences=(nasty,))
    shown = rendered(to_markdown(replace(comparison(), words=words)))
    assert "<img" not in shown
    assert "![p](https://evil.example)" in shown


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
    assert "What it does to" in text
    assert text.count("<details>") == text.count("</details>")
