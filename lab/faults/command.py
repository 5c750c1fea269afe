"""`lab/lab fault`: list, inject, heal."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from lab.faults import OVN, Fault, journal, load, named
from lab.faults.target import Target, connect, targets
from lab.run import LabError
from lab.site import CLOUD_B, LAB

SHOWN = ("name", "family", "on", "verdict", "code", "hop", "segments", "direction", "object", "look", "to")


def show(form: str) -> None:
    """All faults, and what must be found: those of the network, then those of the platform's health."""
    from lab.health import command as health

    planted = journal.planted()
    if form == "json":
        network = [_document(f) | {"kind": "network"} for f in load().values()]
        others = [d | {"kind": "health"} for d in health.documents()]
        print(json.dumps([d | {"planted": d["name"] in planted} for d in (*network, *others)], indent=2))
        return
    _table([SHOWN, *(tuple(_word(getattr(f, n)) for n in SHOWN) for f in load().values())], planted)
    print()
    _table(health.rows(), planted)


def _table(rows: list[tuple[str, ...]], planted: list[str]) -> None:
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for row in rows:
        mark = "* " if row[0] in planted else "  "
        print(mark + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())


def _word(value: object) -> str:
    return "|".join(value) if isinstance(value, tuple) else str(value)


def _document(f: Fault) -> dict[str, Any]:
    return {x.name: getattr(f, x.name) for x in fields(f) if x.name != "plan"}


def plant(name: str, server: str, port: str = "") -> None:
    """Plant a fault: one of the network on the server's first port that fits, or on the one that is named. Raises LabError
    when none fits."""
    from lab import health

    if name in health.load():
        from lab.health import command

        command.inject(name)
        return
    fault = named(name)
    if not server:
        raise LabError(f"{name} is planted on a server's port: say --server")
    target = choose(fault, targets(connect(CLOUD_B if OVN in fault.on else LAB), server), port)
    journal.inject(fault, target)
    print(f"{name} is planted on port {target.port} of {server}; undo it: lab/lab fault heal {name}")


def choose(fault: Fault, found: list[Target], port: str = "") -> Target:
    """The port that the fault goes to. Raises LabError when none fits."""
    fitting = [t for t in found if t.port.startswith(port) and t.kind in fault.on]
    if not fitting:
        kinds = ", ".join(f"{t.port[:11]} {t.kind}" for t in found)
        raise LabError(f"{fault.name} is for a port of the kind {' or '.join(fault.on)}; the server's ports: {kinds}")
    return min(fitting, key=lambda t: fault.on.index(t.kind))


def heal(name: str | None) -> None:
    """Undo what is planted."""
    healed = journal.heal(name)
    print(f"healed: {', '.join(healed)}" if healed else "nothing is planted")
