"""A blank image for servers whose disks are on the compute host: Nova makes no such root disk without one."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.metadata import KEY
from blue_wizard.migrate.targets.common import by_openstack, cloud_of, mark
from blue_wizard.text import _

__all__ = ["CreateImage"]

_BLANK = bytes(1 << 20)


@action("glance.image.create")
class CreateImage(Action):
    """args: cloud, name, properties (buses, firmware). It stays as long as the server: resizing and moving it need it."""

    def _find(self, ctx: Context, args: Args) -> list[dict[str, Any]]:
        found = cloud_of(args).get("image", f"/images?limit=1000&name={quote(args['name'])}")["images"]
        return [i for i in found if i.get(KEY) == mark(ctx)]

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The image with our mark, once it has its content."""
        ready = [i for i in self._find(ctx, args) if i["status"] == "active"]
        return {"image_id": ready[0]["id"]} if ready else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it and fill it, or fill what a killed attempt made."""
        cloud = cloud_of(args)
        waiting = [i for i in self._find(ctx, args) if i["status"] == "queued"]
        if waiting:
            image_id = waiting[0]["id"]
        else:
            body = {
                **args["properties"],
                "name": args["name"],
                "disk_format": "raw",
                "container_format": "bare",
                "visibility": "private",
                KEY: mark(ctx),
            }
            ctx.event("effect", "create image", name=args["name"])
            image_id = cloud.post("image", "/images", body)["id"]
        cloud.put("image", f"/images/{image_id}/file", _BLANK)
        made = self.probe(ctx, args)
        if made is None:
            raise StepFailed(
                _("Glance did not take the content of image {name} ({id}).").format(name=args["name"], id=image_id),
                _("Its log says why; mostly its store is full."),
            )
        return made

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete every image that carries our mark."""
        for image in self._find(ctx, args):
            ctx.event("effect", "delete image", image=image["id"])
            cloud_of(args).delete("image", f"/images/{image['id']}")

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete it."""
        return by_openstack(args, "image", "delete", outcome["image_id"]) if outcome else ""
