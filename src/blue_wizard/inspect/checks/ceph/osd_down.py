"""OSDs that are down."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephTree
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["osd_down"]

_GRAVE = 0.10


@check(
    "ceph.osd-down",
    N_("OSD is down"),
    severity=Severity.WARNING,
    remedy=N_(
        "See whether its disk died: dmesg, smartctl -a, journalctl -u ceph-osd@{osd}. A dead disk is "
        "replaced, a healthy OSD is started."
    ),
    under=("host.unreachable",),
)
def osd_down(tree: CephTree) -> Iterable[Finding]:
    """In the CRUSH map, with weight, and not up. Critical from a tenth of all on."""
    osds = [n for n in tree.nodes if n.type == "osd" and n.weight > 0]
    down = [n for n in osds if not n.up]
    for n in down:
        yield found(
            n.name,
            N_("{name} on {where} is down."),
            host=tree.host_of(n.id),
            evidence=[f"ceph osd tree: {n.name} down, reweight {n.reweight}"],
            severity=Severity.CRITICAL if len(down) >= max(2, _GRAVE * len(osds)) else None,
            name=n.name,
            osd=n.id,
            where=tree.host_of(n.id) or "-",
        )
