"""What keeps a physical machine from moving, and what will change for it. One rule is one small function.

A rule registers itself with `@blocker` (the machine can't move) or `@warning` (it can, but somebody should know), and yields
one sentence for each thing that it finds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from blue_wizard.facts.linux_host import HostFacts
from blue_wizard.migrate import physical_disks
from blue_wizard.migrate.rules import Rules
from blue_wizard.text import _

__all__ = ["blockers", "warnings"]

blocker = Rules[HostFacts]()
"""Rules whose findings keep the machine from moving."""
warning = Rules[HostFacts]()
"""Rules whose findings are told."""
_FIRMWARE_RAID = {
    "isw_raid_member",
    "ddf_raid_member",
    "adaptec_raid_member",
    "lsi_mega_raid_member",
    "silicon_medley_raid_member",
}
_CLUSTER = {"gfs2", "ocfs2", "lustre", "VMFS_volume_member", "drbd"}
_NOT_HELD = {"zfs_member", "bcache"}
_DATABASES = {
    "mysqld": "MySQL",
    "mariadbd": "MariaDB",
    "postgres": "PostgreSQL",
    "postmaster": "PostgreSQL",
    "mongod": "MongoDB",
    "oracle": "Oracle",
    "tnslsnr": "Oracle",
    "db2sysc": "Db2",
    "sqlservr": "SQL Server",
    "ceph-osd": "Ceph OSD",
}
_ORCHESTRATORS = {"kubelet": "Kubernetes", "pacemakerd": "Pacemaker", "corosync": "Corosync"}
_HYPERVISOR = ("qemu-system", "qemu-kvm")


def blockers(host: HostFacts) -> tuple[str, ...]:
    """Why the machine can't move; empty when it can."""
    return blocker.findings(host)


def warnings(host: HostFacts) -> tuple[str, ...]:
    """What will change for the machine, or can't be known."""
    return warning.findings(host)


@blocker
def architecture(host: HostFacts) -> Iterator[str]:
    """The target's hosts are x86."""
    if host.architecture not in {"x86_64", "i686", "i586", "i386"}:
        yield _("it is a {architecture} machine").format(architecture=host.architecture or "?")


@blocker
def no_disk(host: HostFacts) -> Iterator[str]:
    """Nothing to copy."""
    if not host.disks:
        yield _("it has no disk that can be read")


@blocker
def root_elsewhere(host: HostFacts) -> Iterator[str]:
    """A host that is started from the network has its root elsewhere."""
    root = host.mounted("/")
    if host.disks and (not root or not host.below(root) & {d.name for d in host.disks}):
        yield _("its root file system is not on one of its disks")


@blocker
def services(host: HostFacts) -> Iterator[str]:
    """Who does not know what runs can't stop it."""
    if not host.systemd:
        yield _("its services are not under systemd, so they can't be stopped and started again as they were")


@blocker
def multipath(host: HostFacts) -> Iterator[str]:
    """A LUN is seen as several disks, and may be another host's, too."""
    for block in host.blocks:
        if block.type == "mpath":
            text = _("{device} is a multipath device: its LUN belongs to the storage, and would be copied once a path")
            yield text.format(device=block.title)


@blocker
def network_disk(host: HostFacts) -> Iterator[str]:
    """Disks of a SAN are moved by the SAN."""
    for disk in host.disks:
        if disk.transport in {"fc", "iscsi", "fcoe"}:
            yield _("{device} comes over {transport}: its data is on the storage, not in the machine").format(
                device=disk.name, transport=disk.transport
            )


@blocker
def raid_without_metadata(host: HostFacts) -> Iterator[str]:
    """An array that is put together by firmware, or by hand, is not put together anywhere else."""
    for name, version in sorted(host.arrays.items()):
        if version.startswith("external") or version == "non-persistent":
            yield _(
                "{device} is a RAID without metadata of its own ({version}): nothing puts it together at the target"
            ).format(device=name, version=version)
    for block in host.blocks:
        if block.fstype in _FIRMWARE_RAID or block.type == "dmraid":
            yield _("{device} belongs to a RAID of the firmware, which the target does not have").format(
                device=block.title
            )


@blocker
def encrypted_root(host: HostFacts) -> Iterator[str]:
    """A root that has to be unlocked does not start by itself, and can't be converted without its key."""
    below = host.below(host.mounted("/"))
    for block in host.blocks:
        if block.fstype == "crypto_LUKS" and block.name in below:
            yield _(
                "its root is encrypted (LUKS on {device}): without its key it is neither converted nor seen to start"
            ).format(device=block.title)


