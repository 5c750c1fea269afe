"""Registers what mending can do: its actions and its planner (an entry point)."""

from __future__ import annotations

from blue_wizard.inspect.mend import allocation, domain, image, plan

__all__ = ["modules"]

modules = (allocation, domain, image, plan)
"""The modules that register something."""
