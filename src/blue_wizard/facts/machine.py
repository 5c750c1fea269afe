"""What Linux says of a host: clock, filesystems, memory, load, limits, cards, processes, units, logs. Pure parsers of /proc,
/sys and
the usual commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

__all__ = ["Bond", "Card", "Cards", "Clock", "Filesystem", "Filesystems", "KernelLimits", "KernelLog", "Listener", "Listeners",
           "Load", "Memory", "Process", "Processes", "RaidArray", "RaidArrays", "System", "Units", "exposed_files",
           "parse_bonds"]  # fmt: skip

_DISK_TYPES = {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs"}


@dataclass(frozen=True)
class Clock:
    """How far the host's clock is ahead of ours, in seconds, and how far from that the truth may be."""

    ahead_s: float
    doubt_s: float

    @staticmethod
    def parse(text: str) -> Clock:
        """Four moments: the host's when the script began and ended there, ours when it was sent and had answered.

        As in NTP: the offset is the mean of both differences, the doubt half of the time on the way.
        """
        there_began, there_ended, sent, back = (float(w) for w in text.split())
        way = max(0.0, (back - sent) - (there_ended - there_began))
        return Clock(((there_began - sent) + (there_ended - back)) / 2, way / 2)


@dataclass(frozen=True)
class Filesystem:
    """A mounted filesystem. `used` is the share (0 to 1) of what unprivileged users may have: used / (used + available),
    `inodes` the share
    of inodes; sizes in bytes."""

    mount: str
    type: str
    device: str
    size: int
    free: int
    used: float
    inodes: float = 0.0


@dataclass(frozen=True)
class Filesystems:
    """Local ones that hold data, each device once; and those mounted read-only though ``/etc/fstab`` wants them writable."""

    rows: tuple[Filesystem, ...] = ()
    read_only: tuple[str, ...] = ()

    @staticmethod
    def parse(blocks: str, inodes: str, mounts: str, fstab: str) -> Filesystems:
        """``df -PTkl``, ``df -Pil``, ``/proc/mounts``, ``/etc/fstab``."""
        counts = {w[5]: w[4] for w in _rows(inodes, 6)}
        found: dict[str, Filesystem] = {}
        for device, kind, size, used, free, _percent, mount in _rows(blocks, 7):
            if kind not in _DISK_TYPES and not device.startswith("/dev/"):
                continue
            total = int(used) + int(free)
            share = int(used) / total if total else 0.0
            one = Filesystem(
                mount, kind, device, int(size) * 1024, int(free) * 1024, share, _percent_of(counts.get(mount))
            )
            # A device that is mounted twice is one filesystem; its shortest path is the one that people know.
            known = found.get(device)
            if int(size) and (known is None or len(mount) < len(known.mount)):
                found[device] = one
        wanted = {
            w[1] for w in _rows(fstab, 4, header=False) if not w[0].startswith("#") and "ro" not in w[3].split(",")
        }
        now = [w for w in _rows(mounts, 4, header=False) if w[2] in _DISK_TYPES]
        lost = tuple(sorted({w[1] for w in now if "ro" in w[3].split(",") and w[1] in wanted}))
        return Filesystems(tuple(sorted(found.values(), key=lambda f: f.mount)), lost)


def _rows(text: str, columns: int, *, header: bool = True) -> Iterable[list[str]]:
    for line in text.splitlines()[1 if header else 0 :]:
        words = line.split(None, columns - 1)
        if len(words) == columns:
            yield words


def _percent_of(text: str | None) -> float:
    return int(text.rstrip("%")) / 100 if text and text.rstrip("%").isdigit() else 0.0


@dataclass(frozen=True)
class Memory:
    """Sizes in bytes; `oom_kills` since boot."""

    total: int
    available: int
    swap_total: int = 0
    swap_free: int = 0
    oom_kills: int = 0

    @staticmethod
    def parse(meminfo: str, vmstat: str) -> Memory:
        """``/proc/meminfo`` and ``/proc/vmstat``."""
        m = {w[0].rstrip(":"): int(w[1]) * 1024 for line in meminfo.splitlines() if len(w := line.split()) >= 2}
        v = dict(line.split() for line in vmstat.splitlines() if len(line.split()) == 2)
        return Memory(
            m["MemTotal"],
            m["MemAvailable"],
            m.get("SwapTotal", 0),
            m.get("SwapFree", 0),
            int(v.get("oom_kill", 0)),
        )


