"""Disks by VMware's library (VDDK). Its place is taken by a stand-in that knows nbdkit's documented arguments; nbdkit is real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate.sources.vsphere import Vsphere
from blue_wizard.migrate.vddk_reader import VddkReader

from .conftest import USER, Start, disk, machine
from .test_reading import content, opened
from .test_warm import Target, pair, prepared

SHOP = "[ds one] shop/one.vmdk"


def command_lines() -> list[str]:
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(one.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def serving(folder: Path) -> list[int]:
    """The processes that serve disks of the datastore in `folder`."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = one.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "--unix" in text and f"file={folder}" in text:
            found.append(int(one.parent.name))
    return found


def test_the_command_line_as_it_is_documented_and_without_a_secret(start: Start) -> None:
    center = start(machine("shop", disk("one")), read="vddk")
    with center.source().open_disk(center.id("shop"), "2000") as export:
        reader = opened(export)
        assert isinstance(reader, VddkReader)
        assert serving(center.store)
        assert not [line for line in command_lines() if "not-a-real-one" in line]
        reader.close()
    assert serving(center.store) == []
    line = center.library.told()[-1]
    socket, password = line[5], next(a for a in line if a.startswith("password="))
    assert Path(socket).parent.name.startswith("bw-vddk-")
    assert password.removeprefix("password=-").isdigit()
    assert line == [
        "nbdkit", "--foreground", "--exit-with-parent", "--readonly", "--unix", socket,
        "--filter=blocksize", "--filter=retry", "vddk", "minblock=512", "maxdata=2M", "retries=3", "retry-delay=2",
        f"libdir={center.library.libdir}", "server=127.0.0.1", f"port={center.port}", f"user={USER}", password,
        f"thumbprint={center.library.thumbprint}", f"vm=moref={center.id('shop')}",
        "transports=nbdssl", "compression=none", f"file={SHOP}",
    ]  # fmt: skip


def test_what_is_not_in_use_is_told_and_few_sessions_are_opened(start: Start) -> None:
    center = start(machine("shop", disk("one")), read="vddk")
    whole = center.flat("shop", "one").read_bytes()
    with center.source().open_disk(center.id("shop"), "2000") as export:
        reader = opened(export)
        assert isinstance(reader, VddkReader)
        extents = list(reader.extents())
        assert any(e.zero for e in extents)
        assert all(whole[e.offset : e.end] == bytes(e.length) for e in extents if e.zero)
        assert (extents[0].offset, extents[-1].end) == (0, len(whole))
        assert len(reader._reader._handles) == 2  # type: ignore[attr-defined]
        # An odd range is widened to sectors, and a long one is cut.
        assert reader.read(len(whole) - 10, 10) == b"at the end"
        assert content(reader, 3 << 20) == whole


def test_a_round_reads_the_snapshot_and_what_has_changed_alone(start: Start) -> None:
    center = start(pair(), read="vddk")
    source, id = prepared(center)
    target = Target(source, id)
    point = target.round()
    assert {a for line in center.library.told() for a in line if a.startswith("snapshot=")} == {
        f"snapshot={point['snapshot']}"
    }
    first = target.moved
    center.write("shop", 77, b"between", "one")
    target.round()
    assert target.moved - first < 1 << 20
    # It is off for the last one, and is read without a snapshot.
    source.shut_down(id, timeout_s=30, check_stop=lambda: None)
    center.write("shop", 5000, b"the last words", "two")
    assert target.round()["snapshot"] is None
    assert not any(a.startswith("snapshot=") for a in center.library.told()[-1])
    assert (target.reasons, target.holds(center)) == ([], True)


READER = """
import sys, time
from blue_wizard.migrate.sources.vsphere import Vsphere
with Vsphere(sys.argv[1]).open_disk(sys.argv[2], "2000") as export:
    export.reader().read(0, 512)
    print("reads", flush=True)
    time.sleep(600)
"""


def test_a_killed_worker_leaves_no_nbdkit_and_the_next_one_starts_its_own(start: Start) -> None:
    center = start(machine("shop", disk("one")), read="vddk")
    id = center.id("shop")
    worker = subprocess.Popen([sys.executable, "-c", READER, center.url, id], stdout=subprocess.PIPE, env=os.environ)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"reads\n"
    assert len(serving(center.store)) == 1
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    end = time.monotonic() + 10
    while serving(center.store) and time.monotonic() < end:
        time.sleep(0.05)
    assert serving(center.store) == []
    with Vsphere(center.url).open_disk(id, "2000") as export:
        assert content(opened(export)) == center.flat("shop", "one").read_bytes()


def test_the_plan_says_that_it_is_taken_and_why_it_is_not(start: Start) -> None:
    center = start(machine("shop", disk("one")), vddk=True)
    id = center.id("shop")
    (way,) = center.source().ways(id)
    assert "by VDDK 8 (nbdssl, 2 sessions with its ESXi host), which tells what is in use" in way
    center.library.set(open="VixDiskLib_Open: x: The server refused connection")
    (way,) = center.source().ways(id)
    assert "in ranges from its datastore" in way
    assert "(not by VDDK: VDDK does not get through to the ESXi host" in way
    with center.source().open_disk(id, "2000") as export:
        assert content(opened(export)) == center.flat("shop", "one").read_bytes()
    center.library.set(plugin=False)
    (way,) = center.source().ways(id)
    assert "(not by VDDK: nbdkit has no vddk plugin on this machine.)" in way


