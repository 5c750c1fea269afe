"""The programs that are sent to a host over SSH and leave nothing behind. They need only Python 3.6 and its own library there.

`base.py`, `made.py` and the file of a role make one program. It arrives on stdin behind its length, so that stdin stays open: when
it ends, we are gone, and so is the program. It is text to us: nothing of it is imported.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["ARGV", "NO_PYTHON", "program"]

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

ARGV = ("sh", "-c", _CHOOSE, "blue-wizard", _BOOT)
"""The command that waits for a program on its stdin, and becomes it."""


def program(role: str) -> str:
    """What is sent first: the program of the role (the name of a file here), behind its length in bytes."""
    folder = Path(__file__).parent
    parts = [(folder / f"{name}.py").read_text() for name in ("base", "made", role)]
    # All are one file over there.
    text = "\n".join(re.sub(r"(?m)^from blue_wizard\..*\n", "", part) for part in parts)
    return f"{len(text.encode())}\n{text}"
