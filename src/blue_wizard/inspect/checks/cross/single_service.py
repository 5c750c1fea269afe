"""Services that one host alone runs."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import ComputeServices
from blue_wizard.facts.network import Agents
from blue_wizard.facts.volume import VolumeServices
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["single_service"]

_WANTED = {"nova-scheduler", "nova-conductor", "cinder-scheduler", "DHCP agent", "L3 agent"}


@check(
    "cross.single-service",
    N_("One host alone runs a service"),
    severity=Severity.INFO,
    remedy=N_("Run {service} on a second host: while {where} is down or in maintenance, nobody does its work."),
    profile=Profile.DAILY,
)
def single_service(compute: ComputeServices, agents: Agents, volume: VolumeServices) -> Iterable[Finding]:
    """Schedulers, conductors, DHCP and L3 agents that are enabled, by host. cinder-volume is left out: it is one by
    design unless it is set up
    as a cluster."""
    hosts: dict[str, set[str]] = {}
    for s in compute.rows:
        if s.enabled:
            hosts.setdefault(s.binary, set()).add(s.host)
    for v in volume.rows:
        if v.enabled:
            hosts.setdefault(v.binary, set()).add(v.host)
    for a in agents.rows:
        if a.enabled:
            hosts.setdefault(a.kind, set()).add(a.host)
    for service, at in sorted(hosts.items()):
        if service in _WANTED and len(at) == 1:
            (host,) = at
            yield found(
                service,
                N_("{service} runs on {where} alone."),
                host=host,
                evidence=[f"enabled on: {host}"],
                service=service,
                where=host,
            )
