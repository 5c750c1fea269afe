"""Images that qemu-img can't make, written as the standards say: what VMware and Hyper-V export."""

from __future__ import annotations

import struct
import subprocess
import uuid
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from blue_wizard.migrate.formats.vhdx import crc32c

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


def vhdx(
    blocks: Mapping[int, bytes | tuple[Sequence[bool], bytes]],
    size: int,
    *,
    block: int = MIB,
    sector: int = 512,
    written: uuid.UUID = FIRST,
    parent: Mapping[str, str] | None = None,
    log: uuid.UUID = NONE,
    states: Mapping[int, int] | None = None,
) -> bytes:
    """A VHDX. A block is its bytes, or (which sectors are there, its bytes) in a differencing disk."""
    out = bytearray(4 * MIB)
    out[:8] = b"vhdxfile"
    for i, at in enumerate((64 << 10, 128 << 10)):
        head = struct.pack("<4sIQ", b"head", 0, 7 + i) + uuid.UUID(int=3).bytes_le + written.bytes_le + log.bytes_le
        out[at : at + 4096] = _summed((head + struct.pack("<HHIQ", 0, 1, MIB, MIB)).ljust(4096, b"\0"))
    ratio = (sector << 23) // block
    count = -(-size // block)
    entries = -(-count // ratio) * (ratio + 1)
    bat_length = _up(entries * 8, MIB)
    table = struct.pack("<4sIII", b"regi", 0, 2, 0)
    table += uuid.UUID("2DC27766-F623-4200-9D64-115E9BFD4A08").bytes_le + struct.pack("<QII", 3 * MIB, bat_length, 1)
    table += uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E").bytes_le + struct.pack("<QII", 2 * MIB, MIB, 1)
    for at in (192 << 10, 256 << 10):
        out[at : at + (64 << 10)] = _summed(table.ljust(64 << 10, b"\0"))
    items = [
        ("CAA16737-FA36-4D43-B3B6-33F0AA44E76B", struct.pack("<II", block, 2 if parent is not None else 0)),
        ("2FA54224-CD1B-4876-B211-5DBED83BF4B8", struct.pack("<Q", size)),
        ("BECA12AB-B2E6-4523-93EF-C309E000C746", FIRST.bytes_le),
        ("8141BF1D-A96F-4709-BA47-F233A8FAAB5F", struct.pack("<I", sector)),
        ("CDA348C7-445D-4471-9CC9-E9885251C556", struct.pack("<I", 4096)),
    ]
    if parent is not None:
        items.append(("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", _locator(parent)))
    metadata = bytearray(MIB)
    metadata[:12] = b"metadata" + struct.pack("<HH", 0, len(items))
    place = 64 << 10
    for i, (kind, data) in enumerate(items):
        head = uuid.UUID(kind).bytes_le + struct.pack("<IIII", place, len(data), 4, 0)
        metadata[32 + 32 * i : 64 + 32 * i] = head
        metadata[place : place + len(data)] = data
        place += _up(len(data), 8)
    out[2 * MIB : 3 * MIB] = metadata
    out += bytes(bat_length - MIB)
    bat = [0] * entries
    bitmaps: dict[int, bytearray] = {}
    for number, content in blocks.items():
        chunk = number // ratio
        state, data = 6, content
        if isinstance(content, tuple):
            state, data = 7, content[1]
            bits = bitmaps.setdefault(chunk, bytearray(MIB))
            for i, ours in enumerate(content[0]):
                index = number % ratio * (block // sector) + i
                bits[index >> 3] |= ours << (index & 7)
        bat[number + chunk] = len(out) | state
        assert isinstance(data, bytes)
        out += data.ljust(block, b"\0")
    for number, state in (states or {}).items():
        bat[number + number // ratio] = state
    for chunk, bits in bitmaps.items():
        bat[chunk * (ratio + 1) + ratio] = len(out) | 6
        out += bits
    out[3 * MIB : 3 * MIB + 8 * entries] = struct.pack(f"<{entries}Q", *bat)
    return bytes(out)


def _summed(data: bytes) -> bytes:
    return data[:4] + struct.pack("<I", crc32c(data)) + data[8:]


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _locator(pairs: Mapping[str, str]) -> bytes:
    head = bytearray(uuid.UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913").bytes_le + struct.pack("<HH", 0, len(pairs)))
    text = bytearray()
    start = 20 + 12 * len(pairs)
    for key, value in pairs.items():
        k, v = key.encode("utf-16-le"), value.encode("utf-16-le")
        head += struct.pack("<IIHH", start + len(text), start + len(text) + len(k), len(k), len(v))
        text += k + v
    return bytes(head + text)


def linked(written: uuid.UUID, relative: str) -> dict[str, str]:
    """What a child says of its parent."""
    return {"parent_linkage": f"{{{written}}}".upper(), "relative_path": relative}


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
