"""Metadata: 169.254.169.254 is answered by a proxy in a namespace (a router's, a DHCP server's, OVN's), which asks the agent."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.aim import METADATA
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause
from blue_wizard.diagnose.rulebook import about
from blue_wizard.facts.iptables import within
from blue_wizard.text import _

__all__ = ["agent", "proxy", "redirected"]

_PORT = 9697


def _wanted(case: Case) -> bool:
    aim, space = case.path.aim, case.space
    return aim is not None and aim.metadata and space is not None and space.present and case.network is not None


def _restart(case: Case) -> str:
    router = case.path.purpose == "router"
    host = case.path.network_host
    if case.path.purpose == "metadata":
        return remedies.restart_ovn_metadata_agent(host)
    return remedies.restart_l3_agent(host) if router else remedies.restart_dhcp_agent(host)


@about("router", "dhcp", "metadata", ovn=True)
def redirected(case: Case) -> Iterable[Cause]:
    """A router redirects the address to the proxy's port; any other namespace has the address itself."""
    path, space, host = case.path, case.space, case.path.network_host
    if not _wanted(case) or space is None:
        return
    if path.purpose == "router":
        rules = within(space.tables, "nat", "PREROUTING")
        if not space.tables or any(METADATA in " ".join(r.words) and r.target == "REDIRECT" for r in rules):
            return
        text = _("The rule that takes {address} to the proxy is missing in {space} on {host}.")
        evidence = f"iptables -t nat: -d {METADATA} -j REDIRECT: 0"
    else:
        if not space.addresses or METADATA in space.addresses.get(path.inner_device, ()):
            return
        text = _("Namespace {space} on {host} does not have the address {address}.")
        evidence = (
            f"{path.inner_device}: {', '.join(a for a in space.addresses.get(path.inner_device, ()) if ':' not in a)}"
        )
    message = text.format(address=METADATA, space=path.space, host=host)
    hop = "router" if path.purpose == "router" else "metadata-proxy"
    yield Cause(
        "metadata.redirect-missing",
        hop,
        host,
        path.space,
        message,
        _restart(case),
        (evidence,),
        lost_at="metadata-proxy",
    )


@about("router", "dhcp", "metadata", ovn=True)
def proxy(case: Case) -> Iterable[Cause]:
    """The proxy (haproxy) runs, and listens."""
    path, space, host = case.path, case.space, case.path.network_host
    if not _wanted(case) or space is None:
        return
    running = [p for p in space.proxies if p["state"] not in {"Z", "X", "T", "t"}]
    port = _PORT if path.purpose == "router" else 80
    if running and space.listens("tcp", port) is not False:
        return
    shown = ", ".join(f"{p['pid']} {p['state']}" for p in space.proxies) or "-"
    text = _("The metadata proxy of {space} on {host} does not run.").format(space=path.space, host=host)
    if running:
        text = _("The metadata proxy of {space} on {host} does not listen on port {port}.").format(
            space=path.space, host=host, port=port
        )
    yield Cause("metadata.proxy-down", "metadata-proxy", host, "haproxy", text, _restart(case), (f"haproxy: {shown}",))


@about("router", "dhcp", "metadata", ovn=True)
def agent(case: Case) -> Iterable[Cause]:
    """The metadata agent waits on the socket that the proxy's configuration names."""
    space, host = case.space, case.path.network_host
    if not _wanted(case) or space is None or case.network is None:
        return
    sockets = {
        m for p in space.proxies for m in re.findall(r"^\s*server \S+ (?:unix@)?(/\S+)", p.get("config") or "", re.M)
    }
    listening = case.network.host.listening
    ovn = case.path.purpose == "metadata"
    kind = "OVN Metadata agent" if ovn else "Metadata agent"
    told = next((a for a in case.api.agents or () if a["host"] == host and a["agent_type"] == kind), None)
    gone = listening is not None and sockets and not sockets & set(listening)
    if not gone:
        return
    text = _("The metadata agent on {host} does not wait for the proxy's questions.").format(host=host)
    remedy = _("systemctl restart neutron-metadata-agent (container: neutron_metadata_agent) on {host}.").format(
        host=host
    )
    if ovn:
        remedy = remedies.restart_ovn_metadata_agent(host)
    name = "neutron-ovn-metadata-agent" if ovn else "neutron-metadata-agent"
    evidence = (f"{', '.join(sorted(sockets))}: -", *((f"alive={told['alive']}",) if told else ()))
    yield Cause("metadata.agent-down", "metadata-proxy", host, name, text, remedy, evidence)
