"""`host enter`: look at a host, plan how it is emptied, report what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blue_wizard.jobs.actions import planner, reporter
from blue_wizard.jobs.model import Json, Plan, StepState
from blue_wizard.maintain import plan_enter
from blue_wizard.maintain.model import Beside, Reason, Wishes
from blue_wizard.maintain.names import servers_named
from blue_wizard.maintain.plan_enter import OPERATION, Options
from blue_wizard.maintain.site import servers_on
from blue_wizard.maintain.survey import Allowed, Survey, refuse, survey
from blue_wizard.reach import openstack

__all__ = ["Params", "as_data", "look", "plan_of", "planned", "report"]


@dataclass(frozen=True)
class Params:
    """What the operator asked for. `stop`, `leave` and `force` name servers by id or name."""

    cloud: str
    host: str
    reason: str
    stop: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    leave_stopped: bool = False
    move_locked: bool = False
    keep_disabled: bool = False
    network_loss: bool = False
    parallel: int = 1
    silence_s: float = 30.0
    max_unavailable: int = 1
    window: str = ""
    avoid: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    evacuate: bool = False
    kubernetes: bool = False

    def as_json(self) -> dict[str, Json]:
        """As they stand in the plan."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Params:
        """The parameters that `as_json` gave."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**values)


def look(params: Params, beside: Beside | None = None) -> tuple[Survey, Plan]:
    """The host as it is, and the plan for it, whether or not it can be run. Reads only; raises InputError.

    `beside`: what others do just now.
    """
    cloud = openstack.connect(params.cloud)
    named = servers_on(cloud, params.host) if params.stop or params.leave or params.force else ()
    wishes = Wishes(
        stop=servers_named(params.stop, named),
        leave=servers_named(params.leave, named),
        leave_stopped=params.leave_stopped,
        move_locked=params.move_locked,
        avoid=frozenset(params.avoid),
        force=servers_named(params.force, named),
    )
    allowed = Allowed(params.keep_disabled, params.network_loss, params.evacuate)
    found = survey(cloud, params.host, wishes, allowed, beside, kubernetes=params.kubernetes)
    options = Options(Reason(params.reason), params.parallel, params.silence_s, params.max_unavailable, params.window)
    return found, plan_enter.compile_plan(params.cloud, found, options, params.as_json())


@planner(OPERATION)
def plan_of(params: Mapping[str, Json]) -> Plan:
    """The plan as things are now. Raises InputError for an unknown host, Refused with everything in the way."""
    return planned(Params.from_json(params))


def planned(params: Params, beside: Beside | None = None) -> Plan:
    """The plan as things are now. Raises what `plan_of` raises."""
    found, plan = look(params, beside)
    refuse(found.findings)
    return plan


def as_data(found: Survey) -> dict[str, Json]:
    """A survey as JSON: the servers with their verbs, what else lives there, and what stands in the way."""
    site = found.site
    return {
        "host": site.host,
        "ready": found.ready,
        "servers": [
            {
                "id": a.server.id,
                "name": a.server.name,
                "project": a.server.project,
                "status": a.server.status,
                "verb": a.verb.value,
                "destination": a.dest or None,
                "seconds": round(a.seconds),
                "cause": a.why,
                "remedy": a.remedy,
            }
            for a in found.servers
        ],
        "osds": list(site.osds.ids) if site.osds else [],
        "osds_may_stop": site.ok_to_stop if site.osds and site.osds.ids else None,
        "agents": [
            {"binary": a.binary, "alive": a.alive, "serves": list(a.serves), "only_here": list(a.only_here)}
            for a in site.agents
        ],
        "findings": [{"title": f.title, "holds": f.holds, "detail": f.detail} for f in found.findings],
    }


@reporter(OPERATION)
def report(view: Mapping[str, Json]) -> dict[str, Json]:
    """The report of a run: ``{host, safe, servers: [{name, id, verb, state, source, destination, took_s, probe ...}]}``."""
    steps: dict[str, Mapping[str, Any]] = {s["id"]: s for s in view["steps"]}
    servers = []
    for id_, step in steps.items():
        kind, _dot, server = id_.partition(".")
        verb = {"move": "live", "cold": "cold", "stop": "stop", "evac": "evacuate"}.get(kind)
        if verb is None:
            continue
        outcome = step["outcome"] or {}
        servers.append(
            {
                "name": step["args"]["name"],
                "id": server,
                "verb": verb,
                "state": step["state"],
                "source": step["args"].get("source"),
                "destination": outcome.get("host") or step["args"].get("dest"),
                "migration": outcome.get("migration"),
                "took_s": outcome.get("took_s"),
                "probe": outcome.get("probe"),
                "note": outcome.get("note", ""),
                "mended": bool(outcome.get("mended")),
                "why": outcome.get("why", ""),
                "rewired": bool(outcome.get("rewired")),
                "error": step["error"],
            }
        )
    done = {name: s["state"] == StepState.DONE for name, s in steps.items()}
    outcome = (steps.get("empty") or steps.get("gone") or {}).get("outcome") or {}
    return {
        "host": view["params"]["host"],
        "reason": view["params"].get("reason"),
        "safe": view["state"] == "done" and all(done.values()),
        "staying": outcome.get("staying", []),
        "servers": servers,
    }
