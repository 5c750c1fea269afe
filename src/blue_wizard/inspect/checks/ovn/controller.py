"""A host that learns of no change."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.switches import OvnController
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["controller"]


@check(
    "ovn.controller",
    N_("ovn-controller is not connected"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look at ovn-remote in external_ids (ovs-vsctl get Open_vSwitch . external_ids), at TLS, and at its log."
    ),
    under=(
        "host.unreachable",
        "ovn.raft",
    ),
    reread=True,
)
def controller(controller: OvnController) -> Iterable[Finding]:
    """In its own words."""
    if controller.status != "connected":
        yield found(
            "ovn-controller",
            N_("ovn-controller is {status}."),
            evidence=[f"ovn-appctl connection-status: {controller.status}"],
            status=controller.status or "-",
        )
