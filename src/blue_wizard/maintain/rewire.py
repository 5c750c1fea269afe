"""A server that has arrived and is not heard: its ports are wired once more.

Neutron's agents learn from messages where a port has gone, and such a message can be lost on an agent that works on another
one at that moment. Open vSwitch's agent takes a tunnel that nobody uses out of the switch before it forgets its number
(`cleanup_tunnel_port`); a server that arrives in between gets flows into a tunnel that is gone. They stay until the port is
wired again: then the agent tells the server, and l2population tells all agents anew (neutron/plugins/ml2/rpc.py,
`notify_l2pop_port_wiring`). Any change of a port has its agent wire it again, which interrupts nothing: flows are written over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from blue_wizard.errors import BlueWizardError
from blue_wizard.jobs.actions import Context
from blue_wizard.maintain import probes, site
from blue_wizard.reach.openstack import Cloud

__all__ = ["Once", "wire_again"]

_AFTER_S = 10.0
"""An agent looks for changes every two seconds, and needs some on a busy host."""
_LONGEST = 255


@dataclass
class Once:
    """Wires the ports of a server again, once, when it stays unheard though everything else says that it is there."""

    ctx: Context
    cloud: Cloud
    server: str
    watch: probes.Watch
    done: bool = False
    _since: float | None = field(default=None, repr=False)

    def heard(self) -> bool:
        """Whether it is heard (see `Watch.heard_anew`). Asked again and again: does it when that was not so for some seconds."""
        if self.watch.heard_anew():
            return True
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if not self.done and now - self._since >= _AFTER_S:
            self.done = True
            wire_again(self.ctx, self.cloud, self.server)
        return False


def wire_again(ctx: Context, cloud: Cloud, server: str) -> None:
    """Have the agents wire each port of a server again: its description gets a blank at its end and loses it.

    A worker that is killed between the two leaves the blank. What Neutron refuses is told in the log and no error: it was
    only an attempt.
    """
    for port in site.ports_of(cloud, server):
        told = port.description
        ctx.event("effect", "wire port again", server=server, port=port.id, host=port.host)
        try:
            for text in (f"{told} " if len(told) < _LONGEST else told[:-1], told):
                cloud.put("network", f"/ports/{port.id}", {"port": {"description": text}})
        except BlueWizardError as e:
            ctx.event("wait", "port was not wired again", port=port.id, error=e.message)
