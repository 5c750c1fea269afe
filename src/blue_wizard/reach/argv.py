"""How a command is dressed for a host: C locale, time-out, sudo, container. Argv lists in, argv lists out; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import partial

__all__ = ["Wrap", "cephadm_shell", "in_container", "prepare", "sudo_refusal"]

Wrap = Callable[[Sequence[str]], list[str]]
"""Makes an argv of the host from an argv of a container on it."""

KILL_AFTER_S = 5
"""How long a command that ignores SIGTERM lives on."""

_RUNTIMES = ("docker", "podman")
# sudo's own words for "the command was not run" (sudo 1.8 to 1.9, C locale), and no other: it warns in the same form.
_REFUSALS = re.compile(
    r"^(sudo: .*(a password is required|a terminal is required|no tty present|you must have a tty"
    r"|account validation failure|no new privileges|effective uid is not 0|must be owned by uid 0|must be setuid root"
    r"|no valid sudoers sources|do not exist in the passwd database|unknown user).*"
    r"|Sorry, user .+ (may not run sudo|is not allowed to execute) .+"
    r"|.+ is not (in the sudoers file|allowed to run sudo on .+)\.?.*)$"
)
_NO_SUDO = re.compile(r"sudo: (command )?not found|[‘'`]?sudo['’]?: No such file or directory")


def in_container(runtime: str, name: str) -> Wrap:
    """Into the running container `name` of ``docker`` or ``podman``. Raises ValueError for another runtime."""
    if runtime not in _RUNTIMES:
        raise ValueError(f"no container runtime: {runtime!r}")
    return partial(_behind, [runtime, "exec", name])


def cephadm_shell(fsid: str | None = None) -> Wrap:
    """Into a new container with the cluster's own tools and keyring; `fsid` where a host belongs to several clusters."""
    return partial(_behind, ["cephadm", "shell", *(["--fsid", fsid] if fsid else []), "--"])


def _behind(prefix: Sequence[str], argv: Sequence[str]) -> list[str]:
    return [*prefix, *argv]


def prepare(argv: Sequence[str], *, timeout_s: float, sudo: bool = False, within: Wrap | None = None) -> list[str]:
    """The argv for the host's shell: `argv` in the C locale, ended by the host itself after `timeout_s` seconds.

    ``timeout`` stands where it may send signals: behind sudo, and once more inside a container, since ending ``docker exec``
    does not end what runs in there. Raises ValueError for an empty argv.
    """
    if not argv:
        raise ValueError("an empty command")
    made = _limited([*_C_LOCALE, *argv], timeout_s)
    if within is not None:
        made = _limited(within(made), timeout_s + KILL_AFTER_S)
    # The outer locale is for sudo's own words.
    return [*_C_LOCALE, "sudo", "-n", "--", *made] if sudo else made


_C_LOCALE = ("env", "LC_ALL=C")


def _limited(argv: Sequence[str], timeout_s: float) -> list[str]:
    # BusyBox knows whole seconds only.
    return ["timeout", "-k", str(KILL_AFTER_S), str(max(1, math.ceil(timeout_s))), *argv]


def sudo_refusal(status: int, stderr: str) -> str | None:
    """What sudo said when it did not run the command; None when it did run it (whatever came of that)."""
    lines = stderr.strip().splitlines()
    if status == 127 and lines and _NO_SUDO.search(lines[-1]):
        return lines[-1]
    if status != 1:
        return None
    # A lecture may come first; the verdict is the last line. Anything after it would be the command's.
    return lines[-1] if lines and _REFUSALS.match(lines[-1]) else None
