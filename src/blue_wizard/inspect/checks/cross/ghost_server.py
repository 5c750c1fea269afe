"""Servers that Nova takes for active and that run nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["ghost_server"]


@check(
    "cross.ghost-server",
    N_("Server is ACTIVE, but there is no domain"),
    severity=Severity.WARNING,
    remedy=N_("Check that its disk is there; then make the domain anew: openstack server reboot --hard {id}"),
    under=("host.unreachable", "libvirt.silent", "cross.wrong-host"),
    reread=True,
)
def ghost_server(servers: Servers, domains: Everywhere[HypervisorDomains], migrations: Migrations) -> Iterable[Finding]:
    """The host that Nova names was asked, and libvirt knows no such domain there, nor any other host that was asked."""
    everywhere = {d.uuid for known in domains.at.values() for d in known.rows}
    for s in servers.rows:
        known = domains.of(s.host) if s.host else None
        if (
            s.status == "ACTIVE"
            and s.settled
            and s.id not in migrations.moving
            and known is not None
            and s.id not in everywhere
        ):
            yield found(
                s.id,
                N_("Server {name} is ACTIVE on {where}, but libvirt there does not know it."),
                host=s.host,
                evidence=[f"GET /servers/detail: ACTIVE on {s.host}", f"virsh list --all on {s.host}: not there"],
                name=s.label,
                id=s.id,
                where=s.host,
            )
