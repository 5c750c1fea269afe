"""The migration as a plan: for each machine, create the server, stop it, import its disks, start it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blue_wizard.errors import BlueWizardError, InputError
from blue_wizard.jobs.actions import planner, reporter
from blue_wizard.jobs.model import Invariant, Json, Plan, Risk, Step
from blue_wizard.migrate import preconditions, site
from blue_wizard.migrate.invariant import SOURCE_OFF
from blue_wizard.migrate.machine import Firmware, Power
from blue_wizard.migrate.mapping import fitting_subnet, gib, new_flavor
from blue_wizard.migrate.preconditions import Finding
from blue_wizard.migrate.sources import PowerControl, Source, open_source
from blue_wizard.migrate.targets import disks, flavors, guest, ports, power, servers, verify, volumes
from blue_wizard.migrate.targets.common import ceph_access
from blue_wizard.migrate.wave import DiskPlan, NicPlan, VmPlan, Wave
from blue_wizard.reach import openstack
from blue_wizard.text import _

__all__ = ["OPERATION", "actions", "compile_waves", "plan_again", "vm_steps"]

OPERATION = "migrate.wave"
VM_OPERATION = "migrate.vm"
actions = (disks, flavors, guest, ports, power, servers, verify, volumes)
"""The modules that register the actions of a migration."""

_ASSUMED_RATE = 100 << 20  # bytes per second, for the estimate of a copy


def compile_waves(waves: Sequence[Wave]) -> Plan:
    """The plan of all waves together. Reads only.

    Raises InputError or Refused with everything that does not hold, before anything is made.
    """
    findings: list[Finding] = []
    children: list[Plan] = []
    for wave in waves:
        cloud = openstack.connect(wave.cloud)
        found = site.read(cloud, ceph_access(wave.cloud))
        source = open_source(wave.source)
        findings += preconditions.check(wave, found)
        findings += _source_findings(wave, source)
        preconditions.judge(findings)
        children += [
            Plan(
                title=vm.name,
                operation=VM_OPERATION,
                params={"source": wave.source, "machine": vm.id},
                steps=vm_steps(wave, vm, found, power),
                target=source.target,
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
        children=tuple(children),
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


def _source_findings(wave: Wave, source: Source) -> list[Finding]:
    """Is the source as the wave says, whole, and does it allow what is going to be done to it?"""
    machines = {m.id: m for m in source.discover()}
    found = []
    for vm in wave.vms:
        machine = machines.get(vm.id)
        if machine is None:
            found.append(Finding(_("{vm}: the source has no {id}").format(vm=vm.name, id=vm.id), False, "", True))
            continue
        title = _("{vm}: it can be moved").format(vm=vm.name)
        found += [Finding(title, False, reason) for reason in machine.blockers]
        sizes = {d.id: d.size for d in machine.disks}
        for disk in vm.disks:
            if sizes.get(disk.id) != disk.size:
                title = _("{vm}: disk {disk} is as planned").format(vm=vm.name, disk=disk.id)
                detail = _("{planned} bytes in the wave, {now} at the source").format(
                    planned=disk.size, now=sizes.get(disk.id, 0)
                )
                found.append(Finding(title, False, detail, True))
        if machine.power is Power.ON and not vm.shutdown:
            title = _("{vm}: its shutdown is allowed").format(vm=vm.name)
            found.append(Finding(title, False, _("it runs; say shutdown: true in the wave, or plan with --shutdown")))
        checker = getattr(source, "check", None)
        if checker is not None:
            try:
                checker(vm.id, lambda: None)
            except BlueWizardError as e:
                found.append(Finding(vm.name, False, e.message, True))
    return found or [Finding(_("the source is whole, and as planned"), True)]


def vm_steps(wave: Wave, vm: VmPlan, found: site.Site, state: Power) -> tuple[Step, ...]:
    """The steps that move one machine (pure)."""
    cloud = {"cloud": wave.cloud}
    origin = {"source": wave.source, "machine": vm.id}
    steps = [_port_step(cloud, vm, i, nic, found) for i, nic in enumerate(vm.nics)]
    flavor: dict[str, Json]
    chosen = found.flavor(vm.flavor) if vm.flavor else None
    if chosen is None:
        name = new_flavor(vm.vcpus, vm.memory)
        args = {**cloud, "name": name, "vcpus": vm.vcpus, "ram": vm.memory}
        title = _("make flavor {name}").format(name=name)
        steps.append(Step("flavor", "nova.flavor.create", args, title, _("none of the cloud's fits"), Risk.LOW, 1))
        flavor = {"flavor_step": "flavor"}
    else:
        flavor = {"flavor_id": chosen.id}
    steps += [_volume_step(cloud, vm, i, disk) for i, disk in enumerate(vm.disks)]
    steps.append(
        Step(
            "server",
            "nova.server.create",
            {
                **cloud,
                **flavor,
                "name": vm.name,
                "availability_zone": vm.availability_zone,
                "disks": [{"step": f"volume.{i}", "bus": d.bus, "boot": d.boot} for i, d in enumerate(vm.disks)],
            },
            _("create server {name} of {flavor}").format(
                name=vm.name, flavor=chosen.name if chosen else new_flavor(vm.vcpus, vm.memory)
            ),
            _("the same size, blank disks, no network yet"),
            Risk.LOW,
            20,
            locks=(f"server-name:{wave.cloud}/{vm.name}", f"machine:{wave.source}/{vm.id}"),
        )
    )
    steps.append(
        Step("stop", "nova.server.stop", cloud, _("stop the server"), _("only we write to its disks"), seconds=5)
    )
    if state is Power.ON:
        steps.append(
            Step(
                "off",
                "source.power.off",
                {**origin, "timeout": vm.shutdown_timeout},
                _("shut down {machine} at the source").format(machine=vm.id),
                _("its disks have to stand still"),
                Risk.HIGH,
                30,
                _("the service is down from here until the new server is up"),
            )
        )
    steps += [
        Step(
            f"import.{i}",
            "rbd.disk.import",
            {**cloud, **origin, "disk": d.id, "size": d.size, "volume": f"volume.{i}"},
            _("import disk {disk} ({size:.1f} GiB) into {pool}").format(
                disk=d.id, size=d.size / (1 << 30), pool=found.pool
            ),
            _("copied, then hashed on both sides"),
            Risk.LOW,
            max(2.0, 2 * d.size / _ASSUMED_RATE),
        )
        for i, d in enumerate(vm.disks)
    ]
    if vm.convert:
        every = [f"volume.{i}" for i in sorted(range(len(vm.disks)), key=lambda i: not vm.disks[i].boot)]
        args = {**cloud, "name": vm.name, "vcpus": vm.vcpus, "memory": vm.memory, "volumes": every}
        title = _("put virtio drivers into the guest")
        steps.append(
            Step("convert", "guest.convert", args, title, _("it has none; a snapshot protects it"), Risk.LOW, 120)
        )
    for i, _nic in enumerate(vm.nics):
        title = _("attach card {number}").format(number=i + 1)
        steps.append(Step(f"attach.{i}", "nova.port.attach", {**cloud, "port": f"port.{i}"}, title, seconds=3))
    if vm.start:
        steps.append(Step("start", "nova.server.start", cloud, _("start the server"), "", Risk.LOW, 5))
        args = {
            **cloud,
            "ports": [f"port.{i}" for i in range(len(vm.nics))],
            "timeout": vm.verify_timeout,
            "strict": vm.verify == "strict",
        }
        title = _("see that it is up and answers")
        steps.append(Step("verify", "migrate.server.verify", args, title, "", Risk.NONE, 30))
    return tuple(steps)


def _port_step(cloud: Mapping[str, Json], vm: VmPlan, i: int, nic: NicPlan, found: site.Site) -> Step:
    network = found.network(nic.network or "")
    assert network is not None, "preconditions let an unknown network through"
    address = str(nic.fixed_ip) if nic.fixed_ip else None
    subnet = fitting_subnet(network.subnets, address) if address else None
    args: dict[str, Json] = {
        **cloud,
        "name": f"{vm.name}-{i}",
        "network_id": network.id,
        "mac": nic.mac,
        "fixed_ip": address,
        "subnet_id": subnet.id if subnet else None,
        "security_groups": [found.groups[g] for g in nic.security_groups]
        or [g for g in [found.groups.get("default")] if g],
    }
    kept = ", ".join(x for x in (nic.mac, address) if x)
    why = _("keeps {what}").format(what=kept) if kept else ""
    title = _("make a port in {network}").format(network=network.name)
    return Step(f"port.{i}", "neutron.port.create", args, title, why, Risk.LOW, 1)


def _volume_step(cloud: Mapping[str, Json], vm: VmPlan, i: int, disk: DiskPlan) -> Step:
    metadata: dict[str, str] = {}
    if disk.boot and vm.firmware is Firmware.UEFI:
        metadata = {"hw_firmware_type": "uefi", "hw_machine_type": "q35"}
        if vm.secure_boot:
            metadata["os_secure_boot"] = "required"
    args: dict[str, Json] = {
        **cloud,
        "name": f"{vm.name}-{i}",
        "gib": gib(disk.size),
        "volume_type": disk.volume_type,
        "boot": disk.boot,
        "image_metadata": metadata,
    }
    title = _("make a volume of {size} GiB for {disk}").format(size=gib(disk.size), disk=disk.id)
    return Step(f"volume.{i}", "cinder.volume.create", args, title, "", Risk.LOW, 3)


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
        "downtime_s": round(up - down, 1) if up and down else None,
        "took_s": view["took_s"],
        "disks": [
            {
                "source": s["args"]["disk"],
                "size": s["args"]["size"],
                "moved": (s["outcome"] or {}).get("moved"),
                "seconds": (s["outcome"] or {}).get("seconds"),
                "sha256": (s["outcome"] or {}).get("sha256"),
                "target": (s["outcome"] or {}).get("target"),
            }
            for s in view["steps"]
            if s["verb"] == "rbd.disk.import"
        ],
    }
