"""The steps of a warm migration, on a source and targets in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.config import CephAccess
from blue_wizard.errors import StepFailed
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.targets import warm
from blue_wizard.migrate.targets.warm import CutOver, FinishWarm, ForgetSource, PrepareSource, WarmCopy
from blue_wizard.migrate.warm.rounds import Means
from tests.unit.migrate.hands import Hands
from tests.unit.migrate.transfer.disks import Disk
from tests.unit.migrate.warm.fake import OBJECT, Running, Shelf
from tests.unit.migrate.warm.test_rounds import same


class Machine(Running):
    """It can also be switched."""

    target = "host"

    def __init__(self) -> None:
        super().__init__({"vda": 4 * OBJECT})
        self.write("vda", 0, b"x" * OBJECT)
        self.forgotten: list[Any] = []
        self.prepared = 0
        self.refuses = False

    def power(self, _machine: str) -> Power:
        return Power.ON if self.on else Power.OFF

    def shut_down(self, _machine: str, **_how: Any) -> None:
        # The last thing that it does.
        self.write("vda", 2 * OBJECT, b"bye")
        self.on = False

    def start(self, _machine: str) -> None:
        self.on = True

    def warm_state(self, _machine: str) -> Any:
        return {"tracking": self.prepared}

    def prepare(self, _machine: str) -> None:
        self.prepared += 1

    def forget(self, machine: str, owner: str, was: Any) -> None:
        if self.refuses:
            raise StepFailed("the host is away")
        super().forget(machine, owner, was)
        self.forgotten.append(was)


class Job:
    """The steps one after the other, each with notes of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, **args: Any) -> None:
        self.source = Machine()
        self.shelf = Shelf(self.source, folder)
        self.hands = {s: Hands({"volume.0": {"volume_id": "v"}}) for s in ("prepare", "warm", "off", "final", "forget")}
        self.args = {
            "cloud": "c",
            "source": "s",
            "machine": "m",
            "disks": [{"disk": "vda", "size": 4 * OBJECT, "volume": "volume.0"}],
            "downtime": 60,
            "rounds": 3,
            "check": "whole",
            "copied": "warm",
            "off": "off",
            "timeout": 5,
            **args,
        }
        monkeypatch.setattr(warm, "open_source", lambda _url: self.source)
        monkeypatch.setattr("blue_wizard.migrate.targets.power.open_source", lambda _url: self.source)
        access = CephAccess(conf=Path("/etc/ceph/ceph.conf"), client="c", pool="volumes")
        monkeypatch.setattr(warm, "ceph_access", lambda _cloud: access)
        if not args.get("ceph"):
            monkeypatch.setattr(warm, "_means", self._means)

    @contextmanager
    def _means(self, ctx: Hands, _args: Any, before: Any) -> Iterator[Means]:
        means = self.shelf.means()
        means.recall = lambda: ctx.noted("state") or before
        means.remember = lambda state: ctx.note("state", dict(state))
        yield means

    def do(self, step: str, action: Any) -> Any:
        ctx = self.hands[step]
        outcome = action.probe(ctx, self.args)
        if outcome is None:
            outcome = action.do(ctx, self.args)
        for other in self.hands.values():
            other.outcomes[step] = outcome
        return outcome


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Job:
    return Job(monkeypatch, tmp_path)


def test_from_the_first_copy_to_the_end(job: Job) -> None:
    copied = job.do("warm", WarmCopy())
    assert copied["fits"]
    assert [r["kind"] for r in copied["state"]["rounds"]] == ["full", "changes"]
    # Days pass, and it writes.
    job.source.write("vda", 3 * OBJECT, b"later")
    off = job.do("off", CutOver())
    assert off["was"] == "on"
    assert off["fits"]
    done = job.do("final", FinishWarm())
    assert same(job.shelf)
    (disk,) = done["disks"]
    assert disk["target"] == "rbd:volumes/volume-v"
    assert disk["sha256"]
    assert disk["moved"] >= OBJECT + len(b"later") + len(b"bye")
    assert job.do("forget", ForgetSource()) == {"left": ""}
    assert job.source.forgotten == [None]


def test_nothing_is_done_twice_after_a_crash(job: Job) -> None:
    job.do("warm", WarmCopy())
    job.do("off", CutOver())
    job.do("final", FinishWarm())
    rounds = job.source.made
    assert job.do("final", FinishWarm())["disks"]
    assert job.do("off", CutOver())["was"] == "on"
    assert job.source.made == rounds


