"""The RBD target on an image of the test's own: what librbd tells is passed on, and nothing is closed under a request in flight."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.transfer import rbd_image
from blue_wizard.migrate.transfer.rbd_image import RbdImage

SIZE, OBJECT = 10 << 20, 4 << 20


class RbdError(Exception):
    def __init__(self, number: int) -> None:
        super().__init__("rbd says so")
        self.errno = number


class FakeImage:
    def __init__(self) -> None:
        self.pending: list[Callable[[Any], None]] = []
        self.closed = threading.Event()
        self.fault = 0

    def size(self) -> int:
        return SIZE

    def stat(self) -> dict[str, int]:
        return {"obj_size": OBJECT}

    def aio_write(self, data: bytes, offset: int, ended: Callable[[Any], None]) -> None:
        if self.fault:
            raise RbdError(self.fault)
        self.pending.append(ended)

    def aio_write_zeroes(self, offset: int, length: int, ended: Callable[[Any], None]) -> None:
        self.pending.append(ended)

    def answer(self, status: int = 0) -> None:
        self.pending.pop()(SimpleNamespace(get_return_value=lambda: status))

    def read(self, offset: int, length: int) -> bytes:
        if self.fault:
            raise RbdError(self.fault)
        return b"r" * length

    def diff_iterate(self, offset: int, length: int, since: None, seen: Any, whole_object: bool) -> None:
        assert since is None
        assert whole_object
        for first in (0, 8 << 20):
            if offset <= first < offset + length:
                seen(first, min(OBJECT, SIZE - first), True)

    def close(self) -> None:
        assert not self.pending, "closed under a request"
        self.closed.set()


class FakePool:
    name, error = "volumes", RbdError

    def __init__(self) -> None:
        self.image = FakeImage()
        self.kept = False
        self.closed = threading.Event()
        self.missing = False

    def open_image(self, image: str, *, read_only: bool) -> FakeImage:
        if self.missing:
            raise RbdError(errno.EPERM)
        return self.image

    def keep(self) -> None:
        self.kept = True

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def pool() -> FakePool:
    return FakePool()


@pytest.fixture
def opened(pool: FakePool) -> RbdImage:
    return RbdImage(pool, "image")  # type: ignore[arg-type]


def test_the_end_of_a_write_is_passed_on(pool: FakePool, opened: RbdImage) -> None:
    ends: list[OSError | None] = []
    opened.write(0, b"x", ends.append)
    opened.zero(5, 10, ends.append)
    assert ends == []
    pool.image.answer()
    pool.image.answer(-errno.ENOSPC)
    assert ends[0] is None
    assert ends[1] is not None
    assert ends[1].errno == errno.ENOSPC


def test_a_write_that_is_refused_or_leads_beyond_the_end_has_ended(pool: FakePool, opened: RbdImage) -> None:
    ends: list[OSError | None] = []
    opened.write(SIZE - 1, b"xx", ends.append)
    pool.image.fault = errno.EROFS
    opened.write(0, b"x", ends.append)
    assert [e.errno for e in ends if e] == [errno.EINVAL, errno.EROFS]
    opened.close()
    assert pool.image.closed.is_set()


def test_objects_that_exist_are_data(opened: RbdImage) -> None:
    assert list(opened.extents()) == [
        Extent(0, OBJECT, False),
        Extent(OBJECT, OBJECT, True),
        Extent(2 * OBJECT, SIZE - 2 * OBJECT, False),
    ]


def test_faults_name_the_image(pool: FakePool, opened: RbdImage) -> None:
    pool.image.fault = errno.ETIMEDOUT
    with pytest.raises(StepFailed, match="volumes/image does not answer"):
        opened.read(0, 1)
    pool.missing = True
    with pytest.raises(StepFailed, match="no permission to write volumes/other"):
        RbdImage(pool, "other")  # type: ignore[arg-type]


def test_an_image_with_requests_in_flight_is_closed_when_they_have_come_back(
    pool: FakePool, opened: RbdImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rbd_image, "_CLOSE_S", 0.02)
    opened.write(0, b"x", lambda _e: None)
    began = time.monotonic()
    opened.close()
    assert time.monotonic() - began < 2
    assert pool.kept
    assert not pool.image.closed.is_set()
    pool.image.answer()
    assert pool.image.closed.wait(5)
    assert pool.closed.wait(5)
    opened.close()
