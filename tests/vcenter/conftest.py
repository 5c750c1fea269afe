"""The lab's vCenter simulator on the loopback, one for each test: no cloud is needed. It fails, and does not skip, without Go."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.facts.vsphere import PROPERTIES
from blue_wizard.migrate.sources.vsphere import Vsphere
from blue_wizard.reach import vsphere
from lab.parts import vcenter as part

from .vddk import Library

USER = "operator@vsphere.local"
SIZE = (4 << 20) + 512 * 7
"""Neither whole areas of changes, nor whole grains of a stream, nor whole pages."""
GRAIN = 4 << 10


def disk(file: str = "disk", size: int = SIZE, **more: Any) -> dict[str, Any]:
    return {"File": file, "Size": size, "Bus": "pvscsi", **more}


def machine(name: str, *disks: dict[str, Any], **more: Any) -> dict[str, Any]:
    common = {"Cpus": 1, "Memory": 128, "Guest": "debian11_64Guest", "Power": "poweredOff", "Host": 0}
    return {**common, "Name": name, "Folder": name, "Disks": list(disks or (disk(),)), **more}


class Vcenter:
    """A running simulator and the folder behind its datastore; `library` is where VDDK is configured."""

    library: Library

    def __init__(self, folder: Path, certificate: Path, machines: list[dict[str, Any]], **site: Any) -> None:
        self.folder, self.certificate = folder, certificate
        self.store = folder / "datastore"
        for name in ("password", "control"):
            (folder / name).write_text("not-a-real-one")
            (folder / name).chmod(0o600)
        for one in machines:
            for file in one["Disks"]:
                flat = self.flat(one["Folder"], file["File"])
                flat.parent.mkdir(parents=True, exist_ok=True)
                flat.with_name(f"{file['File']}.vmdk").write_text(part.descriptor(file["Size"], file["File"]))
                with flat.open("wb") as f:
                    f.truncate(file["Size"])
                    f.write(b"begin " + file["File"].encode())
                    f.seek(file["Size"] // 2 + 123)
                    f.write(part.MARKER * 5000)
                    f.seek(file["Size"] - 10)
                    f.write(b"at the end")
        self.store.mkdir(exist_ok=True)
        told = {
            "Listen": f"127.0.0.1:{site.pop('Port', 0)}",
            "Certificate": str(certificate),
            "Key": str(certificate.with_name("key.pem")),
            "User": USER,
            "PasswordFile": str(folder / "password"),
            "ControlFile": str(folder / "control"),
            "Datacenter": "Halle Süd",
            "Datastore": "ds one",
            "Folder": str(self.store),
            "Portgroup": "dv-backend",
            "Grain": GRAIN,
            "Machines": machines,
            **site,
        }
        (folder / "site.json").write_text(json.dumps(told))
        self.log = folder / "log"
        with self.log.open("w") as log:
            self._process = subprocess.Popen([part.binary(), folder / "site.json"], stdout=log, stderr=log)
        self.port = self._port()
        # It tags its machines by its own API, on which no fault must be planted before.
        while not self.control("state")["machines"]["tagged"]:
            assert self._process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        self.url = f"vsphere://operator%40vsphere.local@127.0.0.1:{self.port}/"

    def _port(self) -> int:
        end = time.monotonic() + 30
        while time.monotonic() < end and self._process.poll() is None:
            for line in self.log.read_text().splitlines():
                if "listening on" in line:
                    return int(line.rpartition(":")[2])
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def flat(self, folder: str, file: str = "disk") -> Path:
        return self.store / folder / f"{file}-flat.vmdk"

    def control(self, path: str, **data: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}/lab/{path}",
            method="GET" if path == "state" else "POST",
            data=None if path == "state" else json.dumps(data).encode(),
            headers={"X-Lab-Token": "not-a-real-one"},
        )
        context = ssl.create_default_context(cafile=str(self.certificate))
        with urllib.request.urlopen(request, timeout=30, context=context) as reply:  # noqa: S310
            found: dict[str, Any] = json.load(reply)
        return found

    def state(self, folder: str) -> dict[str, Any]:
        found: dict[str, Any] = self.control("state")["machines"][folder]
        return found

    def source(self) -> Vsphere:
        return Vsphere(self.url)

    def id(self, name: str) -> str:
        found = vsphere.connect(self.url).collect({"VirtualMachine": PROPERTIES["VirtualMachine"]})
        (id,) = (f.id for f in found if f.props["name"] == name)
        return id

    def write(self, folder: str, offset: int, data: bytes, file: str = "disk") -> None:
        with self.flat(folder, file).open("r+b") as f:
            f.seek(offset)
            f.write(data)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


Start = Callable[..., Vcenter]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", "2", "-subj", "/CN=vcenter", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture
def start(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a vCenter with these machines, and make it the source `vc` of the configuration."""
    started: list[Vcenter] = []

    def begin(*machines: dict[str, Any], read: str = "auto", vddk: bool = False, **site: Any) -> Vcenter:
        made = Vcenter(tmp_path, certificate, list(machines), **site)
        started.append(made)
        prefix = "BLUE_WIZARD_SOURCES__VC__"
        said = {"URL": made.url, "PASSWORD_FILE": tmp_path / "password", "CA_FILE": certificate, "READ": read}
        for name, value in said.items():
            monkeypatch.setenv(prefix + name, str(value))
        if vddk or read == "vddk":
            made.library = Library(tmp_path, certificate, USER, list(machines))
            made.library.use(monkeypatch, prefix)
        config.load.cache_clear()
        return made

    yield begin
    for one in started:
        center = vsphere._known.pop(one.url, None)
        if center is not None:
            with closing(center):
                pass
        one.close()
