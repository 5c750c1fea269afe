"""What the plan of a wave finds out about machines of a vCenter, before anything is made."""

from __future__ import annotations

from typing import Any

from blue_wizard.migrate import source_findings
from blue_wizard.migrate.convert import Guest
from blue_wizard.migrate.mapping import MapFile
from blue_wizard.migrate.planning import Wishes, make_wave
from blue_wizard.migrate.preconditions import Finding
from blue_wizard.migrate.wave import Warm, Wave
from tests.unit.migrate.test_steps import SITE

from .conftest import SIZE, Start, Vcenter, disk, machine

RUNNING = {"Power": "poweredOn", "Tools": True}


def planned(center: Vcenter, **wishes: Any) -> Wave:
    machines = list(center.source().discover())
    return make_wave(center.url, machines, SITE, Wishes(mapped=MapFile(), **wishes), lambda _m: Guest("", True, ()))[0]


def findings(center: Vcenter, wave: Wave) -> list[Finding]:
    source = center.source()
    return source_findings.check(wave, source, {m.id: m for m in source.discover()})


def wrong(found: list[Finding]) -> list[str]:
    return [f"{f.title} {f.detail}" for f in found if not f.holds]


def test_it_says_how_each_disk_is_read(start: Start) -> None:
    center = start(machine("shop", disk("one"), disk("two"), **RUNNING))
    found = findings(center, planned(center, shutdown=True))
    assert wrong(found) == []
    (how,) = (f.detail for f in found if "how its disks are read" in f.title)
    assert how.count("in ranges from its datastore") == 2
    assert "Hard disk 2" in how


def test_warm_on_what_can_not_be_is_refused(start: Start) -> None:
    center = start(machine("shop", disk("one"), disk("two", Mode="independent_persistent"), **RUNNING))
    wave = planned(center, shutdown=True, warm=Warm())
    (refused,) = wrong(findings(center, wave))
    assert "it can be copied while it runs" in refused
    assert "independent" in refused
    # Off, or cold, it can move.
    assert wrong(findings(center, planned(center, shutdown=True))) == []


def test_who_hears_nothing_needs_consent_to_be_switched_off(start: Start) -> None:
    center = start(machine("deaf", Power="poweredOn"))
    (refused,) = wrong(findings(center, planned(center, shutdown=True)))
    assert "VMware Tools do not run in it" in refused
    assert wrong(findings(center, planned(center, shutdown=True, power_off=True))) == []


def test_what_has_changed_since_the_wave_was_written(start: Start) -> None:
    center = start(machine("shop", **RUNNING))
    wave = planned(center, shutdown=True)
    center.control("machine", Machine="shop", Disk=2000, Size=SIZE + 512)
    assert any(f"{SIZE} bytes in the wave" in w for w in wrong(findings(center, wave)))
    center.control("machine", Machine="shop", Snapshot="nightly backup")
    assert any("1 snapshots" in w for w in wrong(findings(center, wave)))


def test_files_that_may_not_be_read_are_found_out_by_the_plan(start: Start) -> None:
    center = start(machine("plain"))
    wave = planned(center)
    center.control("faults", Deny=["Datastore.FileManagement"])
    assert any("may not read files of this datastore" in w for w in wrong(findings(center, wave)))
