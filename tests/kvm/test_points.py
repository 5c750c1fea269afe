"""Points of a KVM guest that runs: what it is told to be written is in the copy, whatever becomes of workers and of QEMU."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.targets import origin
from blue_wizard.migrate.transfer.writer import Data, Done
from blue_wizard.migrate.warm.budget import Round
from blue_wizard.migrate.warm.rounds import Means, WarmDisk, fresh_state, run_round
from tests.unit.migrate.transfer.disks import Disk

from .conftest import Guest, until

OWNER = "blue-wizard-job1.1"
RECORD = 4096


class Killed(BaseException):
    """The worker was killed here."""


class Copy:
    """The targets of a guest's disks in memory, and what a job would remember of them."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.disks = {name: Disk(size + (1 << 20), f"target-{name}") for name, size in guest.sizes.items()}
        self.state: dict[str, Any] = fresh_state()
        self.told: list[str] = []
        self.bomb = 0

    def round(self, **how: Any) -> Round:
        return run_round(
            Means(
                source=self.guest.source,
                machine="own",
                owner=OWNER,
                disks=[WarmDisk(name, size) for name, size in self.guest.sizes.items()],
                open_target=self._target,
                open_source=lambda export, disk: origin.reading(
                    export, {"machine": "own", "disk": disk.id, "size": disk.size}
                ),
                journals=lambda kind, disk: self.guest.folder / f"{kind}.{disk.id}",
                recall=lambda: json.loads(json.dumps(self.state)),
                remember=self._remember,
                tell=lambda _kind, text: self.told.append(text),
            ),
            **how,
        )

    def killed_in_a_round(self, after_writes: int) -> None:
        self.bomb = after_writes
        with pytest.raises(Killed):
            self.round()

    def _remember(self, state: Mapping[str, Any]) -> None:
        self.state = json.loads(json.dumps(dict(state)))

    @contextmanager
    def _target(self, disk: WarmDisk) -> Iterator[Any]:
        yield _Target(self, self.disks[disk.id])


class _Target:
    object_size = 4 << 20

    def __init__(self, copy: Copy, disk: Disk) -> None:
        self._copy, self._disk = copy, disk
        self.writer, self.back, self.name, self.identity = self, disk, disk.name, [disk.name]
        self.zero, self.flush, self.close = disk.zero, disk.flush, disk.close

    def make_blank(self) -> None:
        self._disk.pages.clear()

    def write(self, offset: int, data: Data, done: Done) -> None:
        self._disk.write(offset, data, done)
        self._copy.bomb -= 1
        if self._copy.bomb == 0:
            raise Killed


def records(data: bytes, last: int) -> int:
    """How many of the records up to the last one are there, whole."""
    whole = 0
    for n in range(last + 1):
        line = data[n * RECORD : (n + 1) * RECORD].rstrip(b"\0").decode(errors="replace").strip()
        text, _space, digest = line.rpartition(" ")
        whole += text.split()[:2] == ["diary", str(n)] and hashlib.sha256(f"{text}\n".encode()).hexdigest() == digest
    return whole


def test_nothing_that_was_told_is_lost(guest: Guest) -> None:
    copy = Copy(guest)
    guest.writes_on()
    assert guest.source.warm_terms("own").notes == (
        "disk vdc is raw, in which no changes are tracked: each round reads all of it",
    )

    # The worker is killed in the full copy; the point stands, and is read on.
    copy.killed_in_a_round(3)
    point = copy.state["point"]["checkpoint"]
    assert copy.round().kind == "full"
    assert guest.checkpoints() == [copy.state["ref"]["checkpoint"]] == [point]

    # Only the raw disk has to be compared; the others tell.
    guest.writes_on()
    made = copy.round(check="whole")
    assert [note.partition(":")[0] for note in made.notes] == ["vdc"]
    assert 0 < made.moved < 32 << 20

    # It is killed in a round of changes, and somebody ends the backup before it is back.
    guest.writes_on()
    copy.killed_in_a_round(1)
    guest.host.virsh("domjobabort", "own")
    until(lambda: not guest.source.point_stands("own", copy.state["point"]), "the backup to end")
    copy.round()
    assert [t for t in copy.told if "is gone" in t]

    # QEMU is killed: the bitmaps are lost. The next round compares and says so, the one after that is told again.
    guest.kill()
    guest.host.virsh("start", "own")
    guest.writes_on()
    made = copy.round()
    assert made.kind == "compare"
    assert sum("checkpoint inconsistent" in note for note in made.notes) == 2
    guest.writes_on()
    assert [n.partition(":")[0] for n in copy.round(check="changed").notes] == ["vdc"]

    guest.source.shut_down("own", timeout_s=60, check_stop=lambda: None)
    last = guest.told()
    made = copy.round(check="whole")
    assert [n.partition(":")[0] for n in made.notes] == ["vdc"]
    assert made.moved < 32 << 20
    for name, size in guest.sizes.items():
        content = guest.content(name)
        assert copy.disks[name].get(0, size) == content
        assert copy.state["sha256"][name] == hashlib.sha256(content).hexdigest()
    assert records(copy.disks["vdb"].get(0, guest.sizes["vdb"]), last) == last + 1 > 10

    guest.source.forget("own", OWNER, None)
    guest.source.forget("own", OWNER, None)
    assert guest.checkpoints() == []
    assert guest.files() == set()
    assert "bitmaps" not in _info(guest.images["vdb"][0])
    assert guest.source.power("own") is Power.OFF


def test_checkpoints_of_others_lose_nothing(guest: Guest) -> None:
    foreign = guest.folder / "foreign.xml"
    foreign.write_text(
        "<domaincheckpoint><name>foreign</name><disks><disk name='vda' checkpoint='bitmap'/>"
        "<disk name='vdb' checkpoint='bitmap'/><disk name='vdc' checkpoint='no'/></disks></domaincheckpoint>"
    )
    guest.host.virsh("checkpoint-create", "own", str(foreign))
    copy = Copy(guest)
    copy.round()
    guest.writes_on()
    # In the middle of a point, while it runs.
    guest.source.begin_point("own", OWNER, list(guest.sizes), copy.state["ref"])
    assert len(guest.checkpoints()) == 3
    guest.source.forget("own", OWNER, None)
    assert guest.checkpoints() == ["foreign"]
    assert guest.files() == set()
    assert guest.source.power("own") is Power.ON

    # And while it is off: what ours have marked is merged into theirs.
    copy = Copy(guest)
    copy.round()
    guest.writes_on()
    guest.source.cut_power("own")
    assert guest.source.power("own") is Power.OFF
    copy.round(check="changed")
    guest.source.forget("own", OWNER, None)
    assert guest.checkpoints() == ["foreign"]
    (bitmap,) = json.loads(_info(guest.images["vdb"][0], "--output=json"))["format-specific"]["data"]["bitmaps"]
    assert (bitmap["name"], bitmap["flags"]) == ("foreign", ["auto"])


def _info(path: Path, *options: str) -> str:
    return subprocess.run(["qemu-img", "info", *options, path], check=True, capture_output=True, text=True).stdout
