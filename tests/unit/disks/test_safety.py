"""Ceph's own rules, on recorded and on made-up clusters; what must hold for any cluster, by hypothesis."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.disks import safety
from blue_wizard.facts.ceph import NONE, Cluster

from .clusters import recorded, small, with_pg

CLEAN = [("active+clean", (0, 1, 2)), ("active+clean", (3, 4, 5))]


def test_safe_to_destroy_on_recorded_clusters() -> None:
    assert not safety.safe_to_destroy(recorded("pacific"), 0).ok
    assert safety.safe_to_destroy(recorded("jewel"), 3).ok, "down and out, everything clean"
    verdict = safety.safe_to_destroy(recorded("jewel"), 2)
    assert not verdict.ok
    assert verdict.pgs == ("1.0", "1.2", "1.5", "1.7")


def test_an_osd_that_is_not_there_is_safe() -> None:
    assert safety.safe_to_destroy(small(CLEAN), 99).ok


def test_an_unknown_pg_forbids_every_conclusion() -> None:
    cluster = with_pg(small(CLEAN), state=frozenset({"unknown"}))
    for verdict in (safety.safe_to_destroy(cluster, 5), safety.ok_to_stop(cluster, [5])):
        assert (verdict.ok, verdict.unsure) == (False, True)


def test_up_alone_counts_as_mapped() -> None:
    cluster = with_pg(small(CLEAN, osds=7), up=(0, 1, 6), acting=(0, 1, 2))
    assert not safety.safe_to_destroy(cluster, 6).ok


def test_unmapped_while_not_clean() -> None:
    pgs = [("active+clean", (0, 1, 2)), ("active+remapped+backfilling", (1, 2, 3))]
    assert safety.safe_to_destroy(small(pgs, num_pgs={5: 0}), 5).ok
    stores = safety.safe_to_destroy(small(pgs, num_pgs={5: 3}), 5)
    assert (stores.ok, stores.unsure) == (False, False)
    for silent in (small(pgs), small(pgs, num_pgs={5: 0}, down=[5])):
        verdict = safety.safe_to_destroy(silent, 5)
        assert (verdict.ok, verdict.unsure) == (False, True)


@pytest.mark.parametrize(
    ("state", "acting", "osd", "ok"),
    [
        ("active+clean", (0, 1, 2), 0, True),
        ("active+clean", (0, 1), 0, False),  # one would be left, min_size is 2
        ("active+clean", (0, 1, NONE), 0, False),  # a hole in an erasure-coded PG is no OSD
        ("active+undersized+degraded", (0, 1, 2), 0, False),
        ("peering", (0, 1, 2), 0, False),
        ("active+clean", (1, 2, 3), 0, True),  # not concerned
    ],
)
def test_ok_to_stop(state: str, acting: tuple[int, ...], osd: int, ok: bool) -> None:
    assert safety.ok_to_stop(small([(state, acting)]), [osd]).ok is ok


def test_ok_to_stop_of_several_at_once() -> None:
    cluster = small([("active+clean", (0, 1, 2))])
    assert safety.ok_to_stop(cluster, [0]).ok
    assert safety.ok_to_stop(cluster, [0, 3]).ok
    assert not safety.ok_to_stop(cluster, [0, 1]).ok


def test_a_pool_of_one_copy() -> None:
    cluster = small([("active+clean", (0,))], size=1, min_size=1)
    assert not safety.ok_to_stop(cluster, [0]).ok
    assert not safety.safe_to_destroy(cluster, 0).ok


def test_a_pg_of_a_pool_that_is_being_deleted_is_dangerous() -> None:
    assert not safety.ok_to_stop(replace(small(CLEAN), pools={}), [0]).ok


def test_others_down() -> None:
    dirty = [("active+undersized+degraded", (1, 2)), ("active+clean", (3, 4, 5))]
    assert safety.others_down(small(dirty, down=[0]), [0]).ok
    verdict = safety.others_down(small(dirty, down=[0, 4]), [0])
    assert not verdict.ok
    assert "osd.4" in verdict.reason
    assert safety.others_down(small(CLEAN, down=[0, 4]), [0]).ok, "all clean: nothing is missing because of it"


@pytest.mark.parametrize(
    ("quorum", "mons", "ok"), [(1, 1, True), (2, 3, False), (3, 3, True), (3, 5, False), (4, 5, True), (2, 2, True)]
)
def test_quorum(quorum: int, mons: int, ok: bool) -> None:
    assert safety.quorum(replace(small(CLEAN), quorum=quorum, mons=mons)).ok is ok


def test_what_breaks_while_one_works() -> None:
    assert safety.broken(small(CLEAN), [0]) == ""
    assert safety.broken(small(CLEAN, down=[0]), [0]) == ""
    assert "osd.3" in safety.broken(small(CLEAN, down=[0, 3]), [0])
    assert safety.broken(small(CLEAN, down=[0, 3]), [0], accepted=[3]) == ""
    assert "1.0" in safety.broken(with_pg(small(CLEAN), state=frozenset({"down"})), [0])
    assert "1.0" in safety.broken(with_pg(small(CLEAN), acting=(1,)), [0])


@pytest.mark.parametrize("state", ["peering", "remapped+peering", "activating", "unknown", "creating+unknown"])
def test_a_pg_that_agrees_on_who_serves_it_is_broken_only_when_it_takes_long(state: str) -> None:
    agreeing = with_pg(small(CLEAN), state=frozenset(state.split("+")))
    assert safety.broken(agreeing, [0], young=["1.0"]) == ""
    assert "1.0" in safety.broken(agreeing, [0])
    dead = with_pg(small(CLEAN), state=frozenset({*state.split("+"), "stale"}))
    assert "1.0" in safety.broken(dead, [0], young=["1.0"])


@pytest.mark.parametrize("state", ["stale+active+clean", "peering", "unknown"])
def test_a_pg_that_does_not_tell_yet_who_serves_it_is_waited_for(state: str) -> None:
    assert safety.unsettled(with_pg(small(CLEAN), state=frozenset(state.split("+"))))
    for settled in ("active+clean", "active+undersized+degraded", "down"):
        assert not safety.unsettled(with_pg(small(CLEAN), state=frozenset(settled.split("+"))))


def test_forecast_of_an_even_cluster() -> None:
    pgs = [("active+clean", (i % 6, (i + 1) % 6, (i + 2) % 6)) for i in range(60)]
    found = safety.forecast(small(pgs, used=0.5), [0])
    # What osd.0 holds goes to five others: 0.5 and a fifth of 0.5, and somewhat more for chance.
    assert 0.6 < found.ratio < 0.8
    assert found.fits
    assert found.homeless == ()
    assert not safety.forecast(small(pgs, used=0.8), [0]).fits


def test_forecast_knows_who_finds_no_place() -> None:
    found = safety.forecast(small([("active+clean", (0, 1, 2))], osds=3), [0])
    assert found.homeless == ("1.0",)
    # With a second OSD in its own host there is one.
    assert safety.forecast(small([("active+clean", (0, 2, 4))], osds=6, per_host=2), [0]).homeless == ()


def test_forecast_of_one_that_is_down() -> None:
    """It is in no set any more, and the copies that are lacking will be made elsewhere all the same."""
    pgs = [("active+undersized+degraded", (i % 5 + 1, (i + 1) % 5 + 1)) for i in range(60)]
    found = safety.forecast(small(pgs, used=0.6, down=[0]), [0])
    assert found.ratio > 0.7
    assert safety.forecast(small(pgs, used=0.6, down=[0], out=[0]), [0]).ratio == pytest.approx(0.6), (
        "that was done before"
    )


def test_forecast_of_an_osd_that_is_empty() -> None:
    found = safety.forecast(small(CLEAN, osds=7, used=0.4), [6])
    assert found.ratio == pytest.approx(0.4)


_states = st.sampled_from(
    [
        "active+clean",
        "active+undersized+degraded",
        "peering",
        "active+remapped",
        "unknown",
        "active+clean+scrubbing",
        "down",
    ]
)
_pgs = st.lists(st.tuples(_states, st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True)), max_size=12)
_clusters = st.builds(
    small,
    _pgs,
    down=st.lists(st.integers(0, 5), max_size=3),
    num_pgs=st.dictionaries(st.integers(0, 5), st.integers(0, 3)),
    min_size=st.integers(1, 3),
)


@given(_clusters, st.integers(0, 5))
def test_nothing_that_a_pg_needs_is_ever_safe_to_destroy(cluster: Cluster, osd: int) -> None:
    if safety.safe_to_destroy(cluster, osd).ok:
        assert all(osd not in {*p.up, *p.acting} for p in cluster.pgs)
        assert all("unknown" not in p.state for p in cluster.pgs)
        if not cluster.osds[osd].up:
            assert cluster.all_clean


@given(_clusters, st.sets(st.integers(0, 5), max_size=3))
def test_whatever_may_stop_leaves_every_pg_active(cluster: Cluster, osds: set[int]) -> None:
    if safety.ok_to_stop(cluster, osds).ok:
        for pg in cluster.pgs:
            if pg.serving & osds:
                assert len(pg.serving - osds) >= cluster.pools[1].min_size


@given(_clusters, st.sets(st.integers(0, 5), max_size=3), st.integers(0, 5))
def test_to_stop_more_is_never_safer(cluster: Cluster, osds: set[int], more: int) -> None:
    if not safety.ok_to_stop(cluster, osds).ok:
        assert not safety.ok_to_stop(cluster, osds | {more}).ok


@given(_clusters, st.integers(0, 5))
def test_a_forecast_never_promises_less_than_what_is_there(cluster: Cluster, osd: int) -> None:
    found = safety.forecast(cluster, [osd])
    assert osd not in found.each
    assert all(ratio >= cluster.usage[n].ratio - 1e-9 for n, ratio in found.each.items())
