"""Hosts whose work stands still for want of memory or disks."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Load
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pressure"]

_WARN = {"memory": 10.0, "io": 30.0}


@check(
    "host.pressure",
    N_("Work stands still for want of memory or disks"),
    severity=Severity.WARNING,
    remedy=N_(
        "See who waits: for {resource}, look at ps, iostat -x 1, vmstat 1; a failing disk shows in host.kernel-log too."
    ),
    reread=True,
)
def pressure(load: Load) -> Iterable[Finding]:
    """Pressure stall information of the kernel, `full` over the last 300 s: everything that wanted to run stood still for
    so much of
    the time. 10 % for memory, 30 % for disks. Unlike the load average it does not grow with the number of processors."""
    for resource, limit in _WARN.items():
        share = load.full.get(resource, 0.0)
        if share >= limit:
            yield found(
                resource,
                N_("All work has stood still for {resource} for {share} of the last 5 minutes."),
                evidence=[f"/proc/pressure/{resource}: full avg300={share}"],
                resource=resource,
                share=f"{round(share)} %",
            )
