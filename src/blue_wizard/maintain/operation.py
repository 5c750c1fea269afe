"""Registers what maintenance can do: its actions, planners, reports and its invariant (an entry point)."""

from __future__ import annotations

from blue_wizard.maintain import campaign, enter, invariant, leave
from blue_wizard.maintain.actions import campaign as turns
from blue_wizard.maintain.actions import cold, cordon, dead, empty, fencing, kube, live, mute, power, quiet, ready

__all__ = ["modules"]

modules = (
    campaign,
    cold,
    cordon,
    dead,
    empty,
    enter,
    fencing,
    invariant,
    kube,
    leave,
    live,
    mute,
    power,
    quiet,
    ready,
    turns,
)
"""The modules that register something."""
