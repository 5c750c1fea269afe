"""The played hosts: which command is answered by what, and which of them are meant to change something."""

from __future__ import annotations

from . import deploying, drives, scripts, services, shown
from .answers import OK, Answer, Tool
from .scripts import LOOKS
from .site import State

__all__ = ["changes", "shell"]


def shell(state: State, name: str, argv: list[str], stdin: str | None) -> Answer:
    """Answer one command of a host. What is not known here is an error, so that nothing new goes by unseen."""
    del stdin
    tool = argv[0]
    if any(" ".join(argv).startswith(w) for w in state["hosts"][name].get("broken", [])):
        return 125, "", f"{tool}: played: broken"
    known = _TOOLS.get(tool)
    if known is None:
        return 127, "", f"{tool}: command not found"
    return known(state, name, argv)


def changes(argv: list[str]) -> bool:
    """Whether a command is meant to change something."""
    if argv[0] == "sh":
        return argv[2] not in LOOKS
    if argv[0] in {"docker", "podman"}:
        return argv[1] not in {"ps", "inspect"}
    if argv[0] == "systemctl":
        return argv[1] not in {"is-active", "is-enabled"}
    if argv[0] == "sgdisk":
        return "-i" not in argv
    return argv[0] not in {
        "lsblk",
        "cat",
        "find",
        "lvs",
        "dmesg",
        "grep",
        "test",
        "udevadm",
        "smartctl",
        "true",
    } and argv[:2] != ["wipefs", "--no-act"]


def _nothing(_state: State, _name: str, _argv: list[str]) -> Answer:
    return OK


_TOOLS: dict[str, Tool] = {
    **shown.TOOLS,
    **services.TOOLS,
    **drives.TOOLS,
    **deploying.TOOLS,
    **scripts.TOOLS,
    "partprobe": _nothing,
    "partx": _nothing,
    "udevadm": _nothing,
    "mkdir": _nothing,
    "true": _nothing,
}
