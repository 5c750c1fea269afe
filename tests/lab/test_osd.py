"""Failed disks, really: the storage host's disk fails, is pulled, another one is put in, and the OSD is back as it was.

`make test-osd` runs it. It takes the lab's own Ceph as the rest of the cluster; the storage host joins it with one OSD of each
way of deployment.
"""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.parts import storage_vm

from .conftest import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

LONGEST = 2400
"""Seconds that one call may last: a refill ends when it ends, and a slow machine takes a quarter of an hour."""
SSD = """
set -e
type=45b0969e-9b03-4f30-b4c6-b4b80ceff106
sgdisk --new=1:0:+3G -t 1:8e00 --new=2:0:+512M -t 2:$type -c 2:'ceph journal' --new=3:0:+512M -t 3:$type -c 3:spare /dev/sde
partprobe /dev/sde; udevadm settle
vgcreate -q ceph-db /dev/sde1; lvcreate -q -W n -n db-0 -L 1G ceph-db
"""
FSID = "$(awk '/^fsid/{print $NF}' /etc/ceph/ceph.conf)"


@dataclass(frozen=True)
class Style:
    """How an OSD is made, on which disk, and what is asked on the way."""

    type: str
    disk: str
    make: str
    gates: tuple[str, ...]


STYLES = {
    "ceph-volume": Style(
        "ceph-volume", "hdd1", "ceph-volume lvm create --bluestore --data /dev/sda --block.db ceph-db/db-0", ("done",)
    ),
    "rdo": Style(
        "rdo-ceph",
        "hdd2",
        f"ceph-disk prepare --cluster-uuid {FSID} --fs-type xfs /dev/sdb /dev/sde2 && ceph-disk activate /dev/sdb1",
        ("yes", "done"),
    ),
    "kolla-ssd": Style("kolla-ceph", "hdd3", "make-kolla /dev/sdc 3 /dev/sde 0.0097 10.99.0.20", ("yes", "done")),
    "kolla": Style("kolla-ceph", "hdd4", "make-kolla /dev/sdd - - 0.0097 10.99.0.20", ("yes", "done")),
}


