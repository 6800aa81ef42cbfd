"""A changed event: what follows from a change follows with it, or the change is not made."""

from dataclasses import replace

from tests.engine.small_policy import cards, payment
from tidegate.dsl.lists import ListContent, of_ranges
from tidegate.dsl.program import Lookup
from tidegate.dsl.tables import TableContent
from tidegate.dsl.types import COUNT, COUNTRY, IP, MONEY, NUMBER, TIME, TOKEN, Value
from tidegate.engine import Engine
from tidegate.engine.changes import Change, changed
from tidegate.engine.situation import Situation

POLICY = cards()
AFTER_THE_TERM = 1_850_000_000_000_000


def situation(score: str = "0.2") -> Situation:
    """What a payment of 20 EUR is decided from."""
    features = {"tries": 2, "typical": "10.00 EUR"}
    return Engine(POLICY).situation(payment(), features=features, scores={"fraud_score": score})


def read(of: Situation, name: str) -> Value | None:
    """The value of one input."""
    names = [entry.name for entry in of.event.inputs]
    return of.values[names.index(name)]


def test_the_amount_as_it_came_follows_the_amount() -> None:
    """`amount.original` of 5 EUR is 5, as long as no rate stands between them."""
    change = Change("amount", MONEY, 500)
    after = changed(POLICY.program, situation(), [change], {})
    assert after is not None
    assert read(after, "amount.original") == 5_000_000
    names = [entry.name for entry in after.event.inputs]
    values = list(situation().values)
    values[names.index("amount.original")] = 23_000_000
    foreign = replace(situation(), values=tuple(values))
    assert changed(POLICY.program, foreign, [change], {}) is None


def test_a_model_gives_no_score_after_its_term() -> None:
    """What it would have said then is not known before it either."""
    later = changed(POLICY.program, situation(), [Change("at", TIME, AFTER_THE_TERM)], {})
    assert later is not None
    assert (later.statuses["boosting"], read(later, "fraud_score")) == ("unavailable", None)
    assert later.reasons["fraud_score"] == "expired"
    assert changed(POLICY.program, later, [Change("at", TIME, 1)], {}) is None
    assert changed(POLICY.program, later, [Change("fraud_score", NUMBER, 1)], {}) is None


def test_a_score_comes_and_goes_with_its_status() -> None:
    """An evaluator looks at both."""
    gone = changed(POLICY.program, situation(), [Change("fraud_score", NUMBER, None)], {})
    assert gone is not None
    assert gone.statuses["boosting"] == "unavailable"
    back = changed(POLICY.program, gone, [Change("fraud_score", NUMBER, 5)], {})
    assert back is not None
    assert (back.statuses["boosting"], read(back, "fraud_score")) == ("ok", 5)


def test_a_value_goes_on_a_list_and_off_it() -> None:
    """Off a range leaves the rest of it; a list that could not be read can be."""
    base = replace(situation(), lists={"blocked": None, "nets": of_ranges([(10, 20)])})
    on = changed(POLICY.program, base, [Change("blocked", TOKEN, "t", "on_list")], {})
    assert on is not None
    assert on.lists["blocked"] == ListContent(frozenset({"t"}))
    off = changed(POLICY.program, base, [Change("nets", IP, 15, "off_list")], {})
    assert off is not None
    content = off.lists["nets"]
    assert content is not None
    assert [n for n in range(8, 23) if n in content] == [n for n in range(10, 21) if n != 15]


def test_what_is_read_in_a_table_follows_its_key() -> None:
    """Without the table the change cannot be made."""
    base = situation()
    entry = next(entry for entry in base.event.inputs if entry.name == "tries")
    lookup = Lookup("lands", "card_country", "most", COUNTRY)
    cell = replace(entry, name="lands[card_country].most", source="lookup", lookup=lookup)
    event = replace(base.event, inputs=(*base.event.inputs, cell))
    base = replace(base, event=event, values=(*base.values, 7))
    tables = {"lands": TableContent(("most",), {"US": (3,)})}
    to_us = Change("card_country", COUNTRY, "US")
    after = changed(POLICY.program, base, [to_us], tables)
    assert after is not None
    assert read(after, cell.name) == 3
    nowhere = changed(POLICY.program, base, [Change("card_country", COUNTRY, "DE")], tables)
    assert nowhere is not None
    assert (read(nowhere, cell.name), nowhere.reasons[cell.name]) == (None, "no_row")
    assert changed(POLICY.program, base, [to_us], {}) is None


def test_what_the_event_does_not_read_is_not_changed() -> None:
    """A change that nobody would see."""
    assert changed(POLICY.program, situation(), [Change("nothing", COUNT, 1)], {}) is None


def test_a_change_is_told_without_a_whole_token() -> None:
    """Suggestions stand in logs of builds."""
    assert Change("card", TOKEN, "tok_1234567890").shown("EUR") == 'card "tok_12…"'
    assert Change("trusted", TOKEN, "tok_1234567890", "off_list").shown("EUR") == (
        '"tok_12…" not in trusted'
    )
    assert Change("amount", MONEY, 500).shown("EUR") == "amount 5.00 EUR"
    assert Change("card", TOKEN, "other", other=True).shown("EUR") == "another card"
    assert Change("tries", COUNT, None).shown("EUR") == "tries missing"