@dataclass(frozen=True)
class Load:
    """Load averages, and shares of time (0 to 100) in which work stood still for want of something: pressure stall information.

    ``some``: something waited; ``full``: everything did. Of the last 300 s.
    """

    load5: float
    cpus: int
    some: Mapping[str, float] = field(default_factory=dict)
    full: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def parse(loadavg: str, cpuinfo: str, pressure: Mapping[str, str]) -> Load:
        """``/proc/loadavg``, ``/proc/cpuinfo``, and the files of ``/proc/pressure`` by path."""
        some: dict[str, float] = {}
        full: dict[str, float] = {}
        for path, text in pressure.items():
            for line in text.splitlines():
                words = line.split()
                values = dict(w.split("=") for w in words[1:])
                (some if words[0] == "some" else full)[path.rpartition("/")[2]] = float(values["avg300"])
        return Load(float(loadavg.split()[1]), max(1, len(re.findall(r"^processor\s*:", cpuinfo, re.M))), some, full)


@dataclass(frozen=True)
class KernelLimits:
    """Counts of what the kernel limits, as (now, most), by name: ``conntrack``, ``files``, ``threads``, ``neighbours``."""

    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @staticmethod
    def parse(files: Mapping[str, str], loadavg: str, neighbours: str) -> KernelLimits:
        """Files of ``/proc/sys`` by path, ``/proc/loadavg``, and the number of entries of ``ip neigh``."""
        at = {path.rpartition("/")[2]: text.split() for path, text in files.items()}
        counts: dict[str, tuple[int, int]] = {}
        if "nf_conntrack_count" in at and "nf_conntrack_max" in at:
            counts["conntrack"] = (int(at["nf_conntrack_count"][0]), int(at["nf_conntrack_max"][0]))
        if "file-nr" in at:
            counts["files"] = (int(at["file-nr"][0]) - int(at["file-nr"][1]), int(at["file-nr"][2]))
        if "threads-max" in at and "pid_max" in at:
            threads = int(loadavg.split()[3].partition("/")[2])
            counts["threads"] = (threads, min(int(at["threads-max"][0]), int(at["pid_max"][0])))
        if "gc_thresh3" in at and neighbours.strip().isdigit():
            counts["neighbours"] = (int(neighbours), int(at["gc_thresh3"][0]))
        return KernelLimits({name: value for name, value in counts.items() if value[1] > 0})


@dataclass(frozen=True)
class Card:
    """A network interface. `speed` in Mbit/s, None where the kernel does not say; `physical`: there is hardware below it."""

    name: str
    mtu: int = 1500
    up: bool = True
    carrier: bool = True
    speed: int | None = None
    physical: bool = True
    half_duplex: bool = False
    errors: int = 0
    drops: int = 0
    packets: int = 0


@dataclass(frozen=True)
class Bond:
    """A bond: its slaves as (name, up), and whether LACP has found no partner."""

    name: str
    slaves: tuple[tuple[str, bool], ...] = ()
    mode: str = ""
    no_partner: bool = False


@dataclass(frozen=True)
class Cards:
    """The interfaces in the host's own network namespace."""

    rows: tuple[Card, ...] = ()
    bonds: tuple[Bond, ...] = ()

    @cached_property
    def names(self) -> frozenset[str]:
        """All names."""
        return frozenset(c.name for c in self.rows)

    @staticmethod
    def parse(sys: Mapping[str, str], hardware: str, bonding: Mapping[str, str]) -> Cards:
        """Files below ``/sys/class/net`` by path, the names that have a ``device`` there (one a line), ``/proc/net/bonding``."""
        values: dict[str, dict[str, str]] = {}
        for path, text in sys.items():
            words = path.split("/")
            values.setdefault(words[4], {})[words[-1]] = text.strip()
        real = set(hardware.split())
        rows = tuple(
            Card(
                name,
                int(v.get("mtu") or 0),
                # IFF_UP is the first bit.
                bool(int(v.get("flags") or "0", 16) & 1),
                v.get("carrier") == "1",
                int(v["speed"]) if v.get("speed", "").isdigit() and int(v["speed"]) > 0 else None,
                name in real,
                v.get("duplex") == "half",
                sum(int(v.get(k) or 0) for k in ("rx_errors", "tx_errors")),
                sum(int(v.get(k) or 0) for k in ("rx_dropped", "tx_dropped")),
                sum(int(v.get(k) or 0) for k in ("rx_packets", "tx_packets")),
            )
            for name, v in sorted(values.items())
        )
        return Cards(rows, parse_bonds(bonding))


