"""What is read from snapshots while a physical machine runs, and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blue_wizard.facts.linux_host import Block, Extents, HostFacts, Mount, PhysicalVolume, Segment, parse
from blue_wizard.migrate.physical_points import Snapshot, pieces, snapshots, uncovered
from blue_wizard.migrate.sources import open_source
from blue_wizard.migrate.warm.protocol import WarmReading
from blue_wizard.reach.blocks import Piece

GOLDEN = Path(__file__).parents[1] / "facts" / "golden"
MIB = 1 << 20


@pytest.fixture
def ledger() -> HostFacts:
    return parse((GOLDEN / "linux-host-ledger.txt").read_text())


def test_the_source_can_be_read_while_it_runs() -> None:
    assert isinstance(open_source("physical://web1"), WarmReading)


def test_a_volume_with_room_gets_a_snapshot(ledger: HostFacts) -> None:
    (made,) = snapshots(ledger, ["sda", "sdb"], "job1.2")
    assert made == Snapshot("data", "srv", "blue-wizard.job1.2.srv", 60 * MIB)
    assert snapshots(ledger, ["sda"], "job1.2") == []
    assert uncovered(ledger, "sdb", [made]) == []
    assert uncovered(ledger, "sda", [made]) == ["/"]
    assert uncovered(ledger, "sdb", []) == ["/srv"]


def test_what_is_read_where(ledger: HostFacts) -> None:
    made = snapshots(ledger, ["sdb"], "x")
    # The extents that the snapshot itself has by now are nobody's data.
    host = replace(
        ledger, extents=(Extents("/dev/sdb", 0, 24, "srv"), Extents("/dev/sdb", 24, 15, "blue-wizard.x.srv"))
    )
    assert pieces(host, "sdb", made) == [
        Piece(MIB, 96 * MIB, "/dev/data/blue-wizard.x.srv", 0),
        Piece(97 * MIB, 60 * MIB, "", 0),
    ]
    assert pieces(host, "sda", made) == []
    assert pieces(host, "sdb", []) == []


def test_a_volume_in_pieces_on_partitions_of_two_disks(ledger: HostFacts) -> None:
    (volume,) = ledger.volumes
    segments = (Segment(0, 40 * MIB, "/dev/sdb1", 2), Segment(40 * MIB, 56 * MIB, "/dev/sda2", 0))
    host = replace(
        ledger,
        blocks=(
            *ledger.blocks,
            Block("sdb1", "part", 150 * MIB, "LVM2_member", ("sdb",), start=2 * MIB),
            Block("sda2", "part", 150 * MIB, "LVM2_member", ("sda",), start=500 * MIB),
        ),
        physical_volumes=(PhysicalVolume("/dev/sdb1", "data", MIB), PhysicalVolume("/dev/sda2", "data", MIB)),
        volumes=(replace(volume, segments=segments),),
        extents=(),
    )
    # A snapshot that reaches onto a disk which is not copied would be of no use.
    assert snapshots(host, ["sdb"], "x") == []
    made = snapshots(host, ["sda", "sdb"], "x")
    name = "/dev/data/blue-wizard.x.srv"
    assert pieces(host, "sdb", made) == [Piece(2 * MIB + MIB + 8 * MIB, 40 * MIB, name, 0)]
    assert pieces(host, "sda", made) == [Piece(501 * MIB, 56 * MIB, name, 40 * MIB)]


def test_what_has_no_snapshot(ledger: HostFacts) -> None:
    (volume,) = ledger.volumes
    for host in (
        replace(ledger, group_free={"data": 0}),
        replace(ledger, volumes=(replace(volume, plain=False),)),
        replace(ledger, mounts=tuple(replace(m, writable=False) for m in ledger.mounts)),
        replace(ledger, physical_volumes=(replace(ledger.physical_volumes[0], metadata_areas=2),)),
    ):
        assert snapshots(host, ["sda", "sdb"], "x") == []


def test_the_room_of_a_group_is_shared(ledger: HostFacts) -> None:
    (volume,) = ledger.volumes
    other = replace(volume, name="log-1", segments=(Segment(0, 20 * MIB, "/dev/sdb", 24),))
    mounts = (*ledger.mounts, Mount("/dev/mapper/data-log--1", "/log", "xfs", True))
    host = replace(ledger, volumes=(volume, other), mounts=mounts)
    made = snapshots(host, ["sdb"], "x")
    assert [(s.volume, s.size) for s in made] == [("srv", 28 * MIB), ("log-1", 28 * MIB)]
    assert sum(s.size for s in made) <= host.group_free["data"]
    assert uncovered(host, "sdb", made) == []
