"""Hosts and hypervisors."""

from __future__ import annotations

from blue_wizard.facts.compute import Hypervisor, Hypervisors
from blue_wizard.facts.domains import HypervisorDomain, HypervisorDomains
from blue_wizard.facts.machine import (
    Bond,
    Card,
    Cards,
    Clock,
    Filesystem,
    Filesystems,
    KernelLimits,
    KernelLog,
    Listener,
    Listeners,
    Load,
    Memory,
    Process,
    Processes,
    RaidArray,
    RaidArrays,
    System,
    Units,
)
from blue_wizard.inspect.facts import Reached
from blue_wizard.inspect.fetch.machine import Containers, ExposedFiles, LibvirtAnswer
from blue_wizard.inspect.fetch.origins import HostOrigins

from .base import At, at, case

_GIB = 1 << 30
_HYPERVISORS = Hypervisors(tuple(Hypervisor(f"h{i}", f"cmp{i}", f"cmp{i}") for i in range(1, 4)))


def _disk(mount: str, used: float, inodes: float = 0.1) -> Filesystem:
    return Filesystem(mount, "ext4", f"/dev/{mount}", 100 * _GIB, int((1 - used) * 100) * _GIB, used, inodes)


def _process(command: str, pid: int = 7, state: str = "S") -> Process:
    return Process(pid, state, 100, 0, command)


def _domains(host: str, *rows: HypervisorDomain, qemu: str = "7.2") -> At:
    return at(host, HypervisorDomains(rows, "9.0.0", qemu))


