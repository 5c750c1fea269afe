"""Filesystems that the kernel has made read-only."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Filesystems
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["read_only"]


@check(
    "host.read-only",
    N_("Filesystem has become read-only"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Read the kernel's log (dmesg), check the disk (smartctl -a), then repair the filesystem from a rescue system."
    ),
)
def read_only(filesystems: Filesystems) -> Iterable[Finding]:
    """/etc/fstab wants it writable, and it is mounted read-only: the kernel does so after errors."""
    for mount in filesystems.read_only:
        yield found(
            mount, N_("{mount} is mounted read-only."), evidence=["/proc/mounts: ro", "/etc/fstab: rw"], mount=mount
        )
