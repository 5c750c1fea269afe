"""Disks to make images of."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from blue_wizard.migrate.formats import Image

MIB = 1 << 20


def everything(image: Image, step: int = 4 * MIB) -> bytes:
    """The whole disk by way of its extents, which have to follow each other."""
    parts, at = [], 0
    for extent in image.extents():
        assert extent.offset == at
        assert extent.length > 0
        at = extent.end
        for offset in range(extent.offset, extent.end, step):
            length = min(step, extent.end - offset)
            parts.append(bytes(length) if extent.zero else image.read(offset, length))
    assert at == image.size
    return b"".join(parts)


@pytest.fixture
def disk(tmp_path: Path) -> Callable[[str], Path]:
    """A raw disk: sparse, full, of an odd size, or empty."""

    def make(kind: str) -> Path:
        chance = random.Random(kind)
        sizes = {"sparse": 12 * MIB, "full": 3 * MIB, "odd": 5 * MIB + 3 * 512, "empty": 7 * MIB}
        content = bytearray(sizes[kind])
        if kind == "full":
            content[:] = chance.randbytes(len(content))
        elif kind != "empty":
            for _piece in range(12):
                at, length = chance.randrange(len(content)), chance.randrange(1, 200_000)
                text = chance.randbytes(64) * (length // 64 + 1)
                content[at : at + length] = text[: min(length, len(content) - at)]
            content[-5:] = b"\1last"[-5:]
        folder = tmp_path / "raw"
        folder.mkdir(exist_ok=True)
        file = folder / f"{kind}.disk"
        file.write_bytes(content)
        return file

    return make
