"""How a plan becomes a job: written down with what it holds, approved by one person or two, and let go."""

from __future__ import annotations

import secrets
import time

from blue_wizard import config
from blue_wizard.errors import Refused
from blue_wizard.jobs import actions, drift, people, windows
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State
from blue_wizard.text import _

__all__ = ["approve", "submit", "write_down"]

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


def submit(plan: Plan, *, approved: bool) -> str:
    """Write the plan as a job, approved by whoever runs this process or waiting for it; the id of the job.

    Where the setting `second_person`, or the plan, asks for two approvals, it waits for the second one in both cases.
    Raises Refused when a lock of the plan is held by another job, a failure domain has no place for it, or a step does not
    fit into its window; InputError for a window that is not configured.
    """
    job = write_down(Ledger(), plan, approval=(people.who(), people.origin()) if approved else None)
    assert job is not None, "only what is due can be taken by somebody else"
    return job


def write_down(
    ledger: Ledger, plan: Plan, *, approval: tuple[str, str] | None = None, due: tuple[str, float] | None = None
) -> str | None:
    """Write a plan as a job; its id, or None when what was `due` was run by somebody else.

    `approval` is who approves it and from where; `due` the name of a schedule and its time. Raises as `submit`.
    """
    windows.refuse_misfits(plan, time.time())
    root = plan.operation[:1] + "-" + "".join(secrets.choice(_ALPHABET) for _i in range(6))
    ids = {id(p): root for p in (plan,)}
    for number, child in enumerate((p for p in plan.walk() if p is not plan), start=1):
        ids[id(child)] = f"{root}.{number}"
    # In one transaction: a worker that is killed here leaves no job behind that nobody lets go.
    state = State.QUEUED if approval and _needed(plan) == 1 else State.PLANNED
    locks = [name for p in plan.walk() for s in p.steps for name in s.locks]
    return root if ledger.add(ids, plan, state, locks=locks, approval=approval, due=due) else None


def approve(job: str, digest: str | None = None) -> bool:
    """Approve a planned job and let it go, when its plan, made again, is still the same. False: it waits for one more person.

    Raises Refused when `digest` is not the plan's, when it has begun already, when things have changed since, or when a
    second person has to approve it and this one did already.
    """
    ledger = Ledger()
    row = ledger.job(job)
    if row["state"] != State.PLANNED:
        raise Refused(_("Job {job} does not wait for an approval: it is {state}.").format(job=job, state=row["state"]))
    if digest is not None and digest != row["digest"]:
        raise Refused(
            _("The plan of job {job} is not the one that was approved.").format(job=job),
            _("Look at it: blue-wizard job show {job}").format(job=job),
        )
    seen = ledger.plan(job)
    drift.refuse_drift(seen, actions.plan_again(seen))
    return _consent(ledger, job, people.who(), people.origin())


def _needed(plan: Plan) -> int:
    return 2 if config.load().second_person or any(p.second_person for p in plan.walk()) else 1


def _consent(ledger: Ledger, job: str, who: str, origin: str) -> bool:
    """Write an approval down, and let the job go when it was the last one needed; False: a second person has to approve."""
    row = ledger.job(job)
    before = {a["who"] for a in ledger.approvals(job) if a["digest"] == row["digest"]}
    needed = _needed(ledger.plan(job))
    if needed > 1 and who in before:
        raise Refused(
            _("{who} has approved job {job} already: a second person has to.").format(who=who, job=job),
            _("They say: blue-wizard job approve {job}").format(job=job),
        )
    ledger.approve(job, row["digest"], who, origin)
    if len(before | {who}) < needed:
        return False
    for one in ledger.jobs(root=row["root"]):
        ledger.set_state(one["id"], State.QUEUED)
    return True
