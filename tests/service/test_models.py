"""Models while the service runs: what the registry says serves, in line and behind walls."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.models.registry_samples import NAME, OLA, REGISTRY, ROWS, active_folder, done
from tests.rules.test_serving_models import POLICY
from tests.service.builders import Client, run, running
from tidegate.models.people import key_text
from tidegate.service.assembly import Service
from tidegate.service.recorded import read_payload

GRANTED = (
    POLICY
    + """
grant client other
  may decide, read_decisions
  sees outcome, scores, record
"""
)


def prepared(folder: Path) -> Path:
    """A registry with two versions, the second active, and the people's file."""
    active_folder(folder / "policy" / "models", 1, 2)
    people = folder / "people.yaml"
    rows = []
    for row in ROWS:
        roles = ", ".join(sorted(row.roles))
        rows.append(f"  - {{name: {row.name}, roles: [{roles}], key: '{key_text(row.key)}'}}")
    people.write_text(f"registry: {REGISTRY}\npeople:\n" + "\n".join(rows) + "\n")
    return people


async def decided(service: Service, number: int) -> Mapping[str, Any]:
    """A decision, as its record says."""
    event = {"id": f"p-{number}", "tries": number}
    answer = await Client(service, "other").decide(event)
    assert answer.status_code == 200, answer.text
    found: Mapping[str, Any] = answer.json()
    return found


def test_a_rollback_and_a_stop_take_effect_while_it_serves(tmp_path: Path) -> None:
    """Each decision by one set of models; a broken registry changes nothing."""
    people = prepared(tmp_path)
    log = tmp_path / "policy" / "models" / NAME / "log.jsonl"
    models = {"people": str(people), "refresh_seconds": 0.05}

    async def main() -> None:
        async with running(tmp_path, policy=GRANTED, models=models) as (service, _):
            first = await decided(service, 1)
            assert first["record"]["scored"][NAME]["version"] == 2
            done(log.parent, OLA, "rollback")
            second = await until(service, lambda found: version(found) == 1)
            assert second["policy"] != first["policy"]
            good = log.read_bytes()
            log.write_bytes(good[:-10] + b"x" * 9 + good[-1:])
            await asyncio.sleep(0.3)
            assert version(await decided(service, 2)) == 1
            log.write_bytes(good)
            done(log.parent, OLA, "disable")
            stopped = await until(service, lambda found: status(found) == "unavailable")
            assert stopped["record"]["missing"]["risk"] == "disabled"
            assert stopped["outcome"]["review"] == "after"
            for found in (first, second):
                read = await Client(service, "other").get(f"/v1/decisions/{found['decision_id']}")
                assert read.json() == found

    run(main())


def version(found: Mapping[str, Any]) -> int | None:
    """The version that scored."""
    scored = found["record"]["scored"].get(NAME)
    return None if scored is None else scored["version"]


def status(found: Mapping[str, Any]) -> str:
    """How the model answered."""
    return str(found["record"]["scores"][NAME])


async def until(service: Service, wanted: Any) -> Mapping[str, Any]:
    """Decide again and again until it is so."""
    for number in range(100, 700):
        found = await decided(service, number)
        if wanted(found):
            return found
        await asyncio.sleep(0.02)
    pytest.fail("it never is so")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="walls need Linux")
def test_a_walled_process_gives_the_same_scores(tmp_path: Path) -> None:
    """By a setting; the records are equal but for their times."""
    prepared(tmp_path)
    scores: dict[str, list[Any]] = {}

    async def main(scoring: str) -> None:
        folder = tmp_path if scoring == "host" else tmp_path / "again"
        if scoring != "host":
            prepared(folder)
        models = {"scoring": scoring}
        async with running(folder, policy=GRANTED, models=models) as (service, _):
            found = [await decided(service, number) for number in range(5)]
            scores[scoring] = [each["record"]["scored"] for each in found]
            (read,) = service.reader.about(found[0]["decision_id"])
            assert read.payload is not None
            assert read_payload(read.payload).record

    run(main("host"))
    run(main("in_process"))
    assert scores["host"] == scores["in_process"]
    assert scores["host"][0][NAME]["status"] == "ok"
