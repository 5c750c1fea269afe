"""What hosts say of their disks, in the forms of util-linux 2.23 (CentOS 7) to 2.38 (Debian 12)."""

from __future__ import annotations

import json

import pytest

from blue_wizard.facts.blockdev import (
    Disk,
    HostDisks,
    Part,
    journal_owners,
    kernel_errors,
    mapper_names,
    parse_disks,
    parse_links,
    parse_lvs,
    parse_mounts,
)

DISKS = {
    "blockdevices": [
        {
            "name": "sdb",
            "kname": "sdb",
            "path": "/dev/sdb",
            "type": "disk",
            "size": 10737418240,
            "serial": "SNLAB-A0",
            "wwn": "0x5000c50012345678",
            "rota": True,
            "hctl": "0:0:1:0",
            "log-sec": 512,
            "children": [
                {"name": "sdb1", "kname": "sdb1", "path": "/dev/sdb1", "type": "part", "size": 5, "partlabel": "KOLLA_CEPH_DATA_3",
                 "partuuid": "0000000A-1", "parttype": "4FBD7E29-9D25-41B8-AFD0-062C0CEFF05D", "fstype": "xfs", "uuid": "f-s"},
                {"name": "vg-lv", "kname": "dm-0", "path": "/dev/mapper/vg-lv", "type": "lvm", "size": 5},
            ],
        },
        # Old versions write everything as text, and have no path.
        {"name": "sdc", "kname": "sdc", "type": "disk", "size": "1000", "rota": "0", "log-sec": "4096", "serial": None},
        {"name": "sr0", "kname": "sr0", "type": "rom", "size": 1000},
        {"name": "loop7", "kname": "loop7", "type": "loop", "size": 0},
    ]
}  # fmt: skip


def test_disks() -> None:
    links = parse_links(
        "/dev/disk/by-path/pci-0000:00:05.0-scsi-0:0:1:0 ../../sdb\n"
        "/dev/disk/by-path/pci-0000:00:05.0-virtio-scsi-0:0:1:0-long ../../sdb\n"
    )
    sdb, sdc = parse_disks(json.dumps(DISKS), links)
    assert (sdb.serial, sdb.rotates, sdb.sector, sdb.hctl) == ("SNLAB-A0", True, 512, "0:0:1:0")
    assert sdb.by_path == "/dev/disk/by-path/pci-0000:00:05.0-scsi-0:0:1:0"
    assert [p.name for p in sdb.parts] == ["sdb1", "dm-0"]
    assert (sdb.parts[0].label, sdb.parts[0].number) == ("KOLLA_CEPH_DATA_3", 1)
    assert not sdb.blank
    assert (sdc.path, sdc.size, sdc.rotates, sdc.sector, sdc.serial, sdc.blank) == (
        "/dev/sdc",
        1000,
        False,
        4096,
        "",
        True,
    )
    host = HostDisks("h", (sdb, sdc))
    assert host.disk_of("/dev/sdb1") is sdb
    assert host.disk_of("/dev/mapper/vg-lv") is sdb
    assert host.disk_of("/dev/dm-0") is sdb
    assert host.disk_of("/dev/sd") is None
    assert host.by_key("0x5000c50012345678") is sdb
    assert host.by_key("") is None


def test_mounts() -> None:
    text = "proc /proc proc rw 0 0\n/dev/sdb1 /var/lib/ceph/osd/ceph-3 xfs rw 0 0\n/dev/sdc1 /mnt/a\\040b ext4 rw 0 0\n"
    assert [(m.source, m.where) for m in parse_mounts(text)] == [
        ("/dev/sdb1", "/var/lib/ceph/osd/ceph-3"),
        ("/dev/sdc1", "/mnt/a b"),
    ]


def test_a_volume_on_a_disk_that_lvm_cannot_read() -> None:
    """As seen on a disk with EIO: lvs is silent, the device mapper still holds it."""
    uuid = "482f3a1c-73cd-47fd-be4f-df45631d0616"
    path = f"/dev/mapper/ceph--1d8c-osd--block--{uuid.replace('-', '--')}"
    disk = Disk("sda", "/dev/sda", 1 << 30, "SN", parts=(Part("dm-1", path, 1), Part("dm-2", "/dev/mapper/vg-root", 1)))
    host = HostDisks("h", (disk,))
    assert [(v.vg, v.name, v.tags["ceph.osd_fsid"]) for v in host.volumes] == [("ceph-1d8c", f"osd-block-{uuid}", uuid)]
    assert host.disk_of(f"/dev/ceph-1d8c/osd-block-{uuid}") is disk
    assert mapper_names("/dev/mapper/a--b-c--d--") == ("a-b", "c-d-")
    assert mapper_names("/dev/sda1") is None


