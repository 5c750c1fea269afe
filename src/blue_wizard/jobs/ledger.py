"""What was done: jobs, their steps, approvals, events and locks. Our own tables, apart from the workflow engine's.

Events are ordered by their own sequence, never by time: clocks jump, and two events can fall into one tick.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from blue_wizard.errors import InputError
from blue_wizard.jobs import audit, schema
from blue_wizard.jobs.admission import Admission
from blue_wizard.jobs.holdings import holds_of
from blue_wizard.jobs.model import Json, Outcome, Plan, State, StepState
from blue_wizard.jobs.patience import patiently
from blue_wizard.jobs.questions import Questions
from blue_wizard.jobs.roster import Roster
from blue_wizard.jobs.store import database_url, driver_url
from blue_wizard.jobs.timetable import Timetable
from blue_wizard.masking import mask
from blue_wizard.text import _

__all__ = ["Ledger", "database_url", "driver_url"]


@patiently
class Ledger(Admission, Questions, Roster, Timetable):
    """The ledger of the configured database. Raises InputError when it can't be opened, or used (see `patience`)."""

    # jobs

    def add(
        self,
        ids: Mapping[int, str],
        plan: Plan,
        state: State,
        *,
        locks: Sequence[str],
        approval: tuple[str, str] | None = None,
        due: tuple[str, float] | None = None,
    ) -> bool:
        """Write a plan and all below it as jobs, with their locks and an `approval` (who, from where), in one transaction.

        `ids` maps `id(plan)` of each plan of the tree to the id of its job. Raises Refused when a lock is held or a failure
        domain has no place for a claim, InputError when the plan holds a secret. False, and nothing is written, when the
        schedule that the job was `due` for (name, time) has been run for that time by somebody else.
        """
        root = ids[id(plan)]
        _refuse_secrets(plan)
        with self._write() as w:
            if due is not None and not self._note_due(w, *due, job=root):
                return False
            self._take(w, locks, root)
            self._claim(w, plan.claims, root, root)
            self._foresee(w, plan, root)
            self._add(w, ids, plan, None, 0, root, state)
            if approval is not None:
                self._approve(w, root, plan.digest, *approval)
        return True

    def _add(
        self,
        w: sa.Connection,
        ids: Mapping[int, str],
        plan: Plan,
        parent: str | None,
        position: int,
        root: str,
        state: State,
    ) -> None:
        job = ids[id(plan)]
        w.execute(
            schema.jobs.insert().values(
                id=job,
                root=root,
                parent=parent,
                position=position,
                title=plan.title,
                operation=plan.operation,
                target=plan.target,
                plan=json.dumps(plan.as_json()),
                digest=plan.digest,
                state=state,
                signal="",
                undo_round=0,
                created=time.time(),
                holds=json.dumps(holds_of(plan)),
            )
        )
        self._event(w, job, "", "state", state, {"digest": plan.digest})
        rows = [
            {"job": job, "position": i, "id": step.id, "state": StepState.PENDING, "notes": "{}"}
            for i, step in enumerate(plan.steps)
        ]
        if rows:
            w.execute(schema.steps.insert(), rows)
        for i, child in enumerate(plan.children):
            self._add(w, ids, child, job, i, root, state)

    def job(self, job: str) -> dict[str, Any]:
        """The row of a job. Raises InputError when there is none of that id."""
        found = self._rows(sa.select(schema.jobs).where(schema.jobs.c.id == job))
        if not found:
            raise InputError(_("There is no job {job}.").format(job=job), _("See: blue-wizard job list"))
        return found[0]

    def jobs(
        self, *, parent: str | None = None, root: str | None = None, states: Sequence[State] = ()
    ) -> list[dict[str, Any]]:
        """Jobs without their plans, oldest first: those at the top, those below `parent`, or all of the tree of `root`."""
        columns = [c for c in schema.jobs.c if c.name != "plan"]
        query = sa.select(*columns).order_by(schema.jobs.c.created, schema.jobs.c.position)
        query = query.where(schema.jobs.c.root == root) if root else query.where(schema.jobs.c.parent == parent)
        return self._rows(query.where(schema.jobs.c.state.in_(states)) if states else query)

    def plan(self, job: str) -> Plan:
        """The plan of a job."""
        return Plan.from_json(json.loads(self.job(job)["plan"]))

    def set_state(self, job: str, state: State, *, error: str | None = None) -> None:
        """Move a job to a state; ended jobs get their time, and what they held is given back (see `holdings`)."""
        now = time.time()
        values: dict[str, Any] = {"state": state}
        if error is not None:
            values["error"] = mask(error)
        if state.ended:
            values.update(ended=now, resumes=None)
        with self._write() as w:
            w.execute(schema.jobs.update().where(schema.jobs.c.id == job).values(**values))
            if state is State.RUNNING:
                w.execute(
                    schema.jobs.update()
                    .where(schema.jobs.c.id == job, schema.jobs.c.started.is_(None))
                    .values(started=now)
                )
            if state.ended:
                self._give_back(w, job, state)
            self._event(w, job, "", "state", state.value, {"error": error} if error else {})

    def running(self) -> list[dict[str, Any]]:
        """The jobs at every level that run (`id`, `root`, `signal`, `undo_round`)."""
        columns = [schema.jobs.c[name] for name in ("id", "root", "signal", "undo_round")]
        return self._rows(sa.select(*columns).where(schema.jobs.c.state == State.RUNNING))

    def standing(self, job: str) -> dict[str, Any]:
        """How a job stands, without its plan: `state`, `signal`, `reason`."""
        columns = (schema.jobs.c.state, schema.jobs.c.signal, schema.jobs.c.reason)
        return self._rows(sa.select(*columns).where(schema.jobs.c.id == job))[0]

    def signal(self, job: str) -> str:
        """What a person asked of a running job: "", "pause" or one of `STOPS`."""
        found = self._rows(sa.select(schema.jobs.c.signal).where(schema.jobs.c.id == job))
        return str(found[0]["signal"]) if found else ""

    def send(self, root: str, signal: str, reason: str = "", *, only_after: str | None = None) -> None:
        """Ask something of all jobs of a tree that have not ended, and say why.

        An emergency stop is asked of those that have, too: they may be next to be undone. With `only_after` nothing is
        asked when something other than that was asked of the root meanwhile.
        """
        ended = [s for s in State if s.ended]
        meant = sa.true() if signal == "abort" else schema.jobs.c.state.not_in(ended)
        with self._write() as w:
            before = w.execute(sa.select(schema.jobs.c.signal).where(schema.jobs.c.id == root)).scalar_one()
            if only_after is not None and before != only_after:
                return
            w.execute(
                schema.jobs.update().where(schema.jobs.c.root == root, meant).values(signal=signal, reason=reason)
            )
            self._event(w, root, "", "signal", signal, {"reason": reason} if reason else {})

    def hold(self, job: str, reason: str) -> None:
        """Ask this one part to rest until a person resumes it, and say why, unless something else was asked of it."""
        part = sa.and_(schema.jobs.c.id == job, schema.jobs.c.signal == "")
        with self._write() as w:
            if w.execute(schema.jobs.update().where(part).values(signal="pause", reason=reason)).rowcount:
                self._event(w, job, "", "signal", "pause", {"reason": reason})

    def rest(self, job: str, reason: str, until: float) -> None:
        """Let a job rest by itself, and say why; `until` when it goes on (epoch seconds), 0 when that is not known."""
        with self._write() as w:
            values = {"state": State.PAUSED, "reason": reason, "resumes": until}
            w.execute(schema.jobs.update().where(schema.jobs.c.id == job).values(**values))
            self._event(w, job, "", "state", State.PAUSED.value, {"reason": reason, "until": until})

    def start_undo(self, root: str, locks: Sequence[str]) -> None:
        """Mark an ended tree for being undone. Raises Refused when a lock or a claim that it needs is held."""
        with self._write() as w:
            self._take(w, locks, root)
            self._claim_for_undo(w, root)
            w.execute(
                schema.jobs.update()
                .where(schema.jobs.c.root == root)
                .values(undo_round=schema.jobs.c.undo_round + 1, signal="")
            )
            w.execute(schema.jobs.update().where(schema.jobs.c.id == root).values(state=State.ROLLING_BACK, ended=None))
            self._event(w, root, "", "state", State.ROLLING_BACK.value, {})

    # steps

    def steps(self, job: str) -> list[dict[str, Any]]:
        """The steps of a job in order, their JSON read."""
        return self._steps(sa.select(schema.steps).where(schema.steps.c.job == job))

    def tree(self, root: str) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
        """All jobs of a tree with their plans, oldest first, and the steps of each by its id."""
        order = (schema.jobs.c.created, schema.jobs.c.position)
        jobs = self._rows(sa.select(schema.jobs).where(schema.jobs.c.root == root).order_by(*order))
        of_root = sa.select(schema.jobs.c.id).where(schema.jobs.c.root == root)
        steps: dict[str, list[dict[str, Any]]] = {row["id"]: [] for row in jobs}
        for step in self._steps(sa.select(schema.steps).where(schema.steps.c.job.in_(of_root))):
            steps.setdefault(step["job"], []).append(step)
        return jobs, steps

    def _steps(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        rows = self._rows(query.order_by(schema.steps.c.job, schema.steps.c.position))
        for row in rows:
            for name in ("outcome", "notes", "progress"):
                row[name] = json.loads(row[name]) if row[name] else None
        return rows

    def set_step(self, job: str, position: int, state: StepState, **values: Json) -> None:
        """Move a step to a state; `outcome`, `error` and `by_hand` are kept with it."""
        if "outcome" in values:
            values["outcome"] = json.dumps(mask(values["outcome"]))
        values.update({k: mask(values[k]) for k in ("error", "by_hand") if values.get(k)})
        now = time.time()
        if state is StepState.RUNNING:
            values.update(progress=None, error=None)
        elif state in {StepState.DONE, StepState.FAILED}:
            # What undoing it took is no part of what the step took.
            values["ended"] = now
        where = sa.and_(schema.steps.c.job == job, schema.steps.c.position == position)
        with self._write() as w:
            w.execute(schema.steps.update().where(where).values(state=state, **values))
            if state is StepState.RUNNING:
                w.execute(schema.steps.update().where(where, schema.steps.c.started.is_(None)).values(started=now))
            step = w.execute(sa.select(schema.steps.c.id).where(where)).scalar_one()
            self._event(w, job, step, "step", state.value, {"error": values["error"]} if values.get("error") else {})

    def has_failed(self, job: str, *, but: int) -> bool:
        """True when a step of the job has failed, or was stopped in the middle; `but` is the position that doesn't count."""
        mine = schema.steps.c.job == job, schema.steps.c.position != but
        query = sa.select(schema.steps.c.id).where(*mine, schema.steps.c.state == StepState.FAILED)
        return bool(self._rows(query.limit(1)))

    def keep(self, job: str, position: int, notes: Mapping[str, Json]) -> None:
        """Replace the notes of a step."""
        where = sa.and_(schema.steps.c.job == job, schema.steps.c.position == position)
        with self._write() as w:
            w.execute(schema.steps.update().where(where).values(notes=json.dumps(mask(notes))))

    def set_progress(self, job: str, position: int, progress: Mapping[str, Json]) -> None:
        """Replace the progress of a step."""
        where = sa.and_(schema.steps.c.job == job, schema.steps.c.position == position)
        with self._write() as w:
            w.execute(schema.steps.update().where(where).values(progress=json.dumps(progress)))

    def outcome(self, job: str, step_id: str) -> Outcome:
        """The outcome of a step. Raises KeyError when it has none."""
        query = sa.select(schema.steps.c.outcome).where(schema.steps.c.job == job, schema.steps.c.id == step_id)
        found = self._rows(query)
        if not found or not found[0]["outcome"]:
            raise KeyError(step_id)
        outcome: Outcome = json.loads(found[0]["outcome"])
        return outcome

    # approvals, events

    def approve(self, job: str, digest: str, who: str, origin: str) -> None:
        """Write down who approved which digest, from where."""
        with self._write() as w:
            self._approve(w, job, digest, who, origin)

    def _approve(self, w: sa.Connection, job: str, digest: str, who: str, origin: str) -> None:
        row = {"job": job, "digest": digest, "who": who, "origin": origin, "time": time.time()}
        w.execute(schema.approvals.insert().values(**row))
        self._event(w, job, "", "approval", f"{who}@{origin}", {"digest": digest})

    def approvals(self, job: str) -> list[dict[str, Any]]:
        """The approvals of a job."""
        return self._rows(
            sa.select(schema.approvals).where(schema.approvals.c.job == job).order_by(schema.approvals.c.seq)
        )

    def event(self, job: str, step: str, kind: str, message: str, data: Mapping[str, Json]) -> None:
        """Write an event; secrets in it are masked."""
        with self._write() as w:
            self._event(w, job, step, kind, message, data)

    def audit(self, *, known: str = "") -> audit.Verdict:
        """Check that nothing in the ledger was changed since it was written. `known` is a seal that was noted elsewhere."""
        with self._engine.connect() as r:
            # One transaction: what is written meanwhile is not looked at.
            head = r.execute(sa.select(schema.seal_head.c.seal).where(schema.seal_head.c.id == 1)).scalar_one()
            query = sa.select(schema.events, schema.seals.c.seal).join(
                schema.seals, schema.seals.c.seq == schema.events.c.seq, isouter=True
            )
            rows = [dict(row) for row in r.execute(query.order_by(schema.events.c.seq)).mappings()]
            plans = [
                dict(row)
                for row in r.execute(sa.select(schema.jobs.c.id, schema.jobs.c.plan, schema.jobs.c.digest)).mappings()
            ]
        digests = [(row["job"], json.loads(row["data"]).get("digest")) for row in rows if row["kind"] == "state"]
        verdict = audit.check_chain(rows, head=head, known=known)
        return replace(
            verdict,
            faults=verdict.faults + audit.check_plans(plans, {job: digest for job, digest in digests if digest}),
        )

    def seal_of(self, seq: int) -> str:
        """The seal of an event; "" when it is older than the seals."""
        found = self._rows(sa.select(schema.seals.c.seal).where(schema.seals.c.seq == seq))
        return str(found[0]["seal"]) if found else ""

    def event_count(self, root: str) -> int:
        """How many events a tree has."""
        of_root = sa.select(schema.jobs.c.id).where(schema.jobs.c.root == root)
        query = sa.select(sa.func.count().label("n")).where(schema.events.c.job.in_(of_root))
        return int(self._rows(query)[0]["n"])

    def events(self, jobs: Sequence[str], *, after: int = 0) -> list[dict[str, Any]]:
        """The events of some jobs in order, later than the sequence number `after`."""
        query = (
            sa.select(schema.events)
            .where(schema.events.c.job.in_(jobs), schema.events.c.seq > after)
            .order_by(schema.events.c.seq)
        )
        return [{**row, "data": json.loads(row["data"])} for row in self._rows(query)]


def _refuse_secrets(plan: Plan) -> None:
    # Masked, it could not be carried out; kept as it is, everybody who reads the ledger would have it.
    for one in plan.walk():
        for step in one.steps:
            args = json.loads(json.dumps(step.args))
            if mask(args) != args:
                raise InputError(
                    _("Step {step} of the plan holds a secret in its arguments.").format(step=step.title),
                    _("Secrets belong into clouds.yaml, a keyring, or the files of SSH; a plan names them."),
                )
