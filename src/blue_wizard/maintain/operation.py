"""Registers what maintenance can do: its actions, planners, reports and its invariant (an entry point)."""

from __future__ import annotations

from blue_wizard.maintain import enter, invariant
from blue_wizard.maintain.actions import cordon, empty

__all__ = ["modules"]

modules = (cordon, empty, enter, invariant)
"""The modules that register something."""
