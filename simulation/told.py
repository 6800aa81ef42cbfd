"""What a history tells about itself once it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tidegate.engine.decision import Policy
from tidegate.simulation.checked_mapping import CheckedMapping
from tidegate.simulation.history import Span
from tidegate.simulation.rows import Intake


class Told(Protocol):
    """A history, or what is kept of one: see `History` for what each part means."""

    @property
    def mapping(self) -> CheckedMapping: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def span(self) -> Span: ...
    @property
    def intakes(self) -> Mapping[str, Intake]: ...
    @property
    def begins_us(self) -> Mapping[str, int]: ...
    @property
    def unordered(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class KeptHistory:
    """What was kept of a history that was read before."""

    mapping: CheckedMapping
    policy: Policy
    span: Span
    intakes: Mapping[str, Intake]
    begins_us: Mapping[str, int]
    unordered: tuple[str, ...]
    labels: frozenset[str]
