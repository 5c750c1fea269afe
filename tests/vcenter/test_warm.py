"""Copies of machines that run, round by round, and what vSphere and others do to them on the way."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.sources import PowerControl
from blue_wizard.migrate.sources.vsphere import Vsphere
from blue_wizard.migrate.warm.protocol import PointDisk, PowerCut, WarmReading
from blue_wizard.reach import vsphere_files

from .conftest import GRAIN, SIZE, Start, Vcenter, disk, machine

OWNER = "job-1.warm"
KEYS = ("2000", "2001")


def pair(**more: Any) -> dict[str, Any]:
    return machine("shop", disk("one"), disk("two"), **{"Power": "poweredOn", "Tools": True, **more})


class Target:
    """What a copy has written: the whole disk first, then what is told to have changed, and no more."""

    def __init__(self, source: Vsphere, id: str, keys: tuple[str, ...] = KEYS) -> None:
        self.source, self.id, self.keys = source, id, keys
        self.disks = {key: bytearray() for key in keys}
        self.moved = 0
        self.reasons: list[str] = []
        self.since: Any = None

    def round(self, between: Callable[[], None] = lambda: None) -> Any:
        point = self.source.begin_point(self.id, OWNER, list(self.keys), self.since)
        assert self.source.point_stands(self.id, point)
        between()
        for key in self.keys:
            with self.source.open_point(self.id, point, key, self.since) as one:
                self._take(key, one)
        self.since = point
        self.source.end_point(self.id, OWNER, point)
        return point

    def _take(self, key: str, one: PointDisk) -> None:
        assert one.export.reader is not None
        reader = one.export.reader()
        to = self.disks[key]
        ranges = [(0, reader.size)] if self.since is None or one.changed is None else one.changed
        if self.since is not None and one.changed is None:
            self.reasons.append(one.why)
        to.extend(bytes(reader.size - len(to)))
        if self.since is None:
            # A fresh target reads as zeroes, so what is not in use is not read.
            ranges = [(e.offset, e.length) for e in reader.extents() if not e.zero]
        for offset, length in ranges:
            to[offset : offset + length] = reader.read(offset, length)
            self.moved += length
        reader.close()

    def holds(self, center: Vcenter, folder: str = "shop", files: tuple[str, ...] = ("one", "two")) -> bool:
        return all(
            bytes(self.disks[key]) == center.flat(folder, file).read_bytes()
            for key, file in zip(self.keys, files, strict=True)
        )


@pytest.fixture
def shop(start: Start) -> Vcenter:
    return start(pair())


def prepared(center: Vcenter, name: str = "shop") -> tuple[Vsphere, str]:
    source, id = center.source(), center.id(name)
    source.prepare(id)
    return source, id


def test_it_has_the_abilities(shop: Vcenter) -> None:
    assert isinstance(shop.source(), WarmReading)
    assert isinstance(shop.source(), PowerControl)
    assert isinstance(shop.source(), PowerCut)


def test_tracking_is_a_planned_step_and_is_put_back(shop: Vcenter) -> None:
    source, id = shop.source(), shop.id("shop")
    terms = source.warm_terms(id)
    assert terms.blockers == ()
    assert "changed block tracking" in terms.prepare
    was = source.warm_state(id)
    assert was == {"tracking": False}
    assert not shop.state("shop")["tracked"]
    source.prepare(id)
    source.prepare(id)
    assert shop.state("shop") == {"power": "poweredOn", "snapshots": [], "tracked": True}
    assert source.warm_terms(id).prepare == ""
    point = source.begin_point(id, OWNER, KEYS, None)
    assert all(point["ids"].values())
    assert shop.state("shop")["snapshots"] == [f"blue-wizard-{OWNER}"]
    for _again in range(2):
        source.forget(id, OWNER, was)
        assert shop.state("shop") == {"power": "poweredOn", "snapshots": [], "tracked": False}
    assert not source.point_stands(id, point)


def test_tracking_that_was_on_stays_on(shop: Vcenter) -> None:
    source, id = prepared(shop)
    was = source.warm_state(id)
    source.begin_point(id, OWNER, KEYS, None)
    source.forget(id, OWNER, was)
    assert shop.state("shop") == {"power": "poweredOn", "snapshots": [], "tracked": True}


def test_rounds_copy_what_has_changed_and_nothing_else(shop: Vcenter) -> None:
    source, id = prepared(shop)
    target = Target(source, id)
    target.round(lambda: shop.write("shop", 77, b"after the snapshot", "one"))
    assert target.moved < SIZE  # the disks are sparse, and the map of what is in use says so
    assert b"after the snapshot" not in target.disks["2000"]
    target.moved = 0
    shop.write("shop", SIZE - 3, b"END", "two")
    target.round()
    # One area at the beginning of the one disk, and the short last one of the other.
    assert SIZE % GRAIN
    assert target.moved == GRAIN + SIZE % GRAIN
    assert target.holds(shop)
    target.moved = 0
    target.round()
    assert target.moved == 0
    assert target.reasons == []


def test_off_at_the_cutover_it_is_read_without_a_snapshot(shop: Vcenter) -> None:
    source, id = prepared(shop)
    target = Target(source, id)
    target.round()
    source.shut_down(id, timeout_s=30, check_stop=lambda: None)
    shop.write("shop", 3 * GRAIN + 5, b"the last words", "two")
    target.moved = 0
    point = target.round(lambda: shop.control("state"))
    assert shop.state("shop") == {"power": "poweredOff", "snapshots": [], "tracked": True}
    assert target.holds(shop)
    assert target.moved == GRAIN
    source.start(id)
    assert not source.point_stands(id, point)
    with pytest.raises(StepFailed, match="was started"), source.open_point(id, point, "2000", None):
        pass


def test_all_disks_stand_at_one_moment(start: Start, tmp_path: Path) -> None:
    """A guest writes a counter to both disks, one after the other, all the time: they never differ by more than one."""
    center = start(pair())
    script = (
        "import os, signal, sys\n"
        "files = [os.open(f, os.O_WRONLY) for f in sys.argv[1:]]\n"
        "on = [True]\n"
        "signal.signal(signal.SIGTERM, lambda *_: on.clear())\n"
        "n = 0\n"
        "print('up', flush=True)\n"
        "while on:\n"
        "    n += 1\n"
        "    for file in files: os.pwrite(file, n.to_bytes(8, 'big') * 512, 8192)\n"
        "print(n, flush=True)\n"
    )
    files = [str(center.flat("shop", f)) for f in ("one", "two")]
    guest = subprocess.Popen([sys.executable, "-c", script, *files], stdout=subprocess.PIPE, text=True)
    try:
        assert guest.stdout is not None
        assert guest.stdout.readline() == "up\n"
        center.control("machine", Machine="shop", Pid=guest.pid)
        source, id = prepared(center)
        target = Target(source, id)
        seen = []
        for _round in range(4):
            target.round()
            counts = [[target.disks[k][at : at + 8] for at in range(8192, 12288, 8)] for k in KEYS]
            assert all(len(set(map(bytes, one))) == 1 for one in counts)  # no write is half there
            one, two = (int.from_bytes(c[0], "big") for c in counts)
            assert 0 <= one - two <= 1
            seen.append(one)
            time.sleep(0.05)
        assert sorted(set(seen)) == seen
        source.shut_down(id, timeout_s=30, check_stop=lambda: None)
        target.round()
        assert int.from_bytes(target.disks["2001"][8192:8200], "big") == int(guest.stdout.read())
        assert target.holds(center)
    finally:
        guest.send_signal(signal.SIGKILL)
        guest.wait()


@pytest.mark.parametrize("count", [1999, 2000, 2001, 4001])
def test_more_areas_than_one_answer_tells(start: Start, count: int) -> None:
    """Every second area is written to: an answer stops at 2,000 of them."""
    size = 512 * 2 * 4002
    center = start(machine("many", disk(size=size), Power="poweredOn", Tools=True), Grain=512)
    source, id = prepared(center, "many")
    target = Target(source, id, ("2000",))
    target.round()
    data = bytearray(center.flat("many").read_bytes())
    for n in range(count):
        data[n * 1024 : n * 1024 + 4] = b"new!"
    # The very last sector of the disk, too: asking from its end on is an error.
    data[-4:] = b"last"
    center.write("many", 0, bytes(data))
    target.moved = 0
    target.round()
    assert target.holds(center, "many", ("disk",))
    assert target.moved == (count + 1) * 512


def test_change_ids_that_begin_anew_are_told_and_not_believed(shop: Vcenter) -> None:
    source, id = prepared(shop)
    target = Target(source, id)
    target.round()
    shop.control("machine", Machine="shop", Lose=True)
    shop.write("shop", 9 * GRAIN, b"unseen", "one")
    target.round()
    assert len(target.reasons) == 2
    assert all("has begun anew" in r for r in target.reasons)
    assert target.holds(shop)
    # From there on they are good again.
    target.reasons.clear()
    shop.write("shop", 11 * GRAIN, b"seen", "one")
    target.round()
    assert (target.reasons, target.holds(shop)) == ([], True)


def test_change_ids_that_vsphere_has_lost_without_a_word(shop: Vcenter) -> None:
    source, id = prepared(shop)
    target = Target(source, id)
    target.round()
    target.since["ids"] = {k: v.rpartition("/")[0] + "/77" for k, v in target.since["ids"].items()}
    shop.write("shop", 9 * GRAIN, b"unseen", "one")
    target.round()
    assert all("Error caused by file" in r for r in target.reasons)
    assert target.holds(shop)


def test_without_the_right_to_ask_disks_are_compared(shop: Vcenter) -> None:
    source, id = prepared(shop)
    target = Target(source, id)
    target.round()
    shop.control("faults", Deny=["VirtualMachine.Provisioning.DiskRandomRead"])
    target.round()
    assert len(target.reasons) == 2
    assert all("Permission" in r for r in target.reasons)


def test_a_disk_that_grows_between_rounds_is_seen(shop: Vcenter) -> None:
    source, id = prepared(shop)
    target = Target(source, id)
    target.round()
    shop.control("machine", Machine="shop", Disk=2001, Size=SIZE + (1 << 20))
    point = source.begin_point(id, OWNER, KEYS, target.since)
    # The export tells its new size, which the core compares with the plan's.
    with source.open_point(id, point, "2001", target.since) as grown:
        assert grown.export.size == SIZE + (1 << 20)
        assert grown.changed is None
        assert "size" in grown.why
    with source.open_point(id, point, "2000", target.since) as other:
        assert (other.export.size, other.changed) == (SIZE, [])


def test_a_foreign_snapshot_stops_the_round_and_is_left_alone(shop: Vcenter) -> None:
    source, id = prepared(shop)
    target = Target(source, id)
    target.round()
    shop.control("machine", Machine="shop", Snapshot="nightly backup")
    with pytest.raises(StepFailed, match="nightly backup"):
        target.round()
    assert shop.state("shop")["snapshots"] == ["nightly backup"]
    source.forget(id, OWNER, {"tracking": True})
    assert shop.state("shop")["snapshots"] == ["nightly backup"]
    assert any("1 snapshots" in b for b in source.warm_terms(id).blockers)


def test_a_foreign_snapshot_on_top_of_ours_does_not_change_what_is_read(shop: Vcenter) -> None:
    source, id = prepared(shop)
    target = Target(source, id)
    before = shop.flat("shop", "one").read_bytes()

    def somebody() -> None:
        shop.write("shop", 0, b"after ours", "one")
        shop.control("machine", Machine="shop", Snapshot="nightly backup")

    target.round(somebody)
    assert bytes(target.disks["2000"]) == before
    assert shop.state("shop")["snapshots"] == ["nightly backup"]


def test_what_a_dead_attempt_left_is_removed_first(shop: Vcenter) -> None:
    source, id = prepared(shop)
    first = source.begin_point(id, OWNER, KEYS, None)
    assert source.point_stands(id, first)
    second = shop.source().begin_point(id, OWNER, KEYS, None)
    assert not source.point_stands(id, first)
    assert shop.state("shop")["snapshots"] == [f"blue-wizard-{OWNER}"]
    # Its changes count all the same: tracking began with it, not with its end.
    shop.source().end_point(id, OWNER, second)
    shop.write("shop", 0, b"new", "one")
    third = source.begin_point(id, OWNER, KEYS, first)
    with source.open_point(id, third, "2000", first) as one:
        assert one.changed == [(0, GRAIN)]


def test_another_jobs_snapshot_is_not_ours(shop: Vcenter) -> None:
    source, id = prepared(shop)
    source.begin_point(id, "job-2.warm", KEYS, None)
    with pytest.raises(StepFailed, match="not ours"):
        source.begin_point(id, OWNER, KEYS, None)
    source.forget(id, OWNER, None)
    assert shop.state("shop")["snapshots"] == ["blue-wizard-job-2.warm"]


@pytest.mark.parametrize("calls", [1, 2, 3, 5, 8, 13, 21])
def test_sessions_that_end_at_any_moment(shop: Vcenter, calls: int) -> None:
    source, id = prepared(shop)
    target = Target(source, id)
    target.round()
    shop.write("shop", 5 * GRAIN, b"x", "two")
    shop.control("faults", ExpireCalls=calls)
    target.round()
    assert (target.reasons, target.holds(shop)) == ([], True)
    assert shop.state("shop")["snapshots"] == []


def test_tasks_that_fail_leave_nothing_and_are_tried_again_by_the_next(shop: Vcenter) -> None:
    source, id = prepared(shop)
    shop.control("faults", Tasks={"createSnapshot": 1})
    with pytest.raises(StepFailed, match="refuses"):
        source.begin_point(id, OWNER, KEYS, None)
    assert shop.state("shop")["snapshots"] == []
    point = source.begin_point(id, OWNER, KEYS, None)
    shop.control("faults", Tasks={"removeSnapshot": 1})
    with pytest.raises(StepFailed, match="refuses"):
        source.end_point(id, OWNER, point)
    source.end_point(id, OWNER, point)
    assert shop.state("shop")["snapshots"] == []


@pytest.mark.parametrize(
    ("privilege", "what"),
    [("VirtualMachine.State.CreateSnapshot", "begin"), ("VirtualMachine.Config.ChangeTracking", "prepare")],
)
def test_rights_that_are_missing_are_told(shop: Vcenter, privilege: str, what: str) -> None:
    source, id = shop.source(), shop.id("shop")
    shop.control("faults", Deny=[privilege])
    with pytest.raises(StepFailed, match="Permission"):
        source.prepare(id) if what == "prepare" else source.begin_point(id, OWNER, KEYS, None)


def test_where_each_round_is_a_stream_the_plan_says_so(start: Start) -> None:
    center = start(pair(), read="lease")
    source, id = center.source(), center.id("shop")
    assert len([n for n in source.warm_terms(id).notes if "each round reads all of it" in n]) == 2
    source.prepare(id)
    target = Target(source, id)
    target.round()
    center.write("shop", 9 * GRAIN, b"seen", "one")
    target.moved = 0
    target.round()
    assert (target.moved, target.holds(center)) == (GRAIN, True)
    source.shut_down(id, timeout_s=30, check_stop=lambda: None)
    target.round()
    assert target.holds(center)
    assert center.control("state")["machines"]["leases"] == 0


def test_a_host_that_keeps_the_base_file_to_itself_is_read_by_lease(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vsphere_files, "_TRIES", 1)
    center = start(pair())
    source, id = prepared(center)
    center.control("faults", LockBase=True)
    target = Target(source, id)
    target.round()
    center.write("shop", 9 * GRAIN, b"seen", "one")
    target.moved = 0
    target.round()
    assert (target.moved, target.reasons, target.holds(center)) == (GRAIN, [], True)
    assert center.control("state")["machines"]["leases"] == 0
    # Off, it is read as planned again.
    source.shut_down(id, timeout_s=30, check_stop=lambda: None)
    target.round()
    assert target.holds(center)


def test_whoever_wants_https_alone_is_told_that_the_base_file_is_withheld(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vsphere_files, "_TRIES", 1)
    center = start(pair(), read="https")
    source, id = prepared(center)
    center.control("faults", LockBase=True)
    with pytest.raises(StepFailed, match="can't be read"):
        Target(source, id).round()
    source.forget(id, OWNER, {"tracking": True})
    assert center.state("shop")["snapshots"] == []


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"Disks": [disk("one"), disk("two", Mode="independent_persistent")]}, "independent"),
        ({"Hardware": 4}, "changed block tracking"),
        ({"Snapshots": 2}, "2 snapshots"),
        ({"Disks": [disk("one"), disk("two", Rdm=True)]}, "RDM"),
    ],
)
def test_what_can_not_be_copied_while_it_runs(start: Start, more: dict[str, Any], word: str) -> None:
    center = start({**pair(), **more})
    assert word in " ".join(center.source().warm_terms(center.id("shop")).blockers)


def test_a_hard_power_off_is_there_for_those_who_consent(shop: Vcenter) -> None:
    source, id = shop.source(), shop.id("shop")
    for _again in range(2):
        source.cut_power(id)
        assert source.power(id) is Power.OFF


@pytest.mark.parametrize("seed", range(3))
def test_a_random_guest(shop: Vcenter, seed: int) -> None:
    """Any writes, resets, dead attempts and repeated rounds: in the end the target is the source."""
    draw = random.Random(seed)  # noqa: S311
    source, id = prepared(shop)
    target = Target(source, id)

    def scribble() -> None:
        for _write in range(draw.randrange(6)):
            at = draw.choice([0, SIZE - 9, draw.randrange(SIZE - 9)])
            shop.write("shop", at, draw.randbytes(9), draw.choice(["one", "two"]))

    for _round in range(6):
        scribble()
        if draw.random() < 0.2:
            shop.control("machine", Machine="shop", Lose=True)
        if draw.random() < 0.3:
            source.begin_point(id, OWNER, KEYS, target.since)
        target.round(scribble)
    source.shut_down(id, timeout_s=30, check_stop=lambda: None)
    scribble()
    target.round()
    assert target.holds(shop)
    source.forget(id, OWNER, {"tracking": False})
    assert shop.state("shop") == {"power": "poweredOff", "snapshots": [], "tracked": False}


@pytest.fixture(autouse=True)
def _nothing_stays_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    from blue_wizard.reach import vsphere_lease

    assert vsphere_lease._leases == {}
