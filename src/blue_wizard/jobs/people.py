"""Who is at the terminal, for approvals and answers."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

__all__ = ["origin", "who"]

_UNSET = 2**32 - 1


def who() -> str:
    """The name of the person that runs this process.

    The login that the kernel keeps over su and sudo (`/proc/self/loginuid`, see pam_loginuid(8)) comes first, since teams
    share root; then who called sudo; then the user of the process. The environment's LOGNAME and USER are never asked.
    """
    login = _login_uid()
    uid = os.getuid()
    if login is not None:
        return _name(login)
    if uid == 0 and os.environ.get("SUDO_UID", "").isdigit():
        return _name(int(os.environ["SUDO_UID"]))
    return _name(uid)


def origin() -> str:
    """Where that person sits: this host's name, and the SSH client's address where there is one."""
    client = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    return f"{socket.gethostname()} ({client})" if client else socket.gethostname()


def _login_uid() -> int | None:
    try:
        found = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        return None
    return None if found == _UNSET else found


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
