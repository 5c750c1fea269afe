"""A Linux host as a machine that could move: firmware, disks, LVM, mounts, cards, drivers. One script, one pure parser.

The script needs root for what it can't see otherwise; what is missing on a host (LVM, ``lsinitramfs``) leaves its section empty.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_interface

from blue_wizard.facts import disk_names
from blue_wizard.facts.disk_names import DiskNames

__all__ = [
    "DISKS",
    "DRIVERS",
    "SCRIPT",
    "Block",
    "Card",
    "Extents",
    "HostFacts",
    "LogicalVolume",
    "Mount",
    "PhysicalVolume",
    "Segment",
    "parse",
    "parse_disks",
    "parse_drivers",
]

_HEAD = r"""
s() { echo "==$1"; }
"""
_DISKS = f"""
s lsblk; lsblk -P -b -o NAME,KNAME,PKNAME,TYPE,SIZE,FSTYPE,RO,RM,TRAN,LOG-SEC,MODEL{disk_names.SCRIPT}"""

DISKS = f"{_HEAD}{_DISKS}s end\n"
"""What `parse_disks` reads: the disks alone, and what they are known by."""

_SYSTEM = r"""
s hostname; hostname
s os; cat /etc/os-release 2>/dev/null
s kernel; uname -r; uname -m
s efi; [ -d /sys/firmware/efi ] && echo yes
s secureboot; od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c 2>/dev/null
s cpus; getconf _NPROCESSORS_CONF
s memory; grep MemTotal /proc/meminfo
s systemd; [ -d /run/systemd/system ] && echo yes
"""
_REST = r"""
s starts; grep -H . /sys/class/block/*/start 2>/dev/null
s pvs; pvs --noheadings --nosuffix --units b --separator '|' -o pv_name,vg_name,pe_start,pv_mda_count 2>/dev/null
s unused; pvs --noheadings --nosuffix --separator '|' -o pv_name,pvseg_start,pvseg_size,segtype,lv_name 2>/dev/null
s vgs; vgs --noheadings --nosuffix --units b --separator '|' -o vg_name,vg_free,vg_extent_size,vg_attr 2>/dev/null
exec 2>/dev/null
s lvs
lvs --noheadings --nosuffix --units b --separator '|' -o vg_name,lv_name,lv_attr,segtype,seg_start,seg_size,devices
s mounts; cat /proc/mounts
s swaps; tail -n +2 /proc/swaps
s mdstat; cat /proc/mdstat 2>/dev/null
s fstab; cat /etc/fstab 2>/dev/null
s cards; for c in /sys/class/net/*; do
    n=${c##*/}; m=; [ -e $c/master ] && m=$(basename $(readlink -f $c/master)); k=virtual; [ -e $c/device ] && k=device
    p=$(cat $c/bonding_slave/perm_hwaddr 2>/dev/null); echo "$n|${p:-$(cat $c/address 2>/dev/null)}|$m|$k"; done
s addresses; ip -o addr show scope global
s processes; ps -eo comm= 2>/dev/null | sort -u
s end
"""

SCRIPT = f"{_HEAD}{_SYSTEM}{_DISKS}{_REST}"
"""What `parse` reads."""

DRIVERS = (
    _HEAD
    + r"""
