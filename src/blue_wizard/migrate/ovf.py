"""Reading an OVF: the description of a virtual machine inside an OVA (DMTF DSP0243, versions 1.0 and 1.1)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from blue_wizard.errors import InputError
from blue_wizard.migrate.machine import Firmware, Nic
from blue_wizard.text import _

__all__ = ["Description", "DiskRef", "manifest", "parse", "safe_name"]

_CPU, _MEMORY, _NIC, _DISK = "3", "4", "10", "17"
_CONTROLLERS = {"5": "ide", "6": "scsi", "20": "sata"}
_UNITS = {"byte": 1, "kilobytes": 1 << 10, "megabytes": 1 << 20, "gigabytes": 1 << 30, "mb": 1 << 20, "gb": 1 << 30}


@dataclass(frozen=True)
class DiskRef:
    """A disk of the description: the file that holds it, its size in bytes, and the bus it hangs on."""

    file: str
    size: int
    bus: str


@dataclass(frozen=True)
class Description:
    """What the OVF says of the machine. `memory` is in MiB."""

    name: str
    vcpus: int
    memory: int
    firmware: Firmware
    secure_boot: bool
    os: str
    disks: tuple[DiskRef, ...]
    nics: tuple[Nic, ...]


def safe_name(name: str) -> str:
    """The name when it is a plain relative file name. Raises InputError when it leads out of the archive."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise InputError(
            _("{name} leads out of the archive.").format(name=repr(name)),
            _("An honest export does not do that: ask where the file comes from."),
        )
    return str(path)


def manifest(text: str) -> dict[str, tuple[str, str]]:
    """A manifest (.mf): file name to (hash algorithm, hex digest). Raises InputError for a line it can't read."""
    found = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        m = re.fullmatch(r"(SHA1|SHA256|SHA512)\s*\((.+)\)\s*=\s*([0-9a-fA-F]+)\s*", line.strip())
        if not m or len(m[3]) != 2 * hashlib.new(m[1].lower()).digest_size:
            raise InputError(_("The manifest has a line that can't be read: {line}").format(line=repr(line[:80])))
        found[safe_name(m[2])] = (m[1].lower(), m[3].lower())
    return found


def parse(text: bytes) -> Description:
    """Read an OVF with one virtual machine. Raises InputError for what is no OVF, or has no or several machines."""
    try:
        root: Element = ElementTree.fromstring(text)
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as e:
        raise InputError(_("The OVF is not well-formed: {error}").format(error=e)) from e
    systems = _all(root, "VirtualSystem")
    if len(systems) != 1:
        raise InputError(
            _("The OVF describes {count} virtual machines.").format(count=len(systems)),
            _("Only exports of a single machine are read."),
        )
    system = systems[0]
    hardware = _all(system, "VirtualHardwareSection")
    if not hardware:
        raise InputError(_("The OVF has no hardware section."))
    items = [{_tag(c): (c.text or "").strip() for c in i} for i in _items(hardware[0])]
    settings = {_attr(c, "key"): _attr(c, "value") for c in _all(hardware[0], "Config")}
    name = next((c.text for c in system if _tag(c) == "Name" and c.text), None) or _attr(system, "id")
    osection = _all(system, "OperatingSystemSection")
    return Description(
        name=name.strip(),
        vcpus=_number(items, _CPU, 1),
        memory=_memory(items),
        firmware=Firmware.UEFI if settings.get("firmware") == "efi" else Firmware.BIOS,
        secure_boot=settings.get("bootOptions.efiSecureBootEnabled") == "true",
        os=_attr(osection[0], "osType") if osection else "",
        disks=_disks(root, items),
        nics=tuple(
            Nic(
                mac=i.get("Address", "").lower() if ":" in i.get("Address", "") else "",
                network=i.get("Connection", ""),
                model=i.get("ResourceSubType", "").lower(),
            )
            for i in items
            if i.get("ResourceType") == _NIC
        ),
    )


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _attr(element: Element, name: str) -> str:
    return next((v for k, v in element.attrib.items() if k.rpartition("}")[2] == name), "")


def _all(root: Element, tag: str) -> list[Element]:
    return [e for e in root.iter() if _tag(e) == tag]


def _items(hardware: Element) -> list[Element]:
    # VMware's newer exports use StorageItem and EthernetPortItem beside Item.
    return [e for e in hardware if _tag(e) in {"Item", "StorageItem", "EthernetPortItem"}]


def _number(items: list[dict[str, str]], kind: str, default: int) -> int:
    found = next((i.get("VirtualQuantity", "") for i in items if i.get("ResourceType") == kind), "")
    return int(found) if found.isdigit() and int(found) > 0 else default


def _memory(items: list[dict[str, str]]) -> int:
    item = next((i for i in items if i.get("ResourceType") == _MEMORY), {})
    quantity = item.get("VirtualQuantity", "")
    if not quantity.isdigit():
        raise InputError(_("The OVF does not say how much memory the machine has."))
    return max(1, int(quantity) * _unit(item.get("AllocationUnits", "byte * 2^20")) >> 20)


def _unit(text: str) -> int:
    """The factor of an allocation unit: ``byte * 2^30`` and the older ``GigaBytes`` (DSP0004, annex C)."""
    power = re.search(r"2\s*\^\s*(\d+)", text)
    if power:
        return 1 << int(power[1])
    return _UNITS.get(text.strip().lower(), 1 if not text or text.strip().lower() == "byte" else 1 << 20)


def _disks(root: Element, items: list[dict[str, str]]) -> tuple[DiskRef, ...]:
    files = {_attr(f, "id"): _attr(f, "href") for f in _all(root, "File")}
    known = {_attr(d, "diskId"): d for d in _all(root, "Disk")}
    buses = {i.get("InstanceID", ""): _CONTROLLERS.get(i.get("ResourceType", ""), "") for i in items}
    found = []
    for item in (i for i in items if i.get("ResourceType") == _DISK):
        ref = item.get("HostResource", "").rpartition("/")[2]
        if ref not in known:
            raise InputError(_("The OVF names a disk {name} that it does not describe.").format(name=repr(ref)))
        disk = known[ref]
        file = _attr(disk, "fileRef")
        if file not in files:
            raise InputError(_("Disk {name} of the OVF has no file.").format(name=repr(ref)))
        capacity = _attr(disk, "capacity")
        if not capacity.isdigit():
            raise InputError(_("Disk {name} of the OVF has no size.").format(name=repr(ref)))
        size = int(capacity) * _unit(_attr(disk, "capacityAllocationUnits") or "byte")
        found.append(DiskRef(safe_name(files[file]), size, buses.get(item.get("Parent", ""), "")))
    return tuple(found)
