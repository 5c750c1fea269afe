"""Users whose password ends soon."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.identity import Users
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["password_expiry"]

_MONTH_S = 30 * 86400


@check(
    "keystone.password-expiry",
    N_("Password expires"),
    severity=Severity.WARNING,
    remedy=N_("Change the password of {name}; for a service's user, in the service's configuration too, in one go."),
    profile=Profile.DAILY,
)
def password_expiry(users: Users, now: Now) -> Iterable[Finding]:
    """Within 30 days, or already: enabled users only. When it is a service's user, the service stops working that day."""
    for u in users.rows:
        if u.enabled and u.expires and u.expires - now.at < _MONTH_S:
            yield found(
                u.id,
                N_("The password of user {name} expires in {days} d."),
                evidence=[f"GET /v3/users: {u.name} password_expires_at {u.expires:.0f}"],
                name=u.name,
                days=round((u.expires - now.at) / 86400),
            )