s config; grep -hE '^CONFIG_(VIRTIO_BLK|VIRTIO_PCI|SCSI_VIRTIO|VIRTIO_NET)=' /boot/config-$(uname -r) 2>/dev/null
s initrd; f=
for i in /boot/initrd.img-$(uname -r) /boot/initramfs-$(uname -r).img /boot/initrd-$(uname -r); do [ -e $i ] && f=$i; done
[ -z "$f" ] || { lsinitramfs $f 2>/dev/null || lsinitrd $f 2>/dev/null; } | grep -oE '(kernel/|virtio_[a-z]+\.ko)' | sort -u
s end
"""
)
"""What the running kernel starts from. Unpacking its initial ramdisk may take a minute."""


@dataclass(frozen=True)
class Block:
    """A block device. `parents` are the kernel's names of what it lies on (several under RAID and multipath).

    `alias` is the device mapper's name of it, ``GROUP-VOLUME`` for LVM's; `start` where a partition begins on its disk, in bytes.
    `known` is what udev knows it by.
    """

    name: str
    type: str
    size: int
    fstype: str = ""
    parents: tuple[str, ...] = ()
    read_only: bool = False
    removable: bool = False
    transport: str = ""
    sector: int = 512
    model: str = ""
    alias: str = ""
    start: int = 0
    known: DiskNames = field(default_factory=DiskNames)

    @property
    def title(self) -> str:
        """What people call it."""
        return self.alias or self.name

    @property
    def moves(self) -> bool:
        """Whether it is one of the disks that make up the machine: no removable, read-only, or empty one."""
        return self.type == "disk" and bool(self.size) and not self.removable and not self.read_only


@dataclass(frozen=True)
class PhysicalVolume:
    """A device that belongs to LVM. `start` is where its extents begin, in bytes."""

    path: str
    group: str
    start: int
    metadata_areas: int = 1


@dataclass(frozen=True)
class Segment:
    """`length` bytes of a logical volume, which lie in one piece on `device` from its extent `extent` on."""

    offset: int
    length: int
    device: str
    extent: int


@dataclass(frozen=True)
class LogicalVolume:
    """A logical volume. `plain` says that all of it is linear, so that its place on the disks is known."""

    group: str
    name: str
    attributes: str
    plain: bool
    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return sum(s.length for s in self.segments)


@dataclass(frozen=True)
class Extents:
    """`count` extents of a physical volume from `first` on; `owner` is the logical volume that has them, "" for free ones."""

    device: str
    first: int
    count: int
    owner: str


@dataclass(frozen=True)
class Mount:
    """A mounted file system."""

    source: str
    point: str
    fstype: str
    writable: bool


@dataclass(frozen=True)
class Card:
    """A network card. `addresses` include those of the bond and the bridge that it is a part of, with their prefix length."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    master: str = ""

    @property
    def network(self) -> str:
        """The network of its first address, as people write it; "" without one."""
        return str(ip_interface(self.addresses[0]).network) if self.addresses else ""


@dataclass(frozen=True)
class HostFacts:
    """All of it. Sizes are in bytes, `memory` in MiB; `group_free` and `extent_size` by volume group."""

    hostname: str
    os: str
    kernel: str
    architecture: str
    efi: bool
    secure_boot: bool
    cpus: int
    memory: int
    systemd: bool
    blocks: tuple[Block, ...]
    physical_volumes: tuple[PhysicalVolume, ...]
    group_free: dict[str, int]
    extent_size: dict[str, int]
    shared_groups: frozenset[str]
    volumes: tuple[LogicalVolume, ...]
    extents: tuple[Extents, ...]
    mounts: tuple[Mount, ...]
    swaps: tuple[str, ...]
    arrays: dict[str, str]
    fstab_devices: tuple[str, ...]
    cards: tuple[Card, ...]
    other_addresses: tuple[str, ...]
    processes: frozenset[str]

    @property
    def disks(self) -> tuple[Block, ...]:
        """The disks that make up the machine."""
        return tuple(b for b in self.blocks if b.moves)

    def block(self, name: str) -> Block | None:
        """The device of that name."""
        return next((b for b in self.blocks if b.name == name), None)

    def below(self, name: str) -> set[str]:
        """The device and all that it lies on, down to the disks."""
        found = {name}
        for parent in (b.parents for b in self.blocks if b.name == name):
            for p in parent:
                found |= self.below(p)
        return found

    def mounted(self, point: str) -> str:
        """The kernel's name of the device that is mounted there; "" when none is."""
        source = next((m.source for m in self.mounts if m.point == point and m.source.startswith("/dev/")), "")
        return self.kernel_name(source)

    def kernel_name(self, path: str) -> str:
        """The kernel's name of a device by its file: ``/dev/sda1``, ``/dev/mapper/vg-lv``."""
        name = path.removeprefix("/dev/")
        if not name.startswith("mapper/"):
            return name
        wanted = name.removeprefix("mapper/")
        return next((b.name for b in self.blocks if b.alias == wanted), wanted)


