"""Blank volumes of the disks' sizes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.metadata import KEY
from blue_wizard.migrate.targets.common import by_openstack, cloud_of, mark, poll
from blue_wizard.text import _

__all__ = ["CreateVolume"]

_TIMEOUT_S = 180


@action("cinder.volume.create")
class CreateVolume(Action):
    """args: cloud, name, gib, volume_type?, availability_zone?, boot, image_metadata (of the boot volume), metadata?,
    description?."""

    def _find(self, ctx: Context, args: Args) -> list[dict[str, Any]]:
        found = cloud_of(args).list("block_storage", f"/volumes/detail?name={quote(args['name'])}", "volumes")
        return [v for v in found if v["metadata"].get(KEY) == mark(ctx)]

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The volume with our mark, when it is ready and, for a boot volume, bootable."""
        for volume in self._find(ctx, args):
            ready = volume["status"] in {"available", "in-use"}
            if ready and (not args["boot"] or volume["bootable"] == "true"):
                return {"volume_id": volume["id"], "gib": volume["size"]}
        return None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it, or finish what a killed attempt began."""
        cloud = cloud_of(args)
        found = self._find(ctx, args)
        if found:
            volume_id = found[0]["id"]
        else:
            body = {"name": args["name"], "size": args["gib"], "metadata": {**args.get("metadata", {}), KEY: mark(ctx)}}
            if args.get("description"):
                body["description"] = args["description"]
            if args.get("volume_type"):
                body["volume_type"] = args["volume_type"]
            ctx.event("effect", "create volume", name=args["name"], gib=args["gib"])
            volume_id = cloud.post("block_storage", "/volumes", {"volume": body})["volume"]["id"]
        volume = poll(
            lambda: self._settled(args, volume_id), _("volume {id}").format(id=volume_id), timeout_s=_TIMEOUT_S
        )
        if volume["status"] == "error":
            raise StepFailed(
                _("Cinder could not make volume {name} ({id}).").format(name=args["name"], id=volume_id),
                _("Its log says why; mostly the pool is full or no backend serves the volume type."),
            )
        if args["boot"]:
            path = f"/volumes/{volume_id}/action"
            cloud.post("block_storage", path, {"os-set_bootable": {"bootable": True}})
            if args["image_metadata"]:
                body = {"os-set_image_metadata": {"metadata": args["image_metadata"]}}
                cloud.post("block_storage", path, body)
        return {"volume_id": volume_id, "gib": volume["size"]}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """It is not encrypted: we write past the layer that encrypts, so its server would read noise."""
        path = f"/volumes/{outcome['volume_id']}"
        volume = cloud_of(args).get("block_storage", path)["volume"]
        if volume.get("encrypted"):
            raise StepFailed(
                _("Volume {name} is encrypted by its type {type}, and disks can't be copied into such volumes.").format(
                    name=args["name"], type=volume.get("volume_type") or "?"
                ),
                _(
                    "Name a volume type without encryption, in the wave or in --map; without one it is Cinder's default."
                ),
            )

    def _settled(self, args: Args, volume_id: str) -> dict[str, Any] | None:
        volume: dict[str, Any] = cloud_of(args).get("block_storage", f"/volumes/{volume_id}")["volume"]
        return volume if volume["status"] in {"available", "in-use", "error"} else None

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete every volume that carries our mark, and wait until it is gone."""
        cloud = cloud_of(args)
        for volume in self._find(ctx, args):
            path = f"/volumes/{volume['id']}"
            # A volume that is still being made, or let go by the server, can't be deleted at once.
            poll(
                lambda p=path: self._deletable(args, p),  # type: ignore[misc]
                _("volume {id} to be free").format(id=volume["id"]),
                timeout_s=_TIMEOUT_S,
            )
            ctx.event("effect", "delete volume", volume=volume["id"])
            cloud.delete("block_storage", path)
            poll(
                lambda p=path: None if self._exists(args, p) else True,  # type: ignore[misc]
                _("volume {id} to be deleted").format(id=volume["id"]),
                timeout_s=_TIMEOUT_S,
            )

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete it, whatever state it is in."""
        return by_openstack(args, "volume", "delete", "--force", outcome["volume_id"]) if outcome else ""

    def _exists(self, args: Args, path: str) -> bool:
        found = cloud_of(args).get("block_storage", path, missing_ok=True)
        if found and found["volume"]["status"] == "error_deleting":
            raise StepFailed(
                _("Cinder could not delete volume {id}.").format(id=found["volume"]["id"]),
                _("Look for watchers or snapshots of its RBD image, then: openstack volume delete --force {id}").format(
                    id=found["volume"]["id"]
                ),
            )
        return found is not None

    def _deletable(self, args: Args, path: str) -> bool | None:
        found = cloud_of(args).get("block_storage", path, missing_ok=True)
        return True if found is None or found["volume"]["status"] in {"available", "error"} else None
