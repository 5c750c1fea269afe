"""Sites of every way of deployment: six OSDs on five hosts; osd.3 and osd.4 share host stor1 and, where there is one, its SSD."""

from __future__ import annotations

from typing import Any

from .cluster import MIN_SIZE, PGS, SIZE, blank, target
from .site import DATA, JOURNAL, State, attached, boot, disk, host, metadata, part, settle

FAILED, NEIGHBOUR, SSD = "SN-B", "SN-C", "SN-S"
SLOT = "1"
FSID = "ffffffff-0000-4000-8000-000000000000"
_RELEASES = {"jewel": (10, "10.2.11"), "luminous": (12, "12.2.13"), "pacific": (16, "16.2.15"), "reef": (18, "18.2.4")}
KINDS = {
    "kolla-ssd": ("kolla-ceph", "jewel"),
    "kolla": ("kolla-ceph", "jewel"),
    "kolla-bluestore": ("kolla-ceph", "luminous"),
    "kolla-podman": ("kolla-ceph", "jewel"),
    "rdo-ssd": ("rdo-ceph", "jewel"),
    "rdo": ("rdo-ceph", "jewel"),
    "ceph-volume": ("ceph-volume", "pacific"),
    "ceph-volume-db": ("ceph-volume", "pacific"),
    "cephadm": ("cephadm", "reef"),
}
"""What is built here: the name of the layout, and the release."""
WEIGHT = 1.81898


def uuid(osd: int) -> str:
    return f"{osd}{osd}{osd}{osd}{osd}{osd}{osd}{osd}-aaaa-4bbb-8ccc-00000000000{osd}"


def key(osd: int) -> str:
    return f"AQoldkeyofosd{osd}xxxxxxxxxxxxxxxxxxxxxxxx=="


def site(kind: str, **more: Any) -> State:
    """A site in which all is well."""
    _type, release = KINDS[kind]
    number, version = _RELEASES[release]
    cluster: State = {
        "fsid": FSID,
        "epoch": 100,
        "release": release,
        "number": number,
        "version": f"ceph version {version}",
        "flags": [],
        "osds": {},
        "auth": {},
        "kept": {},
        "pgs": {},
        "more_pgs": [],
        "more_pools": [],
        "quorum": 3,
        "mons": 3,
        "health": "HEALTH_OK",
        "checks": [],
        "slow": [],
        "backfillfull": 0.9,
        "lag": 0,
        "silent": False,
        "refuses": [],
        "torn": False,
        "wrong_place": None,
        "orchestrated": kind == "cephadm",
        "lights": [],
        "unmanaged": False,
        "size": SIZE,
        "min_size": MIN_SIZE,
        "latency_ms": 5,
        "odd_dump": {},
        "worst": {"copies": SIZE, "live": SIZE},
    }
    state: State = {"n": 1, "cluster": cluster, "disks": {}, "hosts": {}}
    ssd = {"s7": SSD} if kind.endswith(("-ssd", "-db")) else {}
    state["hosts"]["stor1"] = host(s1=FAILED, s2=NEIGHBOUR, **ssd)
    for serial in (FAILED, NEIGHBOUR):
        state["disks"][serial] = disk(serial)
    if ssd:
        state["disks"][SSD] = disk(SSD, rotates=False)
        state["disks"][SSD]["table"] = "" if kind == "ceph-volume-db" else "gpt"
    where = {3: ("stor1", FAILED), 4: ("stor1", NEIGHBOUR)}
    for osd, name in ((0, "stor2"), (1, "stor3"), (2, "stor4"), (5, "stor5")):
        serial = f"SN-{osd}"
        state["hosts"][name] = host(s1=serial)
        state["disks"][serial] = disk(serial)
        where[osd] = (name, serial)
    for osd, (name, serial) in sorted(where.items()):
        _place(state, kind, osd, name, serial)
    for i in range(PGS):
        pg = f"1.{i:x}"
        cluster["pgs"][pg] = {"holders": [cluster["osds"][str(n)]["uuid"] for n in target(state, pg)]}
    cluster |= more
    return state


