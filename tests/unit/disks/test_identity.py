"""Which disk an OSD is on: two proofs that agree, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from blue_wizard.disks.identity import Identity, identify
from blue_wizard.facts.blockdev import Disk, HostDisks, Lv, Mount, Part
from blue_wizard.facts.ceph import Cluster, Osd

from .clusters import small

UUID = "11111111-2222-4333-8444-555555555555"
IDS = "sdb=SNLAB_HDD1_SN-B,sdd=SNLAB_SSD_SN-D"


def _osd(number: int = 1, uuid: str = UUID, **metadata: str) -> Osd:
    return Osd(number, uuid, False, True, 1.0, metadata={"hostname": "h0", **metadata})


def _disk(letter: str, *parts: Part) -> Disk:
    return Disk(f"sd{letter}", f"/dev/sd{letter}", 1 << 30, f"SN-{letter.upper()}", by_path=f"/p/{letter}", parts=parts)


def _part(name: str, label: str = "", uuid: str = "") -> Part:
    return Part(name, f"/dev/{name}", 1, label, uuid)


def _look(osd: Osd, host: HostDisks, *others: Osd) -> Identity:
    cluster: Cluster = replace(small([]), osds={o.id: o for o in (osd, *others)})
    return identify(cluster, osd, host)


def _lv(number: int = 1, uuid: str = UUID, device: str = "/dev/sdb", **tags: str) -> Lv:
    base: Mapping[str, str] = {
        "ceph.osd_id": str(number),
        "ceph.osd_fsid": uuid,
        "ceph.type": "block",
        "ceph.cluster_fsid": "f",
    }
    return Lv(f"osd-{number}", "vg", f"/dev/vg/osd-{number}", {**base, **tags}, (device,))


def test_kolla_by_label_and_serial() -> None:
    host = HostDisks("h0", (_disk("b", _part("sdb1", "KOLLA_CEPH_DATA_1")), _disk("c")))
    found = _look(_osd(bluestore_bdev_devices="sdb", device_ids=IDS), host)
    assert found.proved
    assert found.disk is not None
    assert (found.disk.path, found.serial, found.by_path) == ("/dev/sdb", "SN-B", "/p/b")


def test_letters_that_moved_are_no_matter_where_there_is_a_serial() -> None:
    """a2: the daemon began on sdb, which is sdc by now; another disk has the letter."""
    moved = replace(_disk("c", _part("sdc1", "KOLLA_CEPH_DATA_1")), serial="SN-B")
    taken = replace(_disk("b"), serial="SN-X")
    found = _look(_osd(bluestore_bdev_devices="sdb", device_ids=IDS), HostDisks("h0", (taken, moved)))
    assert found.proved
    assert found.disk is moved


def test_two_disks_of_one_serial_are_refused() -> None:
    twin = replace(_disk("c", _part("sdc1", "KOLLA_CEPH_DATA_1")), serial="SN-B")
    found = _look(_osd(bluestore_bdev_devices="sdb", device_ids=IDS), HostDisks("h0", (_disk("b"), twin)))
    assert "two disks" in found.problem


def test_letters_that_moved_are_refused_where_there_is_only_a_name() -> None:
    """a2 on Jewel: mount and name disagree."""
    host = HostDisks("h0", (_disk("b"), _disk("c")), (Mount("/dev/sdc1", "/var/lib/ceph/osd/ceph-1"),))
    host = replace(host, disks=(_disk("b"), _disk("c", _part("sdc1"))))
    found = _look(_osd(backend_filestore_dev_node="sdb"), host)
    assert not found.proved
    assert found.disk is None
    assert "disagree" in found.problem


def test_ceph_disk_by_mount_and_uuid() -> None:
    host = HostDisks(
        "h0", (_disk("b", _part("sdb1", "ceph data", UUID.upper())),), (Mount("/dev/sdb1", "/var/lib/ceph/osd/ceph-1"),)
    )
    found = _look(_osd(), host)
    assert found.proved
    assert {p.kind for p in found.proofs} == {"mount", "uuid"}


@pytest.mark.parametrize("told", [{"backend_filestore_dev_node": "sdb"}, {"devices": "sdb", "device_ids": IDS}])
def test_ceph_disk_that_can_not_be_mounted(told: dict[str, str]) -> None:
    """What stands on the disk, and what the daemon told of it, are two proofs; one of them is none."""
    written = HostDisks("h0", (_disk("b", _part("sdb1", "ceph data", UUID)), _disk("c")))
    found = _look(_osd(**told), written)
    assert found.proved
    assert found.disk == written.disks[0]
    assert "only one side" in _look(_osd(), written).problem
    assert "only one side" in _look(_osd(**told), HostDisks("h0", (_disk("b"), _disk("c")))).problem
    elsewhere = HostDisks("h0", (_disk("b"), _disk("c", _part("sdc1", "ceph data", UUID))))
    assert "disagree" in _look(_osd(**told), elsewhere).problem


def test_lvm_by_tag_and_uuid() -> None:
    found = _look(_osd(), HostDisks("h0", (_disk("b"),), lvs=(_lv(),)))
    assert found.proved
    assert found.disk is not None
    assert found.disk.path == "/dev/sdb"


@pytest.mark.parametrize(
    "lv",
    [
        _lv(uuid="another"),  # the id was given to a disk of an earlier life
        _lv(**{"ceph.cluster_fsid": "foreign"}),  # a disk of somebody else's cluster
    ],
)
def test_one_side_alone_is_not_believed(lv: Lv) -> None:
    found = _look(_osd(), HostDisks("h0", (_disk("b"),), lvs=(lv,)))
    assert not found.proved
    assert "only one side" in found.problem


def test_ids_are_whole_numbers() -> None:
    """osd.1 is not osd.10 to 19, whatever patterns say."""
    host = HostDisks(
        "h0",
        (_disk("b", _part("sdb1", "KOLLA_CEPH_DATA_10")), _disk("c", _part("sdc1", "KOLLA_CEPH_DATA_11"))),
        (Mount("/dev/sdb1", "/var/lib/ceph/osd/ceph-10"),),
        lvs=(_lv(12),),
    )
    found = _look(_osd(uuid=""), host)
    assert found.proofs == ()
    assert not found.proved


def test_a_device_name_is_no_prefix() -> None:
    """sda is not sdaa."""
    host = HostDisks("h0", (_disk("aa", _part("sdaa1")),))
    assert host.disk_of("/dev/sda") is None
    assert host.disk_of("/dev/sda1") is None


def test_a_disk_that_others_use_is_refused() -> None:
    shared = _disk("b", _part("sdb1", "KOLLA_CEPH_DATA_1"), _part("sdb2", "KOLLA_CEPH_DATA_7_J"))
    found = _look(_osd(bluestore_bdev_devices="sdb", device_ids=IDS), HostDisks("h0", (shared,)))
    assert "osd.7" in found.problem
    root = HostDisks("h0", (_disk("b", _part("sdb1", "KOLLA_CEPH_DATA_1"), _part("sdb3")),), (Mount("/dev/sdb3", "/"),))
    assert "also used by /" in _look(_osd(bluestore_bdev_devices="sdb", device_ids=IDS), root).problem


def test_a_disk_that_was_pulled() -> None:
    """The mount survives its disk, in /proc/mounts only."""
    host = HostDisks("h0", (_disk("c"),), (Mount("/dev/sdb1", "/var/lib/ceph/osd/ceph-1"),))
    paths = "sdb=/dev/disk/by-path/pci-1"
    found = _look(_osd(bluestore_bdev_devices="sdb", device_ids=IDS, device_paths=paths), host)
    assert found.proved
    assert found.gone
    assert (found.disk, found.serial, found.by_path) == (None, "SN-B", "/dev/disk/by-path/pci-1")


def test_a_disk_that_was_pulled_and_left_no_trace() -> None:
    osd = _osd(backend_filestore_dev_node="sdb")
    alone = _look(osd, HostDisks("h0", (_disk("c"),)))
    assert not alone.proved
    other = Osd(2, "u2", True, True, 1.0, metadata={"hostname": "h0"})
    host = HostDisks("h0", (_disk("c", _part("sdc1", "", "u2")),), (Mount("/dev/sdc1", "/var/lib/ceph/osd/ceph-2"),))
    assert _look(osd, host, other).proved, "all others of the host are there: it can only be this one"


def test_a_host_that_could_not_be_looked_at() -> None:
    found = _look(_osd(), HostDisks("h0", failed={"disks": "did not end in 25 s"}))
    assert "could not be looked at" in found.problem
