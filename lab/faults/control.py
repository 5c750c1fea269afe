"""What the API says: states, bindings, agents. These are real: Neutron and its agents do what they do in such a case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.faults import Change, fault
from lab.faults.changes import api, column, flows_changed, held, stopped
from lab.faults.target import Target, connect
from lab.parts.infra import sql
from lab.site import HOSTS

ANY = ("hybrid", "ovsfw", "vlan-hybrid", "vlan-ovsfw")
VXLAN = ("hybrid", "ovsfw")
VLAN = ("vlan-hybrid", "vlan-ovsfw")
OVSFW = ("ovsfw", "vlan-ovsfw")
COMPUTE = ("compute-ovs", "guest")


def _updated(t: Target, new: dict[str, Any], old: dict[str, Any]) -> list[Change]:
    update = api(("network", "update_port", [t.port], new), ("network", "update_port", [t.port], old))
    return [Change("lab-port", "", t.port), update]


def _bound_to(t: Target, host: str) -> list[Change]:
    """The port is bound elsewhere, or nowhere; on its own host it is as the agent leaves a port that it knows nothing of.

    The server tells nobody of a binding that failed; the agent finds out when it asks again, after a restart. So it is
    held.
    """
    wait, bind = _updated(t, {"binding_host_id": host}, {"binding_host_id": t.host})
    dead = column(t, t.host, "Port", t.edge, tag="4095", vlan_mode="trunk", trunks="[4095]")
    return [wait, held(t.host), bind, dead]


@fault("server-stopped", on=OVSFW, code="server.not-active", hop="guest", segment="guest", restores="shape")
def _(t: Target) -> list[Change]:
    up = f"virsh -q -c qemu:///system domstate {t.instance} | grep -q running"
    # Neutron must have heard of it too, or the next one begins with a port that is down.
    wired = f"{up} && ovs-vsctl --timeout=10 get Port {t.edge} tag | grep -v -q -E '4095|\\[\\]'"
    return [
        api(
            ("compute", "stop_server", [t.server], {}),
            ("compute", "start_server", [t.server], {}),
            host=t.host,
            settled=f"! {up}",
            healed=wired,
        )
    ]


@fault("server-paused", on=("hybrid", "vlan-hybrid"), code="server.not-active", hop="guest", segment="guest")
def _(t: Target) -> list[Change]:
    state = f"virsh -q -c qemu:///system domstate {t.instance} | grep -q"
    return [
        api(
            ("compute", "pause_server", [t.server], {}),
            ("compute", "unpause_server", [t.server], {}),
            host=t.host,
            settled=f"{state} paused",
            healed=f"{state} running",
        )
    ]


@fault(
    "port-admin-down",
    on=ANY,
    code="port.admin-down",
    hop="compute-br-int",
    segment=COMPUTE,
    object="{port}",
    restores="shape",
)
def _(t: Target) -> list[Change]:
    wait, update = _updated(t, {"is_admin_state_up": False}, {"is_admin_state_up": True})
    tag = f'[ "$(ovs-vsctl --timeout=10 get Port {t.edge} tag)" ='
    return [wait, replace(update, settled=f"{tag} 4095 ]", healed=f"! {tag} 4095 ]", settle_on=t.host)]


@fault(
    "binding-failed",
    on=ANY,
    code="port.binding-failed",
    hop="compute-br-int",
    segment=COMPUTE,
    object="{port}",
    restores="shape",
)
def _(t: Target) -> list[Change]:
    return _bound_to(t, "no-such-host")


@fault(
    "unbound",
    on=("vlan-hybrid", "hybrid"),
    code="port.unbound",
    hop="compute-br-int",
    segment=COMPUTE,
    object="{port}",
    restores="shape",
)
def _(t: Target) -> list[Change]:
    return _bound_to(t, "")


@fault(
    "host-mismatch",
    on=ANY,
    code="port.host-mismatch",
    hop="compute-br-int",
    segment=COMPUTE,
    object="{port}",
    restores="shape",
    note="as an aborted live migration leaves it",
)
def _(t: Target) -> list[Change]:
    return _bound_to(t, "cmp2" if t.host == "cmp1" else "cmp1")


@fault(
    "no-fixed-address",
    on=OVSFW,
    code="port.no-fixed-ip",
    hop="dhcp-server",
    segment="dhcp",
    object="{port}",
    restores="shape",
)
def _(t: Target) -> list[Change]:
    old = [{"subnet_id": t.subnet, "ip_address": t.address}]
    entry = f"grep -q {t.mac} {t.dhcp_folder}/host"
    return [
        api(
            ("network", "update_port", [t.port], {"fixed_ips": []}),
            ("network", "update_port", [t.port], {"fixed_ips": old}),
            host=t.net,
            settled=f"! {entry}",
            healed=entry,
        )
    ]


def _serves(t: Target) -> str:
    return f"ip netns exec {t.namespace} ss -lunp | grep -q ':67 '"


def _wired(t: Target) -> str:
    return f"{_serves(t)} && ! ovs-vsctl --columns=tag list Port | grep -q 4095"


@fault(
    "network-admin-down",
    on=VLAN,
    code="network.admin-down",
    hop="dhcp-server",
    segment=("network-ovs", "dhcp", *COMPUTE),
    object="{network}",
    restores="function",
    note="the DHCP agent takes its namespace away; a new port of another MAC address comes afterwards",
)
def _(t: Target) -> list[Change]:
    return [
        api(
            ("network", "update_network", [t.network], {"is_admin_state_up": False}),
            ("network", "update_network", [t.network], {"is_admin_state_up": True}),
            host=t.net,
            settled=f"! {_serves(t)}",
            healed=_wired(t),
        )
    ]


@fault(
    "subnet-dhcp-off",
    on=VXLAN,
    code="subnet.dhcp-off",
    hop="dhcp-server",
    segment=("network-ovs", "dhcp"),
    object="{subnet}",
    restores="function",
    note="the DHCP agent takes its namespace away; a new port of another MAC address comes afterwards",
)
def _(t: Target) -> list[Change]:
    return [
        api(
            ("network", "update_subnet", [t.subnet], {"is_dhcp_enabled": False}),
            ("network", "update_subnet", [t.subnet], {"is_dhcp_enabled": True}),
            host=t.net,
            settled=f"! {_serves(t)}",
            healed=_wired(t),
        )
    ]


@fault(
    "dhcp-no-agent",
    on=VLAN,
    code="dhcp.no-agent",
    hop="dhcp-server",
    segment=("network-ovs", "dhcp"),
    object="{network}",
    restores="function",
)
def _(t: Target) -> list[Change]:
    pair: list[object] = [t.dhcp_agent, t.network]
    return [
        api(
            ("network", "remove_dhcp_agent_from_network", pair, {}),
            ("network", "add_dhcp_agent_to_network", pair, {}),
            host=t.net,
            settled=f"! {_serves(t)}",
            healed=_wired(t),
        )
    ]


def agent_row(host: str, binary: str, assignment: str) -> Change:
    """Neutron's own memory of a held agent: as if it had reported that, or nothing for long. Its next report is the undoing."""
    # The column's name is a word of the language as well.
    where = f"where host='{host}' and `binary`='{binary}'"
    return Change("sql", f"update neutron.agents set {assignment} {where};", "select 1;")  # noqa: S608


