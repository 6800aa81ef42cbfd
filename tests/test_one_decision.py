"""The benchmark's two sides decide alike: a faster answer to another question is no answer."""

from bench import generate, one_decision


def test_the_chain_and_the_rules_agree() -> None:
    """The figures of `bench.one_decision` would compare different things."""
    agreement = one_decision.compare(one_decision.compiled(), generate.events(4_000, seed=5))
    assert agreement.disagreements == 0
    assert set(agreement.words) == {"approve", "review", "step_up", "decline"}
    assert len(agreement.rules_that_never_fired) < 10


def test_the_lists_are_those_that_are_generated() -> None:
    """Another block list would let the two sides agree on other events than the ones printed."""
    for name, values in (
        ("blocked_cards", generate.blocked_cards()),
        ("throwaway", generate.throwaway()),
    ):
        assert (generate.FOLDER / "lists" / f"{name}.csv").read_text().splitlines() == values


def test_the_report_names_both_sides() -> None:
    """A table without its baseline says nothing."""
    ours, rows = one_decision.compiled(), generate.events(100)
    agreement = one_decision.compare(ours, rows)
    seconds = one_decision.measure(one_decision.sides(ours), rows, rounds=3)
    text = one_decision.report(one_decision.lines_of(seconds), agreement)
    assert "hand-written chain" in text
    assert "decision with evidence" in text
