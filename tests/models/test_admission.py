"""What is registered says what it is: reviewers and programs look at the same thing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.models.registry_samples import ADA, NAME, ask, write_version
from tidegate.models.plain_drawings import why_not_plain
from tidegate.models.problems import Problem

SVG = '<svg xmlns="http://www.w3.org/2000/svg">'


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """Give the folder of a version that is whole."""
    return write_version(tmp_path / NAME, 1)


def register(version: Path) -> str:
    """Say what is wrong with a version; `fine` where nothing is."""
    found = ask(version.parent, ADA, "register", 1)
    return f"{found.kind} {found.place}" if isinstance(found, Problem) else "fine"


def test_what_training_writes_is_admitted(version: Path) -> None:
    """Nothing could be registered."""
    assert register(version) == "fine"


def test_a_page_that_somebody_wrote_is_refused(version: Path) -> None:
    """Reviewers would read of a model that is better than the one that serves."""
    page = version / "card.md"
    right = page.read_bytes()
    zone = b"Europe/Paris"
    for wrong in (
        right.replace(b"0.8700", b"0.9999"), right + b"\n", b"",
        right.replace(zone, b"Asia/Tokyo"), right.replace(zone, b"Mars/Base"),
    ):  # fmt: skip
        assert wrong != right
        page.write_bytes(wrong)
        assert register(version) == "page_differs 1/card.md"


def test_a_page_is_that_of_the_contributions_too(version: Path) -> None:
    """The most important input would be another one than the page says."""
    path = version / "contributions.json"
    path.write_text(path.read_text().replace('"share": 1000000', '"share": 900000'))
    assert register(version) == "page_differs 1/card.md"


@pytest.mark.parametrize(("name", "expected"), [
    ("contributions.json", "no_contributions"), ("reference.json", "no_reference"),
])  # fmt: skip
def test_what_programs_read_is_read(version: Path, name: str, expected: str) -> None:
    """A pickle would be signed under the name of a reference."""
    right = json.loads((version / name).read_text())
    for wrong in (
        b"\x80\x04K\x01.", b"PK\x03\x04zip", b"{}", json.dumps(right | {"more": 1}).encode(),
        json.dumps(right | {"schema": "other/1"}).encode(), json.dumps(right)[:-1].encode(),
    ):  # fmt: skip
        (version / name).write_bytes(wrong)
        assert register(version) == f"{expected} 1/{name}"
    for change in ({"version": 2}, {"model": "other"}):
        (version / name).write_text(json.dumps(right | change))
        assert register(version) == f"named_otherwise 1/{name}"


def test_a_reference_is_of_its_model(version: Path) -> None:
    """Monitoring would compare with another model."""
    path = version / "reference.json"
    right = json.loads(path.read_text())
    path.write_text(json.dumps(right | {"model_hash": "0" * 64}))
    assert register(version) == "hash_mismatch 1/reference.json"


@pytest.mark.parametrize("name", ["run_me.sh", "setup.py", "notes.md", "model.json.bak", "x"])
def test_a_version_has_six_files(version: Path, name: str) -> None:
    """Somebody would run what was signed with the rest."""
    (version / name).write_text("")
    assert register(version) == f"not_whole 1/{name}"


@pytest.mark.parametrize("wrong", [
    '<svg onload="alert(1)"/>',
    f"{SVG}<script>alert(1)</script></svg>",
    f'{SVG}<a href="//evil"><text>x</text></a></svg>',
    f'{SVG}<image href="//evil"/></svg>',
    f'{SVG}<use href="#x"/></svg>',
    f'{SVG}<text xlink:href="//evil">x</text></svg>',
    f"{SVG}<foreignObject/></svg>",
    f'{SVG}<circle onclick="alert(1)" r="1"/></svg>',
    f'{SVG}<circle fill="url(//evil)" r="1"/></svg>',
    f'{SVG}<circle style="fill:red" r="1"/></svg>',
    f"{SVG}<style>@import '//evil';</style></svg>",
    f"{SVG}<style>svg{{background:u\\72l(//evil)}}</style></svg>",
    f"{SVG}<style>svg{{background:u<![CDATA[rl(//evil)]]>}}</style></svg>",
    f"{SVG}<style>svg{{background:&#117;rl(//evil)}}</style></svg>",
    f"{SVG}<animate/></svg>",
    f"{SVG}<set/></svg>",
    '<svg xmlns="http://www.w3.org/1999/xhtml"/>',
    '<x:svg xmlns:x="http://www.w3.org/2000/svg"/>',
    '<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]><svg>&e;</svg>',
    "<!DOCTYPE svg><svg/>",
    '<?xml-stylesheet href="//evil"?><svg/>',
    "<html/>", "", "no drawing", "<svg>", "<svg/><svg/>", "\x00",
])  # fmt: skip
def test_a_plot_that_does_something_is_refused(version: Path, wrong: str) -> None:
    """A reviewer's browser would run what an author wrote."""
    (version / "reliability.svg").write_text(wrong)
    assert register(version) == "plot_not_plain 1/reliability.svg"


def test_the_plots_of_examples_are_plain() -> None:
    """What training draws would be refused."""
    plots = sorted((ROOT / "src" / "tidegate" / "examples").rglob("reliability.svg"))
    assert plots
    for plot in plots:
        assert why_not_plain(plot.read_bytes()) == ""


def test_a_card_without_thresholds_or_with_a_strange_currency_is_refused(version: Path) -> None:
    """No page could be made of it, and an exception would end the command."""
    path = version / "card.json"
    right = json.loads(path.read_text())
    changes: tuple[dict[str, object], ...] = ({"thresholds": []}, {"currency": "XYZ"})
    for change in changes:
        path.write_text(json.dumps(right | change))
        assert register(version) == "card_incomplete 1/card.json"


def test_the_card_of_the_example_makes_its_page() -> None:
    """The example could not be registered."""
    from tidegate.models.card_page import card_markdown
    from tidegate.models.cards import read_card
    from tidegate.models.contributions import read_contributions

    (folder,) = (ROOT / "src" / "tidegate" / "examples" / "scored" / "models" / "risk").glob("1")
    card = read_card((folder / "card.json").read_bytes())
    contributions = read_contributions((folder / "contributions.json").read_bytes())
    assert card_markdown(card, contributions, "Europe/Paris") == (folder / "card.md").read_bytes()
