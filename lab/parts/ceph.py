"""Ceph: one monitor and one manager on ctl1, three OSDs on loop devices, each on a host of its own."""

from __future__ import annotations

import json
import uuid
from functools import partial
from pathlib import Path

from lab.hosts import log_of, on, running, spawn
from lab.parts import part
from lab.run import ok, run
from lab.site import CLOUD_B, CONTROLLER, HOSTS, LAB, STATE, Cloud, Host, fill

CTL = HOSTS["ctl1"]
FOLDER = STATE / "ceph"
CONF = FOLDER / "ceph.conf"
OSD_HOSTS = [h for h in HOSTS.values() if h.osd]
OSD_SIZE = "14G"
POOLS = ("images", "volumes", "vms")


def ceph(*args: str, stdin: str | None = None) -> str:
    """The `ceph` command as the administrator, from outside the hosts."""
    return run(["ceph", "-c", CONF, "--connect-timeout", "10", *args], stdin=stdin, timeout=60)


def _monitor() -> None:
    for name in ("run", "mgr"):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    (STATE / "log" / "ceph").mkdir(parents=True, exist_ok=True)
    if not (FOLDER / "mon" / "store.db").exists():
        fsid = str(uuid.uuid4())
        CONF.write_text(fill("ceph.conf", FSID=fsid))
        admin = FOLDER / "keyring.client.admin"
        mon = FOLDER / "keyring.mon.a"
        run(["ceph-authtool", "--create-keyring", admin, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *",
             "--cap", "osd", "allow *", "--cap", "mds", "allow *", "--cap", "mgr", "allow *"])  # fmt: skip
        run(["ceph-authtool", "--create-keyring", mon, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"])
        run(["ceph-authtool", mon, "--import-keyring", admin])
        address = f"[v2:{CONTROLLER}:3300,v1:{CONTROLLER}:6789]"
        run(["monmaptool", "--create", "--clobber", "--addv", "a", address, "--fsid", fsid, FOLDER / "monmap"])
        (FOLDER / "mon").mkdir(exist_ok=True)
        run(["ceph-mon", "-c", CONF, "--mkfs", "-i", "a", "--monmap", FOLDER / "monmap", "--keyring", mon])
    spawn(CTL, "ceph-mon", ["ceph-mon", "-f", "-c", CONF, "-i", "a", "--public-addr", CONTROLLER])


def _monitor_answers() -> bool:
    return running(CTL, "ceph-mon") and ok(["ceph", "-c", CONF, "--connect-timeout", "3", "mon", "stat"], timeout=8)


def _manager() -> None:
    keyring = FOLDER / "keyring.mgr.x"
    keyring.touch(mode=0o600)
    keyring.write_text(
        ceph("auth", "get-or-create", "mgr.x", "mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")
    )
    spawn(CTL, "ceph-mgr", ["ceph-mgr", "-f", "-c", CONF, "-i", "x"])


def _manager_answers() -> bool:
    return running(CTL, "ceph-mgr") and json.loads(ceph("mgr", "stat", "-f", "json"))["available"]


def loop_device(file: Path) -> str:
    """The loop device that stands on the file; one is made when there is none."""
    found = run(["losetup", "-j", file, "-O", "NAME", "-n"]).split()
    return found[0] if found else run(["losetup", "--find", "--show", file]).strip()


def _osd(host: Host) -> None:
    number = OSD_HOSTS.index(host)
    folder = FOLDER / f"osd.{number}"
    disk = FOLDER / f"disk.{number}"
    folder.mkdir(parents=True, exist_ok=True)
    if not disk.exists():
        run(["truncate", "-s", OSD_SIZE, disk])
    device = loop_device(disk)
    block = folder / "block"
    block.unlink(missing_ok=True)
    block.symlink_to(device)
    keyring = FOLDER / f"keyring.osd.{number}"
    if not (folder / "ready").exists():
        key = run(["ceph-authtool", "--gen-print-key"]).strip()
        osd_uuid = str(uuid.uuid4())
        ceph("osd", "new", osd_uuid, str(number), "-i", "-", stdin=json.dumps({"cephx_secret": key}))
        keyring.touch(mode=0o600)
        keyring.write_text(f"[osd.{number}]\n\tkey = {key}\n")
        on(host, ["ceph-osd", "-c", CONF, "-i", str(number), "--mkfs", "--osd-uuid", osd_uuid])
    spawn(host, "ceph-osd", ["ceph-osd", "-f", "-c", CONF, "-i", str(number), "--public-addr", host.address,
                             "--cluster-addr", host.address, "--crush-location", f"root=default host={host.name}"])  # fmt: skip


def _osd_up(host: Host) -> bool:
    if not running(host, "ceph-osd"):
        return False
    tree = json.loads(ceph("osd", "tree", "-f", "json"))
    return any(n["id"] == OSD_HOSTS.index(host) and n["status"] == "up" for n in tree["nodes"])


def _pools(cloud: Cloud) -> None:
    ceph("config", "set", "mon", "auth_allow_insecure_global_id_reclaim", "false")
    end = cloud.suffix
    existing = ceph("osd", "pool", "ls").split()
    for pool in [p + end for p in POOLS]:
        if pool not in existing:
            ceph("osd", "pool", "create", pool, "16")
        run(["rbd", "-c", CONF, "pool", "init", pool], timeout=60)
    users = {
        f"glance{end}": f"profile rbd pool=images{end}",
        f"cinder{end}": ", ".join(f"profile rbd pool={p}{end}" for p in ("volumes", "vms", "images")),
    }
    for user, caps in users.items():
        keyring = FOLDER / f"keyring.client.{user}"
        keyring.touch(mode=0o600)
        keyring.write_text(ceph("auth", "get-or-create", f"client.{user}", "mon", "profile rbd", "osd", caps,
                                "mgr", "profile rbd"))  # fmt: skip


def _healthy(cloud: Cloud) -> bool:
    users = all((FOLDER / f"keyring.client.{u}{cloud.suffix}").exists() for u in ("glance", "cinder"))
    return users and ceph("health").startswith("HEALTH_OK")


part("ceph-mon", needs=("host:ctl1",), start=_monitor, alive=_monitor_answers, log=log_of(CTL, "ceph-mon"))
part("ceph-mgr", needs=("ceph-mon",), start=_manager, alive=_manager_answers, log=log_of(CTL, "ceph-mgr"))
for _h in OSD_HOSTS:
    part(
        f"ceph-osd:{_h.name}",
        needs=("ceph-mon", f"host:{_h.name}"),
        start=partial(_osd, _h),
        alive=partial(_osd_up, _h),
        log=log_of(_h, "ceph-osd"),
    )
part(
    "ceph",
    needs=("ceph-mgr", *(f"ceph-osd:{h.name}" for h in OSD_HOSTS)),
    start=partial(_pools, LAB),
    alive=partial(_healthy, LAB),
    waits_for="HEALTH_OK of Ceph",
)
part(
    f"pools{CLOUD_B.suffix}",
    needs=("ceph",),
    start=partial(_pools, CLOUD_B),
    alive=partial(_healthy, CLOUD_B),
    waits_for="HEALTH_OK of Ceph",
    of=CLOUD_B.extra,
)