def test_lvs() -> None:
    rows = [
        {"lv_name": "osd-block-1", "vg_name": "ceph-1", "lv_path": "/dev/ceph-1/osd-block-1",
         "lv_tags": "ceph.osd_id=3,ceph.osd_fsid=u,ceph.type=block,ceph.crush_device_class=", "devices": "/dev/sdb(0)"},
        {"lv_name": "root", "vg_name": "vg0", "lv_path": "/dev/vg0/root", "lv_tags": "", "devices": "/dev/sda2(0)"},
        {"lv_name": "gone", "vg_name": "ceph-2", "lv_path": "", "lv_tags": "ceph.osd_id=4", "devices": "[unknown](0)"},
    ]  # fmt: skip
    found = parse_lvs(json.dumps({"report": [{"lv": rows}]}))
    assert [(x.tags["ceph.osd_id"], x.devices) for x in found] == [("3", ("/dev/sdb",)), ("4", ("[unknown]",))]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("[12.1] blk_update_request: I/O error, dev sdb, sector 2048", "sdb"),
        ("[12.1] I/O error, dev sdaa, sector 0 op 0x1:(WRITE) flags 0x800", "sdaa"),
        ("[12.1] Buffer I/O error on dev sdb1, logical block 1, async page read", "sdb"),
        ("[12.1] Buffer I/O error on device sdb1, logical block 1", "sdb"),
        ("[12.1] sd 0:0:1:0: [sdc] tag#5 Sense Key : Medium Error [current]", "sdc"),
        ("[12.1] sd 0:0:1:0: [sdc] Sense Key : Hardware Error [current]", "sdc"),
        ("[12.1] sd 0:0:1:0: [sdd] tag#1 FAILED Result: hostbyte=DID_NO_CONNECT driverbyte=DRIVER_OK", "sdd"),
        ("[12.1] XFS (sdb1): metadata I/O error in \"xfs_trans\" at daddr 0x1", "sdb"),
        ("[12.1] XFS (sdb1): Corruption of in-memory data detected.  Shutting down filesystem", "sdb"),
        ("[12.1] blk_update_request: I/O error, dev nvme0n1, sector 8", "nvme0n1"),
    ],
)  # fmt: skip
def test_the_kernel_complains(line: str, name: str) -> None:
    assert list(kernel_errors(f"[1.0] sd 0:0:0:0: [sda] Attached SCSI disk\n{line}\n")) == [name]


def test_a_new_disk_is_not_blamed_for_the_letter_of_the_old_one() -> None:
    old = "[1.0] I/O error, dev sdb, sector 1\n[1.1] Buffer I/O error on dev dm-1, logical block 1\n"
    assert list(kernel_errors(old)) == ["sdb"]
    assert kernel_errors(old + "[9.0] sd 0:0:1:0: [sdb] Attached SCSI disk\n") == {}
    assert list(kernel_errors(old + "[9.0] sd 0:0:1:0: [sdba] Attached SCSI disk\n")) == ["sdb"]


def test_the_kernel_is_content() -> None:
    assert kernel_errors("[1.0] sd 0:0:0:0: [sda] Attached SCSI disk\n[2.0] XFS (sdb1): Mounting V5 Filesystem\n") == {}


def test_whose_a_journal_is() -> None:
    """Recorded of Ceph 16.2: FileStore's journal of an OSD; then one never used, one that can't be read, and another file."""
    header = (
        "0400000040000000010000000000000097f5ba9e45fd4f81a0d91668ce9bfaf9" + "0010000000100000000000200000000000c008"
    )
    text = f"/dev/sdd2 {header}\n/dev/sdd3 {'00' * 64}\n/dev/sdd4 \n/dev/sdd5 58465342{'00' * 60}\n"
    assert journal_owners(text) == {"/dev/sdd2": "97f5ba9e-45fd-4f81-a0d9-1668ce9bfaf9"}