case(
    "host.unreachable",
    bad=[Reached({"cmp1": ("unreachable", "no route"), "cmp2": ("login", "key refused"), "cmp3": None})],
    finds={"cmp1": "critical", "cmp2": "warning"},
    good=[Reached({"cmp1": None})],
)
case(
    "host.inventory",
    bad=[HostOrigins((("ansible", "no such file"),))],
    finds=["ansible"],
    good=[HostOrigins()],
)
case(
    "host.clock-skew",
    bad=[at("a", Clock(2.0, 0.1)), at("b", Clock(-90.0, 0.1))],
    finds={"clock": "critical"},
    good=[at("a", Clock(0.3, 0.01)), at("slow", Clock(2.0, 1.9))],
)
case(
    "host.clock-unkept",
    bad=[at("a", Processes((_process("/usr/sbin/sshd -D"),)))],
    finds=["clock"],
    good=[at("a", Processes((_process("/usr/sbin/chronyd -F 1"),)))],
)
case(
    "host.disk-full",
    bad=[at("a", Filesystems((_disk("/", 0.90), _disk("/var", 0.97), _disk("/srv", 0.2))))],
    finds={"/": "warning", "/var": "critical"},
    good=[at("a", Filesystems((_disk("/", 0.80),)))],
)
case(
    "host.inodes",
    bad=[at("a", Filesystems((_disk("/", 0.1, 0.9), _disk("/var", 0.1, 0.99))))],
    finds={"/": "warning", "/var": "critical"},
    good=[at("a", Filesystems((_disk("/", 0.9),)))],
)
case(
    "host.read-only",
    bad=[at("a", Filesystems(read_only=("/var",)))],
    finds=["/var"],
    good=[at("a", Filesystems((_disk("/var", 0.1),)))],
)
case(
    "host.memory",
    bad=[at("a", Memory(100 * _GIB, 7 * _GIB)), at("b", Memory(100 * _GIB, 2 * _GIB))],
    finds={"memory": "critical"},
    good=[at("a", Memory(100 * _GIB, 40 * _GIB))],
)
case(
    "host.swap",
    bad=[at("a", Memory(100, 50, 10, 2))],
    finds=["swap"],
    good=[at("a", Memory(100, 50, 10, 9)), at("b", Memory(100, 50))],
)
case(
    "host.pressure",
    bad=[at("a", Load(1, 4, {}, {"memory": 20.0, "io": 50.0}))],
    finds=["memory", "io"],
    good=[at("a", Load(90, 4, {"cpu": 99.0, "io": 60.0}, {"memory": 1.0, "io": 9.0})), at("old", Load(1, 1))],
)
case(
    "host.kernel-limit",
    bad=[at("a", KernelLimits({"conntrack": (90, 100), "files": (99, 100), "threads": (1, 100)}))],
    finds={"conntrack": "warning", "files": "critical"},
    good=[at("a", KernelLimits({"conntrack": (10, 100)}))],
)
case(
    "host.card-down",
    bad=[at("a", Cards((Card("eno1", carrier=False), Card("eno2"))))],
    finds=["eno1"],
    good=[
        at(
            "a",
            Cards((Card("eno2"), Card("eno3", up=False, carrier=False), Card("br-int", carrier=False, physical=False))),
        )
    ],
)
case(
    "host.card-errors",
    bad=[at("a", Cards((Card("eno1", errors=5000, packets=10**6),)))],
    finds=["eno1"],
    good=[
        at(
            "a",
            Cards(
                (
                    Card("eno1", errors=5000, packets=10**10),
                    Card("eno2", errors=50, packets=100),
                    Card("tap1", errors=999, physical=False),
                )
            ),
        )
    ],
)
case(
    "host.half-duplex",
    bad=[at("a", Cards((Card("eno1", half_duplex=True),)))],
    finds=["eno1"],
    good=[at("a", Cards((Card("eno1"), Card("eno2", half_duplex=True, carrier=False))))],
)
case(
    "host.bond",
    bad=[
        at(
            "a",
            Cards(
                bonds=(
                    Bond("bond0", (("eno1", True), ("eno2", False))),
                    Bond("bond1", (("eno3", False), ("eno4", False))),
                    Bond("bond2", (("eno5", True),), "802.3ad", no_partner=True),
                )
            ),
        )
    ],
    finds={"bond0": "warning", "bond1": "critical", "bond2": "warning"},
    good=[at("a", Cards(bonds=(Bond("bond0", (("eno1", True), ("eno2", True))),)))],
)
case(
    "host.stuck-processes",
    bad=[at("a", Processes(tuple(_process("dd if=/dev/sda", i, "D") for i in range(6))))],
    finds=["state D"],
    good=[at("a", Processes((_process("dd", 1, "D"), *(_process("x", i) for i in range(9)))))],
)
case("host.failed-units", bad=[at("a", Units(("ntp.service",)))], finds=["ntp.service"], good=[at("a", Units())])
case(
    "host.containers",
    bad=[
        at(
            "a",
            Containers(
                (
                    ("nova_api", "exited", "Exited (1) 2 hours ago"),
                    ("mariadb", "restarting", "Restarting (1) 5 seconds ago"),
                    ("glance_api", "running", "Up 2 hours (unhealthy)"),
                )
            ),
        )
    ],
    finds=["nova_api", "mariadb", "glance_api"],
    good=[
        at(
            "a",
            Containers(
                (("keystone", "running", "Up 2 days (healthy)"), ("bootstrap", "exited", "Exited (0) 9 days ago"))
            ),
        )
    ],
)
case(
    "host.kernel-log",
    bad=[at("a", KernelLog({"disk": (3, "I/O error"), "memory": (1, "Hardware Error")}))],
    finds={"disk": "warning", "memory": "critical"},
    good=[at("a", KernelLog())],
)
case(
    "host.raid",
    bad=[at("a", RaidArrays((RaidArray("md0", 2, 1), RaidArray("md1", 2, 2))))],
    finds=["md0"],
    good=[at("a", RaidArrays((RaidArray("md1", 2, 2),)))],
)
case(
    "host.kernel-drift",
    bad=[
        *(at(f"a{i}", System("Debian 12", "6.1.0-30", 9.0)) for i in range(2)),
        at("b", System("Debian 12", "6.1.0-9", 9.0)),
    ],
    finds=["kernel"],
    good=[
        at("a", System("Debian 12", "6.1.0-30", 9.0)),
        at("b", System("Debian 12", "6.1.0-9", 9.0)),
        at("c", System("Rocky 9", "5.14", 9.0)),
    ],
)
case(
    "host.reboot-wanted",
    bad=[at("a", System("Debian 12", "6.1", 9.0, reboot_wanted=True))],
    finds=["reboot"],
    good=[at("a", System("Debian 12", "6.1", 9.0))],
)
case(
    "host.cpu-drift",
    bad=[
        at("cmp1", System("D", "k", 1.0, cpu_flags=frozenset({"avx", "avx512f"}))),
        at("cmp2", System("D", "k", 1.0, cpu_flags=frozenset({"avx"}))),
        _HYPERVISORS,
    ],
    finds=["cpu"],
    good=[
        at("cmp1", System("D", "k", 1.0, cpu_flags=frozenset({"avx"}))),
        at("cmp2", System("D", "k", 1.0, cpu_flags=frozenset({"avx"}))),
        at("ctl1", System("D", "k", 1.0, cpu_flags=frozenset({"sse"}))),
        _HYPERVISORS,
    ],
)
case(
    "host.exposed-secrets",
    bad=[at("a", ExposedFiles((("/etc/kolla/passwords.yml", "644"),)))],
    finds=["/etc/kolla/passwords.yml"],
    good=[at("a", ExposedFiles())],
)
case(
    "libvirt.silent",
    bad=[at("cmp1", LibvirtAnswer(False, "no answer"))],
    finds=["libvirt"],
    good=[at("cmp1", LibvirtAnswer(True))],
)
case(
    "libvirt.io-error",
    bad=[_domains("cmp1", HypervisorDomain("u", "i-1", "paused", io_error=True))],
    finds=["u"],
    good=[_domains("cmp1", HypervisorDomain("u", "i-1", "paused"), HypervisorDomain("w", "i-2"))],
)
case(
    "libvirt.crashed",
    bad=[_domains("cmp1", HypervisorDomain("u", "i-1", "crashed"))],
    finds=["u"],
    good=[_domains("cmp1", HypervisorDomain("u", "i-1", "shutoff"))],
)
case(
    "libvirt.version-drift",
    bad=[_domains("cmp1"), _domains("cmp2"), _domains("cmp3", qemu="6.2"), _HYPERVISORS],
    finds=["versions"],
    good=[_domains("cmp1"), _domains("cmp2"), _domains("kvm1", qemu="5.0"), _HYPERVISORS],
)
case(
    "libvirt.open-tcp",
    bad=[at("cmp1", Listeners((Listener("tcp", "10.0.0.1", 16509, "libvirtd"),)))],
    finds=["10.0.0.1:16509"],
    good=[at("cmp1", Listeners((Listener("tcp", "127.0.0.1", 16509), Listener("tcp", "10.0.0.1", 16514))))],
)
_QEMU = "/usr/bin/qemu-system-x86_64 -name guest=x -uuid 3e85272d-042d-483f-958e-065df9ecbd97 -m 128"
case(
    "libvirt.lost-guest",
    bad=[at("cmp1", Processes((_process(_QEMU),))), _domains("cmp1")],
    finds=["3e85272d-042d-483f-958e-065df9ecbd97"],
    good=[
        at("cmp1", Processes((_process(_QEMU), _process("grep -uuid 3e85272d-042d-483f-958e-065df9ecbd98")))),
        _domains("cmp1", HypervisorDomain("3e85272d-042d-483f-958e-065df9ecbd97", "x")),
    ],
)
