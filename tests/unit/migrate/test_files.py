"""The files source on real, small images."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from blue_wizard.errors import InputError
from blue_wizard.migrate.sources import open_source
from blue_wizard.migrate.sources.files import Files
from lab.guests.fixtures import OPTIONS, ova

FORMATS = ("qcow2", "vmdk", "vpc", "vhdx", "vdi")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    file = tmp_path / "disk.src"
    with file.open("wb") as f:
        f.truncate(4 << 20)
        f.seek(1 << 20)
        f.write(bytes(range(256)) * 512)
    return file


def _convert(raw: Path, fmt: str, out: Path) -> Path:
    subprocess.run(["qemu-img", "convert", "-O", fmt, *OPTIONS.get(fmt, []), raw, out], check=True)
    return out


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_is_recognised_by_its_content(raw: Path, tmp_path: Path, fmt: str) -> None:
    suffix = {"vpc": "vhd"}.get(fmt, fmt)
    file = _convert(raw, fmt, tmp_path / f"m.{suffix}")
    (machine,) = Files(str(file)).discover()
    assert (machine.name, machine.disks[0].format, machine.disks[0].size) == ("m", fmt, 4 << 20)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_truncated_image_is_refused(raw: Path, tmp_path: Path, fmt: str) -> None:
    file = _convert(raw, fmt, tmp_path / f"m.{ {'vpc': 'vhd'}.get(fmt, fmt) }")
    with file.open("r+b") as f:
        f.truncate(file.stat().st_size - 70_000)
    with pytest.raises(InputError, match=file.name):
        list(Files(str(file)).discover())


def test_a_folder_and_a_pattern(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.qcow2", "b.qcow2"):
        _convert(raw, "qcow2", folder / name)
    (folder / "readme.txt").write_text("not a disk")
    source = Files(f"files://{folder}")
    assert [m.name for m in source.discover()] == ["a", "b"]
    assert [m.name for m in source.discover("b*")] == ["b"]


@pytest.mark.parametrize("target", ["../secret.raw", "/etc/hostname"])
def test_backing_files_outside_the_folder_are_refused(raw: Path, tmp_path: Path, target: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.raw").write_bytes(bytes(1 << 20))
    argv = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", target, folder / "m.qcow2", "1M"]
    subprocess.run(argv, check=True)
    with pytest.raises(InputError, match="outside"):
        list(Files(str(folder)).discover())


def test_an_ova_is_read_in_place(raw: Path, tmp_path: Path) -> None:
    ova("web", raw, tmp_path / "web.ova")
    source = Files(str(tmp_path / "web.ova"))
    (machine,) = source.discover()
    assert (machine.name, machine.memory, machine.disks[0].size, machine.disks[0].bus) == ("web", 256, 4 << 20, "scsi")
    source.check(machine.id, lambda: None)


def _repack(ova_file: Path, change: dict[str, bytes | None]) -> None:
    """Rewrite the archive: replace the content of members, or leave out those that are None."""
    import io

    with tarfile.open(ova_file) as tar:
        content = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    content.update(change)  # type: ignore[arg-type]
    with tarfile.open(ova_file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in content.items():
            if data is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def test_a_wrong_hash_names_the_member(raw: Path, tmp_path: Path) -> None:
    file = tmp_path / "web.ova"
    ova("web", raw, file)
    with tarfile.open(file) as tar:
        disk = bytearray(tar.extractfile("web-disk1.vmdk").read())  # type: ignore[union-attr]
    disk[-2000] ^= 1
    _repack(file, {"web-disk1.vmdk": bytes(disk)})
    with pytest.raises(InputError, match=r"web-disk1\.vmdk"):
        Files(str(file)).check("web.ova", lambda: None)


def test_a_missing_file_names_it(raw: Path, tmp_path: Path) -> None:
    file = tmp_path / "web.ova"
    ova("web", raw, file)
    _repack(file, {"web-disk1.vmdk": None})
    with pytest.raises(InputError, match=r"web-disk1\.vmdk"):
        list(Files(str(file)).discover())
    with pytest.raises(InputError, match=r"web-disk1\.vmdk"):
        Files(str(file)).check("web.ova", lambda: None)


@pytest.mark.parametrize("name", ["../evil.vmdk", "/evil.vmdk"])
def test_members_that_lead_out_are_refused(raw: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "web.ova"
    ova("web", raw, file)
    _repack(file, {name: b"x"})
    with pytest.raises(InputError, match="leads out"):
        list(Files(str(file)).discover())


def test_links_inside_are_refused(raw: Path, tmp_path: Path) -> None:
    file = tmp_path / "web.ova"
    ova("web", raw, file)
    with tarfile.open(file, "a") as tar:
        link = tarfile.TarInfo("disk2.vmdk")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        tar.addfile(link)
    with pytest.raises(InputError, match="plain file"):
        list(Files(str(file)).discover())


def test_a_truncated_ova_is_refused(raw: Path, tmp_path: Path) -> None:
    file = tmp_path / "web.ova"
    ova("web", raw, file)
    with tarfile.open(file) as tar:
        last = tar.getmembers()[-1]
    with file.open("r+b") as f:
        f.truncate(last.offset_data + last.size // 2)
    with pytest.raises(InputError, match=r"web\.ova"):
        list(Files(str(file)).discover())


def test_unknown_scheme_and_missing_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        open_source("nowhere://x")
    with pytest.raises(InputError, match="missing"):
        open_source(str(tmp_path / "missing"))
