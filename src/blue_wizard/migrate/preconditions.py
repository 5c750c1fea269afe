"""What has to hold before anything is made. Pure: judges a wave against what the cloud has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from blue_wizard.errors import InputError, Refused
from blue_wizard.jobs.model import Precondition
from blue_wizard.migrate.local import candidates, room_of
from blue_wizard.migrate.mapping import Flavor, fitting_subnet, gib
from blue_wizard.migrate.site import Site
from blue_wizard.migrate.wave import NicPlan, VmPlan, Wave
from blue_wizard.text import _

__all__ = ["Finding", "check", "judge"]


@dataclass(frozen=True)
class Finding:
    """One precondition. `input_error` says that the wave is wrong, not the cloud's state."""

    title: str
    holds: bool
    detail: str = ""
    input_error: bool = False

    def as_precondition(self) -> Precondition:
        """The form that stands in a plan."""
        return Precondition(self.title, self.holds, self.detail)


def check(wave: Wave, site: Site) -> list[Finding]:
    """All preconditions of a wave that the cloud's state decides."""
    found = [f for vm in wave.vms for f in _names(vm, site)]
    bad = [f for f in found if not f.holds]
    found = bad if bad else [Finding(_("networks, flavors, groups and zones exist"), True)]
    found += _quota(wave, site)
    if any(vm.storage == "rbd" for vm in wave.vms):
        found.append(_space(wave, site))
    return [*found, *_local_space(wave, site)]


def judge(findings: Sequence[Finding]) -> None:
    """Raise InputError or Refused with everything that does not hold; bad input comes first."""
    bad = [f for f in findings if not f.holds]
    if not bad:
        return
    wrong = [f for f in bad if f.input_error]
    lines = "".join(f"\n  - {f.title}: {f.detail}" if f.detail else f"\n  - {f.title}" for f in wrong or bad)
    if wrong:
        raise InputError(
            _("The wave can't be run:{problems}").format(problems=lines),
            _("Nothing was made. Correct the wave file."),
        )
    raise Refused(_("The wave is refused:{problems}").format(problems=lines), _("Nothing was made."))


def _names(vm: VmPlan, site: Site) -> Iterator[Finding]:
    def unknown(what: str, name: str) -> Finding:
        return Finding(
            _("{vm}: {what} {name} is not there").format(vm=vm.name, what=what, name=repr(name)), False, "", True
        )

    if vm.server:
        yield from _server(vm, site, unknown)
    elif vm.storage != "rbd":
        title = _("{vm}: its disks have a place without a server").format(vm=vm.name)
        yield Finding(title, False, _("only in storage: rbd"), True)
    for disk in vm.disks:
        if disk.volume_type and disk.volume_type not in site.volume_types:
            yield unknown(_("volume type"), disk.volume_type)


def _server(vm: VmPlan, site: Site, unknown: Callable[[str, str], Finding]) -> Iterator[Finding]:
    yield Finding(
        _("{vm}: the name is free").format(vm=vm.name),
        vm.name not in site.servers,
        "" if vm.name not in site.servers else _("a server of this name exists in the project"),
    )
    flavor = site.flavor(vm.flavor) if vm.flavor else None
    if vm.flavor and flavor is None:
        yield unknown(_("flavor"), vm.flavor)
    if vm.storage == "local":
        yield from _local(vm, flavor)
    if vm.availability_zone and vm.availability_zone not in site.zones:
        yield unknown(_("availability zone"), vm.availability_zone)
    if vm.keypair and vm.keypair not in site.keys:
        yield unknown(_("keypair"), vm.keypair)
    names = [nic.name for nic in vm.nics if nic.name]
    if len(set(names)) != len(names):
        title = _("{vm}: each of its cards has a name of its own").format(vm=vm.name)
        yield Finding(title, False, _("in the wave: {names}").format(names=", ".join(names)), True)
    for nic in vm.nics:
        yield from _nic(vm, nic, site, unknown)


def _local(vm: VmPlan, flavor: Flavor | None) -> Iterator[Finding]:
    room = room_of(vm.disks)
    if flavor and not room.fits(flavor):
        text = _("{vm}: flavor {flavor} is made for these local disks").format(vm=vm.name, flavor=flavor.name)
        detail = _("needed are {root} GiB of disk, {ephemeral} GiB of ephemeral disk and no swap")
        yield Finding(text, False, detail.format(root=room.root, ephemeral=room.ephemeral), True)
    if vm.convert:
        text = _("{vm}: it goes without a conversion").format(vm=vm.name)
        yield Finding(text, False, _("only disks in storage: rbd are converted yet"), True)
    if vm.keep_names:
        text = _("{vm}: it goes without keep_names").format(vm=vm.name)
        yield Finding(text, False, _("names of cards are kept only in storage: rbd yet"), True)


