"""From the Kubernetes clusters that the configuration names."""

from __future__ import annotations

from functools import partial

from blue_wizard.config import KubernetesAccess
from blue_wizard.errors import StepFailed
from blue_wizard.facts.kubernetes import KINDS, Cluster, Clusters
from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site
from blue_wizard.reach.together import Late, together
from blue_wizard.text import _

__all__: list[str] = []


@provides
def clusters(site: Site) -> Clusters | None:
    """Two calls of kubectl a cluster, all clusters side by side. One that does not answer makes its checks unknown."""
    from blue_wizard.reach import kubernetes

    known = site.settings.clouds.get(site.name)
    wanted = known.kubernetes if known else []
    if not wanted:
        return None

    def one(access: KubernetesAccess) -> Cluster:
        items = kubernetes.ask(access, "get", ",".join(KINDS), "--all-namespaces")["items"]
        return Cluster.parse(access.name, kubernetes.ask(access, "version"), items)

    found: list[Cluster] = []
    for access, answer in zip(wanted, together([partial(one, access) for access in wanted]), strict=True):
        if isinstance(answer, Late):
            raise StepFailed(_("Kubernetes cluster {name} does not answer in time.").format(name=access.name))
        found.append(answer)
    return Clusters(tuple(found))
