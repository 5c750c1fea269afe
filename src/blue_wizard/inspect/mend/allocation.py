"""Room that Placement holds for nobody is given back. What was held is kept, so that it can be held again."""

from __future__ import annotations

import json
from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.inspect.mend.owners import refuse_migration, refuse_server
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.reach import openstack
from blue_wizard.reach.openstack import Cloud
from blue_wizard.text import _

__all__ = ["DeleteAllocation"]

_VERSION = "1.28"
"""The first one that tells the generation of a consumer, which keeps two writers apart."""


def _held(cloud: Cloud, consumer: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.get("placement", f"/allocations/{consumer}", microversion=_VERSION)
    return found


@action("mend.allocation.delete")
class DeleteAllocation(Action):
    """args: cloud, consumer."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It holds nothing."""
        held = _held(openstack.connect(args["cloud"]), args["consumer"])
        return None if held["allocations"] else {"held": ctx.noted("held") or {}}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Ask once more whose it is, keep what it holds, and delete that."""
        cloud, consumer = openstack.connect(args["cloud"]), args["consumer"]
        refuse_server(cloud, consumer)
        refuse_migration(cloud, consumer)
        held = _held(cloud, consumer)
        kept = {
            "allocations": {p: {"resources": a["resources"]} for p, a in held["allocations"].items()},
            "project_id": held["project_id"],
            "user_id": held["user_id"],
        }
        ctx.note("held", kept)
        ctx.event("effect", "delete allocations", consumer=consumer)
        cloud.delete("placement", f"/allocations/{consumer}")
        return {"held": kept}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """Placement holds nothing for it."""
        if _held(openstack.connect(args["cloud"]), args["consumer"])["allocations"]:
            raise StepFailed(_("Placement still holds room for {consumer}.").format(consumer=args["consumer"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Hold the same again. Refused by Placement when there is no room any more."""
        kept: Any = ctx.noted("held")
        cloud = openstack.connect(args["cloud"])
        if kept and not _held(cloud, args["consumer"])["allocations"]:
            ctx.event("effect", "put allocations", consumer=args["consumer"])
            body = {**kept, "consumer_generation": None}
            cloud.put("placement", f"/allocations/{args['consumer']}", body, microversion=_VERSION)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """What was held, as the API takes it."""
        kept = ctx.noted("held")
        return f"PUT /allocations/{args['consumer']} {json.dumps(kept)}" if kept else ""
