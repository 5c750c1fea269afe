"""What the APIs alone prove: the server, its port, the network. No packet is needed for it."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Finding
from blue_wizard.diagnose.rulebook import about, with_ovn
from blue_wizard.text import _

__all__ = ["network", "port", "security", "server"]


@with_ovn
def server(case: Case) -> Iterable[Cause]:
    """A server that does not run sends nothing (Nova's status; power state 1 is running)."""
    found = case.api.server
    status, power = found["status"], found.get("OS-EXT-STS:power_state", 1)
    if status != "ACTIVE" or power not in {0, 1}:
        yield Cause(
            "server.not-active",
            "guest",
            case.path.server_host,
            found["name"],
            _("Server {server} is {status}: it sends nothing.").format(
                server=found["name"], status=status if status != "ACTIVE" else f"{status}, power state {power}"
            ),
            _("Start it: openstack server start {server} (or resume, unpause, unshelve).").format(server=found["id"]),
            (f"status={status} power_state={power} task_state={found.get('OS-EXT-STS:task_state')}",),
        )


@with_ovn
def port(case: Case) -> Iterable[Cause]:
    """The port's binding, state and addresses."""
    path, found = case.path, case.path.port
    vif, host = str(found.get("binding:vif_type", "")), path.compute or path.server_host
    evidence = (f"binding:vif_type={vif} binding:host_id={found.get('binding:host_id')} status={found['status']}",)
    if path.through_ovn:
        yield Cause(
            "port.unsupported",
            "tap",
            host,
            path.id,
            _(
                "Port {port} is in a network of OVN, where only DHCP and metadata are followed: beyond that what the API "
                "says is judged."
            ).format(port=path.id),
            _("Ask OVN: ovn-sbctl find Port_Binding logical_port={port}, and ovn-trace from its network.").format(
                port=path.id
            ),
            (f"bound_drivers={(found.get('binding:vif_details') or {}).get('bound_drivers')}",),
            unknown=True,
        )
    elif not path.supported:
        vnic = found["binding:vnic_type"]
        yield Cause(
            "port.unsupported",
            "tap",
            host,
            path.id,
            _(
                "Port {port} is of the kind {vnic}: its packets pass no device of the host that could be looked at."
            ).format(port=path.id, vnic=vnic),
            _("Look at the physical function's VLAN filter and link (ip link show), and at the switch port."),
            (f"binding:vnic_type={vnic} binding:vif_type={vif}",),
            unknown=True,
        )
        return
    if vif == "binding_failed":
        yield Cause(
            "port.binding-failed",
            "tap",
            host,
            path.id,
            _("Neutron could not bind port {port} on {host}.").format(port=path.id, host=host),
            _(
                "Look for the agent of {host} in: openstack network agent list, and for 'Failed to bind port' in the log of "
                "neutron-server. Then: openstack server reboot --hard {server}"
            ).format(host=host, server=case.api.server["id"]),
            evidence,
        )
    elif vif in {"unbound", ""} and "binding:vif_type" in found:
        yield Cause(
            "port.unbound",
            "tap",
            host,
            path.id,
            _("Port {port} is bound to no host.").format(port=path.id),
            _("Detach the port from the server and attach it again: openstack server add port {server} {port}").format(
                server=case.api.server["id"], port=path.id
            ),
            evidence,
        )
    if not found["admin_state_up"]:
        yield Cause(
            "port.admin-down",
            "compute-br-int",
            host,
            path.id,
            _("Port {port} is switched off; the agent puts it into the dead VLAN.").format(port=path.id),
            _("openstack port set --enable {port}").format(port=path.id),
            ("admin_state_up=False",),
        )
    if path.server_host and found.get("binding:host_id") and found["binding:host_id"] != path.server_host:
        yield Cause(
            "port.host-mismatch",
            "tap",
            path.server_host,
            path.id,
            _("The server is on {server_host}, but its port is bound to {host}.").format(
                server_host=path.server_host, host=found["binding:host_id"]
            ),
            _(
                "A live migration was left half-way. When none is running: openstack port set --host {host} {port}, then "
                "reboot the server hard."
            ).format(host=path.server_host, port=path.id),
            evidence,
        )
    if not path.address:
        yield Cause(
            "port.no-fixed-ip",
            case.hops[-1],
            path.network_host,
            path.id,
            _("Port {port} has no IPv4 address: the DHCP server has none to give.").format(port=path.id),
            _("openstack port set --fixed-ip subnet=SUBNET {port}").format(port=path.id),
            (f"fixed_ips={found['fixed_ips']}",),
        )


@about("", ovn=True)
def network(case: Case) -> Iterable[Cause]:
    """The network's state, and whether DHCP is wanted and given at all."""
    path = case.path
    name = path.network["name"] or path.network["id"]
    if not path.network["admin_state_up"]:
        yield Cause(
            "network.admin-down",
            "dhcp-server",
            path.network_host,
            path.network["id"],
            _("Network {network} is switched off: its DHCP server is taken away.").format(network=name),
            _("openstack network set --enable {network}").format(network=path.network["id"]),
            ("admin_state_up=False",),
        )
    four = [s for s in path.subnets if s["ip_version"] == 4]
    if four and not any(s["enable_dhcp"] for s in four):
        yield Cause(
            "subnet.dhcp-off",
            "dhcp-server",
            path.network_host,
            four[0]["id"],
            _("DHCP is switched off on subnet {subnet}.").format(subnet=four[0]["name"] or four[0]["cidr"]),
            _("openstack subnet set --dhcp {subnet}, or give the guest its address by hand or by config drive.").format(
                subnet=four[0]["id"]
            ),
            ("enable_dhcp=False",),
        )
    elif path.ovn:
        # There OVN's controller on the compute host answers: neither an agent nor a port is needed.
        return
    elif case.api.dhcp_agents.get(path.network["id"]) == []:
        yield Cause(
            "dhcp.no-agent",
            "dhcp-server",
            path.network_host,
            path.network["id"],
            _("No DHCP agent serves network {network}.").format(network=name),
            _("openstack network agent add network --dhcp AGENT {network}").format(network=path.network["id"]),
            ("dhcp-agents=[]",),
        )
    elif path.far_port is None:
        yield Cause(
            "dhcp.port-missing",
            "dhcp-port",
            path.network_host,
            path.network["id"],
            _("Network {network} has no DHCP port.").format(network=name),
            _("Look into the log of its DHCP agent; restarting the agent makes the port anew."),
            ("device_owner=network:dhcp: 0",),
        )


@with_ovn
def security(case: Case) -> Iterable[Finding]:
    """Works, but is open or alone."""
    path = case.path
    if path.port.get("port_security_enabled") is False:
        yield Finding(
            "security.port-security-off",
            path.compute,
            path.id,
            _("Port security is off: the server may send with any address, and no security group protects it."),
            _("If it is no router or firewall: openstack port set --enable-port-security {port}").format(port=path.id),
            ("port_security_enabled=False",),
        )
    agents = case.api.dhcp_agents.get(path.network["id"])
    everywhere = [a for a in case.api.agents or () if a["agent_type"] == "DHCP agent" and a["alive"]]
    if path.aim is None and agents is not None and len(agents) == 1 and len(everywhere) > 1:
        yield Finding(
            "dhcp.single-agent",
            agents[0]["host"],
            path.network["id"],
            _("One DHCP agent alone serves the network, though there are {count}.").format(count=len(everywhere)),
            _("Set dhcp_agents_per_network = 2, or: openstack network agent add network --dhcp AGENT {network}").format(
                network=path.network["id"]
            ),
            (agents[0]["host"],),
        )
