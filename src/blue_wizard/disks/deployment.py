"""How an OSD is deployed on its host, asked for over SSH. No decisions."""

from __future__ import annotations

from dataclasses import replace

from blue_wizard.facts import osd_host
from blue_wizard.facts.osd_host import OsdHost
from blue_wizard.reach import ssh
from blue_wizard.reach.fanout import run_many

__all__ = ["read"]

_TIMEOUT_S = 25


def read(host: str, osd: int) -> OsdHost:
    """What the host says of the OSD; what could not be asked is empty."""
    wanted = osd_host.commands(osd)
    answers = run_many([(ssh.host(host), argv) for argv in wanted.values()], timeout_s=_TIMEOUT_S, root=True)
    # A unit that is not active is told with a status of 3, and on stdout.
    out = {k: (a.result.stdout if a.result else "") for k, a in zip(wanted, answers, strict=True)}
    found = osd_host.parse(osd, out)
    if found.container is not None:
        return found
    # Its container is gone: that of another OSD of this host shows how they are made.
    for runtime, names in found.containers.items():
        for name in names:
            if name.startswith("ceph_osd_"):
                told = ssh.host(host).run([runtime, "inspect", name], timeout_s=_TIMEOUT_S, root=True)
                return replace(found, model=osd_host.parse_container(runtime, told.stdout))
    return found
