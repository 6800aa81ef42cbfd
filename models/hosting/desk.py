"""Asks one model's worker, and keeps one running.

Callers take turns. Whoever has the turn sends the question and waits for the answer itself, so an
answer costs no change of thread; the desk's own thread only starts workers and waits for their end.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from tidegate.dsl.types import Value
from tidegate.models.hosting.answers import BadAnswerError, question, read_answer
from tidegate.models.hosting.patience import Patience
from tidegate.models.hosting.process import HostedModel, Worker
from tidegate.models.hosting.walls import Wall
from tidegate.models.scored import Scored, Unavailable

_NUMBER_BITS = 63

Reason = Literal[
    "late",
    "crashed",
    "bad_answer",
    "starting",
    "overloaded",
    "bad_question",
    "unknown_model",
    "closed",
]
"""Why there is no answer.

`late`: none within the limit. `crashed`: the process ended, or the scorer raised. `bad_answer`:
what came was none. `starting`: no process has loaded the model yet, and none
failed; after a fault its reason stands until a process answers. `overloaded`: too many callers
wait, or no turn came in time. `bad_question`: the values are none of the language.
`unknown_model`: the host has no such model. `closed`: the host was closed, or this process is a
fork of the one that made it.
"""


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What a worker gets, and how much is put up with.

    grace_us: how long after its limit an answer may still come before the process is ended.
    required: walls without which a worker is not used. The last three are those of `Patience`.
    """

    memory_bytes: int = 1 << 30
    start_within_us: int = 20_000_000
    grace_us: int = 2_000_000
    max_waiting: int = 64
    required: frozenset[Wall] = frozenset()
    first_pause_s: float = 0.1
    longest_pause_s: float = 30.0
    faults_allowed: int = 5


