"""An upgrade that was not finished: migrations of the database are left."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.services import Schemas
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["schema"]


@check(
    "cross.schema",
    N_("Database does not fit the code"),
    severity=Severity.WARNING,
    remedy=N_(
        "Finish the last upgrade of {service} first: its own tool has steps that are left (expand, migrate, contract)."
    ),
    profile=Profile.BEFORE_UPGRADE,
)
def schema(schemas: Schemas) -> Iterable[Finding]:
    """By the exit status of the tool's own check."""
    for service, words, left in schemas.rows:
        if left:
            yield found(
                service,
                N_("The database of {service} has migrations left: {words}"),
                evidence=[words or service],
                service=service,
                words=words or "-",
            )
