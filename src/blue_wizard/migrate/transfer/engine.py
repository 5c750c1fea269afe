"""The copy itself: several objects at once from a reader into a writer, each noted in the journal when it stands."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.transfer import planner
from blue_wizard.migrate.transfer.faults import changed, hangs, target_fault, truncated
from blue_wizard.migrate.transfer.journal import Journal, Record
from blue_wizard.migrate.transfer.planner import Item, Summary
from blue_wizard.migrate.transfer.writer import Data, Writer

__all__ = [
    "ZEROES",
    "Copied",
    "Settings",
    "Throttle",
    "copy",
    "give_back_memory",
    "hash_zeroes",
    "is_zero",
    "plan",
    "stamp",
    "survey",
]

ZEROES = bytes(4 << 20)
"""What pieces are compared with and hashed as, where they are zeroes."""

_TICK_S = 0.1
_NOTE_EVERY_S, _NOTE_AT = 0.5, 64
_SLICE_S = 0.2
_LOOK_EVERY_S = 3.0
_END_S = 3.5


@dataclass(frozen=True)
class Settings:
    """How a copy is done: objects in memory at once, threads that read, seconds without an answer that are a fault."""

    in_flight: int = 16
    readers: int = 4
    hang_s: float = 90.0
    object_size: int = planner.OBJECT_SIZE


@dataclass(frozen=True)
class Copied:
    """`moved` bytes were read in all, `resumed` of them by earlier attempts; this one took `seconds`."""

    moved: int
    seconds: float
    resumed: int


Throttle = Callable[[int], float]
"""Asks to move so many bytes: 0.0 when they may be moved now, else the seconds after which to ask again."""


def plan(
    reader: Reader, *, fresh: bool, object_size: int, ranges: Sequence[tuple[int, int]] | None = None
) -> Iterator[Item]:
    """The items of a disk, or of its `ranges` alone."""
    extents: Iterable[Any] = planner.checked(reader.extents(), reader.size)
    if ranges is not None:
        extents = planner.within(extents, ranges)
    return planner.items(extents, object_size, fresh=fresh)


def survey(
    reader: Reader, *, fresh: bool, object_size: int, ranges: Sequence[tuple[int, int]] | None = None
) -> Summary:
    """What a copy of the disk, or of its `ranges`, amounts to; nothing but its map is read."""
    return planner.summary(plan(reader, fresh=fresh, object_size=object_size, ranges=ranges))


def stamp(reader: Reader) -> str:
    """What changes when something writes to the source; "" where that can't be told."""
    ask = getattr(reader, "stamp", None)
    return str(ask()) if ask else ""


def is_zero(data: Data) -> bool:
    """True when there is nothing but zeroes in it."""
    if len(data) <= len(ZEROES):
        return data == ZEROES[: len(data)]
    return data.count(0) == len(data)


def hash_zeroes(digest: Any, length: int) -> None:
    """Add so many zeroes to a hash."""
    for at in range(0, length, len(ZEROES)):
        digest.update(ZEROES[: length - at])


def copy(
    reader: Reader,
    writer: Writer,
    journal: Journal,
    *,
    fresh: bool,
    ranges: Sequence[tuple[int, int]] | None = None,
    surveyed: Summary | None = None,
    source: str = "",
    settings: Settings | None = None,
    throttles: Sequence[Throttle] = (),
    guards: Sequence[Callable[[int], None]] = (),
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    pause_point: Callable[[Callable[[bool], None]], None] = lambda _hold: None,
) -> Copied:
    """Copy the reader's disk over the writer's first bytes; what the journal knows already is neither read nor written.

    `fresh` says that the target reads as zeroes wherever the journal knows nothing: holes and zeroes are then left out. Else
    zeroes are written. `ranges` (offset, length) restricts it to what has changed. `surveyed` is what `survey` found when it was
    asked before: the disk has to be as it was then. `source` is how messages call it. `progress` is told (bytes read, bytes in
    all). `guards` are called every few seconds, in a thread of their own, with the bytes that were moved so far; what they
    raise ends the copy, and so does what `pause_point` raises; while it does not return nothing is moved.

    Raises StepFailed: for a source that can't be read, is cut off or changes, a target that can't be written or is full, and
    either of them when it does not answer for `settings.hang_s` seconds. What was moved by then is in the journal.
    """
    how = settings or Settings()
    began = time.monotonic()
    before = stamp(reader)
    whole = surveyed or survey(reader, fresh=fresh, object_size=how.object_size, ranges=ranges)
    work = plan(reader, fresh=fresh, object_size=how.object_size, ranges=ranges)
    name = source or str(getattr(reader, "name", "?"))
    engine = _Engine(reader, writer, journal, work, how, fresh, throttles, name)

    def still_the_same(_moved: int) -> None:
        if stamp(reader) != before:
            raise changed(name)

    try:
        engine.run([still_the_same, *guards], lambda done: progress(done, whole.moved), pause_point)
    finally:
        give_back_memory()
    still_the_same(whole.moved)
    if engine.tally.summary() != whole:
        raise changed(name)
    progress(whole.moved, whole.moved)
    return Copied(whole.moved, time.monotonic() - began, engine.resumed)


