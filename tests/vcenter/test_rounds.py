"""The rounds of a warm copy (`migrate.warm.rounds`) on a machine of the vCenter: killed anywhere, what is copied is the source."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.sources.vsphere import Vsphere
from blue_wizard.migrate.targets.origin import reading
from blue_wizard.migrate.warm.converge import first_copy
from blue_wizard.migrate.warm.rounds import Means, WarmDisk, fresh_state, run_round
from tests.unit.migrate.transfer.disks import Disk
from tests.unit.migrate.warm.fake import Killed, Shelf

from .conftest import SIZE, Start, Vcenter, disk, machine

SIZES = {"2000": SIZE, "2001": SIZE + 512}
FILES = {"2000": "one", "2001": "two"}


class Store(Shelf):
    """Targets and notes of a machine of the vCenter, which outlive every worker."""

    def __init__(self, center: Vcenter, id: str, folder: Path) -> None:
        self.center, self.id, self.folder = center, id, folder
        self.targets = {key: Disk(size, f"target-{key}") for key, size in SIZES.items()}
        self.state: dict[str, Any] = fresh_state()
        self.told: list[str] = []
        self.hook = lambda _what: None

    def means(self) -> Means:
        """What the next worker is given: a source of its own."""
        return Means(
            source=Vsphere(self.center.url),
            machine=self.id,
            owner="j.warm",
            disks=[WarmDisk(key, size) for key, size in SIZES.items()],
            open_target=self._open,
            open_source=lambda export, d: reading(export, {"machine": self.id, "disk": d.id, "size": d.size}),
            journals=lambda kind, d: self.folder / f"{kind}.{d.id}",
            recall=lambda: dict(self.state),
            remember=self._remember,
            tell=lambda _kind, text: self.told.append(text),
        )

    def holds(self) -> bool:
        return all(
            self.targets[key].get(0, size) == self.center.flat("shop", FILES[key]).read_bytes()
            for key, size in SIZES.items()
        )


@pytest.fixture(params=["https", "lease", "vddk"])
def store(start: Start, tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    two = disk("two", SIZES["2001"])
    center = start(machine("shop", disk("one"), two, Power="poweredOn", Tools=True), read=request.param)
    made = Store(center, center.id("shop"), tmp_path / "journals")
    made.folder.mkdir()
    Vsphere(center.url).prepare(made.id)
    return made


def test_rounds_a_cutover_and_nothing_left(store: Store) -> None:
    center, source = store.center, Vsphere(store.center.url)
    assert run_round(store.means()).kind == "full"
    center.write("shop", SIZE - 7, b"between", "one")
    second = run_round(store.means(), check="whole")
    assert (second.kind, second.notes) == ("changes", ())
    assert store.holds()
    # Two rounds of changes while it runs, and the last one while it is off.
    center.write("shop", 1 << 20, b"once more" * 999, "two")
    assert run_round(store.means()).kind == "changes"
    center.write("shop", 2 << 20, b"the last words", "two")
    source.shut_down(store.id, timeout_s=30, check_stop=lambda: None)
    last = run_round(store.means(), check="whole")
    assert (last.kind, last.notes) == ("changes", ())
    assert store.holds()
    assert store.state["sha256"] == {
        key: hashlib.sha256(center.flat("shop", file).read_bytes()).hexdigest() for key, file in FILES.items()
    }
    source.forget(store.id, "j.warm", {"tracking": False})
    assert center.state("shop") == {"power": "poweredOff", "snapshots": [], "tracked": False}


GUEST = """
import hashlib, os, signal, sys, time
disk, on, n = os.open(sys.argv[1], os.O_RDWR), [True], 0
signal.signal(signal.SIGTERM, lambda *_: on.clear())
print("up", flush=True)
while on:
    n += 1
    body = b"%020d" % n + os.urandom(444)
    os.pwrite(disk, body + hashlib.sha256(body).digest() + bytes(16), (1 << 20) + (n % 6000) * 512)
    print(n, flush=True)
    time.sleep(0.001)
