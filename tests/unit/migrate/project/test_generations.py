"""What a real cloud answered at two generations of its APIs: the same project, the same machines.

Recorded from OpenStack Zed with Nova's microversions 2.1 and 2.60 and Cinder's 3.0 and 3.59; links are left out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.migrate.machine import Machine, Power
from blue_wizard.migrate.mapping import MapFile
from blue_wizard.migrate.origin_cloud import exports
from blue_wizard.migrate.project import inventory
from blue_wizard.migrate.project.copying import correspond
from blue_wizard.migrate.project.inventory import Inventory
from blue_wizard.migrate.sources.openstack import OpenStack

GOLDEN = Path(__file__).parent / "golden"
GENERATIONS = ("2.1", "2.60")
GIB = 1 << 30


class Recorded:
    """Stands for an `Api`: what was answered then. What nobody asked then is an error."""

    def __init__(self, generation: str) -> None:
        said = json.loads((GOLDEN / f"zed-nova-{generation}.json").read_text())
        self.project: str = said["project"]
        self.answers: dict[str, Any] = said["answers"]
        self.cloud, self.name = self, "old"

    def get(self, service: str, path: str, *, missing_ok: bool = False) -> Any:
        return self.answers[f"{service} {path}"]

    def list(self, service: str, path: str, key: str) -> Any:
        # The project had no server groups, and they were not asked for when this was recorded.
        return [] if key == "server_groups" else self.answers[f"{service} {path}"][key]

    def images(self, query: str) -> Any:
        return self.answers[f"image /images?limit=200&{query}"]["images"]


def machines(generation: str) -> list[Machine]:
    source = OpenStack("openstack://old")
    source.__dict__["api"] = Recorded(generation)
    return list(source.discover())


def project(generation: str) -> Inventory:
    return inventory.read(Recorded(generation))  # type: ignore[arg-type]


def test_the_recordings_differ_where_generations_do() -> None:
    old, new = (Recorded(g).answers["compute /servers/detail"]["servers"][0]["flavor"] for g in GENERATIONS)
    assert set(old) == {"id"}
    assert {"vcpus", "ram", "disk", "original_name"} <= set(new)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_machines(generation: str) -> None:
    local, web = machines(generation)
    assert [(m.name, m.vcpus, m.memory, m.flavor, m.key) for m in (local, web)] == [
        ("old-local", 1, 128, "m1.nano", "old-key"),
        ("old-web", 1, 128, "m1.nano", "old-key"),
    ]
    assert [(d.id, d.size, d.boot) for d in local.disks] == [("root", GIB, True)]
    (boot,) = web.disks
    assert (boot.size, boot.boot, boot.format) == (GIB, True, "raw")
    assert [(n.mac, n.network, n.addresses, n.groups) for n in web.nics] == [
        ("fa:16:3e:77:00:50", "old-net", ("10.77.0.50",), ("old-open",))
    ]
    assert (web.power, web.metadata, web.blockers, web.warnings) == (Power.ON, {"owner": "tenant"}, (), ())


def test_both_generations_tell_the_same() -> None:
    assert machines("2.1") == machines("2.60")
    old, new = (project(g) for g in GENERATIONS)
    assert replace(old, items=()) == replace(new, items=())
    assert {(i.kind, i.id): i for i in old.items} == {(i.kind, i.id): i for i in new.items}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_project(generation: str) -> None:
    found = project(generation)
    assert {(i.kind, i.name) for i in found.items} == {
        ("network", "old-net"), ("subnet", "old-subnet"), ("router", "old-router"), ("group", "old-open"),
        ("group", "old-inner"), ("group", "default"), ("flavor", "m1.nano"), ("keypair", "old-key"),
        ("image", "old-image"), ("volume", "old-free"),
    }  # fmt: skip
    (image,) = found.of("image")
    assert (image.body["my_property"], image.body["min_disk"], image.extra["hash"][0]) == ("kept", 1, "sha512")
    # What Glance wrote itself is not told to another Glance.
    assert set(image.body) == {"my_property", "name", "disk_format", "container_format", "min_disk", "min_ram"}
    (router,) = found.of("router")
    assert [i["address"] for i in router.extra["interfaces"]] == ["10.77.0.1"]
    assert set(router.body["external_gateway_info"]) == {"network_id"}
    # Into a project that has nothing but the way out.
    empty = Inventory("new", "p", names={"x": "external"}, external=frozenset("x"))
    empty = replace(empty, items=(replace(found.of("group")[0], id="d", name="default"),))
    steps = [s.id for s in correspond(found, empty, MapFile(), inventory.KINDS).steps]
    assert [s for s in steps if not s.startswith("rules")] == [
        "flavor.0", "keypair.0", "group.0", "group.1", "network.0", "subnet.0", "router.0", "interface.0"
    ]  # fmt: skip


@pytest.mark.parametrize("generation", GENERATIONS)
def test_instance_actions(generation: str) -> None:
    path = next(p for p in Recorded(generation).answers if p.endswith("os-instance-actions"))
    done = Recorded(generation).answers[path]["instanceActions"]
    assert [a["action"] for a in done] == ["create"]
    assert not exports.started_since(done, "2026-01-01T00:00:00Z")
