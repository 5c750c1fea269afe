"""Planted network faults, each with what must be found.

A fault is one function in a module of this folder (one module a family), registered by `@fault(...)`: it reads the
present state and returns the changes that make the fault, each with its undoing. Nothing is done before all of them
are written down (`journal.py`), so a fault can be healed exactly, whoever was killed meanwhile.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.run import LabError

if TYPE_CHECKING:
    from lab.faults.target import Target

FAULTS: dict[str, Fault] = {}
KINDS = ("hybrid", "ovsfw", "vlan-hybrid", "vlan-ovsfw")
"""Port kinds: the firewall driver of the server's host, on VXLAN unless it says vlan."""
OVN = "ovn"
"""The kind of a port of the extra part `cloud-b`."""
SEGMENTS = ("guest", "tap", "qbr", "qvb", "compute-ovs", "wire", "network-ovs", "dhcp", "router")
"""What lies between one place where a packet can be captured and the next, named by where it begins."""
VERDICTS = ("lost", "ok", "unknown")


@dataclass(frozen=True)
class Change:
    """One thing that is done in one place, and how it is undone.

    `place` is a lab host, or `machine` (the wires between the hosts), where `do` and `undo` are shell scripts; `api`,
    where they are JSON lists of [service, method, arguments, options] of openstacksdk; `sql`, where they are
    statements for the services' databases. `lab` (start a host's switch), `lab-agent` and `lab-port` (wait for an agent's
    report, for a port to be active) only have an `undo`, a name. `undo` can be run at any time and any number of
    times, also when `do` was never run or only half. `settled` and `healed` are scripts for `place` (for `api`: for
    the host `settle_on`) that exit 0 once the change, or its undoing, has come through.
    """

    place: str
    do: str
    undo: str
    settled: str = ""
    healed: str = ""
    settle_on: str = ""


@dataclass(frozen=True)
class Fault:
    """A fault and what must be found.

    `on`: the kinds of port that it can be planted on; a whole run uses the first. `code`, `object`: the cause's, or
    with `verdict="ok"` a finding's ("" where the verdict alone counts); `object` is filled in from the target ({tap},
    {qvo}, {dhcp_tap}, ...). `hop`: where the cause lies. `segments`: where the packet is lost, any of them. `look`:
    `packet` when no state of any host shows it, and only a packet does. `also`: codes that say the same. `restores`:
    `exact` (every dump is as before), `shape` (but for numbers that OpenStack gives anew) or `function` (OpenStack
    made the objects anew). `to`: where the diagnosis is to follow a packet (``ADDRESS PROTOCOL``, filled in like `object`), "" for
    DHCP. `note`: what an agent would do about it, and what is done against that.
    """

    name: str
    family: str
    on: tuple[str, ...]
    code: str
    hop: str
    segments: tuple[str, ...]
    direction: str
    object: str
    plan: Callable[[Target], list[Change]]
    verdict: str = "lost"
    look: str = "state"
    also: tuple[str, ...] = ()
    restores: str = "exact"
    note: str = ""
    to: str = ""


def fault(
    name: str | dict[str, tuple[str, ...]],
    *,
    on: tuple[str, ...] = (),
    code: str = "",
    hop: str = "",
    segment: str | tuple[str, ...] = (),
    direction: str = "request",
    object: str = "",
    verdict: str = "lost",
    look: str = "state",
    also: tuple[str, ...] = (),
    restores: str = "exact",
    note: str = "",
    to: str = "",
) -> Callable[[Callable[[Target], list[Change]]], Callable[[Target], list[Change]]]:
    """Register the function that plans a fault; the family is its module's name.

    What is the same on several kinds of port, and is to be tried on each, is a row for each: `name` is then a table of the rows'
    names, each with its `on`.
    """
    rows = {name: on} if isinstance(name, str) else name

    def register(plan: Callable[[Target], list[Change]]) -> Callable[[Target], list[Change]]:
        segments = (segment,) if isinstance(segment, str) else segment
        family = plan.__module__.rpartition(".")[2]
        for row, kinds in rows.items():
            assert row not in FAULTS, row
            FAULTS[row] = Fault(row, family, kinds, code, hop, segments, direction if verdict == "lost" else "", object, plan,
                                verdict, look, also, restores, note, to)  # fmt: skip
        return plan

    return register


def load() -> dict[str, Fault]:
    """All faults that there are, by name, in the order of the families' names."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return FAULTS


def named(name: str) -> Fault:
    """The fault of this name. Raises LabError when there is none."""
    try:
        return load()[name]
    except KeyError:
        raise LabError(f"there is no fault {name}; see: lab/lab fault list") from None
