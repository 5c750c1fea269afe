"""The Kubernetes node that runs on a compute host: which it is, and what would keep it from being drained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.reach import kubectl
from blue_wizard.text import _

__all__ = ["MARK", "Node", "blocking", "node_named", "node_of", "node_on"]

MARK = "blue-wizard.io/job"
"""The annotation of a node that says which job has cordoned it."""


@dataclass(frozen=True)
class Node:
    """A node. `job` has cordoned it ("" when nobody of us has); `refusals`: why it can't be drained now."""

    name: str
    cordoned: bool
    job: str = ""
    refusals: tuple[str, ...] = ()


def node_of(data: Mapping[str, Any]) -> Node:
    """A node as the API shows it (pure)."""
    notes = data["metadata"].get("annotations") or {}
    return Node(data["metadata"]["name"], bool(data["spec"].get("unschedulable")), str(notes.get(MARK, "")))


def node_named(host: str, items: Iterable[Mapping[str, Any]]) -> str:
    """The node of a host: that of its name, or whose hostname label it is (pure). Raises InputError when there is none."""
    listed = [(n["metadata"]["name"], (n["metadata"].get("labels") or {}).get("kubernetes.io/hostname")) for n in items]
    exact = [name for name, _label in listed if name == host] or [name for name, label in listed if label == host]
    if len(exact) != 1:
        raise InputError(_("No node of Kubernetes runs on {host}.").format(host=host), _("See: kubectl get nodes"))
    return str(exact[0])


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
    name = node_named(host, kubectl.read(cloud, "get", "nodes")["items"])
    node = node_of(kubectl.read(cloud, "get", "node", name))
    pods = kubectl.read(cloud, "get", "pods", "--all-namespaces", f"--field-selector=spec.nodeName={name}")["items"]
    refusals = blocking(pods, kubectl.read(cloud, "get", "poddisruptionbudgets", "--all-namespaces")["items"])
    try:
        kubectl.change(cloud, "drain", name, "--ignore-daemonsets", "--dry-run=server", "--timeout=10s")
    except StepFailed as e:
        refusals.append(e.message)
    return Node(node.name, node.cordoned, node.job, tuple(refusals))
