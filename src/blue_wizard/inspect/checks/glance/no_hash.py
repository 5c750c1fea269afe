"""Images that can't be verified."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import Images
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["no_hash"]


@check(
    "glance.no-hash",
    N_("Image has no checksum"),
    severity=Severity.INFO,
    remedy=N_("Upload {name} again: nobody could tell if a bit of it flipped."),
    profile=Profile.WEEKLY,
)
def no_hash(images: Images) -> Iterable[Finding]:
    """Active, but without os_hash_value and checksum: made by a location that was added, or by an old release."""
    for i in images.rows:
        if i.status == "active" and not i.hashed and i.size:
            yield found(
                i.id,
                N_("Image {name} has no checksum."),
                evidence=[f"GET /v2/images: {i.id} size {i.size}"],
                name=i.label,
            )
