"""The local history of statistics, and what speeds up the next run: one SQLite file in the state folder."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from blue_wizard.errors import InputError
from blue_wizard.stats.collect import Memory
from blue_wizard.stats.forecast import Point
from blue_wizard.text import _
from blue_wizard.wal import LOCKED_S, write_ahead

__all__ = ["History"]

_DAY_S = 86400.0
_SCHEMA = """
create table if not exists point (cloud text, id text, moment real, value real, primary key (cloud, id, moment)) without rowid;
create table if not exists memory (cloud text primary key, data text) without rowid;
"""


class History:
    """Values of statistics by cloud, id and moment (epoch seconds). Raises InputError when the file can't be used."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._open()) as db:
                write_ahead(db)
                db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as e:
            raise InputError(
                _("The history {file} can't be used: {error}").format(file=file, error=e),
                _("Make it writable, or choose another state_dir."),
            ) from e

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=LOCKED_S)

    def keep(self, cloud: str, moment: float, values: Mapping[str, float]) -> None:
        """Add the values of one run."""
        rows = [(cloud, id_, moment, float(value)) for id_, value in values.items()]
        with closing(self._open()) as db, db:
            db.executemany("insert or replace into point values (?, ?, ?, ?)", rows)

    def points(self, cloud: str, id_: str, since: float) -> list[Point]:
        """The values of a statistic from a moment on, in days since the epoch, the oldest first."""
        with closing(self._open()) as db:
            found = db.execute(
                "select moment, value from point where cloud = ? and id = ? and moment >= ? order by moment",
                (cloud, id_, since),
            ).fetchall()
        return [(moment / _DAY_S, value) for moment, value in found]

    def before(self, cloud: str, moment: float) -> dict[str, tuple[float, float]]:
        """By statistic the newest value not after a moment, as (moment, value)."""
        with closing(self._open()) as db:
            found = db.execute(
                "select id, max(moment), value from point where cloud = ? and moment <= ? group by id", (cloud, moment)
            ).fetchall()
        return {id_: (then, value) for id_, then, value in found}

    def memory(self, cloud: str) -> Memory:
        """What the last run left; an empty one at first, or where it can't be read."""
        with closing(self._open()) as db:
            row = db.execute("select data from memory where cloud = ?", (cloud,)).fetchone()
        try:
            return Memory(**json.loads(row[0])) if row else Memory()
        except (ValueError, TypeError):
            return Memory()

    def remember(self, cloud: str, memory: Memory) -> None:
        """Keep it for the next run."""
        # Whoever came too late for the report may still be writing into it.
        data = json.dumps({"markers": dict(memory.markers), "inventories": dict(memory.inventories)})
        with closing(self._open()) as db, db:
            db.execute("insert or replace into memory values (?, ?)", (cloud, data))
