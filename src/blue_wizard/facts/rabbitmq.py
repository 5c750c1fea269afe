"""What a RabbitMQ node says of itself and its cluster: ``rabbitmqctl ... --formatter json``. Pure parsers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

__all__ = ["Queue", "RabbitNode", "RabbitQueues", "RabbitUse"]


@dataclass(frozen=True)
class Queue:
    """A queue."""

    vhost: str
    name: str
    ready: int = 0
    unacknowledged: int = 0
    consumers: int = 0
    state: str = "running"
    type: str = "classic"

    @property
    def label(self) -> str:
        """Its name with its virtual host."""
        return f"{self.vhost}/{self.name}"


@dataclass(frozen=True)
class RabbitNode:
    """A node: who it sees in the cluster, its alarms, partitions and queues. `fds`: descriptors as (used, most), `age_s`
    since its start."""

    name: str
    running: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    flags_off: tuple[str, ...] = field(default_factory=tuple)

    @staticmethod
    def parse(cluster: str) -> RabbitNode:
        """``cluster_status``."""
        c = json.loads(cluster)
        flags = (f for f in c.get("feature_flags") or () if f.get("stability", "stable") == "stable")
        return RabbitNode(
            str(c.get("cluster_name") or ""),
            tuple(c.get("running_nodes") or ()),
            tuple(c.get("disk_nodes") or ()) + tuple(c.get("ram_nodes") or ()),
            tuple(sorted(f"{a} | {b}" for a, others in dict(c.get("partitions") or {}).items() for b in others)),
            tuple(_alarm(a) for a in c.get("alarms") or ()),
            tuple(sorted({str(v.get("rabbitmq_version")) for v in dict(c.get("versions") or {}).values()})),
            tuple(sorted(f["name"] for f in flags if f.get("state") == "disabled")),
        )


@dataclass(frozen=True)
class RabbitQueues:
    """All queues of all virtual hosts."""

    rows: tuple[Queue, ...] = ()

    @staticmethod
    def parse(queues: str) -> RabbitQueues:
        """One ``list_queues`` a virtual host, each after a line ``vhost NAME``."""
        found: list[Queue] = []
        for block in re.split(r"^vhost ", queues, flags=re.M)[1:]:
            vhost, _newline, rows = block.partition("\n")
            found += [_queue(vhost.strip(), q) for q in json.loads(rows or "[]")]
        return RabbitQueues(tuple(found))


@dataclass(frozen=True)
class RabbitUse:
    """What a node uses, as (used, most); `disk` as (free, least)."""

    fds: tuple[int, int] | None = None
    memory: tuple[int, int] | None = None
    disk: tuple[int, int] | None = None

    @staticmethod
    def parse(status: str) -> RabbitUse:
        """``status``. What a release does not tell is None."""
        s = json.loads(status)
        fds = s.get("file_descriptors") or {}
        total = (s.get("memory") or {}).get("total")
        used = max(total.values()) if isinstance(total, dict) else total
        limit = s.get("vm_memory_high_watermark_limit")
        free, least = s.get("disk_free"), s.get("disk_free_limit")
        return RabbitUse(
            (int(fds["total_used"]), int(fds["total_limit"])) if "total_used" in fds else None,
            (int(used), int(limit)) if used and limit else None,
            (int(free), int(least)) if isinstance(free, int) and least else None,
        )


def _alarm(raw: object) -> str:
    if isinstance(raw, dict):
        return " ".join(str(raw[k]) for k in ("node", "resource", "type") if raw.get(k))
    return str(raw)


def _queue(vhost: str, raw: dict[str, object]) -> Queue:
    def number(key: str) -> int:
        value = raw.get(key)
        return value if isinstance(value, int) else 0

    return Queue(
        vhost,
        str(raw.get("name")),
        number("messages_ready"),
        number("messages_unacknowledged"),
        number("consumers"),
        str(raw.get("state") or ""),
        str(raw.get("type") or "classic"),
    )
