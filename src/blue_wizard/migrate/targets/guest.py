"""Drivers for guests that have none for virtio, put in on the target's copy and under the protection of a snapshot."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate import convert, guest_rules
from blue_wizard.migrate.guest_disks import Seen, see_disk
from blue_wizard.migrate.machine import Disk, Machine
from blue_wizard.migrate.targets import protected
from blue_wizard.migrate.targets.common import ceph_access
from blue_wizard.migrate.targets.disks import prove
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.reach import ceph, nbd
from blue_wizard.text import _

__all__ = ["ConvertGuest"]

SNAPSHOT = "blue-wizard-before-convert"


@action("guest.convert")
class ConvertGuest(Action):
    """args: cloud, name, vcpus, memory, volumes (the ids of the steps that made them), hold? (see `do`)."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Snapshot, convert, and let the snapshots go; a killed attempt begins again at the snapshots.

        With `hold` a conversion that fails waits for a person instead of taking the copies with it: it can be tried again.
        """
        while True:
            try:
                return self._attempt(ctx, args)
            except StepFailed as e:
                if not args.get("hold"):
                    raise
                ctx.event("warning", e.message)
                text = _("{name} was copied but not converted, and its source is off: {error}")
                ctx.hold(text.format(name=args["name"], error=e.message))
                ctx.check_stop()

    def _attempt(self, ctx: Context, args: Args) -> Outcome:
        with ceph.open_pool(ceph_access(args["cloud"])) as pool:
            images = [prove(ctx, {**args, "volume": v}, pool) for v in args["volumes"]]

            def work() -> Outcome:
                ctx.event("effect", "convert guest", images=images)
                self._convert(ctx, args, pool, images)
                return {"images": images}

            return protected.change(ctx, pool, images, work, snapshot=SNAPSHOT, done="converted")

    def _convert(self, ctx: Context, args: Args, pool: ceph.Pool, images: Sequence[str]) -> None:
        access = ceph_access(args["cloud"])
        with ExitStack() as stack:
            uris = []
            for image in images:
                node = nbd.rbd_node(access.pool, image, conf=access.conf, client=access.client)
                uris.append(stack.enter_context(nbd.serve(node, writable=True, tcp=True)))
            try:
                convert.convert_in_place(
                    [urlsplit(uri).port or 0 for uri in uris],
                    name=args["name"],
                    memory=args["memory"],
                    vcpus=args["vcpus"],
                    progress=lambda text: ctx.progress(0, 1, unit="", note=text),
                    check_stop=ctx.check_stop,
                )
            except StepFailed as e:
                reasons = _reasons(pool, dict(zip(images, uris, strict=True)))
                if not reasons:
                    raise
                text = _("{error} Its disks show why: {reasons}")
                raise StepFailed(text.format(error=e.message, reasons="; ".join(reasons)), e.hint) from e

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Remove the snapshots: a volume that has one can't be deleted."""
        protected.forget(ctx, args, SNAPSHOT)


def _reasons(pool: ceph.Pool, exports: Mapping[str, str]) -> tuple[str, ...]:
    """Why the guest is not converted, as its disks show it: those of a machine that ran could not be looked at before."""
    disks = {image: Disk(image, pool.size(image) or 0, "raw") for image in exports}
    found = []
    for image, uri in exports.items():
        with contextlib.suppress(BlueWizardError), closing(NbdReader(uri, disks[image].size)) as reader:
            found.append(see_disk(disks[image], reader.read, reader.size))
    return guest_rules.unconvertible.findings(Seen(Machine("", "", 0, 0, tuple(disks.values())), tuple(found)))
