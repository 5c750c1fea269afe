"""What has to hold while a host is emptied: its servers run, and it stays closed."""

from __future__ import annotations

import time
from collections.abc import Collection

from blue_wizard.facts import servers
from blue_wizard.jobs.actions import Args, invariant
from blue_wizard.maintain import site
from blue_wizard.reach import openstack
from blue_wizard.text import _

__all__ = ["KEPT", "judge", "kept"]

KEPT = "maintain.host.kept"

_MEND_S = 15.0


@invariant(KEPT)
def kept(args: Args, begun: Collection[str]) -> str:
    """args: cloud, host, service, servers (those that are moved while they run)."""
    broken = _look(args, begun)
    if broken:
        # Nova may call a server broken for a moment that has arrived well; its step sees to that.
        time.sleep(_MEND_S)
        broken = _look(args, begun)
    return broken


def _look(args: Args, begun: Collection[str]) -> str:
    cloud = openstack.connect(args["cloud"])
    enabled = any(s.enabled for s in site.services(cloud) if s.id == args["service"])
    states = {}
    for server in args["servers"]:
        found = cloud.get("compute", f"/servers/{server}", missing_ok=True)
        if found is not None:
            one = servers.parse_server(found["server"])
            states[one.name or one.id] = one.vm_state if not one.task_state else ""
    return judge(args["host"], enabled, states, begun)


def judge(host: str, enabled: bool, states: dict[str, str], begun: Collection[str]) -> str:
    """What is broken (pure). `states` are those of servers without a task under way ("" with one): Nova brings that to an end.

    A server that its owner deletes is nobody's harm, and neither is one that is stopped before its move began: both are
    seen by its own step.
    """
    if "settle" in begun and enabled:
        return _("somebody has enabled nova-compute on {host}: new servers come to it").format(host=host)
    bad = sorted(name for name, state in states.items() if state == "error")
    return _("servers are in ERROR: {names}").format(names=", ".join(bad)) if bad else ""
