"""The stand-alone KVM host's networks and guests: `shop` (Debian, running), `tiny1` (stopped), `tiny2` (running), and `diary`
(stopped; once started it writes to its second disk all the time)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.guests import cache
from lab.hosts import enter, on
from lab.parts import part
from lab.run import ok, run
from lab.site import HOSTS, STATE

KVM = HOSTS["kvm1"]
IMAGES = STATE / "hosts" / "kvm1" / "libvirt" / "lib" / "images"
NETWORKS = {"default": ("192.168.122", "br-default"), "backend": ("192.168.150", "br-backend")}
MARKER = b"the data disk of "


@dataclass(frozen=True)
class Guest:
    """`number` makes its MAC addresses; `data` is the size of a second disk in bytes (0: none)."""

    name: str
    number: int
    recipe: str
    memory: int
    nics: tuple[str, ...]
    data: int = 0
    running: bool = True

    def mac(self, nic: int) -> str:
        """The MAC address of a card (counted from 0)."""
        return f"52:54:00:bb:{self.number:02x}:{nic + 1:02x}"

    def address(self, nic: int) -> str:
        """The address that its DHCP server keeps for a card."""
        return f"{NETWORKS[self.nics[nic]][0]}.{50 + self.number}"


GUESTS = {
    g.name: g
    for g in (
        Guest("shop", 1, "debian", 512, ("default", "backend"), data=512 << 20),
        Guest("tiny1", 2, "tiny", 128, ("default",), running=False),
        Guest("tiny2", 3, "tiny", 128, ("default", "backend"), data=64 << 20),
        Guest("diary", 4, "diary", 128, ("default",), data=64 << 20, running=False),
    )
}


def virsh(*args: str | Path, check: bool = True) -> str:
    """`virsh` on the KVM host."""
    return on(KVM, ["virsh", "-q", "-c", "qemu:///system", *args], check=check)


def _network_xml(name: str) -> str:
    prefix, bridge = NETWORKS[name]
    hosts = "".join(
        f"<host mac='{g.mac(i)}' name='{g.name}' ip='{g.address(i)}'/>"
        for g in GUESTS.values()
        for i, n in enumerate(g.nics)
        if n == name
    )
    return (
        f"<network><name>{name}</name><bridge name='{bridge}' stp='off' delay='0'/><ip address='{prefix}.1' "
        f"netmask='255.255.255.0'><dhcp><range start='{prefix}.100' end='{prefix}.200'/>{hosts}</dhcp></ip></network>"
    )


def _domain_xml(guest: Guest) -> str:
    disks = [("vda", f"{guest.name}.qcow2")] + ([("vdb", f"{guest.name}-data.qcow2")] if guest.data else [])
    disk_xml = "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>"
        f"<source file='/var/lib/libvirt/images/{file}'/><target dev='{dev}' bus='virtio'/></disk>"
        for dev, file in disks
    )
    nic_xml = "".join(
        f"<interface type='network'><mac address='{guest.mac(i)}'/><source network='{n}'/><model type='virtio'/></interface>"
        for i, n in enumerate(guest.nics)
    )
    return (
        f"<domain type='qemu'><name>{guest.name}</name><memory unit='MiB'>{guest.memory}</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>"
        "<cpu mode='custom'><model>qemu64</model></cpu><on_poweroff>destroy</on_poweroff><devices>"
        f"<emulator>/usr/bin/qemu-system-x86_64</emulator>{disk_xml}{nic_xml}"
        f"<serial type='file'><source path='{console(guest.name)}'/></serial></devices></domain>"
    )


def console(name: str) -> Path:
    """The file that a guest's serial console goes to."""
    return STATE / "log" / "kvm1" / f"console-{name}.log"


def _define() -> None:
    for name in NETWORKS:
        if name not in virsh("net-list", "--all", "--name").split():
            file = KVM.folder / f"network-{name}.xml"
            file.write_text(_network_xml(name))
            virsh("net-define", file)
        if name not in virsh("net-list", "--name").split():
            virsh("net-start", name)
    for guest in GUESTS.values():
        if guest.name not in virsh("list", "--all", "--name").split():
            file = KVM.folder / f"{guest.name}.xml"
            file.write_text(_domain_xml(guest))
            virsh("define", file)
        _disks(guest)
        if guest.running and not _runs(guest):
            virsh("start", guest.name)


def _disks(guest: Guest) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    system = IMAGES / f"{guest.name}.qcow2"
    if not system.exists():
        part_file = system.with_suffix(".part")
        run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", cache.get(guest.recipe), part_file])
        part_file.rename(system)
    data = IMAGES / f"{guest.name}-data.qcow2"
    if guest.data and not data.exists():
        raw = data.with_suffix(".raw")
        run(["truncate", "-s", str(guest.data), raw])
        if guest.recipe != "diary":
            run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "data", raw])
            with raw.open("r+b") as f:
                # Something to find again in the middle of the disk, between holes.
                f.seek(guest.data // 2 + 12345)
                f.write((MARKER + guest.name.encode()) * 5000)
        run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, data])
        raw.unlink()


def _runs(guest: Guest) -> bool:
    return virsh("domstate", guest.name, check=False).strip() == "running"


def _alive() -> bool:
    networks = set(virsh("net-list", "--name").split())
    defined = set(virsh("list", "--all", "--name").split())
    # Whether a guest runs is its owner's business: a migration shuts it down.
    return networks >= set(NETWORKS) and defined >= set(GUESTS) and all(_disk_there(g) for g in GUESTS.values())


def _disk_there(guest: Guest) -> bool:
    return (IMAGES / f"{guest.name}.qcow2").exists()


def reset() -> None:
    """All guests as they were at first: disks, definition and power state."""
    for guest in GUESTS.values():
        if ok([*enter(KVM), "virsh", "-c", "qemu:///system", "domid", guest.name]) and _runs(guest):
            virsh("destroy", guest.name)
        for file in IMAGES.glob(f"{guest.name}*"):
            file.unlink()
        console(guest.name).unlink(missing_ok=True)
    _define()


part("kvm-guests", needs=("libvirt:kvm1",), start=_define, alive=_alive, timeout=400)
