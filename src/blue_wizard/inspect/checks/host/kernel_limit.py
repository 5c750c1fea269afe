"""Tables of the kernel that are nearly full."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import KernelLimits
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["kernel_limit"]

_WARN, _GRAVE = 0.80, 0.95
_SYSCTL = {
    "conntrack": "net.netfilter.nf_conntrack_max",
    "files": "fs.file-max",
    "threads": "kernel.threads-max, kernel.pid_max",
    "neighbours": "net.ipv4.neigh.default.gc_thresh3",
}


@check(
    "host.kernel-limit",
    N_("Table of the kernel is nearly full"),
    severity=Severity.WARNING,
    remedy=N_("Raise {sysctl}, after seeing who fills it."),
)
def kernel_limit(limits: KernelLimits) -> Iterable[Finding]:
    """80 % (critical: 95 %) of the tracked connections, open files, threads or neighbours. When connection tracking is full, new
    connections of every guest on the host are dropped."""
    for name, (now, most) in limits.counts.items():
        if now >= _WARN * most:
            yield found(
                name,
                N_("{now} of {most} in the kernel's table of {table} are used."),
                evidence=[f"{_SYSCTL.get(name, name)} = {most}, now {now}"],
                severity=Severity.CRITICAL if now >= _GRAVE * most else None,
                table=name,
                now=now,
                most=most,
                sysctl=_SYSCTL.get(name, name),
            )
