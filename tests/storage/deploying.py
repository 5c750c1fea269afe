"""How a played host makes and starts OSDs by itself: ceph-disk and ceph-volume."""

from __future__ import annotations

from .answers import OK, Answer, Tool
from .cluster import blank
from .drives import zap
from .services import mounted
from .site import DATA, JOURNAL, State, attached, boot, bump, contents, fresh, lookup, part, settle, volume

__all__ = ["TOOLS", "make_lvm"]


def _ceph_disk(state: State, name: str, argv: list[str]) -> Answer:
    verb = argv[1]
    c, h = state["cluster"], state["hosts"][name]
    d, p = lookup(state, name, argv[-1])
    if verb == "zap":
        if d is None or d["dead"]:
            return 1, "", "ceph-disk: Error: Device is not a block device or can't be read"
        zap(state, name, argv[-1])
        return OK
    if verb == "prepare":
        words = [
            w for i, w in enumerate(argv[2:], start=2) if not w.startswith("--") and not argv[i - 1].startswith("--")
        ]
        d, _p = lookup(state, name, words[0])
        if d is None or d["dead"] or d["parts"] or d["pv"]:
            return 1, "", f"ceph-disk: Error: partition 1 of {words[0]} exists or can't be made"
        if len(words) > 1:
            _jd, j = lookup(state, name, words[1])
            if j is None or j["kind"] != JOURNAL:
                return 1, "", f"ceph-disk: Error: {words[1]} is no journal partition"
        else:
            j = part(2, "ceph journal", fresh(state), JOURNAL)
            d["parts"].append(j)
        d["table"] = "gpt"
        if c["torn"]:
            c["torn"] = False
            d["parts"].append(part(1, "ceph data", fresh(state), "89c57f98-2fe5-4dc0-89c1-f3ad0ceff2be"))
            return 1, "", "killed"
        uuid = fresh(state)
        data = part(
            1,
            "ceph data",
            uuid,
            DATA,
            {"osd": None, "uuid": uuid, "key": "", "store": "filestore", "journal": j["uuid"]},
            fresh(state),
        )
        j["content"] = {"journal_of": uuid}
        d["parts"].append(data)
        if h.get("udev"):
            return _activate(state, name, d, data)
        return OK
    if verb == "activate":
        if d is None or p is None or not p["content"]:
            return 1, "", "ceph-disk: Cannot discover filesystem type"
        return _activate(state, name, d, p)
    return 2, "", f"ceph-disk: {verb}: not known"


def _activate(state: State, name: str, d: State, p: State) -> Answer:
    c, h = state["cluster"], state["hosts"][name]
    content = p["content"]
    n = next((k for k, r in c["osds"].items() if r["uuid"] == content["uuid"]), None)
    if n is None:
        n = str(next(i for i in range(1000) if str(i) not in c["osds"]))
        c["osds"][n] = blank(content["uuid"])
    if c["torn"]:
        c["torn"] = False
        return 1, "", "killed"
    if content["osd"] is None:
        content |= {"osd": int(n), "key": f"AQ{fresh(state)}=="}
        c["auth"][f"osd.{n}"] = content["key"]
    where = f"/var/lib/ceph/osd/ceph-{n}"
    if not mounted(h, int(n)):
        h["mounts"].append([f"/dev/{attached(state, name)[d['serial']]}{p['n']}", where, "xfs"])
    unit = f"ceph-osd@{n}"
    h["enabled"] = sorted({*h["enabled"], unit})
    # ceph-osd-prestart gives a new OSD the weight of its size, below the host's own name.
    if c["osds"][n]["crush"] is None:
        c["osds"][n]["crush"] = {
            "weight": round(d["size"] / (1 << 40), 5),
            "class": "hdd" if c["number"] >= 12 else "",
            "bucket": name,
        }
    h["units"][unit] = "active" if boot(state, name, int(n)) else "failed"
    bump(state)
    return OK


