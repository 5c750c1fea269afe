"""The programs that are sent to a host over SSH and leave nothing behind. They need only Python 3.6 and its own library there.

`base.py`, `made.py` and the file of a role make one program. It arrives on stdin behind its length, so that stdin stays open: when
it ends, we are gone, and so is the program. `look.py` with its parts only looks once, and ends by itself. It is text to us: nothing
of it is imported.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["ARGV", "LOOK", "NO_PYTHON", "joined", "program"]

NO_PYTHON = 127
"""Exit status of `ARGV` on a host that has no Python 3."""

_BOOT = """
import sys
pipe = open(0, "rb", 0, closefd=False)
size, text = int(pipe.readline()), b""
while len(text) < size:
    part = pipe.read(size - len(text))
    if not part:
        sys.exit(1)
    text += part
exec(compile(text, "blue-wizard", "exec"), {"__name__": "__main__"})
"""
_CHOOSE = (
    'for p in python3 /usr/libexec/platform-python; do command -v "$p" >/dev/null && exec "$p" -c "$1"; done; exit 127'
)

LOOK = ("commands", "ovn", "look")
"""The files of the program that looks at a host."""

ARGV = ("sh", "-c", _CHOOSE, "blue-wizard", _BOOT)
"""The command that waits for a program on its stdin, and becomes it."""


def program(role: str) -> str:
    """What is sent first: the program of the role (the name of a file here), behind its length in bytes."""
    text = joined("base", "made", role)
    return f"{len(text.encode())}\n{text}"


def joined(*names: str) -> str:
    """Files of this folder as the one program that they are on a host."""
    parts = [Path(__file__).with_name(f"{name}.py").read_text() for name in names]
    return "\n".join(re.sub(r"(?m)^from blue_wizard\..*\n", "", part) for part in parts)
