"""Across systems that not every cloud has, and how the services are set up."""

from __future__ import annotations

from blue_wizard.facts.addons import (
    Amphora,
    Balancer,
    Balancers,
    BareMetal,
    FencedHosts,
    Node,
    SegmentHost,
    StackResource,
    StackResources,
)
from blue_wizard.facts.ceph_cluster import RbdSnapshots
from blue_wizard.facts.compute import (
    Aggregate,
    Aggregates,
    ComputeService,
    ComputeServices,
    Flavor,
    Flavors,
    Migration,
    Migrations,
    Server,
    Servers,
)
from blue_wizard.facts.network import Port, Ports, SecurityGroup, SecurityGroups
from blue_wizard.facts.volume import Snapshot, Snapshots, Volume, Volumes
from blue_wizard.inspect.fetch.services import ConfigDigests, Schemas

from .base import At, at, case

_S = "aaaaaaaa-0000-4000-8000-000000000001"
_MAC, _OTHER = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"
_SERVER = Servers((Server("a", "web", host="cmp1", macs=(_MAC, _OTHER)),))
_PORTS = Ports((Port("p1", mac=_MAC), Port("p2", mac=_OTHER)))

case(
    "cross.port-missing",
    bad=[_SERVER, Ports((Port("p1", mac=_MAC),))],
    finds=[f"a:{_OTHER}"],
    good=[
        Servers(
            (
                *_SERVER.rows,
                Server("b", status="BUILD", macs=("x",)),
                Server("c", task="deleting", macs=("x",)),
                Server("d", macs=("x",)),
            )
        ),
        _PORTS,
        Migrations((Migration("m", "d", "running"),)),
    ],
)
case(
    "cross.security-group",
    bad=[
        SecurityGroups((SecurityGroup("g1", remotes=("g1", "gone")),)),
        Ports((Port("p1", groups=("g1", "lost")),)),
    ],
    finds=["p1:lost", "g1:gone"],
    good=[
        SecurityGroups((SecurityGroup("g1", remotes=("g1", "g2")), SecurityGroup("g2"))),
        Ports((Port("p1", groups=("g1",)), Port("p2"))),
    ],
)
_DATA = RbdSnapshots({"volume-v": frozenset({f"snapshot-{_S}", "by-hand"})})
case(
    "cross.snapshot-data",
    bad=[Snapshots((Snapshot("other", "v"),)), Volumes((Volume("v"),)), _DATA],
    finds=["other", f"volume-v@snapshot-{_S}"],
    good=[
        Snapshots((Snapshot(_S, "v"), Snapshot("new", "v", status="creating"), Snapshot("x", "elsewhere"))),
        Volumes((Volume("v"), Volume("elsewhere"))),
        _DATA,
    ],
)
case(
    "cross.amphora",
    bad=[
        Balancers((Balancer("l", port="gone"),), (Amphora("m", "l", "lost"),)),
        Servers((Server("a"),)),
        Ports((Port("p"),)),
    ],
    finds=["m", "l"],
    good=[
        Balancers(
            (Balancer("l", port="p"), Balancer("new", status="PENDING_CREATE", port="x")),
            (Amphora("m", "l", "a"), Amphora("n", "l", "old", "DELETED"), Amphora("o", "l", "")),
        ),
        Servers((Server("a"),)),
        Ports((Port("p"),)),
    ],
)


def _resource(kind: str, physical: str, status: str = "CREATE_COMPLETE") -> StackResource:
    return StackResource("shop", kind.rpartition("::")[2].lower(), kind, physical, status)


case(
    "cross.stack-resource",
    bad=[
        StackResources((_resource("OS::Nova::Server", "x"), _resource("OS::Cinder::Volume", "v"))),
        Volumes((Volume("v"),)),
    ],
    finds=["shop:server"],
    good=[
        StackResources(
            (
                _resource("OS::Nova::Server", "a"),
                _resource("OS::Neutron::Port", "gone", "DELETE_IN_PROGRESS"),
                _resource("OS::Heat::RandomString", "x"),
                _resource("OS::Cinder::Volume", ""),
            )
        ),
        Servers((Server("a"),)),
    ],
)
_COMPUTE = ComputeServices((ComputeService("nova-compute", "cmp1"), ComputeService("nova-compute", "cmp2", up=False)))
case(
    "cross.fenced-host",
    bad=[FencedHosts((SegmentHost("cmp1", "rack1", True), SegmentHost("cmp9", "rack1"))), _COMPUTE],
    finds=["cmp1", "cmp9"],
    good=[FencedHosts((SegmentHost("cmp1.example", "rack1"), SegmentHost("cmp2", "rack1", True))), _COMPUTE],
)
case(
    "cross.bare-metal",
    bad=[BareMetal((Node("n1", state="active"), Node("n2", state="active", server="gone"))), Servers((Server("a"),))],
    finds=["n1", "n2"],
    good=[
        BareMetal((Node("n1", state="active", server="a"), Node("n2"), Node("n3", state="deploying", server="x"))),
        Servers((Server("a"),)),
    ],
)


def _files(host: str, digest: str, name: str = "nova.conf of nova-api") -> At:
    return at(host, ConfigDigests({name: digest}))


case(
    "cross.config-parity",
    bad=[_files("ctl1", "a"), _files("ctl2", "a"), _files("ctl3", "b")],
    finds=["nova.conf of nova-api"],
    good=[
        _files("ctl1", "a"),
        _files("ctl2", "a"),
        _files("ctl3", "a"),
        _files("cmp1", "b", "nova.conf of nova-compute"),
        _files("cmp2", "c", "nova.conf of nova-compute"),
    ],
)
case(
    "cross.schema",
    bad=[at("ctl1", Schemas((("neutron", "Need to apply migrations", True), ("glance", "up to date", False))))],
    finds=["neutron"],
    good=[at("ctl1", Schemas((("keystone", "", False),)))],
)


def _flavors(**specs: str) -> Flavors:
    return Flavors((Flavor("f", "gpu", 1, 1024, specs={k.replace("__", ":"): v for k, v in specs.items()}),))


case(
    "cross.flavor-aggregate",
    bad=[
        _flavors(aggregate_instance_extra_specs__gpu="yes"),
        Aggregates((Aggregate("1", "empty", metadata={"gpu": "yes"}), Aggregate("2", "other", hosts=("cmp1",)))),
    ],
    finds=["f:gpu"],
    good=[
        _flavors(
            aggregate_instance_extra_specs__gpu="<or> no <or> yes",
            aggregate_instance_extra_specs__tier="s== gold",
            aggregate_instance_extra_specs__speed=">= 3",
            hw__cpu_policy="dedicated",
        ),
        Aggregates((Aggregate("1", "a", hosts=("cmp1",), metadata={"gpu": "yes", "tier": "silver, gold"}),)),
    ],
)
