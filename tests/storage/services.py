"""What runs on a played host: units of systemd, and containers, Kolla's bootstrap of an OSD among them."""

from __future__ import annotations

import json

from .answers import OK, Answer, Tool
from .cluster import blank
from .site import DATA, JOURNAL, State, boot, bump, fresh, lookup, part, settle

__all__ = ["TOOLS", "mounted"]


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
        h["units"][unit] = "active" if mounted(h, osd) and boot(state, name, osd) else "failed"
    settle(state)
    return OK


def mounted(h: State, osd: int) -> bool:
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


TOOLS: dict[str, Tool] = {
    "systemctl": _systemctl,
    "docker": _runtime,
    "podman": _runtime,
}
