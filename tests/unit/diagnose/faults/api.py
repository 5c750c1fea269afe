"""What the APIs alone prove."""

from __future__ import annotations

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import HYBRID, OVSFW, Seen


@lost("server.not-active", HYBRID, ("guest", "tap"))
def server_off(s: Seen) -> None:
    s.api.server["status"] = "SHUTOFF"
    s.link_gone(s.cmp, f"tap{s.short}")


@lost("server.not-active", OVSFW, ("guest", "tap"))
def server_paused(s: Seen) -> None:
    s.api.server["OS-EXT-STS:power_state"] = 3


@lost("port.binding-failed", HYBRID, ("guest", "tap"))
def binding_failed(s: Seen) -> None:
    s.port["binding:vif_type"] = "binding_failed"
    s.link_gone(s.cmp, f"tap{s.short}")


@lost("port.unbound", OVSFW, ("guest", "tap"))
def unbound(s: Seen) -> None:
    s.port["binding:vif_type"] = "unbound"
    s.link_gone(s.cmp, f"tap{s.short}")


@lost("port.admin-down", HYBRID, ("qvo", "compute-br-int"))
def port_off(s: Seen) -> None:
    s.port["admin_state_up"] = False
    s.set_row(s.cmp, 1, f"qvo{s.short}", tag=4095)


@lost("network.admin-down", HYBRID, ("dhcp-port", "dhcp-server"))
def network_off(s: Seen) -> None:
    s.network["admin_state_up"] = False
    s.dhcp.update(namespace=None, processes=[], inside={})


@lost("subnet.dhcp-off", HYBRID, ("dhcp-port", "dhcp-server"))
def no_dhcp(s: Seen) -> None:
    s.api.subnets[s.network["id"]][0]["enable_dhcp"] = False
    s.dhcp.update(processes=[])


@lost("dhcp.no-agent", HYBRID, ("dhcp-port", "dhcp-server"))
def no_agent(s: Seen) -> None:
    s.api.dhcp_agents[s.network["id"]] = []


@lost("dhcp.port-missing", HYBRID, ("network-br-int", "dhcp-port"))
def no_dhcp_port(s: Seen) -> None:
    s.api.dhcp_ports[s.network["id"]].clear()


@lost("port.host-mismatch", HYBRID, ("guest", "tap"))
def other_host(s: Seen) -> None:
    s.api.server["OS-EXT-SRV-ATTR:host"] = "cmp9"


@lost("port.no-fixed-ip", HYBRID, ("dhcp-port", "dhcp-server"))
def no_address(s: Seen) -> None:
    s.port["fixed_ips"] = []


@found("security.port-security-off", OVSFW)
def unprotected(s: Seen) -> None:
    s.port["port_security_enabled"] = False


@found("dhcp.single-agent", HYBRID)
def one_agent(s: Seen) -> None:
    assert s.api.agents is not None
    agent = next(a for a in s.api.agents if a["agent_type"] == "DHCP agent")
    s.api.agents.append(dict(agent, host="net2"))