def parse(text: str) -> HostFacts:
    """What the script printed. Raises ValueError when it did not come to its end."""
    sections = _sections(text)

    def lines(name: str) -> list[str]:
        return _lines(sections, name)

    def word(name: str, number: int = 0) -> str:
        found = lines(name)
        return found[number].strip() if len(found) > number else ""

    pretty = re.search(r'^PRETTY_NAME="?([^"\n]+)', sections.get("os", ""), re.M)
    kibibytes = int(re.sub(r"\D", "", word("memory")) or 0)
    groups = [x.strip().split("|") for x in lines("vgs")]
    mounts = tuple(_mounts(lines("mounts")))
    cards, others = _cards(lines("cards"), lines("addresses"))
    return HostFacts(
        hostname=word("hostname"),
        os=pretty[1] if pretty else "Linux",
        kernel=word("kernel"),
        architecture=word("kernel", 1),
        efi=word("efi") == "yes",
        secure_boot=word("secureboot") == "1",
        cpus=int(word("cpus") or 1),
        # The kernel keeps some of what is built in for itself.
        memory=-(-kibibytes // (64 << 10)) * 64,
        systemd=word("systemd") == "yes",
        blocks=_blocks(sections),
        physical_volumes=tuple(
            PhysicalVolume(p[0], p[1], int(p[2]), int(p[3]))
            for p in (x.strip().split("|") for x in lines("pvs"))
            if p[1]
        ),
        group_free={g[0]: int(g[1]) for g in groups},
        extent_size={g[0]: int(g[2]) for g in groups},
        shared_groups=frozenset(g[0] for g in groups if g[3][5:6] in {"c", "s"}),
        volumes=_volumes(lines("lvs")),
        extents=tuple(
            Extents(r[0], int(r[1]), int(r[2]), "" if r[3] == "free" else r[4].strip("[]"))
            for r in (x.strip().split("|") for x in lines("unused"))
            if r[2] != "0"
        ),
        mounts=mounts,
        swaps=tuple(x.split()[0] for x in lines("swaps")),
        arrays=_arrays(sections.get("mdstat", "")),
        fstab_devices=tuple(
            re.findall(r"^(/dev/(?:[shv]d[a-z]+|nvme\d+n\d+p?)\d*)\s", sections.get("fstab", ""), re.M)
        ),
        cards=cards,
        other_addresses=others,
        processes=frozenset(x.strip() for x in lines("processes")),
    )


def _lines(sections: dict[str, str], name: str) -> list[str]:
    return [x for x in sections.get(name, "").splitlines() if x.strip()]


def parse_disks(text: str) -> tuple[Block, ...]:
    """The disks that make up the machine, in what `DISKS` printed. Raises ValueError when that is cut off."""
    return tuple(b for b in _blocks(_sections(text)) if b.moves)


def _blocks(sections: dict[str, str]) -> tuple[Block, ...]:
    starts = re.findall(r"^/sys/class/block/([^/]+)/start:(\d+)$", sections.get("starts", ""), re.M)
    begin = {m[0]: int(m[1]) * 512 for m in starts}
    known = disk_names.parse(_lines(sections, "wwns"), _lines(sections, "links"))
    found: dict[str, Block] = {}
    for line in _lines(sections, "lsblk"):
        row = dict(word.partition("=")[::2] for word in shlex.split(line.replace("LOG-SEC", "LOG_SEC")))
        name, parent = row["KNAME"], row["PKNAME"]
        before = found.get(name)
        parents = dict.fromkeys([*(before.parents if before else ()), *([parent] if parent else [])])
        found[name] = Block(
            name,
            row["TYPE"],
            int(row["SIZE"] or 0),
            row["FSTYPE"],
            tuple(parents),
            row["RO"] == "1",
            row["RM"] == "1",
            row["TRAN"],
            int(row["LOG_SEC"] or 512),
            row["MODEL"].strip(),
            row["NAME"] if row["NAME"] != name else "",
            begin.get(name, 0),
            known.get(name, DiskNames()),
        )
    return tuple(found.values())


def _volumes(lines: list[str]) -> tuple[LogicalVolume, ...]:
    rows: dict[tuple[str, str], list[list[str]]] = {}
    for line in lines:
        row = line.strip().split("|")
        rows.setdefault((row[0], row[1]), []).append(row)
    return tuple(
        LogicalVolume(
            group,
            name,
            found[0][2],
            all(r[3] == "linear" and re.fullmatch(r"[^,]+\(\d+\)", r[6]) for r in found),
            tuple(sorted((_segment(r) for r in found), key=lambda s: s.offset)),
        )
        for (group, name), found in rows.items()
    )


def _segment(row: list[str]) -> Segment:
    place = re.match(r"([^(,]+)\((\d+)\)", row[6])
    device, extent = (place[1], int(place[2])) if place else ("", 0)
    return Segment(int(row[4] or 0), int(row[5] or 0), device, extent)


def _mounts(lines: list[str]) -> Iterator[Mount]:
    for line in lines:
        source, point, fstype, options = line.split()[:4]
        plain = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), point)
        yield Mount(source, plain, fstype, "rw" in options.split(","))


