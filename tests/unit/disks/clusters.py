"""Clusters for tests: recorded ones, and small ones put together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from blue_wizard.facts.ceph import COMMANDS, Cluster, Osd, Pg, Pool, Usage, parse_cluster

CLEAN_SIX = [("active+clean", (0, 1, 2)), ("active+clean", (4, 5, 0))]
GOLDEN = Path(__file__).parents[1] / "facts" / "golden" / "ceph"


def answers(release: str) -> dict[str, Any]:
    """The recorded answers of a release to every command."""
    return {
        key: json.loads((GOLDEN / f"{release}-{'-'.join(words).replace('_', '-')}.json").read_text())
        for key, words in COMMANDS.items()
    }


def recorded(release: str) -> Cluster:
    return parse_cluster(answers(release))


def small(
    pgs: Sequence[tuple[str, Sequence[int]]],
    *,
    osds: int = 6,
    down: Sequence[int] = (),
    out: Sequence[int] = (),
    size: int = 3,
    min_size: int = 2,
    used: float = 0.4,
    num_pgs: Mapping[int, int] | None = None,
    per_host: int = 1,
) -> Cluster:
    """A cluster of one pool: PGs by state and acting set, one OSD a host unless said otherwise."""
    return Cluster(
        fsid="f",
        epoch=1,
        release="pacific",
        flags=frozenset(),
        osds={
            n: Osd(
                n,
                f"uuid-{n}",
                n not in down,
                n not in out,
                0.0 if n in out else 1.0,
                weight=1.0,
                device_class="hdd",
                location={"host": f"h{n // per_host}", "root": "default"},
                metadata={"hostname": f"h{n // per_host}"},
            )
            for n in range(osds)
        },
        pools={1: Pool(1, "volumes", size, min_size)},
        pgs=tuple(Pg(f"1.{i:x}", frozenset(s.split("+")), tuple(a), tuple(a)) for i, (s, a) in enumerate(pgs)),
        usage={n: Usage(1000, int(1000 * used), (num_pgs or {}).get(n)) for n in range(osds)},
        backfillfull=0.9,
        quorum=3,
        mons=3,
        health="HEALTH_OK",
    )


def with_pg(cluster: Cluster, **changes: Any) -> Cluster:
    """The cluster with its first PG changed."""
    return replace(cluster, pgs=(replace(cluster.pgs[0], **changes), *cluster.pgs[1:]))
