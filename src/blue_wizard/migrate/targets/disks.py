"""A disk of the source goes into the RBD image of its blank volume, and both are hashed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from blue_wizard.errors import Refused, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate import digest, transfer
from blue_wizard.migrate.mapping import GIB
from blue_wizard.migrate.targets import origin
from blue_wizard.migrate.targets.common import ceph_access, cloud_of, server_of
from blue_wizard.reach import ceph, nbd
from blue_wizard.text import _

__all__ = ["ImportDisk", "both_hashes", "image_of", "prove"]


def image_of(volume_id: str) -> str:
    """The RBD image of a volume (Cinder's default `volume_name_template`)."""
    return f"volume-{volume_id}"


def prove(ctx: Context, args: Args, pool: ceph.Pool) -> str:
    """The image that may be written, after two independent proofs that it is ours. Raises Refused when they disagree.

    Cinder has to say that the volume carries this job's mark and belongs to our stopped server; Ceph has to say that an
    image of its name and size exists and that nobody has it open.
    """
    wanted = ctx.outcome(args["volume"])
    volume_id = wanted["volume_id"]
    volume: dict[str, Any] = cloud_of(args).get("block_storage", f"/volumes/{volume_id}")["volume"]
    server = server_of(ctx, args)
    image = image_of(volume_id)
    size = pool.size(image)
    against = {
        _("the volume does not carry the mark of this job"): f"job={ctx.job_id} "
        not in volume["metadata"].get("blue_wizard", ""),
        _("the volume is attached elsewhere"): any(a["server_id"] != server["id"] for a in volume["attachments"]),
        _("the server is not stopped"): server["status"] != "SHUTOFF",
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
    """args: cloud, source, machine, disk, size, volume (the id of the step that made it), staged? (likewise)."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Copy the disk; what a killed attempt has written is given back first, so that holes are holes."""
        access = ceph_access(args["cloud"])
        with ceph.open_pool(access) as pool:
            image = prove(ctx, args, pool)
            if not pool.blank(image):
                ctx.event("effect", "empty image", image=f"{pool.name}/{image}")
                pool.empty(image)
        node = nbd.rbd_node(access.pool, image, conf=access.conf, client=access.client)
        with origin.open_disk(ctx, args) as disk, nbd.serve(node, writable=True) as target:
            ctx.event("effect", "import disk", disk=args["disk"], image=f"{access.pool}/{image}")
            copied = transfer.copy(
                disk.uri,
                target,
                size=disk.size,
                blank=True,
                progress=lambda done, total: ctx.progress(done, total, note=_("copy")),
                pause_point=ctx.pause_point,
            )
            sha256 = both_hashes(ctx, disk.uri, target, disk.size, args["disk"])
        origin.expect(ctx, args, sha256)
        return {
            "volume_id": ctx.outcome(args["volume"])["volume_id"],
            "target": f"rbd:{access.pool}/{image}",
            "size": args["size"],
            "moved": copied.moved,
            "seconds": round(copied.seconds, 3),
            "sha256": sha256,
        }

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Nothing of its own: the image goes with its volume."""


def both_hashes(ctx: Context, source: str, target: str, size: int, name: str) -> str:
    """The hash of both sides, taken side by side. Raises StepFailed when they differ."""

    def one(uri: str, *, speaks: bool) -> str:
        def progress(done: int) -> None:
            if speaks:
                ctx.progress(done, size, note=_("verify"))

        return digest.sha256(uri, size, progress=progress, check_stop=ctx.pause_point)

    with ThreadPoolExecutor(2) as threads:
        hashes = [threads.submit(one, source, speaks=False), threads.submit(one, target, speaks=True)]
        read, written = (h.result() for h in hashes)
    ctx.event("verify", "sha256", source=read, target=written)
    if read != written:
        raise StepFailed(
            _("Disk {disk} differs from its copy: {source} at the source, {target} at the target.").format(
                disk=name, source=read[:16], target=written[:16]
            ),
            _("Did something write to the source meanwhile?"),
        )
    return written
