"""The node on a compute host, by the real `kubectl` against an API server of recorded answers."""

from __future__ import annotations

import copy
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from blue_wizard import config
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.maintain import kube
from blue_wizard.maintain.actions.kube import Cordon, Drain, Uncordon
from blue_wizard.maintain.leave import entered_of
from blue_wizard.maintain.model import Reason, Wishes
from blue_wizard.maintain.plan_enter import Options, compile_plan
from blue_wizard.maintain.plan_leave import Wanted
from blue_wizard.maintain.plan_leave import compile_plan as compile_leave
from blue_wizard.maintain.survey import Allowed, judge

from . import openapi
from .fakes import Context, server, service, site

ARGS = {"cloud": "lab", "host": "cmp1", "cluster": "c", "node": "node-a", "timeout_s": 120.0}


def _node(name: str, host: str) -> dict[str, Any]:
    meta = {"name": name, "uid": name, "resourceVersion": "1", "labels": {"kubernetes.io/hostname": host}}
    return {"kind": "Node", "apiVersion": "v1", "metadata": meta, "spec": {}, "status": {}}


def _pod(name: str, app: str, kind: str = "ReplicaSet", **volumes: Any) -> dict[str, Any]:
    owner = [{"apiVersion": "apps/v1", "kind": kind, "name": app, "uid": app, "controller": True}] if kind else []
    meta = {"name": name, "namespace": "shop", "uid": name, "labels": {"app": app}, "ownerReferences": owner}
    spec = {"nodeName": "node-a", "containers": [{"name": "c", "image": "i"}], **volumes}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": spec, "status": {"phase": "Running"}}


def _budget(app: str, allowed: int) -> dict[str, Any]:
    meta = {"name": f"keep-{app}", "namespace": "shop"}
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}}
    return {"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": meta, "spec": spec,
            "status": {"disruptionsAllowed": allowed}}  # fmt: skip


def _resource(name: str, kind: str, *, namespaced: bool = True, **more: Any) -> dict[str, Any]:
    verbs = ["get", "list", "patch", "delete", "create", "update", "watch"]
    return {"name": name, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind, "verbs": verbs, **more}


def _resources(group: str, *listed: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": list(listed)}


def _group(name: str) -> dict[str, Any]:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


DISCOVERY = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.4"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group("apps"), _group("policy")]},
    "/api/v1": _resources(
        "v1",
        _resource("nodes", "Node", namespaced=False, shortNames=["no"]),
        _resource("pods", "Pod"),
        _resource("pods/eviction", "Eviction", group="policy", version="v1"),
    ),
    "/apis/apps/v1": _resources(
        "apps/v1", _resource("daemonsets", "DaemonSet"), _resource("replicasets", "ReplicaSet")
    ),
    "/apis/policy/v1": _resources(
        "policy/v1", _resource("poddisruptionbudgets", "PodDisruptionBudget", shortNames=["pdb"])
    ),
}


class Cluster:
    """What the API server knows. `full`: how many evictions its budgets refuse before they let one go."""

    def __init__(self) -> None:
        self.nodes = {"node-a": _node("node-a", "cmp1"), "node-b": _node("node-b", "cmp10")}
        self.pods = {p["metadata"]["name"]: p for p in (_pod("web-1", "web"), _pod("agent-1", "agent", "DaemonSet"))}
        self.budgets = [_budget("web", 1)]
        self.full = 0
        self.evictions: list[tuple[str, int]] = []


class _Api(http.server.BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: Any) -> None:
        pass

    def _say(self, status: int, body: Any, kind: str = "application/json") -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _refuse(self, status: int, reason: str, message: str) -> None:
        self._say(status, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
                           "message": message, "code": status})  # fmt: skip

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path, last = parts.path, parts.path.rpartition("/")[2]
        c = self.cluster
        if path in DISCOVERY:
            self._say(200, DISCOVERY[path])
        elif path == "/openapi/v2":
            self._say(200, openapi.document(), openapi.TYPE)
        elif path == "/api/v1/nodes":
            self._say(200, {"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": list(c.nodes.values())})
        elif path.startswith("/api/v1/nodes/") and last in c.nodes:
            self._say(200, c.nodes[last])
        elif path == "/api/v1/pods":
            assert parse_qs(parts.query)["fieldSelector"] == ["spec.nodeName=node-a"]
            self._say(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(c.pods.values())})
        elif path.startswith("/api/v1/namespaces/shop/pods/") and last in c.pods:
            self._say(200, c.pods[last])
        elif path == "/apis/policy/v1/poddisruptionbudgets":
            kind = {"kind": "PodDisruptionBudgetList", "apiVersion": "policy/v1", "metadata": {}}
            self._say(200, {**kind, "items": c.budgets})
        elif path == "/apis/apps/v1/namespaces/shop/daemonsets/agent":
            meta = {"name": "agent", "namespace": "shop"}
            self._say(200, {"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": meta})
        else:
            self._refuse(404, "NotFound", f"{path} not found")

    def do_PATCH(self) -> None:
        parts, body = urlsplit(self.path), self._body()
        node = self.cluster.nodes[parts.path.rpartition("/")[2]]
        if "dryRun" in parts.query:
            node = copy.deepcopy(node)
        notes = node["metadata"].setdefault("annotations", {})
        for key, value in (body.get("metadata", {}).get("annotations") or {}).items():
            if value is None:
                notes.pop(key, None)
            else:
                notes[key] = value
        if "unschedulable" in body.get("spec", {}):
            node["spec"]["unschedulable"] = body["spec"]["unschedulable"]
        self._say(200, node)

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        options = self._body().get("deleteOptions") or {}
        if options.get("dryRun") or "dryRun" in parts.query:
            self._say(201, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
            return
        name = parts.path.split("/")[-2]
        if self.cluster.full > 0:
            self.cluster.full -= 1
            self.cluster.evictions.append((name, 429))
            self._refuse(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.")
            return
        self.cluster.evictions.append((name, 201))
        del self.cluster.pods[name]
        self._say(201, {"kind": "Status", "apiVersion": "v1", "status": "Success"})


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    assert shutil.which("kubectl"), "kubectl is not on this machine (https://kubernetes.io/docs/tasks/tools)"
    made = Cluster()
    handler: Any = type("Handler", (_Api,), {"cluster": made})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{served.server_address[1]}"
        access = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        }  # fmt: skip
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(access))
        settings = {
            "clouds": {
                "lab": {"kubernetes": [{"name": "c", "kubeconfig": str(tmp_path / "kubeconfig"), "context": "c"}]}
            }
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
        monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(tmp_path / "config.yaml"))
        monkeypatch.setenv("HOME", str(tmp_path))
        config.load.cache_clear()
        yield made
        served.shutdown()


