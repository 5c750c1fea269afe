"""Kubelets that the next upgrade would leave behind."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["version_skew"]

_MOST = 2


@check(
    "kubernetes.version-skew",
    N_("Kubernetes node is too old for its cluster"),
    severity=Severity.WARNING,
    remedy=N_("Upgrade the kubelet of {node} before the control plane goes on."),
    profile=Profile.BEFORE_UPGRADE,
)
def version_skew(clusters: Clusters) -> Iterable[Finding]:
    """By minor versions, as Kubernetes' own policy counts them."""
    for c in clusters.rows:
        server = _minor(c.version)
        for n in c.nodes:
            own = _minor(n.version)
            if server is not None and own is not None and not 0 <= server - own <= _MOST:
                yield found(
                    f"{c.name}/{n.name}",
                    N_("Node {node} runs {version}; cluster {cluster} is {server}."),
                    evidence=[f"kubectl version: {c.version}", f"kubectl get nodes: {n.name} {n.version}"],
                    node=n.name,
                    version=n.version,
                    cluster=c.name,
                    server=c.version,
                )


def _minor(version: str) -> int | None:
    made = re.match(r"v1\.(\d+)", version)
    return int(made[1]) if made else None
