"""Hosts that live from swap."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Memory
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_
from blue_wizard.units import bytes_text

__all__ = ["swap"]

_WARN = 0.5


@check(
    "host.swap",
    N_("Host lives from swap"),
    severity=Severity.WARNING,
    remedy=N_("Find out what was too big for the memory; guests and databases in swap are slow."),
    under=("host.memory",),
    profile=Profile.DAILY,
)
def swap(memory: Memory) -> Iterable[Finding]:
    """More than half of the swap is used."""
    used = memory.swap_total - memory.swap_free
    if memory.swap_total and used > _WARN * memory.swap_total:
        yield found(
            "swap",
            N_("{used} of {total} of swap are used."),
            evidence=[f"/proc/meminfo: SwapTotal {memory.swap_total}, SwapFree {memory.swap_free}"],
            used=bytes_text(used),
            total=bytes_text(memory.swap_total),
        )
