"""What kubectl gives, as Kubernetes 1.29 writes it."""

from __future__ import annotations

from typing import Any

from blue_wizard.facts.kubernetes import Attached, Budget, Claim, Cluster, Job, KubeNode, Namespace, Volume, Workload


def _item(
    kind: str, name: str, *, space: str = "shop", spec: Any = None, status: Any = None, **meta: Any
) -> dict[str, Any]:
    known = {"name": name, "namespace": space, "creationTimestamp": "2027-01-15T08:00:00Z", **meta}
    return {"kind": kind, "metadata": known, "spec": spec or {}, "status": status or {}}


def _one(item: dict[str, Any]) -> Cluster:
    return Cluster.parse("prod", {"serverVersion": {"gitVersion": "v1.29.1"}}, [item])


def test_a_node_with_its_server() -> None:
    status = {
        "conditions": [
            {"type": "Ready", "status": "Unknown"},
            {"type": "DiskPressure", "status": "True"},
            {"type": "MemoryPressure", "status": "False"},
        ],
        "nodeInfo": {"kubeletVersion": "v1.28.4"},
    }
    spec = {"providerID": "openstack:///3e85272d-0000", "unschedulable": True}
    found = _one(_item("Node", "n1", spec=spec, status=status))
    assert found.version == "v1.29.1"
    assert found.nodes == (KubeNode("n1", False, ("DiskPressure",), True, "v1.28.4", "3e85272d-0000"),)
    with_region = _item("Node", "n2", spec={"providerID": "openstack://RegionOne/abc"})
    assert _one(with_region).nodes[0].server == "abc"
    assert _one(_item("Node", "n3", spec={"providerID": "aws:///eu/i-1"})).nodes[0].server == ""


def test_pods_by_what_their_containers_wait_for() -> None:
    waiting = [
        {"state": {"waiting": {"reason": r}}} for r in ("CrashLoopBackOff", "ContainerCreating", "CrashLoopBackOff")
    ]
    status = {
        "phase": "Pending",
        "containerStatuses": [*waiting, {"state": {"running": {}}}],
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}],
    }
    (pod,) = _one(_item("Pod", "web", spec={"nodeName": "n1"}, status=status)).pods
    assert (pod.name, pod.phase, pod.node, pod.trouble) == ("shop/web", "Pending", "n1", ("CrashLoopBackOff",))
    assert pod.why == "0/3 nodes are available"
    assert pod.created == 1800000000.0


def test_workloads() -> None:
    assert _one(_item("Deployment", "web", spec={"replicas": 3}, status={"readyReplicas": 2})).workloads == (
        Workload("Deployment", "shop/web", 3, 2),
    )
    assert _one(_item("StatefulSet", "db")).workloads == (Workload("StatefulSet", "shop/db", 1, 0),)
    assert _one(_item("Deployment", "off", spec={"replicas": 0})).workloads[0].wanted == 0
    daemons = {"desiredNumberScheduled": 4, "numberReady": 4}
    assert _one(_item("DaemonSet", "cni", status=daemons)).workloads == (Workload("DaemonSet", "shop/cni", 4, 4),)


def test_storage() -> None:
    csi = {"csi": {"driver": "cinder.csi.openstack.org", "volumeHandle": "v1"}}
    assert _one(_item("PersistentVolume", "pv", spec=csi, status={"phase": "Bound"})).volumes == (
        Volume("pv", "Bound", "v1"),
    )
    old, other = {"cinder": {"volumeID": "v2"}}, {"csi": {"driver": "nfs", "volumeHandle": "x"}}
    assert [_one(_item("PersistentVolume", "pv", spec=s)).volumes[0].cinder for s in (old, other)] == ["v2", ""]
    assert _one(_item("PersistentVolumeClaim", "db", status={"phase": "Lost"})).claims == (
        Claim("shop/db", "Lost", 1800000000.0),
    )
    source = {"source": {"persistentVolumeName": "pv"}, "nodeName": "n1"}
    assert _one(_item("VolumeAttachment", "x", spec=source, status={"attached": True})).attached == (
        Attached("pv", "n1"),
    )
    assert _one(_item("VolumeAttachment", "x", spec=source)).attached == ()


def test_jobs_budgets_namespaces() -> None:
    failed = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
    assert _one(_item("Job", "b", status=failed)).jobs == (Job("shop/b", True, "BackoffLimitExceeded"),)
    budget = {"disruptionsAllowed": 0, "expectedPods": 3}
    assert _one(_item("PodDisruptionBudget", "b", status=budget)).budgets == (Budget("shop/b", 0, 3),)
    ending = _item("Namespace", "old", deletionTimestamp="2027-01-15T08:00:00Z")
    assert _one(ending).namespaces == (Namespace("old", 1800000000.0),)
