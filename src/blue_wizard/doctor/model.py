"""What a check is, what it says, and what it is given."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from blue_wizard import config, plugins
from blue_wizard.errors import BlueWizardError

if TYPE_CHECKING:
    from blue_wizard.reach.inventory import Inventory
    from blue_wizard.reach.openstack import Cloud

__all__ = ["Check", "Line", "Site", "Status", "check", "checks", "failed", "ok", "unknown", "warning"]


class Status(StrEnum):
    """`UNKNOWN`: could not look, which is neither good nor bad news."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Line:
    """One thing that was looked at. `remedy` is what to do about it."""

    status: Status
    what: str
    detail: str = ""
    remedy: str = ""


def ok(what: str, detail: str = "") -> Line:
    """It is as it should be."""
    return Line(Status.OK, what, detail)


def warning(what: str, detail: str, remedy: str = "") -> Line:
    """It works today."""
    return Line(Status.WARNING, what, detail, remedy)


def failed(what: str, why: BlueWizardError | str, remedy: str = "") -> Line:
    """An operation will not get past this; `why` may be the error that says so."""
    if isinstance(why, BlueWizardError):
        return Line(Status.FAILED, what, why.message, remedy or why.hint)
    return Line(Status.FAILED, what, why, remedy)


def unknown(what: str, detail: str, remedy: str = "") -> Line:
    """Could not look."""
    return Line(Status.UNKNOWN, what, detail, remedy)


class Site:
    """What checks share: the configuration, logged-in clouds, the inventory. Each is asked once, by whoever needs it first."""

    def __init__(self, settings: config.Config) -> None:
        self.settings = settings
        self._clouds: dict[str, Cloud | BlueWizardError] = {}
        self._inventory: Inventory | None = None
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def _lock_of(self, name: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(name, threading.Lock())

    def cloud_names(self) -> tuple[str, ...]:
        """The clouds to look at: those of the configuration, else the only one of clouds.yaml. Raises InputError."""
        from blue_wizard.reach import openstack

        return self.settings.cloud_names or (openstack.cloud_name(),)

    def cloud(self, name: str) -> Cloud:
        """The cloud, logged in. Raises InputError, the same one each time: a second try could lock the account."""
        from blue_wizard.reach import openstack

        with self._lock_of(f"cloud:{name}"):
            if name not in self._clouds:
                try:
                    self._clouds[name] = openstack.connect(name)
                except BlueWizardError as e:
                    self._clouds[name] = e
            found = self._clouds[name]
        if isinstance(found, BlueWizardError):
            raise found
        return found

    def inventory(self) -> Inventory:
        """The hosts of all origins."""
        from blue_wizard.reach import inventory

        with self._lock_of("inventory"):
            if self._inventory is None:
                self._inventory = inventory.read(self.settings.cloud_names, self.cloud)
            return self._inventory


Look = Callable[[Site, str], Iterable[Line]]


def _once(_site: Site) -> tuple[str, ...]:
    return ("",)


@dataclass(frozen=True)
class Check:
    """A check by its id.

    `over` names the objects that it looks at one by one, each apart from the others; `timeout_s` is how long each may take
    before it counts as unknown.
    """

    id: str
    look: Look
    over: Callable[[Site], Iterable[str]] = _once
    timeout_s: float = 40.0


_registry: dict[str, Check] = {}


def check(
    id_: str, *, over: Callable[[Site], Iterable[str]] = _once, timeout_s: float = 40.0
) -> Callable[[Look], Look]:
    """Register a check. It yields its lines as it finds them; a BlueWizardError that it raises is a failed line."""

    def register(look: Look) -> Look:
        _registry[id_] = Check(id_, look, over, timeout_s)
        return look

    return register


def checks() -> tuple[Check, ...]:
    """All checks: those of `doctor/checks/` by file, then those of `BLUE_WIZARD_PLUGINS`."""
    from blue_wizard.doctor import checks as folder

    for module in sorted(pkgutil.iter_modules(folder.__path__), key=lambda m: m.name):
        importlib.import_module(f"{folder.__name__}.{module.name}")
    plugins.load_named()
    return tuple(_registry.values())
