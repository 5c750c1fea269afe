"""A single ESXi host: the same API, without clusters, distributed port groups, tags and folders of datacenters."""

from __future__ import annotations

import pytest

from blue_wizard.reach import vsphere

from .conftest import Start, disk, machine
from .test_reading import content, opened
from .test_warm import KEYS, OWNER, Target, pair, prepared

CARD = [{"Mac": "00:50:56:aa:02:01", "Network": "VM Network", "Model": "e1000"}]


def test_its_machines_are_found(start: Start) -> None:
    host = start(machine("网店%2fÜbung", disk("磁盘 é"), Folder="目录 ü", Nics=CARD), Bare=True)
    assert vsphere.connect(host.url)._content.about.apiType == "HostAgent"
    (found,) = host.source().discover()
    assert (found.name, found.blockers, found.tags, found.rules) == ("网店/Übung", (), (), ())
    assert [n.network for n in found.nics] == ["VM Network"]
    assert any(p.startswith("esxi-host:") for p in found.places)
    host.source().check(found.id, lambda: None)


@pytest.mark.parametrize("read", ["https", "lease", "vddk"])
def test_every_byte_of_its_disks(start: Start, read: str) -> None:
    host = start(machine("shop", disk("one"), disk("磁盘 é")), read=read, Bare=True)
    source, id = host.source(), host.id("shop")
    for key, file in (("2000", "one"), ("2001", "磁盘 é")):
        with source.open_disk(id, key) as export:
            assert content(opened(export)) == host.flat("shop", file).read_bytes()


def test_a_machine_of_it_is_copied_while_it_runs(start: Start) -> None:
    host = start(pair(), Bare=True)
    source, id = prepared(host)
    target = Target(source, id)
    target.round()
    host.write("shop", 77, b"between", "one")
    target.round()
    source.shut_down(id, timeout_s=30, check_stop=lambda: None)
    host.write("shop", 5000, b"the last words", "two")
    target.round()
    assert (target.reasons, target.holds(host)) == ([], True)
    assert set(target.disks) == set(KEYS)
    source.forget(id, OWNER, {"tracking": False})
    assert host.state("shop") == {"power": "poweredOff", "snapshots": [], "tracked": False}
