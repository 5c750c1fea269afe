"""The part of the ledger that lists the workers and counts their beats (see `lease`)."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from blue_wizard.jobs import schema
from blue_wizard.jobs.patience import patiently
from blue_wizard.jobs.store import Store

__all__ = ["Roster"]


@patiently
class Roster(Store):
    """The workers on the list: who is not on it is dead."""

    def sit_down(self, worker: str, seat: str, host: str, pid: int) -> None:
        """Write a worker down; an earlier one on its seat is gone, since a seat has a lock."""
        row = {"id": worker, "seat": seat, "host": host, "pid": pid, "started": time.time(), "beats": 0}
        with self._write() as w:
            w.execute(schema.workers.delete().where(schema.workers.c.seat == seat))
            w.execute(schema.workers.insert().values(**row))

    def beat(self, worker: str) -> bool:
        """Say that a worker lives; False when it was taken for dead, and its jobs are in other hands."""
        # No event is written, so it need not wait for those who write some: a beat that comes late costs a worker its life.
        with self._writer.begin() as w:
            beats = schema.workers.c.beats + 1
            changed = w.execute(schema.workers.update().where(schema.workers.c.id == worker).values(beats=beats))
            return bool(changed.rowcount)

    def strike_off(self, worker: str) -> None:
        """Take a worker off the list: whoever is not on it is dead, and its jobs are taken over."""
        with self._write() as w:
            w.execute(schema.workers.delete().where(schema.workers.c.id == worker))

    def workers(self) -> list[dict[str, Any]]:
        """The workers on the list, the oldest first."""
        return self._rows(sa.select(schema.workers).order_by(schema.workers.c.started))