def parse_bonds(files: Mapping[str, str]) -> tuple[Bond, ...]:
    """Files of ``/proc/net/bonding`` by path."""
    found = []
    for path, text in sorted(files.items()):
        head, *parts = re.split(r"^Slave Interface: ", text, flags=re.M)
        mode = _field(head, "Bonding Mode")
        slaves = tuple((p.split("\n", 1)[0].strip(), _field(p, "MII Status") == "up") for p in parts)
        partner = _field(head, "Partner Mac Address")
        lonely = "802.3ad" in mode and partner == "00:00:00:00:00:00"
        found.append(Bond(path.rpartition("/")[2], slaves, mode, lonely))
    return tuple(found)


def _field(text: str, name: str) -> str:
    found = re.search(rf"^\s*{re.escape(name)}: (.*)$", text, re.M)
    return found[1].strip() if found else ""


@dataclass(frozen=True)
class Process:
    """A process. `state` is ps's letter, `age_s` since it began, `rss` in bytes."""

    pid: int
    state: str
    age_s: int
    rss: int
    command: str

    @property
    def name(self) -> str:
        """The program's name without its folder; of a script, the script's."""
        words = self.command.split()
        first = words[0].rpartition("/")[2] if words else ""
        if re.fullmatch(r"python[\d.]*", first) and len(words) > 1 and not words[1].startswith("-"):
            return words[1].rpartition("/")[2]
        return first.rstrip(":")


@dataclass(frozen=True)
class Processes:
    """All processes of the host."""

    rows: tuple[Process, ...] = ()

    @cached_property
    def names(self) -> frozenset[str]:
        """The programs that run."""
        return frozenset(p.name for p in self.rows)

    @staticmethod
    def parse(text: str) -> Processes:
        """``ps -eo pid=,state=,etimes=,rss=,args=``."""
        found = []
        for line in text.splitlines():
            words = line.split(None, 4)
            if len(words) == 5 and words[0].isdigit():
                found.append(Process(int(words[0]), words[1], int(words[2]), int(words[3]) * 1024, words[4]))
        return Processes(tuple(found))


@dataclass(frozen=True)
class Units:
    """Units of systemd that have failed."""

    failed: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> Units:
        """``systemctl list-units --failed --plain --no-legend``."""
        return Units(tuple(line.split()[0].lstrip("●") for line in text.splitlines() if line.strip()))


@dataclass(frozen=True)
class System:
    """What runs the host. `age_s` since boot; `cpu_flags` what guests may be given."""

    system: str
    kernel: str
    age_s: float
    boot: str = ""
    cpu: str = ""
    cpu_flags: frozenset[str] = frozenset()
    reboot_wanted: bool = False
    hostname: str = ""

    @staticmethod
    def parse(files: Mapping[str, str]) -> System:
        """Files of /etc and /proc by path."""
        release = dict(line.split("=", 1) for line in files.get("/etc/os-release", "").splitlines() if "=" in line)
        cpu = files.get("/proc/cpuinfo", "")
        flags = re.search(r"^(?:flags|Features)\s*: (.*)$", cpu, re.M)
        model = re.search(r"^model name\s*: (.*)$", cpu, re.M)
        return System(
            release.get("PRETTY_NAME", "").strip('"'),
            files.get("/proc/sys/kernel/osrelease", "").strip(),
            float(files["/proc/uptime"].split()[0]),
            files.get("/proc/sys/kernel/random/boot_id", "").strip(),
            model[1].strip() if model else "",
            frozenset(flags[1].split()) if flags else frozenset(),
            any(path.endswith("/reboot-required") for path in files),
            files.get("/proc/sys/kernel/hostname", "").strip(),
        )


