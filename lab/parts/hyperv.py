"""An extra part (`lab/lab add hyperv`): a Hyper-V host. Its disks are real, behind an SMB server; its PowerShell is a record."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import socket
import sys
import uuid
from pathlib import Path
from typing import Any

from lab.guests import cache
from lab.guests.vhdx import linked, vhdx, written_of
from lab.hosts import kill, log_of, on, running, spawn
from lab.parts import part
from lab.run import LabError, run, wait
from lab.site import HOSTS, ROOT, STATE

HOST = HOSTS["kvm1"]
NAME, SSH_PORT = "hv1", 2222
FOLDER = STATE / "hyperv"
DRIVE = FOLDER / "c"
URL = f"hyperv+ssh://root@{NAME}/?disks=smb"
MIB = 1 << 20
DATA_SIZE = 24 * MIB
MARKER = b"the data disk of web"
_SMB = """[global]
  workgroup = LAB
  server role = standalone server
  interfaces = {address}
  bind interfaces only = yes
  disable netbios = yes
  smb ports = 445
  server min protocol = SMB3
  map to guest = never
  log level = 1
  load printers = no
  private dir = {folder}/private
  lock directory = {folder}/lock
  state directory = {folder}/state
  cache directory = {folder}/cache
  pid directory = {folder}/pid
  ncalrpc dir = {folder}/ncalrpc
[C$]
  path = {drive}
  valid users = root
  read only = yes
"""


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.hv1.lab"))


def _file(path: str, kind: str = "Dynamic", *, size: int = MIB, sector: int = 512) -> dict[str, Any]:
    return {"path": path, "format": "VHDX", "type": kind, "size": size, "file": 4 * MIB, "sector": sector}


def _disk(place: str, *chain: dict[str, Any], path: str = "", **more: Any) -> dict[str, Any]:
    controller, number, location = place.split("-")
    path = path or (chain[0]["path"] if chain else "")
    base = {"physical": False, "shared": False, "path": path, "chain": list(chain)}
    return {"controller": controller, "number": int(number), "location": int(location), **base, **more}


def _vm(name: str, *disks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One machine as INVENTORY returns it, with the usual answers for all that is not said."""
    usual = {
        "id": _id(name), "name": name, "state": "Off", "status": "Ok", "generation": 1, "version": "10.0", "cpus": 1,
        "startup": 128 * MIB, "dynamic": False, "minimum": 128 * MIB, "maximum": 1 << 40, "assigned": 0, "secureboot": "",
        "tpm": False, "shielded": False, "encrypted": False, "checkpoints": 0, "replication": "None", "clustered": False,
        "shutdown": True, "autostart": "StartIfRunning", "devices": 0, "fibre": 0, "dvd": 0, "boot": [], "disks": list(disks),
        "nics": [{"mac": "00155D0A0001", "switch": "LAN", "legacy": False, "mode": "Untagged", "vlan": 0, "addresses": []}],
    }  # fmt: skip
    return {**usual, **more}


