"""The OSDs of a host: which they are, whether all may stop, the flag of their bucket, and the lease that says whose it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from blue_wizard import config, tracing
from blue_wizard.errors import StepFailed
from blue_wizard.facts import osds
from blue_wizard.facts.osds import HostOsds
from blue_wizard.reach.ceph_cli import Ceph
from blue_wizard.text import _

__all__ = ["Lease", "is_set", "lease_of", "leases", "may_stop", "on_host", "set_noout", "unset_noout"]

LEASE_S = 24 * 3600.0
"""For how long a flag is meant to be set (seconds). Nothing ends by itself then: it is told as forgotten."""

_KEY = "blue-wizard/maintenance/"


@dataclass(frozen=True)
class Lease:
    """Which job has set the flag of a bucket, for which host, and until when (Unix seconds)."""

    job: str
    host: str
    since: float
    until: float

    def over(self, now: float) -> bool:
        """True when the flag was meant to be gone by now."""
        return now > self.until


def on_host(cloud: str, host: str) -> tuple[HostOsds, bool] | None:
    """The OSDs of a host, and whether all of them may stop; None when the configuration leads to no Ceph of the cloud."""
    known = config.load().clouds.get(cloud)
    if known is None or (known.ceph is None and known.ceph_admin is None):
        return None
    ceph = Ceph(cloud)
    with ThreadPoolExecutor(3) as threads:
        metadata, tree, dump = threads.map(lambda what: ceph.json("osd", what), ("metadata", "tree", "dump"))
    found = osds.on_host(host, metadata, tree, dump)
    return found, may_stop(ceph, found.ids)


def may_stop(ceph: Ceph, ids: Iterable[int]) -> bool:
    """Whether all of these OSDs may stop at once and every placement group stays active. Raises StepFailed without an answer.

    ``osd ok-to-stop`` ends with EBUSY (16) when they may not; since Pacific its JSON says so, too.
    """
    words = [str(i) for i in ids]
    if not words:
        return True
    status, out, error = ceph.run("osd", "ok-to-stop", *words, "-f", "json")
    if status not in {0, 16}:
        command = " ".join(["ceph", "osd", "ok-to-stop", *words])
        raise StepFailed(_("{command} failed: {error}").format(command=command, error=error.strip()[-400:] or status))
    answer = json.loads(out) if out.strip().startswith("{") else {}
    return status == 0 and bool(answer.get("ok_to_stop", True))


def is_set(ceph: Ceph, bucket: str) -> bool:
    """Whether noout is set for the bucket."""
    return "noout" in (ceph.json("osd", "dump").get("crush_node_flags") or {}).get(bucket, ())


def _keys(ceph: Ceph) -> list[str]:
    found: Any = ceph.json("config-key", "ls")
    return [k for k in found if k.startswith(_KEY)]


def lease_of(ceph: Ceph, bucket: str) -> Lease | None:
    """The lease of a bucket, or None."""
    if _KEY + bucket not in _keys(ceph):
        return None
    return Lease(**json.loads(ceph.check("config-key", "get", _KEY + bucket)))


def leases(ceph: Ceph) -> dict[str, Lease]:
    """All leases, by bucket."""
    found = {key.removeprefix(_KEY): json.loads(ceph.check("config-key", "get", key)) for key in _keys(ceph)}
    return {bucket: Lease(**data) for bucket, data in found.items()}


def set_noout(ceph: Ceph, bucket: str, host: str, job: str) -> None:
    """Set the flag for a job. Other buckets, and the flags of the whole cluster, are not touched."""
    now = time.time()
    lease = {"job": job, "host": host, "since": round(now), "until": round(now + LEASE_S)}
    # The lease first: a flag without one would be nobody's.
    _change(ceph, "config-key", "set", _KEY + bucket, json.dumps(lease))
    _change(ceph, "osd", "set-group", "noout", bucket)


def unset_noout(ceph: Ceph, bucket: str) -> None:
    """Take the flag and its lease back."""
    _change(ceph, "osd", "unset-group", "noout", bucket)
    _change(ceph, "config-key", "rm", _KEY + bucket)


def _change(ceph: Ceph, *words: str) -> None:
    ceph.check(*words)
    tracing.tell("argv", ceph.where, " ".join(["ceph", *words]), "exit 0")
