"""Thin pools that have promised nearly as much as they may."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import VolumePools
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["oversubscribed"]

_WARN = 0.90


@check(
    "cinder.oversubscribed",
    N_("Volume pool has promised nearly all that it may"),
    severity=Severity.WARNING,
    remedy=N_(
        "Add storage, or raise max_over_subscription_ratio if the real use allows it: new volumes will be refused soon."
    ),
    profile=Profile.DAILY,
)
def oversubscribed(pools: VolumePools) -> Iterable[Finding]:
    """Provisioned >= 90 % of total * max_over_subscription_ratio, for thin pools that report what is provisioned."""
    for p in pools.rows:
        if not p.thin or not p.total or not p.oversubscription or p.provisioned is None:
            continue
        share = p.provisioned / (p.total * p.oversubscription)
        if share >= _WARN:
            yield found(
                p.name,
                N_("Pool {pool} has promised {share} of what it may."),
                evidence=[
                    f"provisioned {p.provisioned}, total {p.total}, max_over_subscription_ratio {p.oversubscription}"
                ],
                pool=p.name,
                share=f"{round(share * 100)} %",
            )
