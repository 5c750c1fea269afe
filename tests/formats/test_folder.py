"""The public path: what a folder holds, and what is read of its disks over NBD and by our readers."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.sources.files import Files
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.reach import nbd
from lab.guests.fixtures import ova
from lab.guests.vhdx import vhdx

from . import makers
from .conftest import MIB
from .test_readers import _hyperv


def over_nbd(source: Files, machine: str, disk: str) -> tuple[str, str | None, list[tuple[int, int, bool]]]:
    """The hash over NBD, the hash by our reader where there is one, and the block status."""
    with source.open_disk(machine, disk) as export:
        first = makers.sha256_over_nbd(export.uri, export.size)
        with closing(NbdReader(export.uri, export.size)) as reached:
            status = [(e.offset, e.length, e.zero) for e in reached.extents()]
        second = None
        if export.reader:
            reader: Reader = export.reader()
            assert reader.size == export.size
            found = hashlib.sha256()
            for extent in reader.extents():
                for at in range(extent.offset, extent.end, 4 * MIB):
                    length = min(4 * MIB, extent.end - at)
                    found.update(bytes(length) if extent.zero else reader.read(at, length))
            reader.close()
            second = found.hexdigest()
    return first, second, status


@pytest.mark.parametrize("kind", ["sparse", "odd"])
@pytest.mark.parametrize("fmt", list(makers.OPTIONS))
def test_every_format_byte_for_byte(disk: Callable[[str], Path], tmp_path: Path, fmt: str, kind: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    raw = disk(kind)
    file = makers.convert(raw, fmt, folder)
    (machine,) = Files(str(folder)).discover()
    assert machine.id == file.name
    assert machine.disks[0].size == raw.stat().st_size
    source = Files(str(folder))
    expected = hashlib.sha256(raw.read_bytes()).hexdigest()
    first, second, status = over_nbd(source, machine.id, machine.disks[0].id)
    assert first == expected
    ours = fmt.startswith(("raw", "stream", "vmdk", "qcow2", "vhdx", "vhd-fixed")) and fmt != "qcow2-l2"
    assert second == (expected if ours else None)
    if fmt in {"vmdk", "split", "vdi", "qcow2"} and kind == "sparse":
        assert sum(length for _o, length, zero in status if not zero) < raw.stat().st_size


def test_a_split_vmdk_is_one_machine(disk: Callable[[str], Path], tmp_path: Path) -> None:
    for kind in ("split", "split-flat", "flat"):
        folder = tmp_path / kind
        folder.mkdir()
        makers.convert(disk("odd"), kind, folder)
        assert len(list(folder.iterdir())) > 1
        assert [m.name for m in Files(str(folder)).discover()] == ["m"], kind


@pytest.mark.parametrize("kind", ["split-flat", "flat", "split"])
def test_an_extent_that_is_cut_off_or_gone_is_refused(disk: Callable[[str], Path], tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    file = makers.convert(disk("odd"), kind, folder)
    (extent,) = (f for f in folder.iterdir() if f != file)
    with extent.open("r+b") as f:
        f.truncate(extent.stat().st_size - 70_000)
    with pytest.raises(InputError, match=r"m\.vmdk|m-"):
        list(Files(str(folder)).discover())
    extent.unlink()
    with pytest.raises(InputError, match=r"m\.vmdk"):
        list(Files(str(folder)).discover())


@pytest.mark.parametrize("name", ["../secret.raw", "/etc/hostname", "nbd://127.0.0.1/x", 'json:{"driver":"null-co"}'])
def test_extents_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.raw").write_bytes(bytes(MIB))
    text = '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
    (folder / "m.vmdk").write_text(f'{text}RW 8 FLAT "{name}" 0\n')
    with pytest.raises(InputError, match=r"m\.vmdk"):
        list(Files(str(folder)).discover())
    with pytest.raises(InputError, match=r"m\.vmdk"), Files(str(folder)).open_disk("m.vmdk", "m.vmdk"):
        pass


def test_a_member_of_an_archive_that_names_files_is_refused(disk: Callable[[str], Path], tmp_path: Path) -> None:
    """A descriptor in place of the disk would show files of this machine as a disk."""
    good, evil = tmp_path / "good.ova", tmp_path / "in" / "web.ova"
    evil.parent.mkdir()
    ova("web", disk("odd"), good)
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(8 * MIB))
    sectors = 8 * MIB // 512
    text = '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
    (tmp_path / "web-disk1.vmdk").write_text(f'{text}RW {sectors} FLAT "{secret}" 0\n'.ljust(1024))
    with tarfile.open(good) as tar, tarfile.open(evil, "w", format=tarfile.USTAR_FORMAT) as out:
        out.addfile(tar.getmember("web.ovf"), tar.extractfile("web.ovf"))
        out.add(tmp_path / "web-disk1.vmdk", "web-disk1.vmdk")
    with pytest.raises(InputError, match="names other files"):
        list(Files(str(evil)).discover())
    with pytest.raises(InputError, match="names other files"), Files(str(evil)).open_disk("web.ova", "web-disk1.vmdk"):
        pass


def test_a_chain_that_leads_out_further_down_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    create = ["qemu-img", "create", "-q", "-u", "-f", "qcow2"]
    subprocess.run([*create, "-F", "raw", "-b", "/etc/hostname", folder / "base.qcow2", "1M"], check=True)
    # Extended L2 entries: not ours, so that QEMU's path is looked at.
    extended = [*create, "-o", "extended_l2=on", "-F", "qcow2", "-b", "base.qcow2", folder / "top.qcow2", "1M"]
    subprocess.run(extended, check=True)
    with pytest.raises(InputError, match="outside"):
        list(Files(str(folder / "top.qcow2")).discover())


def test_only_the_leaf_of_a_chain_is_a_machine(disk: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    child, expected = _hyperv(folder)
    base = makers.convert(disk("sparse"), "vhd", folder, "old")
    bits = [True] * (2 * MIB // 512)
    vhd = folder / "old_0123ABCD-0000-1111-2222-0123456789AB.avhd"
    vhd.write_bytes(makers.vhd_child({0: (bits, b"\7" * 2 * MIB)}, 12 * MIB, base))
    makers.convert(disk("odd"), "qcow2", folder, "ground")
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "ground.qcow2", folder / "leaf.qcow2"]
    subprocess.run(argv, check=True)
    source = Files(str(folder))
    assert {m.name: m.id for m in source.discover()} == {"base": child.name, "old": vhd.name, "leaf": "leaf.qcow2"}
    # What QEMU can't read is served by ourselves, block status and all.
    with source.open_disk(child.name, child.name) as export:
        handle = nbd.connect(export.uri)
        assert handle.pread(4 * MIB, 0) + handle.pread(MIB, 4097 * MIB) == expected
        handle.shutdown()
        with closing(NbdReader(export.uri, export.size)) as reached:
            status = list(reached.extents())
        assert sum(e.length for e in status if not e.zero) == 4 * MIB
        assert status[-1].end == export.size
    first, second, _status = over_nbd(source, vhd.name, vhd.name)
    content = b"\7" * 2 * MIB + disk("sparse").read_bytes()[2 * MIB :]
    assert first == second == hashlib.sha256(content).hexdigest()


def test_nbdcopy_reads_what_we_serve(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    child, expected = _hyperv(folder)
    with Files(str(child)).open_disk(child.name, child.name) as export:
        subprocess.run(["nbdcopy", export.uri, tmp_path / "copy.raw"], check=True)
        argv = ["qemu-img", "map", "--output=json", "-f", "raw", export.uri]
        mapped = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
        assert sum(m["length"] for m in mapped if m["data"]) == 4 * MIB
    with (tmp_path / "copy.raw").open("rb") as f:
        assert f.read(4 * MIB) == expected[: 4 * MIB]
        f.seek(4097 * MIB)
        assert f.read(MIB) == expected[4 * MIB :]


def test_an_error_reaches_the_client(tmp_path: Path) -> None:
    """A file that is cut off while it is served: the client is told, nothing reads as zero."""
    child, _expected = _hyperv(tmp_path)
    with Files(str(child)).open_disk(child.name, child.name) as export:
        base = tmp_path / "base.vhdx"
        with base.open("r+b") as f:
            f.truncate(4 * MIB)
        handle = nbd.connect(export.uri)
        import nbd as lib

        with pytest.raises(lib.Error):
            handle.pread(MIB, 0)
        assert handle.pread(512, 2 * MIB) == bytes(512)
        assert export.reader is not None
        with pytest.raises((InputError, StepFailed), match="cut off"):
            export.reader().read(0, MIB)
        handle.shutdown()


@pytest.mark.parametrize("cut", ["end", "middle"])
def test_a_vhd_that_is_cut_off_is_refused(disk: Callable[[str], Path], tmp_path: Path, cut: str) -> None:
    """QEMU takes a fixed VHD without its last sector for a raw disk."""
    for kind in ("vhd", "vhd-fixed"):
        file = makers.convert(disk("odd"), kind, tmp_path, kind)
        data = file.read_bytes()
        file.write_bytes(data[:-512] if cut == "end" else data[: 2 * MIB] + data[-512:])
        with pytest.raises(InputError, match=file.name):
            list(Files(str(file)).discover())


def test_what_looks_raw_must_be_called_so(tmp_path: Path) -> None:
    for name in ("a.vhdx", "a.qcow2", "a.vmdk"):
        (tmp_path / name).write_bytes(b"\7" * MIB)
        with pytest.raises(InputError, match="nothing of a"):
            list(Files(str(tmp_path / name)).discover())


def test_an_unpacked_export(disk: Callable[[str], Path], tmp_path: Path) -> None:
    raw = disk("odd")
    ova("web", raw, tmp_path / "web.ova")
    folder = tmp_path / "in"
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        with tarfile.open(tmp_path / "web.ova") as tar:
            tar.extractall(folder / name)  # noqa: S202
    with tarfile.open(tmp_path / "web.ova") as tar:
        tar.extractall(folder)  # noqa: S202
    source = Files(str(folder))
    machines = list(source.discover())
    assert [m.id for m in machines] == ["web.ovf", "one/web.ovf", "two/web.ovf"]
    assert {d.id for m in machines for d in m.disks} == {"web-disk1.vmdk"}
    for machine in machines:
        source.check(machine.id, lambda: None)
        first, second, _s = over_nbd(source, machine.id, "web-disk1.vmdk")
        assert first == second == hashlib.sha256(raw.read_bytes()).hexdigest()
    with (folder / "one" / "web-disk1.vmdk").open("r+b") as f:
        f.seek(-3000, 2)
        f.write(b"!")
    with pytest.raises(InputError, match=r"web-disk1\.vmdk"):
        source.check("one/web.ovf", lambda: None)
    with pytest.raises(StepFailed, match="gone"):
        source.check("../in/web.ovf", lambda: None)
    # The path of the description itself is a source too.
    assert [m.id for m in Files(str(folder / "two" / "web.ovf")).discover()] == ["web.ovf"]


@pytest.mark.parametrize("kind", ["qcow2-zlib", "vhd", "vhd-fixed", "vhdx", "vmdk", "vdi", "raw"])
def test_an_archive_with_disks_of_any_format(disk: Callable[[str], Path], tmp_path: Path, kind: str) -> None:
    raw = disk("odd")
    ova("web", raw, tmp_path / "good.ova")
    member = makers.convert(raw, kind, tmp_path, "member")
    with tarfile.open(tmp_path / "good.ova") as tar, tarfile.open(tmp_path / "web.ova", "w") as out:
        out.addfile(tar.getmember("web.ovf"), tar.extractfile("web.ovf"))
        out.add(member, "web-disk1.vmdk")
    source = Files(str(tmp_path / "web.ova"))
    if kind == "raw":
        with pytest.raises(InputError, match="nothing of a"):
            list(source.discover())
        return
    (machine,) = source.discover()
    first, second, _status = over_nbd(source, machine.id, machine.disks[0].id)
    assert first == hashlib.sha256(raw.read_bytes()).hexdigest()
    assert second in {first, None}


def test_an_encrypted_image_is_refused(tmp_path: Path) -> None:
    # LUKS would first measure how fast the machine is, and fail on a busy one.
    secret = ["--object", "secret,id=s,data=word", "-o", "encrypt.format=aes,encrypt.key-secret=s"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *secret, tmp_path / "m.qcow2", "1M"], check=True)
    with pytest.raises(InputError, match="is encrypted"):
        list(Files(str(tmp_path)).discover())


def test_what_is_compressed_as_a_whole_is_named(disk: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "m.vmdk.gz").write_bytes(gzip.compress(disk("odd").read_bytes()[:MIB]))
    with pytest.raises(InputError, match=r"m\.vmdk\.gz") as e:
        list(Files(str(folder)).discover())
    assert f"gunzip --keep {folder}/m.vmdk.gz" in e.value.hint
    ova("web", disk("odd"), tmp_path / "web.ova")
    (tmp_path / "packed.ova").write_bytes(gzip.compress((tmp_path / "web.ova").read_bytes()))
    with pytest.raises(InputError, match="gzip"):
        list(Files(str(tmp_path / "packed.ova")).discover())


def test_the_command_line(disk: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    _hyperv(folder)
    makers.convert(disk("odd"), "split", folder, "two")
    argv = [sys.executable, "-m", "blue_wizard", "migrate", "discover", str(folder), "-o", "json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert [(m["name"], m["disks"][0]["format"]) for m in json.loads(done.stdout)] == [
        ("base", "vhdx"),
        ("two", "vmdk"),
    ]
    (folder / "base.vhdx").write_bytes(vhdx({}, 4100 * MIB, log=uuid.uuid4()))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "base.vhdx" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(autouse=True)
def _no_children_left() -> Iterator[None]:
    yield
    left = subprocess.run(["pgrep", "-P", str(__import__("os").getpid()), "qemu-nbd"], capture_output=True, check=False)
    assert left.stdout == b""


def test_a_write_to_any_file_of_a_chain_is_noticed(disk: Callable[[str], Path], tmp_path: Path) -> None:
    makers.convert(disk("odd"), "qcow2", tmp_path, "ground")
    leaf = tmp_path / "leaf.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "ground.qcow2", leaf], check=True)
    with Files(str(tmp_path)).open_disk(leaf.name, leaf.name) as export:
        assert export.stamp
        before = export.stamp()
        assert export.stamp() == before
        with (tmp_path / "ground.qcow2").open("ab") as f:
            f.write(b"\0")
        assert export.stamp() != before
