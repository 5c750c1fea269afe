"""What works and is insecure, or about to fail; an address that is there twice; and hosts that can't be looked at."""

from __future__ import annotations

from lab.faults import Change, fault
from lab.faults.changes import column, flows_gone, held, mtu, rules_gone, stopped, sysctl
from lab.faults.target import Target

HYBRID = ("hybrid", "vlan-hybrid")
VXLAN = ("hybrid", "ovsfw")
ANY = ("hybrid", "ovsfw", "vlan-hybrid", "vlan-ovsfw")


@fault("bridge-nf-off", on=HYBRID, verdict="ok", code="security.bridge-nf-off", object="{host}|bridge-nf-call-iptables")
def _(t: Target) -> list[Change]:
    return [sysctl(t, t.host, "net.bridge.bridge-nf-call-iptables", "0")]


@fault(
    "policing",
    on=HYBRID,
    verdict="ok",
    code="ovs.policing",
    object="{qvo}",
    note="this kernel has no policer: the setting is there, and does nothing",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), column(t, t.host, "Interface", t.qvo, ingress_policing_rate="64", ingress_policing_burst="8")]


@fault(
    "mtu-risk",
    on=VXLAN,
    verdict="ok",
    code="port.mtu-risk",
    object="phy0|{network}|MTU|{tap}|br-phy",
    also=("underlay.mtu",),
    note="DHCP is small enough; full frames in a tunnel are not",
)
def _(t: Target) -> list[Change]:
    return [mtu(t, t.host, "phy0", 1400, "br-phy")]


@fault(
    "duplicate-mac",
    on=VXLAN,
    code="ovs.duplicate-mac",
    hop="network-br-int",
    segment="network-ovs",
    direction="reply",
    object="{mac}|bw-twin",
    note="a second port with the guest's MAC address on the network node, which the switch holds to; the agent is held",
)
def _(t: Target) -> list[Change]:
    v = "ovs-vsctl --timeout=20"
    vlan = t.local_vlan(t.net)
    ids = f"external_ids:attached-mac='\"{t.mac}\"'"
    do = (
        f"{v} --may-exist add-port br-int bw-twin tag={vlan} -- set Interface bw-twin type=internal {ids}\n"
        f"ip link set bw-twin up\novs-appctl fdb/add br-int bw-twin {vlan} {t.mac}"
    )
    undo = f"ovs-appctl fdb/del br-int {vlan} {t.mac} || true\n{v} --if-exists del-port br-int bw-twin"
    return [held(t.net), Change(t.net, do, undo)]


@fault(
    "rogue-dhcp",
    on=VXLAN,
    verdict="ok",
    code="dhcp.rogue",
    object="10.",
    look="packet",
    note="a second DHCP server in the network, on the network node; it answers everybody. Seen only when a packet asks",
)
def _(t: Target) -> list[Change]:
    v = "ovs-vsctl --timeout=20"
    pid = "/run/lab/rogue-dnsmasq.pid"
    vlan = t.local_vlan(t.net)
    do = f"""
ip netns add rogue
{v} --may-exist add-port br-int bw-rogue tag={vlan} -- set Interface bw-rogue type=internal
ip link set bw-rogue netns rogue
ip -n rogue link set bw-rogue up
ip -n rogue address add 10.66.0.1/24 dev bw-rogue
ip netns exec rogue dnsmasq --no-hosts --no-resolv --conf-file=/dev/null --pid-file={pid} --port=0 --user=root --no-ping \
    --dhcp-leasefile=/run/lab/rogue.leases --bind-dynamic --interface=bw-rogue --dhcp-range=10.66.0.10,10.66.0.99,60s
"""
    undo = f"""
[ ! -f {pid} ] || kill $(cat {pid}) || true
rm -f {pid} /run/lab/rogue.leases
{v} --if-exists del-port br-int bw-rogue
[ ! -e /run/netns/rogue ] || ip netns del rogue
"""
    return [Change(t.net, do, undo)]


@fault(
    "ssh-hung-compute",
    on=ANY,
    verdict="unknown",
    code="host.unreachable",
    object="{host}",
    note="the daemon takes the connection and never speaks",
)
def _(t: Target) -> list[Change]:
    return [stopped(t.host, "sshd")]


@fault(
    "ssh-hung-network",
    on=("vlan-ovsfw", "ovsfw"),
    verdict="unknown",
    code="host.unreachable",
    object="{net}",
    note="what could be looked at on the server's host is still told",
)
def _(t: Target) -> list[Change]:
    return [stopped(t.net, "sshd")]


@fault(
    "ovsfw-bypassed",
    on=("ovsfw", "vlan-ovsfw"),
    verdict="ok",
    code="security.filter-bypassed",
    object="{tap}|table=60|table 60",
    note="without its first rule a port's packets go past the firewall, and arrive",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-int", "table=60", rf"priority=100,in_port={t.ofport(t.host, t.tap)}\b")]


@fault(
    "iptables-bypassed",
    on=HYBRID,
    verdict="ok",
    code="security.filter-bypassed",
    object="{tap}|FORWARD|neutron",
    note="Neutron's chain is not asked any more, and the policy is to accept",
)
def _(t: Target) -> list[Change]:
    return [rules_gone(t, t.host, "FORWARD", "-j neutron-openvswi-FORWARD")]
