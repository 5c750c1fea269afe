"""Hosts that do not answer by SSH."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.facts import Reached
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["unreachable"]

_DEAD = {"unreachable", "timeout", "connection-lost"}


@check(
    "host.unreachable",
    N_("Host does not answer"),
    severity=Severity.CRITICAL,
    remedy=N_("Try: ssh {where}. Look at it through its BMC; do not evacuate before it is off for certain."),
)
def unreachable(reached: Reached) -> Iterable[Finding]:
    """Critical where nothing answers; a warning where the host answers, but its key or our login is refused. Everything
    that would have
    been read there is unknown."""
    for host, lost in reached.hosts.items():
        if lost:
            yield found(
                host,
                N_("{where} can't be asked: {reason}"),
                host=host,
                evidence=[f"ssh {host}: {lost[0]}"],
                severity=None if lost[0] in _DEAD else Severity.WARNING,
                where=host,
                reason=lost[1],
            )
