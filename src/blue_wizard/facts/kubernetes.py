"""What a Kubernetes cluster has, from the JSON of ``kubectl get``. Pure parsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from blue_wizard.facts.compute import moment

__all__ = ["KINDS", "Attached", "Budget", "Claim", "Cluster", "Clusters", "Job", "KubeNode", "Namespace", "Pod", "Volume",
           "Workload"]  # fmt: skip

KINDS = ("nodes", "pods", "deployments.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch", "persistentvolumeclaims",
         "persistentvolumes", "poddisruptionbudgets.policy", "namespaces", "volumeattachments.storage.k8s.io")  # fmt: skip
"""What is asked for; secrets and the content of configurations are not."""
_CINDER = "cinder.csi.openstack.org"


@dataclass(frozen=True)
class KubeNode:
    """A node. `server` is the id of its server in Nova, "" where it is none's; `conditions` are those that are bad."""

    name: str
    ready: bool = True
    conditions: tuple[str, ...] = ()
    cordoned: bool = False
    version: str = ""
    server: str = ""


@dataclass(frozen=True)
class Pod:
    """A pod; `trouble` are the reasons for which containers of it wait, `created` in Unix seconds."""

    name: str
    phase: str = "Running"
    node: str = ""
    trouble: tuple[str, ...] = ()
    created: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet, with the pods that it should have and those that are ready."""

    kind: str
    name: str
    wanted: int = 1
    ready: int = 1


@dataclass(frozen=True)
class Job:
    """A job that has failed, or not."""

    name: str
    failed: bool = False
    why: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim of storage."""

    name: str
    phase: str = "Bound"
    created: float = 0.0


@dataclass(frozen=True)
class Volume:
    """A persistent volume; `cinder` is the id of its volume in Cinder, "" where it lies elsewhere."""

    name: str
    phase: str = "Bound"
    cinder: str = ""


@dataclass(frozen=True)
class Attached:
    """A volume that Kubernetes has attached to a node."""

    volume: str
    node: str


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget: how many of its pods may go now, of how many that there should be."""

    name: str
    allowed: int = 1
    expected: int = 1


@dataclass(frozen=True)
class Namespace:
    """A namespace; `ending` is since when it is being deleted (Unix seconds, 0.0: it is not)."""

    name: str
    ending: float = 0.0


@dataclass(frozen=True)
class Cluster:
    """One cluster. `version` is that of its API server."""

    name: str
    version: str = ""
    nodes: tuple[KubeNode, ...] = ()
    pods: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    jobs: tuple[Job, ...] = ()
    claims: tuple[Claim, ...] = ()
    volumes: tuple[Volume, ...] = ()
    attached: tuple[Attached, ...] = ()
    budgets: tuple[Budget, ...] = ()
    namespaces: tuple[Namespace, ...] = ()

    @staticmethod
    def parse(name: str, version: Mapping[str, Any], items: Iterable[Mapping[str, Any]]) -> Cluster:
        """``kubectl version -o json`` and the items of ``kubectl get``."""
        by_kind: dict[str, list[Mapping[str, Any]]] = {}
        for item in items:
            by_kind.setdefault(item["kind"], []).append(item)

        def of(kind: str) -> list[Mapping[str, Any]]:
            return by_kind.get(kind, [])

        return Cluster(
            name,
            str((version.get("serverVersion") or {}).get("gitVersion") or ""),
            tuple(map(_node, of("Node"))),
            tuple(map(_pod, of("Pod"))),
            tuple(_workload(w) for kind in ("Deployment", "StatefulSet", "DaemonSet") for w in of(kind)),
            tuple(map(_job, of("Job"))),
            tuple(
                Claim(_full(c), (c.get("status") or {}).get("phase") or "", _created(c))
                for c in of("PersistentVolumeClaim")
            ),
            tuple(map(_volume, of("PersistentVolume"))),
            tuple(
                Attached(a["spec"]["source"].get("persistentVolumeName") or "", a["spec"]["nodeName"])
                for a in of("VolumeAttachment")
                if (a.get("status") or {}).get("attached")
            ),
            tuple(
                Budget(
                    _full(b),
                    int((b.get("status") or {}).get("disruptionsAllowed") or 0),
                    int((b.get("status") or {}).get("expectedPods") or 0),
                )
                for b in of("PodDisruptionBudget")
            ),
            tuple(
                Namespace(n["metadata"]["name"], moment(n["metadata"].get("deletionTimestamp")))
                for n in of("Namespace")
            ),
        )


@dataclass(frozen=True)
class Clusters:
    """All clusters of the configuration."""

    rows: tuple[Cluster, ...] = field(default_factory=tuple)


def _full(item: Mapping[str, Any]) -> str:
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def _created(item: Mapping[str, Any]) -> float:
    return moment(item["metadata"].get("creationTimestamp"))


def _node(raw: Mapping[str, Any]) -> KubeNode:
    conditions = {c["type"]: c["status"] for c in (raw.get("status") or {}).get("conditions") or ()}
    bad = tuple(sorted(name for name, status in conditions.items() if name != "Ready" and status == "True"))
    kind, _slashes, rest = str(raw["spec"].get("providerID") or "").partition("://")
    # openstack:///ID, or with the region before it.
    server = rest.rpartition("/")[2] if kind == "openstack" else ""
    info = (raw.get("status") or {}).get("nodeInfo") or {}
    return KubeNode(
        raw["metadata"]["name"],
        conditions.get("Ready") == "True",
        bad,
        bool(raw["spec"].get("unschedulable")),
        str(info.get("kubeletVersion") or ""),
        server,
    )


def _pod(raw: Mapping[str, Any]) -> Pod:
    status = raw.get("status") or {}
    rows = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    waits = [str((c.get("state") or {}).get("waiting", {}).get("reason") or "") for c in rows]
    unscheduled = [
        str(c.get("message") or c.get("reason") or "")
        for c in status.get("conditions") or ()
        if c["type"] == "PodScheduled" and c["status"] != "True"
    ]
    return Pod(
        _full(raw),
        str(status.get("phase") or ""),
        str(raw["spec"].get("nodeName") or ""),
        tuple(dict.fromkeys(w for w in waits if w and w not in {"ContainerCreating", "PodInitializing"})),
        _created(raw),
        unscheduled[0] if unscheduled else "",
    )


def _workload(raw: Mapping[str, Any]) -> Workload:
    status = raw.get("status") or {}
    if raw["kind"] == "DaemonSet":
        return Workload(
            raw["kind"], _full(raw), int(status.get("desiredNumberScheduled") or 0), int(status.get("numberReady") or 0)
        )
    wanted = raw["spec"].get("replicas")
    return Workload(
        raw["kind"], _full(raw), 1 if wanted is None else int(wanted), int(status.get("readyReplicas") or 0)
    )


def _job(raw: Mapping[str, Any]) -> Job:
    rows = [
        c for c in (raw.get("status") or {}).get("conditions") or () if c["type"] == "Failed" and c["status"] == "True"
    ]
    return Job(_full(raw), bool(rows), str(rows[0].get("reason") or "") if rows else "")


def _volume(raw: Mapping[str, Any]) -> Volume:
    csi = raw["spec"].get("csi") or {}
    cinder = (
        csi.get("volumeHandle") if csi.get("driver") == _CINDER else (raw["spec"].get("cinder") or {}).get("volumeID")
    )
    return Volume(raw["metadata"]["name"], str((raw.get("status") or {}).get("phase") or ""), str(cinder or ""))