@dataclass(frozen=True)
class KernelLog:
    """Lines of the kernel's log by kind of trouble, each the newest one and how many there are."""

    kinds: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    @staticmethod
    def parse(text: str, now_s: float, within_s: float) -> KernelLog:
        """``dmesg`` with ``[seconds since boot]``; `now_s` is the time since boot, and lines older than `within_s`
        are left out."""
        kinds: dict[str, tuple[int, str]] = {}
        for line in text.splitlines():
            stamp = re.match(r"(?:<\d+>)?\[\s*(\d+\.\d+)\]\s*(.*)", line)
            if not stamp or now_s - float(stamp[1]) > within_s:
                continue
            for kind, pattern in _TROUBLES.items():
                if pattern.search(stamp[2]):
                    kinds[kind] = (kinds.get(kind, (0, ""))[0] + 1, stamp[2][:200])
                    break
        return KernelLog(kinds)


_TROUBLES = {
    "disk": re.compile(r"I/O error|critical (medium|target) error|blk_update_request"),
    "filesystem": re.compile(
        r"EXT4-fs error|XFS.*(corruption|shut ?down)|Remounting filesystem read-only|BTRFS.*error"
    ),
    "hung": re.compile(r"blocked for more than \d+ seconds|soft lockup|hard LOCKUP|rcu.*stall"),
    "memory": re.compile(r"Hardware Error|\bMCE\b.*error|EDAC .*(UE|CE) "),
    "oom": re.compile(r"Out of memory: Kill|oom-kill:|Memory cgroup out of memory"),
    "table": re.compile(r"nf_conntrack: table full|neighbou?r table overflow"),
    "link": re.compile(r"NETDEV WATCHDOG|Tx Unit Hang|transmit (queue )?timed out"),
}


@dataclass(frozen=True)
class Listener:
    """A socket that waits for others."""

    protocol: str
    address: str
    port: int
    program: str = ""

    @property
    def everywhere(self) -> bool:
        """On all addresses of the host."""
        return self.address in {"0.0.0.0", "*", "::"}  # noqa: S104

    @property
    def local(self) -> bool:
        """For the host itself only."""
        return self.address.startswith("127.") or self.address == "::1"


@dataclass(frozen=True)
class Listeners:
    """All of them."""

    rows: tuple[Listener, ...] = ()

    @staticmethod
    def parse(text: str) -> Listeners:
        """``ss -lntupH``."""
        found = []
        for line in text.splitlines():
            words = line.split()
            if len(words) < 5:
                continue
            address, _colon, port = words[4].rpartition(":")
            program = re.search(r'users:\(\("([^"]+)"', line)
            if port.isdigit():
                plain = address.partition("%")[0].strip("[]")
                found.append(Listener(words[0], plain, int(port), program[1] if program else ""))
        return Listeners(tuple(found))


@dataclass(frozen=True)
class RaidArray:
    """A software RAID: how many members it should have and has."""

    name: str
    wanted: int
    active: int


@dataclass(frozen=True)
class RaidArrays:
    """``/proc/mdstat``."""

    rows: tuple[RaidArray, ...] = ()

    @staticmethod
    def parse(text: str) -> RaidArrays:
        """Its text."""
        found = re.findall(r"^(md\S*) : .*?\n.*?\[(\d+)/(\d+)\]", text, re.M)
        return RaidArrays(tuple(RaidArray(name, int(wanted), int(active)) for name, wanted, active in found))


def exposed_files(text: str) -> tuple[tuple[str, str], ...]:
    """(path, mode) of files that everybody may read, of ``stat -c '%a %n'``."""
    rows = [line.split(None, 1) for line in text.splitlines() if len(line.split(None, 1)) == 2]
    return tuple((path, mode) for mode, path in rows if mode.isdigit() and int(mode[-1]) & 4)
