"""The platform that is inspected: one cloud, its hosts, its Ceph cluster. Each is opened once, by whoever needs it first."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blue_wizard import config
from blue_wizard.errors import BlueWizardError, InputError
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.reach.ceph_cluster import Cluster
    from blue_wizard.reach.inventory import Inventory
    from blue_wizard.reach.openstack import Cloud

__all__ = ["Site"]

_IN_FLIGHT = 4
"""Requests under way at once in one service: the APIs are the tenants' too."""


class Site:
    """What facts are read from."""

    def __init__(self, settings: config.Config, cloud: str | None = None) -> None:
        self.settings = settings
        self._name = cloud
        self._lock = threading.Lock()
        self._opened: dict[str, Any] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._places: dict[str, threading.Semaphore] = {}

    def _once(self, key: str, make: Any) -> Any:
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._opened:
                try:
                    self._opened[key] = make()
                except BlueWizardError as e:
                    # The same one each time: a second login could lock the account.
                    self._opened[key] = e
            found = self._opened[key]
        if isinstance(found, BlueWizardError):
            raise found
        return found

    @property
    def name(self) -> str:
        """The cloud's name in clouds.yaml. Raises InputError."""
        from blue_wizard.reach import openstack

        return openstack.cloud_name(self._name)

    def cloud(self) -> Cloud:
        """The cloud, logged in. Raises InputError."""
        from blue_wizard.reach import openstack

        found: Cloud = self._once("cloud", lambda: openstack.connect(self.name))
        return found

    def get(self, service: str, path: str, *, microversion: str | None = None) -> Any:
        """GET, with few requests to one service at once. Raises BlueWizardError."""
        cloud = self.cloud()
        with self._place(service):
            return cloud.get(service, path, microversion=microversion)

    def list(self, service: str, path: str, key: str, *, microversion: str | None = None) -> list[dict[str, Any]]:
        """All pages of a listing. Raises BlueWizardError."""
        cloud = self.cloud()
        with self._place(service):
            return cloud.list(service, path, key, microversion=microversion)

    def has(self, kind: str) -> bool:
        """Whether the catalogue has a service of this type (``load-balancer``)."""
        return self.cloud().has(kind)

    def require_admin(self) -> None:
        """Raises BlueWizardError unless all projects may be seen.

        Neutron and Glance just leave out what a user may not see, and what belongs to others would then look as if it
        belonged to nobody.
        """
        self._once("admin", lambda: self.get("compute", "/servers?all_tenants=1&limit=1"))

    def _place(self, service: str) -> threading.Semaphore:
        with self._lock:
            return self._places.setdefault(service, threading.Semaphore(_IN_FLIGHT))

    def inventory(self) -> Inventory:
        """The hosts of all origins."""
        from blue_wizard.reach import inventory

        def read() -> Inventory:
            names = self.settings.cloud_names or (self.name,)
            return inventory.read(names)

        found: Inventory = self._once("inventory", read)
        return found

    def ceph(self) -> Cluster:
        """The Ceph cluster of the cloud. Raises InputError where the configuration does not say how it is reached."""
        from blue_wizard.reach import ceph_cluster

        def open_() -> Cluster:
            known = self.settings.clouds.get(self.name)
            if known is None or known.ceph is None:
                raise InputError(
                    _("The configuration does not say how the Ceph cluster of cloud {name} is reached.").format(
                        name=self.name
                    ),
                    _("Add clouds: {{{name}: {{ceph: {{conf: ..., client: ..., pool: ...}}}}}} to it.").format(
                        name=self.name
                    ),
                )
            return ceph_cluster.connect(known.ceph)

        found: Cluster = self._once("ceph", open_)
        return found

    @property
    def compute_exec(self) -> Sequence[str]:
        """The words before every command for a hypervisor (see `CloudConfig.compute_exec`)."""
        known = self.settings.clouds.get(self.name)
        return known.compute_exec if known else []
