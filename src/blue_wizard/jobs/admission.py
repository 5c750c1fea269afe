"""The part of the ledger that lets jobs begin: the oldest first, as long as every limit is kept.

Jobs of the top and parts of jobs are admitted alike, from the ledger alone, so the limits hold across all workers. Each of
the two has its own places in all and per target, since a job waits for its parts; what is used (`Plan.uses`) is counted over both.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from blue_wizard.jobs import schema
from blue_wizard.jobs.holdings import Holdings
from blue_wizard.jobs.model import STOPS, Claim, State
from blue_wizard.jobs.patience import patiently

__all__ = ["Admission", "choose"]

_AT_WORK = frozenset({State.QUEUED, State.RUNNING, State.ROLLING_BACK})
_COLUMNS = ("id", "root", "parent", "target", "state", "holds", "handed_on")


def choose(
    queued: Iterable[tuple[str, Sequence[str]]],
    held: Mapping[str, int],
    room: Callable[[str], float],
    claimable: Callable[[str], bool] = lambda _job: True,
) -> list[str]:
    """Which of the queued jobs (id, names of the places that it needs), oldest first, may begin (pure).

    Whoever is first in line for a place that is taken keeps the others that it needs, too: else a stream of younger
    jobs, each with one of them, could keep it waiting for good. While it is a place in all (``all/...``) that it waits for
    it keeps none, because those who run may need them to end.
    """
    taken, waited_for, chosen = Counter(held), set[str](), []
    for job, needs in queued:
        full = {n for n in needs if taken[n] >= room(n)}
        if not full:
            if claimable(job):
                chosen.append(job)
                taken.update(needs)
        elif not waited_for & full and not any(n.startswith("all/") for n in full):
            taken.update(n for n in needs if n not in full and not n.startswith("all/"))
            waited_for.update(needs)
    return chosen


@patiently
class Admission(Holdings):
    """Which queued jobs may begin."""

    def admit(self, total: int, per_target: int, kinds: Mapping[str, int] | None = None) -> None:
        """Let queued jobs begin, the oldest first, as long as the limits are kept. What rests at the top does not count."""
        waiting = sa.select(schema.jobs.c.id).where(_waits()).limit(1)
        # Nobody has to wait for the writers' lock when nothing waits.
        if self._rows(waiting):
            with self._write() as w:
                self._admit(w, total, per_target, kinds or {})

    def readmit(self, job: str, total: int, per_target: int, kinds: Mapping[str, int] | None = None) -> bool:
        """Let a job that has rested run again; False while there is no place: it is queued then, by its age."""
        with self._write() as w:
            row = w.execute(sa.select(schema.jobs).where(schema.jobs.c.id == job)).mappings().one()
            if row["state"] == State.RUNNING:
                return True
            mine = schema.jobs.update().where(schema.jobs.c.id == job)
            if row["parent"] is None and row["admitted"] and row["state"] != State.QUEUED:
                w.execute(mine.values(admitted=False, state=State.QUEUED))
            self._admit(w, total, per_target, kinds or {})
            admitted = w.execute(sa.select(schema.jobs.c.admitted).where(schema.jobs.c.id == job)).scalar_one()
            # A job that was begun by an older version was never admitted by this one.
            free = row["parent"] is not None or admitted or row["admitted"] is None
            state = State.RUNNING if free else State.QUEUED
            # Why it rested by itself is over; what a person was told with a pause is not.
            over = {"resumes": None} | ({"reason": ""} if row["resumes"] is not None else {})
            w.execute(mine.values(state=state, **over))
            if row["state"] != state:
                self._event(w, job, "", "state", state.value, {})
            return bool(free)

    def hand_on(self, job: str) -> None:
        """Say that a job's own steps are done, and that its parts may be admitted."""
        with self._write() as w:
            w.execute(schema.jobs.update().where(schema.jobs.c.id == job).values(handed_on=True))

    def drop_queued(self, parent: str) -> None:
        """End the parts of a job that was stopped before they began."""
        with self._write() as w:
            jobs = schema.jobs
            asked = w.execute(sa.select(jobs.c.signal).where(jobs.c.id == parent)).scalar_one()
            if asked not in STOPS:
                return
            state = State.ROLLED_BACK if asked == "rollback" else State.CANCELLED
            unborn = sa.and_(jobs.c.parent == parent, jobs.c.state == State.QUEUED, jobs.c.admitted.is_not(True))
            for job in w.execute(sa.select(jobs.c.id).where(unborn)).scalars().all():
                w.execute(jobs.update().where(jobs.c.id == job).values(state=state, ended=time.time()))
                self._event(w, job, "", "state", state.value, {})

    def cancel_unborn(self, root: str) -> bool:
        """End a job that was not admitted yet, with all its parts; False when it was, and has to end by itself."""
        jobs = schema.jobs
        with self._write() as w:
            row = w.execute(sa.select(jobs).where(jobs.c.id == root)).mappings().one()
            if row["state"] != State.QUEUED or row["admitted"] or row["started"] is not None:
                return False
            for job in w.execute(sa.select(jobs.c.id).where(jobs.c.root == root)).scalars().all():
                w.execute(jobs.update().where(jobs.c.id == job).values(state=State.CANCELLED, ended=time.time()))
                self._give_back(w, job, State.CANCELLED)
                self._event(w, job, "", "state", State.CANCELLED.value, {})
            return True

    def to_start(self) -> list[str]:
        """The jobs at every level that were admitted and have not begun."""
        query = sa.select(schema.jobs.c.id).where(schema.jobs.c.state == State.QUEUED, schema.jobs.c.admitted)
        return [row["id"] for row in self._rows(query.where(schema.jobs.c.undo_round == 0))]

    def _admit(self, w: sa.Connection, total: int, per_target: int, kinds: Mapping[str, int]) -> None:
        jobs = schema.jobs
        columns = [jobs.c[name] for name in _COLUMNS]
        order = (jobs.c.created, jobs.c.root, jobs.c.parent.is_not(None), jobs.c.position, jobs.c.id)
        queued = [dict(r) for r in w.execute(sa.select(*columns).where(_waits()).order_by(*order)).mappings()]
        if not queued:
            return
        ended = [s for s in State if s.ended]
        live = sa.select(*columns).where(jobs.c.admitted, jobs.c.undo_round == 0, jobs.c.state.not_in(ended))
        held = Counter(place for row in w.execute(live).mappings() for place in _held(dict(row)))
        rows = {row["id"]: row for row in queued}

        def room(place: str) -> float:
            level, _slash, _rest = place.partition("/")
            if level in {"all", "target"}:
                return total if level == "all" else per_target
            return kinds.get(place.partition(":")[0], float("inf"))

        def claimable(job: str) -> bool:
            row = rows[job]
            # Those of the top were claimed when the job was written down.
            claims = _holds(row)["claims"] if row["parent"] else ()
            if any(self._obstacle(w, Claim(**c), row["root"]) for c in claims):
                return False
            self._claim(w, [Claim(**c) for c in claims], job, row["root"])
            return True

        for job in choose(((r["id"], _needs(r)) for r in queued), held, room, claimable):
            w.execute(jobs.update().where(jobs.c.id == job).values(admitted=True))


