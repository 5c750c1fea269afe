"""What earlier inspections found: since when a finding is there, what is new, what is gone, what comes and goes. And waivers.

One SQLite file in the state folder. A finding is known by (cloud, check, object, host); every time it comes and goes is a
spell. A check
that could not look leaves its spells open: not having looked is no recovery.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from blue_wizard.errors import InputError
from blue_wizard.text import _
from blue_wizard.wal import LOCKED_S, write_ahead

__all__ = ["Gone", "History", "Key", "Past", "Waiver", "path"]

Key = tuple[str, str, str]
"""Check, object, host."""

FLAPS = 3
"""So many spells within a day, and a finding comes and goes."""
_DAY_S = 86400.0
_KEEP_S = 400 * _DAY_S
_SCHEMA = """
create table if not exists runs (
    id integer primary key, cloud text not null, profile text not null, started real not null, took_s real not null,
    score real not null, coverage real not null);
create table if not exists spells (
    id integer primary key, cloud text not null, "check" text not null, object text not null, host text not null,
    severity text not null, message text not null, began real not null, seen real not null, ended real);
create index if not exists spells_by_key on spells (cloud, "check", object, host);
create index if not exists spells_open on spells (cloud, ended);
create table if not exists waivers (
    id text primary key, "check" text not null, object text not null, reason text not null, who text not null,
    made real not null, until real not null, ended real);
"""


def path(state_dir: Path) -> Path:
    """The file."""
    return state_dir / "inspections.db"


@dataclass(frozen=True)
class Past:
    """What is known of a finding: when this spell of it began (Unix seconds), whether it began just now, whether it comes
    and goes."""

    first_seen: float
    new: bool
    flapping: bool


@dataclass(frozen=True)
class Gone:
    """A finding of the last time that is not there any more."""

    check: str
    object: str
    host: str
    severity: str
    message: str
    began: float


@dataclass(frozen=True)
class Waiver:
    """A finding that is accepted: `check` and `object` are globs. `until` in Unix seconds; after it, the waiver counts no
    more."""

    id: str
    check: str
    object: str
    reason: str
    who: str
    made: float
    until: float

    def covers(self, key: Key) -> bool:
        """Whether it is about that finding."""
        return fnmatchcase(key[0], self.check) and (
            fnmatchcase(key[1], self.object) or (bool(key[2]) and fnmatchcase(key[2], self.object))
        )


class History:
    """The file, opened for each use: two inspections may run at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise self._unusable(e) from e
        with self._open() as db:
            db.executescript(_SCHEMA)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Raises InputError when the file can't be used."""
        try:
            db = sqlite3.connect(self._file, timeout=LOCKED_S, isolation_level=None)
            try:
                write_ahead(db)
                yield db
            finally:
                db.close()
        except sqlite3.Error as e:
            raise self._unusable(e) from e

    def _unusable(self, error: Exception) -> InputError:
        return InputError(
            _("The history {file} can't be opened: {error}").format(file=self._file, error=error),
            _("Make it writable, or choose another state_dir."),
        )

    def record(
        self,
        cloud: str,
        profile: str,
        *,
        started: float,
        took_s: float,
        score: float,
        coverage: float,
        looked: Iterable[str],
        findings: Sequence[tuple[Key, str, str]],
    ) -> tuple[dict[Key, Past], list[Gone]]:
        """Write a run down. `looked`: the checks that could look at everything; `findings`: key, severity and message of each.

        Gives what is known of each finding now, and what has gone since.
        """
        whole = set(looked)
        now = {key: (severity, message) for key, severity, message in findings}
        with self._open() as db:
            db.execute("begin immediate")
            first = db.execute("select 1 from runs where cloud = ?", (cloud,)).fetchone() is None
            rows = db.execute(
                'select id, "check", object, host, severity, message, began from spells where cloud = ? and ended is null',
                (cloud,),
            ).fetchall()
            open_: dict[Key, tuple[int, float]] = {}
            gone: list[Gone] = []
            for id_, check, object_, host, severity, message, began in rows:
                key = (check, object_, host)
                if key in now:
                    open_[key] = (id_, began)
                    db.execute(
                        "update spells set seen = ?, severity = ?, message = ? where id = ?", (started, *now[key], id_)
                    )
                elif check in whole:
                    gone.append(Gone(check, object_, host, severity, message, began))
                    db.execute("update spells set ended = ? where id = ?", (started, id_))
            past: dict[Key, Past] = {}
            for key, (severity, message) in now.items():
                if key not in open_:
                    db.execute(
                        'insert into spells (cloud, "check", object, host, severity, message, began, seen) '
                        "values (?, ?, ?, ?, ?, ?, ?, ?)",
                        (cloud, *key, severity, message, started, started),
                    )
                spells = db.execute(
                    'select count(*) from spells where cloud = ? and "check" = ? and object = ? and host = ? and began > ?',
                    (cloud, *key, started - _DAY_S),
                ).fetchone()[0]
                began = open_[key][1] if key in open_ else started
                # At the first inspection everything would be new, which says nothing.
                past[key] = Past(began, key not in open_ and not first, spells >= FLAPS)
            db.execute(
                "insert into runs (cloud, profile, started, took_s, score, coverage) values (?, ?, ?, ?, ?, ?)",
                (cloud, profile, started, took_s, score, coverage),
            )
            db.execute("delete from spells where ended < ?", (started - _KEEP_S,))
            db.execute("delete from runs where started < ?", (started - _KEEP_S,))
            db.execute("commit")
        return past, gone

    def runs(self, cloud: str, most: int = 30) -> list[tuple[float, str, float, float]]:
        """The last runs, the newest first: started, profile, score, coverage."""
        with self._open() as db:
            return list(
                db.execute(
                    "select started, profile, score, coverage from runs where cloud = ? order by id desc limit ?",
                    (cloud, most),
                )
            )

    def waive(self, check: str, object_: str, reason: str, who: str, now: float, until: float) -> Waiver:
        """Accept findings until a day. Raises InputError without a reason, or with a day that has passed."""
        if not reason.strip():
            raise InputError(_("A waiver needs a reason."), _("Say --reason TEXT."))
        if until <= now:
            raise InputError(_("A waiver must end later than today."), _("Say --until YYYY-MM-DD."))
        made = Waiver(f"w-{uuid.uuid4().hex[:8]}", check, object_, reason.strip(), who, now, until)
        with self._open() as db:
            db.execute(
                'insert into waivers (id, "check", object, reason, who, made, until) values (?, ?, ?, ?, ?, ?, ?)',
                (made.id, made.check, made.object, made.reason, made.who, made.made, made.until),
            )
        return made

    def unwaive(self, id_: str, now: float) -> None:
        """End a waiver. Raises InputError for one that is not known."""
        with self._open() as db:
            changed = db.execute("update waivers set ended = ? where id = ? and ended is null", (now, id_)).rowcount
        if not changed:
            raise InputError(_("There is no waiver {id}.").format(id=id_), _("See: blue-wizard inspect waivers"))

    def waivers(self, now: float) -> list[Waiver]:
        """Those that count now."""
        with self._open() as db:
            rows = db.execute(
                'select id, "check", object, reason, who, made, until from waivers where ended is null and until > ? '
                "order by made",
                (now,),
            ).fetchall()
        return [Waiver(*row) for row in rows]
