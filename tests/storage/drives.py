"""What is done to the disks of a played host, their partitions, volumes and mounts. Texts are edited by the real sed."""

from __future__ import annotations

import subprocess

from .answers import OK, Answer, Hung, Tool
from .shown import file, signatures
from .site import State, attached, fresh, lookup, part, settle

__all__ = ["TOOLS", "zap"]


def _wipefs(state: State, name: str, argv: list[str]) -> Answer:
    d, p = lookup(state, name, argv[-1])
    if d is None:
        return 1, "", f"wipefs: error: {argv[-1]}: probing initialization failed: No such file or directory"
    if d["dead"]:
        return 1, "", f"wipefs: error: {argv[-1]}: probing initialization failed: Input/output error"
    if argv[1] == "-a" and p is None:
        d["pv"] = None
    if argv[1] == "-a":
        if p is not None:
            p |= {"content": None, "fs_uuid": ""}
        else:
            d["raw"] = ""
        settle(state)
        return OK
    return 0, signatures(d), ""


def _umount(state: State, name: str, argv: list[str]) -> Answer:
    h = state["hosts"][name]
    mount = next((m for m in h["mounts"] if m[1] == argv[-1]), None)
    if mount is None:
        return 32, "", f"umount: {argv[-1]}: not mounted."
    if "-l" not in argv:
        d, _p = lookup(state, name, mount[0])
        if d is not None and d["dead"] == "hung":
            raise Hung
        if d is not None and any(
            b["running"] and any(v.startswith(argv[-1] + ":") for v in b["binds"]) for b in h["boxes"].values()
        ):
            return 32, "", "target is busy"
    h["mounts"].remove(mount)
    return OK


def _mount(state: State, name: str, argv: list[str]) -> Answer:
    h = state["hosts"][name]
    words = [w for i, w in enumerate(argv[1:], start=1) if w != "-o" and argv[i - 1] != "-o"]
    where = words[-1]
    source = words[0]
    if len(words) == 1:
        line = next((x for x in h["fstab"].splitlines() if x.split()[1:2] == [where]), "")
        if not line:
            return 32, "", f"mount: can't find {where} in /etc/fstab."
        source = line.split()[0]
    if any(m[1] == where for m in h["mounts"]):
        return 32, "", f"mount: {where} is already mounted"
    here = attached(state, name)
    for serial, kernel in here.items():
        for p in state["disks"][serial]["parts"]:
            device = f"/dev/{kernel}{p['n']}"
            if source in {device, f"/dev/disk/by-partuuid/{p['uuid']}", f"UUID={p['fs_uuid']}"} and p["fs_uuid"]:
                if state["disks"][serial]["dead"]:
                    return 32, "", f"mount: {where}: can't read superblock on {device}."
                h["mounts"].append([device, where, "xfs"])
                return OK
    return 32, "", f"mount: {where}: special device {source} does not exist."


def keep(state: State, name: str, path: str, text: str) -> None:
    state["hosts"][name]["fstab" if path == "/etc/fstab" else "conf"] = text


