"""Hosts whose kernel differs from that of their likes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.machine import System
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["kernel_drift"]


@check(
    "host.kernel-drift",
    N_("Host runs another kernel than its likes"),
    severity=Severity.INFO,
    remedy=N_("Bring it to {usual} at the next maintenance."),
    profile=Profile.WEEKLY,
)
def kernel_drift(systems: Everywhere[System]) -> Iterable[Finding]:
    """Among hosts of one operating system (three at least) the majority's kernel is the right one."""
    by_system: dict[str, dict[str, System]] = {}
    for host, s in systems.at.items():
        by_system.setdefault(s.system, {})[host] = s
    for hosts in by_system.values():
        counts = Counter(s.kernel for s in hosts.values())
        usual, most = counts.most_common(1)[0]
        if len(hosts) < 3 or most * 2 <= len(hosts):
            continue
        for host, s in sorted(hosts.items()):
            if s.kernel != usual:
                yield found(
                    "kernel",
                    N_("{where} runs kernel {kernel}; most hosts with {system} run {usual}."),
                    host=host,
                    evidence=[f"{k}: {n}" for k, n in counts.most_common()],
                    where=host,
                    kernel=s.kernel,
                    system=s.system,
                    usual=usual,
                )
