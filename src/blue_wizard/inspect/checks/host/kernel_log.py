"""Lines of the kernel's log that mean trouble."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import KernelLog
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["kernel_log"]

_TEXTS = {
    "disk": N_("The kernel reports errors of a disk ({count} in 24 h): {line}"),
    "filesystem": N_("The kernel reports a damaged filesystem ({count} in 24 h): {line}"),
    "hung": N_("The kernel reports tasks or processors that stand still ({count} in 24 h): {line}"),
    "memory": N_("The kernel reports errors of memory or processor ({count} in 24 h): {line}"),
    "oom": N_("The kernel ended processes because memory ran out ({count} in 24 h): {line}"),
    "table": N_("A table of the kernel overflowed ({count} in 24 h): {line}"),
    "link": N_("A network card hung ({count} in 24 h): {line}"),
}
_GRAVE = {"filesystem", "memory"}


@check(
    "host.kernel-log",
    N_("The kernel's log shows trouble"),
    severity=Severity.WARNING,
    remedy=N_("Read what stands around it: dmesg -T. Disks: smartctl -a; memory: the BMC's event log."),
    profile=Profile.DAILY,
)
def kernel_log(log: KernelLog) -> Iterable[Finding]:
    """Of the last 24 hours, by kind. Damaged filesystems and errors of the hardware are critical."""
    for kind, (count, line) in log.kinds.items():
        yield found(
            kind,
            _TEXTS[kind],
            evidence=[line],
            severity=Severity.CRITICAL if kind in _GRAVE else None,
            count=count,
            line=line,
        )
