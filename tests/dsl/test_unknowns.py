"""What can be unknown is found by trying, and the trying ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dsl.test_checker import PREAMBLE, checked
from tidegate.dsl import unknowns

SOURCES = ("tip > 1 EUR", "tries > 1", 'email = "a"', 'ip_country = "FR"', "opened < at",
           "customer = card", "other > 1", "usual > 1 EUR")  # fmt: skip
MODELS = "".join(
    f"model m{i} version 1 external score score_{i} use pay may review "
    "if unavailable then review because down\n"
    for i in range(4)
)


def guarded(parts: tuple[str, ...]) -> str:
    """Conditions that are never unknown, each with one of the scores."""
    return " and ".join(
        f"({part.split()[0]} is missing or {part} or score_{i % 4} > 0.5)"
        for i, part in enumerate(parts)
    )


@pytest.mark.parametrize("number", range(1, len(SOURCES) + 1))
def test_a_condition_is_worked_out_a_bounded_number_of_times(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight sources and four models would be 4,096 trials of a condition of any length."""
    trials: list[object] = []
    holds = unknowns._holds

    def counted(node: Any, state: Any, *rest: Any, **more: Any) -> Any:
        trials.append((id(node), id(state), *rest))
        return holds(node, state, *rest, **more)

    monkeypatch.setattr(unknowns, "_holds", counted)
    fields = PREAMBLE.replace("tries count?", "other count?\n  tries count?")
    rule = f"rule example version 1 when {guarded(SOURCES[:number])} then review because odd"
    result = checked(fields + MODELS, rule)

    assert result.program is not None, [d.message for d in result.diagnostics]
    assert len(set(trials)) <= unknowns.MAX_TRIALS * (1 + 4 * number)


def test_a_guard_that_only_a_mask_takes_away_is_found_among_many_sources() -> None:
    """The bound would make the answer unsound instead of cautious."""
    fields = PREAMBLE.replace("tries count?", "other count?\n  tries count?")
    condition = f'({guarded(SOURCES)}) and (email = "a" or score_0 is present)'
    result = checked(fields + MODELS, f"rule example version 1 when {condition} then review")

    assert "TG411" in {d.code for d in result.diagnostics}
