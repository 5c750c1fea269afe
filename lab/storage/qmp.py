"""The few words of QEMU's monitor protocol (QMP) that the disks of a machine need."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any, Self

from lab.run import LabError


class Qmp:
    """A connection to a machine's monitor, for as long as the context lasts."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._events: list[dict[str, Any]] = []
        self._path = path

    def __enter__(self) -> Self:
        self._socket.connect(str(self._path))
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self("qmp_capabilities")
        return self

    def __exit__(self, *_rest: object) -> None:
        self._socket.close()

    def __call__(self, command: str, **arguments: Any) -> Any:
        """Execute a command; its answer. Raises LabError with QEMU's own words."""
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = json.loads(self._file.readline())
            if "event" in answer:
                self._events.append(answer)
            elif "error" in answer:
                raise LabError(f"{command}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def wait(self, event: str, *, timeout: float = 60, **data: Any) -> None:
        """Wait for an event with this data. Raises LabError when it does not come."""
        end = time.monotonic() + timeout
        while True:
            for seen in self._events:
                if seen["event"] == event and all(seen["data"].get(k) == v for k, v in data.items()):
                    self._events.remove(seen)
                    return
            left = end - time.monotonic()
            if left <= 0:
                raise LabError(f"no {event} in {timeout:.0f} s")
            self._socket.settimeout(left)
            try:
                self._events.append(json.loads(self._file.readline()))
            except TimeoutError:
                continue
