"""Neutron."""

from __future__ import annotations

from blue_wizard.facts.compute import Migration, Migrations, Server, Servers
from blue_wizard.facts.network import (
    Agent,
    Agents,
    FloatingIp,
    FloatingIps,
    Network,
    Networks,
    Port,
    Ports,
    Router,
    Routers,
    Stock,
    Stocks,
    Subnet,
    Subnets,
)
from blue_wizard.inspect.fetch.schedule import Hosting

from .base import DAY, NOW, case

_OVS = "Open vSwitch agent"
_DHCP = Agent("d1", "DHCP agent", "net1")
_L3 = Agent("l1", "L3 agent", "net1")
_VM = Servers((Server("s", "web", host="cmp1"),))

case(
    "neutron.agent-dead",
    bad=[
        Agents(
            (
                Agent("1", _OVS, "cmp1"),
                Agent("2", _OVS, "cmp2", alive=False),
                Agent("3", "L3 agent", "net1", alive=False),
            )
        )
    ],
    finds={f"{_OVS}@cmp2": "warning", "L3 agent@net1": "critical"},
    good=[Agents((Agent("1", _OVS, "cmp1"), Agent("2", _OVS, "cmp2", alive=False, enabled=False)))],
)
case(
    "neutron.agent-disabled",
    bad=[Agents((Agent("1", _OVS, "cmp1", enabled=False),))],
    finds=[f"{_OVS}@cmp1"],
    good=[Agents((Agent("1", _OVS, "cmp1"),))],
)
case(
    "neutron.binding-failed",
    bad=[Ports((Port("p", vif="binding_failed", host="cmp1"), Port("q")))],
    finds=["p"],
    good=[Ports((Port("q"), Port("r", vif="unbound")))],
)
case(
    "neutron.port-unbound",
    bad=[Ports((Port("p", device="s", owner="compute:nova", vif="unbound"),)), _VM],
    finds=["p"],
    good=[
        Ports(
            (
                Port("p", device="s", owner="compute:nova", vif="unbound"),
                Port("q", device="t", owner="compute:nova", vif="unbound"),
            )
        ),
        Servers((Server("s", status="SHELVED_OFFLOADED"), Server("t"))),
        Migrations((Migration("m", "t", "running"),)),
    ],
)
case(
    "neutron.port-down",
    bad=[Ports((Port("p", device="s", owner="compute:nova", host="cmp1", status="DOWN"),)), _VM],
    finds=["p"],
    good=[
        Ports(
            (
                Port("p", device="s", owner="compute:nova", status="DOWN", enabled=False),
                Port("q", device="off", owner="compute:nova", status="DOWN"),
                Port("r", device="busy", owner="compute:nova", status="DOWN"),
                Port("u", device="s", owner="compute:nova"),
            )
        ),
        Servers((*_VM.rows, Server("off", status="SHUTOFF"), Server("busy", task="rebooting"))),
    ],
)
case(
    "neutron.router-down",
    bad=[Routers((Router("r", status="ERROR"),))],
    finds=["r"],
    good=[Routers((Router("r"), Router("q", status="DOWN", enabled=False)))],
)
case(
    "neutron.router-unscheduled",
    bad=[
        Routers((Router("r"), Router("q"))),
        Agents((_L3, Agent("l2", "L3 agent", "net2", alive=False))),
        Hosting(routers={"l2": frozenset({"q"})}),
    ],
    finds=["r", "q"],
    good=[
        Routers((Router("r"), Router("dvr", distributed=True), Router("off", enabled=False))),
        Agents((_L3,)),
        Hosting(routers={"l1": frozenset({"r"})}),
    ],
)
case(
    "neutron.dhcp-missing",
    bad=[
        Networks((Network("n"),)),
        Subnets((Subnet("u", "n"),)),
        Ports((Port("p", "n", owner="compute:nova"),)),
        Agents((_DHCP, Agent("d2", "DHCP agent", "net2", alive=False))),
        Hosting(networks={"d2": frozenset({"n"})}),
    ],
    finds=["n"],
    good=[
        Networks((Network("n"), Network("empty"), Network("off"))),
        Subnets((Subnet("u", "n"), Subnet("v", "empty"), Subnet("w", "off", dhcp=False))),
        Ports((Port("p", "n", owner="compute:nova"), Port("q", "off", owner="compute:nova"))),
        Agents((_DHCP,)),
        Hosting(networks={"d1": frozenset({"n"})}),
    ],
)
case(
    "neutron.floating-ip-down",
    bad=[FloatingIps((FloatingIp("f", "172.24.4.9", "DOWN", port="p"), FloatingIp("g", "172.24.4.8", "ERROR")))],
    finds=["f", "g"],
    good=[FloatingIps((FloatingIp("f", "172.24.4.9", port="p"), FloatingIp("g", "172.24.4.8", "DOWN")))],
)
case(
    "neutron.external-exhausted",
    bad=[
        Networks((Network("e", external=True), Network("f", external=True))),
        Stocks((Stock("e", "ext", "u", "172.24.4.0/24", 100, 85), Stock("f", "ext2", "w", "10.0.0.0/24", 100, 96))),
    ],
    finds={"e": "warning", "f": "critical"},
    good=[
        Networks((Network("e", external=True), Network("n"))),
        Stocks(
            (
                Stock("e", "ext", "u", "", 100, 99),
                Stock("e", "ext", "v", "", 100, 10),
                Stock("n", "in", "w", "", 100, 100),
            )
        ),
    ],
)
case(
    "neutron.subnet-exhausted",
    bad=[Networks((Network("n"),)), Stocks((Stock("n", "in", "u", "10.0.0.0/24", 100, 95),))],
    finds=["u"],
    good=[
        Networks((Network("n"), Network("e", external=True))),
        Stocks(
            (
                Stock("n", "in", "u", "", 100, 50),
                Stock("n", "in", "tiny", "", 2, 2),
                Stock("e", "ext", "w", "", 100, 99),
            )
        ),
    ],
)
case(
    "neutron.bridge-mappings",
    bad=[Agents(tuple(Agent(str(i), _OVS, f"cmp{i}", mappings={"physnet1": "br-ex"} if i else {}) for i in range(4)))],
    finds=["mappings cmp0"],
    good=[
        Agents(
            (
                Agent("1", _OVS, "cmp1", mappings={"physnet1": "br-ex"}),
                Agent("2", _OVS, "cmp2", mappings={"physnet1": "br-ex"}),
                Agent("3", _OVS, "net1", mappings={"physnet1": "br-ex", "external": "br-out"}),
            )
        )
    ],
)
case(
    "neutron.idle-floating-ips",
    bad=[FloatingIps((FloatingIp("f", "172.24.4.9", updated=NOW - 9 * DAY),))],
    finds=["f"],
    good=[
        FloatingIps(
            (
                FloatingIp("f", "172.24.4.9", port="p", updated=NOW - 9 * DAY),
                FloatingIp("g", "172.24.4.8", updated=NOW - DAY),
            )
        )
    ],
)
