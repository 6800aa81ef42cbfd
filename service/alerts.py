"""What somebody has to look at, told to a sink that must not wait; no value of a request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

_LOG = logging.getLogger("tidegate.alerts")

AlertKind: TypeAlias = Literal["labels_quarantined", "webhook_given_up"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: what happened, and to whom of ours (a client, a consumer)."""

    kind: AlertKind
    about: str


Tell: TypeAlias = Callable[[Alert], None]


def to_log(alert: Alert) -> None:
    """Where nobody else listens."""
    _LOG.warning("%s: %s", alert.kind, alert.about)
