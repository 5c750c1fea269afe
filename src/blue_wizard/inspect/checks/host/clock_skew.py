"""Hosts whose clock is wrong."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Clock
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["clock_skew"]

_WARN_S, _GRAVE_S = 0.5, 30.0


@check(
    "host.clock-skew",
    N_("Host's clock is wrong"),
    severity=Severity.WARNING,
    remedy=N_("Look at chrony or ntpd there (chronyc tracking, chronyc sources), and here."),
)
def clock_skew(clock: Clock) -> Iterable[Finding]:
    """Half a second beyond what the time on the way leaves open (critical: 30 s): tokens, certificates and heartbeats go
    by clocks. Ceph
    complains from 0.05 s on by itself."""
    off = abs(clock.ahead_s) - clock.doubt_s
    if off > _WARN_S:
        yield found(
            "clock",
            N_("Its clock is {seconds} s off ours."),
            evidence=[f"offset {clock.ahead_s:+.3f} s, known to {clock.doubt_s:.3f} s"],
            severity=Severity.CRITICAL if off > _GRAVE_S else None,
            seconds=f"{clock.ahead_s:+.1f}",
        )
