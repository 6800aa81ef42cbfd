"""What an editor asks of a text: places, names, completion and types, without a server."""

import pytest

from tests.conftest import ROOT
from tidegate.dsl.completion import complete
from tidegate.dsl.hover import describe, describe_expression, expression_at
from tidegate.dsl.parser import parse
from tidegate.dsl.positions import Lines
from tidegate.dsl.source import Source
from tidegate.dsl.standing import Standing, declarations_of, standing_at, standings, uses_of
from tidegate.rules.loading import read

FIRST = ROOT / "examples" / "first"
MORE = """
event login
  id   text key
  at   time
  sort one of (app, web)

list trusted of token managed
group strict "Strict rules"
"""


def declared() -> list[Standing]:
    """Every declaration of the first example and a few more."""
    texts = [(FIRST / "policy.tide").read_text("utf-8"), MORE]
    names = [s for text in texts for s in standings(parse(Source("a.tide", text)).file)]
    return [one for one in names if one.node is not None]


def offered(text: str) -> set[str]:
    """What is offered at the end of a text."""
    found = complete(Source("new.tide", text), len(text), declared())
    return {one.text for one in found.suggestions}


@pytest.mark.parametrize(
    ("offset", "place"),
    [(0, (0, 0)), (1, (0, 2)), (2, (0, 3)), (3, (0, 4)), (4, (1, 0)), (5, (1, 1)), (99, (2, 0))],
)
def test_places_are_utf_16(offset: int, place: tuple[int, int]) -> None:
    r"""An emoji is two units, a combining accent one, and `\r` alone ends a line too."""
    lines = Lines("\N{ROCKET}e\N{COMBINING ACUTE ACCENT}\nx\r")
    assert lines.place(offset) == place
    assert lines.offset(*place) == min(offset, 6)


def test_places_that_do_not_exist_are_the_nearest_ones() -> None:
    lines = Lines("a\N{ROCKET}b\nc")
    assert lines.offset(0, 2) == 1, "within a pair: before the character"
    assert lines.offset(0, 99) == 3
    assert lines.offset(9, 0) == 5
    assert lines.offset(-1, 4) == 0
    assert lines.place(-3) == (0, 0)


@pytest.mark.parametrize(
    ("text", "some", "none"),
    [
        ("", {"rule", "event", "policy"}, {"amount", "when"}),
        ("ru", {"rule"}, {"amount"}),
        ("rule x version 1\n  ", {"when", "in", "on", "shadow"}, {"then", "rule"}),
        ("rule x when ", {"amount", "tries_10m", "hour", "not"}, {"burst", "skip", "trusted"}),
        ("rule x when am", {"amount"}, {"burst"}),
        ("rule x when amount > 5 EUR ", {"and", "or", "then"}, {"amount"}),
        ("rule x when amount > 5 EUR then ", {"decline", "step_up", "review"}, {"skip", "amount"}),
        ("rule x when amount > 5 EUR then step_up ", {"strong"}, {"large"}),
        ("rule x when amount > 5 EUR then decline because ", {"burst"}, {"strong", "amount"}),
        ("rule x when a > 5 then hold because burst if unknown then ", {"skip", "hold"}, set()),
        ("rule x on ", {"payment", "login"}, {"amount"}),
        ("rule x in ", {"strict"}, {"trusted"}),
        ("rule x when card in ", {"trusted"}, {"strict"}),
        ("rule x when sort = ", {"app", "web"}, {"amount"}),
        ("rule x when sort not in (app, ", {"app", "web"}, {"amount"}),
        ("event x\n  id ", {"text", "money", "one"}, {"amount"}),
        ("feature x = ", {"count", "sum", "first"}, {"amount"}),
        ("feature x = count of ", {"payment"}, {"amount"}),
        ("feature x = sum of ", {"amount"}, {"payment", "tries_10m"}),
        ("feature x = sum of amount of ", {"payment"}, {"amount"}),
        ("feature x = count of payment by ", {"card", "all"}, {"tries_10m"}),
        ('rule x "when ', set(), {"rule", "amount"}),
        ("# rule x when ", set(), {"rule", "amount"}),
        ("rule x wehn amount ", set(), {"amount", "when"}),
    ],
)
def test_completion_offers_what_fits(text: str, some: set[str], none: set[str]) -> None:
    found = offered(text)
    assert some <= found
    assert not none & found


def test_a_name_is_found_with_its_declarations_and_uses() -> None:
    text = (FIRST / "rules.tide").read_text("utf-8")
    here = standings(parse(Source("rules.tide", text)).file)
    offset = text.index("amount >") + 2
    name = standing_at(here, offset)
    assert name is not None
    assert (name.sort, name.name) == ("value", "amount")
    (field,) = declarations_of(name, declared())
    assert field.word == "field"
    assert [text[u.span.start : u.span.end] for u in uses_of(name, here)] == ["amount"] * 2
    assert standing_at(here, text.index("version")) is None


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("amount > 300", "`amount`: money in EUR; is never missing"),
        ("> 300", "`amount > 300 EUR`: flag; is never unknown"),
        ("!= card", "`ip_country != card_country`: flag; can be unknown"),
        ("tries_10m", "`tries_10m`: count; is never missing"),
    ],
)
def test_the_type_of_what_stands_there(mark: str, said: str) -> None:
    loaded = read(FIRST)
    assert loaded.policy is not None
    source = loaded.sources["rules.tide"]
    found = expression_at(loaded.policy.program, "rules.tide", source.text.index(mark))
    assert found is not None
    assert describe_expression(found, source, loaded.policy.program) == said


def test_a_model_says_where_its_score_comes_from() -> None:
    """Whoever reads a rule would have to look for the model's declaration."""
    text = (
        'model boosting version 3 from "models/boosting" reads amount score risk use pay '
        "if unavailable then review\n"
        "model vendor version 1 external shadow score vendor_score from -1.5 to 99 use pay "
        "if unavailable then review\n"
        "model plain version 1 external score plain_score use pay if unavailable then review\n"
    )
    source = Source("p.tide", text)
    said = {s.name: describe(s, source) for s in standings(parse(source).file) if s.node}
    assert "Its file is `models/boosting/3/model.json`." in said["risk"]
    assert "comes with the event, from -1.5 to 99." in said["vendor_score"]
    assert "only shadow rules read its score" in said["vendor"]
    assert "comes with the event, from 0 to 1." in said["plain"]
    assert "shadow" not in said["plain"]
