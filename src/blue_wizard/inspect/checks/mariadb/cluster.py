"""Members of a Galera cluster that are not whole."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.mariadb import DatabaseServer
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["cluster"]


@check(
    "mariadb.cluster",
    N_("Galera member is not part of the primary component"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Find the member with the newest state (grastate.dat: seqno, safe_to_bootstrap) and let the others "
        "join it; never bootstrap two."
    ),
)
def cluster(server: DatabaseServer) -> Iterable[Finding]:
    """wsrep_cluster_status is not Primary, or the server is not ready or not connected: it refuses every query."""
    if not server.galera:
        return
    s = server.status
    wrong = {
        name: s.get(name, "")
        for name, wanted in (("wsrep_cluster_status", "primary"), ("wsrep_ready", "on"), ("wsrep_connected", "on"))
        if s.get(name, "").lower() != wanted
    }
    if wrong:
        yield found(
            "galera",
            N_("The database server takes no queries: {state}"),
            evidence=[f"{name} = {value}" for name, value in wrong.items()],
            state=", ".join(f"{name} {value}" for name, value in wrong.items()),
        )
