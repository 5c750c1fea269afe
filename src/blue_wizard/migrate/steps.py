"""The steps that move one machine: create the server, stop it, import its disks, start it. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import replace

from blue_wizard.jobs.model import Json, Risk, Step
from blue_wizard.migrate import local, site
from blue_wizard.migrate.machine import Firmware, Power
from blue_wizard.migrate.mapping import fitting_subnet, gib, new_flavor
from blue_wizard.migrate.warm.steps import after_warm, alone, warm_steps, without_risk
from blue_wizard.migrate.wave import DiskPlan, Hook, NicPlan, VmPlan, Wave
from blue_wizard.text import _

__all__ = ["IMPORTS", "around_export", "flavor_steps", "group_steps", "held_still", "vm_steps", "with_hooks"]

IMPORTS = frozenset({"rbd.disk.import", "local.disk.import"})
"""The verbs of the steps that write a disk into its target."""

_MOMENTS = ("before", "down", "after")
_ASSUMED_RATE = 100 << 20  # bytes per second, for the estimate of a copy


def vm_steps(
    wave: Wave, vm: VmPlan, found: site.Site, state: Power, *, prepare: str = "", exporting: bool = False
) -> tuple[Step, ...]:
    """The steps that move one machine (pure).

    `prepare` says what has to be changed at the source before it can be copied warm. `exporting`: the source has to make
    something of a disk before it can be read.
    """
    cloud = {"cloud": wave.cloud}
    origin = {"source": wave.source, "machine": vm.id}
    nics = vm.nics if vm.server else []
    steps = [_port_step(cloud, vm, i, nic, found) for i, nic in enumerate(nics)]
    chosen = found.flavor(vm.flavor) if vm.flavor else None
    is_local = vm.storage == "local"
    flavor: dict[str, Json] = {"flavor_id": chosen.id} if chosen else {"flavor_name": _new_flavor(vm)}
    disks: list[Json]
    if is_local:
        steps.append(_image_step(cloud, vm))
        disks = [{"bus": d.bus, "boot": d.boot, "gib": gib(d.size)} for d in vm.disks]
    else:
        steps += [_volume_step(cloud, vm, i, disk) for i, disk in enumerate(vm.disks)]
        disks = [{"step": f"volume.{i}", "bus": d.bus, "boot": d.boot} for i, d in enumerate(vm.disks)]
    if vm.server:
        size = chosen.name if chosen else _new_flavor(vm)
        steps += _server_steps(wave, vm, size, {**flavor, "disks": disks, **({"image": "image"} if is_local else {})})
    else:
        steps[0] = replace(steps[0], locks=(f"machine:{wave.source}/{vm.id}",))
    warm = vm.warm if state is Power.ON else None
    if warm:
        steps = without_risk(steps) + warm_steps(wave, vm, warm, prepare)
    elif state is Power.ON:
        steps.append(
            Step(
                "off",
                "source.power.off",
                {**origin, "timeout": vm.shutdown_timeout, **({"cut": True} if vm.power_off else {})},
                _("shut down {machine} at the source").format(machine=vm.at_source),
                _("its disks have to stand still"),
                Risk.HIGH,
                30,
                _("the service is down from here until the new server is up"),
            )
        )
    # What has to be made of a disk at the source takes room there.
    lanes = lanes_of([d.size for d in vm.disks], 1 if exporting else wave.disks_at_once)
    for i in range(len(vm.disks)) if not warm else ():
        moved = [replace(step, lane=lanes[i]) for step in _disk_steps(wave, vm, i, found)]
        steps += around_export(wave.source, vm.id, vm.disks[i].id, i, moved) if exporting else moved
    if vm.convert:
        args = {**cloud, "name": vm.name, "vcpus": vm.vcpus, "memory": vm.memory, "volumes": _boot_first(vm)}
        args |= alone(vm) | ({"hold": True} if vm.convert_failed == "hold" else {})
        title = _("put virtio drivers into the guest")
        steps.append(
            Step("convert", "guest.convert", args, title, _("it has none; a snapshot protects it"), Risk.LOW, 120)
        )
    if vm.keep_names and nics:
        steps.append(_names_step(cloud, vm))
    for i, _nic in enumerate(nics):
        title = _("attach card {number}").format(number=i + 1)
        steps.append(Step(f"attach.{i}", "nova.port.attach", {**cloud, "port": f"port.{i}"}, title, seconds=3))
    if vm.start and vm.server:
        steps.append(Step("start", "nova.server.start", cloud, _("start the server"), "", Risk.LOW, 5))
        args = {
            **cloud,
            "ports": [f"port.{i}" for i in range(len(vm.nics))],
            "timeout": vm.verify_timeout,
            "strict": vm.verify == "strict",
            **({"tcp_ports": list(vm.tcp_ports)} if vm.tcp_ports else {}),
        }
        title = _("see that it is up and answers")
        if vm.tcp_ports:
            title = _("see that it is up, answers, and serves TCP {ports}").format(
                ports=", ".join(map(str, vm.tcp_ports))
            )
        steps.append(Step("verify", "migrate.server.verify", args, title, "", Risk.NONE, 30))
    if warm:
        steps.append(after_warm(wave, vm, prepare))
    return tuple(steps)


def lanes_of(sizes: Sequence[int], at_once: int) -> list[str]:
    """The lane of each disk, so that the lanes end at about the same time (pure).

    The largest goes first, each into the lane that has the least (R. L. Graham, "Bounds on multiprocessing timing
    anomalies", 1969: at most 4/3 of the best).
    """
    if min(at_once, len(sizes)) < 2:
        return ["" for _size in sizes]
    load = dict.fromkeys((f"disks.{n}" for n in range(at_once)), 0)
    found = [""] * len(sizes)
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        found[i] = min(load, key=load.__getitem__)
        load[found[i]] += sizes[i]
    return found


def _boot_first(vm: VmPlan) -> list[Json]:
    """The steps that made its volumes."""
    return [f"volume.{i}" for i in sorted(range(len(vm.disks)), key=lambda i: not vm.disks[i].boot)]


def _names_step(cloud: Mapping[str, Json], vm: VmPlan) -> Step:
    cards: list[Json] = [
        {"port": f"port.{i}", "was": nic.source_mac, "name": nic.name or ""} for i, nic in enumerate(vm.nics)
    ]
    args: dict[str, Json] = {**cloud, "name": vm.name, "volumes": _boot_first(vm), "cards": cards}
    named = ", ".join(nic.name for nic in vm.nics if nic.name)
    title = (
        _("keep the names of its cards inside the guest: {names}").format(names=named)
        if named
        else _("look inside, and keep the names of its cards where it is proved which is which")
    )
    why = _("its network is configured by them; a snapshot protects the copy")
    return Step("names", "guest.names.keep", args, title, why, Risk.LOW, 30)


def _server_steps(wave: Wave, vm: VmPlan, size: str, more: Mapping[str, Json]) -> list[Step]:
    """Make the server on its blank disks, and stop it; `size` is the name of its flavor."""
    cloud: dict[str, Json] = {"cloud": wave.cloud}
    made = Step(
        "server",
        "nova.server.create",
        {
            **cloud,
            **more,
            "name": vm.name,
            "availability_zone": vm.availability_zone,
            **({"keypair": vm.keypair} if vm.keypair else {}),
            **_belongings(wave, vm),
        },
        _("create server {name} of {flavor}").format(name=vm.name, flavor=size),
        _("the same size, blank disks, no network yet"),
        Risk.LOW,
        20,
        locks=(f"server-name:{wave.cloud}/{vm.name}", f"machine:{wave.source}/{vm.id}"),
    )
    why = _("only we write to its disks")
    return [made, Step("stop", "nova.server.stop", cloud, _("stop the server"), why, seconds=5)]


def around_export(source: str, machine: str, disk: str, i: int, moved: Sequence[Step]) -> list[Step]:
    """The steps of a disk between those that make it readable at its source, and those that leave nothing there."""
    args: dict[str, Json] = {"source": source, "machine": machine, "disk": disk}
    why = _("a snapshot, and where Ceph is not reached an image of it; a rollback removes them too")
    title = _("make disk {disk} readable at the source").format(disk=disk)
    before = Step(f"export.{i}", "source.disk.export", args, title, why, Risk.LOW, 10)
    title = _("remove what was made of disk {disk} at the source").format(disk=disk)
    return [before, *moved, Step(f"release.{i}", "source.disk.release", args, title, seconds=5)]


def held_still(steps: Sequence[Step], machine: str) -> list[Step]:
    """The steps, in the words of a source that holds its machine still instead of switching it off (pure)."""
    title = _("stop the services of {machine}, and make its file systems read-only").format(machine=machine)
    why = _("a host that is off can't be read; it stays so until you switch it off, or roll back")
    return [replace(step, title=title, why=why) if step.id == "off" else step for step in steps]


def with_hooks(wave: Wave, vm: VmPlan, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps of a machine with the wave's own commands between them (pure)."""
    mine = [h for h in wave.hooks if fnmatch.fnmatch(vm.name, h.match)]
    made = {when: [_hook_step(wave, vm, i, h) for i, h in enumerate(mine) if h.when == when] for when in _MOMENTS}
    off = next((at for at, step in enumerate(steps, start=1) if step.id == "off"), 0)
    down = made["down"]
    # A machine that was off all the time is down from the beginning.
    return (*made["before"], *steps[:off], *down, *steps[off:], *made["after"])


def _hook_step(wave: Wave, vm: VmPlan, i: int, hook: Hook) -> Step:
    environment: dict[str, Json] = {
        "BW_WHEN": hook.when,
        "BW_SOURCE": wave.source,
        "BW_MACHINE": vm.id,
        "BW_NAME": vm.name,
        "BW_CLOUD": wave.cloud,
    }
    args: dict[str, Json] = {
        "command": list(hook.command),
        "undo": list(hook.undo),
        "timeout": hook.timeout,
        "environment": environment,
    }
    title = _("run the hook {command}").format(command=" ".join(hook.command))
    return Step(f"hook.{i}", "hook.run", args, title, _("the wave says so"), Risk.LOW, 5)


def _belongings(wave: Wave, vm: VmPlan) -> dict[str, Json]:
    """The group and the metadata of a server, where it has any."""
    group = next((g for g in wave.server_groups if g.name == vm.server_group), None)
    metadata: dict[str, Json] = {"metadata": dict(vm.metadata)} if vm.metadata else {}
    return {"server_group": {"name": group.name, "policy": group.policy}, **metadata} if group else metadata


def group_steps(wave: Wave) -> list[Step]:
    """The steps that make the server groups which machines of the wave join (pure)."""
    used = {vm.server_group for vm in wave.vms if vm.server}
    return [
        Step(
            f"group.{group.name}",
            "nova.server_group.create",
            {"cloud": wave.cloud, "name": group.name, "policy": group.policy},
            _("make server group {name} ({policy})").format(name=group.name, policy=group.policy),
            _("the source has such a rule; one that is there already is used"),
            Risk.LOW,
            1,
        )
        for group in wave.server_groups
        if group.name in used
    ]


def flavor_steps(wave: Wave, found: site.Site) -> list[Step]:
    """The steps that make the flavors which machines of the wave need and the cloud does not have (pure).

    Machines of one size share theirs, so it is made before all of them, and goes after all of them.
    """
    steps: dict[str, Step] = {}
    for vm in wave.vms:
        if not vm.server or (vm.flavor and found.flavor(vm.flavor)):
            continue
        name = _new_flavor(vm)
        args: dict[str, Json] = {"cloud": wave.cloud, "name": name, "vcpus": vm.vcpus, "ram": vm.memory}
        if vm.storage == "local":
            room = local.room_of(vm.disks)
            args |= {"disk": room.root, "ephemeral": room.ephemeral}
        title, why = _("make flavor {name}").format(name=name), _("none of the cloud's fits")
        steps[name] = Step(f"flavor.{name}", "nova.flavor.create", args, title, why, Risk.LOW, 1)
    return list(steps.values())


def _new_flavor(vm: VmPlan) -> str:
    return new_flavor(vm.vcpus, vm.memory, local.room_of(vm.disks) if vm.storage == "local" else None)


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
        "allowed_ips": [str(ip) for ip in nic.allowed_ips],
        "security_groups": [found.groups[g] for g in nic.security_groups]
        or [g for g in [found.groups.get("default")] if g],
    }
    kept = ", ".join(x for x in (nic.mac, address, *map(str, nic.allowed_ips)) if x)
    why = _("keeps {what}").format(what=kept) if kept else ""
    title = _("make a port in {network}").format(network=network.name)
    return Step(f"port.{i}", "neutron.port.create", args, title, why, Risk.LOW, 1)


