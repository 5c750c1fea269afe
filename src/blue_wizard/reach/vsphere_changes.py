"""Changed block tracking: what vSphere tells of the areas of a disk that have changed, or that are in use at all.

Source: VirtualMachine.QueryChangedDiskAreas of the vSphere Web Services API reference. An answer need not tell all; servers stop
at 2,000 areas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from blue_wizard.reach.vsphere import Center

__all__ = ["EVERYTHING", "Areas", "Untold", "areas", "ask", "same_line"]

EVERYTHING = "*"
"""In the place of a change id it asks for all areas that are in use."""
_FULL = 2000


class Untold(Exception):
    """The answers make no sense, so nothing is known of what has changed."""


class Areas(Protocol):
    """One answer (DiskChangeInfo)."""

    startOffset: int
    length: int
    changedArea: Sequence[Any]


def same_line(one: str, other: str) -> bool:
    """Whether two change ids (``UUID/NUMBER``) count the same changes: after a reset the UUID is another one."""
    return bool(one and other) and one.rpartition("/")[0] == other.rpartition("/")[0]


def areas(tell: Callable[[int], Areas], size: int) -> list[tuple[int, int]]:
    """All areas (offset, length) of a disk of `size` bytes, however many answers of `tell(offset)` it takes.

    Raises Untold for an answer that leads nowhere: what is not known must not be taken for unchanged.
    """
    found: list[tuple[int, int]] = []
    at = 0
    # Asking from the very end on is an error.
    while at < size:
        answer = tell(at)
        told = [(int(a.start), int(a.start) + int(a.length)) for a in answer.changedArea]
        if int(answer.startOffset) != at or any(end <= start for start, end in told):
            raise Untold(f"{answer.startOffset} != {at}")
        found += [(start, min(end, size) - start) for start, end in told if start < size]
        behind = max((end for _start, end in told), default=at)
        upto = at + int(answer.length)
        # A full answer is asked on from its last area, whatever it says of its length.
        onward = behind if len(told) >= _FULL or upto <= at else upto
        if onward <= at:
            raise Untold(f"length {answer.length} at {at}")
        at = onward
    return found


def ask(center: Center, machine: str, snapshot: str | None, disk: int, since: str, size: int) -> list[tuple[int, int]]:
    """The areas that have changed since a change id. Without a snapshot: up to now, of a machine that is off.

    Raises StepFailed (CenterRefuses with the server's fault), and Untold.
    """
    said: dict[str, Any] = {"deviceKey": disk, "changeId": since}
    if snapshot is not None:
        said["snapshot"] = center.object("VirtualMachineSnapshot", snapshot)

    def tell(at: int) -> Areas:
        found: Areas = center.ask("VirtualMachine", machine, "QueryChangedDiskAreas", startOffset=at, **said)
        return found

    return areas(tell, size)
