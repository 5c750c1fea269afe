"""Claims and volumes that do not come together."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["claim"]

_STUCK_S = 900


@check(
    "kubernetes.claim",
    N_("Kubernetes storage is not bound"),
    severity=Severity.WARNING,
    remedy=N_(
        "See what its storage class says: kubectl -n NAMESPACE describe pvc ({name}); a volume that is "
        "lost needs its data from a backup."
    ),
    profile=Profile.DAILY,
)
def claim(clusters: Clusters, now: Now) -> Iterable[Finding]:
    """One that waits for its first pod is pending by design; it is told as well, for nobody else would."""
    for c in clusters.rows:
        late = [(x.name, x.phase) for x in c.claims if x.phase == "Pending" and now.at - x.created > _STUCK_S]
        lost = [(x.name, x.phase) for x in c.claims if x.phase == "Lost"]
        failed = [(v.name, v.phase) for v in c.volumes if v.phase == "Failed"]
        for name, phase in (*late, *lost, *failed):
            yield found(
                f"{c.name}/{name}",
                N_("{name} of cluster {cluster} is {phase}."),
                evidence=[f"kubectl get pvc,pv: {name} {phase}"],
                name=name,
                cluster=c.name,
                phase=phase,
            )
