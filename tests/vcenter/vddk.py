"""VMware's library for the tests: an empty file where the library would be, and a stand-in for nbdkit on the path."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
from pathlib import Path
from typing import Any

import pytest

STAND_IN = Path(__file__).with_name("nbdkit_stand_in.py")


class Library:
    """What stands in for VDDK, beside a simulator whose files are in `folder`."""

    def __init__(self, folder: Path, certificate: Path, user: str, machines: list[dict[str, Any]]) -> None:
        self.folder = folder
        self.libdir = folder / "vmware-vix-disklib-distrib"
        (self.libdir / "lib64").mkdir(parents=True)
        (self.libdir / "lib64/libvixDiskLib.so.8").touch()
        (folder / "bin").mkdir()
        (folder / "bin/nbdkit").symlink_to(STAND_IN)
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        self.thumbprint = hashlib.sha1(der).digest().hex(":").upper()  # noqa: S324
        store = folder / "datastore"
        disks = {
            f"[ds one] {one['Folder']}/{d['File']}.vmdk": (
                2000 + n,
                str(store / one["Folder"] / f"{d['File']}-flat.vmdk"),
            )
            for one in machines
            for n, d in enumerate(one["Disks"])
        }
        self._site = {
            "plugin": True, "version": 8, "open": "", "read": "", "once": "", "password": "not-a-real-one", "user": user,
            "thumbprint": self.thumbprint, "disks": disks, "frozen": f"{store}-frozen",
        }  # fmt: skip
        self.set()

    def set(self, **more: Any) -> None:
        """Have it behave otherwise from the next start on."""
        self._site |= more
        (self.folder / "vddk.json").write_text(json.dumps(self._site))

    def told(self) -> list[list[str]]:
        """The command lines that served disks."""
        file = self.folder / "told"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def use(self, patch: pytest.MonkeyPatch, prefix: str) -> None:
        """Name it in the configuration, and put the stand-in before the real nbdkit."""
        patch.setenv(f"{prefix}VDDK__LIBDIR", str(self.libdir))
        patch.setenv("BW_TEST_VDDK", str(self.folder))
        patch.setenv("PATH", f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