@blocker
def shared_storage(host: HostFacts) -> Iterator[str]:
    """Others write to the disk as well."""
    for block in host.blocks:
        if block.fstype in _CLUSTER or block.name.startswith("drbd"):
            yield _("{device} holds {kind}, which other hosts use at the same time").format(
                device=block.title, kind=block.fstype or "drbd"
            )
    for group in sorted(host.shared_groups):
        yield _("volume group {name} is shared with other hosts").format(name=group)


@blocker
def cannot_be_held(host: HostFacts) -> Iterator[str]:
    """What can't be made read-only can't be copied whole."""
    for block in host.blocks:
        if block.fstype in _NOT_HELD or block.type == "bcache":
            yield _("{device} is {kind}, which can't be held still").format(
                device=block.title, kind=block.fstype or "bcache"
            )


@blocker
def role(host: HostFacts) -> Iterator[str]:
    """Some hosts are moved by what they serve."""
    if "ceph-osd" in host.processes:
        yield _("it is a Ceph OSD host: its data is copied by Ceph, to other OSDs")
    if any(p.startswith(_HYPERVISOR) for p in host.processes):
        yield _("virtual machines run on it: move those, with a kvm+ssh source")


@warning
def databases(host: HostFacts) -> Iterator[str]:
    """Its own replication has a shorter downtime than a copy of its disks."""
    found = sorted({_DATABASES[p] for p in host.processes & set(_DATABASES) if p != "ceph-osd"})
    if found:
        yield _("{names} runs on it: a large database has less downtime by its own replication").format(
            names=", ".join(found)
        )


@warning
def clusters(host: HostFacts) -> Iterator[str]:
    """A cluster notices that a member is away."""
    for name in sorted({_ORCHESTRATORS[p] for p in host.processes & set(_ORCHESTRATORS)}):
        yield _("it belongs to a cluster ({name}): take it out of service there before the cut-over").format(name=name)


@warning
def data_encrypted(host: HostFacts) -> Iterator[str]:
    """Goes as it is."""
    below = host.below(host.mounted("/"))
    for block in host.blocks:
        if block.fstype == "crypto_LUKS" and block.name not in below:
            yield _("{device} is encrypted (LUKS): it goes as it is, and is unlocked there as it is here").format(
                device=block.title
            )


@warning
def arrays(host: HostFacts) -> Iterator[str]:
    """Every member becomes a volume, which Ceph keeps in copies by itself."""
    for name, version in sorted(host.arrays.items()):
        if not version.startswith("external") and version != "non-persistent":
            yield _("{device} is a RAID: each of its members becomes a volume; break it up at the target").format(
                device=name
            )


@warning
def names(host: HostFacts) -> Iterator[str]:
    """Disks and cards have other names there."""
    if host.fstab_devices:
        yield _("Its fstab names {devices}: disks may have other names at the target.").format(
            devices=", ".join(host.fstab_devices)
        )
    bonded = [c.name for c in host.cards if c.master]
    if bonded:
        yield _(
            "{cards} are parts of a bond or bridge: at the target each is a card of its own with another name"
        ).format(cards=", ".join(bonded))
    if host.other_addresses:
        yield _("these addresses belong to no card of its own, and are not moved: {addresses}").format(
            addresses=", ".join(host.other_addresses)
        )


@warning
def kernel_names(host: HostFacts) -> Iterator[str]:
    """What says nothing of itself can't be told from another one after a restart."""
    found = [d.id for d in physical_disks.known(host.disks) if d.grade is physical_disks.Grade.KERNEL]
    if found:
        yield _(
            "{disks}: without WWN, serial number and place only the kernel's names are known, which may be other disks'"
            " once the host was started anew: plan again then"
        ).format(disks=", ".join(found))


@warning
def removable(host: HostFacts) -> Iterator[str]:
    """They stay where they are."""
    left = [b.name for b in host.blocks if b.type == "disk" and b.size and (b.removable or b.read_only)]
    if left:
        yield _("{disks} are removable or read-only, and stay").format(disks=", ".join(left))


@warning
def network_mounts(host: HostFacts) -> Iterator[str]:
    """They have to be reached from the new place."""
    found = sorted({m.point for m in host.mounts if m.fstype in {"nfs", "nfs4", "cifs", "ceph", "glusterfs"}})
    if found:
        yield _("{points} come over the network: the target has to reach them, too").format(points=", ".join(found))