def _volume_step(cloud: Mapping[str, Json], vm: VmPlan, i: int, disk: DiskPlan) -> Step:
    args: dict[str, Json] = {
        **cloud,
        "name": f"{vm.name}-{i}",
        "gib": gib(disk.size),
        "volume_type": disk.volume_type,
        "boot": disk.boot,
        "image_metadata": {**vm.properties, **_firmware(vm)} if disk.boot else {},
    }
    title = _("make a volume of {size} GiB for {disk}").format(size=gib(disk.size), disk=disk.id)
    return Step(f"volume.{i}", "cinder.volume.create", args, title, "", Risk.LOW, 3)


def _firmware(vm: VmPlan) -> dict[str, str]:
    """The image properties that say what starts the guest."""
    if vm.firmware is not Firmware.UEFI:
        return {}
    secure = {"os_secure_boot": "required"} if vm.secure_boot else {}
    return {"hw_firmware_type": "uefi", "hw_machine_type": "q35", **secure}


def _image_step(cloud: Mapping[str, Json], vm: VmPlan) -> Step:
    # Nova takes the bus of a local root disk from its image alone.
    bus = next(d.bus for d in vm.disks if d.boot)
    properties = {**vm.properties, "hw_disk_bus": bus, **_firmware(vm)}
    if bus == "scsi":
        properties["hw_scsi_model"] = "virtio-scsi"
    args: dict[str, Json] = {**cloud, "name": f"{vm.name}-blank", "properties": properties}
    why = _("Nova makes no local root disk without one; it stays as long as the server")
    return Step("image", "glance.image.create", args, _("make a blank image of 1 MiB"), why, Risk.LOW, 2)


