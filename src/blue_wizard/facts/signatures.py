"""What a disk or a partition holds, by its first bytes. Pure.

Layouts: LUKS1 and LUKS2 as in their on-disk format specifications; BitLocker as libbde's documentation has it; LVM2 as in
lib/format_text/layout.h; ext4 as in the kernel's Documentation/filesystems/ext4; XFS as in libxfs/xfs_format.h; btrfs as in its
on-disk format; swap as in the kernel's include/linux/swap.h, where a suspended kernel has left its own mark; ZFS as in its on-disk
format, labels; MD as in include/uapi/linux/raid/md_p.h; FAT and NTFS as in their boot sectors' parameter blocks.
"""

from __future__ import annotations

import struct
import uuid

__all__ = ["BOOT_SECTORS", "ENCRYPTED", "NEEDED", "free_bytes", "identify"]

NEEDED = 68 << 10
"""So many bytes from the start decide: btrfs' superblock lies at 64 KiB."""
BOOT_SECTORS = frozenset({"bitlocker", "ntfs", "exfat", "refs", "fat"})
"""They end their first sector as an MBR does, and have no partitions in it."""
ENCRYPTED = frozenset({"bitlocker", "luks1", "luks2"})

_TO_GO = uuid.UUID("4967d63b-2e29-4ad8-8399-f6a339e3d001").bytes_le
_NAMES = {b"-FVE-FS-": "bitlocker", b"NTFS    ": "ntfs", b"EXFAT   ": "exfat", b"ReFS\x00\x00\x00\x00": "refs"}
_ZFS_LABEL = 16 << 10
_BTRFS = (64 << 10) + 64


def identify(data: bytes) -> str:
    """What it holds, in a word; ``zero`` for nothing but zeroes, "" for what is not known.

    The words are ``ntfs``, ``ext``, ``xfs``, ``btrfs``, ``fat``, ``exfat``, ``refs``, ``bitlocker``, ``luks1``, ``luks2``, ``lvm``,
    ``zfs``, ``md``, ``swap``, and ``suspended`` for swap with a sleeping kernel in it.
    """
    return _sector(data) or _further(data) or ("zero" if data and not any(data) else "")


def _sector(data: bytes) -> str:
    if data[:6] == b"LUKS\xba\xbe":
        return {1: "luks1", 2: "luks2"}.get(int.from_bytes(data[6:8]), "")
    if data[:4] == b"XFSB":
        return "xfs"
    if data[510:512] != b"\x55\xaa":
        return ""
    if data[3:11] in _NAMES:
        return _NAMES[data[3:11]]
    if data[424:440] == _TO_GO:
        return "bitlocker"
    return "fat" if data[54:59] in (b"FAT12", b"FAT16") or data[82:87] == b"FAT32" else ""


def _further(data: bytes) -> str:
    for at in range(0, 2048, 512):
        if data[at : at + 8] == b"LABELONE" and data[at + 24 : at + 32] == b"LVM2 001":
            return "lvm"
    if data[1080:1082] == b"\x53\xef":
        return "ext"
    if data[4086:4096] in (b"SWAPSPACE2", b"SWAP-SPACE"):
        return "swap"
    if data[4086:4095] == b"S1SUSPEND":
        return "suspended"
    if data[_BTRFS : _BTRFS + 8] == b"_BHRfS_M":
        return "btrfs"
    if any(data[at : at + 4] == b"\xfc\x4e\x2b\xa9" for at in (0, 4096)):
        return "md"
    label = data[_ZFS_LABEL : _ZFS_LABEL + 4096]
    return "zfs" if label[:1] in (b"\x00", b"\x01") and b"pool_guid" in label else ""


def free_bytes(data: bytes, content: str) -> int | None:
    """What the superblock of an ext or XFS file system says is free; None where it does not say."""
    if content == "ext" and len(data) >= 2048:
        (free,) = struct.unpack_from("<I", data, 1024 + 12)
        (scale,) = struct.unpack_from("<I", data, 1024 + 24)
        (features,) = struct.unpack_from("<I", data, 1024 + 96)
        high = struct.unpack_from("<I", data, 1024 + 0x158)[0] if features & 0x80 else 0
        return int(free + (high << 32)) << (10 + scale) if scale <= 6 else None
    if content == "xfs" and len(data) >= 512:
        (block,) = struct.unpack_from(">I", data, 4)
        return int(block * struct.unpack_from(">Q", data, 144)[0])
    return None
