"""SHA-256 over a whole disk, through NBD: what reads as zeroes is hashed without being read."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any

from blue_wizard.reach.nbd import connect, extents

__all__ = ["rest_is_zero", "sha256"]

_CHUNK = 2 << 20
_IN_FLIGHT = 8
_ZEROES = bytes(_CHUNK)


def sha256(uri: str, size: int, *, progress: Callable[[int], None], check_stop: Callable[[], None]) -> str:
    """The SHA-256 of the export's first `size` bytes, in hex. `progress` is told the bytes done so far."""
    digest = hashlib.sha256()
    done = 0
    for piece in _pieces(uri, size):
        check_stop()
        digest.update(piece)
        done += len(piece)
        progress(done)
    return digest.hexdigest()


def rest_is_zero(uri: str, start: int, size: int, *, check_stop: Callable[[], None]) -> bool:
    """True when the export holds nothing but zeroes from `start` to `size`."""
    handle = connect(uri)
    try:
        for offset, length, zero in extents(handle, size):
            if zero or offset + length <= start:
                continue
            at = max(offset, start)
            while at < offset + length:
                check_stop()
                piece = bytes(handle.pread(min(_CHUNK, offset + length - at), at))
                if piece != _ZEROES[: len(piece)]:
                    return False
                at += len(piece)
        return True
    finally:
        handle.shutdown()


def _pieces(uri: str, size: int) -> Any:
    """The disk's bytes in order, several reads ahead of the reader; at most _IN_FLIGHT pieces are in memory."""
    import nbd

    handle = connect(uri)
    ahead: deque[tuple[Any, Any]] = deque()
    try:
        for offset, length, zero in extents(handle, size):
            at = offset
            while at < offset + length:
                count = min(_CHUNK, offset + length - at)
                if zero:
                    ahead.append((None, count))
                else:
                    buffer = nbd.Buffer(count)
                    ahead.append((handle.aio_pread(buffer, at), buffer))
                at += count
                if len(ahead) >= _IN_FLIGHT:
                    yield _take(handle, *ahead.popleft())
        while ahead:
            yield _take(handle, *ahead.popleft())
    finally:
        handle.shutdown()


def _take(handle: Any, cookie: Any, buffer: Any) -> bytes:
    if cookie is None:
        return _ZEROES[:buffer]
    while not handle.aio_command_completed(cookie):
        handle.poll(-1)
    return bytes(buffer.to_bytearray())
