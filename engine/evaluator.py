"""The one place where an evaluator is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tidegate.dsl.lists import Lists
from tidegate.dsl.program import EventType, Program
from tidegate.engine.authority import Authority, Evaluate, authority
from tidegate.engine.generated import CompiledEvent, compile_event
from tidegate.engine.interpreter import evaluate
from tidegate.engine.situation import Settled, Situation

EvaluatorKind = Literal["compiled", "interpreter"]


class Evaluator(Protocol):
    """Settles the events of one type, and can evaluate their rules under any clamp."""

    @property
    def authority(self) -> Authority:
        """What is known of the event type beforehand."""
        ...

    @property
    def program(self) -> Program:
        """The program it evaluates."""
        ...

    @property
    def evaluate(self) -> Evaluate:
        """One evaluation of all rules."""
        ...

    def settle(self, situation: Situation) -> Settled:
        """The decision for one event."""
        ...

    def outside_use(self, situation: Situation) -> int:
        """Bit i: `event.models[i]` is outside its use for this event."""
        ...


@dataclass(frozen=True, slots=True)
class Interpreted:
    """The definition of what rules mean, walked over for every event."""

    authority: Authority

    @property
    def program(self) -> Program:
        """The program it evaluates."""
        return self.authority.program

    @property
    def evaluate(self) -> Evaluate:
        """The interpreter itself."""
        return evaluate

    def settle(self, situation: Situation) -> Settled:
        """The decision for one event."""
        return self.authority.settle(situation)

    def outside_use(self, situation: Situation) -> int:
        """The models that are outside their use, by bit."""
        return self.authority.outside_use(situation)


@dataclass(frozen=True, slots=True)
class Compiled:
    """Generated code of the same meaning; the lists of the policy's files are part of it."""

    compiled: CompiledEvent

    @property
    def authority(self) -> Authority:
        """What is known of the event type beforehand."""
        return self.compiled.authority

    @property
    def program(self) -> Program:
        """The program it was compiled from."""
        return self.compiled.program

    @property
    def evaluate(self) -> Evaluate:
        """One evaluation of all rules."""
        return lambda _, situation, clamp: self.compiled.evaluate(situation, clamp)

    def settle(self, situation: Situation) -> Settled:
        """The decision for one event."""
        if situation.snoozed:
            return self.compiled.decide(situation)
        return self.compiled.decide_values(situation.values, situation.lists, situation.statuses)

    def outside_use(self, situation: Situation) -> int:
        """The models that are outside their use, by bit."""
        return self.compiled.outside_use(situation)


def evaluator_of(
    program: Program, event: EventType, file_lists: Lists, kind: EvaluatorKind
) -> Evaluator:
    """An evaluator of this kind for one event type; `file_lists` never change afterwards."""
    if kind == "interpreter":
        return Interpreted(authority(program, event))
    return Compiled(compile_event(program, event, file_lists))
