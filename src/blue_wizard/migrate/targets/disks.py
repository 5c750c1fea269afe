"""A disk of the source goes into the RBD image of its blank volume, and is read back."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from blue_wizard.config import CephAccess
from blue_wizard.errors import Refused
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.mapping import GIB
from blue_wizard.migrate.targets import copying, origin
from blue_wizard.migrate.targets.common import ceph_access, cloud_of, server_of
from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.migrate.transfer.rbd_image import RbdImage
from blue_wizard.migrate.transfer.space import SpaceGuard
from blue_wizard.reach import ceph
from blue_wizard.text import _

__all__ = ["ImportDisk", "free", "image_of", "prove", "wait_for_dead_writer"]

# A client that was killed is on the list of an image's watchers for 30 s (osd_client_watch_timeout).
_WATCH_S = 40.0


def image_of(volume_id: str) -> str:
    """The RBD image of a volume (Cinder's default `volume_name_template`)."""
    return f"volume-{volume_id}"


def prove(ctx: Context, args: Args, pool: ceph.Pool) -> str:
    """The image that may be written, after two independent proofs that it is ours. Raises Refused when they disagree.

    Cinder has to say that the volume carries this job's mark and belongs to our stopped server, or with `alone` to nobody; Ceph
    has to say that an image of its name and size exists and that nobody has it open.
    """
    wanted = ctx.outcome(args["volume"])
    volume_id = wanted["volume_id"]
    volume: dict[str, Any] = cloud_of(args).get("block_storage", f"/volumes/{volume_id}")["volume"]
    server = None if args.get("alone") else server_of(ctx, args)
    image = image_of(volume_id)
    size = pool.size(image)
    against = {
        _("the volume does not carry the mark of this job"): f"job={ctx.job_id} "
        not in volume["metadata"].get("blue_wizard", ""),
        _("the volume is encrypted"): bool(volume.get("encrypted")),
        _("the volume is attached elsewhere"): any(
            server is None or a["server_id"] != server["id"] for a in volume["attachments"]
        ),
        _("the server is not stopped"): server is not None and server["status"] != "SHUTOFF",
        _("Ceph has no such image"): size is None,
        _("the image has another size than the volume"): size is not None and size != volume["size"] * GIB,
        _("somebody has the image open"): size is not None and bool(pool.watchers(image)),
    }
    reasons = [text for text, holds in against.items() if holds]
    if reasons:
        raise Refused(
            _("{pool}/{image} is not written: {reasons}.").format(
                pool=pool.name, image=image, reasons="; ".join(reasons)
            ),
            _("Look at the volume and its image before you go on."),
        )
    return image


@action("rbd.disk.import")
class ImportDisk(Action):
    """args: cloud, source, machine, disk, size, volume (the id of the step that made it), staged? (likewise),
    max_rate ("" or see `rates.parse`), alone? (the volume is no server's)."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The very image that was written and read back whole by an attempt that could not say so any more."""
        made = ctx.noted("made")
        if not made:
            return None
        image = image_of(made["outcome"]["volume_id"])
        with ceph.open_pool(ceph_access(args["cloud"])) as pool:
            if pool.size(image) is None:
                return None
            with closing(RbdImage(pool, image, read_only=True)) as there:
                return dict(made["outcome"]) if there.identity() == made["image"] else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Copy the disk, or carry on where a killed attempt has come to, and read it back."""
        access = ceph_access(args["cloud"])
        with ceph.open_pool(access, direct=True) as pool:
            image = image_of(ctx.outcome(args["volume"])["volume_id"])
            wait_for_dead_writer(ctx, pool, image, begun=copying.has_begun(ctx))
            image = prove(ctx, args, pool)
            with origin.open_disk(ctx, args) as disk:
                image_id, outcome = _transfer(ctx, args, pool, image, disk)
        origin.expect(ctx, args, outcome["sha256"])
        # Without its journal the copy would be made again, were this step repeated now.
        ctx.note("made", {"image": image_id, "outcome": outcome})
        copying.forget(ctx)
        return outcome

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """The image goes with its volume; what was noted of it goes here."""
        copying.forget(ctx)


def wait_for_dead_writer(ctx: Context, pool: ceph.Pool, image: str, *, begun: bool) -> None:
    """Where an attempt has been before (`begun`, or the image holds something), give its client the time to be forgotten."""
    end = time.monotonic() + _WATCH_S
    while pool.size(image) is not None and pool.watchers(image) and time.monotonic() < end:
        if not begun and pool.blank(image):
            return
        ctx.pause_point()
        time.sleep(0.5)


def _transfer(ctx: Context, args: Args, pool: ceph.Pool, image: str, disk: Reader) -> tuple[str, dict[str, Any]]:
    with closing(RbdImage(pool, image, read_only=True)) as looked_at:
        target_id, object_size = looked_at.identity(), looked_at.object_size()
    work = copying.survey(disk, object_size)
    notes = _open_journal(ctx, pool, image, copying.identity(args, work, [pool.fsid(), pool.name, image, target_id]))
    access = ceph_access(args["cloud"])
    with closing(notes), closing(RbdImage(pool, image)) as target:
        ctx.event("effect", "import disk", disk=args["disk"], image=target.name, objects_done=len(notes))
        guard = SpaceGuard(pool.name, lambda: free(access), copying.in_flight() * object_size)
        moved = copying.move(ctx, args, work, target, target, notes, where=pool.name, guards=[guard])
        volume_id = ctx.outcome(args["volume"])["volume_id"]
        return target_id, {"volume_id": volume_id, "target": f"rbd:{target.name}", **moved}


def free(access: CephAccess) -> int:
    """What the pool has left, in bytes."""
    # A connection of its own for each look: one that hangs must not keep the copy's from being closed.
    with ceph.open_pool(access) as pool:
        return pool.free()


def _open_journal(ctx: Context, pool: ceph.Pool, image: str, identity: dict[str, Any]) -> Journal:
    """The journal of this step; the image is blank where it knows nothing."""
    notes = copying.carry_on(ctx, identity)
    if notes is not None:
        return notes
    if not pool.blank(image):
        ctx.event("effect", "empty image", image=f"{pool.name}/{image}")
        pool.empty(image)
    return copying.begin(ctx, identity)
