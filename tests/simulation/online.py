"""A history replayed as the service lives it: event by event, in the order of arrival.

The second opinion on the columnar dry run. Everything here goes through the engine's own door,
`tidegate.engine.features` and the interpreter, one event at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.histories import Row, SmallHistory
from tidegate.engine.decision import Decision, Engine, EventRefused
from tidegate.engine.event import Admitted
from tidegate.engine.features import Counted, admit, new_state, read, relabel, reports
from tidegate.engine.windows import WindowValue


@dataclass(frozen=True, slots=True)
class Answer:
    """One decision with the features it saw."""

    key: str
    features: dict[str, WindowValue]
    decision: Decision


@dataclass(frozen=True, slots=True)
class _Step:
    """Something that happens at `time_us`; decisions look before anything of their time enters."""

    time_us: int
    rank: int
    order: int
    what: str
    row: Row
    admitted: Admitted


class Replay:
    """One replay of one history."""

    def __init__(self, history: SmallHistory) -> None:
        self.history = history
        self.policy = history.policy
        self.engine = Engine(history.policy, evaluator="interpreter")
        self.state = new_state(history.policy.program)
        self.counted: dict[tuple[str, str], Counted] = {}
        self.reported: dict[tuple[str, str], dict[str, int]] = {}
        self.refused = 0
        self.copies = 0

    def answers(self) -> dict[str, Answer]:
        """Every decision, by key."""
        found: dict[str, Answer] = {}
        for step in sorted(self._steps(), key=lambda s: (s.time_us, s.rank, s.order)):
            if step.what == "decide":
                answer = self._decide(step)
                found[answer.key] = answer
            elif step.what == "arrive":
                self._arrive(step)
            else:
                label = step.row.own_label
                self._label(step.row.event, step.admitted.key, label, step.time_us)
        return found

    def _steps(self) -> Iterator[_Step]:
        firsts: dict[tuple[str, str], tuple[tuple[int, int], Row, Admitted]] = {}
        for row in self.history.rows:
            try:
                admitted = self.engine.admit(row.body, row.event)
            except EventRefused:
                self.refused += 1
                continue
            name, arrival = (row.event, admitted.key), (row.received_us, row.order)
            self.copies += name in firsts
            if name not in firsts or arrival < firsts[name][0]:
                firsts[name] = arrival, row, admitted
        for _, row, admitted in firsts.values():
            if admitted.event.decided:
                yield _Step(row.at_us, 0, row.order, "decide", row, admitted)
            yield _Step(row.received_us, 1, row.order, "arrive", row, admitted)
            if row.label_us is not None:
                yield _Step(row.label_us, 2, row.order, "label", row, admitted)

    def _decide(self, step: _Step) -> Answer:
        program, admitted = self.policy.program, step.admitted
        features = read(program, self.state, admitted.event, admitted.values)
        scores = {"risk": step.row.score} if admitted.event.models else {}
        decision = self.engine.decide_admitted(admitted, features=features, scores=scores)
        return Answer(admitted.key, features, decision)

    def _arrive(self, step: _Step) -> None:
        program, lists, admitted = self.policy.program, self.policy.lists, step.admitted
        name = (step.row.event, admitted.key)
        counted = Counted(
            step.row.event,
            admitted.key,
            admitted.at_us,
            step.row.received_us,
            admitted.values,
            dict(self.reported.get(name, {})),
        )
        self.counted[name] = counted
        self.state.apply(admit(program, self.state, counted, lists))
        for report in reports(program, step.row.event, admitted.values, lists):
            self._label(report.event, report.key, report.label, step.time_us)

    def _label(self, event: str, key: str, label: str, reported_us: int) -> None:
        known = self.reported.setdefault((event, key), {})
        if label in known:
            return
        known[label] = reported_us
        before = self.counted.get((event, key))
        if before is not None:
            told = dict(known)
            now = Counted(event, key, before.at_us, before.received_us, before.values, told)
            self.counted[event, key] = now
            lists = self.policy.lists
            self.state.apply(relabel(self.policy.program, self.state, now, lists))
