"""Images: how many, how big, which nobody uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blue_wizard.stats.model import Column, Number, Unit, statistic, table, topic
from blue_wizard.stats.platform import DAY_S, Platform
from blue_wizard.text import _

topic("images", lambda: _("Images"), "images", "servers", "volumes", rank=80)

_OLD_S = 365 * DAY_S


def _uses(p: Platform) -> Counter[str]:
    """Image id to the number of servers and volumes that were made of it."""
    found: Counter[str] = Counter()
    for server in p.servers:
        if server.get("image"):
            found[server["image"]["id"]] += 1
    for volume in p.rows("volumes"):
        if image := (volume.get("volume_image_metadata") or {}).get("image_id"):
            found[image] += 1
    return found


def _unused(p: Platform) -> list[Any]:
    uses = _uses(p)
    return [i for i in p.rows("images") if i["status"] == "active" and i["id"] not in uses]


def _size(rows: Iterable[Mapping[str, Any]]) -> int:
    return sum(i.get("size") or 0 for i in rows)


@statistic("images.count", Unit.COUNT, lambda: _("Images"))
def count(p: Platform) -> Number:
    """Rows of `GET /v2/images`, asked for with a limit: without one Glance stops at 25."""
    return len(p.rows("images"))


@statistic("images.size", Unit.BYTES, lambda: _("Images: size"))
def size(p: Platform) -> Number:
    """Σ of "size", the bytes of the image's data (each copy in another store would come on top)."""
    return _size(p.rows("images"))


@statistic("images.unused", Unit.COUNT, lambda: _("Images that nothing was made of"))
def unused(p: Platform) -> Number:
    """Active images that are neither the image of a server nor in the image metadata of a volume."""
    return len(_unused(p))


@statistic("images.unused_size", Unit.BYTES, lambda: _("Images that nothing was made of: size"))
def unused_size(p: Platform) -> Number:
    """Σ of the size over images.unused."""
    return _size(_unused(p))


@statistic("images.public", Unit.COUNT, lambda: _("Public images"))
def public(p: Platform) -> Number:
    """Images of visibility public or community."""
    return sum(i["visibility"] in {"public", "community"} for i in p.rows("images"))


@statistic("images.unusable", Unit.COUNT, lambda: _("Images that are not usable"))
def unusable(p: Platform) -> Number:
    """Images of a status other than active and deactivated: uploads that never ended, killed ones."""
    return sum(i["status"] not in {"active", "deactivated"} for i in p.rows("images"))


@statistic("images.old", Unit.COUNT, lambda: _("Images older than a year that are in use"))
def old(p: Platform) -> Number:
    """Images made a year ago or longer that a server or volume was made of: their guests have missed a year of updates."""
    uses = _uses(p)
    return sum(i["id"] in uses and p.age_s(i["created_at"]) > _OLD_S for i in p.rows("images"))


def _columns() -> Sequence[Column]:
    return (
        Column("image", _("image")),
        Column("format", _("format")),
        Column("os", _("system")),
        Column("visibility", _("visibility")),
        Column("status", _("status")),
        Column("size", _("size"), Unit.BYTES),
        Column("uses", _("servers and volumes"), Unit.COUNT),
        Column("age", _("age"), Unit.DAYS),
        Column("id", "id"),
    )


@table("images", "images", lambda: _("Images"), _columns, chart=("size",))
def images(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One image a line, the biggest first, with the servers and volumes that are there and were made of it."""
    uses = _uses(p)
    for i in sorted(p.rows("images"), key=lambda i: (-(i.get("size") or 0), i["id"])):
        yield {
            "image": i.get("name") or i["id"],
            "format": i.get("disk_format") or "",
            "os": " ".join(x for x in (i.get("os_distro"), i.get("os_version")) if x),
            "visibility": i["visibility"],
            "status": i["status"],
            "size": i.get("size"),
            "uses": uses[i["id"]],
            "age": p.age_s(i["created_at"]) / DAY_S,
            "id": i["id"],
        }
