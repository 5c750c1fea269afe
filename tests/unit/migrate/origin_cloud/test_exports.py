"""A disk as an image of its own cloud: made once, through crashes, never an old one, and nothing of it stays."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.metadata import KEY
from blue_wizard.migrate.origin_cloud import exports
from blue_wizard.migrate.origin_cloud.servers import LOOSE, ROOT
from tests.unit.migrate.clouds import Killed

_IDS = itertools.count(1)


class Shelf:
    """Stands for an `Api`: images, volumes and snapshots that become ready the second time they are looked at."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {"images": [], "volumes": [], "snapshots": []}
        self.cloud = self
        self.name = "old"
        self.left = -1
        self.made: list[str] = []
        self.outcome = "active"
        self.actions: list[dict[str, str]] = []

    def _tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def _look(self, kind: str, path: str) -> list[dict[str, Any]]:
        (name,) = parse_qs(urlsplit(path).query)["name"]
        found = [r for r in self.rows[kind] if r["name"] == name]
        shown = [dict(r) for r in found]
        for row in found:
            row["status"] = row.pop("next", row["status"])
        return shown

    def images(self, query: str) -> list[dict[str, Any]]:
        return self._look("images", f"?{query}")

    def list(self, _service: str, path: str, key: str) -> list[dict[str, Any]]:
        return self._look(key, path)

    def get(self, _service: str, path: str, *, missing_ok: bool = False) -> Any:
        if path.endswith("/os-instance-actions"):
            return {"instanceActions": self.actions}
        return {"volume": {"id": path.rpartition("/")[2], "size": 7}} if "gone" not in path else None

    def _add(self, kind: str, name: str, status: str, then: str, **more: Any) -> None:
        self.made.append(kind)
        self.rows[kind].append({"id": str(next(_IDS)), "name": name, "status": status, "next": then, **more})

    def post(self, _service: str, path: str, body: Mapping[str, Any]) -> Any:
        self._tick()
        if path == "/snapshots":
            self._add(
                "snapshots",
                body["snapshot"]["name"],
                "creating",
                "available",
                metadata=body["snapshot"]["metadata"],
                created_at="2026-01-01T10:00:00.000000",
            )
        elif path == "/volumes":
            assert any(s["id"] == body["volume"]["snapshot_id"] for s in self.rows["snapshots"])
            self._add("volumes", body["volume"]["name"], "creating", "available", metadata=body["volume"]["metadata"])
        elif "os-volume_upload_image" in body:
            self._add("images", body["os-volume_upload_image"]["image_name"], "saving", self.outcome)
        else:
            self._add("images", body["createImage"]["name"], "saving", self.outcome, **body["createImage"]["metadata"])
        self._tick()

    def patch_image(self, image: str, changes: Any) -> None:
        self._tick()
        (row,) = (r for r in self.rows["images"] if r["id"] == image)
        row.update({c["path"][1:]: c["value"] for c in changes})

    def delete(self, _service: str, path: str) -> None:
        kind, id_ = path.strip("/").split("/")
        if kind == "snapshots":
            assert not self.rows["volumes"], "a volume is made out of it"
        self.rows[kind] = [r for r in self.rows[kind] if r["id"] != id_]
        self._tick()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blue_wizard.jobs.polling._SOONEST_S", 0)


def make(shelf: Shelf, disk: str, owner: str = "m-1") -> dict[str, Any]:
    return exports.make(shelf, "s", disk, owner, lambda: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("disk", "made"), [("v", ["snapshots", "volumes", "images"]), (ROOT, ["images"])])
def test_a_disk_becomes_an_image_and_goes(disk: str, made: list[str]) -> None:
    shelf = Shelf()
    image = make(shelf, disk)
    assert shelf.made == made
    assert image["status"] == "active"
    assert (shelf.rows["volumes"], shelf.rows["snapshots"]) == ([], []), "only the image is needed from here on"
    found = exports.find(shelf, "s", disk)  # type: ignore[arg-type]
    assert found is not None
    assert found["id"] == image["id"]
    exports.remove(shelf, "s", disk)  # type: ignore[arg-type]
    assert not any(shelf.rows.values())
    exports.remove(shelf, "s", disk)  # type: ignore[arg-type]


@pytest.mark.parametrize("disk", ["v", ROOT])
def test_a_worker_may_die_at_every_call(disk: str) -> None:
    for fatal in range(1, 30):
        shelf = Shelf()
        shelf.left = fatal
        try:
            make(shelf, disk)
        except Killed:
            image = make(shelf, disk)
            assert len(shelf.rows["images"]) == 1, fatal
            assert shelf.rows["images"][0][KEY] == "m-1"
            assert image["id"] == shelf.rows["images"][0]["id"]
            assert (shelf.rows["volumes"], shelf.rows["snapshots"]) == ([], [])
        else:
            assert fatal > 2
            return
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("disk", ["v", ROOT])
def test_what_another_job_has_left_is_never_taken(disk: str) -> None:
    shelf = Shelf()
    old = make(shelf, disk, "m-old")
    new = make(shelf, disk, "m-new")
    assert new["id"] != old["id"]
    assert [i["id"] for i in shelf.rows["images"]] == [new["id"]]


def test_a_server_that_was_started_while_its_volume_was_exported() -> None:
    shelf = Shelf()
    shelf.actions = [{"action": "start", "start_time": "2026-01-01T10:00:03.000000"}]
    with pytest.raises(StepFailed, match="s was started after"):
        make(shelf, "v")
    exports.remove(shelf, "s", "v")  # type: ignore[arg-type]
    assert not any(shelf.rows.values())
    # A volume that no server has is no server's affair.
    exports.make(shelf, LOOSE, "v", "m-1", lambda: None)  # type: ignore[arg-type]


def test_what_fails_is_named() -> None:
    shelf = Shelf()
    shelf.outcome = "killed"
    with pytest.raises(StepFailed, match="blue-wizard-s-root of cloud old"):
        make(shelf, ROOT)
    with pytest.raises(StepFailed, match="Volume gone of cloud old"):
        make(Shelf(), "gone")


@pytest.mark.parametrize(
    ("action", "start", "since"),
    [
        ("start", "2026-01-02T00:00:01.000000", True),
        ("start", "2026-01-01T23:59:59.000000", False),
        ("createImage", "2026-01-02T00:00:01.000000", False),
        ("stop", "2026-01-02T00:00:01.000000", False),
        ("reboot", "2026-01-02T00:00:01", True),
    ],
)
def test_an_image_is_outdated_once_its_server_has_run(action: str, start: str, since: bool) -> None:
    assert exports.started_since([{"action": action, "start_time": start}], "2026-01-02T00:00:00Z") is since
