"""What to do about it, where several rules say the same."""

from __future__ import annotations

from blue_wizard.text import _

__all__ = [
    "hard_reboot",
    "link_up",
    "restart_dhcp_agent",
    "restart_l2_agent",
    "restart_l3_agent",
    "restart_ovn_metadata_agent",
]


def restart_l2_agent(host: str) -> str:
    """The agent writes ports' tags and all flows anew when it starts; traffic goes on meanwhile."""
    return _(
        "Restart the Open vSwitch agent on {host}; it wires ports and writes flows anew, and traffic goes on meanwhile: "
        "systemctl restart neutron-openvswitch-agent (container: neutron_openvswitch_agent)."
    ).format(host=host)


def restart_dhcp_agent(host: str) -> str:
    """The agent makes namespaces, ports, files and dnsmasq anew."""
    return _(
        "Restart the DHCP agent on {host}; it makes the namespace, its port and dnsmasq anew: "
        "systemctl restart neutron-dhcp-agent (container: neutron_dhcp_agent)."
    ).format(host=host)


def restart_l3_agent(host: str) -> str:
    """The agent makes namespaces, ports, routes and rules anew."""
    return _(
        "Restart the L3 agent on {host}; it makes the router's namespace, ports, routes and rules anew: "
        "systemctl restart neutron-l3-agent (container: neutron_l3_agent)."
    ).format(host=host)


def restart_ovn_metadata_agent(host: str) -> str:
    """The agent makes namespaces, devices and proxies anew."""
    return _(
        "Restart the metadata agent of OVN on {host}; it makes the namespace, its devices and the proxy anew: "
        "systemctl restart neutron-ovn-metadata-agent (container: neutron_ovn_metadata_agent)."
    ).format(host=host)


def link_up(host: str, device: str) -> str:
    """A device that somebody switched off."""
    return _("On {host}: ip link set {device} up. Then find out who took it down.").format(host=host, device=device)


def hard_reboot(server: str) -> str:
    """Nova makes the devices of a server anew when it is rebooted hard."""
    return _("Let Nova make the devices anew (the server restarts): openstack server reboot --hard {server}").format(
        server=server
    )