def give_back_memory() -> None:
    """Return to the system what the buffers of a copy have left in the allocator: a worker lives on for long."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _Pending:
    """An item on its way: it has ended when all its writes have, and its hash is known."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.parts = 1
        self.failed = False
        self.written = False
        self.digest = hashlib.sha256()


class _Engine:
    """The threads of one copy. What they share is guarded by one condition."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        journal: Journal,
        work: Iterator[Item],
        how: Settings,
        fresh: bool,
        throttles: Sequence[Throttle],
        source: str,
    ) -> None:
        self._reader, self._writer, self._journal = reader, writer, journal
        self._how, self._fresh, self._throttles = how, fresh, throttles
        self._source = source
        self.tally = planner.Tally()
        self.resumed = 0
        self._work = work
        self._handing_out = threading.Lock()
        self._slots = threading.BoundedSemaphore(how.in_flight)
        self._go, self._stop = threading.Event(), threading.Event()
        self._go.set()
        self._shared = threading.Condition()
        self._error: BaseException | None = None
        self._ended: deque[Record] = deque()
        self._moved = self._busy = self._reading = self._writing = self._at_work = 0
        self._last_sign = time.monotonic()

    def run(
        self,
        guards: Sequence[Callable[[int], None]],
        progress: Callable[[int], None],
        pause_point: Callable[[Callable[[bool], None]], None],
    ) -> None:
        """Work until all is done, or raise the first error."""
        threads = [
            threading.Thread(target=self._labour, name=f"transfer-{i}", daemon=True) for i in range(self._how.readers)
        ]
        watch = threading.Thread(target=self._watch, args=(guards,), name="transfer-watch", daemon=True)
        noted = time.monotonic()
        try:
            for thread in (*threads, watch):
                thread.start()
            while any(t.is_alive() for t in threads) or self._busy:
                with self._shared:
                    self._shared.wait(_TICK_S)
                if self._error:
                    raise self._error
                pause_point(self._hold)
                progress(self._moved)
                self._look_for_hang()
                if time.monotonic() - noted > _NOTE_EVERY_S or len(self._ended) >= _NOTE_AT:
                    self._note()
                    noted = time.monotonic()
            self._note()
            if self._error:
                raise self._error
        except BaseException:
            self._wind_up(threads)
            raise
        finally:
            self._stop.set()

    def _wind_up(self, threads: Sequence[threading.Thread]) -> None:
        """Let what is in flight come to its end, within reason, and note it."""
        self._stop.set()
        self._go.set()
        end = time.monotonic() + _END_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))
        with self._shared:
            self._shared.wait_for(lambda: not self._writing, timeout=max(0.0, end - time.monotonic()))
        # The first error is the one to tell.
        with contextlib.suppress(StepFailed):
            self._note()

    def _hold(self, rests: bool) -> None:
        if not rests:
            self._sign()
            self._go.set()
            return
        self._go.clear()
        # A write may have ended before its hash is known: what a labourer still does with it counts, too.
        with self._shared:
            self._shared.wait_for(lambda: not (self._writing or self._at_work), timeout=1.0)
        self._note()

    def _note(self) -> None:
        ended = [self._ended.popleft() for _i in range(len(self._ended))]
        if ended:
            try:
                self._writer.flush()
            except OSError as e:
                raise target_fault(self._writer.name, e) from e
            self._journal.append(ended)

    def _look_for_hang(self) -> None:
        with self._shared:
            waits = self._reading + self._writing
            # A reader that has to pass over much before it can answer says itself that it moves.
            silent = time.monotonic() - max(self._last_sign, getattr(self._reader, "last_sign", 0.0))
        if waits and silent > self._how.hang_s:
            raise hangs(self._writer.name if self._writing else self._source, silent)

    def _watch(self, guards: Sequence[Callable[[int], None]]) -> None:
        try:
            while not self._stop.is_set():
                for guard in guards:
                    guard(self._moved)
                self._stop.wait(_LOOK_EVERY_S)
        except BaseException as e:
            self._fail(e)

    def _fail(self, error: BaseException) -> None:
        with self._shared:
            self._error = self._error or error
            self._shared.notify_all()
        self._stop.set()
        self._go.set()

    def _sign(self) -> None:
        with self._shared:
            self._last_sign = time.monotonic()

    def _labour(self) -> None:
        try:
            while not self._stop.is_set():
                if not self._slots.acquire(timeout=_SLICE_S):
                    continue
                item = self._take()
                if item is None:
                    self._slots.release()
                    return
                self._works(1)
                try:
                    self._move(item)
                finally:
                    self._works(-1)
        except BaseException as e:
            self._fail(e)

    def _works(self, change: int) -> None:
        with self._shared:
            self._at_work += change
            self._shared.notify_all()

    def _take(self) -> Item | None:
        """The next item that is not done yet."""
        with self._handing_out:
            while not self._stop.is_set():
                with self._waiting_for_source():
                    item = next(self._work, None)
                if item is None:
                    return None
                self.tally.add(item)
                if self._journal.get(item.index) is None:
                    with self._shared:
                        self._busy += 1
                    return item
                self.resumed += item.moved
                with self._shared:
                    self._moved += item.moved
        return None

    def _move(self, item: Item) -> None:
        pending = _Pending(item)
        for piece in item.pieces:
            if piece.zero:
                hash_zeroes(pending.digest, piece.length)
                if not self._may_go():
                    return
                done = self._begin(pending)
                self._writer.zero(piece.offset, piece.length, done)
                continue
            if not self._may_go() or not self._may_move(piece.length):
                return
            with self._waiting_for_source():
                data = self._reader.read(piece.offset, piece.length)
            if len(data) != piece.length:
                raise truncated(self._source, piece.offset + len(data), self._reader.size)
            if not (self._fresh and is_zero(data)):
                # A thread that comes back after the end has been declared must not write any more.
                if not self._may_go():
                    return
                done = self._begin(pending)
                self._writer.write(piece.offset, data, done)
            # The cluster works on the data while we hash it.
            pending.digest.update(data)
        self._part_ended(pending, None)

    @contextlib.contextmanager
    def _waiting_for_source(self) -> Iterator[None]:
        with self._shared:
            self._reading += 1
            self._last_sign = time.monotonic()
        try:
            yield
        finally:
            with self._shared:
                self._reading -= 1
                self._last_sign = time.monotonic()

    def _may_go(self) -> bool:
        """Wait while the copy is paused; False when it ends."""
        if not self._go.is_set():
            self._works(-1)
            self._go.wait()
            self._works(1)
        return not self._stop.is_set()

    def _may_move(self, length: int) -> bool:
        """Wait until all limits allow it; False when the copy ends."""
        for throttle in self._throttles:
            while wait := throttle(length):
                if self._stop.wait(min(wait, _SLICE_S)):
                    return False
        return self._may_go()

    def _begin(self, pending: _Pending) -> Callable[[OSError | None], None]:
        with self._shared:
            pending.parts += 1
            pending.written = True
            self._writing += 1
            self._last_sign = time.monotonic()

        def done(error: OSError | None) -> None:
            self._part_ended(pending, error)
            with self._shared:
                self._writing -= 1
                self._last_sign = time.monotonic()
                self._shared.notify_all()

        return done

    def _part_ended(self, pending: _Pending, error: OSError | None) -> None:
        if error is not None:
            pending.failed = True
            self._fail(target_fault(self._writer.name, error))
        with self._shared:
            pending.parts -= 1
            if pending.parts:
                return
            if not pending.failed:
                self._ended.append(Record(pending.item.index, pending.written, pending.digest.digest()))
                self._moved += pending.item.moved
            self._busy -= 1
            self._shared.notify_all()
        self._slots.release()
