"""Jobs that gave up."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["job_failed"]


@check(
    "kubernetes.job-failed",
    N_("Kubernetes job has failed"),
    severity=Severity.WARNING,
    remedy=N_("Read its log: kubectl -n NAMESPACE logs job/NAME ({job}); then delete it, or start it anew."),
    profile=Profile.DAILY,
)
def job_failed(clusters: Clusters) -> Iterable[Finding]:
    """Until it is deleted."""
    for c in clusters.rows:
        for j in c.jobs:
            if j.failed:
                yield found(
                    f"{c.name}/{j.name}",
                    N_("Job {job} of cluster {cluster} has failed: {why}"),
                    evidence=[f"kubectl get jobs: {j.name} Failed {j.why}"],
                    job=j.name,
                    cluster=c.name,
                    why=j.why or "-",
                )
