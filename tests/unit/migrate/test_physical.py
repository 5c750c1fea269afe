"""The source of physical machines: what may move, what it is called, what is stopped, and where a range is read."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from blue_wizard.errors import InputError
from blue_wizard.facts.linux_host import Block, HostFacts, parse
from blue_wizard.jobs.model import Risk, Step
from blue_wizard.migrate import physical_hold, physical_rules
from blue_wizard.migrate.machine import Firmware, Power
from blue_wizard.migrate.sources import PowerControl, open_source
from blue_wizard.migrate.sources.physical import Physical, machine_of
from blue_wizard.migrate.steps import held_still
from blue_wizard.reach import ssh
from blue_wizard.reach.blocks import BlockDevice, Piece

GOLDEN = Path(__file__).parents[1] / "facts" / "golden"


@pytest.fixture
def ledger() -> HostFacts:
    return parse((GOLDEN / "linux-host-ledger.txt").read_text())


@pytest.fixture
def server() -> HostFacts:
    return parse((GOLDEN / "linux-host-server.txt").read_text())


def test_the_lab_machine_moves(ledger: HostFacts) -> None:
    machine = machine_of("ledger", ledger, Power.ON)
    assert machine.blockers == ()
    assert [(d.id, d.bus, d.boot) for d in machine.disks] == [("sda", "scsi", True), ("sdb", "scsi", False)]
    assert (machine.firmware, machine.nics[0].network, machine.nics[0].addresses) == (
        Firmware.BIOS,
        "10.0.2.0/24",
        ("10.0.2.15",),
    )
    assert machine.places == ("physical-host:ledger",)
    # It was recorded before the names of disks were asked for.
    assert "sda, sdb: without WWN" in machine.warnings[0]


def test_a_server_says_all_that_keeps_it(server: HostFacts) -> None:
    machine = machine_of("db7", server, Power.ON)
    assert (machine.firmware, machine.secure_boot) == (Firmware.UEFI, True)
    assert [(d.id, d.named) for d in machine.disks if d.boot] == [("wwn-0x55cd2e4150a1b2c3", "sda")]
    blockers = "\n".join(machine.blockers)
    for word in ("mpatha is a multipath", "sdc comes over fc", "md127 is a RAID without metadata"):
        assert word in blockers
    assert "md0" not in blockers
    warnings = "\n".join(machine.warnings)
    for word in (
        "MySQL",
        "Corosync",
        "mpatha is encrypted",
        "md0 is a RAID",
        "/dev/sdd1",
        "em1, em2",
        "em3.30",
        "sdd",
        "/home/with space",
    ):
        assert word in warnings
    assert "without WWN" not in warnings


def _with(host: HostFacts, block: Block) -> HostFacts:
    return replace(host, blocks=(*host.blocks, block))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda h: replace(h, architecture="aarch64"), "aarch64"),
        (lambda h: replace(h, systemd=False), "systemd"),
        (lambda h: replace(h, blocks=()), "no disk"),
        (lambda h: replace(h, mounts=()), "root file system"),
        (lambda h: replace(h, shared_groups=frozenset({"data"})), "volume group data"),
        (lambda h: replace(h, processes=frozenset({"ceph-osd"})), "Ceph OSD"),
        (lambda h: replace(h, processes=frozenset({"qemu-system-x86"})), "virtual machines"),
        (lambda h: _with(h, Block("sdc", "disk", 9, "isw_raid_member")), "RAID of the firmware"),
        (lambda h: _with(h, Block("sdc", "disk", 9, "ocfs2")), "other hosts"),
        (lambda h: _with(h, Block("sdc", "disk", 9, "zfs_member")), "held still"),
        (
            lambda h: replace(h, blocks=tuple(replace(b, fstype="crypto_LUKS") if b.name == "sda1" else b for b in h.blocks)),
            "LUKS on sda1",
        ),
    ],
)  # fmt: skip
def test_each_blocker(ledger: HostFacts, change: object, word: str) -> None:
    assert callable(change)
    found = physical_rules.blockers(change(ledger))
    assert len(found) == 1
    assert word in found[0]


def test_the_url() -> None:
    source = open_source("physical://root@web1:2222,db1/")
    assert isinstance(source, Physical)
    assert isinstance(source, PowerControl)
    assert source.target == "physical:web1:2222,db1"
    for url in ("physical://", "physical://a/b", "physical://root:secret@web1", "physical://a:99999999"):
        with pytest.raises(InputError) as caught:
            open_source(url)
        assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("unit", "kept"),
    [
        ("ssh.service", True),
        ("sshd.service", True),
        ("sshd@3-10.0.0.1:22-10.0.0.9:4711.service", True),
        ("systemd-journald.service", True),
        ("systemd-networkd.socket", True),
        ("NetworkManager.service", True),
        ("dbus.socket", True),
        ("user@1000.service", True),
        ("lvm2-monitor.service", True),
        ("mariadb.service", False),
        ("cron.service", False),
        ("docker.socket", False),
        ("sshguard.service", False),
        ("apt-daily.timer", False),
        ("logrotate.timer", False),
    ],
)
def test_what_is_stopped(unit: str, kept: bool) -> None:
    pattern = re.search(r"grep -vE '([^']+)'", physical_hold.HOLD)
    assert pattern
    done = subprocess.run(["grep", "-E", pattern[1]], input=f"{unit}\n", capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is kept


@pytest.mark.parametrize("script", [physical_hold.HOLD, physical_hold.RELEASE, physical_hold.STATE])
def test_the_scripts_are_shell(script: str) -> None:
    subprocess.run(["dash", "-n"], input=script, text=True, check=True)


def test_where_a_range_is_read() -> None:
    pieces = [Piece(300, 100, "/dev/data/b", 0), Piece(100, 100, "/dev/data/a", 1000)]
    device = BlockDevice(ssh.host("nowhere"), "/dev/sdb", 1000, pieces=pieces)
    assert list(device.places(0, 1000)) == [
        ("/dev/sdb", 0, 100),
        ("/dev/data/a", 1000, 100),
        ("/dev/sdb", 200, 100),
        ("/dev/data/b", 0, 100),
        ("/dev/sdb", 400, 600),
    ]
    assert list(device.places(150, 20)) == [("/dev/data/a", 1050, 20)]
    assert list(device.places(500, 1)) == [("/dev/sdb", 500, 1)]


def test_a_plan_says_that_a_host_is_held_still() -> None:
    steps = [
        Step("stop", "x", {}, "stop the server"),
        Step("off", "source.power.off", {"a": 1}, "shut down", risk=Risk.HIGH),
    ]
    assert getattr(open_source("physical://web1"), "holds_still", False)
    before, off = held_still(steps, "web1")
    assert before == steps[0]
    assert off.title == "stop the services of web1, and make its file systems read-only"
    assert (off.id, off.verb, off.args, off.risk) == ("off", "source.power.off", {"a": 1}, Risk.HIGH)


def test_a_host_that_is_off_keeps_nobody_else(ledger: HostFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    def facts(_source: Physical, name: str) -> HostFacts:
        if name == "moved":
            raise InputError("moved can't be reached")
        return ledger

    monkeypatch.setattr(Physical, "_facts", facts)
    monkeypatch.setattr(Physical, "power", lambda *_: Power.ON)
    source = Physical("physical://moved,web1")

    moved, web = source.discover()

    assert (moved.id, moved.disks, moved.blockers) == ("moved", (), ("moved can't be reached",))
    assert (web.id, web.blockers) == ("web1", ())
    assert [m.id for m in source.discover("mov*")] == ["moved"]
