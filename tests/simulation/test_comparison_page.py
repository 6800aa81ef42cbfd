"""The page of a comparison: complete, escaped, self-contained, and readable in a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.browser import Looked, look
from tests.simulation.changed_policies import CARD, NASTY, comparison
from tidegate.engine.differences import Difference
from tidegate.rules.gate import Limit, Segments
from tidegate.simulation.comparison import Comparison
from tidegate.simulation.comparison_page import to_html
from tidegate.simulation.judgement import Judgement, judge
from tidegate.simulation.wording import group_of

LIMITS = (
    Limit("approval_rate", 1, at_least=1_000_000),
    Limit("decline_rate", 2, at_most=1_000_000),
    Limit("approval_rate", 3, falls_at_most=5_000, segments=Segments("channel"), rows_at_least=300),
)


def page(found: Comparison | None = None, judgement: Judgement | None = None) -> str:
    """The page of the shipped example's change."""
    found = found or comparison()
    return to_html(found, judgement or judge(found, LIMITS), "tidegate diff main card")


class _Outline(HTMLParser):
    """Headings, tables and what would leave the page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.headings: list[int] = []
        self.addresses: list[str] = []
        self.unscoped = 0
        self.ids: list[str] = []
        self.labelled: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.addresses += [
            held[name] or "" for name in ("href", "src", "srcset", "data") if name in held
        ]
        self.unscoped += tag == "th" and "scope" not in held
        if held.get("id"):
            self.ids.append(str(held["id"]))
        if held.get("aria-labelledby"):
            self.labelled.append(str(held["aria-labelledby"]))


def outline(html: str) -> _Outline:
    """What the page is made of."""
    parser = _Outline()
    parser.feed(html)
    return parser


def test_a_text_of_a_rule_is_shown_as_text() -> None:
    """A rule would run a script in the browser of whoever approves it."""
    html = page()
    assert "<script" not in html
    assert "&lt;script&gt;alert(" in html
    assert NASTY not in html


def test_nothing_leaves_the_page() -> None:
    """Opening a report would tell somebody that it was opened, or need a network."""
    found = outline(page())
    assert found.addresses == []
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(found.tags)
    assert "url(" not in page()
    assert "default-src 'none'; style-src 'unsafe-inline'" in page()


def test_no_key_and_no_token_is_on_the_page() -> None:
    """A report that is sent on would name cards and payments."""
    html = page()
    assert not re.search(r"\btok_|\bp\d{6}\b", html)
    history = (CARD / "history" / "payments.csv").read_text(encoding="utf-8")
    assert re.search(r"\btok_", history)
    assert re.search(r"\bp\d{6}\b", history)


def test_it_can_be_read_without_seeing_it() -> None:
    """A screen reader would lose its way."""
    found = outline(page())
    assert found.headings[0] == 1
    assert found.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(found.headings, found.headings[1:], strict=False))
    assert found.unscoped == 0
    assert len(found.ids) == len(set(found.ids))
    assert set(found.labelled) <= set(found.ids)
    assert {"main", "header", "section"} <= set(found.tags)
    html = page()
    assert html.count('role="img"') == html.count("<desc>") == 2
    assert '<html lang="en">' in html


def test_the_first_words_say_what_the_gate_says() -> None:
    """A head of risk would approve what the gate refuses."""
    assert "Not as it stands: 1 limit is broken, of 4." in page()
    kept = judge(comparison(), LIMITS[1:2])
    first = "ook first at what weakens a protection or alters authority: 1 change."
    assert f"All 1 limits of the gate are kept; l{first}" in page(judgement=kept)
    assert "No gate is declared" not in page()
    assert f"L{first}" in page(judgement=Judgement(()))


def test_every_figure_of_the_change_is_there() -> None:
    """A table would be missing from the report alone."""
    html = page()
    for part in ("In short", "The gate", "What changed", "Weaker protections", "Outcomes",
                 "From which outcome to which", "How well fraud is found",
                 "What each change does by itself", "Work for people and customers",
                 "Payments that get another outcome", "By segment", "What was unknown or missing",
                 "Read this with it", "To do it again"):  # fmt: skip
        assert f">{part}<" in html, part
    assert comparison().after.hash in html


def test_a_changed_rule_is_there_as_a_whole() -> None:
    """A threshold alone does not say what happens beyond it, or to whom."""
    found = next(d for d in comparison().words.differences if d.name == "risky_score")
    assert found.text_before.startswith("rule risky_score version 3\n  owner data_science\n")
    assert found.text_before.endswith("then step_up strong because high_risk")
    assert found.text_after == found.text_before.replace("0.85", "0.95")
    assert page().count("<pre>") >= 2
    assert "fraud_score &gt;= 0.95 and amount &gt; 50 EUR\n  then step_up strong" in page()


def test_without_effects_the_words_stand_alone() -> None:
    """A first version, or a change without a history, would have no report."""
    bare = replace(comparison(), effects=None, no_effects="there is no policy before", timing=None)
    html = page(bare, Judgement(()))
    assert "What it does is not known: there is no policy before." in html
    assert "Outcomes" not in html


def test_nothing_that_differs_is_said_to_be_nothing() -> None:
    """Formatting would look like a change that is kept back."""
    words = replace(comparison().words, differences=(), texts_differ=True)
    html = page(replace(comparison(), words=words), Judgement(()))
    assert "No change of meaning: what differs is formatting or comments." in html


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    """Let a browser look at the page once, at the widths of a desk and of a phone."""
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "report.html"
    path.write_text(page(), encoding="utf-8")
    return look(path, (1280, 390), folder)


def test_a_browser_complains_of_nothing(looked: Looked) -> None:
    """The page would be broken where nobody of us has looked."""
    assert looked.console == ()
    assert all(one.text > 2_000 for one in looked.looks)


def test_a_browser_asks_nobody(looked: Looked) -> None:
    """A page that is opened offline would be incomplete."""
    assert [address for address in looked.requests if not address.startswith("file:")] == []


@pytest.mark.parametrize("place", [0, 1])
def test_nothing_stands_out_to_the_side(looked: Looked, place: int) -> None:
    """A reader on a phone would have to scroll two ways."""
    one = looked.looks[place]
    assert one.wide == ()
    assert one.scrolls <= one.width


def test_the_browser_would_have_complained(tmp_path: Path) -> None:
    """The three tests above would pass for any page."""
    path = tmp_path / "bad.html"
    path.write_text(
        '<!doctype html><body><div style="width:2000px">wide</div>'
        '<script>console.error("bad")</script><img src="http://127.0.0.1:9/x.png">',
        encoding="utf-8",
    )
    found = look(path, (390,), tmp_path)
    assert any("bad" in line for line in found.console)
    assert found.looks[0].wide
    assert any(address.startswith("http:") for address in found.requests)


def test_a_table_is_read_with_the_lists() -> None:
    """The page and the terminal would sort one change into two places."""
    assert group_of(Difference("table", "limits", "changed", "changes", ())) == "later"
    assert group_of(Difference("table", "limits", "changed", "may_weaken", ())) == "may_weaken"
    assert group_of(Difference("list", "blocked", "changed", "authority", ())) == "authority"
