"""An RBD image that nobody knows goes into its pool's trash, from which it can be taken back."""

from __future__ import annotations

from blue_wizard import config
from blue_wizard.config import CephAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.inspect.mend.owners import refuse_server, refuse_volume
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.reach import ceph, openstack
from blue_wizard.text import _

__all__ = ["TrashImage"]


def _access(args: Args) -> CephAccess:
    known = config.load().clouds.get(args["cloud"])
    if known is None or known.ceph is None:
        raise InputError(
            _("The configuration does not say how the Ceph cluster of cloud {name} is reached.").format(
                name=args["cloud"]
            )
        )
    return known.ceph.model_copy(update={"pool": args["pool"]})


@action("mend.image.trash")
class TrashImage(Action):
    """args: cloud, pool, image, server ("" for the image of a volume)."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is in the trash by this job, or gone."""
        with ceph.open_pool(_access(args)) as pool:
            return None if pool.size(args["image"]) is not None else {"trash": ctx.noted("id") or ""}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Ask once more whose it is and who has it open, then move it."""
        cloud = openstack.connect(args["cloud"])
        if args["server"]:
            refuse_server(cloud, args["server"])
        else:
            refuse_volume(cloud, args["image"])
        with ceph.open_pool(_access(args)) as pool:
            name = f"{args['pool']}/{args['image']}"
            if users := pool.watchers(args["image"]):
                raise StepFailed(
                    _("{image} is open: {users}").format(image=name, users=", ".join(users)),
                    _("See who it is: rbd status {image}").format(image=name),
                )
            ctx.note("id", pool.image_id(args["image"]))
            ctx.event("effect", "rbd trash mv", image=name)
            pool.to_trash(args["image"])
        return {"trash": ctx.noted("id")}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """It lies in the trash, whole."""
        with ceph.open_pool(_access(args)) as pool:
            if outcome["trash"] and outcome["trash"] not in pool.trash():
                raise StepFailed(_("{image} is not in the trash.").format(image=f"{args['pool']}/{args['image']}"))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Take it out of the trash."""
        made = ctx.noted("id")
        if not made:
            return
        with ceph.open_pool(_access(args)) as pool:
            if str(made) in pool.trash():
                ctx.event("effect", "rbd trash restore", image=f"{args['pool']}/{args['image']}")
                pool.restore(str(made), args["image"])

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """The command that takes it back."""
        made = ctx.noted("id")
        return f"rbd trash restore {args['pool']}/{made}" if made else ""
