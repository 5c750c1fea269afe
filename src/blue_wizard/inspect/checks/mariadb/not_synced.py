"""Galera members that lag behind."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.mariadb import DatabaseServer
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["not_synced"]


@check(
    "mariadb.not-synced",
    N_("Galera member is not synced"),
    severity=Severity.WARNING,
    remedy=N_(
        "Wait while it joins (Joiner, Joined) or gives its state to another (Donor); if it stays so, read its log."
    ),
    under=("mariadb.cluster",),
    reread=True,
)
def not_synced(server: DatabaseServer) -> Iterable[Finding]:
    """wsrep_local_state_comment is not Synced."""
    state = server.status.get("wsrep_local_state_comment", "")
    if server.galera and state.lower() != "synced":
        yield found(
            "galera",
            N_("The Galera member is {state}, not Synced."),
            evidence=[f"wsrep_local_state_comment = {state}"],
            state=state,
        )
