"""The manual procedure, which the layouts of OSDs before ceph-volume follow. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from blue_wizard.disks import membership, slot
from blue_wizard.disks.view import View
from blue_wizard.jobs.model import Step

__all__ = ["by_hand"]


def by_hand(
    view: View, *, stop: Step, clear: Sequence[Step], make: Sequence[Step], restore: Sequence[Step] = ()
) -> tuple[Step, ...]:
    """The twelve steps of the manual procedure, where an OSD leaves the cluster and comes back as a new one.

    `clear` takes its traces from the host, `make` labels and deploys the new one, `restore` gives it settings of the old one.
    """
    drained = (membership.leave(view), membership.safe(view))
    return (
        # One that serves goes on serving until it is not needed; one that is down must not come back meanwhile.
        *((*drained, stop) if view.osd.up else (stop, *drained)),
        membership.keep_key(view),
        membership.flags_on(view),
        *membership.unregister(view),
        *clear,
        *slot.detach(view),
        *slot.swap(view),
        *make,
        membership.compare(view),
        *restore,
        membership.fetch_in(view),
        membership.flags_off(view),
        membership.refill(view),
        membership.forget_key(view),
    )
