"""Ceph through librados and librbd: what a pool has left, what an RBD image is, snapshots."""

from __future__ import annotations

import errno
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from blue_wizard.config import CephAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.text import _

__all__ = ["Cluster", "Denied", "Pool", "open_cluster", "open_pool"]

_TIMEOUTS = {"client_mount_timeout": "30", "rados_mon_op_timeout": "30", "rados_osd_op_timeout": "120"}


# Whole objects gain nothing by librbd's cache, and a write that has ended is then on its OSDs.
_DIRECT = {"rbd_cache": "false"}
# Not every librados knows these.
_DIRECT_TOO = {"rbd_persistent_cache_mode": "disabled"}


def _modules() -> tuple[Any, Any]:
    try:
        import rados
        import rbd
    except ImportError as e:
        raise InputError(
            _("The Python module {name} is missing.").format(name=e.name),
            _("Install the Debian package {name}.").format(name=f"python3-{e.name}"),
        ) from e
    return rados, rbd


def _connected(access: CephAccess, settings: Mapping[str, str], known_to_some: Mapping[str, str]) -> Any:
    """A connection with these settings; those of `known_to_some` may be new to librados."""
    rados, _rbd = _modules()
    try:
        cluster = rados.Rados(conffile=str(access.conf), rados_id=access.client, conf={**_TIMEOUTS, **settings})
        for name, value in known_to_some.items():
            with suppress(rados.ObjectNotFound):
                cluster.conf_set(name, value)
        cluster.connect(timeout=30)
    except (rados.Error, OSError) as e:
        raise InputError(
            _("Ceph can't be reached with {conf} as client.{client}: {error}").format(
                conf=access.conf, client=access.client, error=e
            ),
            _("Try: ceph -c {conf} --id {client} -s").format(conf=access.conf, client=access.client),
        ) from e
    return cluster


@contextmanager
def open_cluster(access: CephAccess) -> Iterator[Cluster]:
    """The cluster of the access, for questions to its monitors and manager. Raises InputError when it can't be reached."""
    cluster = _connected(access, {}, {})
    try:
        yield Cluster(cluster)
    finally:
        cluster.shutdown()


class Denied(StepFailed):
    """The client has no right to ask."""


