"""Processes that wait for storage which does not answer."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Processes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["stuck_processes"]

_MANY = 5


@check(
    "host.stuck-processes",
    N_("Processes hang in the kernel"),
    severity=Severity.WARNING,
    remedy=N_(
        "See what they wait for: cat /proc/PID/stack. Dead NFS and Ceph mounts, and dying disks, are the usual ones."
    ),
    under=("ceph.mon-quorum", "ceph.pg-inactive"),
    reread=True,
)
def stuck_processes(processes: Processes) -> Iterable[Finding]:
    """Five or more in uninterruptible sleep (state D), twice: they can't even be ended."""
    stuck = [p for p in processes.rows if p.state == "D"]
    if len(stuck) >= _MANY:
        yield found(
            "state D",
            N_("{count} processes hang in the kernel: {names}"),
            evidence=[f"{p.pid} {p.command[:80]}" for p in stuck[:10]],
            count=len(stuck),
            names=", ".join(sorted({p.name for p in stuck})[:5]),
        )
