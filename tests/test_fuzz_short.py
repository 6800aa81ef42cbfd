"""A short run of the long search (`make fuzz-language`), and what it found before."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests import fuzz_agreement
from tests.fuzz_agreement import disagreement, false_promise
from tests.fuzz_language import expected, run_case, run_cases, too_rare
from tests.fuzz_properties import with_rules
from tests.situations_generated import generated_lists, generated_situations
from tidegate.dsl.checker import check
from tidegate.dsl.lists import ListContent, Lists
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program
from tidegate.dsl.source import Source
from tidegate.engine.generated import CompiledEvent, compile_event
from tidegate.engine.situation import Situation

CORPUS = Path(__file__).parent / "corpus"
REFUSED = re.compile(r"^# refused: (TG\d{3})$", re.MULTILINE)


def test_evaluators_agree_on_generated_policies() -> None:
    """Interpreter, generated code and columns would differ, or a promise would break."""
    found = run_cases("agreement", 24, seed=71, processes=1)
    assert not found.failures, found.failures[0]
    assert len(found.texts) == 24
    assert found.seen["decisions"] >= 24 * 95


def test_models_that_vouch_for_each_other_stay_below_their_ceilings() -> None:
    """A model would cause through another one what it may not cause itself."""
    found = run_cases("clamp", 60, seed=71, processes=1)
    assert not found.failures, found.failures[0]
    assert found.seen["clamp unclamped above"] > 0


def test_a_case_is_the_same_each_time() -> None:
    """A failing seed could not be looked into."""
    task = "agreement", "71:agreement:3"
    assert run_case(task) == run_case(task)


def test_a_planted_disagreement_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search would pass whatever the evaluators say."""

    def forgetful(program: Program, event: object, lists: Lists, index_from: int) -> CompiledEvent:
        own = next(e for e in program.events if e is event)
        quiet = [replace(rule, exceptions=()) for rule in own.rules]
        program = with_rules(program, own, quiet)
        return compile_event(program, program.event(own.name), lists, index_from)

    monkeypatch.setattr(fuzz_agreement, "compile_event", forgetful)
    found = run_cases("agreement", 12, seed=71, processes=1)
    assert found.failures
    assert re.match(r"FAILED 71:agreement:\d+: generated code ", found.failures[0])


def test_what_was_never_met_is_too_rare() -> None:
    """A run that met no operator at all would look like a good one."""
    assert len(too_rare(run_cases("agreement", 0, seed=0, processes=1).seen, 1.0)) == len(
        expected()
    )


# --- what the search found ---------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.tide")), ids=lambda path: path.stem)
def test_what_the_search_found_stays_mended(path: Path) -> None:
    """A defect that was mended would come back."""
    checked = check([parse(Source(path.name, path.read_text())).file])
    if refused := REFUSED.search(path.read_text()):
        assert refused.group(1) in {d.code for d in checked.diagnostics}
        return
    program, rng = checked.program, Random(path.stem)
    assert program is not None, checked.diagnostics
    for event in (e for e in program.events if e.rules):
        lists = generated_lists(rng, program, unreadable=0.0)
        batches = [generated_situations(rng, program, event, lists, 40)]
        batches += [[one] for one in _kept(path, program, event.name)]
        assert disagreement(program, event, batches, rng) is None
        for situation in (s for batch in batches for s in batch):
            assert false_promise(program, event, situation) is None


def _kept(path: Path, program: Program, name: str) -> list[Situation]:
    """The situations beside a policy: by input name, missing where it is left out."""
    beside = path.with_suffix(".json")
    if not beside.exists():
        return []
    event = program.event(name)
    return [
        Situation(
            event,
            tuple(one["values"].get(entry.name) for entry in event.inputs),
            {n: None if held is None else ListContent(frozenset(held))
             for n, held in one.get("lists", {}).items()},
            one.get("statuses", {}),
        )
        for one in json.loads(beside.read_text())
        if one["event"] == name
    ]  # fmt: skip
