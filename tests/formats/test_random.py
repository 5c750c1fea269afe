"""Random images: QCOW2 written by qemu-io against `qemu-img convert`, the others against a model of the disk."""

from __future__ import annotations

import random
import subprocess
import uuid
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blue_wizard.migrate.formats import open_image
from blue_wizard.migrate.formats.vmdk_stream import pieces
from lab.guests.vhdx import linked, vhdx

from . import makers
from .conftest import MIB, everything

SIZE = 4 * MIB
QEMU = settings(max_examples=20, deadline=None, database=None)
MODEL = settings(max_examples=30, deadline=None, database=None)
sectors = st.integers(0, SIZE // 512 - 1)


@st.composite
def writes(draw: st.DrawFn) -> str:
    at, length = draw(sectors) * 512, draw(st.integers(1, 300)) * 512
    length = min(length, SIZE - at)
    kind = draw(st.sampled_from(["write -P 1", "write -P 0", "write -z", "write -z -u", "discard", "pack"]))
    if kind == "pack":
        # A compressed write takes whole clusters.
        return f"write -c -P {draw(st.integers(1, 9))} {at // MIB * MIB} 1M"
    return f"{kind} {at} {length}"


@QEMU
@given(
    bits=st.integers(9, 20),
    options=st.sampled_from(["compat=0.10", "compat=1.1", "compression_type=zstd"]),
    layers=st.lists(st.lists(writes(), min_size=1, max_size=6), min_size=1, max_size=3),
    sizes=st.lists(st.integers(SIZE // 512, SIZE // 512 + 400), min_size=3, max_size=3),
)
def test_qcow2_written_at_random(
    tmp_path_factory: pytest.TempPathFactory, bits: int, options: str, layers: list[list[str]], sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("random")
    below: Path | None = None
    for i, commands in enumerate(layers):
        file = folder / f"{i}.qcow2"
        argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"cluster_size={1 << bits},{options}"]
        argv += ["-F", "qcow2", "-b", below.name] if below else []
        subprocess.run([*argv, file, str(sizes[i] * 512)], check=True)
        subprocess.run(
            ["qemu-io", "-f", "qcow2", "-d", "unmap", *(w for c in commands for w in ("-c", c)), file],
            check=False,
            capture_output=True,
        )
        below = file
    assert below is not None
    subprocess.run(["qemu-img", "convert", "-O", "raw", below, folder / "back.raw"], check=True)
    image = open_image(below)
    assert image is not None
    image.check()
    expected = (folder / "back.raw").read_bytes()
    assert everything(image, step=70_000) == expected
    image.close()


@st.composite
def disks(draw: st.DrawFn, unit: int = 512) -> bytes:
    content = bytearray(draw(st.integers(1, SIZE // unit)) * unit)
    chance = random.Random(draw(st.integers(0, 1 << 30)))
    for _piece in range(draw(st.integers(0, 6))):
        at = chance.randrange(len(content))
        piece = chance.choice((chance.randbytes(chance.randrange(1, 90_000)), b"text" * chance.randrange(1, 60_000)))
        content[at : at + len(piece)] = piece[: len(content) - at]
    return bytes(content)


@MODEL
@given(content=disks(), grain=st.sampled_from([8, 16, 128, 256]), order=st.randoms(use_true_random=False))
def test_streams_at_random(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, grain: int, order: random.Random
) -> None:
    mixed = list(range(512))
    order.shuffle(mixed)
    data = makers.vmware_stream(content, grain=grain, order=mixed)
    file = tmp_path_factory.getbasetemp() / "random.vmdk"
    file.write_bytes(data)
    image = open_image(file)
    assert image is not None
    image.check()
    assert everything(image, step=100_000) == content
    image.close()
    found = bytearray(len(content))
    for offset, piece in pieces(BytesIO(data), "pipe"):
        found[offset : offset + len(piece)] = piece
    assert found == content


@MODEL
@given(
    content=disks(4096),
    sector=st.sampled_from([512, 4096]),
    chance=st.randoms(use_true_random=False),
    depth=st.integers(0, 3),
)
def test_chains_of_vhdx_at_random(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, sector: int, chance: random.Random, depth: int
) -> None:
    folder = tmp_path_factory.mktemp("chain")
    size = len(content)
    model = bytearray(size)
    for i in range(depth + 1):
        blocks: dict[int, bytes | tuple[list[bool], bytes]] = {}
        states = {}
        for number in range(-(-size // MIB)):
            part = slice(number * MIB, min((number + 1) * MIB, size))
            kind = chance.choice(("absent", "zero", "full", "partial") if i else ("absent", "full"))
            data = content[part].translate(bytes(b ^ i for b in range(256)))
            if kind == "full":
                blocks[number], model[part] = data, data
            elif kind == "zero":
                states[number] = chance.choice((1, 2, 3))
                model[part] = bytes(len(data))
            elif kind == "partial":
                ours = [chance.random() < 0.5 for _s in range(MIB // sector)]
                blocks[number] = (ours, data)
                for j, mine in enumerate(ours):
                    at = part.start + j * sector
                    if mine and at < part.stop:
                        model[at : at + sector] = data[j * sector : (j + 1) * sector]
        parent = linked(uuid.UUID(int=i), f"{i - 1}.vhdx") if i else None
        written = uuid.UUID(int=i + 1)
        data = vhdx(blocks, size, sector=sector, parent=parent, written=written, states=states)
        (folder / f"{i}.vhdx").write_bytes(data)
    image = open_image(folder / f"{depth}.vhdx")
    assert image is not None
    image.check()
    assert everything(image, step=300_000) == model
    image.close()
    for file in folder.iterdir():
        file.unlink()
