"""What is read of services that a cloud may not have: nothing where it has none, one call a listing where it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.errors import StepFailed
from blue_wizard.facts.addons import Balancers, BareMetal, FencedHosts, StackResources
from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.collect import register
from blue_wizard.inspect.facts import provider
from blue_wizard.inspect.site import Site
from blue_wizard.reach import kubernetes

register()
ANSWERS: dict[str, dict[str, Any]] = {
    "/lbaas/loadbalancers": {"loadbalancers": [{"id": "l", "vip_port_id": "p", "provisioning_status": "ACTIVE"}]},
    "/octavia/amphorae": {"amphorae": [{"id": "m", "loadbalancer_id": "l", "compute_id": "a", "status": "ALLOCATED"}]},
    "/stacks?global_tenant=true&limit=200": {
        "stacks": [
            {"stack_name": "shop", "id": "1", "stack_status": "CREATE_COMPLETE"},
            {"stack_name": "new", "id": "2", "stack_status": "CREATE_IN_PROGRESS"},
        ]
    },
    "/stacks/shop/1/resources": {"resources": [{"resource_name": "vm", "physical_resource_id": "a"}]},
    "/segments": {"segments": [{"uuid": "s", "name": "rack1"}]},
    "/segments/s/hosts": {"hosts": [{"name": "cmp1", "on_maintenance": False}]},
    "/nodes/detail?limit=1000": {"nodes": [{"uuid": "n", "provision_state": "active", "instance_uuid": "a"}]},
}


class Cloud:
    """Answers GETs, and remembers them."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.asked: list[str] = []

    def has(self, kind: str) -> bool:
        return kind in self.kinds

    def get(self, _service: str, path: str) -> Any:
        self.asked.append(path)
        return ANSWERS[path]


def _read(kind: Any, site: Any) -> Any:
    found = provider(kind)
    assert found is not None
    return found(site)


@pytest.mark.parametrize("kind", [Balancers, StackResources, FencedHosts, BareMetal])
def test_without_the_service_nothing_is_asked(kind: Any) -> None:
    cloud = Cloud()
    assert _read(kind, cloud) is None
    assert cloud.asked == []


def test_with_the_service_it_is() -> None:
    cloud = Cloud("load-balancer", "orchestration", "instance-ha", "baremetal")
    assert [a.server for a in _read(Balancers, cloud).amphorae] == ["a"]
    assert [r.stack for r in _read(StackResources, cloud).rows] == ["shop"]
    assert [h.segment for h in _read(FencedHosts, cloud).rows] == ["rack1"]
    assert [n.server for n in _read(BareMetal, cloud).rows] == ["a"]
    # The stack that is just being made is not looked into.
    assert "/stacks/new/2/resources" not in cloud.asked


def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Site:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    return Site(config.load(), "lab")


def test_clusters_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _read(Clusters, _site(tmp_path, monkeypatch, "{}")) is None
    site = _site(tmp_path, monkeypatch, "clouds: {lab: {kubernetes: [{name: prod}, {name: dev, context: x}]}}")

    def ask(access: Any, *words: str) -> Any:
        if words[0] == "version":
            return {"serverVersion": {"gitVersion": f"v1.29.{len(access.name)}"}}
        assert "secrets" not in words[1]
        return {"items": [{"kind": "Namespace", "metadata": {"name": access.name}}]}

    monkeypatch.setattr(kubernetes, "ask", ask)
    found = _read(Clusters, site)
    assert [(c.name, c.version, c.namespaces[0].name) for c in found.rows] == [
        ("prod", "v1.29.4", "prod"),
        ("dev", "v1.29.3", "dev"),
    ]

    def refuse(access: Any, *_words: str) -> Any:
        raise StepFailed(f"{access.name} is silent")

    monkeypatch.setattr(kubernetes, "ask", refuse)
    with pytest.raises(StepFailed, match="prod is silent"):
        _read(Clusters, site)
