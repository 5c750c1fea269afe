"""Packets that the kernel had to throw away because the daemon did not come to them."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.switches import SwitchUse
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["lost_packets"]

_LEAST, _SHARE = 1000, 0.001


@check(
    "ovs.lost-packets",
    N_("Open vSwitch loses packets"),
    severity=Severity.WARNING,
    remedy=N_(
        "See what asks so much of ovs-vswitchd: ovs-appctl upcall/show, top; floods from one guest are the "
        "usual cause. Give it processors of its own."
    ),
    profile=Profile.DAILY,
)
def lost_packets(use: SwitchUse) -> Iterable[Finding]:
    """A counter: what was lost long ago is in it too."""
    lost, missed = use.lost or (0, 0)
    if lost >= _LEAST and lost >= _SHARE * (missed + lost):
        yield found(
            "upcalls",
            N_("{lost} of {missed} packets were lost on their way to ovs-vswitchd."),
            evidence=[f"ovs-appctl dpctl/show: missed {missed}, lost {lost}"],
            lost=lost,
            missed=missed + lost,
        )
