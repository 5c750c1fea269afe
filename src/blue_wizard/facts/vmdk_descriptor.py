"""The text that describes a VMDK: which files hold the disk's bytes, and what it was made from.

Source: VMware, Virtual Disk Format 1.1, "The Descriptor File".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["MAGIC", "Extent", "parent", "parse"]

MAGIC = b"# Disk DescriptorFile"
_SECTOR = 512
_EXTENT = re.compile(r'^\s*(?:RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:[ \t]+"([^"]*)")?(?:[ \t]+(\d+))?', re.M)
_PARENT = re.compile(r'^\s*parentFileNameHint\s*=\s*"([^"]*)"', re.M)


@dataclass(frozen=True)
class Extent:
    """A piece of the disk: `size` bytes, in `file` from `offset`. `kind` is VMFS, FLAT, SPARSE, VMFSSPARSE, SESPARSE, ZERO ..."""

    kind: str
    size: int
    file: str
    offset: int = 0

    @property
    def needs(self) -> int:
        """How long the file has to be at least, in bytes; 0 where the file itself says so."""
        return self.offset + self.size if self.kind in {"FLAT", "VMFS"} else 0


def parse(text: str) -> tuple[Extent, ...]:
    """The extents of a descriptor, in order; none for a text that is no descriptor."""
    if not text.lstrip().startswith(MAGIC.decode()):
        return ()
    return tuple(
        Extent(kind, int(sectors) * _SECTOR, file, int(offset or 0) * _SECTOR)
        for sectors, kind, file, offset in _EXTENT.findall(text)
    )


def parent(text: str) -> str:
    """The parent that a descriptor names, "" when it has none."""
    found = _PARENT.search(text)
    return found[1] if found else ""
