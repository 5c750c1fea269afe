"""Disks as NBD exports: qemu-nbd on a private socket, and what libnbd can tell of an export."""

from __future__ import annotations

import ctypes
import errno
import json
import signal
import socket as socketlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.text import _

__all__ = [
    "connect",
    "die_with_parent",
    "dirty",
    "file_node",
    "finish",
    "os_error",
    "rbd_node",
    "serve",
    "status",
    "uri_of",
]

_PR_SET_PDEATHSIG = 1
_START_TIMEOUT_S = 30.0


def file_node(path: Path, fmt: str, *, offset: int = 0, size: int = 0, device: bool = False) -> dict[str, Any]:
    """The block node of a disk image in a file, or in `size` bytes of it from `offset` (a member of a tar).

    `device` says that the path is a block device. No locks are taken, so a running guest's disk can be looked at.
    """
    file: dict[str, Any] = {"driver": "host_device" if device else "file", "filename": str(path), "locking": "off"}
    if size:
        file = {"driver": "raw", "offset": offset, "size": size, "file": file}
    return {"driver": fmt, "file": file}


def rbd_node(pool: str, image: str, *, conf: Path, client: str) -> dict[str, Any]:
    """The block node of an RBD image, as the cephx user ``client.CLIENT``."""
    return {
        "driver": "raw",
        "file": {"driver": "rbd", "pool": pool, "image": image, "conf": str(conf), "user": client},
    }


def uri_of(socket: Path, export: str = "") -> str:
    """The NBD URI of an export of a unix socket, the default one without a name."""
    return f"nbd+unix:///{quote(export, safe='')}?socket={socket}"


def die_with_parent() -> None:
    """Between fork and exec: the child ends (-9) when the thread that started it does."""
    # A killed worker must not leave a writer behind that its successor knows nothing of.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def serve(node: Mapping[str, Any], *, writable: bool = False, tcp: bool = False) -> Iterator[str]:
    """The node as an NBD export for as long as the context lasts; its URI.

    The export is a unix socket that only we can open, or, for clients that know none, a free port on loopback (`tcp`).
    Raises StepFailed with qemu-nbd's own words when it can't open the node, InputError when it is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="bw-nbd-") as folder:
        socket = Path(folder) / "socket"
        argv = ["qemu-nbd", "--persistent", "--shared=8"]
        port = _free_port() if tcp else 0
        argv += ["--bind=127.0.0.1", f"--port={port}"] if tcp else [f"--socket={socket}"]
        argv += ["--cache=writeback", "--discard=unmap"] if writable else ["--read-only"]
        argv.append("json:" + json.dumps(node))
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                preexec_fn=die_with_parent,
            )
        except FileNotFoundError as e:
            raise InputError(
                _("qemu-nbd is not installed."), _("Install the Debian package {name}.").format(name="qemu-utils")
            ) from e
        try:
            uri = f"nbd://127.0.0.1:{port}" if tcp else uri_of(socket)
            _wait_for(child, (lambda: _listens(port)) if tcp else (lambda: _answers(socket)))
            yield uri
        finally:
            finish(child)
            if child.stderr:
                child.stderr.close()


def finish(child: subprocess.Popen[bytes]) -> None:
    """Have a server end, by force where it does not in 20 seconds."""
    for _second in range(20):
        # One that has only just begun to listen may forget a signal.
        child.terminate()
        try:
            child.wait(1)
        except subprocess.TimeoutExpired:
            continue
        return
    child.kill()
    child.wait()


def _free_port() -> int:
    with socketlib.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socketlib.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _answers(socket: Path) -> bool:
    # The file is there a moment before anybody listens on it.
    with socketlib.socket(socketlib.AF_UNIX) as probe:
        try:
            probe.connect(str(socket))
        except OSError:
            return False
    return True


def _wait_for(child: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while not ready():
        if child.poll() is not None:
            words = child.stderr.read().decode(errors="replace").strip() if child.stderr else ""
            raise StepFailed(
                _("The disk can't be opened: {error}").format(error=words.splitlines()[-1] if words else "?")
            )
        if time.monotonic() > end:
            raise StepFailed(_("qemu-nbd did not start in {seconds} s.").format(seconds=round(_START_TIMEOUT_S)))
        time.sleep(0.02)


def connect(uri: str, contexts: Sequence[str] = ("base:allocation",)) -> Any:
    """A libnbd handle on an export. Raises StepFailed when it can't be reached, InputError when libnbd is missing."""
    try:
        import nbd
    except ImportError as e:
        raise InputError(
            _("The Python module {name} is missing.").format(name="nbd"),
            _("Install the Debian package {name}.").format(name="python3-libnbd"),
        ) from e
    handle = nbd.NBD()
    for context in contexts:
        handle.add_meta_context(context)
    try:
        handle.connect_uri(uri)
    except nbd.Error as e:
        raise StepFailed(_("The NBD export can't be reached: {error}").format(error=e.string)) from e
    return handle


_MAX_STATUS = 1 << 30
_ZERO = 2


def status(handle: Any, offset: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """One answer of the export on its blocks from `offset` on, as (offset, length, reads as zeroes), at most up to `end`.

    Source: the NBD protocol, metadata context ``base:allocation`` (bit 0 hole, bit 1 zero).
    """
    if not handle.can_meta_context("base:allocation"):
        yield offset, end - offset, False
        return
    found: list[tuple[int, bool]] = []

    def take(_context: str, _offset: int, entries: list[int], _error: Any) -> int:
        found.extend((entries[i], bool(entries[i + 1] & _ZERO)) for i in range(0, len(entries), 2))
        return 0

    handle.block_status(min(end - offset, _MAX_STATUS), offset, take)
    if not found:
        raise StepFailed(_("The NBD server gave no block status at {offset}.").format(offset=offset))
    for length, zero in found:
        length = min(length, end - offset)
        if length <= 0:
            return
        yield offset, length, zero
        offset += length


def dirty(uri: str, bitmap: str, size: int) -> list[tuple[int, int]] | None:
    """The ranges (offset, length) that a dirty bitmap of the export marks; None when the export does not show that bitmap.

    Source: QEMU's metadata context ``qemu:dirty-bitmap:NAME`` (bit 0: dirty). Raises StepFailed.
    """
    context = f"qemu:dirty-bitmap:{bitmap}"
    handle = connect(uri, (context,))
    if not handle.can_meta_context(context):
        return None
    import nbd

    found: list[tuple[int, int]] = []
    offset = 0
    while offset < size:
        answer: list[tuple[int, int]] = []

        def take(_context: str, _offset: int, entries: list[int], _error: Any, into: Any = answer) -> int:
            into.extend((entries[i], entries[i + 1]) for i in range(0, len(entries), 2))
            return 0

        try:
            handle.block_status(min(size - offset, _MAX_STATUS), offset, take)
        except nbd.Error as e:
            raise StepFailed(_("The NBD export can't be reached: {error}").format(error=e.string)) from e
        if not answer:
            raise StepFailed(_("The NBD server gave no block status at {offset}.").format(offset=offset))
        for length, flags in answer:
            length = min(length, size - offset)
            if flags & 1 and length > 0:
                found.append((offset, length))
            offset += length
    return found


def os_error(error: Any, *, gone: bool) -> OSError:
    """libnbd's error as one of the system; `gone` says that the connection is dead, whatever the error was."""
    number = errno.ENOTCONN if gone else error.errnum or errno.EIO
    return OSError(number, error.string)
