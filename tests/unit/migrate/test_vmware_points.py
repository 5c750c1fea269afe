"""Points of a machine whose disks are not what they were when its copy began."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.facts.vsphere import parse_vm
from blue_wizard.migrate.vmware_warm import Rounds
from tests.unit.facts.test_vsphere import props_of

OWNER = "job-1.warm"
NEW = 2002


def _props(*, added: bool) -> dict[str, Any]:
    props = {**props_of("vm-shop"), "runtime.powerState": "poweredOff"}
    if added:
        devices = props["config.hardware"]["device"]
        disk = copy.deepcopy(next(d for d in devices if d["key"] == 2001))
        devices.append({**disk, "key": NEW, "deviceInfo": {"label": "Hard disk 3"}})
    return props


def _rounds(*, added: bool) -> Rounds:
    center: Any = SimpleNamespace(one=lambda _type, _id, _properties: _props(added=added))
    reading: Any = None
    return Rounds(center, reading, parse_vm("vm-1", _props(added=added), {}))


def test_a_disk_that_is_added_while_it_is_copied_is_not_left_behind_unseen() -> None:
    first = _rounds(added=False).begin(OWNER, ["2000", "2001"])
    assert _rounds(added=False).begin(OWNER, ["2000", "2001"], first)["ids"] == first["ids"]
    with pytest.raises(StepFailed, match="another disk since its copy began: Hard disk 3"):
        _rounds(added=True).begin(OWNER, ["2000", "2001"], first)


def test_a_disk_that_the_wave_leaves_out_stays_out() -> None:
    first = _rounds(added=True).begin(OWNER, ["2000", "2001"])
    second = _rounds(added=True).begin(OWNER, ["2000", "2001"], first)
    assert set(second["ids"]) == set(second["sizes"]) == {"2000", "2001"}
    # A point of an older version says nothing of the others.
    del first["all"]
    _rounds(added=True).begin(OWNER, ["2000", "2001"], first)


def test_a_snapshot_has_neither_the_memory_nor_the_guests_help() -> None:
    """What VSS or a quiesced guest has told of its changes was wrong on some hosts; journals are made for a power failure."""
    said: dict[str, Any] = {}

    def change(_type: str, _id: str, method: str, **more: Any) -> str:
        said.update({method: more})
        return method

    running = {**props_of("vm-shop"), "runtime.powerState": "poweredOn"}
    center: Any = SimpleNamespace(
        one=lambda _type, _id, _properties: running,
        change=change,
        wait_for=lambda _task, timeout_s: SimpleNamespace(_moId="snapshot-7"),
    )
    reading: Any = None
    point = Rounds(center, reading, parse_vm("vm-1", running, {})).begin(OWNER, ["2000", "2001"])
    assert (said["CreateSnapshot_Task"]["memory"], said["CreateSnapshot_Task"]["quiesce"]) == (False, False)
    assert point["snapshot"] == "snapshot-7"
