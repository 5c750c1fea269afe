"""An extra part (`lab/lab add storage-vm`): the storage host sto1, a virtual machine with disks that can be pulled."""

from __future__ import annotations

import fcntl
import hashlib
from pathlib import Path

from lab.guests import storage
from lab.parts import part
from lab.parts.ceph import CONF, FOLDER, ceph
from lab.run import ok, run, say
from lab.site import CACHE, HOSTS, OPERATOR, PREFIX, STATE
from lab.storage.machine import Machine

NAME, ADDRESS = "sto1", "10.99.0.20"
KEY = STATE / "sto1" / "ssh_host_ed25519_key"


def image() -> Path:
    """The folder with the machine's disk, kernel and initramfs; made once for each version of its recipe."""
    sources = [Path(storage.__file__), *sorted(p for p in storage.SCRIPTS.iterdir() if not p.suffix)]
    key = hashlib.sha256(b"".join(p.read_bytes() for p in sources)).hexdigest()[:12]
    folder = CACHE / "storage" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "root.raw").exists():
            say("making the disk of the storage host (some minutes, once)")
            part_folder = folder.with_suffix(".part")
            storage.build(part_folder)
            part_folder.rename(folder)
    return folder


def machine() -> Machine:
    """The storage host."""
    return Machine(STATE / NAME, image(), NAME, ADDRESS, OPERATOR, f"{PREFIX}t-{NAME}")


def ssh() -> list[str | Path]:
    """The words before a command on it."""
    return ["ssh", "-F", STATE / "ssh" / "config", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", f"root@{ADDRESS}"]


def _start() -> None:
    folder = STATE / NAME
    folder.mkdir(parents=True, exist_ok=True)
    if not KEY.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", NAME, "-f", KEY])
    known = STATE / "ssh" / "known_hosts"
    line = f"{NAME},{ADDRESS} {' '.join(KEY.with_suffix('.pub').read_text().split()[:2])}\n"
    if line not in known.read_text():
        with known.open("a") as f:
            f.write(line)
    vm = machine()
    if not ok(["ip", "link", "show", vm.tap]):
        run(["ip", "tuntap", "add", vm.tap, "mode", "tap"])
        run(["ip", "link", "set", vm.tap, "master", "bwl-mgmt", "up"])
    vm.start(files())


def files() -> dict[str, tuple[str, int]]:
    """What makes it a host of this lab: keys, names, Ceph."""
    fsid = next(x.split("=")[1].strip() for x in CONF.read_text().splitlines() if x.startswith("fsid"))
    conf = (
        f"[global]\nfsid = {fsid}\nmon_host = 10.99.0.10:6789\nosd_journal_size = 512\n"
        "osd_memory_target = 939524096\nbluestore_cache_autotune = false\nbluestore_cache_size = 67108864\n"
    )
    hosts = "127.0.0.1 localhost\n" + "".join(f"{h.address} {h.name}\n" for h in HOSTS.values()) + f"{ADDRESS} {NAME}\n"
    return {
        "etc/hosts": (hosts, 0o644),
        "etc/ceph/ceph.conf": (conf, 0o644),
        "etc/ceph/ceph.client.admin.keyring": ((FOLDER / "keyring.client.admin").read_text(), 0o600),
        "var/lib/ceph/bootstrap-osd/ceph.keyring": (ceph("auth", "get", "client.bootstrap-osd"), 0o600),
        "root/.ssh/authorized_keys": ((STATE / "ssh" / "id_ed25519.pub").read_text(), 0o600),
        "etc/ssh/ssh_host_ed25519_key": (KEY.read_text(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (KEY.with_suffix(".pub").read_text(), 0o644),
    }


def environment() -> dict[str, str]:
    """What makes it a host of the operator's configuration."""
    return {f"BLUE_WIZARD_HOSTS__{NAME.upper()}__ADDRESS": ADDRESS, f"BLUE_WIZARD_HOSTS__{NAME.upper()}__USER": "root"}


part(
    "storage-vm",
    needs=("bridges", "ssh-keys", "ceph-mon", "ceph-mgr"),
    start=_start,
    alive=lambda: (STATE / NAME / "qemu.pid").exists() and machine().answers(ssh()),
    waits_for="the storage host to let us in",
    timeout=300,
    log=STATE / NAME / "console.log",
    extra=environment,
)
