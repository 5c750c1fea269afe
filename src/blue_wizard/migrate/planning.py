"""From machines to a wave: what stands for what, before a person edits it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from blue_wizard.errors import InputError
from blue_wizard.migrate.card_plan import Names, with_names
from blue_wizard.migrate.convert import Guest
from blue_wizard.migrate.local import room_of
from blue_wizard.migrate.machine import Machine, Nic, Power
from blue_wizard.migrate.mapping import Flavor, MapFile, best_flavor, network_for
from blue_wizard.migrate.metadata import keyed
from blue_wizard.migrate.site import Site
from blue_wizard.migrate.wave import DiskPlan, GroupPlan, NicPlan, Storage, VmPlan, Warm, Wave
from blue_wizard.text import _

__all__ = ["Wishes", "is_looked_into", "make_wave"]

Convert = Literal["auto", "always", "never"]
_BUSES: dict[str, Literal["virtio", "scsi", "sata", "ide"]] = {"ide": "ide", "sata": "sata", "scsi": "scsi"}


class Wishes:
    """What the options of `migrate plan` say."""

    def __init__(
        self,
        *,
        mapped: MapFile,
        keep_mac: bool = False,
        keep_ip: bool = False,
        shutdown: bool = False,
        convert: Convert = "auto",
        max_rate: str | None = None,
        storage: Storage = "rbd",
        staging: str | None = None,
        warm: Warm | None = None,
        power_off: bool = False,
        keep_names: Names = "auto",
        disks_at_once: int = 1,
    ) -> None:
        self.mapped = mapped
        self.keep_mac = keep_mac
        self.keep_ip = keep_ip
        self.shutdown = shutdown
        self.convert = convert
        self.max_rate = max_rate
        self.storage = storage
        self.staging = staging
        self.warm = warm
        self.power_off = power_off
        self.keep_names = keep_names
        self.disks_at_once = disks_at_once


def make_wave(
    source: str,
    machines: Sequence[Machine],
    site: Site,
    wishes: Wishes,
    look_inside: Callable[[Machine], Guest],
) -> tuple[Wave, list[str]]:
    """The wave, and what a person should know of it. `look_inside` is asked only where it decides something.

    Machines that can't be moved are left out, and the remarks say why. Raises InputError when nothing is left.
    """
    remarks: list[str] = []
    vms = []
    taken: set[str] = set()
    for machine in machines:
        if machine.blockers:
            text = _("{name} is left out, it can't be moved: {reasons}")
            remarks.append(text.format(name=machine.name, reasons="; ".join(machine.blockers)))
            continue
        convert, remark, seen = _needs_conversion(machine, wishes, look_inside)
        if convert and machine.unconvertible:
            text = _("{name} is left out, it can't be converted: {reasons}")
            remarks.append(text.format(name=machine.name, reasons="; ".join(machine.unconvertible)))
            continue
        remarks += [f"{machine.name}: {r}" for r in (*machine.warnings, *remark)]
        if machine.power is Power.ON and not wishes.shutdown:
            remarks.append(
                _("{name} runs: the wave is refused until its shutdown is allowed.").format(name=machine.name)
            )
        if wishes.warm and machine.power is not Power.ON:
            remarks.append(_("{name} does not run: it is copied as it is.").format(name=machine.name))
        vm = _vm(machine, site, wishes, convert, remarks)
        if vm.name in taken:
            # Sources allow one name in several folders; the id is what tells such twins apart.
            vm = vm.model_copy(update={"name": f"{vm.name}-{machine.id}"})
            text = _("Several machines are called {name}: one of the servers will be {new}.")
            remarks.append(text.format(name=machine.name, new=vm.name))
        taken.add(vm.name)
        vms.append(with_names(vm, machine, seen, wishes.keep_names, remarks))
    left = {vm.id for vm in vms}
    if not vms:
        raise InputError(
            _("None of these machines can be moved:{problems}").format(problems="".join(f"\n  - {r}" for r in remarks))
        )
    wave = Wave(
        source=source,
        cloud=site.cloud,
        max_rate=wishes.max_rate,
        staging=wishes.staging,
        disks_at_once=wishes.disks_at_once,
        server_groups=_server_groups([m for m in machines if m.id in left], remarks),
        vms=vms,
    )
    return wave, remarks


def _server_groups(machines: Sequence[Machine], remarks: list[str]) -> list[GroupPlan]:
    """The server groups that stand for rules of the source."""
    found: dict[str, GroupPlan] = {}
    for machine in machines:
        for rule in machine.rules[:1]:
            policy: Literal["soft-anti-affinity", "soft-affinity"] = (
                "soft-anti-affinity" if rule.apart else "soft-affinity"
            )
            found.setdefault(rule.name, GroupPlan(name=rule.name, policy=policy))
        for rule in machine.rules[1:]:
            text = _("{name}: a server is in one server group at most, so the rule {rule} is left out.")
            remarks.append(text.format(name=machine.name, rule=rule.name))
    return list(found.values())


def _tag(tag: str) -> tuple[str, str]:
    category, _slash, name = tag.partition("/")
    return category, name


def _vm(machine: Machine, site: Site, wishes: Wishes, convert: bool, remarks: list[str]) -> VmPlan:
    mapped = wishes.mapped
    # Without a conversion, a guest that has no virtio drivers stays on the bus that it knows.
    emulated = not convert and (wishes.convert == "never" or bool(machine.flavor))
    disks = [
        DiskPlan(
            id=d.id,
            size=d.size,
            boot=d.boot,
            bus=_BUSES.get(d.bus, "virtio") if emulated else "virtio",
            volume_type=mapped.volume_types.get(d.store, mapped.volume_type) if wishes.storage == "rbd" else None,
        )
        for d in machine.disks
    ]
    chosen = mapped.flavors.get(machine.name) or mapped.flavors.get(machine.flavor)
    same = site.flavor(machine.flavor) if machine.flavor and chosen is None else None
    # Of the same name, but not of the same size, is another flavor.
    if same and (same.vcpus, same.ram) == (machine.vcpus, machine.memory) and _holds(same, disks, wishes):
        chosen = same.name
    if chosen is None:
        room = room_of(disks) if wishes.storage == "local" else None
        fitting = best_flavor(site.flavors, machine.vcpus, machine.memory, room)
        chosen = fitting.name if fitting else None
    return VmPlan(
        id=machine.id,
        name=mapped.names.format(name=machine.name),
        vcpus=machine.vcpus,
        memory=machine.memory,
        flavor=chosen,
        firmware=machine.firmware,
        secure_boot=machine.secure_boot,
        storage=wishes.storage,
        disks=disks,
        nics=[_nic(machine, n, site, wishes, remarks) for n in machine.nics],
        availability_zone=mapped.availability_zone,
        keypair=_key(machine, site, remarks),
        server_group=machine.rules[0].name if machine.rules else None,
        metadata={**machine.metadata, **keyed("tag", (_tag(t) for t in machine.tags))},
        properties=dict(machine.properties),
        convert=convert,
        shutdown=wishes.shutdown and machine.power is not Power.UNKNOWN,
        power_off=wishes.power_off and machine.power is not Power.UNKNOWN,
        warm=wishes.warm if machine.power is Power.ON else None,
    )


def _holds(flavor: Flavor, disks: Sequence[DiskPlan], wishes: Wishes) -> bool:
    return wishes.storage != "local" or room_of(disks).fits(flavor)


def _key(machine: Machine, site: Site, remarks: list[str]) -> str | None:
    if not machine.key:
        return None
    if machine.key not in site.keys:
        text = _("{name}: the user of the cloud has no keypair {key}; the server names none.")
        remarks.append(text.format(name=machine.name, key=machine.key))
        return None
    return machine.key


def _security_groups(machine: Machine, nic: Nic, site: Site, wishes: Wishes, remarks: list[str]) -> list[str]:
    """The groups of a card: those of the source where it has them, else the ones that were wished for."""
    if nic.groups is None or wishes.mapped.security_groups:
        return list(wishes.mapped.security_groups)
    found = [wishes.mapped.groups.get(g, g) for g in nic.groups]
    for group in found:
        if group not in site.groups:
            text = _("{name}: the project has no security group {group}; copy it with: blue-wizard migrate project")
            remarks.append(text.format(name=machine.name, group=repr(group)))
    return found


def _nic(machine: Machine, nic: Nic, site: Site, wishes: Wishes, remarks: list[str]) -> NicPlan:
    names = {n.name: n for n in site.networks}
    network = network_for(nic.network, wishes.mapped, names)
    if network is None:
        text = _("{name}: no network stands for {network}; fill it in.")
        remarks.append(text.format(name=machine.name, network=repr(nic.network)))
    address, *others = nic.addresses if nic.addresses and wishes.keep_ip else (None,)
    if wishes.keep_ip and not nic.addresses:
        remarks.append(_("{name}: the address of card {mac} is not known, so none is kept.").format(
            name=machine.name, mac=nic.mac or "?"
        ))  # fmt: skip
    if len(nic.addresses) > 1:
        text = (
            _("{name}: card {mac} has several addresses ({all}): the first is its port's, the others are let pass.")
            if wishes.keep_ip
            else _("{name}: card {mac} has several addresses ({all}); none is kept without --keep-ip.")
        )
        remarks.append(text.format(name=machine.name, mac=nic.mac, all=", ".join(nic.addresses)))
    return NicPlan(
        network=network,
        mac=(nic.mac or None) if wishes.keep_mac else None,
        fixed_ip=address,  # type: ignore[arg-type]
        allowed_ips=[*others, *(nic.shared if wishes.keep_ip else ())],  # type: ignore[list-item]
        security_groups=_security_groups(machine, nic, site, wishes, remarks),
        source_mac=nic.mac,
        source_network=nic.network,
    )


def is_looked_into(machine: Machine, wishes: Wishes) -> bool:
    """Whether what is inside the machine decides something."""
    if machine.blockers or wishes.convert != "auto":
        return False
    boot = next((d for d in machine.disks if d.boot), machine.disks[0])
    # What ran on another OpenStack keeps the virtual hardware that it knows.
    return not (boot.bus == "virtio" or machine.flavor)


def _needs_conversion(
    machine: Machine, wishes: Wishes, look_inside: Callable[[Machine], Guest]
) -> tuple[bool, list[str], Guest | None]:
    """Whether it is converted, what a person should know of that, and what was seen inside, where somebody looked."""
    if not is_looked_into(machine, wishes):
        return wishes.convert == "always", [], None
    guest = look_inside(machine)
    remarks = list(guest.warnings)
    if guest.virtio is False:
        remarks.append(_("{os} has no virtio drivers: it is converted.").format(os=guest.system))
    return guest.virtio is False, remarks, guest
