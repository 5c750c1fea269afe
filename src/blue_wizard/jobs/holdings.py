"""The part of the ledger that keeps what a job has to itself: locks, and claims in failure domains."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from blue_wizard.errors import Refused
from blue_wizard.jobs import schema
from blue_wizard.jobs.model import Claim, Json, Plan, State
from blue_wizard.jobs.patience import patiently
from blue_wizard.jobs.store import Store
from blue_wizard.text import _

__all__ = ["Holdings", "holds_of"]


def holds_of(plan: Plan) -> dict[str, Json]:
    """What of a plan is looked at when its job is admitted and when it ends."""
    return {
        "uses": list(plan.uses),
        "claims": [asdict(c) for c in plan.claims],
        "releases": [asdict(c) for c in plan.releases],
    }


@patiently
class Holdings(Store):
    """Locks are held by one job; a claim leaves room for others in its domain, up to a limit."""

    def claims(self) -> list[dict[str, Any]]:
        """All claims, the oldest first."""
        return self._rows(sa.select(schema.claims).order_by(schema.claims.c.since))

    def locks(self, job: str) -> list[str]:
        """The names of the locks that a job holds."""
        found = self._rows(sa.select(schema.locks.c.name).where(schema.locks.c.job == job))
        return sorted(row["name"] for row in found)

    def holder(self, lock: str) -> str:
        """The job that holds a lock; "" when none does."""
        found = self._rows(sa.select(schema.locks.c.job).where(schema.locks.c.name == lock))
        return str(found[0]["job"]) if found else ""

    def release(self, job: str, who: str, origin: str) -> int:
        """Give back the claims that a job of the top and its parts have kept after their end; how many."""
        with self._write() as w:
            rows = w.execute(sa.select(schema.claims).where(schema.claims.c.root == job)).mappings().all()
            w.execute(schema.claims.delete().where(schema.claims.c.root == job))
            for row in rows:
                data = {"member": row["member"], "domain": row["domain"], "who": who, "from": origin}
                self._event(w, row["job"], "", "release", row["kind"], data)
            return len(rows)

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

    def _claim(
        self, w: sa.Connection, claims: Iterable[Claim], job: str, root: str, *, undoing: bool = False, keep: str = ""
    ) -> None:
        """Write claims down. Raises Refused, naming the holder, when a domain has no place for one."""
        for claim in claims:
            holder = self._obstacle(w, claim, root, besides_own=undoing)
            if holder is not None:
                raise _refusal(claim, holder)
            self._event(w, job, "", "claim", claim.kind, {"member": claim.member, "domain": claim.domain})
            where = sa.and_(schema.claims.c.kind == claim.kind, schema.claims.c.member == claim.member)
            w.execute(schema.claims.delete().where(where))
            row = {"kind": claim.kind, "member": claim.member, "domain": claim.domain, "most": claim.most}
            kept = keep or ("done" if claim.keep else "")
            w.execute(schema.claims.insert().values(**row, job=job, root=root, keep=kept, since=time.time()))

    def _obstacle(
        self, w: sa.Connection, claim: Claim, root: str, *, besides_own: bool = False
    ) -> Mapping[str, Any] | None:
        """The claim that stands in the way of another one, or None. With `besides_own` those of the same tree never do."""
        there = schema.claims.c
        query = sa.select(schema.claims).where(there.kind == claim.kind).order_by(there.since)
        rows = [dict(r) for r in w.execute(query).mappings()]
        same = [r for r in rows if r["member"] == claim.member and r["root"] != root]
        # A job that has ended keeps its claim for whoever goes on with the same member.
        if same and not _ended(w, same[0]["job"]):
            return same[0]
        others = [r for r in rows if r["domain"] == claim.domain and r["member"] != claim.member]
        if besides_own:
            others = [r for r in others if r["root"] != root]
        return others[0] if len(others) >= min([claim.most, *(r["most"] for r in others)]) else None

    def _foresee(self, w: sa.Connection, plan: Plan, root: str) -> None:
        """Refuse a plan with parts whose claims would have to wait for other jobs; for each other they may."""
        for part in plan.walk():
            for claim in part.claims if part is not plan else ():
                holder = self._obstacle(w, claim, root, besides_own=True)
                if holder is not None:
                    raise _refusal(claim, holder)

    def _give_back(self, w: sa.Connection, job: str, state: State) -> None:
        """Let go of what a job that has ended as `state` does not keep, and of the claims that it was there to release."""
        w.execute(schema.locks.delete().where(schema.locks.c.job == job))
        # What is left half-done is still out of service: a stuck job keeps its claims until it is undone or released.
        if state is not State.STUCK:
            kept = {State.DONE: "done", State.ROLLED_BACK: "undone"}.get(state, "-")
            mine = sa.and_(schema.claims.c.job == job, schema.claims.c.keep != kept)
            w.execute(schema.claims.delete().where(mine))
        if state is not State.DONE:
            return
        for claim in self._held(w, job)["releases"]:
            gone = sa.and_(schema.claims.c.kind == claim.kind, schema.claims.c.member == claim.member)
            if w.execute(schema.claims.delete().where(gone)).rowcount:
                self._event(w, job, "", "release", claim.kind, {"member": claim.member, "domain": claim.domain})

    def _claim_for_undo(self, w: sa.Connection, root: str) -> None:
        """Claim for a tree that is going to be undone what it claimed, and what it released when it was done."""
        rows = w.execute(sa.select(schema.jobs.c.id, schema.jobs.c.state).where(schema.jobs.c.root == root)).all()
        for job, state in rows:
            held = self._held(w, job)
            self._claim(w, held["claims"], job, root, undoing=True)
            if state == State.DONE:
                self._claim(w, held["releases"], job, root, undoing=True, keep="undone")

    def _held(self, w: sa.Connection, job: str) -> dict[str, tuple[Claim, ...]]:
        text = w.execute(sa.select(schema.jobs.c.holds).where(schema.jobs.c.id == job)).scalar_one_or_none()
        data = json.loads(text) if text else {}
        return {name: tuple(Claim(**c) for c in data.get(name, ())) for name in ("claims", "releases")}


def _ended(w: sa.Connection, job: str) -> bool:
    state = w.execute(sa.select(schema.jobs.c.state).where(schema.jobs.c.id == job)).scalar_one_or_none()
    return state is None or State(state).ended


def _refusal(claim: Claim, holder: Mapping[str, Any]) -> Refused:
    text = _(
        "{member} can't be claimed for {kind}: job {job} holds {held} in {domain}, and no more than {most} may be at once."
    )
    most = min(claim.most, holder["most"])
    return Refused(
        text.format(
            member=claim.member,
            kind=claim.kind,
            job=holder["job"],
            held=holder["member"],
            domain=holder["domain"],
            most=most,
        ),
        _("Wait until it is given back, or see: blue-wizard job show {job}").format(job=holder["job"]),
    )
