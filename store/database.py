"""Where the ledger is kept: URLs, engines for reading, and the schema's version.

`sqlite:///path` is one file on this machine, `postgresql://…` a server. The schema of the embedded
database is brought up to date when it is opened; that of a server by `tidegate audit migrate`,
because it takes rights that a service should not have.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.store.errors import SchemaError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

REVISION = "0001"
"""The schema that this release reads and writes: the last step in `migrations/versions`."""
REVISIONS = (REVISION,)
"""All steps up to it, in order."""


@dataclass(frozen=True, slots=True)
class Place:
    """A database: `path` of the file for SQLite, None for PostgreSQL; `url` without a driver."""

    url: str
    path: Path | None

    @property
    def embedded(self) -> bool:
        """Whether it is a file of our own."""
        return self.path is not None

    def engine(self) -> Engine:
        """An engine for reading and for migrations."""
        from sqlalchemy import create_engine

        if self.path is not None:
            return create_engine(f"sqlite:///{self.path}", connect_args={"timeout": 10})
        driver = self.url.replace("postgresql://", "postgresql+psycopg://", 1)
        return create_engine(driver, pool_pre_ping=True)


def parse_url(url: str) -> Place:
    """The place that `url` names; `SchemaError` for a kind of database that is not known."""
    if url.startswith("sqlite:///"):
        return Place(url, Path(url.removeprefix("sqlite:///")).resolve())
    for prefix in ("postgresql://", "postgresql+psycopg://", "postgres://"):
        if url.startswith(prefix):
            return Place("postgresql://" + url.removeprefix(prefix), None)
    raise SchemaError("a database is `sqlite:///FILE` or `postgresql://…`")


def revision_of(connection: Connection) -> str | None:
    """The schema's version, None of an empty database."""
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return found


def prepare(place: Place, *, migrate: bool | None = None) -> None:
    """Make sure that the database has this release's schema; `SchemaError` where it has not.

    migrate: whether to bring an older one up to date, by default only the embedded one.
    """
    migrate = place.embedded if migrate is None else migrate
    if place.path is not None and not place.path.exists():
        _make_private(place.path)
    engine = place.engine()
    try:
        with engine.connect() as connection:
            found = revision_of(connection)
        if found == REVISION:
            return
        if found is not None and found not in REVISIONS:
            raise SchemaError(
                f"the ledger has schema {found}, this release knows {REVISION} and older: "
                "use a newer release"
            )
        if not migrate:
            raise SchemaError(
                f"the ledger has schema {found or 'none'}, this release needs {REVISION}: "
                "run `tidegate audit migrate`"
            )
        with engine.begin() as connection:
            _migrate(connection)
    finally:
        engine.dispose()
    if place.path is not None:
        sync_folder(place.path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, REVISION)
