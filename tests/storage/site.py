"""The state of a played site, kept in a file: a worker that is killed loses nothing of it, and a test looks at it from outside.

It is plain data. `Site.change` gives the whole of it under a lock; `digests` are what the disks hold, as a hash of each would tell.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

State = dict[str, Any]

DATA, JOURNAL = "4fbd7e29-9d25-41b8-afd0-062c0ceff05d", "45b0969e-9b03-4f30-b4c6-b4b80ceff106"
GIB = 1 << 30


class Site:
    """A site in a file; `calls` are all commands that were given to it, with the disks whose content they changed."""

    def __init__(self, folder: Path) -> None:
        self.file, self.log = folder / "site.json", folder / "calls.jsonl"

    def begin(self, state: State) -> None:
        self.file.write_text(json.dumps(state))
        self.log.write_text("")

    @contextmanager
    def change(self) -> Iterator[State]:
        with self.file.open("r+") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            state = json.load(f)
            yield state
            text = json.dumps(state)
            f.seek(0)
            f.write(text)
            f.truncate()

    def state(self) -> State:
        with self.file.open() as f:
            fcntl.flock(f, fcntl.LOCK_SH)
            found: State = json.load(f)
            return found

    def wrote(self, entry: dict[str, Any]) -> None:
        with self.log.open("a") as f:
            f.write(json.dumps(entry) + "\n")

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def changes(self) -> list[str]:
        """The commands that were meant to change something, in their order."""
        return [c["said"] for c in self.calls() if c["changes"]]


def fresh(state: State) -> str:
    """A UUID that nobody has."""
    state["n"] += 1
    return f"{state['n']:08x}-0000-4000-8000-000000000000"


def digests(state: State) -> dict[str, str]:
    """What each disk holds, by serial."""
    found = {}
    for serial, disk in state["disks"].items():
        held = {k: disk[k] for k in ("table", "parts", "pv", "raw")}
        found[serial] = hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
    return found


def slots(state: State, serial: str) -> dict[str, str]:
    """The same for each partition and volume of one disk, by its GUID or name."""
    disk = state["disks"][serial]
    rows = {p["uuid"]: p for p in disk["parts"]} | {v["name"]: v for v in (disk["pv"] or {"lvs": []})["lvs"]}
    return {k: hashlib.sha256(json.dumps(v, sort_keys=True).encode()).hexdigest() for k, v in rows.items()}


def disk(serial: str, *, size: int = 10, rotates: bool = True, sector: int = 512, raw: str = "") -> State:
    """A disk; `raw` is a foreign signature on the whole of it."""
    wwn = "0x5000c5" + hashlib.sha256(serial.encode()).hexdigest()[:10]
    return {
        "serial": serial,
        "wwn": wwn,
        "size": size * GIB,
        "rotates": rotates,
        "sector": sector,
        "model": "HDD" if rotates else "SSD",
        "dead": False,
        "table": "",
        "parts": [],
        "pv": None,
        "raw": raw,
    }


def part(n: int, label: str, uuid: str, kind: str, content: Any = None, fs_uuid: str = "") -> State:
    return {"n": n, "label": label, "uuid": uuid, "kind": kind, "content": content, "fs_uuid": fs_uuid}


def host(**slots_: str) -> State:
    """A host whose slots (``s1=SERIAL``) hold disks; all are attached in the order of their slots."""
    named = {k[1:]: v for k, v in slots_.items()}
    letters = {serial: chr(ord("a") + i) for i, serial in enumerate(named.values())}
    return {
        "slots": named,
        "letters": letters,
        "mounts": [["/dev/vda1", "/", "ext4"]],
        "fstab": "LABEL=root / ext4 noatime 0 1\n",
        "boxes": {},
        "runtime": "",
        "units": {},
        "enabled": [],
        "conf": "[global]\nfsid = f\n",
        "dm": [],
        "folders": [],
        "kernel": [],
        "cut": False,
        "smart": {},
        "lights": {},
    }


def attached(state: State, name: str) -> dict[str, str]:
    """Serial to kernel name of the disks that a host's kernel has."""
    return {serial: f"sd{letter}" for serial, letter in state["hosts"][name]["letters"].items()}


def lookup(state: State, name: str, device: str) -> tuple[State | None, State | None]:
    """The disk and the partition behind a device path of a host."""
    here = attached(state, name)
    if device.startswith("/dev/disk/by-partuuid/"):
        guid = device.rsplit("/", 1)[-1]
        for serial in here:
            for p in state["disks"][serial]["parts"]:
                if p["uuid"] == guid:
                    return state["disks"][serial], p
        return None, None
    plain = device.removeprefix("/dev/")
    for serial, kernel in here.items():
        if plain == kernel:
            return state["disks"][serial], None
        for p in state["disks"][serial]["parts"]:
            if plain == f"{kernel}{p['n']}":
                return state["disks"][serial], p
    return None, None


def volume(state: State, name: str, path: str) -> tuple[State | None, State | None]:
    """The disk and the volume behind ``VG/LV`` of a host."""
    vg, lv = path.removeprefix("/dev/").split("/")
    for serial in attached(state, name):
        pv = state["disks"][serial]["pv"]
        if pv and pv["vg"] == vg:
            return state["disks"][serial], next((v for v in pv["lvs"] if v["name"] == lv), None)
    return None, None


