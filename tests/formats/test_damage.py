"""Damaged and hostile images: a clear error or the right bytes, never a traceback, in bounded memory and time."""

from __future__ import annotations

import hashlib
import resource
import struct
import time
import uuid
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blue_wizard.errors import BlueWizardError, InputError, StepFailed
from blue_wizard.migrate.formats import open_image
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.inflate import PackedError, deflated, zstd
from blue_wizard.migrate.formats.vmdk_stream import pieces
from blue_wizard.migrate.sources.files import Files
from lab.guests.vhdx import linked, summed, vhdx

from . import makers
from .conftest import MIB, everything

EXAMPLES, WHOLE = 60, 1000
"""How many examples a kind of image gets: every time, and with --whole."""
OURS = (
    "stream",
    "vmware",
    "vmdk",
    "qcow2",
    "qcow2-zlib",
    "qcow2-zstd",
    "qcow2-v2",
    "vhdx",
    "checkpoint",
    "child-vhd",
    "vhd-fixed",
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, bytes, bytes]]:
    """Kind to (folder, the image's bytes, the disk's)."""
    folder = tmp_path_factory.mktemp("sound")
    content = bytearray(3 * MIB)
    content[100_000:400_000] = (bytes(range(256)) * 1172)[:300_000]
    content[2 * MIB + 5 : 2 * MIB + 70_005] = (b"abc" * 24_000)[:70_000]
    raw = folder / "disk.raw"
    raw.write_bytes(content)
    made: dict[str, tuple[Path, bytes, bytes]] = {}
    for kind in OURS:
        if kind in makers.OPTIONS:
            made[kind] = (folder, makers.convert(raw, kind, folder, kind).read_bytes(), bytes(content))
    made["vmware"] = (folder, makers.vmware_stream(bytes(content)), bytes(content))
    written = uuid.UUID(int=9)
    (folder / "base.vhdx").write_bytes(vhdx({0: bytes(content[:MIB])}, 3 * MIB, written=written))
    bits = [i % 2 == 0 for i in range(2048)]
    child = vhdx({0: (bits, b"\7" * MIB)}, 3 * MIB, parent=linked(written, "base.vhdx"))
    mixed = b"".join(b"\7" * 512 if b else bytes(content[i * 512 : i * 512 + 512]) for i, b in enumerate(bits))
    made["checkpoint"] = (folder, child, mixed + bytes(2 * MIB))
    base = makers.convert(raw, "vhd", folder, "base")
    diff = makers.vhd_child({1: ([True] * 4096, b"\5" * MIB)}, 3 * MIB, base)
    made["child-vhd"] = (folder, diff, bytes(content[: 2 * MIB]) + b"\5" * MIB)
    return made


def _try(file: Path) -> bytes | None:
    """All bytes of the image; None when it is refused, or left to QEMU."""
    try:
        image = open_image(file)
        if image is None:
            return None
        try:
            # A size that was made up is read in part only.
            image.check()
            if image.size > 64 * MIB:
                for _extent, _i in zip(image.extents(), range(20_000), strict=False):
                    pass
                image.read(image.size - MIB, MIB)
                return None
            return everything(image)
        finally:
            image.close()
    except (InputError, StepFailed) as e:
        _is_named(e, file.name, "base")
        return None


def _is_named(error: BlueWizardError, *names: str) -> None:
    assert any(name in error.message for name in names), error.message


