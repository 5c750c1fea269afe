"""Drivers for guests that have none for virtio, put in on the target's copy and under the protection of a snapshot."""

from __future__ import annotations

from contextlib import ExitStack
from urllib.parse import urlsplit

from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate import convert
from blue_wizard.migrate.targets.common import ceph_access
from blue_wizard.migrate.targets.disks import image_of, prove
from blue_wizard.reach import ceph, nbd

__all__ = ["ConvertGuest"]

SNAPSHOT = "blue-wizard-before-convert"


@action("guest.convert")
class ConvertGuest(Action):
    """args: cloud, name, vcpus, memory, volumes (the ids of the steps that made them)."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Snapshot, convert, and let the snapshots go; a killed attempt begins again at the snapshots."""
        access = ceph_access(args["cloud"])
        with ceph.open_pool(access) as pool:
            images = [prove(ctx, {**args, "volume": v}, pool) for v in args["volumes"]]
            for image in images:
                if SNAPSHOT in pool.snapshots(image):
                    pool.roll_back(image, SNAPSHOT)
                pool.snapshot(image, SNAPSHOT)
            ctx.event("effect", "convert guest", images=images)
            try:
                with ExitStack() as stack:
                    ports = []
                    for image in images:
                        node = nbd.rbd_node(access.pool, image, conf=access.conf, client=access.client)
                        uri = stack.enter_context(nbd.serve(node, writable=True, tcp=True))
                        ports.append(urlsplit(uri).port or 0)
                    convert.convert_in_place(
                        ports,
                        name=args["name"],
                        memory=args["memory"],
                        vcpus=args["vcpus"],
                        progress=lambda text: ctx.progress(0, 1, unit="", note=text),
                        check_stop=ctx.check_stop,
                    )
            except BaseException:
                # What is half converted boots neither here nor there.
                for image in images:
                    pool.roll_back(image, SNAPSHOT)
                raise
            for image in images:
                pool.remove_snapshot(image, SNAPSHOT)
        return {"images": images}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Remove the snapshots: a volume that has one can't be deleted."""
        with ceph.open_pool(ceph_access(args["cloud"])) as pool:
            for volume in args["volumes"]:
                image = image_of(ctx.outcome(volume)["volume_id"])
                if pool.size(image) is not None:
                    pool.remove_snapshot(image, SNAPSHOT)
