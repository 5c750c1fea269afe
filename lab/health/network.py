"""Neutron and the switches: agents, bindings, ports and cards that belong to nothing."""

from __future__ import annotations

from lab.faults import Change
from lab.faults.changes import held, stopped
from lab.health import planting
from lab.health.changes import ago, cells, inserted, rows_gone
from lab.health.ground import Ground

PORT = ("server", "host", "port")
SPARE = ("spare",)
_VSCTL = "ovs-vsctl --timeout=20"


def _binding(g: Ground, **values: str) -> Change:
    return cells(g, "neutron.ml2_port_bindings", f"port_id='{g['port']}'", **values)


@planting("agent-dead", check="neutron.agent-dead", object="Metadata agent@net1", severity="critical")
def _(g: Ground) -> list[Change]:
    where = "agent_type='Metadata agent' and host='net1'"
    back = f"select 1 from neutron.agents where {where} and heartbeat_timestamp > {ago(40)}"
    return [
        stopped("net1", "neutron-metadata"),
        cells(g, "neutron.agents", where, healed=back, heartbeat_timestamp=ago(900)),
    ]


@planting("agent-disabled", check="neutron.agent-disabled", object="Metadata agent@net1", severity="info")
def _(g: Ground) -> list[Change]:
    return [cells(g, "neutron.agents", "agent_type='Metadata agent' and host='net1'", admin_state_up="0")]


@planting("agent-of-no-host", check="cross.unknown-host", object="bw-nowhere", severity="info")
def _(g: Ground) -> list[Change]:
    return [
        inserted(
            "neutron.agents", f"id='{g.id}'", id=f"'{g.id}'", agent_type="'Open vSwitch agent'", binary="'bw-health'",
            topic="'N/A'", host="'bw-nowhere'", admin_state_up="1", created_at=ago(60), started_at=ago(60),
            heartbeat_timestamp=ago(0), configurations="'{}'", load="0",
        )
    ]  # fmt: skip


@planting("port-binding-failed", check="neutron.binding-failed", object="{port}", needs=PORT)
def _(g: Ground) -> list[Change]:
    return [_binding(g, vif_type="'binding_failed'")]


@planting("port-unbound", check="neutron.port-unbound", object="{port}", needs=PORT)
def _(g: Ground) -> list[Change]:
    return [_binding(g, vif_type="'unbound'")]


@planting("port-elsewhere", check="cross.port-host", object="{port}", needs=PORT)
def _(g: Ground) -> list[Change]:
    return [_binding(g, host=f"'{g['other']}'")]


@planting("port-down", check="neutron.port-down", object="{port}", needs=PORT)
def _(g: Ground) -> list[Change]:
    return [held(g["host"]), cells(g, "neutron.ports", f"id='{g['port']}'", status="'DOWN'")]


@planting("port-without-tap", check="cross.port-without-tap", object="{port}", needs=PORT)
def _(g: Ground) -> list[Change]:
    tap, aside = g["tap"], "bw-aside"

    def renamed(old: str, new: str) -> str:
        return f"ip link set {old} down\nip link set {old} name {new}\nip link set {new} up"

    undo = f"[ -e /sys/class/net/{aside} ] || exit 0\n{renamed(aside, tap)}"
    return [held(g["host"]), Change(g["host"], renamed(tap, aside), undo)]


@planting("tap-of-nothing", check="cross.tap-of-nothing", object="{short}")
def _(g: Ground) -> list[Change]:
    name = f"tap{g.id[:11]}"
    undo = f"[ ! -e /sys/class/net/{name} ] || ip link del {name}"
    return [Change("cmp1", f"ip tuntap add dev {name} mode tap", undo)]


@planting(
    "ovs-port-of-nothing",
    check="cross.tap-of-nothing",
    object="{short}",
    note="with the tag of dead ports, and no agent that would look after it",
)
def _(g: Ground) -> list[Change]:
    name = f"qvo{g.id[:11]}"
    do = f"{_VSCTL} --may-exist add-port br-int {name} tag=4095 -- set Interface {name} type=internal"
    return [held("cmp2"), Change("cmp2", do, f"{_VSCTL} --if-exists del-port br-int {name}")]


@planting("namespace-of-nothing", check="cross.namespace-of-nothing", object="qdhcp-{id}", severity="info")
def _(g: Ground) -> list[Change]:
    name = f"qdhcp-{g.id}"
    return [Change("net1", f"ip netns add {name}", f"[ ! -e /run/netns/{name} ] || ip netns del {name}")]