def test_cordoned_drained_and_given_back(cluster: Cluster) -> None:
    ctx = Context()
    before = copy.deepcopy(cluster.nodes)
    assert kube.node_on("lab", "cmp1") == kube.Node("node-a", False, cluster="c")
    assert Cordon().probe(ctx, ARGS) is None
    outcome = Cordon().do(ctx, ARGS)
    assert Cordon().probe(Context(), ARGS) == outcome == {"ours": True}
    assert cluster.nodes["node-a"]["spec"]["unschedulable"] is True
    cluster.full = 1
    Drain().do(ctx, ARGS)
    # The budget said no once; the pod went when it said yes, and the daemon set's stayed.
    assert cluster.evictions == [("web-1", 429), ("web-1", 201)]
    assert set(cluster.pods) == {"agent-1"}
    later = Context(job_id="h-later")
    back = {**ARGS, "job": ctx.job_id}
    assert Uncordon().probe(later, back) is None
    Uncordon().do(later, back)
    assert not cluster.nodes["node-a"]["spec"]["unschedulable"]
    assert cluster.nodes["node-a"]["metadata"]["annotations"] == {}
    Uncordon().undo(later, back, None)
    assert kube.node_on("lab", "cmp1").job == ctx.job_id
    Cordon().undo(ctx, ARGS, outcome)
    assert not cluster.nodes["node-a"]["spec"]["unschedulable"]
    assert cluster.nodes["node-b"] == before["node-b"]


def test_a_node_that_somebody_else_has_cordoned_stays_so(cluster: Cluster) -> None:
    cluster.nodes["node-a"]["spec"]["unschedulable"] = True
    ctx = Context()
    outcome = Cordon().probe(ctx, ARGS)
    assert outcome == {"ours": False}
    Cordon().undo(ctx, ARGS, outcome)
    assert cluster.nodes["node-a"]["spec"]["unschedulable"] is True


def test_a_drain_that_its_budgets_do_not_let_end(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blue_wizard.maintain.actions.kube._ROUND_S", 2)
    cluster.full = 99
    with pytest.raises(StepFailed, match="disruption budget"):
        Drain().do(Context(), {**ARGS, "timeout_s": 0.0})
    assert "web-1" in cluster.pods


def test_what_keeps_it_from_being_drained_is_told_beforehand(cluster: Cluster) -> None:
    cluster.budgets = [_budget("web", 0), _budget("other", 0)]
    cluster.pods["alone"] = _pod("alone", "alone", "")
    refusals = kube.node_on("lab", "cmp1").refusals
    assert len(refusals) == 2
    assert "shop/keep-web" in refusals[0]
    assert "web-1" in refusals[0]
    assert "alone" in refusals[1]
    for host in ("cmp", "cmp100"):
        with pytest.raises(InputError, match=host):
            kube.node_on("lab", host)


def test_it_stands_in_the_plan_and_in_that_of_leaving() -> None:
    found = site(server(), node=kube.Node("node-a", False))
    plan = compile_plan("lab", judge(found, Wishes(), Allowed()), Options(Reason.REBOOT), {"host": "cmp1"})
    ids = [s.id for s in plan.steps]
    assert (ids[0], ids[-1]) == ("node", "pods")
    blocked = judge(site(server(), node=kube.Node("node-a", False, "", ("no",))), Wishes(), Allowed())
    assert not blocked.ready
    dead = site(server(), service=service("cmp1", up=False), alive=False, node=kube.Node("node-a", False, "", ("no",)))
    evacuated = judge(dead, Wishes(), Allowed(evacuate=True))
    assert evacuated.ready
    assert "pods" not in [s.id for s in compile_plan("lab", evacuated, Options(Reason.HARDWARE), {}).steps]
    steps = [
        {"id": s.id, "verb": s.verb, "args": dict(s.args), "state": "done", "outcome": {"ours": True}}
        for s in plan.steps
    ]
    entered = entered_of({"job": "h-aaaaaa", "params": {}, "steps": steps}, "svc-cmp1", "nova")
    leaving = compile_leave("lab", "cmp1", entered, (), (), Wanted(), {})
    assert [s.id for s in leaving.steps] == ["back", "ready", "unnode", "uncordon"]
