"""A disk that inspects as Windows: an NTFS file system, the two registry hives that inspection reads, a few folders.

It never boots, and holds nothing of Microsoft's. What the registry says is ours; its form is read and written by hivex.
"""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path

from lab.guests.disk import LABEL
from lab.run import run

SIZE = 256 << 20
DRIVERS = ("disk.sys", "storahci.sys", "tcpip.sys")
_HIVE = 8192
_BIN = 4096
SOFTWARE = r"""Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft]

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT]

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion]
"ProductName"="Windows Server 2019 (a fixture)"
"CurrentVersion"="6.3"
"CurrentMajorVersionNumber"=dword:0000000a
"CurrentMinorVersionNumber"=dword:00000000
"CurrentBuildNumber"="17763"
"InstallationType"="Server"
"EditionID"="ServerStandard"
"""
# Which disk C: is on: the disk's identifier of 4 bytes, then the partition's first byte (1 MiB), little-endian.
SYSTEM = r"""Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SYSTEM\Select]
"Current"=dword:00000001
"Default"=dword:00000001

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001]

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services]

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\Tcpip]

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\Tcpip\Parameters]
"Hostname"="fixture"

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Control]

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Control\Session Manager]

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Control\Session Manager\Environment]
"PROCESSOR_ARCHITECTURE"="AMD64"

[HKEY_LOCAL_MACHINE\SYSTEM\MountedDevices]
"\\DosDevices\\C:"=hex(3):{label},00,00,10,00,00,00,00,00
"""


def build(out: Path) -> None:
    """Make the raw disk `out`. libguestfs writes it in its own small machine, so nothing is mounted here."""
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        folder = Path(scratch)
        label = ",".join(f"{b:02x}" for b in struct.pack("<I", int(LABEL, 16)))
        hives = {
            "SOFTWARE": _hive(folder, "SOFTWARE", SOFTWARE),
            "SYSTEM": _hive(folder, "SYSTEM", SYSTEM.replace("{label}", label)),
        }
        (folder / "program").write_bytes(_program())
        (folder / "empty").touch()
        out.unlink(missing_ok=True)
        run(["truncate", "-s", str(SIZE), out])
        run(["sfdisk", "-q", out], stdin=f"label: dos\nlabel-id: {LABEL}\nstart=2048,type=7,bootable\n")
        script = [
            "run",
            "mkfs ntfs /dev/sda1",
            "mount /dev/sda1 /",
            *(f"mkdir-p '/{f}'" for f in ("Windows/System32/config", "Windows/System32/drivers", "Program Files")),
            *(f"upload {file} /Windows/System32/config/{name}" for name, file in hives.items()),
            *(f"upload {folder / 'empty'} /Windows/System32/drivers/{name}" for name in DRIVERS),
            f"upload {folder / 'program'} /Windows/explorer.exe",
            f"upload {folder / 'program'} /Windows/System32/cmd.exe",
            "umount /",
        ]
        env = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg", "LIBGUESTFS_TMPDIR": scratch}
        run(["guestfish", "--format=raw", "-a", out], stdin="\n".join(script) + "\n", env={**os.environ, **env})


def _program() -> bytes:
    """The headers of a 64-bit console program without any code: inspection reads the architecture from cmd.exe."""
    program = bytearray(1024)
    struct.pack_into("<2s", program, 0, b"MZ")
    struct.pack_into("<H", program, 0x18, 0x40)
    struct.pack_into("<I", program, 0x3C, 0x80)
    optional = 240
    struct.pack_into("<4sHHIIIHH", program, 0x80, b"PE\0\0", 0x8664, 0, 0, 0, 0, optional, 0x22)
    struct.pack_into("<H", program, 0x98, 0x20B)
    struct.pack_into("<H", program, 0x98 + 68, 3)
    return bytes(program)


def _hive(folder: Path, name: str, registry: str) -> Path:
    """A hive with the keys of a .reg file: hivex can add to a hive and not make one, so it begins with an empty one."""
    hive, text = folder / f"{name}.hive", folder / f"{name}.reg"
    hive.write_bytes(_empty_hive())
    text.write_text(registry)
    run(["hivexregedit", "--merge", f"--prefix=HKEY_LOCAL_MACHINE\\{name}", hive, text])
    return hive


def _empty_hive() -> bytes:
    """The smallest hive: a header, one bin with a root key and its security descriptor, the rest of it one free cell.

    Source: the "regf" format as hivex reads it; `hivexregedit` is what proves that it is one.
    """
    hive = bytearray(_HIVE)
    struct.pack_into("<4sIIQIIIIII", hive, 0, b"regf", 1, 1, 0, 1, 3, 0, 1, 0x20, _HIVE - _BIN)
    struct.pack_into("<I", hive, 0x2C, 1)
    struct.pack_into("<4sIIQQI", hive, _BIN, b"hbin", 0, _HIVE - _BIN, 0, 0, 0)
    none, name = 0xFFFFFFFF, b"ROOT"
    key = struct.pack("<i2sHQ", -96, b"nk", 0x2C, 0)
    key += struct.pack("<14I", 0, none, 0, 0, none, none, 0, none, 0x80, none, 0, 0, 0, 0)
    key += struct.pack("<IHH", 0, len(name), 0) + name
    hive[_BIN + 0x20 : _BIN + 0x20 + len(key)] = key
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    security = struct.pack("<i2sHIIII", -0x30, b"sk", 0, 0x80, 0x80, 1, len(descriptor)) + descriptor
    hive[_BIN + 0x80 : _BIN + 0x80 + len(security)] = security
    struct.pack_into("<i", hive, _BIN + 0xB0, _HIVE - _BIN - 0xB0)
    checksum = 0
    for (word,) in struct.iter_unpack("<I", hive[:0x1FC]):
        checksum ^= word
    struct.pack_into("<I", hive, 0x1FC, checksum)
    return bytes(hive)
