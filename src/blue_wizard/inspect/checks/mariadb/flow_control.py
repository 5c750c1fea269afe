"""Galera clusters that one slow member holds up."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.mariadb import DatabaseServer
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["flow_control"]

_WARN = 0.1


@check(
    "mariadb.flow-control",
    N_("A slow member holds up the Galera cluster"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look at the disk and the load of the member with the longest receive queue (wsrep_local_recv_queue_avg)."
    ),
    profile=Profile.DAILY,
)
def flow_control(server: DatabaseServer) -> Iterable[Finding]:
    """Writes stood still for more than a tenth of the time (wsrep_flow_control_paused, since the last FLUSH STATUS)."""
    share = server.number("wsrep_flow_control_paused")
    if server.galera and share >= _WARN:
        yield found(
            "galera",
            N_("Writes have stood still for {share} of the time for a slow member."),
            evidence=[
                f"wsrep_flow_control_paused = {share}",
                f"wsrep_local_recv_queue_avg = {server.number('wsrep_local_recv_queue_avg')}",
            ],
            share=f"{round(share * 100)} %",
        )