"""


def test_a_guest_that_writes_all_the_time_loses_nothing_that_it_has_acknowledged(store: Store, tmp_path: Path) -> None:
    center, source = store.center, Vsphere(store.center.url)
    said = tmp_path / "said"
    with said.open("w") as out:
        guest = subprocess.Popen([sys.executable, "-c", GUEST, str(center.flat("shop", "two"))], stdout=out)
    try:
        while "up" not in said.read_text():
            time.sleep(0.02)
        center.control("machine", Machine="shop", Pid=guest.pid)
        rests: list[float] = []
        estimate = first_copy(store.means(), budget_s=30, bound=4, check="whole", rest=rests.append)
        assert estimate.seconds <= 30
        run_round(store.means())
        down = time.monotonic()
        source.shut_down(store.id, timeout_s=30, check_stop=lambda: None)
        last = run_round(store.means(), check="whole")
        down = time.monotonic() - down
        rounds = [r["kind"] for r in store.state["rounds"]]
    finally:
        guest.kill()
        guest.wait()
    assert rests == []  # no round had to be tried again
    assert rounds[0] == "full"
    assert rounds[1:].count("changes") >= 3
    assert last.notes == ()
    assert store.holds()
    newest = int(said.read_text().split()[-1])
    held = store.targets["2001"].get(0, SIZES["2001"])
    found = set()
    for at in range(1 << 20, (1 << 20) + 6000 * 512, 512):
        body, digest = held[at : at + 464], held[at + 464 : at + 496]
        if body[:20].isdigit():
            assert hashlib.sha256(body).digest() == digest, f"a torn record at {at}"
            found.add(int(body[:20]))
    assert set(range(max(1, newest - 5900), newest + 1)) <= found
    print(f"rounds {rounds}, {newest} records, down for {down:.2f} s")


def test_change_ids_that_begin_anew_cost_a_comparison_and_no_full_copy(store: Store) -> None:
    run_round(store.means())
    store.center.control("machine", Machine="shop", Lose=True)
    store.center.write("shop", 3 << 20, b"unseen", "one")
    found = run_round(store.means())
    assert found.kind == "compare"
    assert any("has begun anew" in note for note in found.notes)
    assert store.holds()
    assert found.moved < SIZE


def test_a_map_of_what_is_in_use_that_lies_is_found_out(store: Store) -> None:
    """Old hosts have told too little after a disk had grown: what is compared must not rest on the same map."""
    store.center.control("faults", HideUsed=True)
    run_round(store.means())
    assert not store.holds()
    found = run_round(store.means(), check="whole")
    assert len(found.notes) == 2
    assert store.holds()
    assert store.state["sha256"]["2000"] == hashlib.sha256(store.center.flat("shop", "one").read_bytes()).hexdigest()


def test_a_disk_that_has_grown_ends_the_copy_before_anything_is_written(store: Store) -> None:
    run_round(store.means())
    before = store.targets["2001"].get(0, SIZES["2001"])
    store.center.control("machine", Machine="shop", Disk=2001, Size=SIZES["2001"] + (1 << 20))
    with pytest.raises(StepFailed, match="has 5246976 bytes now, the plan says"):
        run_round(store.means())
    assert store.targets["2001"].get(0, SIZES["2001"]) == before


def test_a_foreign_snapshot_waits_for_a_person_and_the_round_goes_on_afterwards(store: Store) -> None:
    from blue_wizard.reach import vsphere

    run_round(store.means())
    store.center.control("machine", Machine="shop", Snapshot="nightly backup")
    store.center.write("shop", 9999, b"meanwhile", "one")
    with pytest.raises(StepFailed, match="nightly backup"):
        run_round(store.means())
    session = vsphere.connect(store.center.url)
    session.wait_for(session.change("VirtualMachine", store.id, "RemoveAllSnapshots_Task"))
    assert run_round(store.means(), check="whole").notes == ()
    assert store.holds()


@pytest.mark.parametrize("seed", range(4))
def test_killed_anywhere(store: Store, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    center = store.center

    def scribble() -> None:
        for _write in range(draw.randrange(4)):
            key = draw.choice(list(SIZES))
            data = draw.randbytes(draw.choice([1, 700]))
            center.write("shop", draw.randrange(SIZES[key] - len(data)), data, FILES[key])

    for _round in range(4):
        for _attempt in range(draw.randrange(4)):
            left = draw.randrange(12)

            def hook(_what: str) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed

            store.hook = hook
            try:
                run_round(store.means())
            except Killed:
                scribble()
            if draw.random() < 0.2:
                center.control("machine", Machine="shop", Lose=True)
        store.hook = lambda _what: None
        scribble()
        run_round(store.means())
    center.control("faults", ExpireCalls=draw.randrange(1, 9))
    Vsphere(center.url).shut_down(store.id, timeout_s=30, check_stop=lambda: None)
    scribble()
    found = run_round(store.means(), check="whole")
    assert store.holds()
    # Nothing differed of which vSphere had said nothing.
    assert found.notes == () or found.kind == "compare"
    Vsphere(center.url).forget(store.id, "j.warm", {"tracking": False})
    assert center.state("shop") == {"power": "poweredOff", "snapshots": [], "tracked": False}
