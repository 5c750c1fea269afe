"""Hosts that run out of memory."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Memory
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_
from blue_wizard.units import bytes_text

__all__ = ["memory"]

_WARN, _GRAVE = 0.10, 0.04


@check(
    "host.memory",
    N_("Host runs out of memory"),
    severity=Severity.WARNING,
    remedy=N_("See who has it (ps --sort=-rss); on a hypervisor move servers away before the kernel ends one of them."),
    reread=True,
)
def memory(memory: Memory) -> Iterable[Finding]:
    """MemAvailable below 10 % (critical: 4 %) of MemTotal."""
    share = memory.available / memory.total
    if share < _WARN:
        yield found(
            "memory",
            N_("{free} of {total} of memory are available."),
            evidence=[f"/proc/meminfo: MemAvailable {memory.available}, MemTotal {memory.total}"],
            severity=Severity.CRITICAL if share < _GRAVE else None,
            free=bytes_text(memory.available),
            total=bytes_text(memory.total),
        )
