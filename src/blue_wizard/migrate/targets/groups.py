"""A server group, in the place of a rule of the source that keeps machines apart or together."""

from __future__ import annotations

from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.targets.common import by_openstack, cloud_of
from blue_wizard.reach import openstack
from blue_wizard.text import _

__all__ = ["CreateServerGroup", "group_id"]


def _find(cloud: openstack.Cloud, name: str, policy: str) -> dict[str, Any] | None:
    """The project's group of this name and policy."""
    for group in cloud.list("compute", "/os-server-groups", "server_groups"):
        if group["name"] == name and policy in {group.get("policy"), *group.get("policies", [])}:
            return group
    return None


@action("nova.server_group.create")
class CreateServerGroup(Action):
    """args: cloud, name, policy. A group of the name and policy that is there already is used: later waves join it."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """A group of the name and the policy."""
        found = _find(cloud_of(args), args["name"], args["policy"])
        return {"group_id": found["id"], "ours": bool(ctx.noted("made"))} if found else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it. Groups carry no mark, so it is noted that there was none before."""
        ctx.note("made", True)
        ctx.event("effect", "create server group", name=args["name"], policy=args["policy"])
        body = {"name": args["name"], "policies": [args["policy"]]}
        made = cloud_of(args).post("compute", "/os-server-groups", {"server_group": body})["server_group"]
        return {"group_id": made["id"], "ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete it if it is ours and has no member."""
        if not ctx.noted("made"):
            return
        cloud = cloud_of(args)
        found = _find(cloud, args["name"], args["policy"])
        if found is None:
            return
        if found.get("members"):
            ctx.event("note", "server group kept: it has members", name=args["name"])
            return
        ctx.event("effect", "delete server group", name=args["name"])
        cloud.delete("compute", f"/os-server-groups/{found['id']}")

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete it."""
        return by_openstack(args, "server", "group", "delete", outcome["group_id"] if outcome else args["name"])


def group_id(args: Args) -> str:
    """The group that a server is to join. Raises StepFailed when it is gone."""
    group = args["server_group"]
    found = _find(cloud_of(args), group["name"], group["policy"])
    if found is None:
        raise StepFailed(
            _("Server group {name} is gone.").format(name=group["name"]), _("Who deleted it? Run the wave again.")
        )
    return str(found["id"])