def test_each_opening_logs_in_once_and_falls_back_by_itself(start: Start) -> None:
    """While a machine is down every log-in counts; and what the plan has seen may have changed since."""
    center = start(pair(), vddk=True)
    source, id = prepared(center)
    target = Target(source, id)
    target.round()
    assert len(center.library.told()) == 2
    center.library.set(open="VixDiskLib_Open: x: The server refused connection")
    center.write("shop", 77, b"between", "one")
    target.round()
    assert (target.reasons, target.holds(center)) == ([], True)


def test_one_disk_that_can_not_be_read_says_nothing_of_the_others(start: Start) -> None:
    center = start(machine("shop", disk("one"), disk("two")), vddk=True)
    center.library.set(disks={"[ds one] shop/two.vmdk": (2001, str(center.flat("shop", "two")))})
    one, two = center.source().ways(center.id("shop"))
    assert "(not by VDDK: VDDK does not find the file of the disk" in one
    assert "by VDDK 8" in two


def test_without_its_parts_it_is_refused_before_anything_is_touched(start: Start) -> None:
    center = start(machine("shop", disk("one")), read="vddk")
    id = center.id("shop")
    center.source().reachable()
    center.library.set(version=7)
    with pytest.raises(InputError, match="can't load"):
        center.source().reachable()
    with pytest.raises(InputError, match=r"it has: libvixDiskLib.so.8") as found:
        center.source().check(id, lambda: None)
    assert "Unpack VDDK from VMware" in found.value.hint
    center.library.set(plugin=False)
    with pytest.raises(InputError, match="no vddk plugin") as found:
        center.source().check(id, lambda: None)
    assert "nbdkit-vddk-plugin" in found.value.hint
    center.library.libdir.rename(center.folder / "elsewhere")
    with pytest.raises(InputError, match=r"vmware-vix-disklib-distrib, is not there") as found:
        center.source().check(id, lambda: None)
    assert "Get VDDK from VMware" in found.value.hint
    assert center.library.told() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"open": "VixDiskLib_Open: [a] b.vmdk: You do not have access rights to this file"}, "has it locked"),
        ({"password": "another one"}, "refuses the name or the password"),
        ({"thumbprint": "AA:BB"}, "certificate of 127.0.0.1 that is not the one that was verified: AA:BB"),
        ({"disks": {}}, "does not find the file"),
        ({"open": "something that nobody has met"}, "something that nobody has met"),
    ],
)
def test_what_goes_wrong_at_the_door_is_told_in_words(start: Start, change: dict[str, object], message: str) -> None:
    center = start(machine("shop", disk("one")), read="vddk")
    center.library.set(**change)
    with pytest.raises(StepFailed, match=message), center.source().open_disk(center.id("shop"), "2000"):
        pass
    assert serving(center.store) == []


def test_what_goes_wrong_in_the_middle_is_told_in_words(start: Start) -> None:
    center = start(machine("shop", disk("one")), read="vddk")
    words = "[NFC ERROR] NfcFssrvrProcessErrorMsg: received NFC error 5 from server: Failed to allocate the requested 2097176 bytes"
    center.library.set(read=words)
    with (
        center.source().open_disk(center.id("shop"), "2000") as export,
        pytest.raises(StepFailed, match=r"byte 0.*no memory left for another reader \(2097176 bytes"),
    ):
        opened(export).read(0, 512)


def test_a_session_that_breaks_off_is_opened_again(start: Start) -> None:
    center = start(machine("shop", disk("one", size=1 << 20)), read="vddk")
    center.library.set(once="VixDiskLib_Read: The connection was lost")
    with center.source().open_disk(center.id("shop"), "2000") as export:
        assert content(opened(export)) == center.flat("shop", "one").read_bytes()
    assert (center.folder / "failed").exists()


def test_a_disk_that_something_has_written_to_is_noticed(start: Start) -> None:
    """An interrupted copy must not go on with a machine that ran meanwhile; the library itself does not tell."""
    center = start(machine("shop", disk("one")), read="vddk")
    with center.source().open_disk(center.id("shop"), "2000") as export:
        assert export.stamp is not None
        before = export.stamp()
        assert export.stamp() == before
        os.utime(center.flat("shop", "one"), (0, 0))
        assert export.stamp() != before
    # Where there is no plain file there is nothing to tell it by.
    center.control("faults", NoPlainFiles=True)
    with center.source().open_disk(center.id("shop"), "2000") as export:
        assert export.stamp is None


def test_a_glance_takes_the_cheaper_way(start: Start) -> None:
    """Ranges of its file where it has one: no process is started for a few bytes."""
    center = start(machine("shop", disk("one")), vddk=True)
    source, id = center.source(), center.id("shop")
    source.ways(id)
    before = len(center.library.told())
    with source.glance(id, "2000") as reader:
        assert reader is not None
        assert reader.read(0, 5) == b"begin"
    assert len(center.library.told()) == before
    center.control("faults", NoPlainFiles=True)
    with source.glance(id, "2000") as reader:
        assert reader is None
    with source.peek_disk(id, "2000") as export:
        assert opened(export).read(0, 5) == b"begin"
