"""What no single system shows: Nova against libvirt, Placement, Neutron, Cinder, Ceph, Glance, Keystone."""

from __future__ import annotations

from blue_wizard.facts.ceph_cluster import CephMap, RbdImages, RbdSizes
from blue_wizard.facts.compute import (
    ComputeService,
    ComputeServices,
    Hypervisor,
    Hypervisors,
    Migration,
    Migrations,
    Server,
    Servers,
)
from blue_wizard.facts.domains import HypervisorDomain, HypervisorDomains
from blue_wizard.facts.identity import Inventory, Project, Projects, Provider, Providers
from blue_wizard.facts.machine import Card, Cards
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
)
from blue_wizard.facts.volume import (
    Attachment,
    Attachments,
    Image,
    Images,
    Volume,
    VolumePool,
    VolumePools,
    Volumes,
    VolumeService,
    VolumeServices,
)
from blue_wizard.inspect.facts import Reached
from blue_wizard.inspect.fetch.machine import Namespaces
from blue_wizard.inspect.fetch.quota import VolumeQuotas

from .base import At, at, case

_A = "aaaaaaaa-0000-4000-8000-000000000001"
_B = "bbbbbbbb-0000-4000-8000-000000000002"
_HOSTS = Hypervisors((Hypervisor("h1", "cmp1", "cmp1"), Hypervisor("h2", "cmp2", "cmp2")))
_ON1 = Servers((Server(_A, "web", host="cmp1", vcpus=2, ram=2048),))
_MOVING = Migrations((Migration("m", _A, "running", "cmp1", "cmp2"),))


def _domains(host: str, *rows: HypervisorDomain, secrets: tuple[str, ...] = ()) -> At:
    return at(host, HypervisorDomains(rows, secrets=secrets))


def _domain(uuid: str = _A, state: str = "running", **values: object) -> HypervisorDomain:
    return HypervisorDomain(uuid, "instance-1", state, 2, 2048, **values)  # type: ignore[arg-type]


case(
    "cross.server-twice",
    bad=[_domains("cmp1", _domain()), _domains("cmp2", _domain(state="paused")), _ON1],
    finds=[_A],
    good=[
        _domains("cmp1", _domain(), _domain(_B)),
        _domains("cmp2", _domain(), _domain(_B, "shutoff")),
        _ON1,
        _MOVING,
    ],
)
case(
    "cross.wrong-host",
    bad=[_domains("cmp1"), _domains("cmp2", _domain()), _ON1],
    finds=[_A],
    # The host that Nova names could not be asked: nothing may be said.
    good=[_domains("cmp2", _domain()), _ON1],
)
case(
    "cross.ghost-server",
    bad=[_domains("cmp1"), _domains("cmp2"), _ON1],
    finds=[_A],
    good=[
        _domains("cmp1", _domain()),
        Servers(
            (
                *_ON1.rows,
                Server(_B, host="cmp9"),
                Server("c", host="cmp1", status="SHELVED_OFFLOADED"),
                Server("d", host="cmp1", task="rebooting_hard"),
            )
        ),
    ],
)
case(
    "cross.orphan-domain",
    bad=[_domains("cmp1", _domain(_B, server="old"), _domain()), _ON1, _HOSTS],
    finds=[_B],
    good=[_domains("cmp1", _domain(), _domain("x", nova=False)), _domains("kvm1", _domain(_B)), _ON1, _HOSTS],
)
case(
    "cross.power-state",
    bad=[
        _domains("cmp1", _domain(state="shutoff"), _domain(_B)),
        Servers((*_ON1.rows, Server(_B, host="cmp1", status="SHUTOFF"))),
    ],
    finds=[_A, _B],
    good=[
        _domains("cmp1.example", _domain(), _domain(_B, "shutoff"), _domain("busy", "shutoff")),
        Servers(
            (*_ON1.rows, Server(_B, host="cmp1", status="SHUTOFF"), Server("busy", host="cmp1", task="powering-off"))
        ),
    ],
)
case(
    "cross.flavor-mismatch",
    bad=[_domains("cmp1", _domain()), Servers((Server(_A, host="cmp1", vcpus=4, ram=2048),))],
    finds=[_A],
    good=[_domains("cmp1", _domain()), _ON1],
)