def _arrays(text: str) -> dict[str, str]:
    """Array to the version of its metadata, by mdstat: "1.2", "external:imsm", "non-persistent"; 0.90 is not told."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if begin := re.match(r"(md\S+) : ", line):
            name = begin[1]
            found[name] = "0.90"
        elif name and (version := re.search(r"\bsuper (\S+)", line)):
            found[name] = version[1]
    return found


def _cards(lines: list[str], addresses: list[str]) -> tuple[tuple[Card, ...], tuple[str, ...]]:
    by_name: dict[str, list[str]] = {}
    for line in addresses:
        if found := re.match(r"\d+: (\S+)\s+inet6? (\S+)", line):
            by_name.setdefault(found[1].partition("@")[0], []).append(found[2])
    rows = [x.strip().split("|") for x in lines]
    masters = {r[0]: r[2] for r in rows}
    cards: list[Card] = []
    told: set[str] = set()
    for name, mac, master, kind in rows:
        if kind != "device":
            continue
        chain = [name]
        while masters.get(chain[-1]) and masters[chain[-1]] not in chain:
            chain.append(masters[chain[-1]])
        # The addresses of a bond belong to its first card alone.
        mine = [a for n in chain if n not in told for a in by_name.get(n, [])]
        told |= set(chain)
        cards.append(Card(name, mac.lower(), tuple(mine), master))
    others = tuple(f"{n} {a}" for n, found in by_name.items() if n not in told for a in found)
    return tuple(cards), others


def _sections(text: str) -> dict[str, str]:
    found = dict(re.findall(r"^==(\w+)\n(.*?)(?=^==|\Z)", text, re.M | re.S))
    if "end" not in found:
        raise ValueError("the list of facts is cut off")
    return found


def parse_drivers(text: str) -> bool | None:
    """What DRIVERS printed: does it start from a virtio disk? None when that can't be told. Raises ValueError."""
    found = _sections(text)
    built_in = re.search(r"^CONFIG_(VIRTIO_BLK|SCSI_VIRTIO)=y$", found.get("config", ""), re.M)
    module = re.search(r"virtio_(blk|scsi)\.ko", found.get("initrd", ""))
    if built_in or module:
        return True
    # An initrd that can't be listed lists nothing, which is not the same as no driver.
    return False if "kernel/" in found.get("initrd", "") else None
