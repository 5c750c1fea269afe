"""Kubernetes, by itself and against Nova and Cinder."""

from __future__ import annotations

from typing import Any

from blue_wizard.facts.compute import Server, Servers
from blue_wizard.facts.kubernetes import (
    Attached,
    Budget,
    Claim,
    Cluster,
    Clusters,
    Job,
    KubeNode,
    Namespace,
    Pod,
    Volume,
    Workload,
)
from blue_wizard.facts.volume import Volume as CinderVolume
from blue_wizard.facts.volume import Volumes

from .base import DAY, HOUR, NOW, case


def _cluster(**values: Any) -> Clusters:
    return Clusters((Cluster("prod", **values),))


_NODES = (KubeNode("n1"), KubeNode("n2"), KubeNode("n3"))
case(
    "kubernetes.node-not-ready",
    bad=[
        Clusters(
            (Cluster("prod", nodes=(*_NODES, KubeNode("n4", False))), Cluster("dev", nodes=(KubeNode("d", False),)))
        )
    ],
    finds={"prod/n4": "warning", "dev/d": "critical"},
    good=[_cluster(nodes=_NODES)],
)
case(
    "kubernetes.node-pressure",
    bad=[_cluster(nodes=(*_NODES, KubeNode("n4", conditions=("DiskPressure",))))],
    finds=["prod/n4"],
    good=[_cluster(nodes=_NODES)],
)
case(
    "kubernetes.pod-failing",
    bad=[_cluster(pods=(Pod("shop/web", trouble=("CrashLoopBackOff",)), Pod("shop/db")))],
    finds=["prod/shop/web"],
    good=[_cluster(pods=(Pod("shop/db"), Pod("shop/done", "Succeeded")))],
)
case(
    "kubernetes.pod-pending",
    bad=[_cluster(pods=(Pod("shop/web", "Pending", created=NOW - HOUR),))],
    finds=["prod/shop/web"],
    good=[
        _cluster(
            pods=(
                Pod("shop/new", "Pending", created=NOW - 60),
                Pod("shop/bad", "Pending", trouble=("ErrImagePull",), created=NOW - HOUR),
                Pod("shop/old", created=NOW - DAY),
            )
        )
    ],
)
case(
    "kubernetes.replicas",
    bad=[_cluster(workloads=(Workload("Deployment", "shop/web", 3, 1), Workload("StatefulSet", "shop/db", 1, 0)))],
    finds={"prod/Deployment/shop/web": "warning", "prod/StatefulSet/shop/db": "critical"},
    good=[_cluster(workloads=(Workload("Deployment", "shop/web", 3, 3), Workload("DaemonSet", "x/y", 0, 0)))],
)
case(
    "kubernetes.job-failed",
    bad=[_cluster(jobs=(Job("shop/backup", True, "BackoffLimitExceeded"),))],
    finds=["prod/shop/backup"],
    good=[_cluster(jobs=(Job("shop/backup"),))],
)
case(
    "kubernetes.claim",
    bad=[
        _cluster(
            claims=(Claim("shop/db", "Lost"), Claim("shop/x", "Pending", NOW - HOUR)),
            volumes=(Volume("pv1", "Failed"),),
        )
    ],
    finds=["prod/shop/db", "prod/shop/x", "prod/pv1"],
    good=[
        _cluster(
            claims=(Claim("shop/db"), Claim("shop/new", "Pending", NOW - 60)), volumes=(Volume("pv1", "Released"),)
        )
    ],
)
case(
    "kubernetes.version-skew",
    bad=[_cluster(version="v1.29.1", nodes=(KubeNode("n1", version="v1.26.9"), KubeNode("n2", version="v1.30.0")))],
    finds=["prod/n1", "prod/n2"],
    good=[_cluster(version="v1.29.1+k3s1", nodes=(KubeNode("n1", version="v1.27.9"), KubeNode("n2", version="")))],
)
case(
    "kubernetes.budget",
    bad=[_cluster(budgets=(Budget("shop/db", 0, 3),))],
    finds=["prod/shop/db"],
    good=[_cluster(budgets=(Budget("shop/db", 1, 3), Budget("shop/none", 0, 0)))],
)
case(
    "kubernetes.namespace-ending",
    bad=[_cluster(namespaces=(Namespace("old", NOW - DAY),))],
    finds=["prod/old"],
    good=[_cluster(namespaces=(Namespace("shop"), Namespace("just", NOW - 60)))],
)
_ON = (KubeNode("n1", server="a"), KubeNode("n2", server="b"), KubeNode("elsewhere"))
case(
    "cross.kubernetes-node",
    bad=[_cluster(nodes=_ON), Servers((Server("b", status="SHUTOFF"),))],
    finds=["prod/n1", "prod/n2"],
    good=[
        _cluster(nodes=(*_ON, KubeNode("n3", False, server="c"))),
        Servers((Server("a"), Server("b", task="rebooting"), Server("c", status="SHUTOFF"))),
    ],
)
case(
    "cross.kubernetes-volume",
    bad=[
        _cluster(
            nodes=_ON,
            volumes=(Volume("pv1", cinder="v1"), Volume("pv2", cinder="gone")),
            attached=(Attached("pv1", "n1"),),
        ),
        Volumes((CinderVolume("v1", status="in-use", servers=("b",)),)),
    ],
    finds=["prod/pv2", "prod/pv1@n1"],
    good=[
        _cluster(
            nodes=_ON,
            volumes=(Volume("pv1", cinder="v1"), Volume("pv2", cinder="v2"), Volume("nfs")),
            attached=(Attached("pv1", "n1"), Attached("pv2", "n2"), Attached("nfs", "n1")),
        ),
        Volumes((CinderVolume("v1", status="in-use", servers=("a",)), CinderVolume("v2", status="detaching"))),
    ],
)
