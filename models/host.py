"""Scores in processes of their own, so that a model never takes the decision with it.

Our own models are data, and evaluating them takes a bounded number of steps: they are scored where
the decision is made (`scoring.py`). A `ModelHost` is for those who want the wall all the same, and
for scorers that are not ours. It is a `ModelScorer`: an answer within the limit or `Unavailable`,
never an exception.

    with ModelHost([hosted(model)]) as host:
        host.wait_ready(timeout_s=10)
        host.score("boosting", values, within_us=20_000)

It needs Linux. docs/model-isolation.md says what the walls keep out and what they do not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from time import monotonic
from types import TracebackType

from tidegate.dsl.types import Value
from tidegate.models.hosting.answers import Shape
from tidegate.models.hosting.desk import Desk, HostLimits, Reason
from tidegate.models.hosting.process import HostedModel
from tidegate.models.hosting.walls import Wall
from tidegate.models.logistic import logistic_score, share_score
from tidegate.models.portable import PortableModel
from tidegate.models.reading import write_model
from tidegate.models.scored import Scored, Unavailable

__all__ = ["HostLimits", "HostedModel", "ModelHost", "Reason", "Shape", "hosted"]

_DEFAULT_LIMITS = HostLimits()


def hosted(model: PortableModel, name: str = "") -> HostedModel:
    """The model as a host takes it, under its own name or the one that the policy declares."""
    if model.link == "logit":
        score_of = partial(logistic_score, unit=model.unit)
    else:
        score_of = partial(share_score, whole=model.unit * model.divisor)
    return HostedModel(
        name=name or model.name,
        content=write_model(model),
        shape=Shape(model.base, len(model.contribution_names), score_of),
        scorer="tidegate.models.hosting.portable:load",
    )


class ModelHost:
    """A worker process a model. Any number of threads may ask; close it, or use it with `with`."""

    def __init__(self, models: Iterable[HostedModel], limits: HostLimits = _DEFAULT_LIMITS) -> None:
        """Begin to start a worker for each model; `wait_ready` waits for them.

        OSError where the system is not Linux, ValueError where two models have one name.
        """
        if not sys.platform.startswith("linux"):
            raise OSError("a model host needs Linux; elsewhere models are scored in the process")
        wanted = tuple(models)
        names = [model.name for model in wanted]
        if len(set(names)) < len(names):
            raise ValueError("two models of a host have the same name")
        self._process = os.getpid()
        self._closed = False
        self._desks = {model.name: Desk(model, limits) for model in wanted}

    def score(
        self, model: str, values: Sequence[Value | None], within_us: int | None
    ) -> Scored | Unavailable:
        """One event's score of `model` within the limit, or why there is none (see `Reason`)."""
        # A fork shares the sockets: it would be given the answers to its parent's questions.
        if self._closed or os.getpid() != self._process:
            return Unavailable("closed")
        desk = self._desks.get(model)
        return Unavailable("unknown_model") if desk is None else desk.ask(values, within_us)

    def wait_ready(self, timeout_s: float) -> bool:
        """Whether every model has been loaded by then."""
        deadline = monotonic() + timeout_s
        return all(d.ready.wait(max(0.0, deadline - monotonic())) for d in self._desks.values())

    @property
    def walls(self) -> Mapping[str, frozenset[Wall]]:
        """What keeps each worker that answers now in, as it tried when it started."""
        workers = ((name, desk.worker) for name, desk in self._desks.items())
        return {name: worker.walls for name, worker in workers if worker is not None}

    @property
    def pids(self) -> Mapping[str, int]:
        """The process of each worker that answers now."""
        workers = ((name, desk.worker) for name, desk in self._desks.items())
        return {name: worker.pid for name, worker in workers if worker is not None}

    @property
    def troubles(self) -> Mapping[str, str]:
        """What workers said that could not load their model, the last of each, for a log."""
        return {name: desk.trouble for name, desk in self._desks.items() if desk.trouble}

    def close(self) -> None:
        """End all workers and threads. Questions after it, or under way, are unavailable."""
        self._closed = True
        if os.getpid() == self._process:
            for desk in self._desks.values():
                desk.close()

    def __enter__(self) -> ModelHost:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
