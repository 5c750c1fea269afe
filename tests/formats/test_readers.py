"""Our readers against qemu-img: the same bytes, and no data where they say that there is none."""

from __future__ import annotations

import random
import subprocess
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate.formats import Image, open_image
from blue_wizard.migrate.formats.vmdk_stream import pieces
from lab.guests.vhdx import linked, vhdx

from . import makers
from .conftest import MIB, everything

OURS = (
    "stream",
    "vmdk",
    "qcow2",
    "qcow2-v2",
    "qcow2-small",
    "qcow2-large",
    "qcow2-zlib",
    "qcow2-zstd",
    "vhdx",
    "vhdx-fixed",
)
KINDS = ("sparse", "full", "odd", "empty")


def opened(file: Path) -> Image:
    image = open_image(file)
    assert image is not None
    image.check()
    return image


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fmt", OURS)
def test_same_bytes_as_qemu(disk: Callable[[str], Path], tmp_path: Path, fmt: str, kind: str) -> None:
    file = makers.convert(disk(kind), fmt, tmp_path)
    back = tmp_path / "back.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", file, back], check=True)
    expected = back.read_bytes()
    image = opened(file)
    assert image.size == len(expected)
    assert everything(image) == expected
    chance = random.Random(0)
    for _i in range(30):
        offset = chance.randrange(image.size)
        length = min(image.size - offset, chance.choice((1, 511, 70_000, 3 * MIB)))
        assert image.read(offset, length) == expected[offset : offset + length]
    if kind == "empty" and fmt != "vhdx-fixed":
        assert [(e.offset, e.length, e.zero) for e in image.extents()] == [(0, image.size, True)]
    if kind == "sparse" and not fmt.startswith(("vhdx", "qcow2-large")):
        assert sum(e.length for e in image.extents() if not e.zero) < image.size // 2
    image.close()
    image.close()


def test_several_threads_read_one_image(disk: Callable[[str], Path], tmp_path: Path) -> None:
    raw = disk("sparse")
    expected = raw.read_bytes()
    for fmt in ("stream", "vmdk", "qcow2-zlib", "qcow2-zstd", "vhdx"):
        image = opened(makers.convert(raw, fmt, tmp_path, fmt))
        offsets = list(range(0, len(expected), 150_000)) * 4
        with ThreadPoolExecutor(4) as threads:
            parts = list(threads.map(lambda o: image.read(o, min(150_000, image.size - o)), offsets))  # noqa: B023
        assert all(p == expected[o : o + len(p)] for o, p in zip(offsets, parts, strict=True))


def test_what_is_left_to_qemu(disk: Callable[[str], Path], tmp_path: Path) -> None:
    raw = disk("odd")
    for kind in ("flat", "split", "qcow2-l2", "vhd", "vdi", "raw"):
        assert open_image(makers.convert(raw, kind, tmp_path, kind)) is None, kind
    for piece in tmp_path.glob("split-s*.vmdk"):
        assert open_image(piece) is None
    whole = makers.convert(raw, "vmdk", tmp_path, "below")
    child = tmp_path / "child.vmdk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", "-b", whole, "-F", "vmdk", child], check=True)
    assert open_image(child) is None
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/d,data_file_raw=on"]
    subprocess.run([*argv, tmp_path / "e.qcow2", "1M"], check=True)
    assert open_image(tmp_path / "e.qcow2") is None


@pytest.mark.parametrize("order", [None, list(range(511, -1, -1))])
def test_vmwares_stream_with_its_tables_at_the_end(disk: Callable[[str], Path], tmp_path: Path, order: object) -> None:
    content = disk("odd").read_bytes() + bytes(40 * MIB) + b"\5" * 4096
    file = tmp_path / "m.vmdk"
    file.write_bytes(makers.vmware_stream(content, order=order))  # type: ignore[arg-type]
    assert everything(opened(file)) == content
    assert everything(_window_inside(file, tmp_path)) == content
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", file, tmp_path / "back.raw"], check=True)
    assert (tmp_path / "back.raw").read_bytes() == content


def _window_inside(file: Path, folder: Path) -> Image:
    """The same inside of another file, as a member of a tar is."""
    data = file.read_bytes()
    (folder / "tar").write_bytes(b"x" * 777 + data + b"y" * 100)
    image = open_image(folder / "tar", offset=777, size=len(data))
    assert image is not None
    return image


