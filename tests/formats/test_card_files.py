"""Names of cards in the disk of a guest: libguestfs takes the configuration out of a real file system, and puts the files in."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.config import CephAccess
from blue_wizard.errors import StepFailed
from blue_wizard.facts.card_names import CardNames
from blue_wizard.migrate import card_files
from blue_wizard.migrate.card_rules import LINK_FOLDER, Written, written
from blue_wizard.migrate.targets import cards
from blue_wizard.migrate.targets.cards import SNAPSHOT, KeepNames
from blue_wizard.reach import nbd
from tests.unit.migrate.hands import Hands

from .test_guest_disks import run

MAC, NEW = "00:50:56:9a:11:22", "fa:16:3e:00:00:01"
INTERFACES = "auto lo\niface lo inet loopback\nauto ens192\niface ens192 inet dhcp\n"
DEBIAN = {
    "etc/os-release": 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n',
    "etc/debian_version": "12.1\n",
    "etc/fstab": "/dev/sda / ext4 defaults 0 1\n",
    "etc/network/interfaces": INTERFACES,
    "etc/systemd/network/.keep": "",
    "etc/udev/rules.d/70-persistent-net.rules": f'SUBSYSTEM=="net", ATTR{{address}}=="{MAC}", NAME="ens192"\n',
    "usr/lib/systemd/network/99-default.link": "[Match]\nOriginalName=*\n",
    "usr/lib/systemd/libsystemd-shared-252.so": "",
    "bin/sh": "",
}
LABEL = "system_u:object_r:etc_t:s0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk of a guest like a Debian, with a link and a pipe where somebody of bad will would put them."""
    if not shutil.which("guestfish"):
        pytest.skip("guestfish is not installed")
    folder = tmp_path_factory.mktemp("guest")
    root = folder / "root"
    for path, text in DEBIAN.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "etc/systemd/network/host.network").symlink_to("/etc/hostname")
    disk = folder / "disk.raw"
    run("mke2fs", "-q", "-t", "ext4", "-d", str(root), str(disk), "64M")
    run("debugfs", "-w", "-R", f"ea_set /etc/systemd/network security.selinux {LABEL}", str(disk))
    run("debugfs", "-w", "-R", "mknod /etc/systemd/network/pipe.network p", str(disk))
    return disk


class Copies:
    """A pool whose one image is a file, and whose snapshots are copies of it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def _kept(self, name: str) -> Path:
        return self.file.with_suffix(f".{name}")

    def snapshots(self, _image: str) -> list[str]:
        return [SNAPSHOT] if self._kept(SNAPSHOT).exists() else []

    def snapshot(self, _image: str, name: str) -> None:
        shutil.copyfile(self.file, self._kept(name))

    def roll_back(self, _image: str, name: str) -> None:
        shutil.copyfile(self._kept(name), self.file)

    def remove_snapshot(self, _image: str, name: str) -> None:
        self._kept(name).unlink(missing_ok=True)


@pytest.fixture
def copy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the disk in a pool of its own."""
    # Where virtual machines are virtual machines themselves, KVM may be there and not work.
    monkeypatch.setenv("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
    file = tmp_path / "disk.raw"
    shutil.copyfile(made, file)
    access = CephAccess(conf=tmp_path, client="c", pool="p")
    monkeypatch.setattr(cards, "ceph_access", lambda _cloud: access)
    monkeypatch.setattr(cards.protected, "ceph_access", lambda _cloud: access)
    monkeypatch.setattr(cards.ceph, "open_pool", lambda _access: nullcontext(Copies(file)))
    monkeypatch.setattr(cards, "prove", lambda _ctx, _args, _pool: "image")
    monkeypatch.setattr(cards.nbd, "rbd_node", lambda *_where, **_how: nbd.file_node(file, "raw"))
    return file


def _debugfs(disk: Path, request: str) -> str:
    argv = ["/usr/sbin/debugfs", "-R", request, str(disk)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_the_file_is_written_as_a_whole_or_not_at_all(
    copy: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program reads it back. Written twice is what was written once, and a step that fails has written nothing."""
    found: list[CardNames | None] = []
    ctx: Any = Hands({"port.0": {"mac": NEW}})
    args: dict[str, Any] = {"cloud": "c", "name": "m", "volumes": ["volume.0"]}
    args["cards"] = [{"port": "port.0", "was": MAC, "name": ""}]
    look, put = card_files.look, card_files.put

    def looked(uris: Sequence[str]) -> CardNames | None:
        found.append(look(uris))
        return found[-1]

    def fails(uris: Sequence[str], files: Sequence[Written], names: CardNames) -> None:
        put(uris, files, names)
        raise StepFailed("after everything was written")

    def twice(uris: Sequence[str], files: Sequence[Written], names: CardNames) -> None:
        put(uris, files, names)
        once.write_bytes(copy.read_bytes())
        put(uris, files, names)

    once = tmp_path / "once.raw"
    monkeypatch.setattr(card_files, "look", looked)
    monkeypatch.setattr(card_files, "put", fails)
    with pytest.raises(StepFailed):
        KeepNames().do(ctx, args)
    assert copy.read_bytes() == made.read_bytes()
    seen = found[0]
    assert seen is not None
    assert [(b.file, b.name) for b in seen.bound] == [("/etc/network/interfaces", "ens192")]
    assert (seen.given, seen.links, seen.labels) == ({MAC: "ens192"}, True, {LINK_FOLDER: LABEL})

    monkeypatch.setattr(card_files, "look", lambda _uris: seen)
    monkeypatch.setattr(card_files, "put", twice)
    assert KeepNames().do(ctx, args) == {"names": {NEW: "ens192"}}
    path = "/etc/systemd/network/60-blue-wizard-ens192.link"
    for disk in (once, copy):
        assert _debugfs(disk, f"cat {path}") == written(seen, [(NEW, "ens192")])[0].text
        assert LABEL in _debugfs(disk, f"ea_get {path} security.selinux")
        assert "Mode:  0644" in _debugfs(disk, f"stat {path}")
        assert _debugfs(disk, "ls -p /etc/systemd/network").count("blue-wizard") == 1
        assert _debugfs(disk, "cat /etc/network/interfaces") == INTERFACES
