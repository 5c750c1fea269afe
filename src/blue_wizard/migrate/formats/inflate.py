"""Decompression with a bound on what comes out: compressed data of a stranger may be a bomb.

Deflate is done by ISA-L, which takes half of zlib's time; all of it outside of Python's global lock.
"""

from __future__ import annotations

import threading

import zstandard
from isal import isal_zlib

__all__ = ["PackedError", "deflated", "zstd"]

_threads = threading.local()


class PackedError(ValueError):
    """Compressed data that can't be decompressed."""


def deflated(data: bytes | memoryview, limit: int, wbits: int = 15) -> bytes:
    """Inflate one deflate stream into at most `limit` bytes; `wbits` as zlib has it, negative for a stream without header.

    Raises PackedError when it is damaged, not complete, or gives more.
    """
    try:
        machine = isal_zlib.decompressobj(wbits)
        # One byte more than allowed shows that there is more.
        found: bytes = machine.decompress(data, limit + 1)
    except (isal_zlib.error, OverflowError, ValueError) as e:  # type: ignore[misc]
        raise PackedError(str(e)) from e
    if len(found) > limit:
        raise PackedError("it is too long")
    # A stream with a header ends with a checksum, and only its end says that it was right.
    if not machine.eof and (wbits > 0 or len(found) < limit):
        raise PackedError("it is not complete")
    return found


def zstd(data: bytes | memoryview, limit: int) -> bytes:
    """Decompress Zstandard frames into exactly `limit` bytes; what follows is padding. Raises PackedError."""
    machine = getattr(_threads, "zstd", None)
    if machine is None:
        machine = _threads.zstd = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    try:
        with machine.stream_reader(data, read_across_frames=True) as stream:
            found: bytes = stream.read(limit)
    except zstandard.ZstdError as e:
        raise PackedError(str(e)) from e
    if len(found) != limit:
        raise PackedError("it is not complete")
    return found
