"""The ledger's database: opened once, one writer after the other, and every event sealed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from blue_wizard import config
from blue_wizard.errors import InputError
from blue_wizard.jobs import audit, schema
from blue_wizard.jobs.model import Json
from blue_wizard.jobs.patience import Patience
from blue_wizard.masking import mask
from blue_wizard.text import _
from blue_wizard.wal import LOCKED_S, write_ahead

__all__ = ["Store", "database_url", "driver_url"]


def database_url() -> str:
    """Where the ledger and the engine keep their tables: the setting `database_url`, else SQLite in the state folder."""
    loaded = config.load()
    return driver_url(loaded.database_url) if loaded.database_url else f"sqlite:///{loaded.state_dir / 'ledger.db'}"


def driver_url(url: str) -> str:
    """A libpq URL (``postgresql://...``) with the driver that is installed with us."""
    scheme, rest = url.split("://", 1)
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql"} else url


def _folder_of(url: str) -> Path:
    """The folder of an SQLite file by its URL; its name may itself be a URI: ``sqlite:///file:/a/b.db?mode=ro&uri=true``."""
    return Path((sa.make_url(url).database or "").removeprefix("file:")).parent


class Store:
    """What all parts of the ledger stand on. Raises InputError when the database can't be opened."""

    def __init__(self, url: str | None = None, *, patience: Patience | None = None) -> None:
        self._url = url or database_url()
        self.patience = patience
        sqlite = self._url.startswith("sqlite")
        try:
            if sqlite:
                _folder_of(self._url).mkdir(parents=True, exist_ok=True, mode=0o700)
            self._engine = (
                sa.create_engine(self._url, connect_args={"timeout": LOCKED_S})
                if sqlite
                else sa.create_engine(self._url, pool_size=10, max_overflow=50, pool_pre_ping=True)
            )
            if sqlite:
                sa.event.listen(self._engine, "connect", _tune_sqlite)
                sa.event.listen(self._engine, "begin", _begin_sqlite)
            self._writer = self._engine.execution_options(writes=True)
            schema.make(self._writer)
            if not self._rows(sa.select(schema.seal_head.c.id)):
                # Another process may be quicker.
                with suppress(sa.exc.IntegrityError), self._write() as w:
                    w.execute(schema.seal_head.insert().values(id=1, seal=audit.FIRST))
        except (sa.exc.SQLAlchemyError, OSError) as e:
            raise InputError(
                _("The ledger {url} can't be opened: {error}").format(
                    url=mask(self._url), error=str(e).splitlines()[0]
                ),
                _("Check state_dir or database_url in the configuration, and the free space there."),
            ) from e

    @property
    def shared(self) -> bool:
        """True when workers on other machines may use this ledger too."""
        return not self._url.startswith("sqlite")

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._writer.begin() as connection:
            if connection.dialect.name != "sqlite":
                # One writer after the other, as SQLite has it by itself: what a change is judged on can't move.
                connection.execute(sa.select(schema.seal_head.c.id).with_for_update())
            yield connection

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(r) for r in connection.execute(query).mappings()]

    def _event(self, w: sa.Connection, job: str, step: str, kind: str, message: str, data: Mapping[str, Json]) -> None:
        text = json.dumps(mask(data), default=str)
        row = {"job": job, "step": step, "time": time.time(), "kind": kind, "message": mask(message), "data": text}
        previous = w.execute(
            sa.select(schema.seal_head.c.seal).where(schema.seal_head.c.id == 1).with_for_update()
        ).scalar_one()
        written = w.execute(schema.events.insert().values(**row)).inserted_primary_key
        assert written is not None
        sealed = audit.seal(previous, {**row, "seq": written[0]})
        w.execute(schema.seals.insert().values(seq=written[0], seal=sealed))
        w.execute(schema.seal_head.update().where(schema.seal_head.c.id == 1).values(seal=sealed))


def _tune_sqlite(connection: Any, _record: object) -> None:
    # The driver would begin a transaction only at the first change, after what that change is judged on was read.
    connection.isolation_level = None
    write_ahead(connection)
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
