"""Services that are frozen, or fail over."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import VolumeServices
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["frozen"]


@check(
    "cinder.frozen",
    N_("Volume service is frozen or failed over"),
    severity=Severity.WARNING,
    remedy=N_("When the first site is well again: cinder failover-host {where} --backend_id default; then thaw it."),
)
def frozen(services: VolumeServices) -> Iterable[Finding]:
    """Nothing new can be made there."""
    for s in services.rows:
        if s.frozen or s.replication in {"failed-over", "failing-over", "error"}:
            yield found(
                s.host,
                N_("{where} is frozen or failed over (replication: {state})."),
                host=s.host.partition("@")[0],
                evidence=[f"GET /os-services: frozen {s.frozen}, replication_status {s.replication}"],
                where=s.host,
                state=s.replication or "-",
            )
