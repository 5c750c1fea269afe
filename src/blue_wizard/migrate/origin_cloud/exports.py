"""A disk of a server as an image in its own cloud, made through the API and removed again: where Ceph is not reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.polling import poll
from blue_wizard.migrate.metadata import KEY
from blue_wizard.migrate.origin_cloud.api import Api
from blue_wizard.migrate.origin_cloud.servers import LOOSE, ROOT
from blue_wizard.text import _

__all__ = ["find", "make", "name_of", "refuse_outdated", "remove", "started_since"]

# Writing a volume of many TiB into an image takes hours.
_UPLOAD_S, _MAKE_S, _REMOVE_S = 48 * 3600, 600, 600
_STARTS = {"start", "reboot", "resume", "restore", "unpause", "unshelve", "unrescue", "rebuild", "resize", "evacuate"}


def name_of(machine: str, disk: str) -> str:
    """What all that is made for the export of a disk is called."""
    return f"blue-wizard-{machine}-{disk}"


def find(api: Api, machine: str, disk: str) -> dict[str, Any] | None:
    """The image of the disk, once it is complete."""
    found = [i for i in _images(api, name_of(machine, disk)) if i["status"] == "active"]
    return found[0] if found else None


def make(api: Api, machine: str, disk: str, owner: str, check_stop: Callable[[], None]) -> dict[str, Any]:
    """The image of the disk: the one that a killed attempt of the same owner has made, or a new one. Raises StepFailed."""
    name = name_of(machine, disk)
    theirs = [i for i in _images(api, name) if i.get(KEY) != owner or i["status"] in {"killed", "error"}]
    theirs += [v for v in (*_volumes(api, name), *_snapshots(api, name)) if v["metadata"].get(KEY) != owner]
    if theirs:
        # An older state of the disk must never be taken for this one.
        remove(api, machine, disk)
    if disk == ROOT:
        return _of_server(api, machine, name, owner, check_stop)
    return _of_volume(api, machine, disk, name, owner, check_stop)


def _of_server(api: Api, machine: str, name: str, owner: str, check_stop: Callable[[], None]) -> dict[str, Any]:
    if not _images(api, name):
        body = {"createImage": {"name": name, "metadata": {KEY: owner}}}
        api.post("compute", f"/servers/{machine}/action", body)
    # Nova answers before the image is there.
    poll(lambda: _images(api, name) or None, _("image {name}").format(name=name), timeout_s=_MAKE_S)
    return _wait_for_image(api, name, check_stop)


def _of_volume(
    api: Api, machine: str, disk: str, name: str, owner: str, check_stop: Callable[[], None]
) -> dict[str, Any]:
    if not _images(api, name):
        copy = _copy_of_volume(api, disk, name, owner)
        if copy["status"] == "available":
            upload = {"image_name": name, "disk_format": "raw", "container_format": "bare", "force": False}
            api.post("block_storage", f"/volumes/{copy['id']}/action", {"os-volume_upload_image": upload})
    poll(lambda: _images(api, name) or None, _("image {name}").format(name=name), timeout_s=_MAKE_S)
    for image in _images(api, name):
        # Cinder takes no properties along with the order.
        if image.get(KEY) != owner:
            _mark(api, image["id"], owner)
    image = _wait_for_image(api, name, check_stop)
    # What was written between the snapshot and the image is in neither.
    for snapshot in _snapshots(api, name):
        refuse_outdated(api, machine, snapshot["created_at"])
    _remove_copies(api, name)
    return image


def _mark(api: Api, image: str, owner: str) -> None:
    api.cloud.patch_image(image, [{"op": "add", "path": f"/{KEY}", "value": owner}])


def _copy_of_volume(api: Api, disk: str, name: str, owner: str) -> dict[str, Any]:
    """A volume of its own with the disk's content, out of a snapshot: one that is attached can't be written into an image."""
    volume = api.get("block_storage", f"/volumes/{disk}", missing_ok=True)
    if volume is None:
        raise StepFailed(_("Volume {id} of cloud {cloud} is gone.").format(id=disk, cloud=api.cloud.name))
    copies = _volumes(api, name)
    if not copies:
        if not _snapshots(api, name):
            body = {"volume_id": disk, "force": True, "name": name, "metadata": {KEY: owner}}
            api.post("block_storage", "/snapshots", {"snapshot": body})
        snapshot = poll(
            lambda: _ready(_snapshots(api, name), {"available"}),
            _("snapshot {name}").format(name=name),
            timeout_s=_MAKE_S,
        )
        size = volume["volume"]["size"]
        body = {"snapshot_id": snapshot["id"], "size": size, "name": name, "metadata": {KEY: owner}}
        api.post("block_storage", "/volumes", {"volume": body})
    return poll(
        lambda: _ready(_volumes(api, name), {"available", "uploading"}),
        _("volume {name}").format(name=name),
        timeout_s=_MAKE_S,
    )


def _ready(found: list[dict[str, Any]], states: set[str]) -> dict[str, Any] | None:
    for entry in found:
        if entry["status"].startswith("error"):
            raise StepFailed(
                _("{name} ({id}) went into the state {state}.").format(
                    name=entry["name"], id=entry["id"], state=entry["status"]
                ),
                _("The log of its Cinder says why; mostly a quota or the pool is full."),
            )
        if entry["status"] in states:
            return entry
    return None


def _wait_for_image(api: Api, name: str, check_stop: Callable[[], None]) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        found = _images(api, name)
        if not found or found[0]["status"] in {"killed", "deleted", "error"}:
            raise StepFailed(
                _("The image {name} of cloud {cloud} could not be written.").format(name=name, cloud=api.cloud.name),
                _("The logs of its Glance and Nova say why; mostly a quota or the store is full."),
            )
        return found[0] if found[0]["status"] == "active" else None

    return poll(there, _("image {name}").format(name=name), timeout_s=_UPLOAD_S, check_stop=check_stop)


def remove(api: Api, machine: str, disk: str) -> None:
    """Remove the image, the volume and the snapshot of an export, and wait until they are gone."""
    name = name_of(machine, disk)
    for image in _images(api, name):
        api.delete("image", f"/images/{image['id']}")
    poll(lambda: None if _images(api, name) else True, _("image {name}").format(name=name), timeout_s=_REMOVE_S)
    _remove_copies(api, name)


def _remove_copies(api: Api, name: str) -> None:
    # The volume is made out of the snapshot, which can't go before it.
    for kind, listing in (("volumes", _volumes), ("snapshots", _snapshots)):

        def gone(kind: str = kind, listing: Callable[[Api, str], list[dict[str, Any]]] = listing) -> bool | None:
            found = listing(api, name)
            for entry in found:
                # One that is still being made or written out can't be deleted yet.
                if entry["status"] in {"available", "error"}:
                    api.delete("block_storage", f"/{kind}/{entry['id']}")
                elif entry["status"] == "error_deleting":
                    raise StepFailed(
                        _("Cinder could not delete {name} ({id}).").format(name=name, id=entry["id"]),
                        _("Its log says why."),
                    )
            return None if found else True

        poll(gone, _("{name} to be deleted").format(name=name), timeout_s=_REMOVE_S)


def refuse_outdated(api: Api, machine: str, moment: str) -> None:
    """Raise StepFailed when the machine ran after its disk was exported at `moment`: the export lacks what it wrote since."""
    if machine == LOOSE:
        return
    done = api.get("compute", f"/servers/{machine}/os-instance-actions")["instanceActions"]
    if started_since(done, moment):
        raise StepFailed(
            _("{machine} was started after its disk was exported.").format(machine=machine),
            _("Undo the job and run the wave again: blue-wizard migrate rollback"),
        )


def started_since(actions: list[Mapping[str, Any]], moment: str) -> bool:
    """Whether a server was started after `moment` (both as OpenStack writes times), by its instance actions (pure)."""
    begin = moment.rstrip("Z")[:19]
    return any(a["action"] in _STARTS and a["start_time"][:19] > begin for a in actions)


def _images(api: Api, name: str) -> list[dict[str, Any]]:
    return [i for i in api.images(f"name={quote(name)}") if i["name"] == name]


def _volumes(api: Api, name: str) -> list[dict[str, Any]]:
    return api.list("block_storage", f"/volumes/detail?name={quote(name)}", "volumes")


def _snapshots(api: Api, name: str) -> list[dict[str, Any]]:
    return api.list("block_storage", f"/snapshots/detail?name={quote(name)}", "snapshots")
