"""The migration as a plan: for each machine, create the server, stop it, import its disks, start it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from blue_wizard import config
from blue_wizard.errors import BlueWizardError, InputError
from blue_wizard.jobs.actions import planner, reporter
from blue_wizard.jobs.model import Invariant, Json, Plan, Step
from blue_wizard.migrate import guest_look, preconditions, site
from blue_wizard.migrate.invariant import SOURCE_OFF
from blue_wizard.migrate.local import candidates
from blue_wizard.migrate.machine import Machine, Power
from blue_wizard.migrate.preconditions import Finding
from blue_wizard.migrate.project import operation as project
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
from blue_wizard.migrate.warm.protocol import PowerCut, Terms, WarmReading
from blue_wizard.migrate.wave import VmPlan, Wave
from blue_wizard.reach import openstack
from blue_wizard.text import _

__all__ = ["OPERATION", "actions", "compile_waves", "plan_again", "staging_findings", "warm_remarks"]

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


def compile_waves(waves: Sequence[Wave]) -> Plan:
    """The plan of all waves together. Reads only.

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
        findings += _source_findings(wave, source, machines)
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
                            prepare=_terms(source, vm).prepare if vm.warm else "",
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


def _terms(source: Source, vm: VmPlan) -> Terms:
    """On what terms it is copied warm; what keeps it from that is among them."""
    if isinstance(source, WarmReading):
        return source.warm_terms(vm.id)
    return Terms((_("this source is only read while its machines are off"),))


def _warm_findings(wave: Wave, vm: VmPlan, source: Source) -> list[Finding]:
    """Can it be copied while it runs, into what the wave names?"""
    title = _("{vm}: it can be copied while it runs").format(vm=vm.name)
    terms = _terms(source, vm)
    found = [Finding(title, False, reason) for reason in terms.blockers]
    if vm.storage != "rbd":
        found.append(Finding(title, False, _("only into storage: rbd yet"), True))
    if wave.staging:
        found.append(Finding(title, False, _("not through a staging folder: leave staging out of the wave"), True))
    return found or [Finding(title, True, "; ".join(terms.notes))]


def warm_remarks(wave: Wave, source: Source) -> list[str]:
    """What a person should know of machines that are copied while they run: what is changed for it, what makes it slow."""
    terms = [(vm.name, _terms(source, vm)) for vm in wave.vms if vm.warm]
    return [f"{name}: {text}" for name, t in terms for text in (*t.blockers, *filter(None, [t.prepare]), *t.notes)]


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


def _source_findings(wave: Wave, source: Source, machines: Mapping[str, Machine]) -> list[Finding]:
    """Is the source as the wave says, whole, and does it allow what is going to be done to it?"""
    found = []
    for vm in wave.vms:
        machine = machines.get(vm.id)
        if machine is None:
            found.append(Finding(_("{vm}: the source has no {id}").format(vm=vm.name, id=vm.id), False, "", True))
            continue
        title = _("{vm}: it can be moved").format(vm=vm.name)
        found += [Finding(title, False, reason) for reason in machine.blockers]
        found += _disk_findings(vm, machine)
        if vm.convert:
            title = _("{vm}: it can be converted").format(vm=vm.name)
            found += [Finding(title, False, reason) for reason in guest_look.look(source, machine).unconvertible]
        if machine.power is Power.ON and not vm.shutdown:
            title = _("{vm}: its shutdown is allowed").format(vm=vm.name)
            found.append(Finding(title, False, _("it runs; say shutdown: true in the wave, or plan with --shutdown")))
        deaf = getattr(source, "deaf", None)
        if deaf is not None and machine.power is Power.ON and not vm.power_off and (reason := deaf(vm.id)):
            found.append(Finding(_("{vm}: it can be shut down").format(vm=vm.name), False, reason, True))
        if vm.power_off and not isinstance(source, PowerCut):
            title = _("{vm}: it can be switched off").format(vm=vm.name)
            found.append(Finding(title, False, _("this source only asks the guest"), True))
        if vm.warm and machine.power is Power.ON:
            found += _warm_findings(wave, vm, source)
        ways = getattr(source, "ways", None)
        if ways is not None and not machine.blockers:
            title = _("{vm}: how its disks are read").format(vm=vm.name)
            try:
                found.append(Finding(title, True, "; ".join(ways(vm.id))))
            except BlueWizardError as e:
                found.append(Finding(title, False, e.message, True))
        checker = getattr(source, "check", None)
        if checker is not None:
            try:
                checker(vm.id, lambda: None)
            except BlueWizardError as e:
                found.append(Finding(vm.name, False, e.message, True))
    return (
        found if any(not f.holds for f in found) else [Finding(_("the source is whole, and as planned"), True), *found]
    )


def _disk_findings(vm: VmPlan, machine: Machine) -> Iterator[Finding]:
    """The disks of the wave that are not what the machine has, and those of the machine that are not in the wave (pure)."""
    now = {d.id: d for d in machine.disks}
    called = {d.named: d for d in machine.disks if d.named}
    for disk in vm.disks:
        if disk.id in now and now[disk.id].size == disk.size:
            continue
        if disk.id in now:
            text = _("{planned} bytes in the wave, {now} at the source")
            detail = text.format(planned=disk.size, now=now[disk.id].size)
        elif disk.id in called:
            text = _(
                "the wave has nothing but a name that may be another disk's by now, {id} at the moment; make the wave again"
            )
            detail = text.format(id=called[disk.id].id)
        else:
            detail = _("the source has no such disk, but {disks}").format(disks=", ".join(now) or "-")
        yield Finding(_("{vm}: disk {disk} is as planned").format(vm=vm.name, disk=disk.id), False, detail, True)
    left = now.keys() - {d.id for d in vm.disks}
    if left:
        # The wave may mean it; a disk that came after the wave was written would stay behind unseen.
        title = _("{vm}: disks of the source that stay there").format(vm=vm.name)
        yield Finding(title, True, _("not in the wave: {disks}").format(disks=", ".join(sorted(left))))


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
