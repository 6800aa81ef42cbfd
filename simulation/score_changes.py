"""What a new version of a model says of the same payments: scores that crossed a threshold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tidegate.dsl.program import EventType
from tidegate.engine.column_batch import STATUSES, IntegerColumn
from tidegate.engine.decision import Policy
from tidegate.simulation.comparison import Crossing, ScoreChange
from tidegate.simulation.measures import WARM_UP, Small
from tidegate.simulation.model_scores import model_hash
from tidegate.simulation.rows import Rows
from tidegate.simulation.score_thresholds import thresholds_of
from tidegate.simulation.times import Flags, Int64s

_OK = STATUSES.index("ok")


class ScoreTally:
    """One model that both revisions have, in versions that score by themselves."""

    def __init__(self, old: Policy, new: Policy, event: str, name: str) -> None:
        self.models = old.program.model(name), new.program.model(name)
        self.name = name
        events = old.program.event(event), new.program.event(event)
        found: dict[int, dict[str, None]] = {}
        for model, one in zip(self.models, events, strict=True):
            for at, rules in thresholds_of(one, model.score).items():
                found.setdefault(at, {}).update(dict.fromkeys(rules))
        self.rules = {at: tuple(found[at]) for at in sorted(found)}
        self._counts = np.zeros(4, np.int64)
        self._crossings = np.zeros((len(self.rules), 4), np.int64)

    def add(self, before: Rows, after: Rows, classes: Small) -> None:
        """The same rows as each revision scores them; the warm-up is left out."""
        measured = classes != WARM_UP
        (was, had), (now, has) = (
            _scores(rows, model.score, model.name)
            for rows, model in zip((before, after), self.models, strict=True)
        )
        both = measured & had & has
        groups = both, both & (was != now), measured & had & ~has, measured & has & ~had
        self._counts += [int(rows.sum()) for rows in groups]
        for place, at in enumerate(self.rules):
            low, high = was >= at, now >= at
            groups = both & low, both & high, both & ~low & high, both & low & ~high
            self._crossings[place] += [int(rows.sum()) for rows in groups]

    def change(self) -> ScoreChange:
        """What was counted."""
        crossings = zip(self.rules.items(), self._crossings.tolist(), strict=True)
        both, differ, only_before, only_after = self._counts.tolist()
        return ScoreChange(
            model=self.name,
            version_before=self.models[0].version,
            version_after=self.models[1].version,
            both=both,
            differ=differ,
            only_before=only_before,
            only_after=only_after,
            crossings=tuple(Crossing(at, rules, *counts) for (at, rules), counts in crossings),
        )


def _scores(rows: Rows, score: str, model: str) -> tuple[Int64s, Flags]:
    column = rows.columns[score]
    assert isinstance(column, IntegerColumn)
    there: Flags = rows.statuses[model] == _OK
    return column.values.astype(np.int64), there


def changed_models(old: Policy, new: Policy, event: EventType) -> Iterator[str]:
    """The models of an event that both revisions score, and not by the same file."""
    before = {e.name: e for e in old.program.events}[event.name].models
    for name in event.models:
        if name not in before or new.program.model(name).external:
            continue
        was, now = old.program.model(name), new.program.model(name)
        hashes = model_hash(old, was), model_hash(new, now)
        if not was.external and hashes[0] != hashes[1]:
            yield name
