"""Bindings of ports that a migration has left behind.

While a server moves, each of its ports has a second, INACTIVE binding on the destination. One that stays after a failure
makes Neutron refuse the next one there (409), and with it every later migration to that host (nova/network/neutron.py,
`bind_ports_to_host`).
"""

from __future__ import annotations

from blue_wizard.jobs.actions import Context
from blue_wizard.maintain import site
from blue_wizard.reach.openstack import Cloud

__all__ = ["clear"]


def clear(ctx: Context, cloud: Cloud, server: str) -> None:
    """Delete the INACTIVE bindings of a server's ports. Only for one that nothing moves: then nobody needs them."""
    for port in site.ports_of(cloud, server):
        # Clouds older than Queens have one binding a port, and no such list.
        found = cloud.get("network", f"/ports/{port.id}/bindings", missing_ok=True) or {"bindings": []}
        for binding in found["bindings"]:
            if binding["status"] == "INACTIVE":
                ctx.event("effect", "delete stale port binding", port=port.id, host=binding["host"])
                cloud.delete("network", f"/ports/{port.id}/bindings/{binding['host']}")
