"""Everything is asked once, in bulk; what fails spoils its own part and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest

from blue_wizard.config import CephAccess
from blue_wizard.errors import StepFailed
from blue_wizard.reach import ceph
from blue_wizard.reach.openstack import ApiError
from blue_wizard.stats import collect as module
from blue_wizard.stats import model, placement, run
from blue_wizard.stats.collect import IN_FLIGHT, Memory, Snapshot, collect
from blue_wizard.stats.listings import LISTINGS
from blue_wizard.stats.platform import Platform

from .clouds import Answers, recorded

ALL = [*LISTINGS, "providers"]


def _collect(
    cloud: Answers, wanted: list[str] = ALL, deadline_s: float = 60.0, memory: Memory | None = None
) -> Snapshot:
    return collect(cloud, None, wanted, deadline_s=deadline_s, memory=memory)  # type: ignore[arg-type]


def _refusal(status: int) -> ApiError:
    return ApiError("network", "GET", "/ports", status, "it broke")


def test_the_recorded_cloud_is_read_whole() -> None:
    rows = recorded().rows
    found = _collect(Answers(rows))
    assert found.problems == {}
    assert {name: found.rows[name] for name in LISTINGS} == {name: rows[name] for name in LISTINGS}
    assert [(p["name"], p["resources"], p["inventories"]) for p in found.rows["providers"]] == [
        (p["name"], p["resources"], p["inventories"]) for p in rows["providers"]
    ]


def test_never_a_call_an_object() -> None:
    rows = recorded().rows
    rows["servers"] = [{**rows["servers"][0], "id": f"s{i}"} for i in range(3500)]
    rows["projects"] = [{**rows["projects"][0], "id": f"p{i}"} for i in range(3000)]
    rows["ports"] = [{**rows["ports"][0], "id": f"x{i}"} for i in range(4100)]
    cloud = Answers(rows)
    found = _collect(cloud)
    assert {len(found.rows[name]) for name in ("servers", "projects", "ports")} == {3500, 3000, 4100}
    assert sum("/servers/detail" in a for a in cloud.asked) == 4
    assert sum("/ports" in a for a in cloud.asked) == 3
    assert found.calls == len(cloud.asked) < 45


def test_the_second_run_asks_for_all_pages_at_once_and_no_inventory_again() -> None:
    rows = recorded().rows
    rows["servers"] = [{**rows["servers"][0], "id": f"s{i}"} for i in range(3500)]
    memory = Memory()
    _collect(Answers(rows), memory=memory)
    assert memory.markers["servers"] == ["s999", "s1999", "s2999"]
    assert set(memory.inventories) == {p["uuid"] for p in rows["providers"]}
    cloud = Answers(rows)
    found = _collect(cloud, memory=memory)
    assert len(found.rows["servers"]) == 3500
    assert not any("inventories" in a for a in cloud.asked)
    assert all(p["inventories"] for p in found.rows["providers"])


def test_an_inventory_that_changed_is_read_again() -> None:
    rows = recorded().rows
    memory = Memory()
    _collect(Answers(rows), ["providers"], memory=memory)
    uuid = rows["providers"][0]["uuid"]
    rows["providers"][0]["resources"]["VCPU"]["capacity"] *= 2
    rows["providers"][0]["inventories"]["VCPU"]["allocation_ratio"] *= 2
    cloud = Answers(rows)
    _collect(cloud, ["providers"], memory=memory)
    assert [a for a in cloud.asked if "inventories" in a] == [f"placement /resource_providers/{uuid}/inventories"]


def test_a_full_host_is_not_forgotten() -> None:
    rows = recorded().rows
    for numbers in rows["providers"][0]["resources"].values():
        numbers["used"] = numbers["capacity"]
    found = _collect(Answers(rows), ["providers"])
    assert [p["resources"] for p in found.rows["providers"]] == [p["resources"] for p in rows["providers"]]


def test_only_so_many_inventories_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "INVENTORIES_AT_ONCE", 1)
    rows = recorded().rows
    memory = Memory()
    found = [_collect(Answers(rows), ["providers"], memory=memory) for _run in range(2)]
    assert [sum(p["inventories"] is None for p in f.rows["providers"]) for f in found] == [1, 0]


def test_a_service_that_fails_makes_the_report_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    found = _collect(Answers(recorded().rows, {"/ports": _refusal(500), "block_storage": StepFailed("no answer")}))
    assert {"ports", "volumes", "pools"} <= set(found.problems)
    assert "500" in found.problems["ports"]
    made = run.report(found, list(model.topics()))
    values = {v.statistic.id: v for v in made.values}
    assert made.partial
    assert (values["network.ports"].number, values["network.ports"].unknown) == (None, "ports")
    assert values["network.networks"].number == len(found.rows["networks"]), "what could be read is told"
    assert values["servers.count"].number == len(found.rows["servers"])
    sheets = {s.table.id: s for s in made.sheets}
    assert all(line["volumes"] is None and line["servers"] is not None for line in sheets["projects"].rows)


def test_a_service_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline comes when everything else has ended, however slow the machine is."""
    alone: list[bool] = []
    monkeypatch.setattr(module.Asker, "left_s", lambda _self: 0.0 if alone else 5.0)

    def progress(_done: int, waiting: Sequence[str]) -> None:
        if list(waiting) == ["servers"]:
            alone.append(True)

    cloud = Answers(recorded().rows, hanging="/servers/detail")
    found = collect(cloud, None, ALL, deadline_s=20, progress=progress)  # type: ignore[arg-type]
    assert set(found.problems) == {"servers"}
    assert set(found.rows) == {*ALL} - {"servers"}
    cloud.released.set()


