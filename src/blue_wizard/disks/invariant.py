"""What holds for as long as OSDs are worked on, sampled all the time: no tenant's data is out of reach, and nobody else fails."""

from __future__ import annotations

from collections.abc import Collection

from blue_wizard.disks import safety
from blue_wizard.disks.survey import read_cluster
from blue_wizard.facts.ceph import Cluster
from blue_wizard.jobs.actions import Args, invariant
from blue_wizard.text import _

__all__ = ["SERVING", "judge"]

SERVING = "osd.cluster.serves"


@invariant(SERVING)
def serving(args: Args, _begun: Collection[str]) -> str:
    """args: cloud, osds, down (others that were down before), slow (with slow requests before)."""
    cluster = read_cluster(args["cloud"], ("dump", "status", "pgs", "health"))
    return judge(cluster, args["osds"], args["down"], args["slow"])


def judge(cluster: Cluster, osds: Collection[int], down: Collection[int], slow: Collection[int]) -> str:
    """What is broken, in words (pure)."""
    found = safety.broken(cluster, osds, accepted=down)
    if found:
        return found
    new = sorted(cluster.slow - {*osds, *slow})
    if new:
        return _("clients wait: slow requests on {osds}").format(osds=", ".join(f"osd.{n}" for n in new))
    told = safety.quorum(cluster)
    return "" if told.ok or cluster.quorum * 2 > cluster.mons else told.reason
