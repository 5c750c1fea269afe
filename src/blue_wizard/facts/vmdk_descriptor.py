"""The text that describes a VMDK of several files: which extents it has, and where they lie.

Source: VMware, Virtual Disk Format 1.1 (the text descriptor).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["MAGIC", "ExtentLine", "parent", "parse"]

MAGIC = b"# Disk DescriptorFile"
_SECTOR = 512
_LINE = re.compile(r'^\s*(?:RW|RDONLY|NOACCESS)\s+(\d+)\s+([A-Z]+)\s+"([^"]*)"(?:\s+(\d+))?', re.M)
_PARENT = re.compile(r'^\s*parentFileNameHint\s*=\s*"([^"]*)"', re.M)


@dataclass(frozen=True)
class ExtentLine:
    """One extent: `size` bytes of the disk, in `file`; those of a flat extent begin at `offset` of it."""

    size: int
    kind: str
    file: str
    offset: int

    @property
    def needs(self) -> int:
        """How long the file has to be at least, in bytes; 0 where the file itself says so."""
        return self.offset + self.size if self.kind in {"FLAT", "VMFS"} else 0


def parse(text: str) -> tuple[ExtentLine, ...]:
    """The extents that a descriptor names."""
    return tuple(ExtentLine(int(m[1]) * _SECTOR, m[2], m[3], int(m[4] or 0) * _SECTOR) for m in _LINE.finditer(text))


def parent(text: str) -> str:
    """The parent that a descriptor names, "" when it has none."""
    found = _PARENT.search(text)
    return found[1] if found else ""
