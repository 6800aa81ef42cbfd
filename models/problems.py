"""What the registry finds wrong, as a value: nothing that a file holds makes it raise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `kind` is stable and for programs (`hash_mismatch`), the rest for people.

    `place` is a file below the model's folder, with a line (from one) of the log; it may be empty.
    """

    kind: str
    message: str
    help: str = ""
    place: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.message}"