@planting("port-of-nothing", check="cross.port-of-nothing", object="{spare}", needs=SPARE)
def _(g: Ground) -> list[Change]:
    return [cells(g, "neutron.ports", f"id='{g['spare']}'", device_id=f"'{g.id}'", device_owner="'compute:nova'")]


@planting("router-port-of-nothing", check="cross.router-port", object="{spare}", needs=SPARE)
def _(g: Ground) -> list[Change]:
    owner = "'network:router_interface'"
    return [cells(g, "neutron.ports", f"id='{g['spare']}'", device_id=f"'{g.id}'", device_owner=owner)]


@planting("segment-twice", check="cross.segment-twice", object="vxlan {segment}")
def _(g: Ground) -> list[Change]:
    where = "network_id=(select id from neutron.networks where name='legacy-backend')"
    return [cells(g, "neutron.networksegments", where, segmentation_id=g["segment"])]


@planting("external-exhausted", check="neutron.external-exhausted", object="{external}", severity="critical")
def _(g: Ground) -> list[Change]:
    subnet = f"(select id from neutron.subnets where network_id='{g['external']}')"
    used = g.ask(f"select ip_address from neutron.ipallocations where subnet_id={subnet} limit 1").strip()
    return [cells(g, "neutron.ipallocationpools", f"subnet_id={subnet}", first_ip=f"'{used}'", last_ip=f"'{used}'")]


@planting("no-dhcp", check="neutron.dhcp-missing", object="{network}", needs=("network",))
def _(g: Ground) -> list[Change]:
    return [
        stopped("net1", "neutron-dhcp"),
        rows_gone(g, "neutron.networkdhcpagentbindings", f"network_id='{g['network']}'"),
    ]


@planting("router-on-no-agent", check="neutron.router-unscheduled", object="{router}", needs=("router",))
def _(g: Ground) -> list[Change]:
    return [stopped("net1", "neutron-l3"), rows_gone(g, "neutron.routerl3agentbindings", f"router_id='{g['router']}'")]


@planting("router-down", check="neutron.router-down", object="{router}", needs=("router",))
def _(g: Ground) -> list[Change]:
    return [cells(g, "neutron.routers", f"id='{g['router']}'", status="'ERROR'")]


@planting("card-of-no-port", check="cross.port-missing", object="{server}:{mac}", needs=PORT)
def _(g: Ground) -> list[Change]:
    # Neutron forgets the address by which the guest has its card; Nova and libvirt go on showing it.
    return [held(g["host"]), cells(g, "neutron.ports", f"id='{g['port']}'", mac_address="'fa:16:3e:00:b1:e0'")]


@planting("switch-silent", check="ovs.silent", object="switch", severity="critical")
def _(_: Ground) -> list[Change]:
    return [stopped("cmp2", "vswitchd")]


@planting("ovs-port-without-device", check="ovs.port-error", object="bw-nodev")
def _(_: Ground) -> list[Change]:
    # The switch is not waited for: it will never have it.
    do = f"{_VSCTL} --no-wait --may-exist add-port br-int bw-nodev"
    told = f"{_VSCTL} get Interface bw-nodev error | grep -q open"
    return [held("cmp1"), Change("cmp1", do, f"{_VSCTL} --if-exists del-port br-int bw-nodev", told)]


@planting("dead-vlan", check="ovs.dead-vlan", object="{port}", needs=PORT)
def _(g: Ground) -> list[Change]:
    name = f"qvo{g['port'][:11]}"
    tag = g.sh(g["host"], f"{_VSCTL} get Port {name} tag").strip()
    return [
        held(g["host"]),
        Change(g["host"], f"{_VSCTL} set Port {name} tag=4095", f"{_VSCTL} set Port {name} tag={tag}"),
    ]


@planting(
    "bridge-missing",
    check="ovs.bridge-missing",
    object="br-gone",
    severity="critical",
    note="the agent is said to need another bridge than it has: to delete the real one takes every flow with it",
)
def _(g: Ground) -> list[Change]:
    where = "agent_type='Open vSwitch agent' and host='cmp2'"
    named = """regexp_replace(configurations, '"bridge_mappings": [{][^}]*[}]', '"bridge_mappings": {"physnet1": "br-gone"}')"""
    return [held("cmp2"), cells(g, "neutron.agents", where, configurations=named)]
