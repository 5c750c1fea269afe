"""What udev knows a disk by, beside the name that the kernel deals out anew at each start. A piece of a script, and its parser.

Columns of `lsblk` that an old release does not know leave the first section empty, and a host without udev the second one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["SCRIPT", "DiskNames", "parse"]

SCRIPT = r"""
s wwns; lsblk -d -P -o KNAME,WWN,SERIAL 2>/dev/null
s links; find /dev/disk/by-id /dev/disk/by-path -type l -printf '%p %l\n' 2>/dev/null
"""
"""Two sections of a script that defines ``s``, which prints the head of one."""


@dataclass(frozen=True)
class DiskNames:
    """The `wwn` and the `serial` number of a disk as `lsblk` writes them, and its `links` below ``/dev/disk``."""

    wwn: str = ""
    serial: str = ""
    links: tuple[str, ...] = ()


def parse(wwns: Iterable[str], links: Iterable[str]) -> dict[str, DiskNames]:
    """The names by the kernel's name, from the lines of both sections; partitions have links, too."""
    rows = [dict(word.partition("=")[::2] for word in shlex.split(line)) for line in wwns]
    told = {row["KNAME"]: (row["WWN"].strip(), row["SERIAL"].strip()) for row in rows}
    found: dict[str, list[str]] = {}
    for line in links:
        path, _sep, target = line.rpartition(" ")
        found.setdefault(target.rpartition("/")[2], []).append(path)
    return {
        name: DiskNames(*told.get(name, ("", "")), links=tuple(sorted(found.get(name, ()))))
        for name in told.keys() | found.keys()
    }
