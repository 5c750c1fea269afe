"""Signs of a failing disk in `osd list`, and the light at its slot."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blue_wizard.disks import survey
from tests.storage import build
from tests.storage.build import FAILED, SLOT
from tests.storage.runner import Bench, bench, change_disk
from tests.storage.site import State

__all__ = ["bench"]
Make = Callable[[State], Bench]


@pytest.mark.parametrize("kind", build.KINDS)
def test_a_disk_that_says_so_itself(bench: Make, kind: str) -> None:
    state = build.site(kind)
    state["hosts"]["stor1"]["smart"] = {FAILED: {"status": 8, "json": {"smart_status": {"passed": False}}}}
    bench(state)
    cluster = survey.read_cluster("lab")
    hosts = survey.look_at(cluster)
    bad = [r for r in survey.rows(cluster, hosts, survey.health_of(cluster, hosts)) if r.reasons]
    assert [(r.osd.id, r.reasons) for r in bad] == [(3, ("SMART: the disk says that it is failing",))]


@pytest.mark.parametrize("leds", [True, False])
@pytest.mark.parametrize("kind", ["kolla-ssd", "rdo", "ceph-volume", "cephadm"])
def test_the_light(bench: Make, kind: str, leds: bool) -> None:
    state = build.site(kind)
    build.fail(state)
    state["hosts"]["stor1"]["leds"] = leds
    b = bench(state)
    run = b.run()
    seen, of_ceph = {}, list[str]()

    def swap(now: State) -> None:
        seen.update(now["hosts"]["stor1"]["lights"])
        of_ceph.extend(now["cluster"]["lights"])
        change_disk(now)

    run.on["swap"] = swap
    assert run.forward() == "done", run.error
    assert seen == ({SLOT: "locate"} if leds else {})
    assert b.site.state()["hosts"]["stor1"]["lights"] == ({SLOT: "locate_off"} if leds else {})
    asked = [s for s in b.site.changes() if "device light" in s]
    # Where the enclosure does not answer, Ceph is asked: from Nautilus on.
    assert bool(asked) == (not leds and kind in {"ceph-volume", "cephadm"})
    # Nobody but an orchestrator switches it on, and the manager must not go on to warn of it.
    assert bool(of_ceph) == (not leds and kind == "cephadm")
    assert not b.site.state()["cluster"]["lights"]


def test_the_light_goes_off_when_all_is_taken_back(bench: Make) -> None:
    state = build.site("kolla-ssd")
    build.fail(state)
    state["hosts"]["stor1"]["leds"] = True
    b = bench(state)
    run = b.run()
    run.on["detach"] = lambda now: now["hosts"]["stor1"].update(broken=["sh -c echo 1"])
    assert run.forward() == "failed", run.left
    assert b.site.state()["hosts"]["stor1"]["lights"] == {SLOT: "locate_off"}
