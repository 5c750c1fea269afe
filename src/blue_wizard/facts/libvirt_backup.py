"""Libvirt's backups and checkpoints: the XML that asks for them, and what is said of those that are there. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml import ElementTree

__all__ = [
    "EXPORT_BITMAP",
    "Pull",
    "backup_xml",
    "checkpoint_xml",
    "parse_bitmaps",
    "parse_names",
    "parse_parent",
    "socket_of",
]

EXPORT_BITMAP = "changed"
"""What the bitmap of changes is called in an export."""


@dataclass(frozen=True)
class Pull:
    """A disk that is read through a backup. `scratch` is where what the guest overwrites meanwhile is kept.

    With `since` (a checkpoint) the export shows what has changed since then.
    """

    device: str
    scratch: str
    since: str = ""


def backup_xml(socket: str, disks: Sequence[Pull], others: Iterable[str]) -> str:
    """The XML of a backup in pull mode over a unix socket; `others` are disks that are left out.

    Source: libvirt.org/formatbackup.html.
    """
    root = Element("domainbackup", mode="pull")
    since = next((d.since for d in disks if d.since), "")
    if since:
        SubElement(root, "incremental").text = since
    SubElement(root, "server", transport="unix", socket=socket)
    listed = SubElement(root, "disks")
    for disk in disks:
        element = SubElement(listed, "disk", name=disk.device, backup="yes", type="file", exportname=disk.device)
        if since:
            element.set("backupmode", "incremental" if disk.since else "full")
        if disk.since:
            element.set("incremental", disk.since)
            element.set("exportbitmap", EXPORT_BITMAP)
        SubElement(element, "scratch", file=disk.scratch)
    for device in others:
        SubElement(listed, "disk", name=device, backup="no")
    return tostring(root, encoding="unicode")


def checkpoint_xml(name: str, tracked: Iterable[str], others: Iterable[str]) -> str:
    """The XML of a checkpoint that tracks changes of some disks and leaves others alone.

    Source: libvirt.org/formatcheckpoint.html.
    """
    root = Element("domaincheckpoint")
    SubElement(root, "name").text = name
    listed = SubElement(root, "disks")
    for device in tracked:
        SubElement(listed, "disk", name=device, checkpoint="bitmap")
    for device in others:
        SubElement(listed, "disk", name=device, checkpoint="no")
    return tostring(root, encoding="unicode")


def socket_of(text: str) -> str:
    """The socket of the backup that ``virsh backup-dumpxml`` tells of; "" when it has none."""
    server = ElementTree.fromstring(text).find("server")
    return (server.get("socket") or "") if server is not None else ""


def parse_parent(text: str) -> str:
    """The parent of the checkpoint that ``virsh checkpoint-dumpxml`` tells of; "" when it has none."""
    found: str = ElementTree.fromstring(text).findtext("parent/name", "")
    return found.strip()


def parse_names(text: str) -> list[str]:
    """The names in the list that a ``virsh ... --name`` prints."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def parse_bitmaps(text: str) -> dict[str, bool]:
    """The persistent bitmaps of a QCOW2 image by ``qemu-img info --output=json``: name to whether it is whole.

    One that is "in-use" while nobody has the image open was not written out: it can't be trusted.
    """
    data: dict[str, Any] = json.loads(text)
    bitmaps = data.get("format-specific", {}).get("data", {}).get("bitmaps") or []
    return {str(b["name"]): "in-use" not in b.get("flags", []) for b in bitmaps}
