"""The Kubernetes node that runs on a compute host: which it is, and what would keep it from being drained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from blue_wizard import config
from blue_wizard.config import KubernetesAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.reach import kubernetes
from blue_wizard.text import _

__all__ = ["MARK", "Node", "access_of", "blocking", "node_named", "node_of", "node_on"]

MARK = "blue-wizard.io/job"
"""The annotation of a node that says which job has cordoned it."""


@dataclass(frozen=True)
class Node:
    """A node of a cluster ("" where only kubectl knows of one).

    `job` has cordoned it ("" when nobody of us has); `refusals`: why it can't be drained now.
    """

    name: str
    cordoned: bool
    job: str = ""
    refusals: tuple[str, ...] = ()
    cluster: str = ""


def _clusters(cloud: str) -> Sequence[KubernetesAccess]:
    known = config.load().clouds.get(cloud)
    return (known.kubernetes if known else []) or [KubernetesAccess(name="")]


def access_of(cloud: str, cluster: str) -> KubernetesAccess:
    """How a cluster of the configuration is reached. Raises InputError when it is not there any more."""
    for access in _clusters(cloud):
        if access.name == cluster:
            return access
    raise InputError(_("No Kubernetes cluster {name} is in the configuration.").format(name=cluster))


def node_of(data: Mapping[str, Any]) -> Node:
    """A node as the API shows it (pure)."""
    notes = data["metadata"].get("annotations") or {}
    return Node(data["metadata"]["name"], bool(data["spec"].get("unschedulable")), str(notes.get(MARK, "")))


def node_named(host: str, items: Iterable[Mapping[str, Any]]) -> str:
    """The node of a host: that of its name, or whose hostname label it is; "" when there is none (pure)."""
    listed = [(n["metadata"]["name"], (n["metadata"].get("labels") or {}).get("kubernetes.io/hostname")) for n in items]
    exact = [name for name, _label in listed if name == host] or [name for name, label in listed if label == host]
    return str(exact[0]) if len(exact) == 1 else ""


def blocking(pods: Iterable[Mapping[str, Any]], budgets: Sequence[Mapping[str, Any]]) -> list[str]:
    """The budgets that allow no pod of these to go now (pure). Labels alone are matched; a drain asks the API itself."""
    found = []
    for budget in budgets:
        meta, allowed = budget["metadata"], (budget.get("status") or {}).get("disruptionsAllowed", 0)
        wanted = (budget["spec"].get("selector") or {}).get("matchLabels") or {}
        if allowed or not wanted:
            continue
        hit = [
            p["metadata"]["name"]
            for p in pods
            if p["metadata"]["namespace"] == meta["namespace"]
            and wanted.items() <= (p["metadata"].get("labels") or {}).items()
        ]
        if hit:
            text = _("PodDisruptionBudget {budget} lets no pod go now: {pods}")
            found.append(text.format(budget=f"{meta['namespace']}/{meta['name']}", pods=", ".join(sorted(hit))))
    return found


def node_on(cloud: str, host: str) -> Node:
    """The node on a host, and what would keep it from being drained. Reads only. Raises InputError when there is none."""
    for access in _clusters(cloud):
        name = node_named(host, kubernetes.ask(access, "get", "nodes")["items"])
        if name:
            return _looked_at(access, name)
    raise InputError(_("No node of Kubernetes runs on {host}.").format(host=host), _("See: kubectl get nodes"))


def _looked_at(access: KubernetesAccess, name: str) -> Node:
    node = node_of(kubernetes.ask(access, "get", "node", name))
    pods = kubernetes.ask(access, "get", "pods", "--all-namespaces", f"--field-selector=spec.nodeName={name}")["items"]
    refusals = blocking(pods, kubernetes.ask(access, "get", "poddisruptionbudgets", "--all-namespaces")["items"])
    try:
        kubernetes.change(access, "drain", name, "--ignore-daemonsets", "--dry-run=server", "--timeout=10s")
    except StepFailed as e:
        refusals.append(e.message)
    return replace(node, refusals=tuple(refusals), cluster=access.name)
