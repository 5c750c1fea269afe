"""Two disks side by side: where they differ, and the hash of the first. Nothing is written."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from blue_wizard.migrate.extents import Extent, Reader
from blue_wizard.migrate.transfer import planner
from blue_wizard.migrate.transfer.engine import ZEROES, Throttle, give_back_memory, hash_zeroes
from blue_wizard.migrate.transfer.faults import hangs
from blue_wizard.migrate.transfer.verify import held
from blue_wizard.migrate.transfer.writer import Data

__all__ = ["Compared", "compare", "differing"]

_AHEAD = 8
_THREADS = 4
_PAGE = 64 << 10
_SLICE_S = 0.5


@dataclass(frozen=True)
class Compared:
    """`differing` are the ranges (offset, length) in order; `sha256` (hex) is the source's, of which `read` bytes were read."""

    sha256: str
    differing: list[tuple[int, int]]
    read: int
    seconds: float


def compare(
    source: Reader,
    target: Reader,
    *,
    object_size: int = planner.OBJECT_SIZE,
    hang_s: float = 90.0,
    throttles: Sequence[Throttle] = (),
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    pause_point: Callable[[], None] = lambda: None,
) -> Compared:
    """Compare the source with the target's first bytes. What neither has is not read.

    Raises StepFailed when one can't be read or does not answer for `hang_s` seconds, and when the target holds anything behind
    the source's end.
    """
    began = time.monotonic()
    end = source.size
    chain = hashlib.sha256()
    position = read = 0
    found: list[tuple[int, int]] = []
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="compare")
    ahead: deque[tuple[int, Future[tuple[Data, list[tuple[int, int]]]]]] = deque()

    def take() -> None:
        nonlocal position
        first, future = ahead.popleft()
        for at in range(position, first, len(ZEROES)):
            pause_point()
            hash_zeroes(chain, min(len(ZEROES), first - at))
        waits = time.monotonic()
        while True:
            pause_point()
            try:
                data, places = future.result(_SLICE_S)
                break
            except TimeoutError:
                if time.monotonic() - waits > hang_s:
                    raise hangs(getattr(source, "name", "?"), time.monotonic() - waits) from None
        chain.update(data)
        found.extend(places)
        position = first + len(data)
        progress(position, end)

    try:
        for first, here, there in _objects(source, target, end, object_size):
            length = min(object_size, end - first)
            if here:
                _wait_for_leave(throttles, length, pause_point)
                read += length
            ahead.append((first, pool.submit(_look, source, target, first, length, here, there)))
            if len(ahead) >= _AHEAD:
                take()
        while ahead:
            take()
        hash_zeroes(chain, end - position)
        progress(end, end)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        give_back_memory()
    return Compared(chain.hexdigest(), planner.merged(found), read, time.monotonic() - began)


def differing(source: Reader, target: Reader, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where two disks differ within these ranges alone."""
    found: list[tuple[int, int]] = []
    for offset, length in planner.merged(ranges):
        for at in range(offset, offset + length, planner.OBJECT_SIZE):
            count = min(planner.OBJECT_SIZE, offset + length - at)
            found += _pages(source.read(at, count), target.read(at, count), at)
    return planner.merged(found)


def _objects(source: Reader, target: Reader, end: int, object_size: int) -> Iterator[tuple[int, bool, bool]]:
    """(offset, the source holds something there, the target does), in order, without objects that neither has."""
    here = _indexes(planner.checked(source.extents(), end), object_size)
    there = _indexes(held(target, end), object_size)
    a, b = next(here, None), next(there, None)
    while a is not None or b is not None:
        index = min(i for i in (a, b) if i is not None)
        yield index * object_size, a == index, b == index
        if a == index:
            a = next(here, None)
        if b == index:
            b = next(there, None)


def _indexes(extents: Iterator[Extent], object_size: int) -> Iterator[int]:
    return (item.index for item in planner.items(extents, object_size, fresh=True))


def _wait_for_leave(throttles: Sequence[Throttle], length: int, pause_point: Callable[[], None]) -> None:
    for throttle in throttles:
        while wait := throttle(length):
            pause_point()
            time.sleep(min(wait, _SLICE_S))


def _look(
    source: Reader, target: Reader, first: int, length: int, here: bool, there: bool
) -> tuple[Data, list[tuple[int, int]]]:
    data = source.read(first, length) if here else bytes(length)
    other = target.read(first, length) if there else bytes(length)
    return data, _pages(data, other, first)


def _pages(data: Data, other: Data, first: int) -> list[tuple[int, int]]:
    if data == other:
        return []
    one, two = memoryview(data), memoryview(other)
    pages = ((at, min(_PAGE, len(one) - at)) for at in range(0, len(one), _PAGE))
    return [(first + at, count) for at, count in pages if one[at : at + count] != two[at : at + count]]
