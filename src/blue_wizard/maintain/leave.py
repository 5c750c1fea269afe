"""`host leave`: what the job that emptied a host has done, and how that is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from blue_wizard.errors import InputError, Refused
from blue_wizard.jobs.actions import planner, reporter
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Json, Plan, Precondition, State, StepState
from blue_wizard.jobs.views import show
from blue_wizard.maintain import enter, mark, moving, plan_enter, plan_leave, site
from blue_wizard.maintain.model import Assessment, Verb
from blue_wizard.maintain.names import find
from blue_wizard.maintain.plan_leave import OPERATION, Entered, Returning, Wanted
from blue_wizard.maintain.verbs import seconds_of
from blue_wizard.reach import openstack
from blue_wizard.reach.openstack import Cloud
from blue_wizard.text import _

__all__ = ["Params", "entered_of", "look", "plan_from", "plan_of", "report"]


@dataclass(frozen=True)
class Params:
    """What the operator asked for. `job` is the one that emptied the host; "" finds it."""

    cloud: str
    host: str
    job: str = ""
    rebooted: bool = False
    kernel: str = ""
    wait_s: float = 1800.0
    bring_back: bool = True
    canary: str = ""
    parallel: int = 1
    silence_s: float = 30.0


def look(params: Params) -> Plan:
    """The plan that gives a host back. Reads only. Raises InputError for an unknown host, Refused when it was not emptied."""
    cloud = openstack.connect(params.cloud)
    service = find(params.host, site.services(cloud))
    job = params.job or _job_of(params.cloud, params.host, service.reason)
    view = show(job)
    if view["operation"] != plan_enter.OPERATION or view["params"].get("host") != params.host:
        raise InputError(_("Job {job} did not empty {host}.").format(job=job, host=params.host))
    if view["state"] != State.DONE:
        raise Refused(
            _("Job {job}, which empties {host}, is {state}.").format(job=job, host=params.host, state=view["state"]),
            _(
                "See: blue-wizard job show {job}. What it left half-done is undone by: blue-wizard job rollback {job}"
            ).format(job=job),
        )
    return plan_from(replace(params, job=job), view)


def plan_from(params: Params, view: Mapping[str, Json]) -> Plan:
    """The plan that takes back what the job in `view` (see `jobs.views.show`) has done. Reads only."""
    cloud = openstack.connect(params.cloud)
    service = find(params.host, site.services(cloud))
    entered = entered_of(view, service.id, service.zone)
    remarks: list[Precondition] = []
    returning = _returning(cloud, params, view, remarks) if params.bring_back else []
    wanted = Wanted(
        params.rebooted, params.kernel, params.wait_s, params.parallel, params.silence_s, _canary(cloud, params)
    )
    return plan_leave.compile_plan(params.cloud, params.host, entered, returning, remarks, wanted, vars(params))


@planner(OPERATION)
def plan_of(params: Mapping[str, Json]) -> Plan:
    """The plan as things are now. Raises what `look` raises."""
    return look(Params(**params))


def _job_of(cloud: str, host: str, reason: str) -> str:
    member = plan_enter.claim_of(cloud, "", host, 1).member
    claims = [c for c in Ledger().claims() if c["kind"] == plan_enter.CLAIM and c["member"] == member]
    job = str(claims[0]["root"]) if claims else ""
    if not job:
        theirs = mark.job_of(reason)
        text = _("{host} is not in maintenance by a job of this ledger.").format(host=host)
        if theirs:
            raise Refused(text, _("Job {job} of another state folder has disabled it.").format(job=theirs))
        if reason:
            raise Refused(text, _('Somebody else has disabled it: "{reason}".').format(reason=reason))
        raise Refused(text, _("Nothing was touched."))
    return job


def entered_of(view: Mapping[str, Json], service: str, zone: str) -> Entered:
    """What a job that emptied a host has done, out of its view (pure)."""
    done = {s["id"]: s for s in view["steps"] if s["state"] == StepState.DONE}

    def outcome(step: str) -> Mapping[str, Any]:
        return (done.get(step) or {}).get("outcome") or {}

    stopped = tuple(
        (s["args"]["server"], s["args"]["name"])
        for s in done.values()
        if s["verb"] == "nova.server.rest" and (s["outcome"] or {}).get("ours")
    )
    quiet = outcome("quiet")
    fenced = bool(outcome("fence").get("ours"))
    return Entered(
        job=view["job"],
        service=service,
        zone=zone,
        most=int(view["params"].get("max_unavailable", 1)),
        boot=outcome("note").get("boot", ""),
        ours=bool(outcome("cordon").get("ours")),
        stopped=stopped,
        bucket=quiet.get("bucket", "") if quiet.get("ours") else "",
        fenced=fenced,
        off="off" in done,
        muted=tuple(
            (kind, {**done[kind]["args"], **outcome(kind)})
            for kind in ("masakari", "alarms", "node")
            if outcome(kind).get("ours")
        ),
    )


def _returning(cloud: Cloud, params: Params, view: Mapping[str, Json], remarks: list[Precondition]) -> list[Returning]:
    """The servers that the job moved and that are still where it brought them; what became of the others is remarked."""
    hosts = {s.host: s.id for s in site.services(cloud)}
    found = []
    for one in enter.report(view)["servers"]:
        if (
            one["verb"] in {"stop", "evacuate"}
            or one["state"] != StepState.DONE
            or not one["destination"]
            or one["note"]
        ):
            continue
        title = _("server {name} goes back").format(name=one["name"])
        now = moving.server_now(cloud, one["id"])
        if now is None:
            remarks.append(Precondition(title, True, _("no: it was deleted meanwhile")))
        elif now.host != one["destination"]:
            remarks.append(Precondition(title, True, _("no: it is on {host} by now").format(host=now.host or "?")))
        elif now.task_state or now.vm_state not in {"active", "paused", "stopped"}:
            state = now.task_state or now.vm_state
            remarks.append(Precondition(title, True, _("no: it is {state}").format(state=state)))
        else:
            verb = Verb.COLD if now.vm_state == "stopped" else Verb.LIVE
            going = Assessment(now, verb, dest=params.host, seconds=seconds_of(now, verb))
            found.append(Returning(going, hosts.get(now.host, "")))
    return found


def _canary(cloud: Cloud, params: Params) -> tuple[str, str, str] | None:
    if not params.canary:
        return None
    now = moving.server_now(cloud, params.canary)
    if now is None:
        raise InputError(_("No server has the id {id}.").format(id=params.canary), _("The canary is named by its id."))
    if now.vm_state != "active" or now.task_state or now.host == params.host:
        raise InputError(
            _("Server {name} can't be the canary: it has to be ACTIVE, and on another host.").format(name=now.name)
        )
    return now.id, now.name, now.host


@reporter(OPERATION)
def report(view: Mapping[str, Json]) -> dict[str, Json]:
    """The report of a run, as that of `enter`; `in_service` says whether the host takes servers again."""
    found = enter.report(view)
    steps: dict[str, Mapping[str, Any]] = {s["id"]: s for s in view["steps"]}
    enabled = ((steps.get("uncordon") or {}).get("outcome") or {}).get("enabled", False)
    del found["safe"], found["staying"], found["reason"]
    return {**found, "in_service": bool(enabled and view["state"] == State.DONE)}