def _disk_steps(wave: Wave, vm: VmPlan, i: int, found: site.Site) -> list[Step]:
    """Import one disk, through a staging file where the wave wants one."""
    disk = vm.disks[i]
    origin: dict[str, Json] = {"source": wave.source, "machine": vm.id, "disk": disk.id, "size": disk.size}
    seconds = max(2.0, 2 * disk.size / _ASSUMED_RATE)
    size = disk.size / (1 << 30)
    staged: dict[str, Json] = {"staged": f"stage.{i}"} if wave.staging else {}
    if vm.storage == "local":
        verb, place = "local.disk.import", _("the compute host")
        target: dict[str, Json] = {"file": local.files(vm.disks)[i], "gib": gib(disk.size)}
        target["gib"] = _root_gib(vm, found) if disk.boot else target["gib"]
    else:
        verb, place, target = "rbd.disk.import", found.pool, {"volume": f"volume.{i}"}
    title = _("import disk {disk} ({size:.1f} GiB) into {pool}").format(disk=disk.id, size=size, pool=place)
    rate: dict[str, Json] = {"max_rate": wave.max_rate or ""}
    # A staged disk is read from the staging file: its source has been spared already.
    args = {"cloud": wave.cloud, **origin, **target, **(staged or rate), **alone(vm)}
    made = Step(f"import.{i}", verb, args, title, _("copied, then read back and hashed"), Risk.LOW, seconds)
    if not wave.staging:
        return [made]
    title = _("copy disk {disk} ({size:.1f} GiB) into {folder}").format(disk=disk.id, size=size, folder=wave.staging)
    why = _("the first of two phases, read back and hashed")
    args = {**origin, **rate, "folder": wave.staging}
    before = Step(f"stage.{i}", "staging.disk.write", args, title, why, Risk.LOW, seconds)
    title = _("delete the staging file of {disk}").format(disk=disk.id)
    return [before, made, Step(f"unstage.{i}", "staging.disk.remove", staged, title, seconds=1)]


def _root_gib(vm: VmPlan, found: site.Site) -> int:
    """The size that Nova gives a local root disk: the flavor's."""
    flavor = found.flavor(vm.flavor) if vm.flavor else None
    return flavor.disk if flavor else local.room_of(vm.disks).root