def machines() -> list[dict[str, Any]]:
    """The machines. Only `web` has files behind its disks; the others are there for what keeps them from moving."""
    size = cache.get("tiny").stat().st_size
    web = [
        _file("C:\\VMs\\web\\web_6F9619FF-8B86-D011-B42D-00C04FC964FF.avhdx", "Differencing", size=size),
        _file("C:\\VMs\\web\\web_0E984725-C51C-4BF4-9960-E1C80E27ABA0.avhdx", "Differencing", size=size),
        _file("C:\\VMs\\base\\golden.vhdx", size=size),
    ]
    nic = {"mac": "00155D0A0102", "switch": "LAN", "legacy": False, "mode": "Access", "vlan": 20}
    one = _disk("SCSI-0-0", _file("C:\\VMs\\x.vhdx"))
    return [
        _vm(
            "web", _disk("IDE-0-0", *web), _disk("SCSI-0-0", _file("C:\\VMs\\web\\data.vhd", size=DATA_SIZE)),
            checkpoints=2, dynamic=True, assigned=128 * MIB, nics=[{**nic, "addresses": ["192.168.122.81", "fe80::1"]}],
        ),
        _vm("gen2", one, generation=2, secureboot="On", boot=["C:\\VMs\\x.vhdx"]),
        _vm("网店", one, clustered=True),
        _vm("vtpm", one, generation=2, tpm=True, secureboot="On"),
        _vm("shielded", one, generation=2, shielded=True),
        _vm("physical", _disk("SCSI-0-0", path="Disk 3 100.00 GB Bus 0 Lun 0 Target 0", physical=True)),
        _vm("shared", _disk("SCSI-0-0", _file("C:\\VMs\\x.vhdx"), shared=True)),
        _vm("vhdset", _disk("SCSI-0-0", path="C:\\ClusterStorage\\a.vhds")),
        _vm("saved", one),
        _vm("replica", one, replication="Replica"),
        _vm("merging", one, status="MergingDisks"),
        _vm("4kn", _disk("SCSI-0-0", _file("C:\\VMs\\x.vhdx", sector=4096))),
        _vm("lost", _disk("SCSI-0-0", {"path": "C:\\VMs\\gone.vhdx", "error": "The system cannot find the file specified."})),
        _vm("no-services", one, shutdown=False),
        _vm("diskless"),
    ]  # fmt: skip


POWER = {"web": "Running", "saved": "Saved", "no-services": "Running"}


def local(path: str) -> Path:
    """Where a file of the host's drive C: is."""
    return DRIVE / path.removeprefix("C:\\").replace("\\", "/")


def _disks() -> None:
    """`web`: a golden image, and two checkpoints above it, which together make up the tiny guest."""
    top, middle, base = (local(f["path"]) for f in machines()[0]["disks"][0]["chain"])
    data = local("C:\\VMs\\web\\data.vhd")
    if data.exists():
        return
    for file in (top, base):
        file.parent.mkdir(parents=True, exist_ok=True)
    content = cache.get("tiny").read_bytes()
    size = len(content)
    used = [n for n in range(size // MIB) if content[n * MIB : (n + 1) * MIB].count(0) < MIB]
    old = bytearray(content)
    # What the guest "wrote since": whole blocks in the second file, every second sector of others in the newest.
    whole, partly = used[1::3], used[2::3]
    for n in (*whole, *partly):
        old[n * MIB : (n + 1) * MIB] = b"what was here before".ljust(MIB, b"~")
    raw = FOLDER / "golden.raw"
    raw.write_bytes(old)
    run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "vhdx", raw, base])
    raw.unlink()
    odd = [i % 2 == 1 for i in range(MIB // 512)]
    even = [not x for x in odd]

    def block(n: int) -> bytes:
        return content[n * MIB : (n + 1) * MIB]

    middle_id = uuid.UUID(int=0x6D6964646C65)
    parts: dict[int, Any] = {n: block(n) for n in whole} | {n: (even, block(n)) for n in partly}
    relative = f"..\\base\\{base.name}"
    middle.write_bytes(vhdx(parts, size, written=middle_id, parent=linked(written_of(base), relative)))
    parts = {n: (odd, block(n)) for n in partly}
    top.write_bytes(vhdx(parts, size, written=uuid.UUID(int=0x746F70), parent=linked(middle_id, f".\\{middle.name}")))
    raw = FOLDER / "data.raw"
    with raw.open("wb") as f:
        f.truncate(DATA_SIZE)
        f.seek(DATA_SIZE // 2 + 123)
        f.write(MARKER * 5000)
    run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "vpc", "-o", "force_size=on", raw, data])
    raw.rename(FOLDER / "expected-data.raw")


def expected() -> dict[str, str]:
    """The SHA-256 of what each disk of `web` holds, as it was made."""
    disks = {"ide-0-0": cache.get("tiny"), "scsi-0-0": FOLDER / "expected-data.raw"}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in disks.items()}


