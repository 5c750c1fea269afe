"""QEMU processes that libvirt does not know."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.facts.machine import Processes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["lost_guest"]


@check(
    "libvirt.lost-guest",
    N_("A guest runs that libvirt does not know"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "See what it writes to (ls -l /proc/{pid}/fd) before anything else; when Nova runs the same server "
        "elsewhere, end process {pid} at once."
    ),
    under=("libvirt.silent",),
    reread=True,
)
def lost_guest(processes: Processes, domains: HypervisorDomains) -> Iterable[Finding]:
    """A QEMU whose ``-uuid`` no domain has: libvirt lost it (a state folder was emptied). It holds its disks, and nobody
    manages it."""
    for p in processes.rows:
        uuid = re.search(r" -uuid ([0-9a-f-]{36})", p.command)
        if uuid and ("qemu" in p.name or "kvm" in p.name) and uuid[1] not in domains.by_uuid:
            yield found(
                uuid[1],
                N_("Process {pid} runs guest {uuid}, which libvirt does not know."),
                evidence=[f"ps: {p.pid} {p.command[:120]}"],
                pid=p.pid,
                uuid=uuid[1],
            )