class Storage:
    """The storage host and the cluster, seen from outside the product."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.made: dict[str, int] = {}

    def on(self, script: str, *, timeout: float = 900) -> str:
        argv = [
            "ssh",
            "-F",
            f"{self.lab.env['BLUE_WIZARD_CONFIG'].rsplit('/', 1)[0]}/ssh/config",
            "root@10.99.0.20",
            "bash",
            "-s",
        ]
        done = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def ceph(self, *words: str) -> Any:
        argv = ["ceph", "-c", self.lab.env["CEPH_CONF"], "--connect-timeout", "10", *words, "-f", "json"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def node(self, osd: int) -> dict[str, Any]:
        """The OSD in the CRUSH tree: its weight, class and bucket."""
        nodes = self.ceph("osd", "tree")["nodes"]
        found = next(n for n in nodes if n["id"] == osd)
        bucket = next(n["name"] for n in nodes if osd in n.get("children", ()))
        return {"weight": round(found["crush_weight"], 4), "class": found.get("device_class"), "bucket": bucket}

    def is_up(self, osd: int) -> bool:
        return any(o["osd"] == osd and o["up"] for o in self.ceph("osd", "dump")["osds"])

    def busy(self, osd: int) -> bool:
        """Whether an OSD lives; one of FileStore that has nothing to write would not notice for long that its disk is dead."""
        argv = ["ceph", "-c", self.lab.env["CEPH_CONF"], "tell", f"osd.{osd}", "bench", str(16 << 20), str(4 << 20)]
        subprocess.run(["timeout", "60", *argv], capture_output=True, check=False)
        return self.is_up(osd)

    def wait(self, what: str, ready: Any, seconds: float = 600) -> None:
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
            time.sleep(3)

    def clean(self) -> bool:
        states = self.ceph("status")["pgmap"]["pgs_by_state"]
        return {"active+clean"} >= {s["state_name"].replace("+scrubbing", "").replace("+deep", "") for s in states}

    def served(self) -> bool:
        """Every PG is active: the others have agreed on who serves what an OSD that went down has left."""
        states = [s["state_name"].split("+") for s in self.ceph("status")["pgmap"]["pgs_by_state"]]
        return all("active" in s and "stale" not in s for s in states)

    def lights(self) -> set[str]:
        """The devices whose light Ceph calls on."""
        told = self.ceph("device", "ls-lights")
        return {*told["ident"], *told["fault"]}

    def flags(self) -> set[str]:
        return set(self.ceph("osd", "dump")["flags_set"])

    def others(self, disk: str) -> dict[str, str]:
        """What every other disk of the machine holds: all of an idle one; of one that an OSD writes to, its tables and labels.

        The shared SSD is left out: one of its slots is the OSD's own, and `journal_guids` tells of the others.
        """
        machine = storage_vm.machine()
        count = "echo $(lsblk -dn -o SERIAL /dev/$d) $(lsblk -nr -o NAME /dev/$d | wc -l)"
        names = self.on(f"for d in $(lsblk -dn -o NAME | grep ^sd); do {count}; done")
        # One that has no partition and no volume is nobody's.
        used = {line.split()[0] for line in names.splitlines() if int(line.split()[1]) > 1}
        drives = [d for d in machine.drives() if d.name not in {disk, "ssd7"}]
        return {d.serial: machine.fingerprint(d, whole=d.serial not in used) for d in drives}

    def journal_guids(self) -> list[str]:
        return sorted(self.on("lsblk -nr -o PARTUUID /dev/sde; lvs --noheadings -o lv_uuid ceph-db").split())


@pytest.fixture(scope="module")
def storage(_lab_up: None, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    site = Lab(env={}, state=tmp_path_factory.mktemp("state"))
    site.run("add", "storage-vm", timeout=1800)
    # Only now the lab knows how the storage host is reached.
    words = shlex.split(site.run("env").stdout)
    site.env = dict(w.split("=", 1) for w in words if "=" in w)
    found = Storage(site)
    if "ceph-db" not in found.on("vgs --noheadings -o vg_name || true"):
        found.on(SSD)
    return found


WRITER = """
import rados, sys, time
with rados.Rados(conffile=sys.argv[1], conf={"rados_osd_op_timeout": "60"}) as cluster, cluster.open_ioctx("volumes") as pool:
    while True:
        pool.write_full("beat", bytes(4096))
        print(time.time(), flush=True)
        time.sleep(0.2)
"""


@pytest.fixture
def beats(storage: Storage, tmp_path: Path) -> Iterator[Path]:
    """A client that writes all the time, by Debian's librados; the moment of each write that has ended is in the file."""
    log = tmp_path / "beats"
    with log.open("w") as out:
        client = subprocess.Popen(["/usr/bin/python3", "-c", WRITER, storage.lab.env["CEPH_CONF"]], stdout=out)
        yield log
        ended = client.poll()
        client.kill()
        client.wait()
    assert ended is None, "a write of the client failed or took a minute"
    times = [float(line) for line in log.read_text().split()]
    print(f"{len(times)} writes, longest pause {max(b - a for a, b in itertools.pairwise(times)):.1f} s")


def _made(storage: Storage, name: str) -> int:
    """The number of the OSD of a style, which is made where there is none yet."""
    if name in storage.made:
        return storage.made[name]
    style = STYLES[name]
    before = {o["osd"] for o in storage.ceph("osd", "dump")["osds"]}
    storage.on(style.make)
    new = {o["osd"] for o in storage.ceph("osd", "dump")["osds"]} - before
    (osd,) = new
    storage.wait(f"osd.{osd}", lambda: storage.is_up(osd) and storage.clean())
    storage.made[name] = int(osd)
    return int(osd)


def _phases(name: str, told: dict[str, Any]) -> str:
    return f"\n{name}: " + ", ".join(f"{k} {v:.0f} s" for k, v in told["phases"].items() if v)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) for n in STYLES])