def _held(id_: str, name: str, *consumers: str, vcpus: int = 2) -> Provider:
    return Provider(id_, name, {"MEMORY_MB": Inventory(9)}, {c: {"VCPU": vcpus, "MEMORY_MB": 2048} for c in consumers})


case(
    "cross.no-allocation",
    bad=[_ON1, Providers((_held("h1", "cmp1", _B),)), _HOSTS],
    finds=[_A],
    good=[
        Servers((*_ON1.rows, Server(_B, host="cmp1", status="SHELVED_OFFLOADED"), Server("c", host="ironic-1"))),
        Providers((_held("h1", "cmp1", _A),)),
        _HOSTS,
    ],
)
case(
    "cross.leaked-allocation",
    bad=[_ON1, Providers((_held("h1", "cmp1", _A, _B),)), _HOSTS],
    finds=[_B],
    good=[
        _ON1,
        Providers((_held("h1", "cmp1", _A), _held("h2", "cmp2", "m"), _held("x", "ironic", _B))),
        _HOSTS,
        _MOVING,
    ],
)
case(
    "cross.doubled-allocation",
    bad=[_ON1, Providers((_held("h1", "cmp1", _A), _held("h2", "cmp2", _A))), _HOSTS],
    finds=[_A],
    good=[_ON1, Providers((_held("h1", "cmp1", _A), _held("h2", "cmp2", _A))), _HOSTS, _MOVING],
)
case(
    "cross.allocation-host",
    bad=[_ON1, Providers((_held("h2", "cmp2", _A),)), _HOSTS],
    finds=[_A],
    good=[_ON1, Providers((_held("h1", "cmp1", _A), _held("h2", "cmp2", _A))), _HOSTS],
)
case(
    "cross.allocation-amount",
    bad=[_ON1, Providers((_held("h1", "cmp1", _A, vcpus=1),))],
    finds=[_A],
    good=[_ON1, Providers((_held("h1", "cmp1", _A),))],
)
case(
    "cross.provider-without-host",
    bad=[Providers((_held("h1", "cmp1"), _held("old", "cmp1-old"))), _HOSTS],
    finds=["old", "h2"],
    good=[
        Providers((_held("h1", "cmp1"), _held("h2", "cmp2"), Provider("nfs", "nfs", {"DISK_GB": Inventory(1)}))),
        _HOSTS,
    ],
)
case(
    "cross.port-of-nothing",
    bad=[Ports((Port("p", device=_B, owner="compute:nova", addresses=(("u", "10.0.0.9"),)),)), _ON1],
    finds=["p"],
    good=[
        Ports(
            (Port("p", device=_A, owner="compute:nova"), Port("d", device="dhcp1", owner="network:dhcp"), Port("free"))
        ),
        _ON1,
    ],
)
case(
    "cross.port-host",
    bad=[Ports((Port("p", device=_A, owner="compute:nova", host="cmp2"),)), _ON1],
    finds=["p"],
    good=[Ports((Port("p", device=_A, owner="compute:nova", host="cmp2"),)), _ON1, _MOVING],
)
_PORT = "cccccccc-1111-4000-8000-000000000003"
case(
    "cross.port-without-tap",
    bad=[Ports((Port(_PORT, device=_A, owner="compute:nova", host="cmp1"),)), _ON1, at("cmp1", Cards((Card("eno1"),)))],
    finds=[_PORT],
    good=[
        Ports(
            (
                Port(_PORT, device=_A, owner="compute:nova", host="cmp1"),
                Port("sriov", device=_A, owner="compute:nova", host="cmp1", vnic="direct", vif="hw_veb"),
                Port("elsewhere", device=_A, owner="compute:nova", host="cmp2"),
            )
        ),
        _ON1,
        at("cmp1", Cards((Card("tapcccccccc-11"),))),
    ],
)
case(
    "cross.tap-of-nothing",
    bad=[
        at("cmp1", Cards((Card("tapdddddddd-11"), Card("qvodddddddd-11"), Card("tapcccccccc-11")))),
        Ports((Port(_PORT),)),
    ],
    finds=["dddddddd-11"],
    good=[at("cmp1", Cards((Card("tapcccccccc-11"), Card("vnet0"), Card("eno1")))), Ports((Port(_PORT),))],
)
case(
    "cross.router-port",
    bad=[
        Ports(
            (
                Port("p", device="gone", owner="network:router_interface"),
                Port("g", device="gone", owner="network:router_gateway"),
            )
        ),
        Routers(),
    ],
    finds=["p", "g"],
    good=[
        Ports((Port("p", device="r", owner="network:router_interface"), Port("d", device="x", owner="network:dhcp"))),
        Routers((Router("r"),)),
    ],
)
case(
    "cross.floating-of-nothing",
    bad=[FloatingIps((FloatingIp("f", "1.2.3.4", port="gone", router="r"), FloatingIp("g", "1.2.3.5", port="p", router="gone"))),
         Ports((Port("p"),)), Routers((Router("r"),))],
    finds=["f", "g"],
    good=[FloatingIps((FloatingIp("f", "1.2.3.4", port="p", router="r"), FloatingIp("g", "1.2.3.5"))),
          Ports((Port("p"),)), Routers((Router("r"),))],
)  # fmt: skip
case(
    "cross.duplicate-address",
    bad=[
        Ports(
            (
                Port("p", "n", mac="fa:1", addresses=(("u", "10.0.0.5"),)),
                Port("q", "n", mac="fa:2", addresses=(("u", "10.0.0.5"),)),
                Port("r", "n", mac="fa:1"),
            )
        )
    ],
    finds=["u 10.0.0.5", "n fa:1"],
    good=[
        Ports(
            (
                Port("p", "n", mac="fa:1", addresses=(("u", "10.0.0.5"),)),
                Port("q", "n2", mac="fa:1", addresses=(("u2", "10.0.0.5"),)),
                Port(
                    "d1", "n", owner="network:router_interface_distributed", mac="fa:9", addresses=(("u", "10.0.0.1"),)
                ),
                Port(
                    "d2", "n", owner="network:router_interface_distributed", mac="fa:9", addresses=(("u", "10.0.0.1"),)
                ),
            )
        )
    ],
)
case(
    "cross.segment-twice",
    bad=[
        Networks(
            (
                Network("a", kind="vlan", physical="physnet1", segment=101),
                Network("b", kind="vlan", physical="physnet1", segment=101),
            )
        )
    ],
    finds=["vlan physnet1 101"],
    good=[
        Networks(
            (
                Network("a", kind="vlan", physical="physnet1", segment=101),
                Network("b", kind="vlan", physical="physnet2", segment=101),
                Network("c", kind="vxlan", segment=101),
                Network("f", kind="flat", physical="x"),
            )
        )
    ],
)
case(
    "cross.namespace-of-nothing",
    bad=[at("net1", Namespaces((f"qdhcp-{_A}", f"qrouter-{_B}"))), Networks(), Routers()],
    finds=[f"qdhcp-{_A}", f"qrouter-{_B}"],
    good=[
        at("net1", Namespaces((f"qdhcp-{_A}", f"qrouter-{_B}", "mine"))),
        Networks((Network(_A),)),
        Routers((Router(_B),)),
    ],
)
case(
    "cross.attachment-of-nothing",
    bad=[Attachments((Attachment("x", "v", _B),)), Volumes((Volume("v", status="in-use", servers=(_B,)),)), _ON1],
    finds=["x"],
    good=[
        Attachments((Attachment("x", "v", _A), Attachment("image-copy", "w", ""), Attachment("y", "going", _B))),
        Volumes((Volume("v", status="in-use"), Volume("going", status="detaching"))),
        _ON1,
    ],
)
case(
    "cross.volume-unknown",
    bad=[Servers((Server(_A, volumes=("v", "gone")),)), Volumes((Volume("v"),))],
    finds=[f"{_A}:gone"],
    good=[
        Servers((Server(_A, volumes=("v",)), Server(_B, volumes=("gone",), task="deleting"))),
        Volumes((Volume("v"),)),
    ],
)
case(
    "cross.attachment-disagree",
    bad=[
        Servers((Server(_A, volumes=("w",)),)),
        Volumes((Volume("v", status="in-use", servers=(_A,)), Volume("w"))),
    ],
    finds=[f"{_A}:v", f"{_A}:w"],
    good=[
        Servers((Server(_A, volumes=("v",)), Server(_B, task="attaching"))),
        Volumes((Volume("v", status="in-use", servers=(_A,)), Volume("w", status="attaching", servers=(_A,)))),
    ],
)
case(
    "cross.volume-not-in-domain",
    bad=[
        Servers((Server(_A, host="cmp1", volumes=("v",)),)),
        Volumes((Volume("v", status="in-use", servers=(_A,)),)),
        _domains("cmp1", _domain()),
    ],
    finds=[f"{_A}:v"],
    good=[
        Servers((Server(_A, host="cmp1", volumes=("v",)), Server(_B, host="cmp1", status="SHUTOFF", volumes=("w",)))),
        Volumes((Volume("v", status="in-use", servers=(_A,)), Volume("w", status="in-use", servers=(_B,)))),
        _domains("cmp1", _domain(serials=("v",)), _domain(_B, "shutoff")),
    ],
)
case(
    "cross.volume-open-twice",
    bad=[
        _domains("cmp1", _domain(disks=("volumes/volume-v",))),
        _domains("cmp2", _domain(_B, disks=("volumes/volume-v",))),
    ],
    finds=["volumes/volume-v"],
    good=[
        _domains("cmp1", _domain(disks=("volumes/volume-v", "volumes/volume-shared", "/var/lib/nova/a/disk"))),
        _domains(
            "cmp2",
            _domain(_B, disks=("volumes/volume-shared", "/var/lib/nova/a/disk")),
            _domain("c", "shutoff", disks=("volumes/volume-v",)),
        ),
        Volumes((Volume("shared", multiattach=True),)),
    ],
)
case(
    "cross.disk-missing",
    bad=[_domains("cmp1", _domain(disks=("vms/gone_disk",))), RbdImages({"vms": frozenset({"x_disk"})})],
    finds=[f"{_A}:vms/gone_disk"],
    good=[
        _domains("cmp1", _domain(disks=("vms/x_disk", "/a/disk", "other/y"))),
        RbdImages({"vms": frozenset({"x_disk"})}),
    ],
)
_POOLS = VolumePools((VolumePool("ctl1@rbd#rbd", location="ceph:/etc/ceph/ceph.conf:fsid:cinder:volumes"),))
_MAP = CephMap(fsid="fsid")
case(
    "cross.volume-without-image",
    bad=[Volumes((Volume("v", host="ctl1@rbd#rbd"),)), _POOLS, RbdImages({"volumes": frozenset()}), _MAP],
    finds=["v"],
    good=[
        Volumes(
            (
                Volume("v", host="ctl1@rbd#rbd"),
                Volume("moved", host="ctl1@rbd#rbd", stored_as="copy"),
                Volume("new", host="ctl1@rbd#rbd", status="creating"),
                Volume("bad", host="ctl1@rbd#rbd", status="error"),
                Volume("lvm", host="ctl1@lvm#lvm"),
            )
        ),
        _POOLS,
        RbdImages({"volumes": frozenset({"volume-v", "volume-copy"})}),
        _MAP,
    ],
)
case(
    "cross.image-without-volume",
    bad=[RbdImages({"volumes": frozenset({f"volume-{_B}"})}), Volumes((Volume(_A),)), _POOLS, _MAP],
    finds=[f"volumes/volume-{_B}"],
    good=[
        RbdImages(
            {
                "volumes": frozenset({f"volume-{_A}", f"volume-{_B}.deleted", "mine"}),
                "other": frozenset({f"volume-{_B}"}),
            }
        ),
        Volumes((Volume(_A),)),
        _POOLS,
        _MAP,
    ],
)
case(
    "cross.volume-size",
    bad=[Volumes((Volume("v", size=2),)), RbdSizes({"volume-v": 1 << 30})],
    finds=["v"],
    good=[
        Volumes((Volume("v", size=2), Volume("odd", size=2))),
        RbdSizes({"volume-v": 2 << 30, "volume-odd": (1 << 30) + 512}),
    ],
)
case(
    "cross.server-disk-of-nothing",
    bad=[RbdImages({"vms": frozenset({f"{_B}_disk", f"{_A}_disk"})}), _ON1],
    finds=[f"vms/{_B}_disk"],
    good=[RbdImages({"vms": frozenset({f"{_A}_disk.config", "mine_disk"})}), _ON1],
)
case(
    "cross.glance-image-missing",
    bad=[Images((Image(_A, size=5), Image(_B, size=5))), RbdImages({"images": frozenset({_A})})],
    finds=[_B],
    good=[
        Images(
            (
                Image(_A, size=5),
                Image(_B, size=5, stores="file"),
                Image("q", status="queued"),
                Image("u", size=5, url="file:///x"),
            )
        ),
        RbdImages({"images": frozenset({_A})}),
    ],
)
case(
    "cross.rbd-image-of-nothing",
    bad=[Images((Image(_A),)), RbdImages({"images": frozenset({_A, _B})})],
    finds=[f"images/{_B}"],
    good=[Images((Image(_A),)), RbdImages({"images": frozenset({_A, "mine"}), "vms": frozenset({_B})})],
)
case(
    "cross.project-gone",
    bad=[Projects((Project("p"),)), Servers((Server(_A, project="gone"),)), Networks((Network("n", project="gone"),))],
    finds=["gone"],
    good=[Projects((Project("p"),)), Servers((Server(_A, project="p"),)), Volumes((Volume("v"),))],
)
case(
    "cross.disabled-project",
    bad=[Projects((Project("p", "old", enabled=False),)), Servers((Server(_A, project="p"),))],
    finds=["p"],
    good=[
        Projects((Project("p", enabled=False), Project("q"))),
        Servers((Server(_A, project="q"), Server(_B, project="p", status="SHUTOFF"))),
    ],
)
case(
    "cross.libvirt-secret",
    bad=[_domains("cmp1", secrets=("s1",)), _domains("cmp2"), _HOSTS],
    finds=["s1"],
    good=[_domains("cmp1", secrets=("s1",)), _domains("cmp2", secrets=("s1",)), _domains("kvm1"), _HOSTS],
)
case(
    "cross.unknown-host",
    bad=[
        Reached({"cmp1": None}),
        Agents((Agent("1", "L3 agent", "net9"),)),
        VolumeServices((VolumeService("cinder-volume", "ctl9@rbd"),)),
    ],
    finds=["net9", "ctl9"],
    good=[
        Reached({"cmp1": None, "ctl1": ("login", "no")}),
        Agents((Agent("1", "L3 agent", "cmp1.example"),)),
        VolumeServices((VolumeService("x", "ctl1@rbd"),)),
    ],
)
case(
    "cross.single-service",
    bad=[
        ComputeServices((ComputeService("nova-conductor", "ctl1"), ComputeService("nova-compute", "cmp1"))),
        Agents((Agent("1", "L3 agent", "net1"), Agent("2", "L3 agent", "net2", enabled=False))),
        VolumeServices((VolumeService("cinder-scheduler", "ctl1"), VolumeService("cinder-volume", "ctl1@rbd"))),
    ],
    finds=["nova-conductor", "L3 agent", "cinder-scheduler"],
    good=[
        ComputeServices((ComputeService("nova-conductor", "ctl1"), ComputeService("nova-conductor", "ctl2"))),
        Agents((Agent("1", "L3 agent", "net1"), Agent("2", "L3 agent", "net2"))),
        VolumeServices((VolumeService("cinder-volume", "ctl1@rbd"),)),
    ],
)
case(
    "cross.volume-quota",
    bad=[VolumeQuotas({"p": 5}), Volumes((Volume("v", project="p"),))],
    finds=["p"],
    good=[
        VolumeQuotas({"p": 1, "busy": 9}),
        Volumes((Volume("v", project="p"), Volume("w", project="busy", status="deleting"))),
    ],
)