_OLD = "heartbeat_timestamp='2000-01-01 00:00:00'"
_OVS_AGENT = "neutron-openvswitch-agent"


def heard_again(host: str, binary: str) -> Change:
    """Healed is a held agent once Neutron has heard of it again."""
    kind = {_OVS_AGENT: "ovs"}.get(binary, binary.removeprefix("neutron-").removesuffix("-agent"))
    return Change("lab-agent", "", f"{host}:{kind}")


@fault(
    "l2-agent-dead-new-port",
    on=VXLAN,
    code="l2.agent-dead",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{host}",
    also=("ovs.dead-vlan",),
    note="the agent is held, and long dead for Neutron; the port is as it is before it is wired",
)
def _(t: Target) -> list[Change]:
    return [
        heard_again(t.host, _OVS_AGENT),
        held(t.host),
        agent_row(t.host, _OVS_AGENT, _OLD),
        column(t, t.host, "Port", t.edge, tag="4095", vlan_mode="trunk", trunks="[4095]"),
    ]


@fault(
    "no-bridge-mapping",
    on=VLAN,
    code="l2.no-bridge-mapping",
    hop="compute-br-int",
    segment="compute-ovs",
    object="physnet1|{host}",
    note="the agent is held; it reported no mapping, and left the port dead",
)
def _(t: Target) -> list[Change]:
    without = """configurations=replace(configurations, '"bridge_mappings": {"physnet1": "br-ex"}', '"bridge_mappings": {}')"""
    return [
        heard_again(t.host, _OVS_AGENT),
        held(t.host),
        agent_row(t.host, _OVS_AGENT, without),
        column(t, t.host, "Port", t.edge, tag="4095"),
    ]


