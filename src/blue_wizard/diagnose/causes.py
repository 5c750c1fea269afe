"""Every code of a cause or finding. Each has a page below docs/causes; codes are stable: scripts and runbooks rely on them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["CODES", "index"]

CODES = (
    "arp.blocked",
    "conntrack.full",
    "conntrack.nearly-full",
    "dhcp.agent-dead",
    "dhcp.blocked",
    "dhcp.host-entry-missing",
    "dhcp.host-entry-wrong",
    "dhcp.namespace-missing",
    "dhcp.no-address",
    "dhcp.no-agent",
    "dhcp.port-down",
    "dhcp.port-missing",
    "dhcp.rogue",
    "dhcp.server-down",
    "dhcp.silent",
    "dhcp.single-agent",
    "dhcp.wrong-mac",
    "dhcp.wrong-range",
    "dns.server-down",
    "fip.address-missing",
    "fip.nat-missing",
    "guest.link-down",
    "guest.silent",
    "guest.wrong-mac",
    "host.no-tools",
    "host.privilege",
    "host.unreachable",
    "iptables.dhcp-reply-rule",
    "iptables.dhcp-request-rule",
    "iptables.foreign-drop",
    "iptables.forward-drop",
    "l2.agent-dead",
    "l2.no-bridge-mapping",
    "l2.no-tunnel-address",
    "metadata.agent-down",
    "metadata.proxy-down",
    "metadata.redirect-missing",
    "network.admin-down",
    "network.duplicate-segment",
    "ovs.bridge-missing",
    "ovs.db-down",
    "ovs.dead-vlan",
    "ovs.dropped",
    "ovs.duplicate-mac",
    "ovs.flows-missing",
    "ovs.foreign-drop-flow",
    "ovs.mirror-output",
    "ovs.no-device",
    "ovs.no-forward",
    "ovs.no-tag",
    "ovs.normal-flow-missing",
    "ovs.patch-missing",
    "ovs.patch-peer",
    "ovs.policing",
    "ovs.port-down",
    "ovs.stale-ofport",
    "ovs.trunk-mode",
    "ovs.vswitchd-down",
    "ovs.wrong-iface-id",
    "ovs.wrong-tag",
    "ovsfw.base-flow",
    "ovsfw.mac-not-allowed",
    "ovsfw.reply-flow",
    "ovsfw.request-flow",
    "path.unexplained",
    "peer.down",
    "peer.none",
    "port.admin-down",
    "port.binding-failed",
    "port.host-mismatch",
    "port.mtu",
    "port.mtu-risk",
    "port.no-fixed-ip",
    "port.unbound",
    "port.unsupported",
    "qbr.down",
    "qbr.missing",
    "qbr.port-blocked",
    "qbr.port-flags",
    "qbr.vlan-filtering",
    "qvb.down",
    "qvb.missing",
    "qvb.not-in-bridge",
    "qvo.down",
    "qvo.missing",
    "qvo.not-in-br-int",
    "router.admin-down",
    "router.blocked",
    "router.forwarding-off",
    "router.mtu",
    "router.namespace-missing",
    "router.no-address",
    "router.no-agent",
    "router.no-gateway",
    "router.no-route",
    "router.none",
    "router.out-lost",
    "router.port-down",
    "router.port-missing",
    "router.snat-missing",
    "router.unsupported",
    "security.bridge-nf-off",
    "security.filter-bypassed",
    "security.port-security-off",
    "server.not-active",
    "sg.egress",
    "sg.ingress",
    "sg.not-applied",
    "subnet.dhcp-off",
    "tap.down",
    "tap.missing",
    "tap.not-in-bridge",
    "tap.tc-filter",
    "tunnel.base-flow",
    "tunnel.flood-flow",
    "tunnel.input-flow",
    "tunnel.input-wrong-tag",
    "tunnel.learned-wrong",
    "tunnel.port-missing",
    "tunnel.remote-address",
    "tunnel.wrong-vni",
    "underlay.blocked",
    "underlay.link-down",
    "underlay.mtu",
    "underlay.no-address",
    "underlay.no-route",
    "vlan.input-flow",
    "vlan.input-wrong-tag",
    "vlan.nic-down",
    "vlan.nic-not-in-bridge",
    "vlan.not-carried",
    "vlan.patch-peer",
    "vlan.rewrite-flow",
    "vlan.wrong-id",
)


def index(folder: Path, language: str) -> str:
    """The index of the pages of a folder, in "en" or "zh"; made of their titles."""
    lines = {
        "en": [
            "# Causes and findings",
            "",
            "Made from the pages by `python -m blue_wizard.diagnose.causes docs/causes`. [中文](README.zh.md)",
            "",
        ],
        "zh": [
            "# 原因与提示",
            "",
            "由 `python -m blue_wizard.diagnose.causes docs/causes` 根据各页面生成。[English](README.md)",
            "",
        ],
    }[language]
    family = ""
    for code in sorted(CODES):
        text = (folder / f"{code}.md").read_text()
        titles = re.findall(r"^#+ (.+)$", text, re.M)
        chinese = next((t for t in titles if re.search(r"[一-鿿]", t)), "")
        if code.partition(".")[0] != family:
            family = code.partition(".")[0]
            lines += ["", f"## {family}", ""]
        lines.append(f"- [`{code}`]({code}.md) {titles[0].partition(': ')[2] if language == 'en' else chinese}")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


if __name__ == "__main__":
    pages = Path(sys.argv[1])
    (pages / "README.md").write_text(index(pages, "en"))
    (pages / "README.zh.md").write_text(index(pages, "zh"))
