"""What a copy out of vSphere loads, for limits by kind."""

from __future__ import annotations

from dataclasses import replace

from blue_wizard.facts.vsphere import Vm, parse_vm
from blue_wizard.migrate.sources.vsphere import machine_of
from tests.unit.facts.test_vsphere import props_of

NAMES = {"host-23": "esx1", "datastore-21": "ds one"}


def _vm() -> Vm:
    return replace(parse_vm("vm-1", props_of("plain"), {}), host="host-23")


def test_a_copy_loads_its_host_and_its_datastores() -> None:
    assert machine_of(_vm(), NAMES).places == ("datastore:ds one", "esxi-host:esx1")
    assert {d.store for d in machine_of(_vm(), NAMES).disks} == {"ds one"}


def test_what_may_not_be_read_goes_by_its_id() -> None:
    assert machine_of(_vm(), {}).places == ("datastore:datastore-21", "esxi-host:host-23")
    assert machine_of(replace(_vm(), host="", disks=()), {}).places == ()
