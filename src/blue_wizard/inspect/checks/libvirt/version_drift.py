"""Hypervisors of different releases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["version_drift"]


@check(
    "libvirt.version-drift",
    N_("Hypervisor runs other releases than its likes"),
    severity=Severity.INFO,
    remedy=N_("Finish the update: a guest can't be moved to an older QEMU."),
    profile=Profile.DAILY,
)
def version_drift(domains: Everywhere[HypervisorDomains], hypervisors: Hypervisors) -> Iterable[Finding]:
    """libvirt and QEMU of Nova's hypervisors: the majority's is the right one."""
    hosts = {h.host for h in hypervisors.rows}
    pairs = {host: (d.libvirt, d.qemu) for host, d in domains.at.items() if host in hosts and d.qemu}
    counts = Counter(pairs.values())
    if len(counts) < 2:
        return
    usual = counts.most_common(1)[0][0]
    for host, pair in sorted(pairs.items()):
        if pair != usual:
            yield found(
                "versions",
                N_("{where} runs libvirt {libvirt} with QEMU {qemu}; most run {usual}."),
                host=host,
                evidence=[f"libvirt {v[0]}, QEMU {v[1]}: {n} hosts" for v, n in counts.most_common()],
                where=host,
                libvirt=pair[0],
                qemu=pair[1],
                usual=f"{usual[0]} / {usual[1]}",
            )
