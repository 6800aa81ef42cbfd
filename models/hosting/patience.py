"""When a model that fails is asked again, and how soon its worker starts anew."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Patience:
    """Counts faults without a good answer between them. Times are seconds of a steady clock.

    A worker that ended starts again after `pause`: `first_s`, twice that after each fault more,
    never above `longest_s`. From `faults_allowed` faults on nobody asks before the pause is over
    (`is_out`), so that a model that is always late does not cost every decision its whole limit;
    the first question after it is the trial.
    """

    first_s: float = 0.1
    longest_s: float = 30.0
    faults_allowed: int = 5
    faults: int = 0
    out_until: float = 0.0

    @property
    def pause(self) -> float:
        """How long to wait after the fault that came last."""
        doublings = min(max(self.faults - 1, 0), 32)
        return min(self.longest_s, self.first_s * 2.0**doublings)

    def note_fault(self, now: float) -> None:
        """The model gave no good answer, or its worker ended."""
        self.faults += 1
        if self.faults >= self.faults_allowed:
            self.out_until = now + self.pause

    def note_answer(self) -> None:
        """A good answer came in time."""
        self.faults = 0
        self.out_until = 0.0

    def is_out(self, now: float) -> bool:
        """Whether the model is not to be asked now."""
        return now < self.out_until