class Desk:
    """One model. Any number of threads may ask."""

    def __init__(self, model: HostedModel, limits: HostLimits) -> None:
        self.model = model
        self.limits = limits
        self.ready = threading.Event()
        self.trouble = ""
        self._patience = Patience(
            limits.first_pause_s, limits.longest_pause_s, limits.faults_allowed
        )
        self._places = threading.BoundedSemaphore(limits.max_waiting)
        self._turn = threading.Lock()
        self._gate = threading.Lock()
        self._closing = threading.Event()
        self._worker: Worker | None = None
        self._latest: Worker | None = None
        self._why: Reason = "starting"
        # A daemon, so that a program that forgets to close still ends; its workers end with it.
        self._keeper = threading.Thread(
            target=self._keep, name=f"tidegate-model-{model.name}", daemon=True
        )
        self._keeper.start()

    @property
    def worker(self) -> Worker | None:
        """The process that answers now."""
        return self._worker

    def ask(self, values: Sequence[Value | None], within_us: int | None) -> Scored | Unavailable:
        """One score within the limit, or why there is none."""
        deadline = monotonic() + (self.model.within_us if within_us is None else within_us) / 1e6
        if not self._places.acquire(blocking=False):
            return Unavailable("overloaded")
        try:
            if not self._turn.acquire(timeout=max(0.0, deadline - monotonic())):
                return Unavailable("overloaded")
            try:
                return self._ask(values, deadline)
            finally:
                self._turn.release()
        finally:
            self._places.release()

    def close(self) -> None:
        """End the worker and the thread; nothing is left when this returns."""
        with self._gate:
            self._closing.set()
            if self._latest is not None:
                self._latest.end()
        self._keeper.join()

    # --- asking, by whoever has the turn

    def _ask(self, values: Sequence[Value | None], deadline: float) -> Scored | Unavailable:
        worker = self._worker
        if worker is None or self._patience.is_out(monotonic()):
            return Unavailable(self._why)
        try:
            if worker.owed is not None:
                self._hear_late_answer(worker, worker.owed, deadline)
            patience_s = deadline - monotonic()
            if patience_s <= 0:
                return Unavailable("overloaded")
            patience_s += self.limits.grace_us / 1e6
            # By chance: an answer cannot be written before its question is asked.
            number = secrets.randbits(_NUMBER_BITS)
            worker.send(question(number, values, patience_s), deadline)
            worker.owed, worker.hopeless_at = number, monotonic() + patience_s
            return self._hear(worker, deadline)
        except (TypeError, ValueError) as bad:
            if isinstance(bad, BadAnswerError):
                return self._end(worker, "bad_answer")
            return Unavailable("bad_question")
        except TimeoutError:
            # Where nothing is owed, a part of the question was sent: no other can follow it.
            if worker.owed is None or self._is_hopeless(worker):
                return self._end(worker, "late")
            return self._fault(worker, "late")
        except (EOFError, OSError):
            # The system may have ended a late one meanwhile.
            return self._end(worker, "late" if worker.fault == "late" else "crashed")

    def _end(self, worker: Worker, reason: Reason) -> Unavailable:
        """Nobody asks this process again."""
        worker.end()
        self._worker = None
        self.ready.clear()
        return self._fault(worker, reason)

    def _hear(self, worker: Worker, deadline: float) -> Scored | Unavailable:
        answer = read_answer(worker.line(deadline, self.model.shape.max_bytes), self.model.shape)
        if answer.number != worker.owed:
            raise BadAnswerError("it answers another question")
        worker.owed = None
        if answer.scored is None:
            return self._fault(worker, "crashed", ends=False)
        self._patience.note_answer()
        return answer.scored

    def _hear_late_answer(self, worker: Worker, owed: int, deadline: float) -> None:
        """Wait for the answer that nobody wants any more, so that it is taken for no other."""
        if self._is_hopeless(worker):
            raise TimeoutError
        answer = read_answer(worker.line(deadline, self.model.shape.max_bytes), self.model.shape)
        if answer.number != owed:
            raise BadAnswerError("it answers another question")
        worker.owed, worker.fault = None, ""

    def _is_hopeless(self, worker: Worker) -> bool:
        return monotonic() >= worker.hopeless_at

    def _fault(self, worker: Worker, reason: Reason, ends: bool = True) -> Unavailable:
        self._patience.note_fault(monotonic())
        self._why = reason
        worker.fault = reason if ends else ""
        return Unavailable(reason)

    # --- keeping a worker, in the desk's thread

    def _keep(self) -> None:
        while not self._closing.is_set():
            worker = self._start()
            if worker is not None:
                with self._turn:
                    self._worker = worker
                    self.ready.set()
                worker.wait()
                self._bury(worker, "crashed")
            self._closing.wait(self._patience.pause)
            with self._turn:
                if self._closing.is_set():
                    self._why = "closed"
                elif not self._patience.faults:
                    self._why = "starting"

    def _start(self) -> Worker | None:
        """A worker that has loaded the model, or None where it did not."""
        deadline = monotonic() + self.limits.start_within_us / 1e6
        try:
            worker = Worker(self.model)
        except OSError:
            self._note(None, "crashed")
            return None
        with self._gate:
            self._latest = worker
            if self._closing.is_set():
                worker.end()
        reason: Reason = "crashed"
        try:
            worker.introduce(self.model, self.limits.memory_bytes, deadline)
            missing = self.limits.required - worker.walls
            if not missing:
                return worker
            self.trouble = f"these walls do not stand: {', '.join(sorted(missing))}"
        except TimeoutError:
            reason = "late"
        except BadAnswerError:
            reason = "bad_answer"
        except (EOFError, OSError):
            self.trouble = worker.trouble
        worker.end()
        worker.wait()
        self._bury(worker, reason)
        return None

    def _bury(self, worker: Worker, reason: Reason) -> None:
        with self._turn:
            self._worker = None
            self.ready.clear()
            worker.fetch()
            if not worker.fault:
                self._note(worker, reason)

    def _note(self, worker: Worker | None, reason: Reason) -> None:
        self._patience.note_fault(monotonic())
        self._why = reason
        if worker is not None:
            worker.fault = reason
