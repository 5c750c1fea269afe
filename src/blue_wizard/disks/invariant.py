"""What holds for as long as OSDs are worked on, sampled all the time: no tenant's data is out of reach, and nobody else fails."""

from __future__ import annotations

import time
from collections.abc import Collection

from blue_wizard.disks import safety
from blue_wizard.disks.survey import read_cluster
from blue_wizard.facts.ceph import Cluster
from blue_wizard.jobs.actions import Args, invariant
from blue_wizard.text import _

__all__ = ["PEERING_S", "SERVING", "judge"]

SERVING = "osd.cluster.serves"
PEERING_S = 30.0
"""So long a PG may peer: each step that changes the map makes some do so, and on a busy cluster it takes seconds."""

_since: dict[str, dict[str, float]] = {}


@invariant(SERVING)
def serving(args: Args, _begun: Collection[str]) -> str:
    """args: cloud, osds, down (others that were down before), slow (with slow requests before)."""
    cluster = read_cluster(args["cloud"], ("dump", "status", "pgs", "health"))
    now, seen = time.monotonic(), _since.setdefault(cluster.fsid, {})
    passing = safety.passing(cluster)
    for gone in seen.keys() - passing:
        del seen[gone]
    for pg in passing:
        seen.setdefault(pg, now)
    young = [pg for pg, since in seen.items() if now - since < PEERING_S]
    return judge(cluster, args["osds"], args["down"], args["slow"], young)


def judge(
    cluster: Cluster, osds: Collection[int], down: Collection[int], slow: Collection[int], young: Collection[str] = ()
) -> str:
    """What is broken, in words (pure). `young` are PGs that have been peering for less than `PEERING_S`."""
    found = safety.broken(cluster, osds, accepted=down, young=young)
    if found:
        return found
    new = sorted(cluster.slow - {*osds, *slow})
    if new:
        return _("clients wait: slow requests on {osds}").format(osds=", ".join(f"osd.{n}" for n in new))
    told = safety.quorum(cluster)
    return "" if told.ok or cluster.quorum * 2 > cluster.mons else told.reason
