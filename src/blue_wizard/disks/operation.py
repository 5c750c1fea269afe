"""Replacing and rebuilding OSDs as plans: what is looked at, what has to hold, what is done in which order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from blue_wizard.disks import (
    change,
    deployment,
    flags,
    invariant,
    keeping,
    light,
    preconditions,
    shared,
    survey,
    swap,
    waiting,
)
from blue_wizard.disks.identity import identify
from blue_wizard.disks.layouts import Layout, choose
from blue_wizard.disks.preconditions import Finding
from blue_wizard.disks.view import View
from blue_wizard.errors import InputError, Refused
from blue_wizard.facts.blockdev import HostDisks
from blue_wizard.facts.ceph import Cluster
from blue_wizard.jobs.actions import planner, reporter
from blue_wizard.jobs.model import Claim, Invariant, Json, Plan, Step
from blue_wizard.text import _

__all__ = ["OPERATION", "actions", "failed", "make", "make_shared", "plan_again"]

OPERATION = "osd.replace"
ONE = "osd.one"
actions = (change, flags, invariant, keeping, light, swap, waiting)
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
    views: list[View] = []
    for number in dict.fromkeys(osds):
        view = look(cloud, cluster, hosts, number, rebuild=rebuild)
        view = replace(view, going=_going(cluster, hosts, set(osds) - {number}, view.host))
        made, evidence = choose(view, type_)
        judged = preconditions.check(view, made, drain=drain, together=osds)
        preconditions.judge(number, judged)
        found.append(Finding(_("osd.{id} is deployed by {type}").format(id=number, type=made.name), True, evidence))
        found += judged
        views.append(view)
        parts.append(_one(view, made.name, made.steps(view), cluster))
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
        # All that failed are emptied first: while one is degraded no other could be proved to be safe.
        steps=_all_out(views, parts),
        # Claims in one domain let them go one after another, those of one failure domain together.
        children=tuple(p for _v, p in sorted(zip(views, parts, strict=True), key=lambda x: (x[0].bucket, x[0].osd.id))),
        preconditions=checks,
        invariant=parts[0].invariant,
    )


def _all_out(views: Sequence[View], parts: Sequence[Plan]) -> tuple[Step, ...]:
    """Mark every OSD out that is down, then wait until none is needed."""
    failed = [(v, p) for v, p in zip(views, parts, strict=True) if not v.osd.up]
    if not failed or views[0].cluster.all_clean:
        return ()
    return tuple(
        replace(step, id=f"{step.id}-{view.osd.id}")
        for kind in ("out", "safe")
        for view, part in failed
        for step in part.steps
        if step.id == kind
    )


def _going(cluster: Cluster, hosts: Mapping[str, HostDisks], others: Collection[int], host: str) -> tuple[str, ...]:
    """The keys of the disks of other OSDs of the same job on a host."""
    here = [o for n in others if (o := cluster.osds.get(n)) is not None and o.hostname == host]
    found = [identify(cluster, o, hosts[host]) for o in here]
    return tuple(sorted(key for i in found if (key := i.disk.key if i.disk else i.serial)))


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
        invariant=_serving(view.cloud, [view.osd.id], down, cluster),
    )


def _serving(cloud: str, osds: Sequence[int], down: Sequence[int], cluster: Cluster) -> Invariant:
    return Invariant(
        _("every PG stays active with min_size OSDs, no other OSD goes down, and no client waits"),
        invariant.SERVING,
        {"cloud": cloud, "osds": list(osds), "down": list(down), "slow": sorted(cluster.slow)},
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


def make_shared(cloud: str, key: str, *, type_: str | None = None, drain: bool = False) -> Plan:
    """The plan for a disk that holds journals or DBs: swap it, and make all its OSDs anew on their own disks. Reads only.

    Raises Refused with everything that does not hold.
    """
    cluster = survey.settled(cloud)
    hosts = survey.look_at(cluster)
    host, disk = shared.find(hosts.values(), key)
    members: list[shared.Member] = []
    chosen: list[tuple[View, Layout, str]] = []
    for osd in sorted(cluster.osds.values(), key=lambda o: o.id):
        if not osd.hostname or hosts.get(osd.hostname) is not host or osd.destroyed:
            continue
        view = look(cloud, cluster, hosts, osd.id, rebuild=True)
        made, evidence = choose(view, type_)
        parts = shared.holds(disk, made.aside(view))
        if parts:
            chosen.append((view, made, evidence))
            members.append(shared.Member(view, parts, made.steps(view)))
    ids = [m.view.osd.id for m in members]
    if not members:
        raise Refused(_("No OSD has its journal or DB on {disk}.").format(disk=disk.path), _("Nothing was touched."))
    found: list[Finding] = []
    for view, made, evidence in chosen:
        judged = preconditions.check(view, made, drain=drain, together=ids)
        preconditions.judge(view.osd.id, judged)
        found.append(
            Finding(_("osd.{id} is deployed by {type}").format(id=view.osd.id, type=made.name), True, evidence)
        )
        found += judged
    others = shared.foreign(disk, host, members)
    if others:
        raise Refused(_("{disk} also holds {others}").format(disk=disk.path, others=others), _("Nothing was touched."))
    parts_ = [_one(m.view, made.name, m.steps, cluster) for m, (_v, made, _e) in zip(members, chosen, strict=True)]
    down = sorted(o.id for o in cluster.osds.values() if not o.up and o.id not in ids)
    return Plan(
        title=_("Replace {disk} of {host}, and make {osds} anew").format(
            disk=disk.serial or disk.path, host=host.host, osds=", ".join(f"osd.{n}" for n in ids)
        ),
        operation=OPERATION,
        params={"cloud": cloud, "osds": [], "device": key, "rebuild": False, "type": type_, "drain": drain},
        steps=shared.frame(disk, members),
        children=tuple(replace(p, invariant=_serving(cloud, ids, down, cluster)) for p in parts_),
        preconditions=tuple(f.as_precondition() for f in found),
        invariant=_serving(cloud, ids, down, cluster),
        uses=(f"osd-host:{host.host}",),
    )


@planner(OPERATION)
def plan_again(params: Mapping[str, Json]) -> Plan:
    """The plan of the same OSDs as things are now. Raises what `make` raises."""
    if params.get("device"):
        return make_shared(params["cloud"], params["device"], type_=params["type"], drain=params["drain"])
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
