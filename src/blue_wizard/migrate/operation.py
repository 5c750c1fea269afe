"""The migration as a plan: for each machine, create the server, stop it, import its disks, start it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from blue_wizard import config
from blue_wizard.errors import InputError
from blue_wizard.jobs.actions import planner, reporter
from blue_wizard.jobs.model import Invariant, Json, Plan, Step
from blue_wizard.migrate import preconditions, site, source_findings
from blue_wizard.migrate.invariant import SOURCE_OFF
from blue_wizard.migrate.local import candidates
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.preconditions import Finding
from blue_wizard.migrate.project import operation as project
from blue_wizard.migrate.source_findings import Counted, terms, uncounted
from blue_wizard.migrate.sources import Exporting, PowerControl, Source, open_source
from blue_wizard.migrate.steps import IMPORTS, flavor_steps, group_steps, held_still, vm_steps, with_hooks
from blue_wizard.migrate.targets import (
    cards,
    disks,
    exports,
    flavors,
    groups,
    guest,
    hooks,
    images,
    local_disks,
    ports,
    power,
    servers,
    staging,
    verify,
    volumes,
    warm,
)
from blue_wizard.migrate.targets.common import ceph_access
from blue_wizard.migrate.targets.compute import unusable
from blue_wizard.migrate.wave import VmPlan, Wave
from blue_wizard.reach import openstack
from blue_wizard.text import _

__all__ = ["OPERATION", "actions", "compile_waves", "plan_again", "staging_findings"]

OPERATION = "migrate.wave"
VM_OPERATION = "migrate.vm"
actions = (
    cards,
    disks,
    exports,
    flavors,
    groups,
    guest,
    hooks,
    images,
    local_disks,
    ports,
    power,
    servers,
    staging,
    verify,
    volumes,
    project,
    warm,
)
"""The modules that register the actions of a migration."""


def compile_waves(waves: Sequence[Wave], counted: Counted = uncounted) -> Plan:
    """The plan of all waves together; `counted` shows how far the longest part of that has come. Reads only.

    Raises InputError or Refused with everything that does not hold, before anything is made.
    """
    findings: list[Finding] = []
    children: list[Plan] = []
    sizes: dict[tuple[str, str], Step] = {}
    for wave in waves:
        cloud = openstack.connect(wave.cloud)
        kinds = {vm.storage for vm in wave.vms}
        found = site.read(cloud, ceph_access(wave.cloud) if "rbd" in kinds else None, local="local" in kinds)
        source = open_source(wave.source)
        findings += preconditions.check(wave, found)
        findings += _host_findings(wave, found)
        findings += staging_findings(wave)
        machines = {m.id: m for m in source.discover()}
        findings += source_findings.check(wave, source, machines, counted)
        preconditions.judge(findings)
        sizes |= {(wave.cloud, step.id): step for step in [*flavor_steps(wave, found), *group_steps(wave)]}
        children += [
            Plan(
                title=vm.name,
                operation=VM_OPERATION,
                params={"source": wave.source, "machine": vm.id},
                steps=with_hooks(
                    wave,
                    vm,
                    _worded(
                        source,
                        vm,
                        vm_steps(
                            wave,
                            vm,
                            found,
                            power,
                            prepare=terms(source, vm).prepare if vm.warm else "",
                            exporting=isinstance(source, Exporting),
                        ),
                    ),
                ),
                target=source.target,
                uses=(f"source-host:{source.target}", *machines[vm.id].places, f"cloud:{wave.cloud}"),
                window=wave.window,
                invariant=_invariant(wave, vm, power),
            )
            for vm, power in ((vm, _power(source, vm.id)) for vm in wave.vms)
        ]
    names = [c.title for c in children]
    if len(set(names)) != len(names):
        raise InputError(_("Two machines of these waves have the same name."), _("Rename one of them."))
    return Plan(
        title=_("Migrate {names}").format(names=", ".join(names[:5]) + (" ..." if len(names) > 5 else "")),
        operation=OPERATION,
        params={"waves": [w.model_dump(mode="json") for w in waves]},
        steps=tuple(replace(s, id=f"{s.id.split('.')[0]}.{n}") for n, s in enumerate(sizes.values())),
        children=tuple(children),
        independent=True,
        preconditions=tuple(f.as_precondition() for f in findings),
    )


def _invariant(wave: Wave, vm: VmPlan, power: Power) -> Invariant:
    title = _("the source is untouched until its target is ready, and comes back if anything fails")
    return Invariant(title, SOURCE_OFF, {"source": wave.source, "machine": vm.id, "was": power.value})


@planner(OPERATION)
def plan_again(params: Mapping[str, Json]) -> Plan:
    """The plan of the same waves as things are now. Raises what `compile_waves` raises."""
    return compile_waves([Wave.model_validate(w) for w in params["waves"]])


def _power(source: Source, machine: str) -> Power:
    return source.power(machine) if isinstance(source, PowerControl) else Power.UNKNOWN


def _worded(source: Source, vm: VmPlan, steps: Sequence[Step]) -> Sequence[Step]:
    return held_still(steps, vm.id) if getattr(source, "holds_still", False) else steps


def _host_findings(wave: Wave, found: site.Site) -> list[Finding]:
    """Can every compute host that a server with local disks may come to be worked on?"""
    local = [vm for vm in wave.vms if vm.storage == "local"]
    hosts = {c.host for vm in local for c in candidates(found.computes or (), vm.availability_zone)}
    if not hosts:
        return []
    bad = unusable(wave.cloud, sorted(hosts))
    findings = [Finding(_("compute host {host} can be used").format(host=h), False, why) for h, why in bad.items()]
    return findings or [Finding(_("{count} compute hosts can be used").format(count=len(hosts)), True)]


def staging_findings(wave: Wave) -> list[Finding]:
    """Is there a staging folder, with room for what can be in it at once?"""
    if not wave.staging:
        return []
    title = _("space in staging folder {folder}").format(folder=wave.staging)
    folder = Path(wave.staging)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return [Finding(title, False, _("it is no folder that can be written to"), True)]
    # Each machine has one disk there at a time.
    largest = sorted((max(d.size for d in vm.disks) for vm in wave.vms), reverse=True)
    need, free = sum(largest[: config.load().limits.total]), shutil.disk_usage(folder).free
    text = _("{need:.1f} GiB in the worst case, {free:.1f} GiB available")
    return [Finding(title, need <= free, text.format(need=need / (1 << 30), free=free / (1 << 30)))]


@reporter(OPERATION)
def report(view: Mapping[str, Json]) -> dict[str, Json]:
    """The report of a run: ``{vms: [{name, server_id, state, addresses, downtime_s, took_s, disks: [...]}]}``."""
    return {"vms": [_vm_report(child) for child in view["children"]]}


def _vm_report(view: Mapping[str, Any]) -> dict[str, Json]:
    outcomes: dict[str, Mapping[str, Json]] = {s["id"]: s["outcome"] or {} for s in view["steps"]}
    addresses = [a for name, o in outcomes.items() if name.startswith("port.") for a in o.get("addresses", [])]
    down, up = outcomes.get("off", {}).get("down_at"), outcomes.get("verify", {}).get("up_at")
    return {
        "name": view["title"],
        "job": view["job"],
        "source": view["params"].get("source"),
        "server_id": outcomes.get("server", {}).get("server_id"),
        "state": view["state"],
        "error": view["error"],
        "addresses": addresses,
        "answers": outcomes.get("verify", {}).get("addresses", {}),
        "services": outcomes.get("verify", {}).get("services", {}),
        "downtime_s": round(up - down, 1) if up and down else None,
        "took_s": view["took_s"],
        **_warm_report(outcomes),
        "disks": (outcomes.get("final") or {}).get("disks")
        or [
            {
                "source": s["args"]["disk"],
                "size": s["args"]["size"],
                "moved": (s["outcome"] or {}).get("moved"),
                "seconds": (s["outcome"] or {}).get("seconds"),
                "sha256": (s["outcome"] or {}).get("sha256"),
                "target": (s["outcome"] or {}).get("target"),
            }
            for s in view["steps"]
            if s["verb"] in IMPORTS
        ],
    }


def _warm_report(outcomes: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    """What there is to say of a machine that was copied while it ran; nothing of others."""
    newest = next((outcomes[s] for s in ("final", "off", "warm") if outcomes.get(s)), {})
    rounds = newest.get("rounds") or newest.get("state", {}).get("rounds")
    if not rounds:
        return {}
    judged = next((outcomes[s] for s in ("off", "warm") if outcomes.get(s, {}).get("estimate")), {})
    return {
        "warm": {
            "rounds": rounds,
            "estimate": judged.get("estimate"),
            "fits": judged.get("fits"),
            "last_s": outcomes.get("final", {}).get("seconds"),
            "check": outcomes.get("final", {}).get("check"),
            "left": outcomes.get("forget", {}).get("left", ""),
        }
    }
