"""When an OSD may be touched, and what is said when not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.disks import invariant, preconditions
from blue_wizard.disks.identity import identify
from blue_wizard.disks.layouts import choose
from blue_wizard.disks.view import View
from blue_wizard.errors import Refused
from blue_wizard.facts.blockdev import Mount
from blue_wizard.facts.ceph import Pg, Pool

from . import views
from .clusters import CLEAN_SIX, small


def _bad(view: View, *, drain: bool = False) -> str:
    found = preconditions.check(view, choose(view)[0], drain=drain)
    return "; ".join(f"{f.title}: {f.detail}" for f in found if not f.holds)


def _with(view: View, **changes: Any) -> View:
    return replace(view, cluster=replace(view.cluster, **changes))


def test_all_holds() -> None:
    for make in (views.ceph_volume, views.kolla, views.rdo, views.cephadm):
        assert _bad(make()) == ""
    preconditions.judge(3, preconditions.check(views.kolla(), choose(views.kolla())[0], drain=False))


def test_an_osd_that_serves_needs_consent() -> None:
    view = views.ceph_volume(up=True)
    assert "--drain" in _bad(view)
    assert _bad(view, drain=True) == ""


def test_a_refusal_names_everything() -> None:
    view = _with(views.kolla(), quorum=1, flags=frozenset({"norecover"}))
    with pytest.raises(Refused) as e:
        preconditions.judge(3, preconditions.check(view, choose(view)[0], drain=False))
    assert "monitors" in e.value.message
    assert "norecover" in e.value.message
    assert e.value.exit_code == 3


def test_quorum() -> None:
    """a9."""
    assert "2 of 3 monitors" in _bad(_with(views.kolla(), quorum=2))


def test_a_second_osd_is_down() -> None:
    """a6."""
    view = views.kolla()
    osds = {**view.cluster.osds, 5: replace(view.cluster.osds[5], up=False)}
    pgs = (*view.cluster.pgs, Pg("1.9", frozenset({"active", "undersized", "degraded"}), (0, 1), (0, 1)))
    assert "osd.5" in _bad(_with(view, osds=osds, pgs=pgs))


@pytest.mark.parametrize("state", ["down", "incomplete", "unknown", "stale+active+clean", "peering"])
def test_pgs_that_do_not_serve(state: str) -> None:
    """a11."""
    pgs = (Pg("1.0", frozenset(state.split("+")), (0, 1, 2), (0, 1, 2)),)
    assert "1.0" in _bad(_with(views.kolla(), pgs=pgs))


def test_the_cluster_would_be_too_full() -> None:
    """a12."""
    view = views.kolla(in_=True)
    usage = {n: replace(u, used=880) for n, u in view.cluster.usage.items()}
    pgs = tuple(Pg(f"1.{i}", frozenset({"active", "undersized", "degraded"}), (3, 0, 1), (0, 1)) for i in range(6))
    assert "fullest" in _bad(_with(view, usage=usage, pgs=pgs))


def test_there_is_no_other_failure_domain() -> None:
    view = views.kolla()
    osds = {n: o for n, o in view.cluster.osds.items() if n in {0, 1, 2, 3}}
    pgs = (Pg("1.0", frozenset({"active"}), (0, 1, 3), (0, 1, 3)),)
    pools = {1: Pool(1, "volumes", 3, 2)}
    three = {**osds, 2: replace(osds[2], location=osds[0].location)}
    assert "no other failure domain" in _bad(_with(view, osds=three, pgs=pgs, pools=pools))


@pytest.mark.parametrize("flag", ["norecover", "nobackfill", "norebalance", "nodown"])
def test_flags_of_others_that_hold_data_back(flag: str) -> None:
    """a14: they are somebody's will, and never ours to take off."""
    assert flag in _bad(_with(views.kolla(), flags=frozenset({flag})))


def test_flags_of_others_that_do_not_are_kept() -> None:
    """a14."""
    view = _with(views.kolla(), flags=frozenset({"noout", "nodeep-scrub"}))
    assert _bad(view) == ""
    told = [f.detail for f in preconditions.check(view, choose(view)[0], drain=False)]
    assert any("nodeep-scrub, noout" in t for t in told)


def test_a_pool_of_one_copy() -> None:
    """a13."""
    view = views.kolla()
    pgs = (Pg("1.0", frozenset({"active", "clean"}), (3,), (3,)),)
    assert "volumes" in _bad(_with(view, pgs=pgs, pools={1: Pool(1, "volumes", 1, 1)}))


def test_proofs_that_disagree() -> None:
    """a2."""
    view = views.kolla()
    disks = replace(view.disks, mounts=(Mount("/dev/sdc1", "/var/lib/ceph/osd/ceph-3"),))
    view = replace(view, disks=disks, identity=identify(view.cluster, view.osd, disks))
    assert "disagree" in _bad(view)


def test_nothing_to_rebuild_on() -> None:
    view = views.kolla(rebuild=True)
    view = replace(view, identity=replace(view.identity, disk=None, gone=True))
    assert "use osd replace" in _bad(view)


def test_an_unrelated_warning_is_no_obstacle() -> None:
    """a29."""
    assert _bad(_with(views.kolla(), health="HEALTH_WARN", checks=("RECENT_CRASH",))) == ""


def test_the_invariant() -> None:
    cluster = small(CLEAN_SIX, down=[3])
    assert invariant.judge(cluster, [3], [], []) == ""
    peering = replace(cluster, pgs=(replace(cluster.pgs[0], state=frozenset({"peering"}), acting=()), cluster.pgs[1]))
    assert "1.0" in invariant.judge(peering, [3], [], [])
    assert invariant.judge(peering, [3], [], [], ["1.0"]) == "", "for a moment every change of the map does that"
    down = replace(peering, pgs=(replace(peering.pgs[0], state=frozenset({"down", "peering"})), cluster.pgs[1]))
    assert "1.0" in invariant.judge(down, [3], [], [], ["1.0"]), "down is never for a moment"
    assert "slow requests on osd.1" in invariant.judge(replace(cluster, slow=frozenset({1, 3})), [3], [], [])
    assert invariant.judge(replace(cluster, slow=frozenset({1})), [3], [], [1]) == ""
    assert "osd.5 went down" in invariant.judge(small(CLEAN_SIX, down=[3, 5]), [3], [], [])
    assert invariant.judge(replace(cluster, quorum=2), [3], [], []) == "", "two of three still decide"
