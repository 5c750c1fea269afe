"""Containers that should run and do not."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.inspect.fetch.machine import Containers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["containers"]


@check(
    "host.containers",
    N_("Container does not run"),
    severity=Severity.WARNING,
    remedy=N_(
        "Read its log (docker logs --tail 50 {container}), then start it, or remove it when it is needed no more."
    ),
    reread=True,
)
def containers(rows: Containers) -> Iterable[Finding]:
    """Restarting, dead, unhealthy, or ended with a status other than 0. Those that end with 0 had one thing to do."""
    for name, state, status in rows.rows:
        code = re.search(r"Exited \((\d+)\)", status)
        bad = (
            state in {"restarting", "dead"}
            or "unhealthy" in status
            or (state == "exited" and (not code or code[1] != "0"))
        )
        if bad:
            yield found(
                name,
                N_("Container {container} is {state}: {status}"),
                evidence=[f"{name} {state} {status}"],
                container=name,
                state=state,
                status=status,
            )