@pytest.mark.parametrize("status", [400, 500])
def test_half_a_listing_is_none(status: int) -> None:
    rows = recorded().rows
    rows["servers"] = [{**rows["servers"][0], "id": f"s{i}"} for i in range(2500)]
    found = _collect(Answers(rows, {"marker=s1999": _refusal(status)}), ["servers"])
    assert "servers" not in found.rows
    assert "it broke" in found.problems["servers"]


def test_a_row_that_is_removed_between_two_pages() -> None:
    rows = recorded().rows
    rows["volumes"] = [{**rows["volumes"][0], "id": f"v{i}"} for i in range(2500)]

    class Moving(Answers):
        def get(self, service: str, path: str, **more: Any) -> Any:
            if "marker=v999" in path:
                rows["volumes"] = [v for v in rows["volumes"] if v["id"] != "v999"]
                raise _refusal(404)
            return super().get(service, path, **more)

    found = _collect(Moving(rows), ["volumes"])
    assert found.problems == {}
    assert len(found.rows["volumes"]) == 2499


def test_what_a_cloud_does_not_have_is_unknown_unless_it_means_none() -> None:
    class Poor(Answers):
        def get(self, service: str, path: str, *, missing_ok: bool = False, **more: Any) -> Any:
            if "/backups" in path or "availabilities" in path:
                if missing_ok:
                    return None
                raise _refusal(404)
            return super().get(service, path, missing_ok=missing_ok, **more)

    values = {v.statistic.id: v for v in run.report(_collect(Poor(recorded().rows)), ()).values}
    assert values["storage.backups"].number == 0
    assert values["network.external_ips"].unknown == "ip_availability"


def test_an_answer_that_nobody_expects_spoils_no_other() -> None:
    rows = recorded().rows
    rows["images"] = None
    found = _collect(Answers(rows), ["images", "networks"])
    assert set(found.problems) == {"images"}
    assert "networks" in found.rows


def test_a_busy_service_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    cloud = Answers(recorded().rows, {"/networks": _refusal(503)})

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            cloud.errors.clear()

    monkeypatch.setattr(module.time, "sleep", sleep)
    found = _collect(cloud, ["networks"])
    assert found.problems == {}
    assert slept == [1.0, 2.0]