def _secret() -> Path:
    file = FOLDER / "password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(12))
    return file


def _samba() -> None:
    folder = FOLDER / "samba"
    for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    conf = folder / "smb.conf"
    conf.write_text(_SMB.format(address=f"{HOST.address}/24", folder=folder, drive=DRIVE))
    word = _secret().read_text()
    on(HOST, ["smbpasswd", "-c", conf, "-L", "-s", "-a", "root"], stdin=f"{word}\n{word}\n")
    spawn(HOST, "smbd", ["smbd", "--foreground", "--no-process-group", "--debug-stdout", "-s", conf])


def _sshd() -> None:
    config = FOLDER / "sshd_config"
    python = Path(sys.executable)
    config.write_text(
        f"ListenAddress {HOST.address}:{SSH_PORT}\nHostKey {HOST.folder}/ssh_host_ed25519_key\n"
        f"AuthorizedKeysFile {STATE}/ssh/id_ed25519.pub\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nUseDNS no\nPidFile none\n"
        f"ForceCommand {python} -I {ROOT}/lab/hyperv/powershell.py {FOLDER}\n"
    )
    known = STATE / "ssh" / "known_hosts"
    public = " ".join((HOST.folder / "ssh_host_ed25519_key.pub").read_text().split()[:2])
    line = f"[{HOST.address}]:{SSH_PORT} {public}\n"
    if line not in known.read_text():
        with known.open("a") as f:
            f.write(line)
    spawn(HOST, "hyperv-sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", config])


def _start() -> None:
    if shutil.which("smbd") is None:
        raise LabError("samba is missing: make setup")
    FOLDER.mkdir(parents=True, exist_ok=True)
    _disks()
    found = machines()
    (FOLDER / "inventory.json").write_text(json.dumps(found, ensure_ascii=False, indent=1))
    power = FOLDER / "power.json"
    if not power.exists():
        power.write_text(json.dumps({m["id"]: {"state": POWER.get(m["name"], "Off"), "until": 0} for m in found}))
    _samba()
    _sshd()


def _alive() -> bool:
    if not (running(HOST, "smbd") and running(HOST, "hyperv-sshd")):
        return False
    for port in (445, SSH_PORT):
        with socket.create_connection((HOST.address, port), 2):
            pass
    return True


def _alive_quietly() -> bool:
    try:
        return _alive()
    except OSError:
        return False


def state(name: str) -> str:
    """The power of a machine, as the host keeps it."""
    found = json.loads((FOLDER / "power.json").read_text())
    return str(found[_id(name)]["state"])


def reset() -> None:
    """The machines as they were at first."""
    stop()
    _start()
    wait(_alive_quietly, "the Hyper-V host", timeout=30, log=log_of(HOST, "smbd"))


def stop() -> None:
    """Take the host away, with its disks."""
    for daemon in ("smbd", "hyperv-sshd"):
        kill(HOST, daemon)
    shutil.rmtree(FOLDER, ignore_errors=True)


def environment() -> dict[str, str]:
    """What makes it a host, and a source, of the operator's configuration."""
    host, source = f"BLUE_WIZARD_HOSTS__{NAME.upper()}", f"BLUE_WIZARD_SOURCES__{NAME.upper()}"
    return {
        f"{host}__ADDRESS": HOST.address,
        f"{host}__PORT": str(SSH_PORT),
        f"{host}__USER": "root",
        f"{source}__URL": URL,
        f"{source}__PASSWORD_FILE": str(FOLDER / "password"),
    }


part(
    "hyperv",
    needs=("host:kvm1", "ssh-keys"),
    start=_start,
    alive=_alive,
    waits_for="the Hyper-V host",
    timeout=60,
    log=log_of(HOST, "smbd"),
    extra=environment,
    stop=stop,
)
