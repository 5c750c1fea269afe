"""A host that Masakari has taken out, and Nova fills; or that Masakari watches over, and Nova does not know."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.addons import FencedHosts
from blue_wizard.facts.compute import ComputeServices
from blue_wizard.inspect.facts import same_host
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["fenced_host"]


@check(
    "cross.fenced-host",
    N_("Masakari and Nova disagree on a host"),
    severity=Severity.WARNING,
    remedy=N_(
        "When the host is well: openstack segment host update --on_maintenance False SEGMENT {where}; else "
        "close it in Nova, too: openstack compute service set --disable."
    ),
    profile=Profile.DAILY,
    reread=True,
)
def fenced_host(hosts: FencedHosts, services: ComputeServices) -> Iterable[Finding]:
    """By the state of nova-compute there."""
    computes = [s for s in services.rows if s.binary == "nova-compute"]
    for h in hosts.rows:
        there = next((s for s in computes if same_host(s.host, h.name)), None)
        if there is not None and not (h.maintenance and there.up and there.enabled):
            continue
        yield found(
            h.name,
            N_("Masakari watches over {where}, where Nova has no compute service.")
            if there is None
            else N_("{where} is in maintenance for Masakari, and open for Nova."),
            host=h.name,
            evidence=[
                f"GET /segments/ID/hosts: {h.segment} {h.name} on_maintenance {h.maintenance}",
                "GET /os-services: " + ("none" if there is None else "enabled, up"),
            ],
            where=h.name,
        )
