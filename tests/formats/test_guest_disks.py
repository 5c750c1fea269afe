"""Disks that other programs have made, as a look at their first sectors sees them: partition tables, contents, sleeping Windows."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.cli import main
from blue_wizard.facts import ntfs, signatures
from blue_wizard.facts.partitions import Table, parse
from blue_wizard.migrate import images
from blue_wizard.migrate.guest_look import look
from blue_wizard.migrate.images import Place
from blue_wizard.migrate.machine import Disk, Machine, Power
from blue_wizard.migrate.sources.files import Files
from blue_wizard.migrate.sources.kvm import Kvm

MIB = 1 << 20


def run(*argv: str, told: str = "") -> None:
    """Run a program on a file; without it there is nothing to compare with, and the test says so."""
    if shutil.which(argv[0], path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        pytest.skip(f"{argv[0]} is not installed")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    done = subprocess.run(argv, input=told, text=True, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    file = tmp_path / "disk.raw"
    with file.open("wb") as f:
        f.truncate(400 * MIB)
    return file


def content(file: Path) -> bytes:
    with file.open("rb") as f:
        return f.read(signatures.NEEDED)


def table(file: Path) -> Table:
    with file.open("rb") as f:

        def read(offset: int, length: int) -> bytes:
            f.seek(offset)
            return f.read(length)

        return parse(read, file.stat().st_size)


def test_sfdisks_mbr_with_logical_partitions(raw: Path) -> None:
    lines = ["label: dos", "1: size=10M type=7 bootable", "2: size=100M type=5", "3: size=50M type=8e"]
    lines += ["5: size=20M type=83", "6: size=20M type=82", "7: size=20M type=42"]
    run("sfdisk", "-q", str(raw), told="\n".join(lines) + "\n")
    found = table(raw)
    assert found.scheme == "mbr"
    assert [(p.number, p.kind, p.size // MIB, p.active) for p in found.partitions] == [
        (1, "07", 10, True), (3, "8e", 50, False), (5, "83", 20, False), (6, "82", 20, False), (7, "42", 20, False),
    ]  # fmt: skip
    assert found.faults == ()


def test_sgdisks_gpt_and_its_second_copy(raw: Path) -> None:
    run("sgdisk", "-n1:0:+1M", "-t1:ef02", "-n2:0:+20M", "-t2:ef00", "-n3:0:0", "-t3:8300", "-A3:set:2", str(raw))
    found = table(raw)
    assert [(p.number, p.kind, p.active) for p in found.partitions] == [
        (1, "21686148-6449-6e6f-744e-656564454649", False),
        (2, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", False),
        (3, "0fc63daf-8483-4772-8e79-3d69d8477de4", True),
    ]
    assert found.faults == ()
    with raw.open("r+b") as f:
        f.seek(512)
        f.write(bytes(512))
    assert table(raw).partitions == found.partitions
    assert table(raw).faults == ("primary",)


@pytest.mark.parametrize(
    ("word", "argv"),
    [
        ("ext", ["mkfs.ext4", "-q", "-F"]),
        ("xfs", ["mkfs.xfs", "-q", "-f"]),
        ("btrfs", ["mkfs.btrfs", "-q", "-f"]),
        ("fat", ["mkfs.vfat", "-F", "32"]),
        ("fat", ["mkfs.vfat", "-F", "16"]),
        ("ntfs", ["mkntfs", "-q", "-F", "-Q"]),
        ("swap", ["mkswap", "-q"]),
    ],
)
def test_what_others_write(raw: Path, word: str, argv: list[str]) -> None:
    run(*argv, str(raw))
    assert signatures.identify(content(raw)) == word
    assert table(raw) == Table("")
    free = signatures.free_bytes(content(raw), word)
    if word in {"ext", "xfs"}:
        assert free is not None
        assert 250 * MIB < free < 400 * MIB


@pytest.mark.parametrize("version", ["1", "2"])
def test_luks(raw: Path, version: str) -> None:
    run("cryptsetup", "-q", "luksFormat", "--type", f"luks{version}", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
        str(raw), "-", told="secret")  # fmt: skip
    assert signatures.identify(content(raw)) == f"luks{version}"


@pytest.mark.parametrize(
    ("mark", "asleep"), [(b"HIBR", True), (b"hibr", True), (b"wake", False), (b"\0\0\0\0", False), (None, False)]
)
@pytest.mark.parametrize("others", [0, 60], ids=["a few names", "names in blocks"])
def test_the_hibernation_file_on_a_volume_of_ntfs_3g(
    raw: Path, tmp_path: Path, mark: bytes | None, asleep: bool, others: int
) -> None:
    run("mkntfs", "-q", "-F", "-Q", str(raw))
    for i in range(others):
        (tmp_path / f"other{i}").write_bytes(b"x")
        run("ntfscp", "-q", str(raw), str(tmp_path / f"other{i}"), f"another-file-{i:03}.txt")
    if mark is not None:
        (tmp_path / "hiberfil").write_bytes(mark + bytes(3 * MIB))
        run("ntfscp", "-q", str(raw), str(tmp_path / "hiberfil"), "hiberfil.sys")
    with raw.open("rb") as f:
        reads = []

        def read(offset: int, length: int) -> bytes:
            reads.append(length)
            f.seek(offset)
            return f.read(length)

        assert ntfs.look(read, raw.stat().st_size).hibernated is asleep
    assert len(reads) <= 6


@pytest.mark.parametrize("form", ["raw", "qcow2", "vmdk", "vhdx", "vdi"])
def test_a_folder_of_images_is_looked_at(raw: Path, tmp_path: Path, form: str) -> None:
    run("sgdisk", "-n1:0:0", "-t1:ef00", str(raw))
    folder = tmp_path / "images"
    folder.mkdir()
    run("qemu-img", "convert", "-O", form, str(raw), str(folder / f"vm.{form}"))
    source = Files(str(folder))
    (machine,) = source.discover()
    found = look(source, machine)
    assert [w for w in found.warnings if "firmware: uefi" in w]
    assert found.warnings[: len(machine.warnings)] == machine.warnings


def test_where_our_reader_will_do_no_process_is_started(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    run("qemu-img", "convert", "-O", "qcow2", str(raw), str(folder / "vm.qcow2"))
    monkeypatch.setattr(subprocess, "Popen", None)
    with Files(str(folder)).glance("vm.qcow2", "vm.qcow2") as reader:
        assert reader is not None
        assert bytes(reader.read(0, 512)) == bytes(512)


def test_a_disk_of_a_kvm_host_is_glanced_at_while_its_domain_is_off(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket would be forwarded from the host; here it is served beside us."""
    run("sgdisk", "-n1:0:0", "-t1:ef00", str(raw))
    source = Kvm("kvm+ssh://root@host")
    monkeypatch.setattr(source, "_state", lambda _id: Power.OFF)
    monkeypatch.setattr(source, "_export", lambda _id, _disk: images.export(Place(raw)))
    disk = Disk("vda", 400 * MIB, "raw", boot=True)
    machine = Machine("m", "m", 1, 1024, (disk,), power=Power.OFF)
    (told,) = look(source, machine).warnings
    assert "made for UEFI alone" in told
    monkeypatch.setattr(source, "_state", lambda _id: Power.ON)
    assert look(source, machine) == machine


def discovered(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["migrate", "discover", str(folder), "-o", "json", *options]) == 0
    (machine,) = json.loads(capsys.readouterr().out)
    return dict(machine)


def test_discover_tells_what_is_on_the_disks(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("mkntfs", "-q", "-F", "-Q", str(raw))
    (tmp_path / "hiberfil").write_bytes(b"HIBR" + bytes(MIB))
    run("ntfscp", "-q", str(raw), str(tmp_path / "hiberfil"), "hiberfil.sys")
    folder = tmp_path / "images"
    folder.mkdir()
    raw.rename(folder / "win.raw")
    found = discovered(folder, capsys)
    assert [w for w in found["warnings"] if "Windows is hibernated" in w]
    assert [w for w in found["unconvertible"] if "powercfg /h off" in w]
    assert discovered(folder, capsys, "--look") == found
    untold = discovered(folder, capsys, "--no-look")
    assert untold["unconvertible"] == []
    assert not [w for w in untold["warnings"] if "hibernated" in w]
