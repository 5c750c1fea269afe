"""The conversion of a copy: what fails in its middle leaves the copy as it was, so that no disk has to be copied again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.config import CephAccess
from blue_wizard.errors import StepFailed, Stopped
from blue_wizard.migrate.targets import guest
from blue_wizard.migrate.targets.guest import SNAPSHOT, ConvertGuest

from .hands import Hands
from .test_guest_rules import LINUX, SLEEPING, FewBytes

COPIED = {"volume-a": "root as copied", "volume-b": "data as copied"}
CONVERTED = dict.fromkeys(COPIED, "with virtio")
ARGS: dict[str, Any] = {"cloud": "c", "name": "shop", "vcpus": 1, "memory": 512, "volumes": ["volume.0", "volume.1"]}


class Killed(BaseException):
    """The worker was killed here."""


class Pool:
    """Images that hold a word each, and their snapshots. `dies` says before which removal of a snapshot the worker dies."""

    def __init__(self) -> None:
        self.images = dict(COPIED)
        self.kept: dict[str, dict[str, str]] = {image: {} for image in COPIED}
        self.dies: int | None = None

    def size(self, image: str) -> int | None:
        return 1 if image in self.images else None

    def snapshots(self, image: str) -> list[str]:
        return list(self.kept[image])

    def snapshot(self, image: str, name: str) -> None:
        self.kept[image].setdefault(name, self.images[image])

    def roll_back(self, image: str, name: str) -> None:
        self.images[image] = self.kept[image][name]

    def remove_snapshot(self, image: str, name: str) -> None:
        if self.dies is not None:
            self.dies -= 1
            if self.dies < 0:
                self.dies = None
                raise Killed
        self.kept[image].pop(name, None)


class Ctx(Hands):
    """A job in which a person resumes what rests, or stops it."""

    def __init__(self) -> None:
        super().__init__({f"volume.{i}": {"volume_id": v} for i, v in enumerate("ab")})
        self.holds: list[str] = []
        self.when_held: Callable[[], None] = lambda: None

    def hold(self, reason: str) -> None:
        self.holds.append(reason)
        self.when_held()


def pool_of(monkeypatch: pytest.MonkeyPatch, module: Any) -> Pool:
    """The pool that the actions of this module find."""
    made = Pool()
    access = CephAccess(conf=Path("/etc/ceph/ceph.conf"), client="c", pool="volumes")

    @contextmanager
    def served(_node: Any, **_how: Any) -> Iterator[str]:
        yield "nbd://localhost:10809"

    monkeypatch.setattr(module, "ceph_access", lambda _cloud: access)
    monkeypatch.setattr(module.protected, "ceph_access", lambda _cloud: access)
    monkeypatch.setattr(module.ceph, "open_pool", lambda _access: nullcontext(made))
    monkeypatch.setattr(module, "prove", lambda _ctx, args, _pool: f"volume-{'ab'[int(args['volume'][-1])]}")
    monkeypatch.setattr(module.nbd, "serve", served)
    return made


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    return pool_of(monkeypatch, guest)


def _converter(monkeypatch: pytest.MonkeyPatch, pool: Pool, *ends: BaseException | None) -> list[dict[str, str]]:
    """Conversions that end so, one after the other; what each of them found."""
    found: list[dict[str, str]] = []

    def convert(_ports: Any, **_how: Any) -> None:
        found.append(dict(pool.images))
        end = ends[len(found) - 1]
        pool.images["volume-a"] = "half converted"
        if end is not None:
            raise end
        pool.images.update(CONVERTED)

    monkeypatch.setattr(guest.convert, "convert_in_place", convert)
    return found


def test_a_conversion_leaves_no_snapshot(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    _converter(monkeypatch, pool, None)
    ctx: Any = Ctx()
    assert ConvertGuest().do(ctx, ARGS) == {"images": list(COPIED)}
    assert pool.images == CONVERTED
    assert pool.kept == {image: {} for image in COPIED}


@pytest.mark.parametrize("end", [StepFailed("virt-v2v: error: no root"), Stopped("stop"), Killed()])
def test_what_fails_in_its_middle_leaves_the_disks_as_they_were_copied(
    monkeypatch: pytest.MonkeyPatch, pool: Pool, end: BaseException
) -> None:
    found = _converter(monkeypatch, pool, end, None)
    ctx: Any = Ctx()
    with pytest.raises(type(end)):
        ConvertGuest().do(ctx, ARGS)
    assert pool.images == COPIED
    ConvertGuest().do(ctx, ARGS)
    assert found == [COPIED, COPIED]
    assert pool.images == CONVERTED


class Shown(FewBytes):
    """What is read of an export."""

    def close(self) -> None: ...


def test_a_conversion_that_fails_says_what_the_disks_show(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    """A machine that ran could not be looked at by the plan: its hibernation shows on the copy."""
    error = StepFailed(
        "The guest could not be converted: virt-v2v: error: read-only.", "Its disks are as they were copied."
    )
    _converter(monkeypatch, pool, error, error, error)
    ctx: Any = Ctx()
    shown = {1: SLEEPING, 2: LINUX}
    monkeypatch.setattr(pool, "size", lambda _image: SLEEPING.size)
    monkeypatch.setattr(guest, "NbdReader", lambda _uri, size: Shown(size, shown.pop(min(shown)).places))
    with pytest.raises(StepFailed) as raised:
        ConvertGuest().do(ctx, ARGS)
    assert raised.value.message.startswith(
        "The guest could not be converted: virt-v2v: error: read-only. Its disks show why: volume-a, partition 2: its "
        "Windows is hibernated"
    )
    assert raised.value.hint == error.hint
    assert pool.images == COPIED
    # Where they show nothing, or can't be looked at, the words are virt-v2v's own.
    shown.update({1: LINUX, 2: LINUX})
    with pytest.raises(StepFailed) as raised:
        ConvertGuest().do(ctx, ARGS)
    assert raised.value is error

    def refused(_uri: str, _size: int) -> Shown:
        raise StepFailed("connection refused")

    monkeypatch.setattr(guest, "NbdReader", refused)
    with pytest.raises(StepFailed) as raised:
        ConvertGuest().do(ctx, ARGS)
    assert raised.value is error


def test_a_killed_attempt_begins_again_at_the_copies(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    """The worker is gone before anything could be rolled back."""
    found = _converter(monkeypatch, pool, None)
    for image in COPIED:
        pool.snapshot(image, SNAPSHOT)
    pool.images["volume-a"] = "half converted"
    ctx: Any = Ctx()
    ConvertGuest().do(ctx, ARGS)
    assert found == [COPIED]
    assert pool.images == CONVERTED


@pytest.mark.parametrize("removed", [0, 1])
def test_killed_while_its_snapshots_go_it_is_not_converted_again(
    monkeypatch: pytest.MonkeyPatch, pool: Pool, removed: int
) -> None:
    """One disk without its snapshot and one that goes back to its own would not belong together any more."""
    found = _converter(monkeypatch, pool, None)
    ctx: Any = Ctx()
    pool.dies = removed
    with pytest.raises(Killed):
        ConvertGuest().do(ctx, ARGS)
    ConvertGuest().do(ctx, ARGS)
    assert len(found) == 1
    assert pool.images == CONVERTED
    assert pool.kept == {image: {} for image in COPIED}


def test_a_failure_may_wait_for_a_person_who_has_it_tried_again(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    found = _converter(monkeypatch, pool, StepFailed("no space left on /"), StepFailed("still none"), None)
    ctx: Any = Ctx()
    ConvertGuest().do(ctx, {**ARGS, "hold": True})
    assert [reason.rpartition(": ")[2] for reason in ctx.holds] == ["no space left on /", "still none"]
    assert all("shop was copied but not converted" in reason for reason in ctx.holds)
    assert found == [COPIED] * 3
    assert pool.images == CONVERTED


def test_whoever_gives_up_while_it_waits_is_obeyed(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    _converter(monkeypatch, pool, StepFailed("no space left on /"))
    ctx: Any = Ctx()

    def stop() -> None:
        raise Stopped("rolled back")

    ctx.when_held = stop
    with pytest.raises(Stopped):
        ConvertGuest().do(ctx, {**ARGS, "hold": True})
    assert pool.images == COPIED
    ConvertGuest().undo(ctx, ARGS, None)
    assert pool.kept == {image: {} for image in COPIED}
