"""A disk of the source goes into the RBD image of its blank volume, and is read back from there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from blue_wizard import config
from blue_wizard.config import CephAccess
from blue_wizard.errors import Refused, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.mapping import GIB
from blue_wizard.migrate.sources import Export, open_source
from blue_wizard.migrate.targets.common import ceph_access, cloud_of, server_of
from blue_wizard.migrate.transfer import engine, journal, verify
from blue_wizard.migrate.transfer.journal import Journal, OtherDisk
from blue_wizard.migrate.transfer.limits import buckets
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.migrate.transfer.rbd_image import RbdImage
from blue_wizard.migrate.transfer.space import SpaceGuard
from blue_wizard.reach import ceph
from blue_wizard.text import _

__all__ = ["ImportDisk", "image_of", "prove"]

# A client that was killed is on the list of an image's watchers for 30 s (osd_client_watch_timeout).
_WATCH_S = 40.0


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


def journal_of(ctx: Context) -> Path:
    """Where the transfer of this step is noted."""
    return config.load().state_dir / "transfers" / f"{ctx.job_id}.{ctx.step_id}"


@action("rbd.disk.import")
class ImportDisk(Action):
    """args: cloud, source, machine, disk, size, volume (the id of the step that made it), max_rate ("" or see `rates.parse`)."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Copy the disk, or carry on where a killed attempt has come to, and read it back."""
        access = ceph_access(args["cloud"])
        source = open_source(args["source"])
        with ceph.open_pool(access, direct=True) as pool:
            _wait_for_dead_writer(ctx, args, pool)
            image = prove(ctx, args, pool)
            with source.open_disk(args["machine"], args["disk"]) as export, _reader(export, args) as disk:
                return _transfer(ctx, args, pool, image, disk)

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """The image goes with its volume; what was noted of it goes here."""
        journal.remove(journal_of(ctx))


def _wait_for_dead_writer(ctx: Context, args: Args, pool: ceph.Pool) -> None:
    """Where an attempt has been before, give its client the time to be forgotten."""
    image = image_of(ctx.outcome(args["volume"])["volume_id"])
    end = time.monotonic() + _WATCH_S
    while pool.size(image) is not None and pool.watchers(image) and time.monotonic() < end:
        if not journal_of(ctx).exists() and pool.blank(image):
            return
        ctx.pause_point()
        time.sleep(0.5)


@contextmanager
def _reader(export: Export, args: Args) -> Iterator[Reader]:
    name = f"{args['machine']}/{args['disk']}"
    _same_size(export.size, args)
    reader: Reader = (
        export.reader() if export.reader else NbdReader(export.uri, export.size, name=name, stamp=export.stamp)
    )
    try:
        _same_size(reader.size, args)
        yield reader
    finally:
        reader.close()


def _same_size(now: int, args: Args) -> None:
    if now != args["size"]:
        raise StepFailed(
            _("Disk {disk} of {machine} has {now} bytes now, the plan says {then}.").format(
                disk=args["disk"], machine=args["machine"], now=now, then=args["size"]
            ),
            _("Plan again: blue-wizard migrate plan"),
        )


def _transfer(ctx: Context, args: Args, pool: ceph.Pool, image: str, disk: Reader) -> Outcome:
    with closing(RbdImage(pool, image, read_only=True)) as looked_at:
        target_id, object_size = looked_at.identity(), looked_at.object_size()
    surveyed = engine.survey(disk, fresh=True, object_size=object_size)
    identity = {
        "source": [args["source"], args["machine"], args["disk"], args["size"], engine.stamp(disk)],
        "map": surveyed.fingerprint,
        "target": [pool.fsid(), pool.name, image, target_id, object_size],
    }
    notes = _open_journal(ctx, pool, image, identity)
    access, in_flight = ceph_access(args["cloud"]), config.load().transfer.in_flight
    with closing(notes), closing(RbdImage(pool, image)) as writer:
        ctx.event("effect", "import disk", disk=args["disk"], image=writer.name, objects_done=len(notes))
        copied = engine.copy(
            disk,
            writer,
            notes,
            fresh=True,
            surveyed=surveyed,
            source=f"{args['machine']}/{args['disk']}",
            settings=engine.Settings(in_flight=in_flight, object_size=object_size),
            throttles=buckets(
                source=open_source(args["source"]).target,
                pool=pool.name,
                job=ctx.job_id.partition(".")[0],
                max_rate=args.get("max_rate") or "",
            ),
            guards=[SpaceGuard(pool.name, lambda: _free(access), in_flight * object_size)],
            progress=lambda done, total: ctx.progress(done, total, note=_("copy")),
            pause_point=ctx.pause_point,
        )
        sha256 = verify.sha256(
            writer,
            size=args["size"],
            object_size=object_size,
            expected=verify.Expected(engine.plan(disk, fresh=True, object_size=object_size), notes),
            progress=lambda done: ctx.progress(done, args["size"], note=_("verify")),
            pause_point=ctx.pause_point,
        )
        ctx.event("verify", "sha256", target=sha256, objects=len(notes), objects_sha256=notes.root())
    journal.remove(notes.path)
    return {
        "volume_id": ctx.outcome(args["volume"])["volume_id"],
        "target": f"rbd:{writer.name}",
        "size": args["size"],
        "moved": copied.moved,
        "resumed": copied.resumed,
        "seconds": round(copied.seconds, 3),
        "sha256": sha256,
    }


def _free(access: CephAccess) -> int:
    # A connection of its own for each look: one that hangs must not keep the copy's from being closed.
    with ceph.open_pool(access) as pool:
        return pool.free()


def _open_journal(ctx: Context, pool: ceph.Pool, image: str, identity: dict[str, Any]) -> Journal:
    """The journal of this step; the image is blank where it knows nothing."""
    path = journal_of(ctx)
    if path.exists():
        try:
            return Journal(path, identity)
        except OtherDisk as e:
            ctx.event("note", e.message)
            journal.remove(path)
    if not pool.blank(image):
        ctx.event("effect", "empty image", image=f"{pool.name}/{image}")
        pool.empty(image)
    return Journal(path, identity)
