"""What if: new servers, a lost host, lost OSDs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blue_wizard.errors import InputError
from blue_wizard.stats import whatif
from blue_wizard.stats.platform import Platform

from .clouds import recorded


def test_new_servers_go_where_there_is_room() -> None:
    found = whatif.servers(Platform(recorded()), flavor="m1.medium", count=3)
    assert found.fits
    assert sum(number for _host, number in found.hosts) == 3
    assert (found.vcpus_after or 0) > (found.vcpus_before or 0)


def test_too_many_servers() -> None:
    platform = Platform(recorded())
    slots = platform.slots[next(f["id"] for f in platform.flavors if f["name"] == "m1.medium")]
    assert whatif.servers(platform, flavor="m1.medium", count=slots).fits
    found = whatif.servers(platform, flavor="m1.medium", count=slots + 2)
    assert (found.fits, found.homeless_added) == (False, 2)


def test_a_lost_host_gives_its_servers_to_the_others() -> None:
    platform = Platform(recorded())
    found = whatif.servers(platform, lost=["cmp1"])
    assert found.fits
    assert found.hosts == (("cmp2", found.moved),)
    assert found.moved == len(platform.servers_by_host["cmp1"])


def test_a_server_stays_in_its_zone() -> None:
    snapshot = recorded()
    for server in snapshot.rows["servers"]:
        server["pinned_availability_zone"] = "nova"
    assert whatif.servers(Platform(snapshot), lost=["cmp1"]).fits
    next(s for s in snapshot.rows["compute_services"] if s["host"] == "cmp2")["zone"] = "other"
    found = whatif.servers(Platform(snapshot), lost=["cmp1"])
    assert found.homeless_moved == found.moved > 0


def test_all_hosts_lost() -> None:
    found = whatif.servers(Platform(recorded()), lost=["cmp1", "cmp2"])
    assert not found.fits
    assert found.vcpus_after is None


def test_a_zone_that_is_not_there_takes_nothing() -> None:
    assert whatif.servers(Platform(recorded()), flavor="m1.tiny", count=1, zone="nowhere").homeless_added == 1


@pytest.mark.parametrize("what", [{"flavor": "nope", "count": 1}, {"lost": ["nope"]}])
def test_names_that_nobody_knows(what: dict[str, object]) -> None:
    with pytest.raises(InputError, match="nope"):
        whatif.servers(Platform(recorded()), **what)  # type: ignore[arg-type]


def test_lost_osds() -> None:
    roots = Platform(recorded()).ceph
    (one,) = whatif.storage(roots, ["ctl1"])
    assert (one.heals, one.state) == (True, "ok")
    assert one.moved == sum(o.used or 0 for o in roots[0].osds if o.domain == "ctl1")
    assert one.percent_after == pytest.approx((one.percent_before or 0) * 1.5, rel=1e-6)
    (two,) = whatif.storage(roots, ["ctl1", "net1"])
    assert (two.heals, two.state, two.moved) == (False, "degraded", 0)


@pytest.mark.parametrize(("share", "state"), [(0.5, "ok"), (0.6, "nearfull"), (0.65, "full")])
def test_a_loss_that_fills_the_rest(share: float, state: str) -> None:
    (root,) = Platform(recorded()).ceph
    filled = replace(root, osds=tuple(replace(o, used=int(o.size * share)) for o in root.osds))
    (found,) = whatif.storage([filled], ["ctl1"])
    assert found.state == state


def test_osds_that_nobody_knows() -> None:
    with pytest.raises(InputError, match="nope"):
        whatif.storage(Platform(recorded()).ceph, ["nope"])
