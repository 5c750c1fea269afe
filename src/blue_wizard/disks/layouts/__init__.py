"""The ways in which OSDs are deployed. One way is one file of this folder, which registers itself; nothing else names it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from blue_wizard import plugins
from blue_wizard.disks.view import View
from blue_wizard.errors import InputError, Refused
from blue_wizard.facts.blockdev import Part
from blue_wizard.jobs.model import Step
from blue_wizard.text import _

__all__ = ["Layout", "choose", "layout", "layouts"]


class Layout(Protocol):
    """How OSDs of one deployment are taken out and put back."""

    name: str
    """What ``--type`` calls it."""

    def detect(self, view: View) -> str:
        """What shows that the OSD is deployed in this way; "" when nothing does (pure)."""

    def problems(self, view: View) -> Sequence[str]:
        """What stands in the way of this OSD, in words; nothing when it can be done (pure)."""

    def aside(self, view: View) -> Sequence[Part]:
        """What the OSD has on other disks than its own: partitions or volumes of a journal, DB or WAL (pure)."""

    def steps(self, view: View) -> tuple[Step, ...]:
        """The steps between the approval and the closing (pure)."""


_L = TypeVar("_L", bound=Callable[[], Layout])
_registry: dict[str, Layout] = {}


def layout(cls: _L) -> _L:
    """Register a layout by its name."""
    made = cls()
    _registry[made.name] = made
    return cls


def layouts() -> dict[str, Layout]:
    """All layouts by name: those of this folder, and those of `BLUE_WIZARD_PLUGINS`."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        importlib.import_module(f"{__name__}.{module.name}")
    plugins.load_named()
    return dict(_registry)


def choose(view: View, type_: str | None = None) -> tuple[Layout, str]:
    """The layout of the OSD and what shows it. `type_` only confirms.

    Raises InputError for a type that is not known; Refused when none, several, or another one than `type_` is found.
    """
    known = layouts()
    if type_ is not None and type_ not in known:
        raise InputError(
            _("{type} is no known type of deployment.").format(type=type_),
            _("Known types: {known}").format(known=", ".join(sorted(known))),
        )
    found = {n: evidence for n, made in known.items() if (evidence := made.detect(view))}
    told = "; ".join(f"{n}: {evidence}" for n, evidence in sorted(found.items())) or "-"
    if len(found) != 1:
        text = (
            _("osd.{id} looks like several types of deployment at once: {found}")
            if found
            else _("Nothing shows how osd.{id} was deployed on {host}.")
        )
        raise Refused(
            text.format(id=view.osd.id, host=view.host, found=told),
            _("Nothing was touched. Known types: {known}").format(known=", ".join(sorted(known))),
        )
    (name,) = found
    if type_ not in {None, name}:
        raise Refused(
            _("osd.{id} is not of the type {type}: {found}").format(id=view.osd.id, type=type_, found=told),
            _("Nothing was touched. Leave --type out, or say --type {name}.").format(name=name),
        )
    return known[name], found[name]
