"""The copy of a project as a plan that can be written down, made again, and told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blue_wizard import masking
from blue_wizard.errors import InputError
from blue_wizard.jobs.actions import find
from blue_wizard.jobs.model import Plan
from blue_wizard.migrate.mapping import MapFile, read_map
from blue_wizard.migrate.project import actions, images, inventory, operation
from blue_wizard.migrate.project.operation import Params, look
from tests.unit.migrate.clouds import Job, Memory

from .test_copying import target, tenant

PARAMS = Params("openstack://old", "new")


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Memory]:
    made = {"old": tenant(), "new": target()}
    monkeypatch.setattr(operation.openstack, "connect", made.__getitem__)
    for module in (actions, images):
        monkeypatch.setattr(module, "cloud_of", lambda _args: made["new"])
    monkeypatch.setattr(images, "origin_cloud", lambda _url: made["old"])
    return made


def _run(plan: Plan) -> dict[str, Any]:
    """Carry it out, and show it as a job is shown."""
    shown = []
    for one in (plan, *plan.children):
        job = Job(one.steps)
        job.run(find)
        steps = [{"id": s.id, "args": s.args, "outcome": job.outcomes[s.id], "state": "done"} for s in one.steps]
        shown.append({"title": one.title, "params": one.params, "steps": steps, "state": "done"})
    return {**shown[0], "children": shown[1:]}


def test_a_plan_is_data_without_a_secret(clouds: dict[str, Memory]) -> None:
    plan = look(PARAMS).plan
    assert Plan.from_json(plan.as_json()) == plan
    assert operation.plan_again(plan.params).digest == plan.digest
    for one in plan.walk():
        for step in one.steps:
            assert masking.mask(dict(step.args)) == dict(step.args), step.title
            assert find(step.verb).verb == step.verb
    assert [name for p in plan.walk() for s in p.steps for name in s.locks] == ["project:openstack://old/new"]
    assert [c.title for c in plan.children] == ["image debian"]
    assert all(p.holds for p in plan.preconditions)


def test_what_was_made_is_told_and_then_nothing_is_left(clouds: dict[str, Memory], tmp_path: Path) -> None:
    told = operation.report(_run(look(PARAMS).plan))["objects"]
    kinds = [o["kind"] for o in told]
    assert kinds.count("subnet") == 2
    (image,) = (o for o in told if o["kind"] == "image")
    assert (image["name"], image["state"], len(image["sha256"])) == ("debian", "done", 64)
    again = look(PARAMS)
    assert again.complete
    assert len(again.copying.known) >= 10
    file = tmp_path / "map.yaml"
    made = operation.write_mapping(again, MapFile(names="new-{name}"), file)
    assert read_map(file) == made
    assert (made.names, made.networks) == ("new-{name}", {"net": "net"})


def test_only_some_kinds(clouds: dict[str, Memory]) -> None:
    plan = look(Params("openstack://old", "new", only=("groups",))).plan
    assert {s.id.partition(".")[0] for s in plan.steps} == {"group", "rules"}
    assert plan.children == ()


def test_a_quota_that_is_used_up_refuses(clouds: dict[str, Memory], monkeypatch: pytest.MonkeyPatch) -> None:
    full = {k: {"limit": 1, "used": 1} for k in ("network", "subnet", "router", "security_group")}
    asked = clouds["new"].get
    monkeypatch.setattr(
        clouds["new"], "get", lambda s, p, **more: {"quota": full} if "/quotas/" in p else asked(s, p, **more)
    )
    with pytest.raises(Exception, match=r"(?s)quota of network.*quota of subnet: 2 needed, 0 free"):
        look(PARAMS)


@pytest.mark.parametrize(
    ("source", "cloud", "word"), [("files:///tmp", "new", "no"), ("openstack://old", "old", "one project")]
)
def test_what_is_no_source_for_it(clouds: dict[str, Memory], source: str, cloud: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        look(Params(source, cloud))


def test_a_volume_comes_with_its_snapshot_and_without_its_secrets(
    clouds: dict[str, Memory], monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds["old"].volumes = [
        {"id": "v", "name": "data", "size": 2, "status": "available", "attachments": [], "bootable": "false",
         "metadata": {"api_token": "x", "owner": "t"}, "encrypted": False},
        {"id": "e", "name": "vault", "size": 2, "status": "available", "attachments": [], "encrypted": True},
        {"id": "u", "name": "used", "size": 2, "status": "in-use", "attachments": [{}], "encrypted": False},
    ]  # fmt: skip
    monkeypatch.setattr(operation, "_quota_findings", lambda *_args: [])
    monkeypatch.setattr(operation, "_space_findings", lambda *_args: [])
    monkeypatch.setattr(operation, "ceph_access", lambda _cloud: operation.ceph.CephAccess())
    looked = look(Params("openstack://old", "new", only=("volumes",)))
    (volume,) = looked.plan.children
    assert [s.id for s in volume.steps] == ["volume", "export.0", "import", "release.0"]
    assert volume.steps[0].args["metadata"] == {"owner": "t", inventory.ORIGIN: "v"}
    assert [w for w in looked.copying.remarks if "vault" in w]
    assert [w for w in looked.copying.remarks if "api_token" in w]
    clouds["new"].volumes = [{"id": "n", "metadata": {inventory.ORIGIN: "v"}, "status": "in-use", "attachments": [{}]}]
    assert look(Params("openstack://old", "new", only=("volumes",))).complete