def test_a_connection_that_breaks_is_made_again_and_a_long_wait_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [0.0]
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    cloud = Answers(recorded().rows, {"/networks": StepFailed("connection reset")})
    assert set(_collect(cloud, ["networks"]).problems) == {"networks"}
    assert len(cloud.asked) == 2
    asker = module.Asker(cloud, deadline=100.0)  # type: ignore[arg-type]
    monkeypatch.setattr(module.time, "monotonic", lambda: moment.__setitem__(0, moment[0] + 10) or moment[0])  # type: ignore[func-returns-value]
    cloud.asked.clear()
    with pytest.raises(StepFailed):
        asker.get("network", "/networks")
    assert len(cloud.asked) == 1


def test_an_inventory_that_fails_is_left_for_the_next_run() -> None:
    rows = recorded().rows
    uuid = rows["providers"][0]["uuid"]
    found = _collect(Answers(rows, {f"{uuid}/inventories": _refusal(500)}), ["providers"])
    assert found.problems == {}
    assert [p["inventories"] is None for p in found.rows["providers"]] == [True, False]


def test_no_more_than_a_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = recorded().rows
    rows["providers"] = [{**rows["providers"][0], "uuid": f"u{i}", "root": f"u{i}"} for i in range(40)]
    cloud = Answers(rows)
    gate = threading.Barrier(IN_FLIGHT)
    answer = cloud._answer

    def slow(service: str, path: str) -> Any:
        if "inventories" in path:
            # All that may be in flight are, at the same moment: 40 is a multiple of 5.
            gate.wait(30)
        return answer(service, path)

    monkeypatch.setattr(cloud, "_answer", slow)
    assert _collect(cloud, ["providers"]).problems == {}
    assert cloud.most["placement"] == IN_FLIGHT


class _Ceph:
    """Answers from the record; the manager as it is told."""

    def __init__(self, manager: Exception | None) -> None:
        self.manager, self.rows = manager, recorded().rows["ceph"]

    def ask(self, prefix: str, *, manager: bool = False, **_arguments: str) -> Any:
        if manager and self.manager:
            raise self.manager
        return self.rows[{"df": "df", "osd dump": "osds", "osd crush dump": "crush", "osd df": "osd_df"}[prefix]]


@pytest.mark.parametrize(
    ("manager", "partial", "note"),
    [(None, False, False), (ceph.Denied("no caps"), False, True), (StepFailed("no manager"), True, False)],
)
def test_a_manager_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, manager: Exception | None, partial: bool, note: bool
) -> None:
    monkeypatch.setattr(ceph, "open_cluster", lambda _access: nullcontext(_Ceph(manager)))
    access = CephAccess(client="cinder")
    found = collect(Answers(recorded().rows), access, ["ceph", "volumes"], deadline_s=20)  # type: ignore[arg-type]
    made = run.report(found, ["ceph"])
    values = {v.statistic.id: v for v in made.values}
    assert made.partial is partial
    assert any("client.cinder" in n for n in made.notes) is note
    assert (values["ceph.osd_fullest"].number is None) is (manager is not None)
    assert values["ceph.safe"].number == pytest.approx(42 * 2**30 * 2 / 3 * 0.85, rel=0.01)


def test_a_keystone_that_cuts_its_answer_short_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Answers(recorded().rows)
    monkeypatch.setattr(cloud, "_answer", lambda _service, _path: {"projects": [], "truncated": True})
    assert set(_collect(cloud, ["projects"]).problems) == {"projects"}


def test_every_topic_names_what_it_needs() -> None:
    """Each topic, with its own listings alone, knows all of its numbers."""
    whole = recorded()
    for id_, topic in model.topics().items():
        part = recorded()
        part.rows = {name: rows for name, rows in whole.rows.items() if name in topic.needs}
        values, sheets = model.evaluate(Platform(part), [id_])
        assert {v.statistic.id: v.unknown for v in values if v.unknown} == {}, id_
        assert {s.table.id: s.unknown for s in sheets if s.unknown} == {}, id_
        assert set(topic.needs) <= set(whole.rows)


def test_versions_that_matter_are_asked_for() -> None:
    cloud = Answers(recorded().rows)
    _collect(cloud)
    # Down cells are counted from 2.69 on; sizes of hypervisors are gone from 2.88 on.
    assert float(str(cloud.versions["/servers/detail"]).split(".")[1]) >= 69
    assert float(str(cloud.versions["/os-hypervisors/detail"]).split(".")[1]) < 88