@pytest.mark.parametrize("writer", ["qemu", "vmware"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_pass_over_a_stream(disk: Callable[[str], Path], tmp_path: Path, kind: str, writer: str) -> None:
    raw = disk(kind)
    content = raw.read_bytes()
    qemus = makers.convert(raw, "stream", tmp_path)
    data = qemus.read_bytes() if writer == "qemu" else makers.vmware_stream(content)
    found = bytearray(len(content))
    for offset, piece in pieces(_Pipe(data), "pipe"):  # type: ignore[arg-type]
        found[offset : offset + len(piece)] = piece
    assert found == content
    if kind == "empty":
        return
    # QEMU may fill up with zeroes behind the last grain; those are no loss.
    end = len(data.rstrip(b"\0")) if writer == "qemu" else len(data)
    for cut in {700, end // 2, end - 1, end - 600, end - 1500, end - 3000, end - 70_000}:
        if cut > 512:
            with pytest.raises(StepFailed):
                list(pieces(BytesIO(data[:cut]), "pipe"))


class _Pipe(BytesIO):
    """Gives little at a time, and can't be sought."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 1, 7001))

    def seek(self, *_args: object) -> int:
        raise OSError("a pipe")


def test_zero_clusters_and_backing_files(disk: Callable[[str], Path], tmp_path: Path) -> None:
    base = makers.convert(disk("sparse"), "qcow2-zlib", tmp_path, "base")
    raw = tmp_path / "ground.raw"
    raw.write_bytes(disk("sparse").read_bytes()[: 5 * MIB + 700])
    for under, fmt in ((base, "qcow2"), (raw, "raw")):
        top, middle = tmp_path / f"top-{fmt}.qcow2", tmp_path / f"middle-{fmt}.qcow2"
        create = ["qemu-img", "create", "-q", "-f", "qcow2"]
        subprocess.run([*create, "-F", fmt, "-b", under.name, middle, "14M"], check=True)
        subprocess.run([*create, "-F", "qcow2", "-b", middle.name, top, "13M"], check=True)
        _io(middle, "write -P 7 1M 100k", "write -z 2M 1M")
        _io(top, "write -P 8 1050k 30k", "write -z 4M 64k", "discard 5M 128k", "write -P 9 12900k 64k")
        back = tmp_path / f"back-{fmt}.raw"
        subprocess.run(["qemu-img", "convert", "-O", "raw", top, back], check=True)
        image = opened(top)
        assert everything(image) == back.read_bytes()
        assert [p.name for p in image.chain] == [middle.name, under.name]


def _io(file: Path, *commands: str) -> None:
    words = [w for c in commands for w in ("-c", c)]
    subprocess.run(["qemu-io", "-f", "qcow2", *words, str(file)], check=True, capture_output=True)


@pytest.mark.parametrize("target", ["../ground.raw", "/etc/hostname", "nbd://127.0.0.1/x", 'json:{"driver":"null-co"}'])
def test_parents_elsewhere_are_refused(tmp_path: Path, target: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "ground.raw").write_bytes(bytes(MIB))
    argv = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", target, folder / "m.qcow2", "1M"]
    subprocess.run(argv, check=True)
    with pytest.raises(InputError, match="outside"):
        open_image(folder / "m.qcow2")


def test_a_chain_without_end_is_refused(tmp_path: Path) -> None:
    for name, under in (("a", "b"), ("b", "c"), ("c", "a")):
        argv = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", f"{under}.qcow2"]
        subprocess.run([*argv, tmp_path / f"{name}.qcow2", "1M"], check=True)
    with pytest.raises(InputError, match="no end"):
        open_image(tmp_path / "a.qcow2")


WRITTEN = uuid.UUID(int=77)


def _hyperv(tmp_path: Path, sector: int = 512) -> tuple[Path, bytes]:
    """base.vhdx and a checkpoint of it, and what the disk is then. 4096 blocks make a chunk of 4 GiB."""
    size = 4100 * MIB
    chance = random.Random(5)
    low = {n: chance.randbytes(MIB) for n in (0, 1, 2, 3, 4097)}
    (tmp_path / "base.vhdx").write_bytes(vhdx(low, size, sector=sector, written=WRITTEN))
    bits = [chance.random() < 0.5 for _s in range(MIB // sector)]
    high = chance.randbytes(MIB)
    partial = {1: (bits, high), 4097: (bits, high), 3: b"\3" * MIB}
    parent = linked(WRITTEN, ".\\base.vhdx")
    child = tmp_path / "base_0123ABCD-0000-1111-2222-0123456789AB.avhdx"
    child.write_bytes(vhdx(partial, size, sector=sector, parent=parent, states={2: 2}))

    def mixed(number: int) -> bytes:
        pairs = ((high if b else low[number])[i * sector : (i + 1) * sector] for i, b in enumerate(bits))
        return b"".join(pairs)

    expected = low[0] + mixed(1) + bytes(MIB) + b"\3" * MIB + mixed(4097)
    return child, expected


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_checkpoint_of_hyperv(tmp_path: Path, sector: int) -> None:
    child, expected = _hyperv(tmp_path, sector)
    image = opened(child)
    assert image.read(0, 4 * MIB) + image.read(4097 * MIB, MIB) == expected
    assert image.read(4 * MIB, 2 * MIB) == bytes(2 * MIB)
    extents = list(image.extents())
    assert sum(e.length for e in extents) == 4100 * MIB
    assert sum(e.length for e in extents if not e.zero) == 4 * MIB
    assert image.only_ours


def test_a_parent_that_was_changed_is_refused(tmp_path: Path) -> None:
    child, _expected = _hyperv(tmp_path)
    (tmp_path / "base.vhdx").write_bytes(vhdx({}, 4100 * MIB, written=uuid.UUID(int=78)))
    with pytest.raises(InputError, match=r"not the state of base\.vhdx"):
        open_image(child)
    (tmp_path / "base.vhdx").unlink()
    with pytest.raises(InputError, match="not there"):
        open_image(child)


@pytest.mark.parametrize("path", ["..\\base.vhdx", "C:\\VMs\\base.vhdx", "\\\\nas\\vms\\base.vhdx"])
def test_a_parent_is_found_by_its_name_in_the_folder(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    child, _expected = _hyperv(folder)
    (tmp_path / "base.vhdx").write_bytes(b"not this one")
    child.write_bytes(vhdx({}, 4100 * MIB, parent=linked(WRITTEN, path)))
    assert opened(child).chain == (folder / "base.vhdx",)


def test_a_log_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.vhdx"
    file.write_bytes(vhdx({0: b"\1" * MIB}, 4 * MIB, log=uuid.uuid4()))
    before = file.read_bytes()
    with pytest.raises(InputError, match="not closed") as e:
        open_image(file)
    assert "COPY" in e.value.hint
    assert file.read_bytes() == before


def test_our_vhdx_is_one_for_qemu_too(tmp_path: Path) -> None:
    file = tmp_path / "m.vhdx"
    content = random.Random(1).randbytes(MIB)
    file.write_bytes(vhdx({1: content, 5: content[::-1]}, 9 * MIB))
    subprocess.run(["qemu-img", "convert", "-f", "vhdx", "-O", "raw", file, tmp_path / "r"], check=True)
    image = opened(file)
    assert everything(image) == (tmp_path / "r").read_bytes()
    assert [(e.offset // MIB, e.length // MIB, e.zero) for e in image.extents()] == [
        (0, 1, True), (1, 1, False), (2, 3, True), (5, 1, False), (6, 3, True),
    ]  # fmt: skip


@pytest.mark.parametrize("under", ["vhd", "vhd-fixed"])
def test_a_differencing_vhd(disk: Callable[[str], Path], tmp_path: Path, under: str) -> None:
    raw = disk("sparse")
    low = bytearray(raw.read_bytes())
    base = makers.convert(raw, under, tmp_path, "base")
    bits = [i % 3 == 0 for i in range(2 * MIB // 512)]
    data = random.Random(2).randbytes(2 * MIB)
    child, grandchild = tmp_path / "child.avhd", tmp_path / "grandchild.avhd"
    child.write_bytes(makers.vhd_child({1: (bits, data)}, len(low), base))
    grandchild.write_bytes(makers.vhd_child({5: (bits, data)}, len(low), child, name="C:\\old\\child.avhd"))
    for number in (1, 5):
        for i, ours in enumerate(bits):
            if ours:
                at = number * 2 * MIB + i * 512
                low[at : at + 512] = data[i * 512 : i * 512 + 512]
    image = opened(grandchild)
    assert everything(image) == low
    assert [p.name for p in image.chain] == ["child.avhd", "base.vhd"]
    base.write_bytes(base.read_bytes()[:-512] + makers.vhd_footer(len(low), kind=3))
    with pytest.raises(InputError, match="not the state"):
        open_image(grandchild)
