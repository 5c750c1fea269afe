"""When a copy goes on where it was cut off, and when its image is emptied first; free space as Ceph tells it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.errors import StepFailed
from blue_wizard.migrate.sources import Export
from blue_wizard.migrate.targets import disks, origin
from blue_wizard.migrate.transfer import engine
from blue_wizard.migrate.transfer.journal import Journal, Record
from blue_wizard.reach.ceph import Pool

from .transfer.disks import Disk

IDENTITY = {"source": ["s", "m", "d", 1, "stamp"], "map": "x", "target": ["fsid", "pool", "image", "id", 4]}


class FakePool:
    name = "volumes"

    def __init__(self, *, holds: bool) -> None:
        self.holds = holds
        self.emptied = 0

    def blank(self, image: str) -> bool:
        return not self.holds

    def empty(self, image: str) -> None:
        self.emptied += 1
        self.holds = False


class Context:
    job_id, step_id = "m-1.1", "import.0"

    def __init__(self) -> None:
        self.events: list[str] = []

    def event(self, kind: str, message: str, **data: Any) -> None:
        self.events.append(message)

    def pause_point(self, hold: Callable[[bool], None] | None = None) -> None:
        pass


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    config.load.cache_clear()
    found = tmp_path / "transfers" / "m-1.1.import.0"
    with closing(Journal(found, IDENTITY)) as notes:
        notes.append([Record(3, True, bytes(32))])
    return found


def _open(pool: FakePool, identity: dict[str, Any]) -> tuple[int, list[str]]:
    ctx = Context()
    with closing(disks._open_journal(ctx, pool, "image", identity)) as notes:  # type: ignore[arg-type]
        return len(notes), ctx.events


def test_what_our_own_journal_tells_is_kept(path: Path) -> None:
    pool = FakePool(holds=True)
    assert _open(pool, IDENTITY) == (1, [])
    assert pool.emptied == 0


@pytest.mark.parametrize(
    "other",
    [
        {**IDENTITY, "source": ["s", "m", "d", 1, "written to meanwhile"]},
        {**IDENTITY, "map": "y"},
        {**IDENTITY, "target": ["fsid", "pool", "image", "made anew", 4]},
    ],
)
def test_with_any_other_disk_or_target_it_begins_again(path: Path, other: dict[str, Any]) -> None:
    pool = FakePool(holds=True)
    known, events = _open(pool, other)
    assert (known, pool.emptied) == (0, 1)
    assert "another disk" in events[0]


@pytest.mark.parametrize(("holds", "emptied"), [(True, 1), (False, 0)])
def test_without_a_journal_the_image_is_emptied_if_need_be(path: Path, holds: bool, emptied: int) -> None:
    path.unlink()
    pool = FakePool(holds=holds)
    assert _open(pool, IDENTITY)[0] == 0
    assert pool.emptied == emptied


def test_an_undo_leaves_no_journal(path: Path) -> None:
    for _twice in range(2):
        disks.ImportDisk().undo(Context(), {}, None)  # type: ignore[arg-type]
        assert not path.exists()


@pytest.mark.parametrize(("export", "reader"), [(99, 100), (100, 99)])
def test_a_disk_of_another_size_than_planned_is_refused(export: int, reader: int) -> None:
    args = {"machine": "m", "disk": "d", "size": 100}
    opened = Export("nbd://none", export, reader=lambda: Disk(reader))
    with pytest.raises(StepFailed, match="has 99 bytes now"), origin.reading(opened, args):
        pass


@pytest.mark.parametrize(
    ("stats", "free"),
    [
        ({"max_avail": 100, "stored": 10, "quota_bytes": 0}, 100),
        ({"max_avail": 100, "stored": 10, "quota_bytes": 50}, 40),
        ({"max_avail": 100, "stored": 60, "quota_bytes": 50}, 0),
        ({"max_avail": 30, "stored": 10, "quota_bytes": 50}, 30),
        ({"max_avail": 30, "stored": 10}, 30),
    ],
)
def test_a_quota_counts_as_well_as_the_free_space(stats: dict[str, int], free: int) -> None:
    answer = json.dumps({"pools": [{"name": "p", "stats": stats}]})
    cluster = SimpleNamespace(mon_command=lambda command, _data: (0, answer, ""))
    assert Pool("p", cluster, None, SimpleNamespace(Error=OSError)).free() == free


def test_a_reader_of_our_own_tells_when_its_disk_was_written_to() -> None:
    stamps = iter("ab")
    opened = Export("nbd://none", 100, lambda: Disk(100), lambda: next(stamps))
    with origin.reading(opened, {"machine": "m", "disk": "d", "size": 100}) as reader:
        assert [engine.stamp(reader), engine.stamp(reader)] == ["a", "b"]
        assert reader.read(0, 100) == bytes(100)


@pytest.mark.parametrize(("there", "found"), [("id-1", True), ("id-2", False), (None, False)])
def test_a_copy_that_was_read_back_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch, there: str | None, found: bool
) -> None:
    outcome = {"volume_id": "v", "sha256": "x"}
    pool = SimpleNamespace(size=lambda image: 1 if there and image == "volume-v" else None)
    image = SimpleNamespace(identity=lambda: there, close=lambda: None)
    monkeypatch.setattr(disks, "ceph_access", lambda _cloud: None)
    monkeypatch.setattr(disks.ceph, "open_pool", lambda _access: nullcontext(pool))
    monkeypatch.setattr(disks, "RbdImage", lambda *_args, read_only: image)
    for noted in ({"image": "id-1", "outcome": outcome}, None):
        ctx: Any = SimpleNamespace(noted=lambda _key, noted=noted: noted)
        assert disks.ImportDisk().probe(ctx, {"cloud": "c"}) == (outcome if found and noted else None)
