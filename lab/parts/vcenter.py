"""An extra part (`lab/lab add vcenter [N]`): a simulated vCenter on ctl1, with real disks behind its datastore.

N small machines beside the others make a crowd, for waves of many.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import secrets
import shutil
import ssl
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lab.guests import cache, debian
from lab.hosts import kill, log_of, running, spawn
from lab.parts import ADDED, part
from lab.run import LabError, run, say, wait
from lab.site import CACHE, HOSTS, ROOT, STATE

CTL = HOSTS["ctl1"]
FOLDER = STATE / "vcenter"
STORE = FOLDER / "datastore"
SOURCES = ROOT / "lab" / "vcenter"
USER = "administrator@vsphere.local"
URL = f"vsphere://{quote(USER, safe='')}@{CTL.address}/"
DATACENTER, DATASTORE, PORTGROUP = "Halle Süd", "ds one", "dv-backend"
DATA_SIZE = (33 << 20) + 512
"""The second disk of vm-shop: neither whole mebibytes nor whole pages, as disks from other tools are."""
MARKER = b"the data disk of vm-shop"
CROWD, CROWD_SIZE, CROWD_DATA = "crowd-", 64 << 20, 32 << 20
"""The names of the crowd begin with it; how large each one's disk is, and how much of it is written (in bytes)."""
TWIN = "420f1234-0000-4000-8000-00000000000b"


def _disk(file: str, size: int = 1 << 20, bus: str = "pvscsi", **more: Any) -> dict[str, Any]:
    return {"File": file, "Size": size, "Bus": bus, **more}


def crowd() -> list[str]:
    """The names of the crowd's machines."""
    file = ADDED / "vcenter"
    many = int((file.read_text() if file.exists() else "").strip() or 0)
    return [f"{CROWD}{n:03}" for n in range(many)]


def machines() -> list[dict[str, Any]]:
    """The machines of the simulator (the fields are those of lab/vcenter/machines.go)."""
    boot = cache.get("tiny").stat().st_size
    nics = [
        {
            "Mac": "00:50:56:aa:01:01",
            "Network": "VM Network",
            "Addresses": ["192.168.122.71", "fe80::250:56ff:feaa:101"],
        },
        {"Mac": "00:50:56:aa:01:02", "Addresses": ["192.168.150.71"]},
    ]
    shop = [_disk("vm-shop", boot), _disk("vm-shop_1", DATA_SIZE, Thin=True)]
    common = {"Cpus": 1, "Memory": 128, "Guest": "debian11_64Guest", "Power": "poweredOff"}
    small = {**common, "Disks": [_disk("disk")]}
    card = [{"Mac": "00:50:56:aa:02:01", "Network": "VM Network", "Model": "e1000"}]
    found = [
        {
            **common,
            "Name": "vm-shop",
            "Disks": shop,
            "Nics": nics,
            "Power": "poweredOn",
            "Tools": True,
            "Tags": ["tier/web", "owner/shop"],
        },
        {**small, "Name": "plain", "Nics": card, "Disks": [_disk("disk", bus="lsilogic")]},
        {**small, "Name": "网店%2fÜbung", "Folder": "unicode", "Firmware": "efi", "SecureBoot": True},
        {**small, "Name": "twin", "Folder": "twin-a", "Bios": TWIN},
        {**small, "Name": "twin", "Folder": "twin-b", "Bios": TWIN},
        {**small, "Name": "rdm", "Disks": [_disk("disk"), _disk("raw", Rdm=True)]},
        {**small, "Name": "shared", "Disks": [_disk("disk", Sharing="sharingMultiWriter")]},
        {**small, "Name": "cluster", "BusSharing": "physicalSharing"},
        {**small, "Name": "vtpm", "Tpm": True, "Firmware": "efi"},
        {**small, "Name": "encrypted", "Encrypted": True},
        {**small, "Name": "independent", "Disks": [_disk("disk", Mode="independent_persistent")]},
        {**small, "Name": "volatile", "Disks": [_disk("disk", Mode="independent_nonpersistent")]},
        {**small, "Name": "snapshots", "Snapshots": 2},
        {**small, "Name": "ancient", "Hardware": 4, "Cd": True},
        {**small, "Name": "suspended", "Power": "suspended"},
        {**small, "Name": "no-tools", "Power": "poweredOn"},
        {**small, "Name": "nvme", "Disks": [_disk("disk", bus="nvme")]},
        {**small, "Name": "diskless", "Disks": []},
        {
            **common,
            "Name": "old-shop",
            "Memory": 512,
            "Disks": [_disk("system", debian.SIZE), _disk("data", 4 << 20)],
            "Nics": [{"Mac": "00:50:56:aa:03:01", "Network": "VM Network"}, {"Mac": "00:50:56:aa:03:02"}],
        },
    ]
    running = {"Power": "poweredOn", "Tools": True}
    for n, name in enumerate(crowd()):
        found.append({**small, "Name": name, "Disks": [_disk("disk", CROWD_SIZE)], **(running if n % 4 == 0 else {})})
    for number, machine in enumerate(found):
        machine.setdefault("Folder", machine["Name"])
        machine["Host"] = number
    return found


def binary() -> Path:
    """The simulator, built from lab/vcenter and Debian's govmomi; made once for each version of its source."""
    sources = sorted(SOURCES.glob("*.go"))
    key = hashlib.sha256(b"".join(f.read_bytes() for f in sources)).hexdigest()[:12]
    folder = CACHE / "vcenter"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"vcenter-{key}"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            say("building the vCenter simulator")
            for old in folder.glob("vcenter-*"):
                old.unlink()
            env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GOCACHE": str(folder / "cache")}
            env |= {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "-trimpath"}
            part_file = file.with_suffix(".part")
            run(["go", "build", "-o", part_file, *sources], env=env, timeout=600)
            part_file.rename(file)
    return file


