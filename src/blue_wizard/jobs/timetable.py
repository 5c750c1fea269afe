"""The part of the ledger that keeps schedules, and what became of each time that they were due."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from blue_wizard.errors import InputError, Refused
from blue_wizard.jobs import schema
from blue_wizard.jobs.model import Json
from blue_wizard.jobs.patience import patiently
from blue_wizard.jobs.store import Store
from blue_wizard.masking import mask
from blue_wizard.text import _

__all__ = ["Timetable"]


@patiently
class Timetable(Store):
    """Schedules by name. Each due time has one row, whoever was first to write it."""

    def schedules(self) -> list[dict[str, Any]]:
        """All schedules by name, their parameters read."""
        rows = self._rows(sa.select(schema.schedules).order_by(schema.schedules.c.name))
        return [{**row, "params": json.loads(row["params"])} for row in rows]

    def schedule(self, name: str) -> dict[str, Any]:
        """The schedule of that name. Raises InputError when there is none."""
        found = [s for s in self.schedules() if s["name"] == name]
        if not found:
            raise InputError(_("There is no schedule {name}.").format(name=name), _("See: blue-wizard schedule list"))
        return found[0]

    def add_schedule(self, name: str, params: Mapping[str, Json], **values: Any) -> None:
        """Write a schedule down. Raises Refused when the name is taken, InputError when its parameters hold a secret."""
        plain = json.loads(json.dumps(params))
        if mask(plain) != plain:
            raise InputError(
                _("The parameters of schedule {name} hold a secret.").format(name=name),
                _("Secrets belong into clouds.yaml, a keyring, or the files of SSH; a plan names them."),
            )
        with self._write() as w:
            taken = w.execute(sa.select(schema.schedules.c.name).where(schema.schedules.c.name == name)).first()
            if taken:
                raise Refused(
                    _("There is a schedule {name} already.").format(name=name),
                    _("Remove it first: blue-wizard schedule remove {name}").format(name=name),
                )
            row = {"name": name, "params": json.dumps(plain), "since": time.time(), "paused": False, **values}
            w.execute(schema.schedules.insert().values(**row))
            told = {k: values[k] for k in ("cron", "timezone", "operation", "who")}
            self._event(w, "", "", "schedule", f"add {name}", {**told, "from": values["origin"]})

    def remove_schedule(self, name: str, who: str, origin: str) -> None:
        """Forget a schedule; the jobs that it made stay."""
        with self._write() as w:
            w.execute(schema.schedules.delete().where(schema.schedules.c.name == name))
            w.execute(schema.dues.delete().where(schema.dues.c.schedule == name))
            self._event(w, "", "", "schedule", f"remove {name}", {"who": who, "from": origin})

    def pause_schedule(self, name: str, paused: bool, who: str, origin: str) -> None:
        """Let a schedule rest, or go on from now."""
        with self._write() as w:
            # What was due during the pause is not made up for.
            values = {"paused": paused} | ({} if paused else {"since": time.time()})
            w.execute(schema.schedules.update().where(schema.schedules.c.name == name).values(**values))
            word = "pause" if paused else "resume"
            self._event(w, "", "", "schedule", f"{word} {name}", {"who": who, "from": origin})

    def dues(self, name: str) -> list[dict[str, Any]]:
        """What became of the times that a schedule was due, the newest first."""
        query = sa.select(schema.dues).where(schema.dues.c.schedule == name)
        return self._rows(query.order_by(schema.dues.c.due.desc()))

    def was_due(self, name: str, due: float) -> bool:
        """True when that time has its row."""
        where = sa.and_(schema.dues.c.schedule == name, schema.dues.c.due == due)
        return bool(self._rows(sa.select(schema.dues.c.due).where(where)))

    def note_due(self, name: str, due: float, note: str) -> None:
        """Write down why nothing was run at that time, unless somebody has been there."""
        with self._write() as w:
            if self._note_due(w, name, due, note=note):
                self._event(w, "", "", "schedule", f"skip {name}", {"due": due, "note": note})

    def _note_due(self, w: sa.Connection, name: str, due: float, *, job: str = "", note: str = "") -> bool:
        where = sa.and_(schema.dues.c.schedule == name, schema.dues.c.due == due)
        if w.execute(sa.select(schema.dues.c.due).where(where)).first():
            return False
        row = {"schedule": name, "due": due, "job": job, "note": str(mask(note)), "time": time.time()}
        w.execute(schema.dues.insert().values(**row))
        return True
