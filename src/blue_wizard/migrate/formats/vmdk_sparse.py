"""How far into its file a sparse extent of a split VMDK reaches. QEMU reads zeroes where such a file was cut off in a grain.

Source: VMware, Virtual Disk Format 1.1 (hosted sparse extents).
"""

from __future__ import annotations

import struct
from pathlib import Path

from blue_wizard.migrate.formats.window import Tables, Window, believable, damaged
from blue_wizard.text import _

__all__ = ["reach"]

_SECTOR = 512


def reach(file: Path) -> int:
    """The end of the last grain that the tables name, in bytes. Raises StepFailed when they can't be right."""
    window = Window(file)
    try:
        return _reach(window)
    finally:
        window.close()


def _reach(window: Window) -> int:
    head = window.read(0, _SECTOR)
    _version, flags, capacity, grain, _at, _length, entries, _spare, directory = struct.unpack_from(
        "<IIQQQQIQQ", head, 4
    )
    if head[:4] != b"KDMV" or not 0 < grain <= 4096 or not 0 < entries <= 512:
        raise damaged(window.name, _("grains of {size} sectors").format(size=grain))
    believable(window.name, capacity * _SECTOR)
    tables = Tables(window, "I", "little")
    last = 0
    for at in tables.read(directory * _SECTOR, -(-capacity // (grain * entries))) or ():
        table = tables.read(at * _SECTOR, entries) if at else None
        last = max(last, max(table, default=0) if table is not None else 0)
    # 1 stands for a grain of zeroes where the flag says so. The last grain of the disk may be shorter.
    return (last + min(grain, capacity % grain or grain)) * _SECTOR if last > bool(flags & 4) else 0