def test_what_does_not_fit_is_not_shut_down_unless_a_person_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = Job(monkeypatch, tmp_path, downtime=1e-9)
    assert not job.do("warm", WarmCopy())["fits"]
    with pytest.raises(StepFailed, match="is not shut down"):
        job.do("off", CutOver())
    assert job.source.on
    CutOver().undo(job.hands["off"], job.args, None)  # type: ignore[arg-type]
    assert job.source.on
    job.hands["off"].answer = lambda: "anyway"  # type: ignore[method-assign]
    job.do("off", CutOver())
    assert not job.source.on


def test_a_rollback_starts_what_we_have_shut_down_and_leaves_nothing(job: Job) -> None:
    job.do("warm", WarmCopy())
    outcome = job.do("off", CutOver())
    CutOver().undo(job.hands["off"], job.args, outcome)  # type: ignore[arg-type]
    WarmCopy().undo(job.hands["warm"], job.args, None)  # type: ignore[arg-type]
    assert job.source.on
    assert job.source.touched == {}
    assert job.source.points == {}


def test_a_machine_that_is_started_meanwhile_stops_the_last_round(job: Job) -> None:
    job.do("warm", WarmCopy())
    job.do("off", CutOver())
    job.source.on = True
    with pytest.raises(StepFailed, match="was started"):
        job.do("final", FinishWarm())


def test_one_that_went_off_by_itself_is_finished_as_well(job: Job) -> None:
    job.do("warm", WarmCopy())
    job.source.shut_down("m")
    assert job.do("off", CutOver())["was"] == "off"
    job.do("final", FinishWarm())
    assert same(job.shelf)


def test_what_can_not_be_cleaned_up_does_not_undo_a_service_that_is_up(job: Job) -> None:
    job.source.refuses = True
    assert "the host is away" in job.do("forget", ForgetSource())["left"]
    with pytest.raises(StepFailed):
        WarmCopy().undo(job.hands["warm"], job.args, None)  # type: ignore[arg-type]


def test_what_was_prepared_is_put_back(job: Job) -> None:
    assert job.do("prepare", PrepareSource())["was"] == {"tracking": 0}
    # Killed and repeated: what it was at first is what counts.
    PrepareSource().do(job.hands["prepare"], job.args)  # type: ignore[arg-type]
    PrepareSource().undo(job.hands["prepare"], job.args, None)  # type: ignore[arg-type]
    assert job.source.forgotten == [{"tracking": 0}]
    PrepareSource().undo(Hands({}), job.args, None)  # type: ignore[arg-type]
    assert len(job.source.forgotten) == 1


class Ceph:
    """A pool with one image, which is open for writing no more than once."""

    name = "volumes"

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.opened = self.emptied = 0

    def fsid(self) -> str:
        return "f"

    def blank(self, _image: str) -> bool:
        return not self.disk.pages

    def empty(self, _image: str) -> None:
        assert not self.opened
        self.emptied += 1
        self.disk.pages.clear()

    def free(self) -> int:
        return 1 << 40


class Image:
    """Stands for an RBD image."""

    def __init__(self, pool: Ceph, image: str, *, read_only: bool = False) -> None:
        assert image == "volume-v"
        self._pool, self._read_only = pool, read_only
        pool.opened += not read_only
        assert pool.opened <= 1
        disk = pool.disk
        self.name, self.size = disk.name, disk.size
        self.read, self.extents, self.write, self.zero, self.flush = (
            disk.read, disk.extents, disk.write, disk.zero, disk.flush,
        )  # fmt: skip

    def identity(self) -> str:
        return "id"

    def object_size(self) -> int:
        return OBJECT

    def close(self) -> None:
        self._pool.opened -= not self._read_only


def test_the_images_of_volumes_are_the_targets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    config.load.cache_clear()
    job = Job(monkeypatch, tmp_path, ceph=True)
    pool = Ceph(job.shelf.targets["vda"])
    proved: list[str] = []
    monkeypatch.setattr(warm.ceph, "open_pool", lambda _access, direct=False: nullcontext(pool))
    monkeypatch.setattr(warm, "RbdImage", Image)
    monkeypatch.setattr(warm.disks, "wait_for_dead_writer", lambda *_a, **_k: None)
    monkeypatch.setattr(warm.disks, "prove", lambda _ctx, args, _pool: proved.append(args["volume"]))
    pool.disk.put(OBJECT, b"left by somebody")

    job.do("warm", WarmCopy())
    job.source.write("vda", OBJECT, b"more")
    job.do("off", CutOver())
    job.do("final", FinishWarm())

    assert same(job.shelf)
    assert pool.emptied == 1
    assert pool.opened == 0
    assert set(proved) == {"volume.0"}
    assert list((tmp_path / "transfers").iterdir()) == []
