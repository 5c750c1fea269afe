"""While an OSD fills again clients come first: backfill is held back when writes take long, and never for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from blue_wizard.facts.ceph import commit_latencies
from tests.storage import build
from tests.storage.runner import Bench, Killed, bench
from tests.storage.site import State

from .test_whole import same, start

__all__ = ["bench"]
Make = Callable[[State], Bench]
KINDS = ["kolla-ssd", "rdo", "ceph-volume", "cephadm"]


def _busy(state: State) -> None:
    state["cluster"] |= {"latency_ms": 400, "misplaced": 900, "lag": 9}


def _calms_down(b: Bench, after: int) -> None:
    """Clients calm down once backfill has been held back for some looks."""
    looks: list[int] = []

    def look(entry: dict[str, Any]) -> None:
        if entry["said"].startswith("ceph osd perf") and "nobackfill" in b.site.state()["cluster"]["flags"]:
            looks.append(1)
            if len(looks) == after:
                with b.site.change() as state:
                    state["cluster"] |= {"latency_ms": 5, "misplaced": 0}

    b.hooks.append(look)


@pytest.mark.parametrize("kind", KINDS)
def test_held_back_and_let_go(bench: Make, kind: str) -> None:
    b, plan = start(bench, kind, "replace")
    run = b.run(plan)
    run.on["refill"] = _busy
    _calms_down(b, 3)
    assert run.forward() == "done", run.error
    said = [s for s in b.site.changes() if "nobackfill" in s]
    assert said[-2:] == ["ceph osd set nobackfill", "ceph osd unset nobackfill"]
    same(b)


def test_nothing_is_held_back_where_clients_are_well(bench: Make) -> None:
    b, plan = start(bench, "ceph-volume", "replace")
    run = b.run(plan)
    run.on["refill"] = lambda state: state["cluster"].update(misplaced=900, lag=4)
    assert run.forward() == "done", run.error
    assert not any("nobackfill" in s for s in b.site.changes())


def test_a_copy_that_is_missing_is_never_held_back(bench: Make) -> None:
    b, plan = start(bench, "ceph-volume", "replace")
    run = b.run(plan)
    pg = {"pgid": "1.ff", "state": "active+undersized+degraded", "up": [0, 1], "acting": [0, 1], "up_primary": 0}

    def lacking(state: State) -> None:
        _busy(state)
        state["cluster"]["more_pgs"] = [pg]

    looks: list[int] = []

    def whole(entry: dict[str, Any]) -> None:
        looks.append(entry["said"].startswith("ceph osd perf"))
        if sum(looks) == 6:
            with b.site.change() as state:
                state["cluster"] |= {"more_pgs": [], "latency_ms": 5, "misplaced": 0}

    run.on["refill"] = lacking
    b.hooks.append(whole)
    assert run.forward() == "done", run.error
    assert not any("nobackfill" in s for s in b.site.changes())


def test_killed_while_it_is_held_back(bench: Make) -> None:
    b, plan = start(bench, "ceph-volume", "replace")
    run = b.run(plan)
    run.on["refill"] = _busy
    died: list[int] = []

    def die(entry: dict[str, Any]) -> None:
        if entry["said"] == "ceph osd set nobackfill" and not died:
            died.append(1)
            raise Killed

    b.hooks.append(die)
    _calms_down(b, 2)
    with pytest.raises(Killed):
        run.forward()
    assert run.forward() == "done", run.error
    assert b.site.state()["cluster"]["flags"] == []


@pytest.mark.parametrize("kind", ["kolla", "ceph-volume"])
def test_both_forms_of_the_answer(kind: str) -> None:
    from tests.storage import cluster

    assert commit_latencies(cluster._perf(build.site(kind))) == [5.0] * 6