def flat(machine: str, disk: str) -> Path:
    """The file with a disk's content."""
    return STORE / machine / f"{disk}-flat.vmdk"


def descriptor(size: int, name: str) -> str:
    """The text file that stands for a disk beside its flat file."""
    return (
        '# Disk DescriptorFile\nversion=1\nencoding="UTF-8"\nCID=fffffffe\nparentCID=ffffffff\ncreateType="vmfs"\n\n'
        f'# Extent description\nRW {size // 512} VMFS "{name}-flat.vmdk"\n\n# The Disk Data Base\n#DDB\n\n'
        'ddb.adapterType = "lsilogic"\nddb.virtualHWVersion = "19"\n'
    )


def _disks() -> None:
    for machine in machines():
        for disk in machine["Disks"]:
            file = flat(machine["Folder"], disk["File"])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.with_name(f"{disk['File']}.vmdk").write_text(descriptor(disk["Size"], disk["File"]))
            if file.exists():
                continue
            if disk["File"] == "vm-shop":
                run(["cp", "--sparse=always", cache.get("tiny"), file])
                continue
            with file.open("wb") as f:
                f.truncate(disk["Size"])
                if machine["Folder"].startswith(CROWD):
                    f.write(random.Random(machine["Folder"]).randbytes(CROWD_DATA))  # noqa: S311
                    continue
                f.seek(disk["Size"] // 2 + 123)
                f.write(MARKER * 5000)
                # The last bytes, so that a copy that loses its tail is seen.
                f.seek(disk["Size"] - 10)
                f.write(b"at the end")


def _certificate() -> None:
    if not (FOLDER / "cert.pem").exists():
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
             "-subj", "/CN=vcenter", "-addext", f"subjectAltName=DNS:vcenter,IP:{CTL.address}",
             "-keyout", FOLDER / "key.pem", "-out", FOLDER / "cert.pem"])  # fmt: skip


def _secret(name: str) -> Path:
    file = FOLDER / name
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(12))
    return file


def thumbprint() -> str:
    """The SHA-256 of the certificate, as `openssl x509 -fingerprint` prints it."""
    der = ssl.PEM_cert_to_DER_cert((FOLDER / "cert.pem").read_text())
    return hashlib.sha256(der).digest().hex(":").upper()


def _start() -> None:
    if shutil.which("go") is None:
        raise LabError("Go is missing: make setup")
    program = binary()
    STORE.mkdir(parents=True, exist_ok=True)
    _disks()
    _certificate()
    site = {
        "Listen": f"{CTL.address}:443",
        "Certificate": str(FOLDER / "cert.pem"),
        "Key": str(FOLDER / "key.pem"),
        "User": USER,
        "PasswordFile": str(_secret("password")),
        "ControlFile": str(_secret("control")),
        "Datacenter": DATACENTER,
        "Datastore": DATASTORE,
        "Folder": str(STORE),
        "Portgroup": PORTGROUP,
        "Machines": machines(),
        "Rules": [{"Name": "twins apart", "Apart": True, "Machines": ["twin-a", "twin-b"]}],
    }
    (FOLDER / "site.json").write_text(json.dumps(site, ensure_ascii=False, indent=1))
    spawn(CTL, "vcenter", [program, FOLDER / "site.json"])


def control(method: str, path: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the simulator's own endpoint: ``POST expire``, ``POST faults``, ``POST machine``, ``GET state``."""
    context = ssl.create_default_context(cafile=str(FOLDER / "cert.pem"))
    request = urllib.request.Request(
        f"https://{CTL.address}/lab/{path}",
        method=method,
        data=json.dumps(data or {}).encode() if method == "POST" else None,
        headers={"X-Lab-Token": (FOLDER / "control").read_text()},
    )
    with urllib.request.urlopen(request, timeout=10, context=context) as reply:  # noqa: S310
        found: dict[str, Any] = json.load(reply)
    return found


def _alive() -> bool:
    if not running(CTL, "vcenter"):
        return False
    found = control("GET", "state")["machines"]
    # It tags its machines by its own API, after it has begun to listen.
    return bool(found["tagged"]) and {m["Folder"] for m in machines()} <= set(found)


def reset() -> None:
    """The machines as they were at first: power, disks, no sessions, no faults."""
    kill(CTL, "vcenter")
    shutil.rmtree(STORE, ignore_errors=True)
    shutil.rmtree(f"{STORE}-frozen", ignore_errors=True)
    _start()
    wait(_alive_quietly, "the vCenter", timeout=30, log=log_of(CTL, "vcenter"))


def _alive_quietly() -> bool:
    try:
        return _alive()
    except OSError:
        return False


def environment() -> dict[str, str]:
    """What makes it the source `vcenter` of the operator's configuration."""
    prefix = "BLUE_WIZARD_SOURCES__VCENTER__"
    return {
        f"{prefix}URL": URL,
        f"{prefix}PASSWORD_FILE": str(FOLDER / "password"),
        f"{prefix}THUMBPRINT": thumbprint(),
    }


part(
    "vcenter",
    needs=("host:ctl1",),
    start=_start,
    alive=_alive,
    waits_for="the vCenter",
    timeout=60,
    log=log_of(CTL, "vcenter"),
    extra=environment,
)
