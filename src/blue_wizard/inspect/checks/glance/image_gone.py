"""Images that servers were made of and that are not there any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.facts.volume import Images
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["image_gone"]


@check(
    "glance.image-gone",
    N_("Servers need an image that is gone"),
    severity=Severity.INFO,
    remedy=N_(
        "Keep images that servers were made of (hide them instead): a rebuild, and on local disks an "
        "evacuation, needs it."
    ),
    profile=Profile.DAILY,
)
def image_gone(images: Images, servers: Servers) -> Iterable[Finding]:
    """Deleted or deactivated while servers that boot from a copy of it exist."""
    active = {i.id for i in images.rows if i.status == "active"}
    for image, count in sorted(Counter(s.image for s in servers.rows if s.image and s.image not in active).items()):
        yield found(
            image,
            N_("{count} servers were made of image {image}, which is gone or deactivated."),
            evidence=[s.label for s in servers.rows if s.image == image][:10],
            image=image,
            count=count,
        )