def _ceph_volume(state: State, name: str, argv: list[str]) -> Answer:
    c, h = state["cluster"], state["hosts"][name]
    verb = argv[2]
    if verb == "zap":
        if argv[-1].startswith("/dev/"):
            d, _p = lookup(state, name, argv[-1])
            if d is None or d["dead"]:
                return 1, "", "stderr: Input/output error"
            assert "--destroy" in argv
            zap(state, name, argv[-1])
            return OK
        d, v = volume(state, name, argv[-1])
        if v is None:
            return 1, "", f"no such volume {argv[-1]}"
        if "--destroy" in argv and d and d["pv"]:
            d["pv"]["lvs"].remove(v)
        else:
            v |= {"tags": {}, "content": None}
        settle(state)
        return OK
    if verb == "activate":
        n, uuid = int(argv[3]), argv[4]
        found = next(((d, x) for d, x in contents(state, name) if x["osd"] == n and x["uuid"] == uuid), None)
        if found is None:
            return 1, "", f"could not find osd.{n} with osd_fsid {uuid}"
        _live(state, name, n, uuid, found[0])
        return OK
    if verb == "create":
        opts = {
            argv[i]: argv[i + 1]
            for i in range(3, len(argv) - 1)
            if argv[i].startswith("--") and not argv[i + 1].startswith("--")
        }
        n = int(opts["--osd-id"])
        row = c["osds"].get(str(n))
        if row is None or not row["destroyed"]:
            return 1, "", f"The osd ID {n} is already in use or does not exist."
        failed = make_lvm(
            state,
            name,
            n,
            opts["--data"],
            {k: v for k, v in opts.items() if k in {"--block.db", "--block.wal"}},
            cephadm=False,
        )
        return (1, "", failed) if failed else OK
    del h
    return 2, "", f"ceph-volume lvm {verb}: not known"


def make_lvm(state: State, name: str, n: int, device: str, aside: dict[str, str], *, cephadm: bool) -> str:
    """What ``lvm create`` does; what is wrong, in words."""
    c, h = state["cluster"], state["hosts"][name]
    d, _p = lookup(state, name, device)
    if d is None or d["dead"]:
        return f"{device}: Input/output error"
    if d["parts"] or d["pv"] or d["raw"]:
        return f"{device} is not empty"
    for path in aside.values():
        _d, v = volume(state, name, path)
        if v is None or v["tags"]:
            return f"{path} is in use or does not exist"
    uuid, key = fresh(state), f"AQ{fresh(state)}=="
    vg = f"ceph-{fresh(state)}"
    tags = {"ceph.osd_id": str(n), "ceph.osd_fsid": uuid, "ceph.cluster_fsid": c["fsid"], "ceph.type": "block"}
    lv = {"name": f"osd-block-{uuid}", "tags": tags, "content": None}
    d["pv"] = {"vg": vg, "lvs": [lv]}
    row = c["osds"][str(n)]
    row |= {"uuid": uuid, "destroyed": False, "new": True}
    bump(state)
    if c["torn"]:
        c["torn"] = False
        settle(state)
        return "killed"
    lv["content"] = {
        "osd": n,
        "uuid": uuid,
        "key": key,
        "store": "bluestore",
        "dbs": [p.split("/")[1] for p in aside.values()],
    }
    tags |= {f"ceph.{o[8:]}_device": f"/dev/{p}" for o, p in aside.items()}
    for option, path in aside.items():
        _d, v = volume(state, name, path)
        assert v is not None
        v |= {
            "tags": {**tags, "ceph.type": option[-2:] if option != "--block.wal" else "wal"},
            "content": {"db_of": uuid},
        }
    c["auth"][f"osd.{n}"] = key
    if cephadm:
        h["folders"] = sorted({*h["folders"], f"/var/lib/ceph/{c['fsid']}/osd.{n}"})
    _live(state, name, n, uuid, d)
    return ""


def _live(state: State, name: str, n: int, uuid: str, d: State) -> None:
    h = state["hosts"][name]
    vg, lv = d["pv"]["vg"], d["pv"]["lvs"][0]["name"]
    mapped = f"{vg.replace('-', '--')}-{lv.replace('-', '--')}"
    if not any(x["name"] == mapped for x in h["dm"]):
        h["dm"].append(
            {"name": mapped, "vg": vg, "lv": lv, "serial": d["serial"], "osd": n, "letter": h["letters"][d["serial"]]}
        )
    if not mounted(h, n):
        h["mounts"].append(["tmpfs", f"/var/lib/ceph/osd/ceph-{n}", "tmpfs"])
    if not h["folders"]:
        h["enabled"] = sorted({*h["enabled"], f"ceph-volume@lvm-{n}-{uuid}"})
    h["units"][f"ceph-osd@{n}"] = "active" if boot(state, name, n) else "failed"


TOOLS: dict[str, Tool] = {
    "ceph-disk": _ceph_disk,
    "ceph-volume": _ceph_volume,
}
