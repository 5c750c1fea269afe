"""Replacing and rebuilding OSDs as plans: what is looked at, what has to hold, what is done in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from blue_wizard.disks import change, deployment, flags, invariant, keeping, preconditions, survey, swap, waiting
from blue_wizard.disks.identity import identify
from blue_wizard.disks.layouts import choose
from blue_wizard.disks.preconditions import Finding
from blue_wizard.disks.view import View
from blue_wizard.errors import InputError, Refused
from blue_wizard.facts.blockdev import HostDisks
from blue_wizard.facts.ceph import Cluster
from blue_wizard.jobs.actions import planner, reporter
from blue_wizard.jobs.model import Claim, Invariant, Json, Plan, Step
from blue_wizard.text import _

__all__ = ["OPERATION", "actions", "failed", "make", "plan_again"]

OPERATION = "osd.replace"
ONE = "osd.one"
actions = (change, flags, invariant, keeping, swap, waiting)
"""The modules that register the actions and the invariant of OSDs."""


def make(
    cloud: str, osds: Sequence[int], *, rebuild: bool = False, type_: str | None = None, drain: bool = False
) -> Plan:
    """The plan for OSDs, one after another. Reads only.

    Raises InputError for an OSD that does not exist, Refused with everything that does not hold.
    """
    cluster = survey.settled(cloud)
    hosts = survey.look_at(cluster)
    found: list[Finding] = []
    parts: list[Plan] = []
    for number in dict.fromkeys(osds):
        view = look(cloud, cluster, hosts, number, rebuild=rebuild)
        made, evidence = choose(view, type_)
        judged = preconditions.check(view, made, drain=drain, together=osds)
        preconditions.judge(number, judged)
        found.append(Finding(_("osd.{id} is deployed by {type}").format(id=number, type=made.name), True, evidence))
        found += judged
        parts.append(_one(view, made.name, made.steps(view), cluster))
    if len(parts) > 1 and not cluster.all_clean:
        raise Refused(
            _("Several OSDs can be replaced in one job only while all PGs are active+clean."),
            _("Begin with one: blue-wizard osd replace {id}").format(id=osds[0]),
        )
    params: dict[str, Json] = {"cloud": cloud, "osds": list(osds), "rebuild": rebuild, "type": type_, "drain": drain}
    if len(parts) == 1:
        params |= {k: v for k, v in parts[0].params.items() if k == "before"}
    checks = tuple(f.as_precondition() for f in found)
    if len(parts) == 1:
        return replace(parts[0], operation=OPERATION, params=params, preconditions=checks)
    return Plan(
        title=", ".join(p.title for p in parts),
        operation=OPERATION,
        params=params,
        # Claims in one domain let them go one after another.
        children=tuple(sorted(parts, key=lambda p: p.target)),
        preconditions=checks,
    )


def look(cloud: str, cluster: Cluster, hosts: Mapping[str, HostDisks], number: int, *, rebuild: bool) -> View:
    """All that is known of one OSD. Raises InputError when it does not exist or nobody knows its host."""
    osd = cluster.osds.get(number)
    if osd is None:
        raise InputError(_("There is no osd.{id}.").format(id=number), _("See: blue-wizard osd list --all"))
    name = survey.host_of(osd)
    disks = hosts[name]
    return View(
        cloud, cluster, osd, name, disks, identify(cluster, osd, disks), deployment.read(name, number), hosts, rebuild
    )


def _one(view: View, type_: str, steps: tuple[Step, ...], cluster: Cluster) -> Plan:
    verb = _("Rebuild osd.{id} on {host} ({type})") if view.rebuild else _("Replace osd.{id} on {host} ({type})")
    down = sorted(o.id for o in cluster.osds.values() if not o.up and o.id != view.osd.id)
    return Plan(
        title=verb.format(id=view.osd.id, host=view.host, type=type_),
        operation=ONE,
        params={"osd": view.osd.id, "host": view.host, "type": type_, "before": before(view)},
        steps=steps,
        target=f"osd-host:{view.host}",
        uses=(f"osd-host:{view.host}",),
        claims=(Claim("osd", f"ceph:{cluster.fsid}", f"osd.{view.osd.id}"),),
        invariant=Invariant(
            _("every PG stays active with min_size OSDs, no other OSD goes down, and no client waits"),
            invariant.SERVING,
            {"cloud": view.cloud, "osds": [view.osd.id], "down": down, "slow": sorted(cluster.slow)},
        ),
    )


def before(view: View) -> dict[str, Json]:
    """What has to be the same afterwards, and what the failed disk was: the evidence of the job."""
    osd = view.osd
    return {
        "id": osd.id,
        "weight": osd.weight,
        "class": osd.device_class,
        "location": dict(osd.location),
        "serial": view.identity.serial,
        "by_path": view.identity.by_path,
        "size": view.identity.disk.size if view.identity.disk else None,
        "flags": sorted(view.cluster.flags),
    }


def failed(cloud: str) -> list[int]:
    """The OSDs that are down and not destroyed, those of one host together."""
    cluster = survey.read_cluster(cloud)
    down = [o for o in cluster.osds.values() if not o.up and not o.destroyed]
    return [o.id for o in sorted(down, key=lambda o: (o.hostname, o.id))]


@planner(OPERATION)
def plan_again(params: Mapping[str, Json]) -> Plan:
    """The plan of the same OSDs as things are now. Raises what `make` raises."""
    return make(params["cloud"], params["osds"], rebuild=params["rebuild"], type_=params["type"], drain=params["drain"])


@reporter(OPERATION)
def report(view: Mapping[str, Json]) -> dict[str, Json]:
    """The report of a run: ``{osds: [{osd, host, type, state, before, disk, took_s, phases: {step: seconds}}]}``."""
    return {"osds": [_report_of(v) for v in (view["children"] or [view])]}


def _report_of(view: Mapping[str, Json]) -> dict[str, Json]:
    outcomes = {s["id"]: s["outcome"] or {} for s in view["steps"]}
    args: Mapping[str, Json] = next((s["args"] for s in view["steps"]), {})
    return {
        "osd": args.get("osd"),
        "host": args.get("host"),
        "state": view["state"],
        "error": view["error"],
        "before": view["params"].get("before"),
        "disk": outcomes.get("swap"),
        "flags": outcomes.get("flags", {}).get("ours"),
        "took_s": view["took_s"],
        "phases": {s["id"]: s["took_s"] for s in view["steps"]},
    }
