"""A hypervisor that pretends: Nova's own fake driver, with migrations that take time and can be aborted.

Runs in Debian's Python, inside nova-compute (see `launch.py`). Which guests a host has is in the file `guests` of its folder:
the stand-in for `virsh` reads it, and so does the driver after a restart. It is the hypervisor's own knowledge, not Nova's.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nova.conf
from nova.compute import power_state
from nova.virt import fake

CONF = nova.conf.CONF
MIGRATION_S = 1.5


class FleetDriver(fake.FakeDriver):  # type: ignore[misc]
    """A host with room for 16 servers of the flavor `fleet`."""

    vcpus = 16
    memory_mb = 4096
    local_gb = 100

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        super().__init__(virtapi, read_only)
        self._aborted: set[str] = set()
        self._file = Path(CONF.state_path) / "guests"
        for line in self._file.read_text().splitlines() if self._file.exists() else []:
            uuid, name = line.split(maxsplit=1)
            self.instances[uuid] = fake.FakeInstance(name, power_state.RUNNING, uuid)

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text("".join(f"{uuid} {guest.name}\n" for uuid, guest in self.instances.items()))
        new.rename(self._file)

    def spawn(self, *args: Any, **kwargs: Any) -> None:
        """Also called where a migrated guest arrives."""
        super().spawn(*args, **kwargs)
        self._write()

    def destroy(self, *args: Any, **kwargs: Any) -> None:
        """Also called where one has left."""
        super().destroy(*args, **kwargs)
        self._write()

    def live_migration(
        self, context: Any, instance: Any, dest: str, post_method: Any, recover_method: Any,
        block_migration: bool = False, migrate_data: Any = None,
    ) -> None:  # fmt: skip
        """Take a while, as a small server does."""
        end = time.monotonic() + MIGRATION_S
        while time.monotonic() < end and instance.uuid not in self._aborted:
            time.sleep(0.1)
        if instance.uuid in self._aborted:
            self._aborted.discard(instance.uuid)
            recover_method(context, instance, dest, migrate_data, migration_status="cancelled")
        else:
            post_method(context, instance, dest, block_migration, migrate_data)

    def live_migration_abort(self, instance: Any) -> None:
        """End it where it is."""
        self._aborted.add(instance.uuid)

    def post_live_migration(
        self, context: Any, instance: Any, block_device_info: Any, migrate_data: Any = None
    ) -> None:
        """The guest has left."""
        self.destroy(context, instance, network_info=None, block_device_info=block_device_info)
