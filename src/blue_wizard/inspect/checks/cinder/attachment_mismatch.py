"""Volumes whose state and attachments contradict each other."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["attachment_mismatch"]


@check(
    "cinder.attachment-mismatch",
    N_("Volume's state contradicts its attachments"),
    severity=Severity.WARNING,
    remedy=N_(
        "Compare openstack volume attachment list --volume-id {id} with the server, then delete the "
        "attachment or reset the state."
    ),
    reread=True,
)
def attachment_mismatch(volumes: Volumes) -> Iterable[Finding]:
    """in-use without an attachment can't be attached again; available with one may be given to a second server."""
    for v in volumes.rows:
        if v.status == "in-use" and not v.servers:
            text = N_("Volume {name} is in-use, but attached to nothing.")
        elif v.status == "available" and v.servers:
            text = N_("Volume {name} is available, but attached to {servers}.")
        else:
            continue
        yield found(
            v.id,
            text,
            evidence=[f"GET /volumes/detail: status {v.status}, attachments {', '.join(v.servers) or 'none'}"],
            name=v.label,
            id=v.id,
            servers=", ".join(v.servers),
        )
