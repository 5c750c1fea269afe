"""An image goes from one Glance into another, as it is: it flows through, and nothing of it stays on this machine."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.metadata import KEY
from blue_wizard.migrate.origin_cloud import image_file
from blue_wizard.migrate.project.inventory import ORIGIN
from blue_wizard.migrate.sources import open_source
from blue_wizard.migrate.targets.common import by_openstack, cloud_of, mark
from blue_wizard.reach import openstack
from blue_wizard.reach.openstack import ApiError, Cloud
from blue_wizard.text import _

__all__ = ["CopyImage", "origin_cloud"]

_PIECE = 4 << 20


def origin_cloud(url: str) -> Cloud:
    """The cloud behind the URL of a source. Raises StepFailed when the source is no cloud."""
    name = getattr(open_source(url), "cloud_name", None)
    if name is None:
        raise StepFailed(_("{url} is not the URL of a cloud.").format(url=url))
    return openstack.connect(name)


@action("glance.copy.image")
class CopyImage(Action):
    """args: source, cloud, origin (the id there), name, size, hash ([algorithm, hex digits or ""]), body."""

    def _find(self, ctx: Context, args: Args) -> list[dict[str, Any]]:
        found = cloud_of(args).get("image", f"/images?limit=1000&name={quote(args['name'])}")["images"]
        return [i for i in found if i.get(KEY) == mark(ctx)]

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The image with our mark, once it is complete and hashed."""
        ready = [i for i in self._find(ctx, args) if i["status"] == "active" and i["id"] == ctx.noted("hashed")]
        return {"id": ready[0]["id"], "size": args["size"]} if ready else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Copy it. Glance takes no half images: what a killed attempt has left goes first."""
        cloud, began = cloud_of(args), time.monotonic()
        self.undo(ctx, args, None)
        body = {**args["body"], "visibility": "private", KEY: mark(ctx), ORIGIN: args["origin"]}
        ctx.event("effect", "create image", name=args["name"])
        try:
            made = cloud.post("image", "/images", body)["id"]
            digest = hashlib.new(args["hash"][0], usedforsecurity=False)
            whole = hashlib.sha256()
            cloud.put("image", f"/images/{made}/file", self._pieces(ctx, args, (digest, whole)))
        except ApiError as e:
            raise StepFailed(f"{_('image {name}').format(name=args['name'])}: {e.message}", e.hint) from e
        now = cloud.get("image", f"/images/{made}")
        self._judge(args, now, digest.hexdigest())
        ctx.note("hashed", made)
        return {
            "id": made,
            "size": args["size"],
            "sha256": whole.hexdigest(),
            "seconds": round(time.monotonic() - began, 3),
        }

    def _pieces(self, ctx: Context, args: Args, digests: tuple[Any, ...]) -> Iterator[bytes]:
        cloud = origin_cloud(args["source"])
        done = 0
        with closing(_content(cloud, args)) as content:
            for piece in content:
                ctx.check_stop()
                for digest in digests:
                    digest.update(piece)
                done += len(piece)
                ctx.progress(done, args["size"], note=_("copy"))
                yield piece

    def _judge(self, args: Args, now: dict[str, Any], digest: str) -> None:
        """Raise StepFailed unless the source's hash, what went through here, and the target's are one."""
        algorithm, wanted = args["hash"]
        theirs = now.get("checksum") if algorithm == "md5" else now.get("os_hash_value")
        same_kind = algorithm == "md5" or now.get("os_hash_algo") == algorithm
        if now["status"] != "active" or now["size"] != args["size"]:
            raise StepFailed(
                _("Glance did not take the content of image {name} ({id}).").format(name=args["name"], id=now["id"]),
                _("Its log says why; mostly its store is full."),
            )
        if (wanted and digest != wanted) or (same_kind and theirs and theirs != digest):
            raise StepFailed(
                _("Image {name} differs from its copy: {source} at the source, {target} at the target.").format(
                    name=args["name"], source=(wanted or digest)[:16], target=(theirs or digest)[:16]
                )
            )

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete every image that carries our mark."""
        for image in self._find(ctx, args):
            ctx.event("effect", "delete image", image=image["id"])
            cloud_of(args).delete("image", f"/images/{image['id']}")

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete it."""
        return by_openstack(args, "image", "delete", outcome["id"]) if outcome else ""


def _content(cloud: Cloud, args: Args) -> Generator[bytes]:
    """The content in ranges, each of which can be asked for again; in one piece where Glance serves no ranges."""
    if not args["size"] or not image_file.takes_ranges(cloud, args["origin"]):
        yield from image_file.download(cloud, args["origin"], args["name"])
        return
    file = image_file.ImageFile(cloud, args["origin"], args["size"], args["name"])
    for at in range(0, args["size"], _PIECE):
        yield file.read(at, min(_PIECE, args["size"] - at))
