"""The part of the ledger that keeps questions and their answers."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from blue_wizard.errors import Refused
from blue_wizard.jobs import schema
from blue_wizard.jobs.model import Gate, State
from blue_wizard.jobs.patience import patiently
from blue_wizard.jobs.store import Store
from blue_wizard.text import _

__all__ = ["Questions"]


@patiently
class Questions(Store):
    """What jobs ask, and what people answered."""

    def ask(self, job: str, position: int, step: str, gate: Gate) -> dict[str, Any]:
        """Write down the question of a step, unless that was done before; its row."""
        where = sa.and_(schema.gates.c.job == job, schema.gates.c.position == position)
        with self._write() as w:
            found = w.execute(sa.select(schema.gates).where(where)).mappings().one_or_none()
            if found is None:
                now = time.time()
                row = {"step": step, "question": gate.question, "text": gate.text, "otherwise": gate.otherwise}
                deadline = now + gate.deadline_s if gate.deadline_s is not None else None
                w.execute(schema.gates.insert().values(job=job, position=position, asked=now, deadline=deadline, **row))
                self._event(w, job, step, "gate", gate.question, {"deadline": deadline, "otherwise": gate.otherwise})
                found = w.execute(sa.select(schema.gates).where(where)).mappings().one()
            return dict(found)

    def gates(self, *, job: str | None = None, root: str | None = None) -> list[dict[str, Any]]:
        """The questions that a job, or all jobs of a tree, have asked, the oldest first."""
        query = sa.select(schema.gates).order_by(schema.gates.c.asked)
        if job is not None:
            query = query.where(schema.gates.c.job == job)
        if root is not None:
            query = query.where(schema.gates.c.job.in_(sa.select(schema.jobs.c.id).where(schema.jobs.c.root == root)))
        return self._rows(query)

    def open_gates(self) -> list[dict[str, Any]]:
        """The questions of all jobs that wait for an answer."""
        ended = [s for s in State if s.ended]
        live = sa.select(schema.jobs.c.id).where(schema.jobs.c.state.not_in(ended))
        return self._rows(sa.select(schema.gates).where(schema.gates.c.answer.is_(None), schema.gates.c.job.in_(live)))

    def answer(self, job: str, position: int, answer: str, who: str, origin: str) -> None:
        """Answer a question. Raises Refused when it has its answer already."""
        where = sa.and_(schema.gates.c.job == job, schema.gates.c.position == position)
        values = {"answer": answer, "who": who, "origin": origin, "answered": time.time()}
        with self._write() as w:
            changed = w.execute(schema.gates.update().where(where, schema.gates.c.answer.is_(None)).values(**values))
            row = w.execute(sa.select(schema.gates).where(where)).mappings().one()
            if not changed.rowcount:
                raise Refused(
                    _("The question of job {job} was answered already: {answer}, by {who}.").format(
                        job=job, answer=row["answer"], who=row["who"]
                    ),
                    _("See: blue-wizard job log {job}").format(job=job),
                )
            self._event(w, job, row["step"], "answer", answer, {"who": who, "from": origin})

    def move_deadline(self, job: str, position: int, seconds: float) -> None:
        """Shift the deadline of a question: the clock was set."""
        where = sa.and_(schema.gates.c.job == job, schema.gates.c.position == position)
        with self._write() as w:
            moved = schema.gates.c.deadline + seconds
            w.execute(schema.gates.update().where(where, schema.gates.c.deadline.is_not(None)).values(deadline=moved))
            step = w.execute(sa.select(schema.gates.c.step).where(where)).scalar_one()
            self._event(w, job, step, "clock", "the clock was set", {"seconds": seconds})
