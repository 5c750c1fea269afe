"""A look at a machine's disks before anything is planned: a few reads of each, without a process. See guest_rules.py."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from blue_wizard.errors import BlueWizardError
from blue_wizard.migrate import guest_rules
from blue_wizard.migrate.guest_disks import Seen, see_disk
from blue_wizard.migrate.machine import Machine, Power
from blue_wizard.migrate.source import Glancing, Source

__all__ = ["look", "see"]


def look(source: Source, machine: Machine) -> Machine:
    """The machine with what its disks tell. Where they can't be looked at it is what it was."""
    seen = see(source, machine)
    return replace(
        machine,
        warnings=(*machine.warnings, *guest_rules.warning.findings(seen)),
        unconvertible=guest_rules.unconvertible.findings(seen),
    )


def see(source: Source, machine: Machine) -> Seen:
    """What can be seen of its disks now. Never raises for a disk that can't be opened or read."""
    found = []
    # What a running guest writes is in no order, and its source would refuse disk by disk.
    if isinstance(source, Glancing) and not machine.blockers and machine.power is not Power.ON:
        for disk in machine.disks:
            with contextlib.suppress(BlueWizardError), source.glance(machine.id, disk.id) as reader:
                if reader is not None:
                    found.append(see_disk(disk, reader.read, reader.size))
    return Seen(machine, tuple(found))