class Cluster:
    """What monitors and manager tell; nothing is changed through it."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def ask(self, prefix: str, *, manager: bool = False, **arguments: str) -> Any:
        """The JSON answer to a command such as ``df`` (``detail="detail"``). `manager`: it is the manager that knows.

        Raises Denied when the client has no right to ask, StepFailed when nobody answers.
        """
        command = json.dumps({"prefix": prefix, "format": "json", **arguments})
        send = self._cluster.mgr_command if manager else self._cluster.mon_command
        status, out, error = send(command, b"")
        if status != 0:
            message = _("Ceph does not answer “{command}”: {error}").format(command=prefix, error=error.strip())
            # Statuses are negative numbers of errno.
            raise (Denied if -status in {errno.EACCES, errno.EPERM} else StepFailed)(message)
        return json.loads(out)


@contextmanager
def open_pool(access: CephAccess, *, direct: bool = False) -> Iterator[Pool]:
    """The pool of the access, for as long as the context lasts. Raises InputError when the cluster can't be reached.

    With `direct` its images are read and written without a cache on this side.
    """
    rados, rbd = _modules()
    cluster = _connected(access, _DIRECT if direct else {}, _DIRECT_TOO if direct else {})
    try:
        io = cluster.open_ioctx(access.pool)
    except rados.Error as e:
        cluster.shutdown()
        raise InputError(
            _("Ceph has no pool {pool} that client.{client} may use: {error}").format(
                pool=access.pool, client=access.client, error=e
            )
        ) from e
    pool = Pool(access.pool, cluster, io, rbd)
    try:
        yield pool
    finally:
        if not pool.kept:
            pool.close()


class Pool:
    """One RBD pool."""

    def __init__(self, name: str, cluster: Any, io: Any, rbd: Any) -> None:
        self.name = name
        self._cluster = cluster
        self._io = io
        self._rbd = rbd
        self.error: type[Exception] = rbd.Error

        self._kept = False

    def keep(self) -> None:
        """Leave the connection open at the end of its context, for requests in flight; whoever says so calls `close` later."""
        self._kept = True

    @property
    def kept(self) -> bool:
        """Whether `keep` was called."""
        return self._kept

    def close(self) -> None:
        """Close the connection."""
        self._io.close()
        self._cluster.shutdown()

    def fsid(self) -> str:
        """The id of the cluster."""
        return str(self._cluster.get_fsid())

    def open_image(self, image: str, *, read_only: bool) -> Any:
        """An open `rbd.Image`, to be closed by the caller. Raises `self.error`."""
        return self._rbd.Image(self._io, image, read_only=read_only)

    def free(self) -> int:
        """MAX AVAIL in bytes: what can still be stored, replicas, full ratio and quota taken into account (`ceph df detail`)."""
        command = json.dumps({"prefix": "df", "detail": "detail", "format": "json"})
        status, out, error = self._cluster.mon_command(command, b"")
        if status != 0:
            raise StepFailed(_("Ceph does not tell its free space: {error}").format(error=error))
        pools = {p["name"]: p["stats"] for p in json.loads(out)["pools"]}
        found = pools[self.name]
        left = int(found["max_avail"])
        # MAX AVAIL knows nothing of the pool's own quota.
        return min(left, max(0, int(found["quota_bytes"] - found["stored"]))) if found.get("quota_bytes") else left

    def may_write(self) -> bool:
        """Whether the client may write into the pool. Nothing is written.

        OSDs judge the right to write before they look for the object, so removing one that is not there tells.
        """
        import rados

        try:
            self._io.remove_object(f"blue-wizard-doctor-{uuid.uuid4()}")
        except rados.ObjectNotFound:
            return True
        except (rados.PermissionError, rados.PermissionDeniedError):
            return False
        return True

    def images(self) -> list[str]:
        """The names of all images."""
        return list(self._rbd.RBD().list(self._io))

    def size(self, image: str) -> int | None:
        """The size of an image in bytes, or None when there is none of that name."""
        try:
            with self._rbd.Image(self._io, image, read_only=True) as opened:
                return int(opened.size())
        except self._rbd.ImageNotFound:
            return None

    def watchers(self, image: str) -> list[str]:
        """The addresses of the clients that have the image open for writing, ourselves left out."""
        with self._rbd.Image(self._io, image, read_only=True) as opened:
            return [w["addr"] for w in opened.watchers_list()]

    def image_id(self, image: str) -> str:
        """The id under which the pool keeps an image, whatever its name; also in the trash."""
        with self._rbd.Image(self._io, image, read_only=True) as opened:
            return str(opened.id())

    def to_trash(self, image: str) -> None:
        """Move an image into the pool's trash."""
        self._rbd.RBD().trash_move(self._io, image, 0)

    def trash(self) -> dict[str, str]:
        """What lies in the trash: id to the name that it had."""
        return {str(t["id"]): str(t["name"]) for t in self._rbd.RBD().trash_list(self._io)}

    def restore(self, id_: str, image: str) -> None:
        """Take an image out of the trash, under this name."""
        self._rbd.RBD().trash_restore(self._io, id_, image)

    def blank(self, image: str) -> bool:
        """True when the image holds not one object."""
        found: list[int] = []

        def seen(_offset: int, length: int, exists: bool) -> None:
            if exists:
                found.append(length)

        with self._rbd.Image(self._io, image, read_only=True) as opened:
            opened.diff_iterate(0, opened.size(), None, seen, whole_object=True)
        return not found

    def empty(self, image: str) -> None:
        """Give back all objects of an image: it reads as zeroes afterwards."""
        with self._rbd.Image(self._io, image) as opened:
            size = opened.size()
            opened.resize(0)
            opened.resize(size)

    def snapshot(self, image: str, name: str) -> None:
        """Make a snapshot; one of that name that is there already is kept."""
        with self._rbd.Image(self._io, image) as opened:
            if name not in self._names(opened):
                opened.create_snap(name)

    def snapshots(self, image: str) -> list[str]:
        """The names of an image's snapshots."""
        with self._rbd.Image(self._io, image, read_only=True) as opened:
            return self._names(opened)

    def roll_back(self, image: str, name: str) -> None:
        """Make the image as it was at the snapshot."""
        with self._rbd.Image(self._io, image) as opened:
            opened.rollback_to_snap(name)

    def remove_snapshot(self, image: str, name: str) -> None:
        """Remove a snapshot if it is there."""
        with self._rbd.Image(self._io, image) as opened:
            if name in self._names(opened):
                opened.remove_snap(name)

    @staticmethod
    def _names(opened: Any) -> list[str]:
        return [s["name"] for s in opened.list_snaps()]