def test_replace(storage: Storage, tmp_path: Path, beats: Path, name: str) -> None:
    lab, style = Lab(env=storage.lab.env, state=tmp_path / "state"), STYLES[name]
    osd = _made(storage, name)
    before, slots, flags = storage.node(osd), storage.journal_guids(), storage.flags()
    others = storage.others(style.disk)
    lab.run("disk", "sto1", "fail", style.disk)
    storage.wait("it to be down", lambda: not storage.busy(osd))
    (row,) = [r for r in lab.json("osd", "list", code=1) if r["id"] == osd]
    assert row["proved"], row

    other = next(t for t in ("kolla-ceph", "rdo-ceph", "ceph-volume") if t != style.type)
    assert "is not of the type" in lab.bw("osd", "replace", str(osd), "--type", other, code=3).stderr.replace("\n", " ")
    planned = lab.json("osd", "replace", str(osd), "--type", style.type, "--plan")
    assert storage.flags() == flags, "a plan touches nothing"

    view = lab.json("osd", "replace", str(osd), "--type", style.type, "--yes", code=4, timeout=LONGEST)
    for answer in style.gates[:-1]:
        view = lab.json("job", "answer", view["job"], answer, code=4, timeout=LONGEST)
    lab.run("disk", "sto1", "pull", style.disk)
    lab.run("disk", "sto1", "insert", style.disk, "--serial", f"LAB-NEW-{osd}")
    view = lab.json("job", "answer", view["job"], style.gates[-1], code=0, timeout=LONGEST)

    assert view["state"] == "done"
    assert storage.node(osd) == before
    assert storage.journal_guids() == slots
    assert storage.others(style.disk) == others, "another disk of the machine holds something else"
    assert storage.flags() == flags
    assert storage.lights() == set()
    assert storage.clean()
    assert storage.is_up(osd)
    (told,) = view["report"]["osds"]
    assert told["disk"]["serial"] == f"LAB-NEW-{osd}"
    assert [s["args"].get("commands") for s in view["steps"]] == [s["args"].get("commands") for s in planned["steps"]]
    left = storage.on("dmsetup ls; docker ps -a --format '{{.Names}}' 2>/dev/null; cat /etc/fstab")
    assert "bootstrap_osd" not in left
    assert left.count("KOLLA_CEPH_OSD_BOOTSTRAP") == 0
    print(_phases(name, told))


@pytest.mark.slow
def test_rebuild(storage: Storage, tmp_path: Path, beats: Path) -> None:
    """The file system of an OSD is broken, its disk is sound: it is made anew on that disk, and nobody is asked for another one."""
    lab, style = Lab(env=storage.lab.env, state=tmp_path / "state"), STYLES["rdo"]
    osd = _made(storage, "rdo")
    before, slots, flags = storage.node(osd), storage.journal_guids(), storage.flags()
    others = storage.others(style.disk)
    serial = next(d.serial for d in storage_vm.machine().drives() if d.name == style.disk)
    folder = f"/var/lib/ceph/osd/ceph-{osd}"
    part = storage.on(f"findmnt -no SOURCE {folder}").strip()
    wipe = f"dd if=/dev/zero of={part} bs=1M count=4 conv=fsync status=none"
    storage.on(f"systemctl kill -s KILL ceph-osd@{osd}; umount -l {folder}; {wipe}")
    storage.wait("it to be down", lambda: not storage.is_up(osd) and storage.served())

    view = lab.json("osd", "rebuild", str(osd), "--type", style.type, "--yes", code=0, timeout=LONGEST)

    assert view["state"] == "done"
    assert storage.node(osd) == before
    assert storage.journal_guids() == slots
    assert storage.others(style.disk) == others, "another disk of the machine holds something else"
    assert storage.flags() == flags
    assert storage.lights() == set()
    assert storage.clean()
    assert storage.is_up(osd)
    (told,) = view["report"]["osds"]
    assert (told["before"]["serial"], told["disk"]) == (serial, None), "no other disk was put in"
    print(_phases("rdo, rebuilt", told))
