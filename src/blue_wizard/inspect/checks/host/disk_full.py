"""Filesystems that are nearly full."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Filesystems
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_
from blue_wizard.units import bytes_text

__all__ = ["disk_full"]

_WARN, _GRAVE = 0.85, 0.95


@check(
    "host.disk-full",
    N_("Filesystem is nearly full"),
    severity=Severity.WARNING,
    remedy=N_(
        "See what grows: du -xh --max-depth=2 {mount} | sort -h | tail. Logs, images and core files are the usual ones."
    ),
)
def disk_full(filesystems: Filesystems) -> Iterable[Finding]:
    """85 % (critical: 95 %) of used + available: what root has reserved counts as gone."""
    for f in filesystems.rows:
        if f.used >= _WARN:
            yield found(
                f.mount,
                N_("{mount} is {percent} full; {free} are left."),
                evidence=[f"df: {f.device} {f.type} {f.mount} size {f.size}, available {f.free}"],
                severity=Severity.CRITICAL if f.used >= _GRAVE else None,
                mount=f.mount,
                percent=f"{round(f.used * 100)} %",
                free=bytes_text(f.free),
            )