@fault(
    "no-tunnel-address",
    on=VXLAN,
    code="l2.no-tunnel-address",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="{host}",
    note="the agent is held; it reported no address for its tunnels, and has none to flood to",
)
def _(t: Target) -> list[Change]:
    own = HOSTS[t.host].underlay
    without = f"""configurations=replace(configurations, '"tunneling_ip": "{own}"', '"tunneling_ip": null')"""
    flood = flows_changed(t, t.host, "br-tun", f"table=22,dl_vlan={t.local_vlan(t.host)}", lambda _: "drop")
    return [heard_again(t.host, _OVS_AGENT), held(t.host), agent_row(t.host, _OVS_AGENT, without), flood]


# What works, and is not well.


@fault(
    "dhcp-agent-dead",
    on=VXLAN,
    verdict="ok",
    code="dhcp.agent-dead",
    object="{net}",
    note="its dnsmasq goes on for the ports that it knew",
)
def _(t: Target) -> list[Change]:
    binary = "neutron-dhcp-agent"
    return [heard_again(t.net, binary), stopped(t.net, "neutron-dhcp"), agent_row(t.net, binary, _OLD)]


@fault("l2-agent-dead", on=VLAN, verdict="ok", code="l2.agent-dead", object="{host}", note="what it has wired goes on")
def _(t: Target) -> list[Change]:
    return [heard_again(t.host, _OVS_AGENT), held(t.host), agent_row(t.host, _OVS_AGENT, _OLD)]


@fault(
    "port-security-off", on=VXLAN, verdict="ok", code="security.port-security-off", object="{port}", restores="shape"
)
def _(t: Target) -> list[Change]:
    groups = connect().network.get_port(t.port).security_group_ids
    return [
        api(
            ("network", "update_port", [t.port], {"is_port_security_enabled": False, "security_group_ids": []}),
            ("network", "update_port", [t.port], {"is_port_security_enabled": True, "security_group_ids": groups}),
        )
    ]


@fault(
    "duplicate-segment",
    on=VLAN,
    verdict="ok",
    code="network.duplicate-segment",
    object="{network}|VLAN",
    note="Neutron's API refuses to make it; it comes by hand, or by two clouds on one switch",
)
def _(t: Target) -> list[Change]:
    where = "where network_id=(select id from neutron.networks where name='legacy-backend')"
    row = "network_type='{}', physical_network={}, segmentation_id={}"
    columns = "network_type, ifnull(physical_network, 'NULL'), segmentation_id"
    put = "update neutron.networksegments set " + row  # noqa: S608
    kind, physical, number = sql(f"select {columns} from neutron.networksegments {where}").split()  # noqa: S608
    old = put.format(kind, "NULL" if physical == "NULL" else f"'{physical}'", number)
    return [Change("sql", f"{put.format('vlan', repr('physnet1'), t.segment)} {where};", f"{old} {where};")]


@fault(
    "sriov-port",
    on=VXLAN,
    verdict="unknown",
    code="port.unsupported",
    object="{port}",
    note="by hand in Neutron's database: there is no such card here. Its packets never cross this host's bridges",
)
def _(t: Target) -> list[Change]:
    where = f"where port_id='{t.port}';"
    put = "update neutron.ml2_port_bindings set vnic_type='{}', vif_type='{}' "
    return [Change("sql", put.format("direct", "hw_veb") + where, put.format("normal", "ovs") + where)]
