"""Ceph's administration through librados: commands to the monitors and the manager, JSON out. No decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from blue_wizard import tracing
from blue_wizard.config import CephAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.text import _

__all__ = ["Cluster", "open_cluster"]

_TIMEOUTS = {"client_mount_timeout": "20", "rados_mon_op_timeout": "20"}
# ok-to-stop and its like answer "busy" or "try again" with a body that says why.
_TALKING = (0, -16, -11)


@contextmanager
def open_cluster(access: CephAccess) -> Iterator[Cluster]:
    """The cluster as the client `admin` of the access. Raises InputError when it can't be reached."""
    try:
        import rados
    except ImportError as e:
        raise InputError(
            _("The Python module {name} is missing.").format(name=e.name),
            _("Install the Debian package {name}.").format(name=f"python3-{e.name}"),
        ) from e
    try:
        cluster = rados.Rados(conffile=str(access.conf), rados_id=access.admin, conf=_TIMEOUTS)
        cluster.connect(timeout=20)
    except (rados.Error, OSError) as e:
        raise InputError(
            _("Ceph can't be reached with {conf} as client.{client}: {error}").format(
                conf=access.conf, client=access.admin, error=e
            ),
            _("Try: ceph -c {conf} --id {client} -s").format(conf=access.conf, client=access.admin),
        ) from e
    try:
        yield Cluster(cluster)
    finally:
        cluster.shutdown()


class Cluster:
    """One cluster, for commands as ``ceph`` knows them."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def ask(self, prefix: str, *, manager: bool = False, **args: Any) -> Any:
        """A command that only reads; its JSON. Raises StepFailed with Ceph's own words."""
        status, out, error = self._send(prefix, manager, args)
        if status not in _TALKING or (status != 0 and not out):
            raise _failed(prefix, status, error)
        return json.loads(out) if out.strip() else {}

    def tell(self, prefix: str, **args: Any) -> None:
        """A command that changes something. Raises StepFailed with Ceph's own words."""
        status, _out, error = self._send(prefix, False, args)
        tracing.tell("api", "ceph", " ".join([prefix, *(str(v) for v in args.values())]), f"status {status}")
        if status != 0:
            raise _failed(prefix, status, error)

    def _send(self, prefix: str, manager: bool, args: dict[str, Any]) -> tuple[int, bytes, str]:
        command = json.dumps({"prefix": prefix, "format": "json", **args})
        send = self._cluster.mgr_command if manager else self._cluster.mon_command
        status, out, error = send(command, b"")
        return status, out, error


def _failed(prefix: str, status: int, error: str) -> StepFailed:
    return StepFailed(_("Ceph refuses {command}: {error}").format(command=prefix, error=error.strip() or status))
