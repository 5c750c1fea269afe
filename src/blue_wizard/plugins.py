"""What other packages and a site add: modules that register themselves when they are imported."""

from __future__ import annotations

import importlib
import os
from functools import cache
from importlib.metadata import EntryPoint, entry_points

__all__ = ["load_installed", "load_named"]


def load_installed(group: str) -> None:
    """Import what is installed under a group of entry points, and what is named besides (see `load_named`)."""
    for point in _installed(group):
        point.load()
    load_named()


def load_named() -> None:
    """Import the modules that BLUE_WIZARD_PLUGINS names, separated by commas."""
    for name in filter(None, os.environ.get("BLUE_WIZARD_PLUGINS", "").split(",")):
        importlib.import_module(name)


@cache
def _installed(group: str) -> tuple[EntryPoint, ...]:
    # Every step asks for its action, and to look for entry points reads the metadata of all that is installed.
    return tuple(entry_points(group=group))
