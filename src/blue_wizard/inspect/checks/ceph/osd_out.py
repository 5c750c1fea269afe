"""OSDs that are up, but hold no data."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephTree
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["osd_out"]


@check(
    "ceph.osd-out",
    N_("OSD is out"),
    severity=Severity.INFO,
    remedy=N_("Find out why it was marked out, then: ceph osd in {osd}; or remove it."),
    profile=Profile.DAILY,
)
def osd_out(tree: CephTree) -> Iterable[Finding]:
    """Up with reweight 0: room that is paid for and not used."""
    for n in tree.nodes:
        if n.type == "osd" and n.up and n.reweight == 0:
            yield found(
                n.name,
                N_("{name} is up, but out."),
                host=tree.host_of(n.id),
                evidence=[f"ceph osd tree: {n.name} reweight 0"],
                name=n.name,
                osd=n.id,
            )
