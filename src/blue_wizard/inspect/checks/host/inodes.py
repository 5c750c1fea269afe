"""Filesystems that run out of inodes."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Filesystems
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["inodes"]

_WARN, _GRAVE = 0.85, 0.97


@check(
    "host.inodes",
    N_("Filesystem runs out of inodes"),
    severity=Severity.WARNING,
    remedy=N_("Find the folder with the many files: du --inodes -xd2 {mount} | sort -n | tail"),
    under=("host.disk-full",),
)
def inodes(filesystems: Filesystems) -> Iterable[Finding]:
    """85 % (critical: 97 %): no file can be made when they are gone, however much room there is."""
    for f in filesystems.rows:
        if f.inodes >= _WARN:
            yield found(
                f.mount,
                N_("{mount} has used {percent} of its inodes."),
                evidence=[f"df -i: {f.device} {f.mount} {f.inodes:.0%}"],
                severity=Severity.CRITICAL if f.inodes >= _GRAVE else None,
                mount=f.mount,
                percent=f"{round(f.inodes * 100)} %",
            )
