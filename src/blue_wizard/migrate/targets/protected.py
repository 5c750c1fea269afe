"""What changes the inside of a guest works under a snapshot of all of its disks: it happens as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from blue_wizard.jobs.actions import Args, Context
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.targets.common import ceph_access
from blue_wizard.migrate.targets.disks import image_of
from blue_wizard.reach import ceph

__all__ = ["change", "forget"]


def change(
    ctx: Context, pool: ceph.Pool, images: Sequence[str], work: Callable[[], Outcome], *, snapshot: str, done: str
) -> Outcome:
    """Snapshot the images, do the `work`, and let the snapshots go; a killed attempt begins again at the snapshots.

    `done` is what is noted when the work is. Whatever ends the work before puts the images back, and is raised.
    """
    # Where one snapshot is gone already, going back to the others would tear the guest's disks apart.
    outcome = ctx.noted(done)
    if not outcome:
        for image in images:
            if snapshot in pool.snapshots(image):
                pool.roll_back(image, snapshot)
            pool.snapshot(image, snapshot)
        try:
            outcome = work()
        except BaseException:
            # What is half changed boots neither here nor there.
            for image in images:
                pool.roll_back(image, snapshot)
            raise
        ctx.note(done, outcome)
    for image in images:
        pool.remove_snapshot(image, snapshot)
    # Jobs of before noted no more than that it was done.
    return dict(outcome) if isinstance(outcome, Mapping) else {"images": list(images)}


def forget(ctx: Context, args: Args, snapshot: str) -> None:
    """Remove the snapshots from the volumes of `args`: a volume that has one can't be deleted."""
    with ceph.open_pool(ceph_access(args["cloud"])) as pool:
        for volume in args["volumes"]:
            image = image_of(ctx.outcome(volume)["volume_id"])
            if pool.size(image) is not None:
                pool.remove_snapshot(image, snapshot)