def _waits() -> sa.ColumnElement[bool]:
    """Queued, and the turn of its kind: a part's comes when its job's own steps are done."""
    jobs = schema.jobs
    above = jobs.alias("above")
    parents = sa.select(above.c.id).where(above.c.handed_on, above.c.state == State.RUNNING)
    return sa.and_(
        jobs.c.state == State.QUEUED,
        jobs.c.admitted.is_not(True),
        sa.or_(jobs.c.parent.is_(None), jobs.c.parent.in_(parents)),
    )


def _holds(row: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(row["holds"]) if row["holds"] else {"uses": [], "claims": [], "releases": []}


def _places(row: Mapping[str, Any]) -> list[str]:
    level = "top" if row["parent"] is None else "part"
    return [f"all/{level}", *([f"target/{level}/{row['target']}"] if row["target"] else [])]


def _needs(row: Mapping[str, Any]) -> list[str]:
    return [*_places(row), *dict.fromkeys(_holds(row)["uses"])]


def _held(row: Mapping[str, Any]) -> list[str]:
    if row["parent"] is None and row["state"] not in _AT_WORK:
        return []
    if row["handed_on"]:
        # It only waits for its parts; what they use they hold themselves. A part with parts gives its own place up, too.
        return _places(row) if row["parent"] is None else []
    return _needs(row)
