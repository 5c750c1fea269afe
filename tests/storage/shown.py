"""What a played host shows of its disks, mounts and files. Texts are searched by the real grep."""

from __future__ import annotations

import json
import subprocess

from .answers import Answer, Hung, Tool
from .site import GIB, State, attached, by_path, lookup, volume

__all__ = ["TOOLS", "file", "signatures"]


def _lsblk(state: State, name: str, argv: list[str]) -> Answer:
    del argv
    here, h = attached(state, name), state["hosts"][name]
    if h.get("blind", False):
        raise Hung
    rows = []
    for serial, kernel in sorted(here.items(), key=lambda x: x[1]):
        d = state["disks"][serial]
        slot = next((s for s, v in h["slots"].items() if v == serial), "?")
        kids = []
        for p in sorted(d["parts"], key=lambda p: p["n"]):
            where = next((m[1] for m in h["mounts"] if m[0] == f"/dev/{kernel}{p['n']}"), None)
            kids.append(
                {
                    "name": f"{kernel}{p['n']}",
                    "kname": f"{kernel}{p['n']}",
                    "path": f"/dev/{kernel}{p['n']}",
                    "size": GIB,
                    "type": "part",
                    "partlabel": p["label"],
                    "partuuid": p["uuid"],
                    "parttype": p["kind"],
                    "fstype": "xfs" if p["fs_uuid"] else None,
                    "uuid": p["fs_uuid"] or None,
                    "mountpoint": where,
                }
            )
        for dm in h["dm"]:
            if dm["serial"] == serial:
                kids.append(
                    {
                        "name": dm["name"],
                        "kname": "dm-0",
                        "path": f"/dev/mapper/{dm['name']}",
                        "size": GIB,
                        "type": "lvm",
                    }
                )
        rows.append(
            {
                "name": kernel,
                "kname": kernel,
                "path": f"/dev/{kernel}",
                "type": "disk",
                "size": d["size"],
                "serial": serial,
                "wwn": d["wwn"],
                "rota": d["rotates"],
                "fstype": "LVM2_member" if d["pv"] else d["raw"] or None,
                "hctl": f"0:0:{slot}:0",
                "model": d["model"],
                "log-sec": d["sector"],
                "children": kids,
            }
        )
    return 0, json.dumps({"blockdevices": rows}), ""


def _cat(state: State, name: str, argv: list[str]) -> Answer:
    text = file(state, name, argv[1])
    return (1, "", f"cat: {argv[1]}: No such file or directory") if text is None else (0, text, "")


def file(state: State, name: str, path: str) -> str | None:
    h = state["hosts"][name]
    if path == "/proc/mounts":
        return "".join(f"{src} {where} {fs} rw 0 0\n" for src, where, fs in h["mounts"])
    if path == "/etc/fstab":
        return str(h["fstab"])
    if path == "/etc/ceph/ceph.conf":
        return str(h["conf"])
    if path.endswith("/whoami"):
        found = next((m for m in h["mounts"] if m[1] == path.removesuffix("/whoami")), None)
        _d, p = lookup(state, name, found[0]) if found else (None, None)
        return f"{p['content']['osd']}\n" if p and p["content"] else None
    return None


def _find(state: State, name: str, argv: list[str]) -> Answer:
    h = state["hosts"][name]
    here = attached(state, name)
    if argv[1] == "/dev/disk/by-path":
        lines = []
        for slot, serial in h["slots"].items():
            if serial in here:
                lines.append(f"{by_path(name, slot)} ../../{here[serial]}")
        return 0, "\n".join(lines) + "\n", ""
    if argv[1] == "/var/lib/ceph":
        return 0, "\n".join(f for f in h["folders"] if f.endswith(f"/{argv[5]}")), ""
    lines = []
    for src, where, _fs in h["mounts"]:
        if not where.startswith("/var/lib/ceph/osd/"):
            continue
        if src == "tmpfs":
            dm = next((d for d in h["dm"] if d.get("osd") == int(where.rsplit("-", 1)[-1])), None)
            if dm:
                lines.append(f"{where}/block /dev/{dm['vg']}/{dm['lv']}")
            continue
        d, p = lookup(state, name, src)
        # A folder on a dead disk can't be listed.
        if d and not d["dead"] and p and p["content"] and p["content"].get("journal"):
            lines.append(f"{where}/journal /dev/disk/by-partuuid/{p['content']['journal']}")
    return 0, "\n".join(lines) + "\n", ""


def _lvs(state: State, name: str, argv: list[str]) -> Answer:
    here = attached(state, name)
    if "lv_name" in argv:
        d, v = volume(state, name, argv[-1])
        return (
            (0, f"  {v['name']}\n", "")
            if d and v and not d["dead"]
            else (5, "", f"Failed to find logical volume {argv[-1]}")
        )
    if "lv_tags" in argv:
        _d, v = volume(state, name, argv[-1])
        if v is None:
            return 5, "", f"Failed to find logical volume {argv[-1]}"
        return 0, "  " + _tags(v) + "\n", ""
    rows = []
    for serial, kernel in here.items():
        d = state["disks"][serial]
        if d["pv"] and not d["dead"]:
            rows += [
                {
                    "lv_name": v["name"],
                    "vg_name": d["pv"]["vg"],
                    "lv_path": f"/dev/{d['pv']['vg']}/{v['name']}",
                    "lv_tags": _tags(v),
                    "devices": f"/dev/{kernel}(0)",
                    "lv_size": "10g",
                }
                for v in d["pv"]["lvs"]
            ]
    return 0, json.dumps({"report": [{"lv": rows}]}), ""


def _tags(v: State) -> str:
    return ",".join(f"{k}={x}" for k, x in v["tags"].items())


def _dmesg(state: State, name: str, _argv: list[str]) -> Answer:
    return 0, "\n".join(state["hosts"][name]["kernel"]) + "\n", ""


def _grep(state: State, name: str, argv: list[str]) -> Answer:
    text = file(state, name, argv[-1])
    if text is None:
        return 2, "", f"grep: {argv[-1]}: No such file or directory"
    done = subprocess.run(["grep", *argv[1:-1]], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def _test(state: State, name: str, argv: list[str]) -> Answer:
    assert argv[1] == "-e"
    there = any(f"/dev/mapper/{d['name']}" == argv[2] for d in state["hosts"][name]["dm"])
    return (0 if there else 1), "", ""


def signatures(d: State) -> str:
    found = [
        *(["0x218,,,LVM2_member"] if d["pv"] else []),
        *(["0x200,,,gpt"] if d["table"] else []),
        *([f"0x0,,,{d['raw']}"] if d["raw"] else []),
    ]
    return "# offset,uuid,label,type\n" + "\n".join(found) + "\n" if found else ""


def _smartctl(state: State, name: str, argv: list[str]) -> Answer:
    d, _p = lookup(state, name, argv[-1])
    told = state["hosts"][name]["smart"].get(d["serial"] if d else "")
    if told is None:
        return 127, "", "smartctl: command not found"
    return int(told.get("status", 0)), json.dumps(told["json"]), ""


TOOLS: dict[str, Tool] = {
    "lsblk": _lsblk,
    "cat": _cat,
    "find": _find,
    "lvs": _lvs,
    "dmesg": _dmesg,
    "grep": _grep,
    "test": _test,
    "smartctl": _smartctl,
}
