"""A disk is put into the place of an instance's file, on this machine in the role of the compute host."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import Refused, StepFailed
from blue_wizard.facts.libvirt_xml import Domain, DomainDisk
from blue_wizard.migrate.targets import compute, local_disks, origin
from blue_wizard.migrate.targets.compute import ComputeHost
from blue_wizard.migrate.targets.local_disks import ImportLocalDisk
from blue_wizard.reach import ssh

from .hands import Hands, Here

UUID = "8c86a321-1359-4312-a9c7-4db8b16ba264"
SIZE = (3 << 20) + 512


class World:
    """One instance with a qcow2 of 1 GiB on a blank base, and a source of 3 MiB."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "m.raw"
        self.source.write_bytes(b"source" * 100000 + bytes(SIZE - 600000))
        base, self.disk = folder / "base", folder / UUID / "disk"
        base.write_bytes(bytes(1 << 20))
        self.disk.parent.mkdir()
        options = ["-q", "-f", "qcow2", "-b", base, "-F", "raw"]
        subprocess.run(["qemu-img", "create", *options, self.disk, "1G"], check=True)
        self.disk.chmod(0o640)
        self.beside = self.disk.with_name("disk.blue-wizard")
        self.server: dict[str, Any] = {
            "id": UUID,
            "metadata": {"blue_wizard": "job=j1 step=server"},
            "status": "SHUTOFF",
            "OS-EXT-STS:task_state": None,
            "OS-EXT-SRV-ATTR:host": "here",
        }
        self.state = "shut off"
        self.path = str(self.disk)
        self.ctx = Hands({"server": {"server_id": UUID}})
        self.args = {"cloud": "c", "source": f"files://{self.source}", "machine": "m.raw", "disk": "m.raw",
                     "size": SIZE, "file": "disk", "gib": 1}  # fmt: skip

    def domain(self, _uuid: str) -> tuple[str, Domain]:
        disk = DomainDisk("vda", "file", self.path, "qcow2", "virtio", readonly=False, order=None)
        return self.state, Domain(UUID, "i", 1, 128, False, False, (disk,), (), False)

    def content(self) -> bytes:
        raw = self.disk.with_name("raw")
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", self.disk, raw], check=True)
        with raw.open("rb") as f:
            return f.read(SIZE)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Here:
    here = Here()
    monkeypatch.setattr(ssh, "host", lambda _name: here)
    monkeypatch.setattr(compute, "_SOCKETS", str(tmp_path))
    return here


@pytest.fixture
def world(host: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    assert host.said == []
    made = World(tmp_path)
    monkeypatch.setattr(ComputeHost, "domain", made.domain)
    monkeypatch.setattr(local_disks, "server_of", lambda _ctx, _args: made.server)
    return made


def test_the_disk_stands_alone_and_has_its_old_size_and_mode(world: World) -> None:
    action = ImportLocalDisk()
    assert action.probe(world.ctx, world.args) is None
    outcome = action.do(world.ctx, world.args)
    action.verify(world.ctx, world.args, outcome)
    assert outcome["target"] == f"local:here:{world.disk}"
    assert outcome["sha256"] == hashlib.sha256(world.source.read_bytes()).hexdigest()
    assert world.content() == world.source.read_bytes()
    assert world.disk.stat().st_mode & 0o777 == 0o640
    assert not world.beside.exists()
    # Killed right after the replacement, it is found done; once the file changes, it is not.
    assert action.probe(world.ctx, world.args) == outcome
    world.disk.write_bytes(world.disk.read_bytes() + b"x")
    assert action.probe(world.ctx, world.args) is None


def test_what_a_killed_attempt_left_is_made_anew_or_removed(world: World) -> None:
    world.beside.write_bytes(b"half a disk")
    ImportLocalDisk().do(world.ctx, world.args)
    assert world.content() == world.source.read_bytes()
    world.beside.write_bytes(b"half a disk")
    ImportLocalDisk().undo(world.ctx, world.args, None)
    assert not world.beside.exists()
    assert world.disk.exists()


def test_a_disk_that_was_tampered_with_does_not_stand_up_to_a_second_look(world: World) -> None:
    outcome = ImportLocalDisk().do(world.ctx, world.args)
    subprocess.run(["qemu-img", "resize", "-q", "-f", "qcow2", world.disk, "2G"], check=True)
    with pytest.raises(StepFailed, match="not the disk"):
        ImportLocalDisk().verify(world.ctx, world.args, outcome)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"state": "running"}, "its domain is running"),
        ({"path": "/elsewhere/disk"}, "no file"),
        ({"path": f"/srv/{UUID}/disk.eph0"}, "no file"),
    ],
)
def test_refused_when_libvirt_says_otherwise(world: World, change: dict[str, str], word: str) -> None:
    for name, value in change.items():
        setattr(world, name, value)
    _refused(world, word)


def test_refused_when_nova_does_not_say_the_host(world: World) -> None:
    del world.server["OS-EXT-SRV-ATTR:host"]
    _refused(world, "on which host")


def test_refused_when_the_size_is_another_one(world: World) -> None:
    world.args["gib"] = 2
    _refused(world, "bytes and not")


def test_refused_while_somebody_has_the_file_open(world: World) -> None:
    with world.disk.open("rb"):
        _refused(world, "open")


def _refused(world: World, word: str) -> None:
    before = world.disk.read_bytes()
    with pytest.raises(Refused, match=word):
        ImportLocalDisk().do(world.ctx, world.args)
    assert world.disk.read_bytes() == before
    assert not world.beside.exists()
    assert world.ctx.events == []


def test_a_server_that_is_started_meanwhile_keeps_its_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = world.disk.read_bytes()

    def started(*_args: object) -> None:
        world.server["status"] = "ACTIVE"

    monkeypatch.setattr(origin, "expect", started)
    with pytest.raises(Refused, match="not stopped"):
        ImportLocalDisk().do(world.ctx, world.args)
    assert world.disk.read_bytes() == before


def test_no_room_is_told_before_anything_is_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ComputeHost, "free", lambda _host, _path: 4096)
    with pytest.raises(StepFailed, match="0 MiB left"):
        ImportLocalDisk().do(world.ctx, world.args)
    assert not world.beside.exists()


def test_commands_run_where_libvirt_lives(host: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("clouds: {c: {compute_exec: [env, INSIDE=1]}}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    image = tmp_path / "image"
    inside = ComputeHost("c", "here")
    inside.create(str(image), "qcow2", 1 << 20)
    with inside.serve(str(image), "qcow2") as uri:
        assert "socket" in uri
    assert inside.image(str(image)).size == 1 << 20
    assert {tuple(argv[:2]) for argv in host.said} == {("env", "INSIDE=1")}


def test_hosts_without_the_tools_are_named(host: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "_TOOLS", ("sh", "no-such-tool"))
    assert compute.unusable("c", ["one", "two"]) == dict.fromkeys(("one", "two"), "there is no no-such-tool")
    monkeypatch.setattr(compute, "_TOOLS", ("sh",))
    assert compute.unusable("c", ["one"]) == {}
    assert len(host.said) == 3
