"""An image that only we can read, as an NBD export: for what QEMU does not read. Read-only, on a private unix socket.

Source: the NBD protocol (doc/proto.md): fixed newstyle negotiation, structured replies, ``base:allocation``.
"""

from __future__ import annotations

import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from blue_wizard.errors import BlueWizardError
from blue_wizard.migrate.extents import Extent
from blue_wizard.reach.nbd import uri_of

__all__ = ["Servable", "serve"]

_OPTION, _REPLY = 0x49484156454F5054, 0x3E889045565A9
_EXPORT_NAME, _ABORT, _LIST, _INFO, _GO, _STRUCTURED, _LIST_META, _SET_META = 1, 2, 3, 6, 7, 8, 9, 10
_ACK, _SERVER, _EXPORT, _META = 1, 2, 3, 4
_UNSUPPORTED, _INVALID = (1 << 31) + 1, (1 << 31) + 3
_FLAGS = 1 | 1 << 1 | 1 << 8  # has flags, read-only, several connections see one disk
_READ, _WRITE, _DISCONNECT, _BLOCK_STATUS = 0, 1, 2, 7
_REQUEST, _SIMPLE, _CHUNK = 0x25609513, 0x67446698, 0x668E33EF
_EPERM, _EIO, _EINVAL = 1, 5, 22
_MAX_READ, _MAX_OPTION, _MAX_EXTENTS = 32 << 20, 1 << 16, 4096
_CONTEXT = b"base:allocation"


class Servable(Protocol):
    """What can be served: a disk that several threads read at once (an `Image` is one)."""

    @property
    def size(self) -> int:
        """The virtual size in bytes."""

    def spans(self, offset: int, length: int) -> Iterator[Extent]:
        """The range in order, without gaps."""

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises StepFailed when they can't be had."""

    def close(self) -> None:
        """Give back what it holds. May be called twice."""


@contextmanager
def serve(image: Servable) -> Iterator[str]:
    """The image as an NBD export for as long as the context lasts; its URI. The image is closed with it."""
    with tempfile.TemporaryDirectory(prefix="bw-nbd-") as folder:
        path = Path(folder) / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(16)
            server = _Server(listener, image)
            server.start()
            try:
                yield uri_of(path)
            finally:
                server.stop()
                image.close()


class _Server:
    def __init__(self, listener: socket.socket, image: Servable) -> None:
        self._listener, self._image = listener, image
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopped = False

    def start(self) -> None:
        self._run(self._accept)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            connections = [*self._open, self._listener]
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _run(self, what: object, *args: object) -> None:
        thread = threading.Thread(target=what, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._stopped:
                    connection.close()
                    return
                self._open.add(connection)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            # A client that goes away, or talks nonsense, ends its own connection and nothing else.
            with suppress(OSError, EOFError, struct.error):
                _Connection(connection, self._image).run()
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


class _Connection:
    def __init__(self, connection: socket.socket, image: Servable) -> None:
        self._connection, self._image = connection, image
        self._structured = self._status = False

    def run(self) -> None:
        self._connection.sendall(b"NBDMAGIC" + struct.pack(">QH", _OPTION, 3))
        (flags,) = struct.unpack(">I", self._take(4))
        while not self._negotiated(bool(flags & 2)):
            pass
        while self._answered():
            pass

    def _take(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            part = self._connection.recv(length - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _negotiated(self, no_zeroes: bool) -> bool:
        """Answer one option; True when the talk about options is over."""
        magic, option, length = struct.unpack(">QII", self._take(16))
        if magic != _OPTION or length > _MAX_OPTION:
            raise EOFError
        data = self._take(length)
        if option == _EXPORT_NAME:
            self._connection.sendall(struct.pack(">QH", self._image.size, _FLAGS) + bytes(0 if no_zeroes else 124))
            return True
        if option == _ABORT:
            self._option(option, _ACK)
            raise EOFError
        if option == _LIST:
            self._option(option, _SERVER, struct.pack(">I", 0))
        elif option in {_INFO, _GO}:
            self._option(option, _EXPORT, struct.pack(">HQH", 0, self._image.size, _FLAGS))
        elif option == _STRUCTURED:
            self._structured = True
        elif option in {_LIST_META, _SET_META}:
            wanted = _queries(data)
            found = _CONTEXT in wanted or (option == _LIST_META and (not wanted or b"base:" in wanted))
            if option == _SET_META:
                self._status = found and self._structured
            if found:
                self._option(option, _META, struct.pack(">I", 1) + _CONTEXT)
        else:
            self._option(option, _UNSUPPORTED)
            return False
        self._option(option, _ACK)
        return bool(option == _GO)

    def _option(self, option: int, kind: int, data: bytes = b"") -> None:
        self._connection.sendall(struct.pack(">QIII", _REPLY, option, kind, len(data)) + data)

    def _answered(self) -> bool:
        """Answer one request; False when the client says good-bye."""
        magic, _flags, kind, handle, offset, length = struct.unpack(">IHHQQI", self._take(28))
        if magic != _REQUEST or kind == _DISCONNECT:
            return False
        if kind == _WRITE:
            # Its data follows: what comes next can't be told from it.
            return False
        if kind not in {_READ, _BLOCK_STATUS} or (kind == _BLOCK_STATUS and not self._status):
            self._failure(handle, _EINVAL if kind in {_READ, _BLOCK_STATUS} else _EPERM, "read-only")
        elif length == 0 or offset + length > self._image.size or (kind == _READ and length > _MAX_READ):
            self._failure(handle, _EINVAL, "out of range")
        else:
            try:
                if kind == _READ:
                    self._data(handle, offset, self._image.read(offset, length))
                else:
                    self._extents(handle, offset, length)
            except BlueWizardError as e:
                self._failure(handle, _EIO, e.message)
        return True

    def _data(self, handle: int, offset: int, data: bytes) -> None:
        if self._structured:
            head = struct.pack(">IHHQIQ", _CHUNK, 1, 1, handle, len(data) + 8, offset)
        else:
            head = struct.pack(">IIQ", _SIMPLE, 0, handle)
        self._connection.sendall(head)
        self._connection.sendall(data)

    def _extents(self, handle: int, offset: int, length: int) -> None:
        found: list[list[int]] = []
        for extent in self._image.spans(offset, length):
            flags = 3 if extent.zero else 0
            if found and found[-1][1] == flags:
                found[-1][0] += extent.length
            elif len(found) == _MAX_EXTENTS:
                break
            else:
                found.append([extent.length, flags])
        body = struct.pack(">I", 1) + b"".join(struct.pack(">II", *one) for one in found)
        self._connection.sendall(struct.pack(">IHHQI", _CHUNK, 1, 5, handle, len(body)) + body)

    def _failure(self, handle: int, error: int, message: str) -> None:
        if self._structured:
            text = message.encode()[:4096]
            body = struct.pack(">IH", error, len(text)) + text
            self._connection.sendall(struct.pack(">IHHQI", _CHUNK, 1, (1 << 15) + 1, handle, len(body)) + body)
        else:
            self._connection.sendall(struct.pack(">IIQ", _SIMPLE, error, handle))


def _queries(data: bytes) -> list[bytes]:
    """The contexts that a client asks for."""
    (length,) = struct.unpack_from(">I", data, 0)
    (count,) = struct.unpack_from(">I", data, 4 + length)
    at, found = 8 + length, []
    for _i in range(min(count, 64)):
        (length,) = struct.unpack_from(">I", data, at)
        found.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return found
