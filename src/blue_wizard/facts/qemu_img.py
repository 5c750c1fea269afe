"""What `qemu-img` says of a disk image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["ImageInfo", "check_command", "info_command", "map_command", "parse_info"]

FORMATS = {"qcow2", "vmdk", "vpc", "vhdx", "vdi", "raw", "qcow"}


@dataclass(frozen=True)
class ImageInfo:
    """`size` is the virtual size, `used` the space on disk, both in bytes. `refers` are other files that it names.

    `backing` is the one of them that it was made from.
    """

    format: str
    size: int
    used: int
    refers: tuple[str, ...]
    backing: str = ""
    encrypted: bool = False


def map_command(path: str, fmt: str) -> list[str]:
    """The argv that lists the pieces of an image and their places in the file, as JSON."""
    return ["qemu-img", "map", "-U", "--output=json", "-f", fmt, path]


def info_command(target: str, fmt: str = "") -> list[str]:
    """The argv whose output `parse_info` reads; `target` is a path or a ``json:`` description."""
    return ["qemu-img", "info", "-U", "--output=json", *(["-f", fmt] if fmt else []), target]


def check_command(path: str, fmt: str) -> list[str]:
    """The argv that checks an image's structure: 0 sound, 2 damaged, 3 leaks only, 63 no check for this format."""
    return ["qemu-img", "check", "-U", "-q", "-f", fmt, path]


def parse_info(text: str) -> ImageInfo:
    """Read the JSON of `info_command`. Raises KeyError or ValueError for anything else.

    Extents of a VMDK and data files of a QCOW2 are files that the image names by itself: with images from strangers they are
    a way to read files of this machine.
    """
    data: dict[str, Any] = json.loads(text)
    specific = data.get("format-specific", {}).get("data", {})
    backing = next((str(data[k]) for k in ("full-backing-filename", "backing-filename") if data.get(k)), "")
    refers = [backing] if backing else []
    if isinstance(specific.get("data-file"), str):
        refers.append(specific["data-file"])
    # The one extent of a VMDK that is its own has no format here; those that a descriptor names have one.
    extents = [e for e in specific.get("extents", []) if isinstance(e, dict) and e.get("filename")]
    refers += [e["filename"] for e in extents if e.get("format")]
    return ImageInfo(
        format=data["format"],
        size=int(data["virtual-size"]),
        used=int(data.get("actual-size", 0)),
        refers=tuple(refers),
        backing=backing,
        encrypted=bool(data.get("encrypted")),
    )
