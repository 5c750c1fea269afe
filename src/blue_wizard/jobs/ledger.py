"""What was done: jobs, their steps, approvals, events and locks. Our own tables, apart from the workflow engine's.

Events are ordered by their own sequence, never by time: clocks jump, and two events can fall into one tick.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from blue_wizard import config
from blue_wizard.errors import InputError, Refused
from blue_wizard.jobs import audit, schema
from blue_wizard.jobs.model import Gate, Json, Outcome, Plan, State, StepState
from blue_wizard.jobs.patience import Patience, patiently
from blue_wizard.masking import mask
from blue_wizard.text import _

__all__ = ["Ledger", "database_url", "driver_url"]


def database_url() -> str:
    """Where the ledger and the engine keep their tables: the setting `database_url`, else SQLite in the state folder."""
    loaded = config.load()
    return driver_url(loaded.database_url) if loaded.database_url else f"sqlite:///{loaded.state_dir / 'ledger.db'}"


def driver_url(url: str) -> str:
    """A libpq URL (``postgresql://...``) with the driver that is installed with us."""
    scheme, rest = url.split("://", 1)
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql"} else url


@patiently
class Ledger:
    """The ledger of the configured database. Raises InputError when it can't be opened, or used (see `patience`)."""

    def __init__(self, url: str | None = None, *, patience: Patience | None = None) -> None:
        self._url = url or database_url()
        self.patience = patience
        sqlite = self._url.startswith("sqlite")
        try:
            if sqlite:
                folder = Path(self._url.removeprefix("sqlite:///")).parent
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._engine = (
                sa.create_engine(self._url, connect_args={"timeout": 30})
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

    # jobs

    def add(self, ids: Mapping[int, str], plan: Plan, state: State, *, locks: Sequence[str]) -> None:
        """Write a plan and all below it as jobs, with their locks, in one transaction.

        `ids` maps `id(plan)` of each plan of the tree to the id of its job. Raises Refused when a lock is held, InputError
        when the plan holds a secret.
        """
        root = ids[id(plan)]
        _refuse_secrets(plan)
        with self._write() as w:
            self._take(w, locks, root)
            self._add(w, ids, plan, None, 0, root, state)

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
            )
        )
        self._event(w, job, "", "state", state, {"digest": plan.digest})
        for i, step in enumerate(plan.steps):
            w.execute(
                schema.steps.insert().values(job=job, position=i, id=step.id, state=StepState.PENDING, notes="{}")
            )
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
        """Move a job to a state; ended jobs get their time, and the root's locks are given back."""
        now = time.time()
        values: dict[str, Any] = {"state": state}
        if error is not None:
            values["error"] = mask(error)
        if state.ended:
            values["ended"] = now
        with self._write() as w:
            w.execute(schema.jobs.update().where(schema.jobs.c.id == job).values(**values))
            if state is State.RUNNING:
                w.execute(
                    schema.jobs.update()
                    .where(schema.jobs.c.id == job, schema.jobs.c.started.is_(None))
                    .values(started=now)
                )
            if state.ended:
                w.execute(schema.locks.delete().where(schema.locks.c.job == job))
            self._event(w, job, "", "state", state.value, {"error": error} if error else {})

    def running(self) -> list[dict[str, Any]]:
        """The jobs at every level that run (`id`, `root`, `signal`)."""
        columns = (schema.jobs.c.id, schema.jobs.c.root, schema.jobs.c.signal)
        return self._rows(sa.select(*columns).where(schema.jobs.c.state == State.RUNNING))

    def signal(self, job: str) -> str:
        """What a person asked of a running job: "", "pause" or one of `STOPS`."""
        found = self._rows(sa.select(schema.jobs.c.signal).where(schema.jobs.c.id == job))
        return str(found[0]["signal"]) if found else ""

    def send(self, root: str, signal: str, reason: str = "", *, only_after: str | None = None) -> None:
        """Ask something of all jobs of a tree that have not ended, and say why.

        With `only_after` nothing is asked when something other than that was asked of the root meanwhile.
        """
        ended = [s for s in State if s.ended]
        with self._write() as w:
            before = w.execute(sa.select(schema.jobs.c.signal).where(schema.jobs.c.id == root)).scalar_one()
            if only_after is not None and before != only_after:
                return
            w.execute(
                schema.jobs.update()
                .where(schema.jobs.c.root == root, schema.jobs.c.state.not_in(ended))
                .values(signal=signal, reason=reason)
            )
            self._event(w, root, "", "signal", signal, {"reason": reason} if reason else {})

    def start_undo(self, root: str, locks: Sequence[str]) -> None:
        """Mark an ended tree for being undone. Raises Refused when a lock that it needs is held."""
        with self._write() as w:
            self._take(w, locks, root)
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
        rows = self._rows(sa.select(schema.steps).where(schema.steps.c.job == job).order_by(schema.steps.c.position))
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

    # admission

    def admit(self, total: int, per_target: int) -> None:
        """Let queued jobs of the top begin, the oldest first, as long as the limits are kept. What rests does not count."""
        top = schema.jobs.c.parent.is_(None)
        with self._write() as w:
            at_work = (State.QUEUED, State.RUNNING, State.ROLLING_BACK)
            query = sa.select(schema.jobs.c.target).where(
                top, schema.jobs.c.admitted, schema.jobs.c.undo_round == 0, schema.jobs.c.state.in_(at_work)
            )
            busy = Counter(w.execute(query).scalars())
            free = total - busy.total()
            if free <= 0:
                return
            queued = (
                sa.select(schema.jobs.c.id, schema.jobs.c.target)
                .where(top, schema.jobs.c.state == State.QUEUED, schema.jobs.c.admitted.is_not(True))
                .order_by(schema.jobs.c.created, schema.jobs.c.id)
            )
            for job, target in w.execute(queued).all():
                if target and busy[target] >= per_target:
                    continue
                busy[target] += 1
                w.execute(schema.jobs.update().where(schema.jobs.c.id == job).values(admitted=True))
                free -= 1
                if not free:
                    return

    # workers

    def sit_down(self, worker: str, seat: str, host: str, pid: int) -> None:
        """Write a worker down; an earlier one on its seat is gone, since a seat has a lock."""
        row = {"id": worker, "seat": seat, "host": host, "pid": pid, "started": time.time(), "beats": 0}
        with self._write() as w:
            w.execute(schema.workers.delete().where(schema.workers.c.seat == seat))
            w.execute(schema.workers.insert().values(**row))

    def beat(self, worker: str) -> bool:
        """Say that a worker lives; False when it was taken for dead, and its jobs are in other hands."""
        with self._write() as w:
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

    # gates

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

    # approvals, events, locks

    def approve(self, job: str, digest: str, who: str, origin: str) -> None:
        """Write down who approved which digest, from where."""
        with self._write() as w:
            w.execute(
                schema.approvals.insert().values(job=job, digest=digest, who=who, origin=origin, time=time.time())
            )
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

    def events(self, jobs: Sequence[str], *, after: int = 0) -> list[dict[str, Any]]:
        """The events of some jobs in order, later than the sequence number `after`."""
        query = (
            sa.select(schema.events)
            .where(schema.events.c.job.in_(jobs), schema.events.c.seq > after)
            .order_by(schema.events.c.seq)
        )
        return [{**row, "data": json.loads(row["data"])} for row in self._rows(query)]

    def _take(self, w: sa.Connection, locks: Sequence[str], job: str) -> None:
        for name in sorted(set(locks)):
            held = w.execute(sa.select(schema.locks.c.job).where(schema.locks.c.name == name)).scalar_one_or_none()
            if held is not None and held != job:
                raise Refused(
                    _("{name} is in the hands of job {job}.").format(name=name, job=held),
                    _("Wait for it, or see: blue-wizard job show {job}").format(job=held),
                )
            if held is None:
                w.execute(schema.locks.insert().values(name=name, job=job))


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


def _tune_sqlite(connection: Any, _record: object) -> None:
    # The driver would begin a transaction only at the first change, after what that change is judged on was read.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