def _sed(state: State, name: str, argv: list[str]) -> Answer:
    assert argv[1] == "-i"
    text = file(state, name, argv[-1]) or ""
    done = subprocess.run(["sed", argv[2]], input=text, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        keep(state, name, argv[-1], done.stdout)
    return done.returncode, "", done.stderr


def _sgdisk(state: State, name: str, argv: list[str]) -> Answer:
    d, _p = lookup(state, name, argv[-1])
    if d is None or d["dead"]:
        return 2, "", f"Problem opening {argv[-1]} for reading! Error is 5."
    if argv[1] == "--zap-all":
        zap(state, name, argv[-1], lvm=False)
    elif argv[1].startswith("--new="):
        words = dict(w.removeprefix("--").split("=", 1) for w in argv[1:-1])
        number, start_, size = words["new"].split(":")
        if any(p["n"] == int(number) for p in d["parts"]) or start_ != "0" or not size.startswith("+"):
            return 4, "", f"Could not create partition {number}"
        told = {k: v.split(":", 1)[1] for k, v in words.items() if k != "new"}
        d["table"] = "gpt"
        d["parts"].append(part(int(number), told["change-name"], told["partition-guid"], told["typecode"]))
    elif argv[1].startswith("--change-name="):
        number, label = argv[1].removeprefix("--change-name=").split(":")
        next(p for p in d["parts"] if p["n"] == int(number))["label"] = label
    return OK


def zap(state: State, name: str, device: str, *, lvm: bool = True) -> None:
    """Nothing is on a disk any more."""
    d, _p = lookup(state, name, device)
    assert d is not None
    h = state["hosts"][name]
    d |= {"table": "", "parts": [], "raw": ""}
    if lvm:
        d["pv"] = None
        h["dm"] = [x for x in h["dm"] if x["serial"] != d["serial"]]
    settle(state)


def _parted(state: State, name: str, argv: list[str]) -> Answer:
    d, _p = lookup(state, name, argv[1])
    if d is None or d["dead"]:
        return 1, "", "Error: Input/output error during write"
    label = argv[argv.index("mkpart") + 1]
    d |= {"table": "gpt", "parts": [part(1, label, fresh(state), "")], "raw": "", "pv": None}
    settle(state)
    return OK


def _dmsetup(state: State, name: str, argv: list[str]) -> Answer:
    h = state["hosts"][name]
    there = any(d["name"] == argv[-1] for d in h["dm"])
    h["dm"] = [d for d in h["dm"] if d["name"] != argv[-1]]
    return OK if there else (1, "", f"Device {argv[-1]} not found")


def _vgchange(state: State, name: str, argv: list[str]) -> Answer:
    h = state["hosts"][name]
    for serial in attached(state, name):
        d = state["disks"][serial]
        if d["pv"] and d["pv"]["vg"] == argv[-1] and not d["dead"]:
            for v in d["pv"]["lvs"]:
                mapped = f"{argv[-1].replace('-', '--')}-{v['name'].replace('-', '--')}"
                if v["content"] and not any(x["name"] == mapped for x in h["dm"]):
                    osd = v["content"]["osd"]
                    h["dm"].append(
                        {
                            "name": mapped,
                            "vg": argv[-1],
                            "lv": v["name"],
                            "serial": serial,
                            "osd": osd,
                            "letter": h["letters"][serial],
                        }
                    )
            return OK
    return 5, "", f"Volume group {argv[-1]} not found"


def _vgcreate(state: State, name: str, argv: list[str]) -> Answer:
    d, _p = lookup(state, name, argv[-1])
    if d is None or d["dead"] or d["pv"] or d["parts"] or d["raw"]:
        return 5, "", f"Can't initialize {argv[-1]}"
    d["pv"] = {"vg": argv[2], "lvs": []}
    return OK


def _lvcreate(state: State, name: str, argv: list[str]) -> Answer:
    volume_, group = argv[argv.index("-n") + 1], argv[-1]
    for serial in attached(state, name):
        d = state["disks"][serial]
        if d["pv"] and d["pv"]["vg"] == group and not d["dead"]:
            if any(v["name"] == volume_ for v in d["pv"]["lvs"]):
                return 5, "", f"Logical Volume {volume_} already exists in volume group {group}"
            d["pv"]["lvs"].append({"name": volume_, "tags": {}, "content": None})
            mapped = f"{group.replace('-', '--')}-{volume_.replace('-', '--')}"
            letter = state["hosts"][name]["letters"][serial]
            state["hosts"][name]["dm"].append(
                {"name": mapped, "vg": group, "lv": volume_, "serial": serial, "osd": None, "letter": letter}
            )
            return OK
    return 5, "", f"Volume group {group} not found"


def _light(state: State, name: str, argv: list[str]) -> Answer:
    word, device = argv[1].split("=", 1)
    d, _p = lookup(state, name, device)
    if d is None or not state["hosts"][name].get("leds"):
        return 1, "", f"ledctl: Could not find {device}"
    slot = next(s for s, v in state["hosts"][name]["slots"].items() if v == d["serial"])
    state["hosts"][name]["lights"][slot] = word
    return OK


TOOLS: dict[str, Tool] = {
    "wipefs": _wipefs,
    "umount": _umount,
    "mount": _mount,
    "sed": _sed,
    "sgdisk": _sgdisk,
    "parted": _parted,
    "dmsetup": _dmsetup,
    "vgchange": _vgchange,
    "vgcreate": _vgcreate,
    "lvcreate": _lvcreate,
    "ledctl": _light,
}
