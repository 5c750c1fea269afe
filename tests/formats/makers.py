"""Images that qemu-img can't make, written as the standards say: what VMware and Hyper-V export."""

from __future__ import annotations

import struct
import subprocess
import uuid
import zlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from blue_wizard.migrate.transfer import verify
from blue_wizard.migrate.transfer.nbd_reader import NbdReader

MIB = 1 << 20
NONE, FIRST = uuid.UUID(int=0), uuid.UUID(int=1)
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "stream": ("vmdk", "-o", "subformat=streamOptimized"),
    "vmdk": ("vmdk", "-o", "subformat=monolithicSparse"),
    "flat": ("vmdk", "-o", "subformat=monolithicFlat"),
    "split": ("vmdk", "-o", "subformat=twoGbMaxExtentSparse"),
    "split-flat": ("vmdk", "-o", "subformat=twoGbMaxExtentFlat"),
    "qcow2": ("qcow2",),
    "qcow2-v2": ("qcow2", "-o", "compat=0.10"),
    "qcow2-small": ("qcow2", "-c", "-o", "cluster_size=512"),
    "qcow2-large": ("qcow2", "-c", "-o", "cluster_size=2M"),
    "qcow2-zlib": ("qcow2", "-c"),
    "qcow2-zstd": ("qcow2", "-c", "-o", "compression_type=zstd"),
    "qcow2-l2": ("qcow2", "-o", "extended_l2=on"),
    "vhdx": ("vhdx", "-o", "block_size=1M"),
    "vhdx-fixed": ("vhdx", "-o", "subformat=fixed,block_size=1M"),
    "vhd": ("vpc", "-o", "force_size=on"),
    "vhd-fixed": ("vpc", "-o", "subformat=fixed,force_size=on"),
    "vdi": ("vdi",),
    "raw": ("raw",),
}
SUFFIX = {"vpc": ".vhd"}


def convert(raw: Path, kind: str, folder: Path, name: str = "m") -> Path:
    """The raw disk as another kind of image."""
    fmt, *options = OPTIONS[kind]
    out = folder / (name + SUFFIX.get(fmt, f".{fmt}"))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", fmt, *options, raw, out], check=True)
    return out


def vmware_stream(content: bytes, *, grain: int = 128, order: Sequence[int] | None = None) -> bytes:
    """A streamOptimized VMDK as VMware writes it: tables behind their grains, directory and footer at the end."""
    sectors, size = len(content) // 512, grain * 512
    span = 512 * grain
    out = bytearray(_vmdk_header(sectors, grain, (1 << 64) - 1))
    out += b"# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n".ljust(512, b"\0")
    out = out.ljust(128 * 512, b"\0")
    directory = [0] * -(-sectors // span)
    for table in range(len(directory)):
        entries = [0] * 512
        for i in order or range(512):
            first = table * span + i * grain
            data = content[first * 512 : first * 512 + size]
            if data.count(0) == len(data):
                continue
            entries[i] = len(out) // 512
            packed = zlib.compress(data.ljust(size, b"\0"))
            out += _padded(struct.pack("<QI", first, len(packed)) + packed)
        if any(entries):
            out += _padded(struct.pack("<QII", 4, 0, 1))
            directory[table] = len(out) // 512
            out += struct.pack("<512I", *entries)
    body = _padded(struct.pack(f"<{len(directory)}I", *directory))
    out += _padded(struct.pack("<QII", len(body) // 512, 0, 2))
    place = len(out) // 512
    out += body + _padded(struct.pack("<QII", 1, 0, 3)) + _vmdk_header(sectors, grain, place) + bytes(512)
    return bytes(out)


def _vmdk_header(sectors: int, grain: int, directory: int) -> bytes:
    head = struct.pack("<4sIIQQQQIQQQB", b"KDMV", 3, 0x30001, sectors, grain, 1, 1, 512, 0, directory, 128, 0)
    return _padded(head + b"\n \r\n" + struct.pack("<H", 1))


def _padded(data: bytes, unit: int = 512) -> bytes:
    return data + bytes(-len(data) % unit)


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def vhd_child(
    blocks: Mapping[int, tuple[Sequence[bool], bytes]],
    size: int,
    parent: Path,
    *,
    name: str | None = None,
    block: int = 2 * MIB,
) -> bytes:
    """A differencing VHD of the VHD `parent`."""
    parent_id = parent.read_bytes()[-512:][68:84]
    head = bytearray(1024)
    count = -(-size // block)
    head[:40] = b"cxsparse" + struct.pack(">QQIII", (1 << 64) - 1, 1536, 0x10000, count, block) + bytes(4)
    head[40:56] = parent_id
    unicode_name = (name or parent.name).encode("utf-16-be")
    head[64 : 64 + len(unicode_name)] = unicode_name
    head[36:40] = struct.pack(">I", ~sum(head) & 0xFFFFFFFF)
    table = [0xFFFFFFFF] * count
    bitmap = _up(block // 512 // 8, 512)
    out = bytearray(1536) + bytearray(_up(4 * count, 512))
    for number, (sectors, data) in blocks.items():
        table[number] = len(out) // 512
        bits = bytearray(bitmap)
        for i, ours in enumerate(sectors):
            bits[i >> 3] |= ours << (7 - (i & 7))
        out += bits + data.ljust(block, b"\0")
    out[1536 : 1536 + 4 * count] = struct.pack(f">{count}I", *table)
    footer = vhd_footer(size, kind=4)
    out[:512], out[512:1536] = footer, head
    return bytes(out + footer)


def vhd_footer(size: int, *, kind: int) -> bytes:
    """The last sector of a VHD."""
    foot = bytearray(512)
    foot[:68] = b"conectix" + struct.pack(
        ">IIQI4sI4sQQIII", 2, 0x10000, 512, 0, b"win ", 0x60001, b"Wi2k", size, size, 0x03FF103F, kind, 0
    )
    foot[68:84] = uuid.uuid4().bytes
    foot[64:68] = struct.pack(">I", ~sum(foot) & 0xFFFFFFFF)
    return bytes(foot)


def sha256_over_nbd(uri: str, size: int) -> str:
    """SHA-256 (hex) of an export, holes taken from its block status."""
    with closing(NbdReader(uri, size)) as reader:
        return verify.sha256(reader)
