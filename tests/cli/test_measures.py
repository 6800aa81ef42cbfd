"""Coverage, mutation and counterfactuals, as people and scripts see them."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, json_of
from tests.cli.test_golden import Golden, replaced, screen

RECORD = ("record.json", "--policy", "shop")
BOUNDARY = """
- name: a burst begins at five
  event:
    payment: {id: p-6, at: 2026-02-10T12:00:00Z, amount: 25.00 EUR, card: tok_1, card_country: FR,
              ip_country: FR}
  features: {tries_10m: 4, spend_24h: 800.01 EUR}
  expect: {outcome: step_up, authentication: mandated, reasons: [large], fired: [large_payment]}
"""


@pytest.fixture
def record(run: Run, shop: Path) -> Path:
    """Decide the example's payment and keep its record."""
    event = ("shop", "shop/payment.json", "--features", "shop/features.json")
    run("decide", *event, "--record", "record.json")
    return shop


# --- coverage and mutation ---


@pytest.mark.usefixtures("shop")
def test_what_is_printed(run: Run, golden: Golden) -> None:
    """The whole screen of both measures, with the places that an editor opens."""
    run("init", "card", "--example", "card")
    shown = [
        screen(run, "test", "shop", "--coverage"),
        screen(run, "test", "card", "--coverage", "--fail-under", "71", code=1),
        screen(run, "test", "shop", "--mutate", "--fail-under", "47"),
        screen(run, "test", "shop", "--mutate", "--fail-under", "48", code=1),
    ]
    golden("cli/test_measures.txt", "\n".join(shown))


def test_a_case_that_was_suggested_closes_the_gap(run: Run, shop: Path) -> None:
    """The suggestion is no guess."""
    before = json_of(run("test", "shop", "--coverage", "--json"))
    mutants = json_of(run("test", "shop", "--mutate", "--json"))
    with (shop / "cases" / "first.yaml").open("a") as file:
        file.write(BOUNDARY)
    after = json_of(run("test", "shop", "--coverage", "--json", "--fail-under", "100"))
    assert (before["percent"], after["percent"], after["gaps"]) == (94, 100, [])
    fewer = json_of(run("test", "shop", "--mutate", "--json"))
    assert fewer["total"] == mutants["total"]
    gone = {s["after"] for s in mutants["survivors"]} - {s["after"] for s in fewer["survivors"]}
    assert {"tries_10m >= 4", "spend_24h > 800.01 EUR", "amount > 300.00 EUR"} <= gone


@pytest.mark.usefixtures("shop")
def test_the_json_forms(run: Run) -> None:
    """Keys are only added; places count from one."""
    found = json_of(run("test", "shop", "--coverage", "--json", "--fail-under", "95", code=1))
    assert (found["schema"], found["shown"], found["demanded"], found["fail_under"]) == (
        "tidegate.coverage/1", 17, 18, 95,
    )  # fmt: skip
    assert found["gaps"] == [
        {
            "event": "payment",
            "sort": "condition",
            "of": "large_payment@1",
            "what": "spend_24h > 800.00 EUR",
            "state": "true",
            "file": "rules.tide",
            "line": 8,
            "column": 28,
            "suggestion": {
                "like": "an ordinary payment passes",
                "change": "spend_24h 800.01 EUR",
            },
        }
    ]
    mutants = json_of(run("test", "shop", "--mutate", "--json"))
    assert (mutants["schema"], mutants["noticed"], mutants["total"], mutants["fail_under"]) == (
        "tidegate.mutation/1", 8, 17, None,
    )  # fmt: skip
    first: dict[str, Any] = mutants["survivors"][0]
    assert (first["rules"], first["before"], first["after"], first["line"]) == (
        ["burst@1"], "tries_10m >= 5", "tries_10m >= 4", 3,
    )  # fmt: skip


@pytest.mark.parametrize("measure", ["--coverage", "--mutate"])
def test_cases_that_fail_measure_nothing(run: Run, shop: Path, measure: str) -> None:
    """A share of cases that do not hold would say nothing."""
    replaced(shop / "rules.tide", "amount > 300 EUR", "amount > 500 EUR")
    error = json_of(run("test", "shop", measure, "--json", code=1))
    assert (error["schema"], error["kind"]) == ("tidegate.error/1", "cases_failed")
    (shop / "cases" / "first.yaml").unlink()
    run("test", "shop", measure, "--fail-under", "0", code=4)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "options",
    [
        ["--coverage", "--mutate"], ["--fail-under", "5"], ["--coverage", "--fail-under", "101"],
        ["--coverage", "--fail-under", "-1"], ["--coverage", "--fail-under", "99.5"],
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(run: Run, options: list[str]) -> None:
    """A gate that is written wrong must not pass."""
    assert run("test", "shop", *options, code=2).stderr.startswith("error: ")


# --- counterfactuals ---


@pytest.mark.usefixtures("record")
def test_what_would_have_been_otherwise(run: Run, golden: Golden) -> None:
    """Every way out of one decision, and what is said where there is none."""
    command = ("explain", *RECORD, "--counterfactual")
    shown = [
        screen(run, *command),
        screen(run, *command, "--to", "review"),
        screen(run, *command, "--to", "decline"),
        screen(run, *command, "--to", "step_up"),
        screen(run, *command, "--keep", "amount"),
        screen(run, *command, "--keep", "amont", code=3),
        screen(run, *command, "--audience", "customer", code=2),
    ]
    golden("cli/counterfactual.txt", "\n".join(shown))


@pytest.mark.usefixtures("record")
def test_a_customer_is_told_nothing_in_json_either(run: Run) -> None:
    """No field of the refusal holds a threshold."""
    result = run("explain", *RECORD, "--counterfactual", "--audience", "customer", "--json", code=2)
    assert json_of(result)["kind"] == "not_for_customers"
    assert "300" not in result.output


@pytest.mark.usefixtures("record")
def test_the_json_of_a_counterfactual(run: Run) -> None:
    """What a console shows beside the decision."""
    found = json_of(run("explain", *RECORD, "--counterfactual", "--json"))
    assert found.pop("trials") > 0
    assert found == {
        "schema": "tidegate.counterfactual/1",
        "event": "payment",
        "key": "p-1",
        "word": "step_up",
        "to": "approve",
        "found": [
            {
                "changes": [
                    {
                        "name": "amount",
                        "source": "field",
                        "before": "420.00 EUR",
                        "after": "300.00 EUR",
                    }
                ],
                "word": "approve",
                "reasons": ["country_gap"],
                "held": [],
            }
        ],
        "behind": [],
        "complete": True,
    }


def test_a_record_of_another_policy_has_none(run: Run, record: Path) -> None:
    """Its thresholds are not those that decided."""
    replaced(record / "rules.tide", "amount > 300 EUR", "amount > 400 EUR")
    result = run("explain", *RECORD, "--counterfactual", code=3)
    assert "the record is of policy" in result.stderr


def test_a_shipped_library_is_named_without_a_line(run: Run) -> None:
    """Its text is no file of the folder, so there is no line to open."""
    folder = Path(__file__).parents[2] / "examples" / "library"
    printed = run("test", str(folder), "--mutate").stdout
    assert "velocity.tide: " in printed
    assert ":0:" not in printed
