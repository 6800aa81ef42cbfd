"""What readers of the tables beside a ledger share: connections, given up at the end."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from tidegate.store.database import parse_url, prepare


class ConnectedReader:
    """Connected to the database at `url`. Thread-safe; `close` it, or use it in `with`."""

    def __init__(self, url: str) -> None:
        place = parse_url(url)
        prepare(place)
        self._engine = place.engine()

    def close(self) -> None:
        """Give up all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()
