"""The page of what watching found: complete, escaped, self-contained, and readable in a browser."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.browser import look
from tests.conftest import ROOT
from tests.simulation.test_comparison_page import outline
from tests.simulation.test_monitoring import SEGMENTS, higher, twice
from tests.simulation.watched_histories import POLICY, watched
from tidegate.cli.main import app
from tidegate.rules.gate import Segments
from tidegate.rules.loading import load_policy
from tidegate.simulation.model_references import read_references
from tidegate.simulation.monitoring import Wanted, monitor
from tidegate.simulation.monitoring_page import to_html
from tidegate.simulation.monitoring_result import ModelMonitoring, Monitoring

NASTY = '<script>alert("x")</script> & `code`'


@pytest.fixture(scope="module")
def scored() -> Monitoring:
    """The shipped example with its trained model."""
    folder = ROOT / "examples" / "scored"
    policy = load_policy(folder)
    wanted = Wanted(segments=(Segments("channel"),))
    return monitor(policy, folder / "mapping.yaml", wanted, references=read_references(policy))


def test_the_page_stands_by_itself(scored: Monitoring) -> None:
    """A report that is sent on asks the network for a font, or runs a script."""
    html = to_html(scored)
    found = outline(html)
    assert "script" not in found.tags
    assert found.addresses == []
    assert found.unscoped == 0
    assert found.tags.count("svg") >= 8
    assert "default-src 'none'" in html
    assert set(found.labelled) <= set(found.ids)
    assert found.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(found.headings, found.headings[1:], strict=False))


def test_the_page_shows_what_alarms(scored: Monitoring) -> None:
    """Everything that alarms is said on top, in the words of the report."""
    html = to_html(scored)
    for mark, text in (("<code>", ""), ("</code>", ""), ("\N{NO-BREAK SPACE}", " ")):
        html = html.replace(mark, text)
    alarms = [alarm for _, alarm in scored.alarms]
    assert alarms
    for alarm in alarms:
        assert alarm.said.split(":")[0].replace("`", "") in html


def test_a_text_of_the_policy_is_shown_as_text(tmp_path: Path) -> None:
    """A value of a field runs a script in the browser of whoever watches."""
    text = POLICY.replace("  origin      country", "  origin      text")

    def nasty(drawn: object) -> None:
        twice(drawn)  # type: ignore[arg-type]  # a Draw
        columns = drawn.columns  # type: ignore[attr-defined]  # likewise
        columns["origin"] = [NASTY if o == "DE" else str(o) for o in columns["origin"]]

    policy, mapping = watched(tmp_path, nasty, policy=text)
    html = to_html(monitor(policy, mapping, SEGMENTS))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_page_in_a_browser(scored: Monitoring, tmp_path: Path) -> None:
    """At no width does it run out to the side; nothing complains and nothing is fetched."""
    page = tmp_path / "page.html"
    page.write_text(to_html(scored), encoding="utf-8")
    seen = look(page, (360, 800, 1200), tmp_path)
    assert seen.console == ()
    assert not [url for url in seen.requests if not url.startswith("file:")]
    for one in seen.looks:
        assert one.text > 2_000
        assert not one.wide, one
        assert one.scrolls <= one.width


def test_every_key_is_explained() -> None:
    """A key of the JSON that the page does not name is read wrongly."""
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    names = [f.name for kind in (Monitoring, ModelMonitoring) for f in fields(kind)]
    assert {name for name in names if name not in page} == set()


def test_the_exit_code_says_whether_anything_alarms(tmp_path: Path) -> None:
    """A nightly job that is always green, or never."""
    for spoil, expected in ((higher, 1), (None, 0)):
        folder = tmp_path / str(expected)
        made = watched(folder, spoil, rows=6_000) if spoil else watched(folder, rows=6_000)
        arguments = ["models", "monitor", str(folder / "policy"), str(made[1])]
        assert CliRunner().invoke(app, arguments).exit_code == 0
        assert CliRunner().invoke(app, [*arguments, "--fail-on-alarm"]).exit_code == expected
