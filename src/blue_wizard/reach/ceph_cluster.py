"""A Ceph cluster as its monitors and manager tell it: commands in, JSON out. It only asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from blue_wizard.config import CephAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.text import _

__all__ = ["Cluster", "connect"]

_TIMEOUT_S = 20
_T = TypeVar("_T")
_TIMEOUTS = {"client_mount_timeout": str(_TIMEOUT_S), "rados_mon_op_timeout": str(_TIMEOUT_S),
             "rados_osd_op_timeout": str(_TIMEOUT_S)}  # fmt: skip


def connect(access: CephAccess) -> Cluster:
    """The cluster, as the client that inspects. Raises InputError when it can't be reached.

    That is `inspect_client` where the configuration names one: Cinder's own may not ask the manager.
    """
    try:
        import rados
        import rbd
    except ImportError as e:
        raise InputError(
            _("The Python module {name} is missing.").format(name=e.name),
            _("Install the Debian package {name}.").format(name=f"python3-{e.name}"),
        ) from e
    client = access.inspect_client or access.client
    try:
        cluster = rados.Rados(conffile=str(access.conf), rados_id=client, conf=_TIMEOUTS)
        cluster.connect(timeout=_TIMEOUT_S)
    except (rados.Error, OSError) as e:
        raise InputError(
            _("Ceph can't be reached with {conf} as client.{client}: {error}").format(
                conf=access.conf, client=client, error=e
            ),
            _("Try: ceph -c {conf} --id {client} -s").format(conf=access.conf, client=client),
        ) from e
    return Cluster(cluster, rbd, client)


class Cluster:
    """An open connection."""

    def __init__(self, cluster: Any, rbd: Any, client: str) -> None:
        self._cluster = cluster
        self._rbd = rbd
        self._client = client

    def ask(self, prefix: str, **words: str) -> Any:
        """``ceph PREFIX -f json`` of a monitor. Raises StepFailed."""
        return self._ask(self._cluster.mon_command, prefix, words)

    def ask_manager(self, prefix: str, **words: str) -> Any:
        """``ceph PREFIX -f json`` of the active manager. Raises StepFailed."""
        return self._ask(self._cluster.mgr_command, prefix, words)

    def _ask(self, way: Any, prefix: str, words: dict[str, str]) -> Any:
        try:
            status, out, error = way(json.dumps({"prefix": prefix, "format": "json", **words}), b"")
        except self._errors() as e:
            status, out, error = -1, b"", str(e)
        if status != 0:
            raise StepFailed(
                _("Ceph does not answer client.{client} to: ceph {command}: {error}").format(
                    client=self._client, command=prefix, error=error or status
                ),
                _(
                    "Name a client that may ask (caps mon 'allow r', mgr 'allow r') as inspect_client in the configuration."
                ),
            )
        return json.loads(out) if out.strip() else None

    def _errors(self) -> type[Exception]:
        import rados

        found: type[Exception] = rados.Error
        return found

    def images(self, pool: str) -> list[str]:
        """The names of a pool's RBD images. Raises StepFailed."""
        with self._pool(pool) as io:
            return list(self._rbd.RBD().list(io))

    def sizes(self, pool: str, names: list[str]) -> dict[str, int]:
        """The sizes of images in bytes; those that are gone meanwhile are left out. Raises StepFailed."""
        return self._each(pool, names, lambda image: int(image.size()))

    def snapshots(self, pool: str, names: list[str]) -> dict[str, list[str]]:
        """The names of the snapshots of images; images that are gone meanwhile are left out. Raises StepFailed."""
        return self._each(pool, names, lambda image: [str(s["name"]) for s in image.list_snaps()])

    def _each(self, pool: str, names: list[str], look: Callable[[Any], _T]) -> dict[str, _T]:
        found: dict[str, _T] = {}
        with self._pool(pool) as io:
            for name in names:
                with suppress(self._rbd.ImageNotFound), self._rbd.Image(io, name, read_only=True) as image:
                    found[name] = look(image)
        return found

    @contextmanager
    def _pool(self, pool: str) -> Iterator[Any]:
        try:
            io = self._cluster.open_ioctx(pool)
            try:
                yield io
            finally:
                io.close()
        except (self._errors(), self._rbd.Error) as e:
            raise self._refused(pool, e) from e

    def _refused(self, pool: str, error: Exception) -> StepFailed:
        return StepFailed(
            _("client.{client} may not look into pool {pool}: {error}").format(
                client=self._client, pool=pool, error=error
            ),
            _("See: ceph auth get client.{client}").format(client=self._client),
        )
