"""Files with secrets that every user of the host may read."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.machine import ExposedFiles
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["exposed_secrets"]


@check(
    "host.exposed-secrets",
    N_("Everybody may read a file with secrets"),
    severity=Severity.WARNING,
    remedy=N_("Take the right away: chmod o-r {file}; then change the secrets in it."),
    profile=Profile.DAILY,
)
def exposed_secrets(files: ExposedFiles) -> Iterable[Finding]:
    """Configurations of services, keyrings, keys and clouds.yaml, in folders that others may enter."""
    for file, mode in files.rows:
        yield found(file, N_("{file} has mode {mode}."), evidence=[f"stat: {mode} {file}"], file=file, mode=mode)
