"""DNS: dnsmasq of the network answers questions on its own address."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause
from blue_wizard.diagnose.rulebook import about
from blue_wizard.text import _

__all__ = ["server"]


@about("dhcp")
def server(case: Case) -> Iterable[Cause]:
    """It runs, and a socket waits for the question."""
    path, aim, host = case.path, case.path.aim, case.path.network_host
    if aim is None or aim.number != 53 or case.dhcp is None or case.space is None or not case.space.present:
        return
    running = [p for p in case.dhcp.processes if p["state"] not in {"Z", "X", "T", "t"}]
    if running and case.space.listens(aim.protocol, 53) is not False:
        return
    shown = ", ".join(f"{p['pid']} {p['state']}" for p in case.dhcp.processes) or "-"
    text = _("No DNS server of network {network} answers on {host}.").format(
        network=path.network["name"] or path.network["id"], host=host
    )
    yield Cause(
        "dns.server-down",
        "dns-server",
        host,
        "dnsmasq",
        text,
        remedies.restart_dhcp_agent(host),
        (f"dnsmasq: {shown}",),
    )
