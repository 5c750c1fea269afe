"""The text descriptor of a VMDK: which file holds the disk's bytes.

Source: VMware Virtual Disk Format 1.1, "The Descriptor File".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Extent", "parse"]

_EXTENT = re.compile(r'^(RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)")?(?:\s+(\d+))?', re.M)
_SECTOR = 512


@dataclass(frozen=True)
class Extent:
    """A piece of the disk: `size` bytes of `file`, from `offset`. `kind` is VMFS, FLAT, VMFSSPARSE, SESPARSE, ZERO ..."""

    kind: str
    size: int
    file: str
    offset: int = 0


def parse(text: str) -> tuple[Extent, ...]:
    """The extents of a descriptor, in order. Raises ValueError when the text is no descriptor, or names none."""
    if not text.lstrip().startswith("# Disk DescriptorFile"):
        raise ValueError("no disk descriptor")
    found = tuple(
        Extent(kind, int(sectors) * _SECTOR, file, int(offset or 0) * _SECTOR)
        for _access, sectors, kind, file, offset in _EXTENT.findall(text)
    )
    if not found:
        raise ValueError("a disk descriptor without extents")
    return found