def _place(state: State, kind: str, osd: int, name: str, serial: str) -> None:
    c, h, d = state["cluster"], state["hosts"][name], state["disks"][serial]
    blue = kind.startswith(("ceph-volume", "cephadm")) or kind == "kolla-bluestore"
    bucket = f"10.0.0.2{name[-1]}" if kind.startswith("kolla") else name
    c["osds"][str(osd)] = {
        **blank(uuid(osd)),
        "new": False,
        "in": True,
        "used": 3_000_000,
        "crush": {"weight": WEIGHT, "class": "hdd" if c["number"] >= 12 else "", "bucket": bucket},
    }
    c["auth"][f"osd.{osd}"] = key(osd)
    content: State = {"osd": osd, "uuid": uuid(osd), "key": key(osd), "store": "bluestore" if blue else "filestore"}
    ssd = state["disks"].get(SSD) if name == "stor1" else None
    fs = f"{osd}f{osd}f{osd}f{osd}f-aaaa-4bbb-8ccc-000000000000"
    if kind.startswith(("ceph-volume", "cephadm")):
        vg, lv = f"ceph-vg{osd}", f"osd-block-{uuid(osd)}"
        tags = {"ceph.osd_id": str(osd), "ceph.osd_fsid": uuid(osd), "ceph.cluster_fsid": FSID, "ceph.type": "block"}
        d["pv"] = {"vg": vg, "lvs": [{"name": lv, "tags": tags, "content": content}]}
        mapped = f"{vg.replace('-', '--')}-{lv.replace('-', '--')}"
        h["dm"].append(
            {"name": mapped, "vg": vg, "lv": lv, "serial": serial, "osd": osd, "letter": h["letters"][serial]}
        )
        h["mounts"].append(["tmpfs", f"/var/lib/ceph/osd/ceph-{osd}", "tmpfs"])
        if kind != "cephadm":
            h["enabled"].append(f"ceph-volume@lvm-{osd}-{uuid(osd)}")
        h["units"][f"ceph-osd@{osd}"] = "active"
        if kind == "cephadm":
            h["folders"].append(f"/var/lib/ceph/{FSID}/osd.{osd}")
        if ssd is not None:
            ssd["pv"] = ssd["pv"] or {"vg": "ceph-db", "lvs": []}
            db = {"name": f"db-{osd}", "tags": {**tags, "ceph.type": "db"}, "content": {"db_of": uuid(osd)}}
            ssd["pv"]["lvs"].append(db)
            tags["ceph.db_device"] = f"/dev/ceph-db/db-{osd}"
            content["dbs"] = [f"db-{osd}"]
            letter = h["letters"][SSD]
            name_ = f"ceph--db-db--{osd}"
            h["dm"].append(
                {"name": name_, "vg": "ceph-db", "lv": f"db-{osd}", "serial": SSD, "osd": None, "letter": letter}
            )
    else:
        _partitions(state, kind, osd, name, serial, content, fs)
    boot(state, name, osd)
    kernel = attached(state, name)[serial]
    c["osds"][str(osd)] |= {"up": True, "metadata": metadata(state, name, osd, kernel, d, content["store"])}
    if kind == "cephadm":
        c["osds"][str(osd)]["metadata"]["osdspec_affinity"] = "all"


def _partitions(state: State, kind: str, osd: int, name: str, serial: str, content: State, fs: str) -> None:
    h, d = state["hosts"][name], state["disks"][serial]
    is_kolla, blue = kind.startswith("kolla"), content["store"] == "bluestore"
    label = f"KOLLA_CEPH_DATA_{'BS_' if blue else ''}{osd}" if is_kolla else "ceph data"
    guid = f"d-{osd}" if is_kolla else uuid(osd)
    d |= {"table": "gpt", "parts": [part(1, label, guid, DATA, content, fs)]}
    ssd = state["disks"].get(SSD) if name == "stor1" else None
    if not blue:
        content["journal"] = f"j-{osd}"
        home, n = (ssd, len(ssd["parts"]) + 1) if ssd is not None else (d, 2)
        name_ = f"KOLLA_CEPH_DATA_{osd}_J" if is_kolla else "ceph journal"
        home["parts"].append(part(n, name_, f"j-{osd}", JOURNAL, {"journal_of": uuid(osd)}))
    device = f"/dev/{attached(state, name)[serial]}1"
    folder = f"/var/lib/ceph/osd/{fs}" if is_kolla else f"/var/lib/ceph/osd/ceph-{osd}"
    h["mounts"].append([device, folder, "xfs"])
    if is_kolla:
        h["fstab"] += f"UUID={fs} {folder} xfs defaults,noatime 0 0\n"
        h["runtime"] = "podman" if kind == "kolla-podman" else "docker"
        env = ["KOLLA_CONFIG_STRATEGY=COPY_ALWAYS", f"OSD_ID={osd}"]
        env += [] if blue else [f"JOURNAL_PARTITION=/dev/disk/by-partuuid/j-{osd}"]
        binds = [
            "/etc/kolla/ceph-osd/:/var/lib/kolla/config_files/:ro",
            "/dev/:/dev/",
            f"{folder}:/var/lib/ceph/osd/ceph-{osd}",
        ]
        h["boxes"][f"ceph_osd_{osd}"] = {
            "restart": "unless-stopped",
            "running": True,
            "image": "kolla/centos-binary-ceph-osd:4.0.3",
            "env": env,
            "binds": binds,
        }
    else:
        h["units"][f"ceph-osd@{osd}"] = "active"
        h["enabled"].append(f"ceph-osd@{osd}")
        if osd == 3:
            h["conf"] += "[osd.3]\nosd journal size = 5120\n[osd.4]\nosd journal size = 5120\n"


def fail(state: State, serial: str = FAILED, how: str | bool = True) -> None:
    """A disk dies (or, with "hung", never answers again): its OSD goes down, and the kernel says why."""
    state["disks"][serial]["dead"] = how
    for h in state["hosts"].values():
        if serial in h["letters"]:
            kernel = f"sd{h['letters'][serial]}"
            h["kernel"].append(f"[9.0] blk_update_request: I/O error, dev {kernel}, sector 2048")
            for box in h["boxes"].values():
                if "OSD_ID=3" in box["env"] and serial == FAILED:
                    box["running"] = False
            if serial == FAILED and "ceph-osd@3" in h["units"]:
                h["units"]["ceph-osd@3"] = "failed"
    settle(state)
