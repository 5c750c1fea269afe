"""What all roles have: lines of JSON both ways, and an end that comes with the end of stdin or by the clock."""

import ctypes
import json
import os
import signal
from typing import Any, Dict, List, Optional

_NEW_NET = 0x40000000


def say(**fields: Any) -> None:
    """One line of JSON to stdout."""
    data = (json.dumps(fields) + "\n").encode()
    while data:
        data = data[os.write(1, data) :]


class Orders:
    """The lines of stdin, read without a buffer that `poll` would know nothing of."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: List[bytes] = []

    def fileno(self) -> int:
        return 0

    def read(self) -> bool:
        """Take what is there; False when stdin has ended."""
        part = os.read(0, 65536)
        parts = (self._rest + part).split(b"\n")
        self._rest = parts.pop()
        self._lines += parts
        return bool(part)

    def next(self) -> Optional[Dict[str, Any]]:
        """The next order that has come; None when there is none yet."""
        if not self._lines:
            return None
        order: Dict[str, Any] = json.loads(self._lines.pop(0).decode())
        return order

    def wait(self) -> Optional[Dict[str, Any]]:
        """The next order; None when stdin has ended before it."""
        while not self._lines:
            if not self.read():
                return None
        return self.next()


def end_after(seconds: float) -> None:
    """Die by then, even in the middle of a write to somebody who no longer reads."""
    signal.alarm(int(seconds) + 1)


def enter_net(file: int) -> None:
    """Go into the network namespace of an open file (setns); raises OSError."""
    _checked("setns", file, _NEW_NET)


def new_net() -> None:
    """Go into a network namespace of our own (unshare); the kernel removes it, and what is in it, when we end."""
    _checked("unshare", _NEW_NET)


def _checked(name: str, *numbers: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*numbers) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