def contents(state: State, name: str) -> Iterator[tuple[State, Any]]:
    """Every OSD's data on disks that the host's kernel has and that can be read."""
    for serial in attached(state, name):
        one = state["disks"][serial]
        if one["dead"]:
            continue
        yield from ((one, c) for c in data_on(one))


def data_on(one: State) -> Iterator[Any]:
    for p in one["parts"]:
        if p["content"] and "osd" in p["content"]:
            yield p["content"]
    for v in (one["pv"] or {"lvs": []})["lvs"]:
        if v["content"] and "osd" in v["content"]:
            yield v["content"]


def attach(state: State, name: str) -> None:
    """The kernel finds the disks that are in slots; each gets the first letter that is free."""
    h = state["hosts"][name]
    for serial in h["slots"].values():
        if serial and serial not in h["letters"]:
            letter = next(c for c in "abcdefghijklmnop" if c not in h["letters"].values() and c not in _held(h))
            h["letters"][serial] = letter
            h["kernel"].append(f"[1.0] sd 0:0:0:0: [sd{letter}] Attached SCSI disk")


def _held(h: State) -> set[str]:
    # A mount or a volume of a disk that was pulled keeps its letter.
    return {m[0][7] for m in h["mounts"] if m[0].startswith("/dev/sd")} | {d["letter"] for d in h["dm"]}


def pull(state: State, name: str, serial: str) -> None:
    """A person pulls a disk."""
    h = state["hosts"][name]
    h["slots"] = {k: None if v == serial else v for k, v in h["slots"].items()}
    h["letters"].pop(serial, None)
    settle(state)


def insert(state: State, name: str, slot: str, one: State) -> None:
    """A person puts a disk into a slot."""
    h = state["hosts"][name]
    assert h["slots"].get(slot) is None, f"slot {slot} is taken by {h['slots'][slot]}"
    state["disks"].setdefault(one["serial"], one)
    h["slots"][slot] = one["serial"]
    attach(state, name)
    settle(state)


def boot(state: State, name: str, osd: int) -> bool:
    """The daemon of an OSD begins, if its data can be read, and it has its key and its place in the map; whether it does."""
    c = state["cluster"]
    row = c["osds"].get(str(osd))
    for one, content in contents(state, name):
        if content["osd"] != osd or row is None or row["destroyed"] or content["uuid"] != row["uuid"]:
            continue
        if c["auth"].get(f"osd.{osd}") != content["key"]:
            continue
        journal = content.get("journal")
        if journal and not any(
            p["uuid"] == journal and (p["content"] or {}).get("journal_of") == content["uuid"]
            for serial in attached(state, name)
            for p in state["disks"][serial]["parts"]
            if not state["disks"][serial]["dead"]
        ):
            continue
        dbs = {
            v["name"]
            for serial in attached(state, name)
            if not state["disks"][serial]["dead"]
            for v in (state["disks"][serial]["pv"] or {"lvs": []})["lvs"]
            if v["content"] == {"db_of": content["uuid"]}
        }
        if not set(content.get("dbs", [])) <= dbs:
            continue
        kernel = attached(state, name)[one["serial"]]
        row["up"] = True
        if row["new"]:
            row["new"], row["in"] = False, True
        row["metadata"] = metadata(state, name, osd, kernel, one, content["store"])
        bump(state)
        settle(state)
        return True
    return False


def metadata(state: State, name: str, osd: int, kernel: str, one: State, store: str) -> State:
    told: State = {"id": osd, "hostname": name, "osd_objectstore": store, "ceph_version": state["cluster"]["version"]}
    slot = next((s for s, v in state["hosts"][name]["slots"].items() if v == one["serial"]), "?")
    if store == "bluestore":
        told |= {
            "bluestore_bdev_devices": kernel,
            "bluestore_bdev_size": str(one["size"]),
            "rotational": "1" if one["rotates"] else "0",
        }
    else:
        told |= {"backend_filestore_dev_node": kernel}
    if state["cluster"]["number"] >= 14:
        told |= {
            "devices": kernel,
            "device_ids": f"{kernel}=LAB_HDD_{one['serial']}",
            "device_paths": f"{kernel}={by_path(name, slot)}",
        }
    return told


def by_path(_name: str, slot: str) -> str:
    return f"/dev/disk/by-path/pci-0000:00:05.0-scsi-0:0:{slot}:0"


def bump(state: State) -> None:
    state["cluster"]["epoch"] += 1
    state["cluster"]["lag"] = 1


def settle(state: State) -> None:
    """OSDs whose disk is dead or gone are down; what was only there is nowhere any more."""
    readable = {c["uuid"] for name in state["hosts"] for _one, c in contents(state, name)}
    for row in state["cluster"]["osds"].values():
        if row["up"] and row["uuid"] not in readable:
            row["up"] = False
            bump(state)
    existing = {c["uuid"] for one in state["disks"].values() for c in data_on(one)}
    for pg in state["cluster"]["pgs"].values():
        pg["holders"] = [u for u in pg["holders"] if u in existing]
