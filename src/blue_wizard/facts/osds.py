"""Which OSDs live on a host, and what keeps them from being marked out. Pure parsers of Ceph's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["HostOsds", "on_host"]


@dataclass(frozen=True)
class HostOsds:
    """The OSDs of one host: their ids, those that are down, its CRUSH bucket ("" when there is none), its flags there."""

    ids: tuple[int, ...]
    down: tuple[int, ...] = ()
    bucket: str = ""
    flags: tuple[str, ...] = ()
    global_flags: tuple[str, ...] = ()


def on_host(
    host: str,
    metadata: Iterable[Mapping[str, Any]],
    tree: Mapping[str, Any],
    dump: Mapping[str, Any],
) -> HostOsds:
    """What ``osd metadata``, ``osd tree`` and ``osd dump`` (all as JSON) say about a host.

    OSDs name the host that they run on by its own host name, which may be the first label of Nova's name for it or the
    other way round. The bucket is found through them: deployments name it by an address as well.
    """
    label = host.partition(".")[0].lower()
    ids = {int(o["id"]) for o in metadata if str(o.get("hostname", "")).partition(".")[0].lower() == label}
    nodes = {int(n["id"]): n for n in tree["nodes"]}
    down = tuple(sorted(i for i in ids if i in nodes and nodes[i].get("status") != "up"))
    buckets = {
        str(n["name"])
        for n in tree["nodes"]
        if n["type"] == "host" and n.get("children") and set(map(int, n["children"])) <= ids
    }
    bucket = next(iter(buckets)) if len(buckets) == 1 else ""
    # Luminous and older know no flags of a bucket.
    flags = tuple((dump.get("crush_node_flags") or {}).get(bucket, ()))
    globally = tuple(f for f in str(dump.get("flags", "")).split(",") if f.startswith("no"))
    return HostOsds(tuple(sorted(ids)), down, bucket, flags, globally)
