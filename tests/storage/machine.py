"""The played hosts: what a storage host's commands show and do. Texts are searched and edited by the real grep and sed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

from blue_wizard.disks.layouts import base, kolla, rdo

from .site import (
    DATA,
    GIB,
    JOURNAL,
    State,
    attach,
    attached,
    boot,
    bump,
    by_path,
    contents,
    fresh,
    lookup,
    part,
    settle,
    volume,
)

Answer = tuple[int, str, str]
OK: Answer = (0, "", "")


class Hung(Exception):
    """The command waits for a disk that never answers."""


def shell(state: State, name: str, argv: list[str], stdin: str | None) -> Answer:
    """Answer one command of a host. What is not known here is an error, so that nothing new goes by unseen."""
    del stdin
    tool = argv[0]
    if any(" ".join(argv).startswith(w) for w in state["hosts"][name].get("broken", [])):
        return 125, "", f"{tool}: played: broken"
    known = _TOOLS.get(tool)
    if known is None:
        return 127, "", f"{tool}: command not found"
    return known(state, name, argv)


def changes(argv: list[str]) -> bool:
    """Whether a command is meant to change something."""
    if argv[0] == "sh":
        return argv[2] not in _LOOKS
    if argv[0] in {"docker", "podman"}:
        return argv[1] not in {"ps", "inspect"}
    if argv[0] == "systemctl":
        return argv[1] not in {"is-active", "is-enabled"}
    if argv[0] == "sgdisk":
        return "-i" not in argv
    return argv[0] not in {
        "lsblk",
        "cat",
        "find",
        "lvs",
        "dmesg",
        "grep",
        "test",
        "udevadm",
        "smartctl",
        "true",
    } and argv[:2] != ["wipefs", "--no-act"]


# ---- what a host shows ----------------------------------------------------------------------------------------------------


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
    text = _file(state, name, argv[1])
    return (1, "", f"cat: {argv[1]}: No such file or directory") if text is None else (0, text, "")


def _file(state: State, name: str, path: str) -> str | None:
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


def _keep(state: State, name: str, path: str, text: str) -> None:
    state["hosts"][name]["fstab" if path == "/etc/fstab" else "conf"] = text


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
    text = _file(state, name, argv[-1])
    if text is None:
        return 2, "", f"grep: {argv[-1]}: No such file or directory"
    done = subprocess.run(["grep", *argv[1:-1]], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def _test(state: State, name: str, argv: list[str]) -> Answer:
    assert argv[1] == "-e"
    there = any(f"/dev/mapper/{d['name']}" == argv[2] for d in state["hosts"][name]["dm"])
    return (0 if there else 1), "", ""


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
    return 0, _signatures(d), ""


def _signatures(d: State) -> str:
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


# ---- what a host does -----------------------------------------------------------------------------------------------------


def _systemctl(state: State, name: str, argv: list[str]) -> Answer:
    h, (verb, unit) = state["hosts"][name], argv[1:3]
    osd = int(unit.rsplit("@", 1)[-1].split("-")[1]) if "lvm-" in unit else int(unit.rsplit("@", 1)[-1])
    row = state["cluster"]["osds"].get(str(osd))
    if verb == "is-enabled":
        return (0, "enabled\n", "") if unit in h["enabled"] else (1, "disabled\n", "")
    if verb == "is-active":
        told = h["units"].get(unit, "inactive")
        return (0 if told == "active" else 3), told + "\n", ""
    if verb == "stop":
        h["units"][unit] = "inactive"
        if row and row["metadata"].get("hostname", name) == name:
            row["up"] = False
            bump(state)
    elif verb == "reset-failed":
        if h["units"].get(unit) == "failed":
            h["units"][unit] = "inactive"
    elif verb == "enable":
        h["enabled"] = sorted({*h["enabled"], unit})
    elif verb == "disable":
        h["enabled"] = [u for u in h["enabled"] if u != unit]
    elif verb == "start":
        h["units"][unit] = "active" if _mounted(h, osd) and boot(state, name, osd) else "failed"
    settle(state)
    return OK


def _mounted(h: State, osd: int) -> bool:
    return any(m[1] == f"/var/lib/ceph/osd/ceph-{osd}" for m in h["mounts"])


def _runtime(state: State, name: str, argv: list[str]) -> Answer:
    h, tool, verb = state["hosts"][name], argv[0], argv[1]
    if tool != h["runtime"]:
        return 127, "", f"{tool}: command not found"
    boxes: dict[str, State] = h["boxes"]
    box = argv[-1]
    if verb == "ps":
        return 0, "\n".join(boxes) + "\n", ""
    if verb == "inspect":
        if box not in boxes:
            return 1, "[]\n", f"Error: No such object: {box}"
        b = boxes[box]
        if "-f" in argv and "Policy" in argv[3]:
            return 0, b["restart"] + "\n", ""
        if "-f" in argv:
            return 0, ("true" if b["running"] else "false") + "\n", ""
        told = {
            "Name": f"/{box}",
            "Config": {"Image": b["image"], "Env": b["env"]},
            "HostConfig": {"Binds": b["binds"]},
            "State": {"Running": b["running"]},
            "Image": "sha256:0",
        }
        return 0, json.dumps([told]), ""
    if verb in {"stop", "start", "rm", "update"} and box not in boxes:
        return 1, "", f"Error: No such container: {box}"
    if verb == "update":
        boxes[box]["restart"] = argv[2].removeprefix("--restart=")
    elif verb == "stop":
        _halt(state, boxes[box])
    elif verb == "start":
        return _start(state, name, boxes[box])
    elif verb == "rm":
        if boxes[box]["running"] and "-f" not in argv:
            return 1, "", "Error: cannot remove a running container"
        _halt(state, boxes[box])
        del boxes[box]
    elif verb in {"create", "run"}:
        made = argv[argv.index("--name") + 1]
        if made in boxes:
            return 125, "", f"Conflict. The container name {made} is already in use"
        env = [argv[i + 1] for i, w in enumerate(argv) if w == "-e"]
        b = {
            "restart": argv[argv.index("--restart") + 1] if "--restart" in argv else "no",
            "running": False,
            "image": box,
            "env": env,
            "binds": [argv[i + 1] for i, w in enumerate(argv) if w == "-v"],
        }
        if "KOLLA_BOOTSTRAP=" in env:
            boxes[made] = b
            failed = _bootstrap(state, name, dict(e.split("=", 1) for e in env))
            if failed != "killed":
                del boxes[made]
            return (1, "", failed) if failed else OK
        boxes[made] = b
        if verb == "run":
            return _start(state, name, b)
    return OK


def _halt(state: State, b: State) -> None:
    b["running"] = False
    osd = next((e.split("=", 1)[1] for e in b["env"] if e.startswith("OSD_ID=")), None)
    if osd in state["cluster"]["osds"]:
        state["cluster"]["osds"][osd]["up"] = False
        bump(state)
        settle(state)


def _start(state: State, name: str, b: State) -> Answer:
    env = dict(e.split("=", 1) for e in b["env"])
    bind = next((v for v in b["binds"] if v.split(":")[1].startswith("/var/lib/ceph/osd/")), "")
    osd = int(env["OSD_ID"])
    mounted = any(m[1] == bind.split(":")[0] for m in state["hosts"][name]["mounts"])
    b["running"] = mounted and boot(state, name, osd)
    return OK


def _bootstrap(state: State, name: str, env: dict[str, str]) -> str:
    """extend_start.sh of Kolla's image, for a labelled disk."""
    c = state["cluster"]
    d, p = lookup(state, name, env["OSD_DEV"])
    if d is None or d["dead"]:
        return "Input/output error"
    if not d["parts"]:
        return f"{env['OSD_PARTITION']} does not exist"
    external = env["USE_EXTERNAL_JOURNAL"] == "True"
    blue = env["OSD_STORETYPE"] == "bluestore"
    if external:
        _jd, j = lookup(state, name, env["JOURNAL_PARTITION"])
        if j is None or not j["label"].endswith("_J") or "BOOTSTRAP" not in j["label"]:
            return f"no journal at {env['JOURNAL_PARTITION']}"
        p = d["parts"][0]
    else:
        d["parts"] = [part(1, "", fresh(state), DATA)]
        p = d["parts"][0]
        j = None
        if not blue:
            j = part(2, "", fresh(state), JOURNAL)
            d["parts"].append(j)
    n = str(next(i for i in range(1000) if str(i) not in c["osds"]))
    from .cluster import blank

    uuid = fresh(state)
    c["osds"][n] = blank(uuid)
    bump(state)
    if c["torn"]:
        c["torn"] = False
        settle(state)
        return "killed"
    key = f"AQ{fresh(state)}=="
    p |= {"fs_uuid": fresh(state), "kind": DATA}
    p["content"] = {"osd": int(n), "uuid": uuid, "key": key, "store": env["OSD_STORETYPE"]}
    if j is not None:
        j["content"] = {"journal_of": uuid}
        p["content"]["journal"] = j["uuid"]
        j["label"] = f"KOLLA_CEPH_DATA_{n}_J"
    c["auth"][f"osd.{n}"] = key
    weight, bucket = c["wrong_place"] or (float(env["OSD_INITIAL_WEIGHT"]), env["HOSTNAME"])
    c["osds"][n]["crush"] = {"weight": weight, "class": "hdd" if c["number"] >= 12 else "", "bucket": bucket}
    p["label"] = f"KOLLA_CEPH_DATA_{'BS_' if blue else ''}{n}"
    settle(state)
    return ""


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