def _metadata(kind: str, data: bytes) -> list[range]:
    """The parts that tables and headers lie in: there a flipped bit hurts most."""
    end, kib = len(data), 1 << 10
    vhdx = [range(3 * MIB, 3 * MIB + 64), range(2 * MIB, 2 * MIB + 512), range(2 * MIB + 64 * kib, 2 * MIB + 65 * kib)]
    return {
        "stream": [range(512), range(10_752, 65_536)],
        "vmware": [range(512), range(end - 4096, end)],
        "vmdk": [range(512), range(10_752, 65_536)],
        "vhdx": [range(64 * kib, 68 * kib), range(192 * kib, 193 * kib), *vhdx],
        "checkpoint": vhdx,
        "child-vhd": [range(2048), range(end - 512, end)],
        "vhd-fixed": [range(end - 512, end)],
    }.get(kind, [range(600), range(65_536, end // 2)])


@pytest.mark.parametrize("kind", OURS)
def test_flipped_bits_and_cut_ends(
    images: dict[str, tuple[Path, bytes, bytes]], kind: str, request: pytest.FixtureRequest
) -> None:
    folder, sound, content = images[kind]
    file = folder / f"damaged-{kind}.img"
    parts = _metadata(kind, sound)
    place = st.one_of(*(st.sampled_from(p) for p in parts), st.integers(0, len(sound) - 1))
    counted = {"examples": 0, "refused": 0}
    count = WHOLE if request.config.getoption("--whole") else EXAMPLES

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        flips=st.lists(st.tuples(place, st.integers(1, 255)), max_size=4),
        words=st.lists(
            st.tuples(place, st.sampled_from([0, 1, 0xFF, 0x7F, 0x80]), st.sampled_from([4, 8])), max_size=2
        ),
        cut=st.one_of(st.none(), st.integers(0, len(sound))),
    )
    def fuzz(flips: list[tuple[int, int]], words: list[tuple[int, int, int]], cut: int | None) -> None:
        damaged = bytearray(sound)
        for at, bits in flips:
            damaged[at] ^= bits
        for at, byte, width in words:
            damaged[at : at + width] = bytes([byte]) * min(width, len(damaged) - at)
        file.write_bytes(damaged[:cut])
        began = time.monotonic()
        found = _try(file)
        assert time.monotonic() - began < 20
        counted["examples"] += 1
        counted["refused"] += found is None
        if found is not None and cut is not None and not flips and not words:
            # What was cut off is either refused, or was padding.
            assert found == content
        if kind in {"stream", "vmware"}:
            passed = _one_pass(bytes(damaged[:cut]), len(content))
            if passed is not None and not flips and not words:
                assert passed == content

    fuzz()
    print(f"fuzz {kind}: {counted['examples']} examples, {counted['refused']} refused or left to QEMU")
    assert counted["examples"] >= count
    file.write_bytes(sound)
    assert _try(file) == content
    file.unlink()


def _one_pass(data: bytes, size: int) -> bytes | None:
    found = bytearray(size)
    try:
        for offset, piece in pieces(BytesIO(data), "pipe"):
            found[offset : offset + len(piece)] = piece
    except BlueWizardError as e:
        _is_named(e, "pipe")
        return None
    return bytes(found)


@given(data=st.binary(max_size=4096), magic=st.sampled_from([b"KDMV", b"QFI\xfb\0\0\0\3", b"vhdxfile", b"conectix"]))
@settings(max_examples=EXAMPLES, deadline=None, database=None)
def test_a_mark_and_rubbish(tmp_path_factory: pytest.TempPathFactory, data: bytes, magic: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "rubbish.img"
    file.write_bytes(magic + data)
    assert _try(file) is None


def _patched(file: Path, *patches: tuple[int, bytes]) -> Path:
    data = bytearray(file.read_bytes())
    for at, new in patches:
        data[at : at + len(new)] = new
    file.write_bytes(data)
    return file


def test_absurd_sizes_are_refused(images: dict[str, tuple[Path, bytes, bytes]], tmp_path: Path) -> None:
    exbibyte = 1 << 60
    for kind, patch in (
        ("stream", (12, struct.pack("<Q", exbibyte // 512))),
        ("vmdk", (12, struct.pack("<Q", exbibyte // 512))),
        ("qcow2", (24, struct.pack(">Q", exbibyte))),
        ("qcow2", (36, struct.pack(">I", 0xFFFFFFFF))),
        ("vhdx", (2 * MIB + (64 << 10) + 8, struct.pack("<Q", exbibyte))),
    ):
        file = tmp_path / f"{kind}.img"
        file.write_bytes(images[kind][1])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _patched(file, patch)
        if patch[0] != 36 and kind != "vhdx":
            with pytest.raises(InputError, match=rf"{kind}\.img"):
                open_image(file)
        else:
            _try(file)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_a_huge_sparse_table_takes_little_memory_and_time(tmp_path: Path) -> None:
    """64 TiB in blocks of 1 MiB: the table alone has 512 MiB, nearly all of it a hole."""
    file = tmp_path / "huge.vhdx"
    size = 64 << 40
    file.write_bytes(vhdx({}, 4 * MIB, block=MIB))
    entries = (size // MIB) + (size // MIB - 1) // 4096
    length = -(-entries * 8 // MIB) * MIB
    data = bytearray(file.read_bytes())
    for at in (192 << 10, 256 << 10):
        table = bytearray(data[at : at + (64 << 10)])
        struct.pack_into("<QI", table, 32, 8 * MIB, length)
        table[4:8] = bytes(4)
        data[at : at + (64 << 10)] = summed(bytes(table))
    place = data.index(struct.pack("<Q", 4 * MIB), 2 * MIB + (64 << 10))
    struct.pack_into("<Q", data, place, size)
    with file.open("wb") as f:
        f.write(data)
        f.truncate(8 * MIB + length + MIB)
        f.seek(8 * MIB + 8 * 40_000_000)
        f.write(struct.pack("<Q", 8 * MIB + length | 6))
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    image = open_image(file)
    assert image is not None
    extents = list(image.extents())
    assert sum(e.length for e in extents if not e.zero) == MIB
    assert sum(e.length for e in extents) == size
    assert time.monotonic() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_overlaps_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "two.vhdx"
    file.write_bytes(vhdx({0: b"\1" * MIB, 1: b"\2" * MIB}, 3 * MIB))
    first = file.read_bytes()[3 * MIB : 3 * MIB + 8]
    _patched(file, (3 * MIB + 8, first))
    with pytest.raises(StepFailed, match="one place"):
        open_image(file).check()  # type: ignore[union-attr]
    stream = tmp_path / "two.vmdk"
    data = makers.vmware_stream(b"\1" * 65_536 + b"\2" * 65_536)
    table = struct.pack("<2I", 128, 129)
    assert data.count(table) == 1
    stream.write_bytes(data.replace(table, struct.pack("<2I", 128, 128)))
    image = open_image(stream)
    assert image is not None
    with pytest.raises(StepFailed, match="one place"):
        image.check()
    # Also where nobody looked through the tables first: the marker says which grain it is.
    assert image.read(0, 65_536) == b"\1" * 65_536
    with pytest.raises(StepFailed, match="should"):
        image.read(65_536, 65_536)
    with pytest.raises(StepFailed, match="tables"):
        list(pieces(BytesIO(stream.read_bytes()), "pipe"))


def test_a_directory_that_lies_anywhere(tmp_path: Path) -> None:
    """Found by the fuzz: a place too large for a C integer."""
    data = bytearray(makers.vmware_stream(b"\1" * 65_536))
    for directory in (0, 1 << 40, (1 << 64) - 257):
        struct.pack_into("<Q", data, 56, directory)
        with pytest.raises(StepFailed, match="pipe"):
            list(pieces(BytesIO(data), "pipe"))
        (tmp_path / "m.vmdk").write_bytes(data)
        assert _try(tmp_path / "m.vmdk") is None


def test_a_flipped_bit_in_compressed_data_is_noticed(tmp_path: Path) -> None:
    data = bytearray(makers.vmware_stream(bytes(range(256)) * 256))
    at = 128 * 512 + 12 + 40
    data[at] ^= 4
    (tmp_path / "m.vmdk").write_bytes(data)
    image = open_image(tmp_path / "m.vmdk")
    assert image is not None
    with pytest.raises(StepFailed, match=r"m\.vmdk is damaged"):
        image.read(0, 65_536)


def test_bombs_do_not_explode() -> None:
    bomb = zlib.compress(bytes(64 * MIB))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PackedError):
        deflated(bomb, 65_536)
    import zstandard

    packed = zstandard.compress(bytes(64 * MIB))
    assert zstd(packed, 65_536) == bytes(65_536)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 << 10


@given(st.text(max_size=60))
@settings(max_examples=EXAMPLES, deadline=None, database=None)
def test_no_name_leads_out_of_the_family(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "family"
    folder.mkdir(exist_ok=True)
    (folder / "me").touch()
    try:
        found = Family.of(folder / "me").other(name)
    except InputError:
        return
    assert found.is_relative_to(folder.resolve())


@pytest.mark.parametrize("kind", ["vmdk", "split", "vhd", "vhd-fixed", "vdi", "stream", "qcow2", "vhdx"])
def test_the_public_path_takes_any_damage(tmp_path: Path, kind: str) -> None:
    """Also what QEMU reads: discover lists it with a size that can be, or refuses it by name."""
    raw, folder = tmp_path / "disk.raw", tmp_path / "in"
    folder.mkdir()
    raw.write_bytes((bytes(range(256)) * 1024).ljust(3 * MIB, b"\0"))
    named = makers.convert(raw, kind, folder)
    file = max(folder.iterdir(), key=lambda f: f.stat().st_size)
    sound = file.read_bytes()
    count = 0

    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        flips=st.lists(st.tuples(st.integers(0, min(len(sound), 4096) - 1), st.integers(1, 255)), max_size=3),
        cut=st.one_of(st.none(), st.integers(0, len(sound) - 1)),
    )
    def fuzz(flips: list[tuple[int, int]], cut: int | None) -> None:
        nonlocal count
        damaged = bytearray(sound)
        for at, bits in flips:
            damaged[at] ^= bits
        file.write_bytes(damaged[:cut])
        count += 1
        try:
            machines = list(Files(str(folder)).discover())
        except InputError as e:
            _is_named(e, named.stem)
            return
        assert all(0 < m.disks[0].size <= 64 << 40 for m in machines)
        if cut is not None and not flips:
            with Files(str(folder)).open_disk(machines[0].id, machines[0].id) as export:
                assert (
                    makers.sha256_over_nbd(export.uri, export.size) == hashlib.sha256(raw.read_bytes()).hexdigest()
                ), cut

    for cut in (1, 512, 513, 1024, 4096, 65_536, 100_000, len(sound) // 2):
        fuzz.hypothesis.inner_test([], len(sound) - cut)  # type: ignore[attr-defined]
    fuzz()
    print(f"public path {kind}: {count} examples")


def test_tables_of_a_huge_hole_take_no_memory(images: dict[str, tuple[Path, bytes, bytes]], tmp_path: Path) -> None:
    """A file of 15 TiB that is nearly all hole, whose header asks for the largest tables there can be."""
    for kind, patches in (
        ("stream", ((12, struct.pack("<QQ", (64 << 40) // 512, 8)), (44, struct.pack("<I", 1)))),
        ("qcow2-small", ((24, struct.pack(">Q", 128 << 30)), (36, struct.pack(">I", 4 << 20)))),
    ):
        file = tmp_path / f"{kind}.img"
        sound = images.get(kind)
        data = sound[1] if sound else makers.convert(images["qcow2"][0] / "disk.raw", kind, tmp_path).read_bytes()
        file.write_bytes(data)
        _patched(file, *patches)
        with file.open("r+b") as f:
            f.truncate(15 << 40)
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        _try(file)
        assert time.monotonic() - began < 20
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
        file.unlink()
