"""Whatever is done to a policy file, the language answers with a tree or with diagnostics."""

from __future__ import annotations

import random

from tests import fuzz_mutations


def test_two_thousand_mutants_are_answered() -> None:
    """A slip of the pen would end in a traceback, or in a text that the formatter changes."""
    tally = fuzz_mutations.run(2_000, seed=2026)
    assert not tally.failures, "\n".join(tally.failures[:3])


def test_the_mutants_are_worth_trying() -> None:
    """All mutants would be refused for one reason, or none would be refused."""
    tally = fuzz_mutations.run(300, seed=1)
    assert 10 < tally.sound < 200
    assert {"TG101", "TG102", "TG104", "TG105", "TG107", "TG111"} <= set(tally.codes)


def test_a_mutant_is_found_again() -> None:
    """A failure could not be looked at."""
    texts = fuzz_mutations.seeds()
    first, second = (fuzz_mutations.mutant(random.Random("1:7"), texts) for _ in range(2))
    assert first == second
