"""Three ways of deployment on one storage host: a virtual machine with Ceph 16.2.15, recorded after disks had been replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blue_wizard.disks.identity import Identity, identify
from blue_wizard.facts import blockdev, ceph
from blue_wizard.facts.blockdev import HostDisks
from blue_wizard.facts.ceph import Cluster

GOLDEN = Path(__file__).parent / "golden" / "sto1"


def _cluster() -> Cluster:
    return ceph.parse_cluster({k: json.loads((GOLDEN / f"ceph-{k}.json").read_text()) for k in ceph.COMMANDS})


def _host() -> HostDisks:
    text = {k: (GOLDEN / f"{k}.txt").read_text() for k in blockdev.COMMANDS if k != "journals"}
    return HostDisks(
        "sto1",
        blockdev.parse_disks(text["disks"], blockdev.parse_links(text["links"])),
        blockdev.parse_mounts(text["mounts"]),
        text["fstab"],
        blockdev.parse_lvs(text["lvs"]),
        blockdev.kernel_errors(text["kernel"]),
        blockdev.links_below(text["folders"]),
    )


def _found(osd: int) -> Identity:
    cluster = _cluster()
    return identify(cluster, cluster.osds[osd], _host())


@pytest.mark.parametrize(
    ("osd", "serial", "kinds"),
    [
        (
            0,
            "LAB-HDD-0101",
            {"lv", "serial"},
        ),  # ceph-volume, destroyed a moment ago: no uuid in the map, no folder any more
        (1, "LAB-HDD-0202", {"mount", "uuid", "serial"}),  # ceph-disk
        (2, "LAB-HDD-0303", {"label", "serial"}),  # Kolla
    ],
)
def test_each_is_on_its_disk(osd: int, serial: str, kinds: set[str]) -> None:
    found = _found(osd)
    assert found.proved, found.problem
    assert found.serial == serial
    assert {p.kind for p in found.proofs} == kinds
    assert found.by_path.startswith("/dev/disk/by-path/pci-")


def test_the_host() -> None:
    host = _host()
    sizes = {d.serial: (d.size >> 30, d.rotates) for d in host.disks if d.serial}
    assert sizes["LAB-SSD-0007"] == (10, False)
    assert sizes["LAB-HDD-0303"] == (10, True)
    assert host.errors == {}, "every disk that the kernel complained of was pulled since"