def _sed(state: State, name: str, argv: list[str]) -> Answer:
    assert argv[1] == "-i"
    text = _file(state, name, argv[-1]) or ""
    done = subprocess.run(["sed", argv[2]], input=text, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        _keep(state, name, argv[-1], done.stdout)
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
    from .cluster import blank

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
    if not _mounted(h, int(n)):
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
    if not _mounted(h, n):
        h["mounts"].append(["tmpfs", f"/var/lib/ceph/osd/ceph-{n}", "tmpfs"])
    if not h["folders"]:
        h["enabled"] = sorted({*h["enabled"], f"ceph-volume@lvm-{n}-{uuid}"})
    h["units"][f"ceph-osd@{n}"] = "active" if boot(state, name, n) else "failed"


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


def _has_guid(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and any(p["uuid"] == words[1] for p in d["parts"]) else 1), "", ""


def _nothing(_state: State, _name: str, _argv: list[str]) -> Answer:
    return OK


def _light(state: State, name: str, argv: list[str]) -> Answer:
    word, device = argv[1].split("=", 1)
    d, _p = lookup(state, name, device)
    if d is None or not state["hosts"][name].get("leds"):
        return 1, "", f"ledctl: Could not find {device}"
    slot = next(s for s, v in state["hosts"][name]["slots"].items() if v == d["serial"])
    state["hosts"][name]["lights"][slot] = word
    return OK


# ---- scripts, by their whole text: another text is unknown here, and an error --------------------------------------------------


def _sh(state: State, name: str, argv: list[str]) -> Answer:
    known = _SCRIPTS.get(argv[2])
    if known is None:
        return 127, "", f"sh: this script is not known: {argv[2]}"
    return known(state, name, argv[4:])


def _running(state: State, name: str, words: list[str]) -> Answer:
    box = state["hosts"][name]["boxes"].get(words[1])
    return (0 if box and box["running"] else 1), "", ""


def _labelled(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and any(p["label"] == words[1] for p in d["parts"]) else 1), "", ""


def _named(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[1])
    return (0 if d and any(p["n"] == int(words[0]) and p["label"] == words[2] for p in d["parts"]) else 1), "", ""


def _prepared(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and any(p["kind"] == words[1] for p in d["parts"]) else 1), "", ""


def _no_signature(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and not _signatures(d) else 1), "", ""


def _no_parts(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and not d["parts"] and not d["pv"] else 1), "", ""


def _delete(state: State, name: str, words: list[str]) -> Answer:
    kernel = words[0].split("/")[3]
    h = state["hosts"][name]
    h["letters"] = {s: x for s, x in h["letters"].items() if f"sd{x}" != kernel}
    settle(state)
    return OK


def _scan(state: State, name: str, _words: list[str]) -> Answer:
    attach(state, name)
    settle(state)
    return OK


def _append(state: State, name: str, words: list[str]) -> Answer:
    state["hosts"][name]["fstab"] += words[0] + "\n"
    return OK


def _append_once(state: State, name: str, words: list[str]) -> Answer:
    if words[0] not in state["hosts"][name]["fstab"].splitlines():
        state["hosts"][name]["fstab"] += words[0] + "\n"
    return OK


def _append_conf(state: State, name: str, words: list[str]) -> Answer:
    state["hosts"][name]["conf"] += words[0]
    return OK


_NO_SIGNATURE = 'test -z "$(wipefs -n -p "$1" | grep -v "^#")"'
_NO_PARTS = 'test "$(lsblk -nr -o NAME "$1" | wc -l)" = 1'
_LOOKS = {base.HAS_GUID, kolla._RUNNING, kolla._LABEL, kolla._NAMED, rdo._PREPARED, _NO_SIGNATURE, _NO_PARTS}
_SCRIPTS: dict[str, Callable[[State, str, list[str]], Answer]] = {
    base.HAS_GUID: _has_guid,
    kolla._RUNNING: _running,
    kolla._LABEL: _labelled,
    kolla._NAMED: _named,
    rdo._PREPARED: _prepared,
    _NO_SIGNATURE: _no_signature,
    _NO_PARTS: _no_parts,
    'echo 1 > "$1"': _delete,
    'echo "- - -" > "$1"': _scan,
    'for h in /sys/class/scsi_host/host*/scan; do [ -w "$h" ] && echo "- - -" > "$h"; done; udevadm settle -t 10; true': _scan,
    'printf "%s\\n" "$1" >> /etc/fstab': _append,
    'grep -qxF "$1" /etc/fstab || printf "%s\\n" "$1" >> /etc/fstab': _append_once,
    'printf "%s" "$1" >> /etc/ceph/ceph.conf': _append_conf,
}
_TOOLS: dict[str, Callable[[State, str, list[str]], Answer]] = {
    "lsblk": _lsblk,
    "cat": _cat,
    "find": _find,
    "lvs": _lvs,
    "dmesg": _dmesg,
    "grep": _grep,
    "test": _test,
    "wipefs": _wipefs,
    "smartctl": _smartctl,
    "systemctl": _systemctl,
    "docker": _runtime,
    "podman": _runtime,
    "umount": _umount,
    "mount": _mount,
    "sed": _sed,
    "sgdisk": _sgdisk,
    "partprobe": _nothing,
    "vgcreate": _vgcreate,
    "lvcreate": _lvcreate,
    "parted": _parted,
    "ceph-disk": _ceph_disk,
    "ceph-volume": _ceph_volume,
    "dmsetup": _dmsetup,
    "vgchange": _vgchange,
    "partx": _nothing,
    "udevadm": _nothing,
    "mkdir": _nothing,
    "true": _nothing,
    "ledctl": _light,
    "sh": _sh,
}

__all__ = ["Hung", "changes", "make_lvm", "shell", "zap"]
