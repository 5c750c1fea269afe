"""The proof that a target holds what was read from its source: it is read back, and hashed whole."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.extents import Extent, Reader
from blue_wizard.migrate.transfer import planner
from blue_wizard.migrate.transfer.engine import ZEROES, give_back_memory, hash_zeroes, is_zero
from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.migrate.transfer.planner import Item
from blue_wizard.migrate.transfer.writer import Data
from blue_wizard.text import _

__all__ = ["Expected", "held", "sha256"]

_AHEAD = 6
_THREADS = 3


@dataclass(frozen=True)
class Expected:
    """What the target has to hold: the items of the plan, as the journal says they were when they were read from the source.

    `fresh` says that everything else has to be zero.
    """

    items: Iterator[Item]
    journal: Journal
    fresh: bool = True


def sha256(
    disk: Reader,
    *,
    size: int | None = None,
    object_size: int = planner.OBJECT_SIZE,
    expected: Expected | None = None,
    progress: Callable[[int], None] = lambda _done: None,
    pause_point: Callable[[], None] = lambda: None,
) -> str:
    """The SHA-256 (hex) of the disk's first `size` bytes, read back; what lies beyond has to be zero.

    Each object is compared with what is `expected` of it. `progress` is told the bytes hashed. Raises StepFailed naming the
    first place that differs.
    """
    end = disk.size if size is None else size
    chain = hashlib.sha256()
    position = 0
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="verify")
    ahead: deque[tuple[int, int, Future[Data]]] = deque()

    def zeroes_to(offset: int) -> None:
        nonlocal position
        while position < offset:
            count = min(len(ZEROES), offset - position)
            pause_point()
            hash_zeroes(chain, count)
            position += count
            progress(position)

    def take() -> None:
        nonlocal position
        offset, length, found = ahead.popleft()
        zeroes_to(offset)
        while True:
            pause_point()
            try:
                data = found.result(0.5)
                break
            except TimeoutError:
                continue
        chain.update(data)
        position += length
        progress(position)

    try:
        for index, there, item in _side_by_side(disk, end, object_size, expected):
            first = index * object_size
            length = min(object_size, end - first)
            if length <= 0 or (not there and item is None):
                continue
            check = _Check(first, length, there, item, expected)
            ahead.append((first, length, pool.submit(check.data, disk)))
            if len(ahead) >= _AHEAD:
                take()
        while ahead:
            take()
        zeroes_to(end)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        give_back_memory()
    return chain.hexdigest()


def _side_by_side(
    disk: Reader, end: int, object_size: int, expected: Expected | None
) -> Iterator[tuple[int, bool, Item | None]]:
    """The objects that the disk holds or that are expected, in order: (index, the disk has it, what is expected)."""
    there = planner.items(held(disk, end), object_size, fresh=True)
    items = expected.items if expected else iter(())
    has, item = next(there, None), next(items, None)
    while has is not None or item is not None:
        index = min(x.index for x in (has, item) if x is not None)
        both = (has is not None and has.index == index, item if item is not None and item.index == index else None)
        yield index, *both
        if both[0]:
            has = next(there, None)
        if both[1] is not None:
            item = next(items, None)


def held(disk: Reader, end: int) -> Iterator[Extent]:
    """What a target holds in its first `end` bytes. Raises StepFailed when there is anything but zeroes behind them."""
    for extent in planner.checked(disk.extents(), disk.size):
        if not extent.zero and extent.end > end:
            _beyond_is_zero(disk, max(extent.offset, end), extent.end)
        if not extent.zero and extent.offset < end:
            yield Extent(extent.offset, min(extent.end, end) - extent.offset, False)


def _beyond_is_zero(disk: Reader, first: int, end: int) -> None:
    for at in range(first, end, len(ZEROES)):
        if not is_zero(disk.read(at, min(len(ZEROES), end - at))):
            raise _differs(disk, at)


def _differs(disk: Reader, offset: int) -> StepFailed:
    return StepFailed(
        _("{name} does not hold what was read from the source, from byte {offset} on.").format(
            name=getattr(disk, "name", "?"), offset=offset
        ),
        _("The target is not complete, or something else wrote to it: run the job again."),
    )


@dataclass(frozen=True)
class _Check:
    """One object: read it, and compare it."""

    first: int
    length: int
    there: bool
    item: Item | None
    expected: Expected | None

    def data(self, disk: Reader) -> Data:
        """The object's bytes. Raises StepFailed when they are not the expected ones."""
        data: Data = disk.read(self.first, self.length) if self.there else bytes(self.length)
        if self.expected is not None and not self._as_expected(data, self.expected):
            raise _differs(disk, self.first)
        return data

    def _as_expected(self, data: Data, expected: Expected) -> bool:
        record = expected.journal.get(self.item.index) if self.item else None
        if self.item is None or record is None or (expected.fresh and not record.written):
            # What the plan names and the journal does not know was never copied.
            return (self.item is None or record is not None) and (not expected.fresh or is_zero(data))
        view = memoryview(data)
        digest = hashlib.sha256()
        position = 0
        for piece in self.item.pieces:
            at = piece.offset - self.first
            if expected.fresh and not is_zero(bytes(view[position:at])):
                return False
            digest.update(view[at : at + piece.length])
            position = at + piece.length
        if expected.fresh and not is_zero(bytes(view[position:])):
            return False
        return digest.digest() == record.sha256
