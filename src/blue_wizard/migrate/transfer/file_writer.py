"""A plain file as the target: staging, and disks of compute hosts."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from blue_wizard.migrate.transfer.faults import target_fault
from blue_wizard.migrate.transfer.writer import Data, Done

__all__ = ["FileWriter"]

_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_ZEROES = bytes(1 << 20)


class FileWriter:
    """A sparse file of `size` bytes; made when it is not there. Raises StepFailed when it can't be opened."""

    def __init__(self, path: Path, size: int) -> None:
        self.name = str(path)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._fd, size)
        except OSError as e:
            raise target_fault(self.name, e) from e

    def write(self, offset: int, data: Data, done: Done) -> None:
        """Write at once."""
        try:
            view = memoryview(data)
            while view:
                count = os.pwrite(self._fd, view, offset)
                offset, view = offset + count, view[count:]
        except OSError as e:
            done(e)
        else:
            done(None)

    def zero(self, offset: int, length: int, done: Done) -> None:
        """Punch a hole, which reads as zeroes; write them where the file system has none."""
        try:
            if not _punch(self._fd, offset, length):
                for at in range(offset, offset + length, len(_ZEROES)):
                    os.pwrite(self._fd, _ZEROES[: offset + length - at], at)
        except OSError as e:
            done(e)
        else:
            done(None)

    def flush(self) -> None:
        """fdatasync."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _punch(fd: int, offset: int, length: int) -> bool:
    # os.posix_fallocate allocates; only fallocate(2) punches.
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate64
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, offset, length) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.EOPNOTSUPP, errno.ENOSYS}:
        return False
    raise OSError(number, os.strerror(number))
