"""A flavor of just the machine's size, where the cloud has none that fits."""

from __future__ import annotations

from typing import Any

from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.targets.common import by_openstack, cloud_of, mark
from blue_wizard.text import _

__all__ = ["CreateFlavor"]


def _size(args: Args) -> dict[str, int]:
    """The flavor's size in Nova's words."""
    disks = {"disk": args.get("disk", 0), "OS-FLV-EXT-DATA:ephemeral": args.get("ephemeral", 0)}
    return {"vcpus": args["vcpus"], "ram": args["ram"], **disks}


@action("nova.flavor.create")
class CreateFlavor(Action):
    """args: cloud, name, vcpus, ram (MiB), disk?, ephemeral? (GiB, for local disks).

    Several machines of a wave share one: the name says its size.
    """

    def _find(self, args: Args) -> dict[str, Any] | None:
        flavors = cloud_of(args).list("compute", "/flavors/detail", "flavors")
        return next((f for f in flavors if f["name"] == args["name"]), None)

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """A flavor of the name and the size."""
        found = self._find(args)
        if found and _size(args).items() <= found.items():
            return {"flavor_id": found["id"], "ours": found.get("description") == mark(ctx)}
        return None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it; a neighbour job that was quicker is fine."""
        from blue_wizard.reach.openstack import ApiError

        body = {"name": args["name"], "description": mark(ctx), **_size(args)}
        ctx.event("effect", "create flavor", name=args["name"])
        try:
            made = cloud_of(args).post("compute", "/flavors", {"flavor": body})
        except ApiError as e:
            found = self.probe(ctx, args) if e.status == 409 else None
            if found is None:
                e.hint = _("Only administrators may make flavors: have {name} made, or name another one.").format(
                    name=args["name"]
                )
                raise
            return found
        return {"flavor_id": made["flavor"]["id"], "ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete it if it is ours and no server has it."""
        cloud = cloud_of(args)
        found = self._find(args)
        if found is None or found.get("description") != mark(ctx):
            return
        if cloud.list("compute", f"/servers?all_tenants=1&flavor={found['id']}", "servers"):
            ctx.event("note", "flavor kept: another server has it", name=args["name"])
            return
        ctx.event("effect", "delete flavor", name=args["name"])
        cloud.delete("compute", f"/flavors/{found['id']}")

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete it."""
        return by_openstack(args, "flavor", "delete", args["name"])
