"""Compute hosts that can't open the volumes of Ceph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.facts import Everywhere, same_host
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["libvirt_secret"]


@check(
    "cross.libvirt-secret",
    N_("Compute host lacks the key for Ceph"),
    severity=Severity.WARNING,
    remedy=N_(
        "Define it there as on the others: virsh secret-define, virsh secret-set-value (rbd_secret_uuid in "
        "nova.conf and cinder.conf)."
    ),
    under=("libvirt.silent",),
)
def libvirt_secret(domains: Everywhere[HypervisorDomains], hypervisors: Hypervisors) -> Iterable[Finding]:
    """A secret that half of the compute hosts have at least (two or more), and this one has not: servers with RBD disks
    do not start there."""
    hosts = {h.host for h in hypervisors.rows}
    known = {host: set(d.secrets) for host, d in domains.at.items() if any(same_host(host, h) for h in hosts)}
    counts = Counter(secret for secrets in known.values() for secret in secrets)
    wanted = {secret for secret, count in counts.items() if count * 2 >= len(known)}
    for host, secrets in sorted(known.items()):
        for secret in sorted(wanted - secrets):
            yield found(
                secret,
                N_("{where} lacks libvirt secret {secret}, which {count} of {total} compute hosts have."),
                host=host,
                evidence=[f"virsh secret-list on {host}: {', '.join(sorted(secrets)) or 'none'}"],
                where=host,
                secret=secret,
                count=counts[secret],
                total=len(known),
            )
