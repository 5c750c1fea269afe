"""Source `openstack`: the servers of a project of another cloud, of any age. See docs/how-to/migrate-from-openstack.md."""

from __future__ import annotations

import fnmatch
import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from blue_wizard import config
from blue_wizard.config import CephAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.jobs.model import Json
from blue_wizard.jobs.polling import poll
from blue_wizard.migrate import images, serving
from blue_wizard.migrate.images import Place
from blue_wizard.migrate.machine import Machine, Power
from blue_wizard.migrate.origin_cloud import exports, image_file
from blue_wizard.migrate.origin_cloud.api import Api, owned
from blue_wizard.migrate.origin_cloud.servers import ROOT, Around, labels, machine_of, power_of, together
from blue_wizard.migrate.shutdown import shut_down
from blue_wizard.migrate.sources import Export, source
from blue_wizard.migrate.transfer.file_reader import FileReader
from blue_wizard.migrate.transfer.rbd_snapshot import RbdSnapshot, changed_between
from blue_wizard.migrate.warm.protocol import PointDisk, Terms
from blue_wizard.reach import ceph, nbd, openstack
from blue_wizard.text import _

__all__ = ["OpenStack"]

_SNAPSHOT = "blue-wizard-export-"
_START_S = 180


@source
class OpenStack:
    """``openstack://CLOUD``, an entry of clouds.yaml; the project is that entry's.

    Disks are read through librbd where the configuration says how the cloud's Ceph is reached, else as images of its Glance.
    """

    schemes: ClassVar[tuple[str, ...]] = ("openstack",)

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.cloud_name = parts.netloc
        if not parts.netloc or parts.path not in {"", "/"} or "@" in parts.netloc or ":" in parts.netloc:
            raise InputError(
                _("{url} is not the URL of a cloud.").format(url=parts._replace(netloc="...").geturl()),
                _("Write openstack://NAME, with the name of an entry in clouds.yaml."),
            )

    @property
    def target(self) -> str:
        """Copies out of one cloud share its APIs and its Ceph."""
        return f"openstack:{self.cloud_name}"

    @cached_property
    def api(self) -> Api:
        """Its APIs."""
        return Api(openstack.connect(self.cloud_name))

    @property
    def access(self) -> CephAccess | None:
        """How its Ceph is reached; None when the configuration does not say."""
        known = config.load().clouds.get(self.cloud_name)
        return known.ceph if known else None

    def reachable(self) -> None:
        """Log in, and ask Nova. Raises InputError."""
        self.api.get("compute", "/limits")

    def discover(self, match: str = "*") -> Iterable[Machine]:
        """The project's servers whose name matches, with what keeps them from moving."""
        servers = self.api.list("compute", "/servers/detail", "servers")
        around = self._around(servers)
        for server in sorted(servers, key=lambda s: (s["name"], s["id"])):
            if fnmatch.fnmatch(server["name"], match):
                yield machine_of(server, around)

    def _around(self, servers: list[dict[str, Any]]) -> Around:
        api = self.api
        ports: dict[str, list[Any]] = {}
        for port in api.list("network", f"/ports?project_id={api.project}", "ports"):
            ports.setdefault(port["device_id"], []).append(port)
        floating: dict[str, list[str]] = {}
        for address in api.list("network", f"/floatingips?project_id={api.project}", "floatingips"):
            floating.setdefault(address["port_id"] or "", []).append(address["floating_ip_address"])
        groups = [g for g in api.list("network", "/security-groups", "security_groups") if owned(g) == api.project]
        return Around(
            flavors=self._flavors(servers),
            volumes={v["id"]: v for v in api.list("block_storage", "/volumes/detail", "volumes")},
            images=self._images(servers),
            ports=ports,
            networks=labels(n for n in api.list("network", "/networks", "networks") if _seen(n, api.project)),
            groups=labels(groups),
            floating=floating,
            together=together(api.list("compute", "/os-server-groups", "server_groups")),
        )

    def _flavors(self, servers: list[dict[str, Any]]) -> dict[str, Any]:
        """The flavors that servers name and do not carry with them (before microversion 2.47)."""
        ids = {s["flavor"]["id"] for s in servers if "vcpus" not in s["flavor"]}
        found = {i: self.api.get("compute", f"/flavors/{i}", missing_ok=True) for i in sorted(ids)}
        return {i: f["flavor"] for i, f in found.items() if f}

    def _images(self, servers: list[dict[str, Any]]) -> dict[str, Any]:
        ids = {s["image"]["id"] for s in servers if s.get("image")}
        found = {i: self.api.get("image", f"/images/{i}", missing_ok=True) for i in sorted(ids)}
        return {i: f for i, f in found.items() if f}

    def check(self, machine_id: str, check_stop: Callable[[], None]) -> None:
        """Are its disks in Ceph where the configuration says so? Raises InputError naming the image."""
        server = self._server(machine_id)
        for disk in self._disks(server):
            check_stop()
            if place := self._in_ceph(machine_id, disk):
                access, image = place
                with ceph.open_pool(access) as pool:
                    if pool.size(image) is None:
                        raise InputError(
                            _("{name}: Ceph has no image {pool}/{image}.").format(
                                name=server["name"], pool=access.pool, image=image
                            ),
                            _("Correct clouds: {{{cloud}: {{ceph: ...}}}} in the configuration.").format(
                                cloud=self.cloud_name
                            ),
                        )

    def _in_ceph(self, machine_id: str, disk_id: str) -> tuple[CephAccess, str] | None:
        """Where a disk lies in Ceph; None when it is exported through the API."""
        access = self.access
        if access is None:
            return None
        if disk_id != ROOT:
            return access, f"volume-{disk_id}"
        if access.servers_pool is None:
            return None
        return access.model_copy(update={"pool": access.servers_pool}), f"{machine_id}_disk"

    def export(self, machine_id: str, disk_id: str, owner: str, *, check_stop: Callable[[], None]) -> str:
        """A snapshot in Ceph, or an image in Glance."""
        place = self._in_ceph(machine_id, disk_id)
        if place is None:
            made = exports.make(self.api, machine_id, disk_id, owner, check_stop)
            if not image_file.takes_ranges(self.api.cloud, made["id"]):
                self._download(machine_id, disk_id, made, check_stop)
            return f"image {made['id']}"
        access, image = place
        name = f"{_SNAPSHOT}{owner}"
        with ceph.open_pool(access) as pool:
            # Snapshots of other owners show an older state of the disk.
            for other in _ours(pool, image):
                if other != name:
                    pool.remove_snapshot(image, other)
            pool.snapshot(image, name)
        return f"{access.pool}/{image}@{name}"

    def release(self, machine_id: str, disk_id: str) -> None:
        """Remove the snapshot, or the image and whatever it was made of."""
        place = self._in_ceph(machine_id, disk_id)
        if place is None:
            file = self._file(machine_id, disk_id)
            for left in (file, file.with_suffix(".part")):
                left.unlink(missing_ok=True)
            exports.remove(self.api, machine_id, disk_id)
            return
        access, image = place
        with ceph.open_pool(access) as pool:
            if pool.size(image) is not None:
                for name in _ours(pool, image):
                    pool.remove_snapshot(image, name)

    @contextmanager
    def open_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The snapshot, or the image, that `export` has made. Raises StepFailed when there is none, or when it is outdated."""
        place = self._in_ceph(machine_id, disk_id)
        if place is None:
            with self._image(machine_id, disk_id) as export:
                yield export
            return
        access, image = place
        with ceph.open_pool(access, direct=True) as pool:
            found = _ours(pool, image) if pool.size(image) is not None else []
            if len(found) != 1:
                raise _not_exported(machine_id, disk_id)
            with _snapshot(access, pool, image, found[0], at_rest=True) as export:
                yield export

    @contextmanager
    def peek_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The disk as it is now, which need not be consistent. Raises StepFailed where Ceph is not reached."""
        place = self._in_ceph(machine_id, disk_id)
        if place is None:
            raise StepFailed(_("A disk that is exported through the API can't be looked into beforehand."))
        access, image = place
        node = nbd.rbd_node(access.pool, image, conf=access.conf, client=access.client)
        with ceph.open_pool(access) as pool:
            size = pool.size(image)
        with nbd.serve(node) as uri:
            yield Export(uri, size or 0)

    @contextmanager
    def _image(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        image = exports.find(self.api, machine_id, disk_id)
        if image is None:
            raise _not_exported(machine_id, disk_id)
        exports.refuse_outdated(self.api, machine_id, image["created_at"])
        stamp = partial(self._current, machine_id, image)
        file = self._file(machine_id, disk_id)
        if file.exists() and image["disk_format"] == "raw":
            # What the guest wrote to the beginning of its disk must not choose the format.
            with nbd.serve(nbd.file_node(file, "raw")) as uri:
                yield Export(uri, file.stat().st_size, lambda: FileReader(file), stamp)
            return
        if file.exists():
            with images.export(Place(file)) as export:
                yield Export(export.uri, export.size, export.reader, stamp)
            return
        if not image_file.takes_ranges(self.api.cloud, image["id"]):
            # It was brought to another machine than this one.
            raise _not_exported(machine_id, disk_id)
        opened = image_file.open_image(self.api.cloud, image)
        with serving.serve(opened) as uri:
            yield Export(uri, opened.size, lambda: image_file.open_image(self.api.cloud, image), stamp)

    def warm_terms(self, machine_id: str) -> Terms:
        """It can where all of its disks are in a Ceph that is reached."""
        disks = self._disks(self._server(machine_id))
        text = _("disk {disk} is not in a Ceph that the configuration names, so nothing tells what changes in it")
        bad = tuple(text.format(disk=d) for d in disks if self._in_ceph(machine_id, d) is None)
        # Each disk alone is as a power cut would leave it; all of them together are so only in the last round, when it is off.
        apart = (_("until it is off, its disks are read as of moments that lie a little apart"),)
        return Terms(bad, notes=apart if len(disks) > 1 else ())

    def warm_state(self, machine_id: str) -> Json:
        """Nothing is changed beforehand."""

    def prepare(self, machine_id: str) -> None:
        """Nothing has to be prepared."""

    def begin_point(self, machine_id: str, owner: str, disks: Sequence[str], since: Json | None) -> Json:
        """A snapshot of each disk."""
        name = f"{owner}_{uuid.uuid4().hex[:12]}"
        self._sweep(machine_id, owner, disks, {since["snapshot"]} if since else set())
        for disk in disks:
            with self._pool(machine_id, disk) as (pool, image, _access):
                pool.snapshot(image, name)
        return {"snapshot": name, "disks": list(disks)}

    def _sweep(self, machine_id: str, owner: str, disks: Iterable[str], keep: Collection[str]) -> None:
        for disk in disks:
            with self._pool(machine_id, disk) as (pool, image, _access):
                for name in pool.snapshots(image) if pool.size(image) is not None else ():
                    # The owner is a word without a lower line, so it is nobody else's beginning.
                    if name.startswith(f"{owner}_") and name not in keep:
                        pool.remove_snapshot(image, name)

    @contextmanager
    def _pool(self, machine_id: str, disk_id: str) -> Iterator[tuple[ceph.Pool, str, CephAccess]]:
        place = self._in_ceph(machine_id, disk_id)
        if place is None:
            raise StepFailed(
                _(
                    "disk {disk} is not in a Ceph that the configuration names, so nothing tells what changes in it"
                ).format(disk=disk_id)
            )
        access, image = place
        with ceph.open_pool(access, direct=True) as pool:
            yield pool, image, access

    def point_stands(self, machine_id: str, point: Json) -> bool:
        """All of its snapshots are there."""
        for disk in point["disks"]:
            with self._pool(machine_id, disk) as (pool, image, _access):
                if pool.size(image) is None or point["snapshot"] not in pool.snapshots(image):
                    return False
        return True

    @contextmanager
    def open_point(self, machine_id: str, point: Json, disk_id: str, since: Json | None) -> Iterator[PointDisk]:
        """The snapshot, and what Ceph says was written between the two."""
        with self._pool(machine_id, disk_id) as (pool, image, access):
            told, why = None, ""
            if since is not None and since["snapshot"] in pool.snapshots(image):
                told = changed_between(pool, image, since["snapshot"], point["snapshot"])
            elif since is not None:
                why = _("the snapshot of the earlier point is gone")
            with _snapshot(access, pool, image, point["snapshot"], at_rest=False) as export:
                yield PointDisk(export, told, why)

    def end_point(self, machine_id: str, owner: str, point: Json) -> None:
        """Its own snapshot tells the next changes; the earlier ones go."""
        self._sweep(machine_id, owner, point["disks"], {point["snapshot"]})

    def forget(self, machine_id: str, owner: str, was: Json | None) -> None:
        """No snapshot of the owner stays."""
        found = self.api.get("compute", f"/servers/{machine_id}", missing_ok=True)
        disks = self._disks(found["server"]) if found else []
        self._sweep(machine_id, owner, [d for d in disks if self._in_ceph(machine_id, d) is not None], ())

    @staticmethod
    def _disks(server: Mapping[str, Any]) -> list[str]:
        local = [ROOT] if server.get("image") else []
        return [*local, *(v["id"] for v in server.get("os-extended-volumes:volumes_attached", ()))]

    def _current(self, machine_id: str, image: dict[str, Any]) -> str:
        exports.refuse_outdated(self.api, machine_id, image["created_at"])
        return str(image["id"])

    def _file(self, machine_id: str, disk_id: str) -> Path:
        folder = config.load().state_dir / "exports"
        return folder / f"{self.cloud_name}-{machine_id}-{disk_id}.img"

    def _download(self, machine_id: str, disk_id: str, image: dict[str, Any], check_stop: Callable[[], None]) -> None:
        """Bring the whole image here: its Glance serves no parts of one."""
        file = self._file(machine_id, disk_id)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        if (free := shutil.disk_usage(file.parent).free) < image["size"]:
            raise StepFailed(
                _("{folder} has {free} MiB left, {need} MiB are needed.").format(
                    folder=file.parent, free=free >> 20, need=image["size"] >> 20
                ),
                _("Make room there, and run it again."),
            )
        with part.open("wb") as f:
            # It holds a tenant's disk.
            part.chmod(0o600)
            for piece in image_file.download(self.api.cloud, image["id"], image["name"]):
                check_stop()
                f.write(piece)
        if part.stat().st_size != image["size"]:
            raise StepFailed(
                _("Image {name} has {size} bytes, {got} came.").format(
                    name=image["name"], size=image["size"], got=part.stat().st_size
                ),
                _("Run it again: blue-wizard job resume ID"),
            )
        part.replace(file)

    def _server(self, machine_id: str) -> dict[str, Any]:
        found = self.api.get("compute", f"/servers/{machine_id}", missing_ok=True)
        if found is None:
            raise StepFailed(
                _("Server {id} of cloud {cloud} is gone.").format(id=machine_id, cloud=self.cloud_name),
                _("Plan again: blue-wizard migrate plan"),
            )
        server: dict[str, Any] = found["server"]
        return server

    def power(self, machine_id: str) -> Power:
        """Whether the server runs."""
        return power_of(self._server(machine_id))

    def shut_down(self, machine_id: str, *, timeout_s: float, check_stop: Callable[[], None]) -> None:
        """Have Nova stop it: the guest is asked first, and switched off when it does not answer in Nova's own time."""
        shut_down(
            machine_id,
            power=lambda: self.power(machine_id),
            ask=lambda: self._act(machine_id, "os-stop", "ACTIVE"),
            timeout_s=timeout_s,
            check_stop=check_stop,
        )

    def start(self, machine_id: str) -> None:
        """Start the server unless it runs, and wait until it does."""
        self._act(machine_id, "os-start", "SHUTOFF")
        poll(
            lambda: True if self._server(machine_id)["status"] == "ACTIVE" else None,
            _("server {id} to be {state}").format(id=machine_id, state="ACTIVE"),
            timeout_s=_START_S,
        )

    def _act(self, machine_id: str, what: str, when: str) -> None:
        server = self._server(machine_id)
        if server["status"] == when and not server.get("OS-EXT-STS:task_state"):
            self.api.post("compute", f"/servers/{machine_id}/action", {what: None})


@contextmanager
def _snapshot(access: CephAccess, pool: ceph.Pool, image: str, name: str, *, at_rest: bool) -> Iterator[Export]:
    """A snapshot of an image, by NBD and by a reader of our own."""
    node = nbd.rbd_node(access.pool, image, conf=access.conf, client=access.client)
    node["file"]["snapshot"] = name
    with closing(RbdSnapshot(pool, image, name, at_rest=at_rest)) as looked_at:
        size = looked_at.size
    with nbd.serve(node) as uri:
        yield Export(uri, size, partial(RbdSnapshot, pool, image, name, at_rest=at_rest))


def _seen(network: Mapping[str, Any], project: str) -> bool:
    """Whether the project itself knows the network; administrators are told of those of everybody."""
    return owned(network) == project or bool(network.get("shared") or network.get("router:external"))


def _ours(pool: ceph.Pool, image: str) -> list[str]:
    return [s for s in pool.snapshots(image) if s.startswith(_SNAPSHOT)]


def _not_exported(machine: str, disk: str) -> StepFailed:
    return StepFailed(
        _("Disk {disk} of {machine} is not exported, or not any more.").format(disk=disk, machine=machine),
        _("Undo the job and run the wave again: blue-wizard migrate rollback"),
    )
