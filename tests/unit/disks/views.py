"""An OSD of each way of deployment, with its host and its disk: osd.3 of six, down, on a disk with two proofs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from blue_wizard.disks.identity import identify
from blue_wizard.disks.view import View
from blue_wizard.facts.blockdev import Disk, HostDisks, Lv, Mount, Part
from blue_wizard.facts.ceph import Osd
from blue_wizard.facts.osd_host import Container, OsdHost

from .clusters import CLEAN_SIX, recorded, small

UUID = "33333333-aaaa-4bbb-8ccc-000000000003"
DATA, JOURNAL = "4fbd7e29-9d25-41b8-afd0-062c0ceff05d", "45b0969e-9b03-4f30-b4c6-b4b80ceff106"
FS = "aaaa1111-0000-4000-8000-000000000003"


def disk(letter: str, slot: int, *parts: Part, rotates: bool = True) -> Disk:
    return Disk(
        f"sd{letter}",
        f"/dev/sd{letter}",
        10 << 30,
        f"SN-{letter.upper()}",
        f"0x500{slot}",
        rotates,
        hctl=f"0:0:{slot}:0",
        by_path=f"/dev/disk/by-path/pci-0-scsi-0:0:{slot}:0",
        model="HDD" if rotates else "SSD",
        parts=parts,
    )


def part(name: str, label: str = "", uuid: str = "", kind: str = "", fs: str = "") -> Part:
    return Part(name, f"/dev/{name}", 5 << 30, label, uuid, kind, "xfs" if fs else "", fs)


def view(release: str, host: HostDisks, deployed: OsdHost, *, rebuild: bool = False, **changes: Any) -> View:
    cluster = small(CLEAN_SIX, down=[3], osds=6)
    jewel = release == "jewel"
    base = cluster.osds[3]
    metadata = {"hostname": "stor1", "osd_objectstore": "filestore" if jewel else "bluestore"}
    metadata |= (
        {"backend_filestore_dev_node": "sdb"}
        if jewel
        else {"bluestore_bdev_devices": "sdb", "device_ids": "sdb=M_HDD_SN-B"}
    )
    fields: dict[str, Any] = {
        "uuid": UUID,
        "metadata": metadata,
        "weight": 1.81898,
        "device_class": "" if jewel else "hdd",
        "location": {"host": "10.0.0.21", "root": "default"},
        **changes,
    }
    osd: Osd = replace(base, **fields)
    others = {n: replace(o, device_class=osd.device_class) for n, o in cluster.osds.items()}
    cluster = replace(cluster, release=release, osds={**others, 3: osd})
    return View(
        "lab", cluster, osd, host.host, host, identify(cluster, osd, host), deployed, {host.host: host}, rebuild
    )


def ceph_volume(*, db: bool = False, **more: Any) -> View:
    tags = {"ceph.osd_id": "3", "ceph.osd_fsid": UUID, "ceph.cluster_fsid": "f"}
    lvs = [Lv("osd-block-33", "ceph-1a", "/dev/ceph-1a/osd-block-33", {**tags, "ceph.type": "block"}, ("/dev/sdb",))]
    if db:
        lvs.append(Lv("db-3", "ceph-db", "/dev/ceph-db/db-3", {**tags, "ceph.type": "db"}, ("/dev/sdd",)))
    disks = (disk("a", 0, part("sda1")), disk("b", 1), disk("c", 2), disk("d", 7, rotates=False))
    host = HostDisks("stor1", disks, (Mount("/dev/sda1", "/"),), lvs=tuple(lvs))
    return view("pacific", host, OsdHost(unit="failed"), **more)


def kolla(*, ssd: bool = True, runtime: str = "docker", blue: bool = False, **more: Any) -> View:
    label = f"KOLLA_CEPH_DATA_{'BS_' if blue else ''}3"
    data = part("sdb1", label, "p-b1", DATA, FS)
    own = () if ssd or blue else (part("sdb2", "KOLLA_CEPH_DATA_3_J", "p-b2", JOURNAL),)
    other = part("sdc1", "KOLLA_CEPH_DATA_4", "p-c1", DATA, "fs-4")
    slots = (part("sdd1", "KOLLA_CEPH_DATA_4_J", "p-d1", JOURNAL), part("sdd2", "KOLLA_CEPH_DATA_3_J", "p-d2", JOURNAL))
    disks = (
        disk("a", 0, part("sda1")),
        disk("b", 1, data, *own),
        disk("c", 2, other),
        disk("d", 7, *(slots if ssd else slots[:1])),
    )
    folder = f"/var/lib/ceph/osd/{FS}"
    fstab = f"LABEL=root / ext4 noatime 0 1\nUUID={FS} {folder} xfs defaults,noatime 0 0\n"
    fstab += "UUID=fs-4 /var/lib/ceph/osd/fs-4 xfs defaults 0 0\n"
    host = HostDisks("stor1", disks, (Mount("/dev/sdb1", folder),), fstab)
    box = Container(
        runtime,
        "ceph_osd_3",
        "kolla/centos-binary-ceph-osd:4.0.3",
        False,
        ("KOLLA_CONFIG_STRATEGY=COPY_ALWAYS", "OSD_ID=3", "JOURNAL_PARTITION=/dev/sdd2", "PATH=/usr/bin"),
        ("/etc/kolla/ceph-osd/:/var/lib/kolla/config_files/:ro", "/dev/:/dev/", f"{folder}:/var/lib/ceph/osd/ceph-3"),
    )
    names = {runtime: ("ceph_osd_3", "ceph_osd_4", "ceph_mon")}
    changes = (
        {"metadata": {"hostname": "stor1", "osd_objectstore": "bluestore", "bluestore_bdev_devices": "sdb"}}
        if blue
        else {}
    )
    return view("luminous" if blue else "jewel", host, OsdHost(names, box), **{**changes, **more})


def rdo(*, section: str = "", link: bool = True, **more: Any) -> View:
    data = part("sdb1", "ceph data", UUID, DATA, FS)
    slots = (part("sdd1", "ceph journal", "j-4", JOURNAL), part("sdd2", "ceph journal", "j-3", JOURNAL))
    disks = (disk("a", 0, part("sda1")), disk("b", 1, data), disk("d", 7, *slots, rotates=False))
    folder = "/var/lib/ceph/osd/ceph-"
    folders = {f"{folder}4/journal": "/dev/disk/by-partuuid/j-4"}
    if link:
        folders[f"{folder}3/journal"] = "/dev/disk/by-partuuid/j-3"
    host = HostDisks("stor1", disks, (Mount("/dev/sdb1", f"{folder}3"),), folders=folders)
    return view("jewel", host, OsdHost(unit="failed", section=section), **more)


def cephadm(**more: Any) -> View:
    plain = ceph_volume(**more)
    return replace(plain, deployed=OsdHost(folders=("/var/lib/ceph/f/osd.3",)))


def lab() -> View:
    """The recorded cluster: OSDs that somebody started by hand."""
    cluster = recorded("pacific")
    host = HostDisks("ctl1", (Disk("loop0", "/dev/loop0", 14 << 30),))
    osd = cluster.osds[0]
    return View("lab", cluster, osd, "ctl1", host, identify(cluster, osd, host), OsdHost(), {"ctl1": host})
