"""Persistent volumes against the volumes of Cinder that they are."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["kubernetes_volume"]


@check(
    "cross.kubernetes-volume",
    N_("Kubernetes volume and Cinder disagree"),
    severity=Severity.WARNING,
    remedy=N_(
        "One that is gone needs its data from a backup. One that is not attached: delete the pod on "
        "{node}, so that it is attached anew."
    ),
    reread=True,
)
def kubernetes_volume(clusters: Clusters, volumes: Volumes) -> Iterable[Finding]:
    """Volumes of Cinder's driver only."""
    for c in clusters.rows:
        nodes = {n.name: n.server for n in c.nodes}
        known = {v.name: v.cinder for v in c.volumes if v.cinder}
        for name, cinder in known.items():
            if cinder not in volumes.by_id:
                yield found(
                    f"{c.name}/{name}",
                    N_("Volume {volume} of cluster {cluster} is {id}, which Cinder does not know."),
                    evidence=[f"kubectl get persistentvolumes: {name} {cinder}", "GET /volumes/detail: not there"],
                    volume=name,
                    cluster=c.name,
                    id=cinder,
                    node="-",
                )
        for a in c.attached:
            v = volumes.by_id.get(known.get(a.volume, ""))
            server = nodes.get(a.node, "")
            if v and v.settled and server and server not in v.servers:
                yield found(
                    f"{c.name}/{a.volume}@{a.node}",
                    N_(
                        "Volume {volume} of cluster {cluster} is attached to node {node} for Kubernetes, and not for Cinder."
                    ),
                    evidence=[
                        f"kubectl get volumeattachments: {a.volume} {a.node}",
                        f"GET /volumes/detail: {v.status}",
                    ],
                    volume=a.volume,
                    cluster=c.name,
                    node=a.node,
                )
