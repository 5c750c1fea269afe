"""What a disk says of its own health: ``smartctl -j`` (smartmontools 7.0 and later), and a pure parser.

Field names are those of smartmontools' JSON. Only what a maker himself calls failing, or what is already lost, counts: counters
that grow with age say little about one disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from blue_wizard.text import _

__all__ = ["command", "signs"]

_PENDING, _UNCORRECTABLE, _REALLOCATED = 197, 198, 5
_MANY = 100
"""So many reallocated sectors, or grown defects, are no accident any more."""


def command(device: str) -> tuple[str, ...]:
    """Health and attributes of a disk; one that sleeps is left asleep."""
    return ("smartctl", "-j", "-n", "standby", "-H", "-A", "-l", "error", device)


def signs(text: str) -> tuple[str, ...]:
    """What is wrong with a disk, in words, out of the JSON; nothing for a healthy disk, and for an answer that is no JSON."""
    try:
        told = json.loads(text)
    except ValueError:
        return ()
    return tuple(_signs(told)) if isinstance(told, dict) else ()


def _signs(told: Mapping[str, Any]) -> Iterator[str]:
    if (told.get("smart_status") or {}).get("passed") is False:
        yield _("SMART: the disk says that it is failing")
    rows = (told.get("ata_smart_attributes") or {}).get("table") or ()
    raw = {int(r["id"]): int((r.get("raw") or {}).get("value") or 0) & 0xFFFFFFFF for r in rows if "id" in r}
    lost = max(raw.get(_PENDING, 0), raw.get(_UNCORRECTABLE, 0))
    if lost:
        yield _("SMART: {count} sectors can't be read").format(count=lost)
    moved = max(raw.get(_REALLOCATED, 0), int(told.get("scsi_grown_defect_list") or 0))
    if moved >= _MANY:
        yield _("SMART: {count} sectors were replaced by spare ones").format(count=moved)
    log = told.get("scsi_error_counter_log") or {}
    uncorrected = sum(int((log.get(k) or {}).get("total_uncorrected_errors") or 0) for k in ("read", "write", "verify"))
    if uncorrected:
        yield _("SMART: {count} errors were not corrected").format(count=uncorrected)
    nvme = told.get("nvme_smart_health_information_log") or {}
    if int(nvme.get("critical_warning") or 0):
        yield _("SMART: critical warning {bits}").format(bits=f"0x{int(nvme['critical_warning']):02x}")
    if int(nvme.get("media_errors") or 0):
        yield _("SMART: {count} errors were not corrected").format(count=int(nvme["media_errors"]))
    if int(nvme.get("percentage_used") or 0) >= 100:
        yield _("SMART: {percent} percent of its rated life is used").format(percent=int(nvme["percentage_used"]))
