"""Block devices of a host that has nothing but a shell and ``dd``, read by position over SSH."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncssh

from blue_wizard.errors import StepFailed
from blue_wizard.reach.faults import CommandFailed, Fault
from blue_wizard.reach.ssh import Host, wait
from blue_wizard.text import _

__all__ = ["BlockDevice", "Piece"]

_PIPES = 3
# Direct: what lies in the page cache of a disk does not know of what went through the file system on it. The input is not dd's.
# What is nothing but zeroes is told by one letter; a comparison ends at the first byte that is none.
_SCRIPT = """
r() { dd if="$1" bs=1048576 skip="$2" count="$3" iflag=direct,skip_bytes,count_bytes status=none </dev/null; }
command -v cmp >/dev/null && z=1
while read -r at n path; do
    if [ -n "$z" ] && r "$path" "$at" "$n" 2>/dev/null | cmp -s -n "$n" - /dev/zero; then printf Z
    else printf D && r "$path" "$at" "$n" || exit 1; fi
done
"""
_ZEROES = b"Z"


@dataclass(frozen=True)
class Piece:
    """`length` bytes of a disk from `offset`, which are read from `path` at `at`; without a path they are zeroes."""

    offset: int
    length: int
    path: str
    at: int


class BlockDevice:
    """The first `size` bytes of a device, some `pieces` of which are read elsewhere (from a snapshot). Raises StepFailed.

    Several threads read at once, each through a shell of its own on the one connection.
    """

    def __init__(self, host: Host, path: str, size: int, *, pieces: Sequence[Piece] = (), name: str = "") -> None:
        self.name = name or f"{host.name}:{path}"
        self.path = path
        self._host, self._size = host, size
        self._pieces = sorted(pieces, key=lambda p: p.offset)
        self._idle: queue.LifoQueue[asyncssh.SSHClientProcess[bytes] | None] = queue.LifoQueue()
        self._open: list[asyncssh.SSHClientProcess[bytes]] = []
        self._closed = False
        for _i in range(_PIPES):
            self._idle.put(None)

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes."""
        parts = [self._read(path, at, count) for path, at, count in self.places(offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def places(self, offset: int, length: int) -> Iterator[tuple[str, int, int]]:
        """Where a range is read: (path, offset there, length), in order (pure)."""
        end = offset + length
        for piece in self._pieces:
            first, last = max(offset, piece.offset), min(end, piece.offset + piece.length)
            if first >= last:
                continue
            if first > offset:
                yield self.path, offset, first - offset
            yield piece.path, piece.at + first - piece.offset, last - first
            offset = last
        if offset < end:
            yield self.path, offset, end - offset

    def _read(self, path: str, at: int, length: int) -> bytes:
        if not path:
            return bytes(length)
        pipe = self._idle.get()
        if self._closed:
            raise StepFailed(_("{name} is closed.").format(name=self.name))
        back = None
        try:
            if pipe is None:
                pipe = wait(self._host.open_pipe(["sh", "-c", _SCRIPT], root=True))
                self._open.append(pipe)
            data = wait(_ask(pipe, f"{at} {length} {path}\n".encode(), length))
            back = pipe
            return data
        except asyncio.IncompleteReadError:
            assert pipe is not None
            raise self._failed(pipe, at) from None
        except (asyncssh.Error, OSError) as e:
            raise CommandFailed(
                Fault.LOST, _("The connection to {host} broke: {error}").format(host=self._host.name, error=e)
            ) from e
        finally:
            self._idle.put(back)

    def _failed(self, pipe: asyncssh.SSHClientProcess[bytes], at: int) -> StepFailed:
        try:
            words = wait(asyncio.wait_for(_words(pipe), 10))
        except (TimeoutError, asyncssh.Error, OSError):
            words = ""
        return StepFailed(
            _("{name} can't be read at byte {offset}: {error}").format(
                name=self.name, offset=at, error=words or _("the connection broke")
            ),
            _("Look at the disk and at the way to it, and run the job again: what was copied is kept."),
        )

    def close(self) -> None:
        """End the shells. May be called twice."""
        self._closed = True
        for pipe in self._open:
            # A connection that is gone has taken its shells with it.
            with contextlib.suppress(Exception):
                wait(_end(pipe))
        self._open.clear()


async def _ask(pipe: asyncssh.SSHClientProcess[bytes], request: bytes, length: int) -> bytes:
    pipe.stdin.write(request)
    if await pipe.stdout.readexactly(1) == _ZEROES:
        return bytes(length)
    found: bytes = await pipe.stdout.readexactly(length)
    return found


async def _words(pipe: asyncssh.SSHClientProcess[bytes]) -> str:
    found: Any = await pipe.stderr.read()
    return bytes(found).decode(errors="replace").strip()[-300:]


async def _end(pipe: asyncssh.SSHClientProcess[bytes]) -> None:
    pipe.close()
