"""Registers what maintenance can do (an entry point): every file of `actions/`, and the planners, reports and invariant."""

from __future__ import annotations

from blue_wizard.jobs.actions import import_all
from blue_wizard.maintain import actions, campaign, enter, invariant, leave

__all__ = ["modules"]

modules = (*import_all(actions), campaign, enter, invariant, leave)
"""The modules that register something."""
