"""Images whose data never came."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import Images
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["image_stuck"]

_DAY_S = 86400


@check(
    "glance.image-stuck",
    N_("Image never got its data"),
    severity=Severity.WARNING,
    remedy=N_("Ask its owner, then delete it: openstack image delete {id}"),
    profile=Profile.DAILY,
)
def image_stuck(images: Images, now: Now) -> Iterable[Finding]:
    """queued, saving, uploading or importing for a day; killed at once."""
    for i in images.rows:
        age = now.at - (i.updated or i.created)
        if i.status == "killed" or (i.status in {"queued", "saving", "uploading", "importing"} and age > _DAY_S):
            yield found(
                i.id,
                N_("Image {name} is {status}."),
                evidence=[f"GET /v2/images: status {i.status}, updated {age:.0f} s ago"],
                name=i.label,
                id=i.id,
                status=i.status,
            )