def _nic(vm: VmPlan, nic: NicPlan, site: Site, unknown: Callable[[str, str], Finding]) -> Iterator[Finding]:
    for group in nic.security_groups:
        if group not in site.groups:
            yield unknown(_("security group"), group)
    if nic.network is None:
        text = _("{vm}: no network stands for {source}").format(vm=vm.name, source=repr(nic.source_network))
        yield Finding(text, False, _("name it in the wave or in --map"), True)
        return
    network = site.network(nic.network)
    if network is None:
        yield unknown(_("network"), nic.network)
        return
    taken = site.addresses.get(network.id, frozenset())
    if nic.mac and nic.mac in taken:
        yield Finding(_("{vm}: MAC address {mac} is free").format(vm=vm.name, mac=nic.mac), False, _("a port has it"))
    if nic.fixed_ip:
        address = str(nic.fixed_ip)
        if fitting_subnet(network.subnets, address) is None:
            text = _("{vm}: network {network} has no subnet with {address}")
            yield Finding(text.format(vm=vm.name, network=network.name, address=address), False, "", True)
        elif address in taken:
            yield Finding(
                _("{vm}: address {address} is free").format(vm=vm.name, address=address), False, _("a port has it")
            )
    # Another port may have such an address too: a VIP is shared on purpose.
    for other in map(str, nic.allowed_ips):
        if fitting_subnet(network.subnets, other) is None:
            text = _("{vm}: network {network} has no subnet with {address}")
            yield Finding(text.format(vm=vm.name, network=network.name, address=other), False, "", True)


def _quota(wave: Wave, site: Site) -> Iterator[Finding]:
    servers = [vm for vm in wave.vms if vm.server]
    needed = {
        "instances": len(servers),
        "cores": sum(_size(vm, site)[0] for vm in servers),
        "ram": sum(_size(vm, site)[1] for vm in servers),
        "volumes": sum(len(vm.disks) for vm in _in_rbd(wave)),
        "gigabytes": sum(gib(d.size) for vm in _in_rbd(wave) for d in vm.disks),
        "ports": sum(len(vm.nics) for vm in servers),
    }
    for quota in site.quotas:
        need = needed.get(quota.name, 0)
        free = _("no limit") if quota.free is None else str(quota.free)
        yield Finding(
            _("quota of {name}").format(name=quota.name),
            quota.free is None or need <= quota.free,
            _("{need} needed, {free} free").format(need=need, free=free),
        )


def _in_rbd(wave: Wave) -> list[VmPlan]:
    return [vm for vm in wave.vms if vm.storage == "rbd"]


def _local_space(wave: Wave, site: Site) -> Iterator[Finding]:
    """Each server has to find a host with room for all of its disks, and all of them together have to fit."""
    local = [vm for vm in wave.vms if vm.storage == "local"]
    if not local:
        return
    if site.computes is None:
        title = _("the compute hosts are known")
        yield Finding(title, False, _("only administrators are told: use an administrator's entry in clouds.yaml"))
        return
    for vm in local:
        most = max((c.free for c in candidates(site.computes, vm.availability_zone)), default=0)
        need = _local_need(vm, site)
        if need > most:
            title = _("{vm}: a compute host has room for its disks").format(vm=vm.name)
            text = _("{need} GiB needed, at most {free} GiB are free on one host")
            yield Finding(title, False, text.format(need=need, free=most))
    need, free = sum(_local_need(vm, site) for vm in local), sum(c.free for c in site.computes)
    yield Finding(
        _("space on the compute hosts"),
        need <= free,
        _("{need} GiB in the worst case, {free} GiB available").format(need=need, free=free),
    )


def _local_need(vm: VmPlan, site: Site) -> int:
    flavor = site.flavor(vm.flavor) if vm.flavor else None
    return flavor.disk + flavor.ephemeral if flavor else room_of(vm.disks).total


def _size(vm: VmPlan, site: Site) -> tuple[int, int]:
    flavor = site.flavor(vm.flavor) if vm.flavor else None
    return (flavor.vcpus, flavor.ram) if flavor else (vm.vcpus, vm.memory)


def _space(wave: Wave, site: Site) -> Finding:
    # The worst case: every disk full. A cluster that fills up while we write stops all of its clients. What a volume is larger
    # than its disk, by Cinder's whole GiB, is not written by us.
    need = sum(d.size for vm in _in_rbd(wave) for d in vm.disks)
    return Finding(
        _("space in pool {pool}").format(pool=site.pool),
        need <= site.pool_free,
        _("{need} GiB in the worst case, {free} GiB available").format(need=gib(need), free=site.pool_free >> 30),
    )
