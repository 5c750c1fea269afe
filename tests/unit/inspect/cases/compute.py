"""Nova and Placement."""

from __future__ import annotations

from blue_wizard.facts.compute import (
    Aggregate,
    Aggregates,
    ComputeService,
    ComputeServices,
    Flavor,
    Flavors,
    Hypervisor,
    Hypervisors,
    Migration,
    Migrations,
    Server,
    ServerGroup,
    ServerGroups,
    Servers,
)
from blue_wizard.facts.identity import Inventory, Provider, Providers

from .base import DAY, HOUR, NOW, case

_UP = ComputeService("nova-compute", "cmp1", "s1")
_TWO = Hypervisors((Hypervisor("h1", "cmp1", "cmp1"), Hypervisor("h2", "cmp2", "cmp2")))


def _memory(total: int = 64000, reserved: int = 4096, ratio: float = 1.0, used: int = 0) -> dict[str, Inventory]:
    return {"VCPU": Inventory(16, 0, 4.0), "MEMORY_MB": Inventory(total, reserved, ratio, used)}


case(
    "nova.service-down",
    bad=[
        ComputeServices(
            (
                _UP,
                ComputeService("nova-compute", "cmp2", up=False),
                ComputeService("nova-scheduler", "ctl1", up=False),
                ComputeService("nova-compute", "cmp3", enabled=False, up=False),
            )
        )
    ],
    finds={"nova-compute@cmp2": "warning", "nova-scheduler@ctl1": "critical"},
    good=[ComputeServices((_UP, ComputeService("nova-compute", "cmp3", enabled=False, up=False)))],
)
case(
    "nova.disabled-without-reason",
    bad=[ComputeServices((ComputeService("nova-compute", "cmp1", enabled=False),))],
    finds=["nova-compute@cmp1"],
    good=[ComputeServices((ComputeService("nova-compute", "cmp1", enabled=False, reason="new disk"), _UP))],
)
case(
    "nova.duplicate-service",
    bad=[
        ComputeServices((_UP, ComputeService("nova-compute", "cmp1", "s2"))),
        Hypervisors((Hypervisor("h1", "cmp1", "cmp1"), Hypervisor("h9", "cmp1", "old"))),
    ],
    finds=["nova-compute@cmp1", "hypervisor cmp1"],
    good=[ComputeServices((_UP, ComputeService("nova-compute", "cmp2"))), _TWO],
)
case(
    "nova.hypervisor-down",
    bad=[Hypervisors((Hypervisor("h1", "cmp1", "cmp1", up=False),))],
    finds=["hypervisor cmp1"],
    good=[Hypervisors((Hypervisor("h1", "cmp1", "cmp1", up=False, enabled=False), Hypervisor("h2", "cmp2", "cmp2")))],
)
case(
    "nova.server-error",
    bad=[Servers((Server("a", "web", status="ERROR", fault="No valid host"), Server("b")))],
    finds=["a"],
    good=[Servers((Server("a"), Server("b", status="SHUTOFF")))],
)
case(
    "nova.stuck-task",
    bad=[Servers((Server("a", task="deleting", updated=NOW - 2 * HOUR),))],
    finds=["a"],
    good=[Servers((Server("a", task="deleting", updated=NOW - 60), Server("b", updated=NOW - 9 * HOUR)))],
)
case(
    "nova.stuck-build",
    bad=[Servers((Server("a", status="BUILD", created=NOW - HOUR),))],
    finds=["a"],
    good=[Servers((Server("a", status="BUILD", created=NOW - 60), Server("b", created=NOW - DAY)))],
)
case(
    "nova.unconfirmed-resize",
    bad=[Servers((Server("a", status="VERIFY_RESIZE", updated=NOW - 2 * DAY),))],
    finds=["a"],
    good=[Servers((Server("a", status="VERIFY_RESIZE", updated=NOW - HOUR),))],
)
case(
    "nova.host-status",
    bad=[Servers((Server("a", host="cmp1", host_status="DOWN"), Server("b", host="cmp1", host_status="UNKNOWN")))],
    finds=["a", "b"],
    good=[
        Servers(
            (
                Server("a", host_status="UP"),
                Server("b", host_status="MAINTENANCE"),
                Server("c", status="SHUTOFF", host_status="DOWN"),
            )
        )
    ],
)
case(
    "nova.stuck-migration",
    bad=[
        Migrations((Migration("m1", "a", "running", "cmp1", "cmp2", updated=NOW - 3 * HOUR),)),
        Servers((Server("a"),)),
    ],
    finds=["m1"],
    good=[
        Servers(tuple(Server(x) for x in "abc")),
        Migrations(
            (
                Migration("m0", "gone", "running", "cmp1", "cmp2", updated=NOW - 3 * HOUR),
                Migration("m1", "a", "running", "cmp1", "cmp2", updated=NOW - 60),
                Migration("m2", "b", "finished", updated=NOW - 9 * DAY),
                Migration("m3", "c", "completed", updated=NOW - 9 * DAY),
            )
        ),
    ],
)
case(
    "nova.failed-migrations",
    bad=[
        Migrations(
            (
                *(Migration(f"m{i}", f"s{i}", "error", "cmp1", f"cmp{i + 2}", updated=NOW - HOUR) for i in range(3)),
                Migration("before", "s0", "completed", "cmp1", "cmp2", updated=NOW - 2 * HOUR),
            )
        ),
        Servers(tuple(Server(f"s{i}") for i in range(3))),
    ],
    finds=["migrations cmp1"],
    good=[
        Servers(tuple(Server(x) for x in "abcs")),
        Migrations(
            (
                # Three of servers that are gone; three after which one has succeeded.
                *(Migration(f"g{i}", f"gone{i}", "error", "cmp5", "cmp6", updated=NOW - HOUR) for i in range(3)),
                *(Migration(f"o{i}", "s", "error", "cmp7", "cmp8", updated=NOW - HOUR) for i in range(3)),
                Migration("ok", "s", "completed", "cmp8", "cmp7", updated=NOW - 60),
                Migration("m1", "a", "error", "cmp1", "cmp2", updated=NOW - HOUR),
                Migration("m2", "b", "error", "cmp1", "cmp2", updated=NOW - 2 * DAY),
                Migration("m3", "c", "completed", "cmp1", "cmp2", updated=NOW - HOUR),
            )
        ),
    ],
)
case(
    "nova.anti-affinity",
    bad=[
        ServerGroups((ServerGroup("g", "db", ("anti-affinity",), ("a", "b", "c")),)),
        Servers((Server("a", host="cmp1"), Server("b", host="cmp1"), Server("c", host="cmp2"))),
    ],
    finds=["g@cmp1"],
    good=[
        ServerGroups(
            (
                ServerGroup("g", "db", ("anti-affinity",), ("a", "b")),
                ServerGroup("s", "x", ("soft-anti-affinity",), ("a", "c")),
            )
        ),
        Servers((Server("a", host="cmp1"), Server("b", host="cmp2"), Server("c", host="cmp1"))),
    ],
)
case(
    "nova.host-in-two-zones",
    bad=[Aggregates((Aggregate("1", "a", "az1", ("cmp1",)), Aggregate("2", "b", "az2", ("cmp1", "cmp2"))))],
    finds=["zone cmp1"],
    good=[
        Aggregates(
            (
                Aggregate("1", "a", "az1", ("cmp1",)),
                Aggregate("2", "ssd", "", ("cmp1",)),
                Aggregate("3", "b", "az1", ("cmp1",)),
            )
        )
    ],
)
case(
    "placement.over-capacity",
    bad=[Providers((Provider("h1", "cmp1", {"VCPU": Inventory(4, 1, 2.0, 7)}),))],
    finds=["h1:VCPU"],
    good=[Providers((Provider("h1", "cmp1", {"VCPU": Inventory(4, 1, 2.0, 6)}),))],
)
case(
    "placement.no-inventory",
    bad=[Providers((Provider("h1", "cmp1", {"MEMORY_MB": Inventory(100)}), Provider("h2", "cmp2"))), _TWO],
    finds=["h1", "h2"],
    good=[Providers((Provider("h1", "cmp1", _memory()), Provider("share", "nfs", {"DISK_GB": Inventory(9)}))), _TWO],
)
case(
    "placement.disabled-trait",
    bad=[
        Providers((Provider("h1", "cmp1", disabled=True), Provider("h2", "cmp2"))),
        ComputeServices((_UP, ComputeService("nova-compute", "cmp2", enabled=False))),
        _TWO,
    ],
    finds=["h1", "h2"],
    good=[
        Providers((Provider("h1", "cmp1"), Provider("h2", "cmp2", disabled=True))),
        ComputeServices((_UP, ComputeService("nova-compute", "cmp2", enabled=False))),
        _TWO,
    ],
)
case(
    "placement.small-reserve",
    bad=[Providers((Provider("h1", "cmp1", _memory(reserved=0)),)), _TWO],
    finds=["h1:MEMORY_MB"],
    good=[Providers((Provider("h1", "cmp1", _memory()), Provider("h2", "cmp2", _memory(reserved=0, ratio=0.9)))), _TWO],
)
case(
    "placement.ratio-drift",
    bad=[
        Providers(
            (
                Provider("h1", "cmp1", _memory()),
                Provider("h2", "cmp2", _memory()),
                Provider("h3", "cmp3", {"VCPU": Inventory(16, 0, 16.0)}),
            )
        ),
        Aggregates((Aggregate("1", "fast", "", ("cmp1", "cmp2", "cmp3")),)),
        Hypervisors((*_TWO.rows, Hypervisor("h3", "cmp3", "cmp3"))),
    ],
    finds=["1:h3:VCPU"],
    good=[
        Providers((Provider("h1", "cmp1", _memory()), Provider("h2", "cmp2", _memory(ratio=1.5)))),
        Aggregates((Aggregate("1", "fast", "", ("cmp1",)), Aggregate("2", "slow", "", ("cmp2",)))),
        _TWO,
    ],
)
_SMALL = Providers((Provider("h1", "cmp1", {"VCPU": Inventory(4, 0, 2.0), "MEMORY_MB": Inventory(8192)}),))
case(
    "nova.flavor-nowhere",
    bad=[Flavors((Flavor("f", "huge", 2, 16384), Flavor("g", "wide", 9, 1024))), _SMALL, _TWO],
    finds=["f", "g"],
    good=[
        Flavors(
            (
                Flavor("f", "fits", 8, 8192),
                Flavor("p", "private", 99, 1, public=False),
                Flavor("m", "metal", 99, 1, specs={"resources:VCPU": "0"}),
            )
        ),
        _SMALL,
        _TWO,
    ],
)
case(
    "nova.service-without-hypervisor",
    bad=[ComputeServices((_UP, ComputeService("nova-compute", "cmp9"))), _TWO],
    finds=["nova-compute@cmp9"],
    good=[
        ComputeServices(
            (_UP, ComputeService("nova-compute", "cmp8", up=False), ComputeService("nova-scheduler", "ctl1"),
             ComputeService("nova-compute", "ctl1-ironic"))
        ),
        _TWO,
    ],
)  # fmt: skip
case(
    "placement.host-loss",
    bad=[Providers((Provider("h1", "cmp1", _memory(used=50000)), Provider("h2", "cmp2", _memory(used=20000)))), _TWO],
    finds=["memory"],
    good=[Providers((Provider("h1", "cmp1", _memory(used=30000)), Provider("h2", "cmp2", _memory(used=20000)))), _TWO],
)
