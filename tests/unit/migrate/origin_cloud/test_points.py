"""Warm: a point of a server is a snapshot of each of its disks, and Ceph tells what was written between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from blue_wizard.config import CephAccess
from blue_wizard.errors import StepFailed
from blue_wizard.migrate.sources import Export
from blue_wizard.migrate.sources import openstack as module
from blue_wizard.migrate.sources.openstack import OpenStack
from blue_wizard.migrate.warm.protocol import WarmReading

from .test_source import Images

SERVER = {"image": "", "os-extended-volumes:volumes_attached": [{"id": "a"}, {"id": "b"}]}
OWNER = "blue-wizard-m-1.1"


@pytest.fixture
def pool() -> Images:
    return Images(volume_a=["tenants-own", "blue-wizard-m-1.11_x"], volume_b=[])


@pytest.fixture
def source(pool: Images, monkeypatch: pytest.MonkeyPatch) -> OpenStack:
    @contextmanager
    def shown(_access: Any, _pool: Any, image: str, name: str, *, at_rest: bool) -> Iterator[Export]:
        assert not at_rest, "the guest writes on"
        yield Export(f"{image}@{name}", 1)

    monkeypatch.setattr(module.ceph, "open_pool", lambda _access, **_more: nullcontext(pool))
    monkeypatch.setattr(module, "_snapshot", shown)
    monkeypatch.setattr(module, "changed_between", lambda _pool, image, one, two: [(image, one, two)])
    monkeypatch.setattr(OpenStack, "access", property(lambda _self: CephAccess()))
    made = OpenStack("openstack://old")
    made.__dict__["api"] = SimpleNamespace(get=lambda *_args, **_more: {"server": SERVER})
    return made


def names(pool: Images) -> list[int]:
    """How many snapshots of ours each disk has; those of others have to stay."""
    assert pool.images["volume-a"][:2] == ["tenants-own", "blue-wizard-m-1.11_x"]
    return [sum(n.startswith(f"{OWNER}_") for n in pool.images[i]) for i in ("volume-a", "volume-b")]


def test_points_follow_each_other_and_leave_nothing(source: OpenStack, pool: Images) -> None:
    assert isinstance(source, WarmReading)
    first = source.begin_point("s", OWNER, ["a", "b"], None)
    assert names(pool) == [1, 1]
    with source.open_point("s", first, "a", None) as disk:
        assert (disk.changed, disk.why, disk.export.uri) == (None, "", f"volume-a@{first['snapshot']}")
    source.end_point("s", OWNER, first)
    assert names(pool) == [1, 1], "it tells what changes from here on"
    second = source.begin_point("s", OWNER, ["a", "b"], first)
    assert names(pool) == [2, 2]
    assert source.point_stands("s", first)
    assert source.point_stands("s", second)
    with source.open_point("s", second, "b", first) as disk:
        assert disk.changed == [("volume-b", first["snapshot"], second["snapshot"])]
    source.end_point("s", OWNER, second)
    assert (names(pool), source.point_stands("s", first), source.point_stands("s", second)) == ([1, 1], False, True)
    for _twice in range(2):
        source.forget("s", OWNER, None)
        assert names(pool) == [0, 0]


def test_what_a_dead_attempt_has_left_goes_first(source: OpenStack, pool: Images) -> None:
    first = source.begin_point("s", OWNER, ["a", "b"], None)
    source.begin_point("s", OWNER, ["a", "b"], first)
    source.begin_point("s", OWNER, ["a", "b"], first)
    assert names(pool) == [2, 2]
    source.begin_point("s", OWNER, ["a", "b"], None)
    assert names(pool) == [1, 1]


def test_a_point_that_somebody_removed_is_told_and_not_raised(source: OpenStack, pool: Images) -> None:
    first = source.begin_point("s", OWNER, ["a", "b"], None)
    second = source.begin_point("s", OWNER, ["a", "b"], first)
    pool.images["volume-b"].remove(first["snapshot"])
    with source.open_point("s", second, "b", first) as disk:
        assert disk.changed is None
        assert "earlier point" in disk.why


def test_only_disks_in_ceph_are_copied_warm(source: OpenStack, monkeypatch: pytest.MonkeyPatch) -> None:
    terms = source.warm_terms("s")
    assert (terms.blockers, terms.prepare, len(terms.notes)) == ((), "", 1)
    monkeypatch.setattr(OpenStack, "access", property(lambda _self: None))
    assert len(source.warm_terms("s").blockers) == 2
    with pytest.raises(StepFailed, match="disk a"):
        source.begin_point("s", OWNER, ["a"], None)
