"""Ceph's answers, as recorded (Pacific) and as documented (Jewel)."""

from __future__ import annotations

import pytest

from blue_wizard.facts.ceph import failure_domain_of, parse_cluster, release_of
from tests.unit.disks.clusters import answers, recorded


def test_pacific() -> None:
    found = recorded("pacific")
    assert (found.release, found.number) == ("pacific", 16)
    assert (found.quorum, found.mons, found.health) == (1, 1, "HEALTH_OK")
    assert found.backfillfull == pytest.approx(0.9)
    assert len(found.pgs) == 49
    assert found.all_clean
    osd = found.osds[2]
    assert (osd.up, osd.in_, osd.device_class, osd.hostname) == (True, True, "hdd", "cmp1")
    assert osd.location == {"host": "cmp1", "root": "default"}
    assert osd.weight == pytest.approx(0.01369, abs=1e-5)
    assert found.usage[2].num_pgs == 35
    assert found.usage[2].ratio == pytest.approx(0.0225, abs=1e-4)
    assert found.pools[3].name == "volumes"
    assert (found.pools[3].size, found.pools[3].min_size, found.pools[3].domain) == (2, 1, "host")
    assert "noout" not in found.flags


def test_jewel() -> None:
    found = recorded("jewel")
    assert (found.release, found.number) == ("jewel", 10)
    assert (found.quorum, found.mons, found.health) == (3, 3, "HEALTH_WARN")
    assert found.backfillfull == pytest.approx(0.85)
    assert {"noout", "sortbitwise"} <= found.flags
    assert [p.id for p in found.pgs][:2] == ["1.0", "1.1"]
    assert found.usage[0].num_pgs is None, "Jewel's OSDs do not say how many PGs they store"
    osd = found.osds[3]
    assert (osd.up, osd.in_, osd.destroyed) == (False, False, False)
    assert osd.location["host"] == "10.0.0.22"
    assert osd.hostname == "stor2"
    assert found.slow == {5}


def test_the_forms_of_pg_dump() -> None:
    told = answers("pacific")
    flat = parse_cluster({**told, "pgs": told["pgs"]["pg_stats"]})
    nested = parse_cluster({**told, "pgs": {"pg_map": told["pgs"]}})
    assert flat.pgs == nested.pgs == parse_cluster(told).pgs


@pytest.mark.parametrize(
    ("dump", "versions", "release"),
    [
        ({"require_osd_release": "nautilus"}, [], "nautilus"),
        ({}, ["ceph version 10.2.11 (x)"], "jewel"),
        ({}, ["ceph version 12.2.1 (x) luminous", "ceph version 10.2.11 (x)"], "jewel"),
        ({}, ["ceph version 11.2.0 (x)"], "kraken"),
        ({}, ["ceph version Development"], "jewel"),
        ({}, [], "jewel"),
    ],
)
def test_release(dump: dict[str, str], versions: list[str], release: str) -> None:
    assert release_of(dump, [{"ceph_version": v} for v in versions]) == release


def test_failure_domain() -> None:
    steps = [{"op": "take"}, {"op": "choose_firstn", "type": "rack"}, {"op": "chooseleaf_firstn", "type": "host"}]
    assert failure_domain_of({"steps": steps}) == "host"
    assert failure_domain_of({"steps": [{"op": "take"}, {"op": "emit"}]}) == "osd"


def test_what_is_no_answer_is_told() -> None:
    told = answers("pacific")
    with pytest.raises((KeyError, TypeError)):
        parse_cluster({**told, "dump": {"osds": []}})
