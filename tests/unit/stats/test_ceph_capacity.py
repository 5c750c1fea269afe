"""What Ceph can hold, beside what Ceph itself says in a recorded answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.stats.ceph_capacity import Osd, Pool, Root, after_loss, data_capacity, raw_left_now, roots

GOLDEN = Path(__file__).parent / "golden" / "lab.json"
TIB = 1 << 40


@pytest.fixture(scope="module")
def ceph() -> Any:
    return json.loads(GOLDEN.read_text())["rows"]["ceph"]


def _root(hosts: int, copies: int, *, each: int = TIB, used: int | None = 0) -> Root:
    osds = tuple(Osd(i, f"h{i}", each, used, each / TIB) for i in range(hosts))
    return Root("default", "host", osds, (Pool("p", 1, copies, copies, 0, 0, 0, 0, 0),), full=0.95, nearfull=0.85)


def test_max_avail_is_worked_out_as_ceph_does_it(ceph: Any) -> None:
    (root,) = roots(ceph)
    told = {p["name"]: p["stats"]["max_avail"] for p in ceph["df"]["pools"]}
    left = raw_left_now(root)
    assert left is not None
    for pool in root.pools:
        # df and osd df were asked one after the other, and the ratios are floats of 32 bits.
        assert left / pool.rate == pytest.approx(told[pool.name], rel=1e-3)


def test_the_recorded_cluster(ceph: Any) -> None:
    (root,) = roots(ceph)
    assert (root.name, root.domain, sorted(root.domains)) == ("default", "host", ["cmp1", "ctl1", "net1"])
    assert root.size == ceph["df"]["stats"]["total_bytes"]
    assert {p.name: p.copies for p in root.pools} == {p["pool_name"]: p["size"] for p in ceph["osds"]["pools"]}
    loss = after_loss(root)
    assert loss.heals, "two copies, three hosts"
    assert loss.raw == pytest.approx(root.size * 2 / 3 * 0.85, rel=1e-3)


def test_without_the_managers_answer_weights_stand_for_sizes(ceph: Any) -> None:
    (known,), (guessed,) = roots(ceph), roots({**ceph, "osd_df": None})
    assert guessed.size == pytest.approx(known.size, rel=0.01)
    assert raw_left_now(guessed) is None, "how full the fullest OSD is can't be known"
    assert guessed.used == ceph["df"]["stats"]["total_used_raw_bytes"]


def test_an_osd_that_is_out_is_no_space(ceph: Any) -> None:
    osds = {**ceph["osds"], "osds": [{**o, "in": int(o["osd"] != 0)} for o in ceph["osds"]["osds"]]}
    (root,) = roots({**ceph, "osds": osds})
    assert sorted(o.id for o in root.osds) == [1, 2]


@pytest.mark.parametrize(
    ("hosts", "copies", "share", "heals"),
    [
        (4, 3, 0.85 * 3 / 4, True),  # 63.75 %
        (10, 3, 0.85 * 9 / 10, True),
        (3, 3, 0.85, False),  # nothing can be written again: what is left keeps its copies
        (3, 2, 0.85 * 2 / 3, True),
    ],
)
def test_safe_space(hosts: int, copies: int, share: float, heals: bool) -> None:
    root = _root(hosts, copies)
    found = after_loss(root)
    assert found.heals is heals
    assert found.raw / root.size == pytest.approx(share)


def test_the_largest_host_is_the_one_to_fear() -> None:
    root = _root(4, 2)
    bigger = replace(root, osds=(*root.osds, Osd(9, "h3", 3 * TIB, 0, 3.0)))
    assert after_loss(bigger).lost == "h3"
    assert after_loss(bigger).raw == pytest.approx(0.85 * 3 * TIB)


@pytest.mark.parametrize(
    ("domains", "copies", "expected"),
    [
        ([10, 10, 10], 3, 10),
        ([10, 10, 10], 2, 15),
        ([100, 10, 10], 2, 20),  # the big one can hold no more than its partners
        ([100, 100, 10], 2, 105),
        ([100, 50, 10], 3, 10),
        ([10, 10], 3, 0),
        ([7], 1, 7),
    ],
)
def test_copies_need_domains_of_their_own(domains: list[int], copies: int, expected: float) -> None:
    assert data_capacity(domains, copies) == expected


def test_one_full_osd_costs_all() -> None:
    root = _root(3, 3)
    assert raw_left_now(root) == pytest.approx(3 * TIB * 0.95)
    osds = (replace(root.osds[0], used=int(TIB * 0.90)), *root.osds[1:])
    assert raw_left_now(replace(root, osds=osds)) == pytest.approx(3 * TIB * 0.05)


def test_erasure_coding_costs_k_and_m(ceph: Any) -> None:
    pools = [{**p, "type": 3, "size": 4, "erasure_code_profile": "ec"} for p in ceph["osds"]["pools"]]
    osds = {**ceph["osds"], "pools": pools, "erasure_code_profiles": {"ec": {"k": "2", "m": "2"}}}
    (root,) = roots({**ceph, "osds": osds})
    assert (root.rate, root.copies) == (2.0, 4)
    assert not after_loss(root).heals
