"""Injecting and healing.

What will be done is written down, with its undoing and the dumps from before, before the first thing is done.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.faults import Change, Fault
from lab.faults.dumps import differences, dumps
from lab.faults.places import run as _run
from lab.faults.places import until as _until
from lab.faults.target import Target
from lab.run import LabError
from lab.site import STATE

FOLDER = STATE / "faults"
NETWORK = "lab.faults.dumps"
_COMES_THROUGH = 90.0
_COMES_BACK = 120.0
_PAUSE = 1.0


def planted() -> list[str]:
    """The faults that are in, or half in; the newest first."""
    files = FOLDER.glob("*.json") if FOLDER.is_dir() else ()
    return [p.stem for p in sorted(files, key=lambda p: p.stat().st_mtime, reverse=True)]


@contextmanager
def _alone() -> Iterator[None]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def inject(fault: Fault, target: Target) -> None:
    """Plant a network fault on a port.

    Raises LabError when something is planted already, when the port is of a wrong kind, or when a change fails; what was
    done is undone then.
    """
    if target.kind not in fault.on:
        raise LabError(f"{fault.name} is for a port of the kind {' or '.join(fault.on)}, and this one is {target.kind}")
    plant(
        fault.name,
        lambda: fault.plan(target),
        {"server": target.server, "port": target.port},
        restores=fault.restores,
    )


def plant(
    name: str, plan: Callable[[], list[Change]], about: dict[str, str], *, restores: str, look: str = NETWORK
) -> None:
    """Do what `plan` gives, once it is written down. `look` names the module whose `dumps` show what may have changed.

    Raises LabError when something is planted already, or when a change fails; what was done is undone then.
    """
    with _alone():
        if planted():
            raise LabError(f"{', '.join(planted())} is planted: lab/lab fault heal")
        changes = plan()
        record = {
            "fault": name,
            **about,
            "restores": restores,
            "look": look,
            "changes": [asdict(c) for c in changes],
            "before": _before(look, restores),
        }
        _write(FOLDER / f"{name}.json", record)
        try:
            for change in changes:
                _run(change.place, change.do)
                if change.settled:
                    _until(change.settle_on or change.place, change.settled, _COMES_THROUGH)
        except LabError as e:
            _heal(name)
            raise LabError(f"{name} could not be planted: {e}") from e


def _look(module: str) -> dict[str, str]:
    found: dict[str, str] = dumps() if module == NETWORK else importlib.import_module(module).dumps()
    return found


def heal(name: str | None = None) -> list[str]:
    """Undo one planted fault, or all, the newest first; what was healed.

    Raises LabError for what could not be undone, or is not as it was before.
    """
    healed = []
    with _alone():
        for each in [name] if name else planted():
            if not (FOLDER / f"{each}.json").exists():
                raise LabError(f"{each} is not planted; planted: {', '.join(planted()) or 'nothing'}")
            _heal(each)
            healed.append(each)
    return healed


def _heal(name: str) -> None:
    file = FOLDER / f"{name}.json"
    record = json.loads(file.read_text())
    changes = [Change(**c) for c in record["changes"]]
    failures = []
    for change in reversed(changes):
        try:
            _run(change.place, change.undo)
        except LabError as e:
            # The others are undone all the same.
            failures.append(str(e))
    if failures:
        raise LabError(f"{name} is not healed, and stays written down in {file}:\n  " + "\n  ".join(failures))
    for change in changes:
        if change.healed:
            _until(change.settle_on or change.place, change.healed, _COMES_BACK)
    if record["before"]:
        _as_before(name, record["before"], record["look"], exact=record["restores"] == "exact")
    elif changes:
        _at_rest(3 * _PAUSE, exact=True)
    file.unlink()


def _as_before(name: str, before: dict[str, str], look: str, *, exact: bool) -> None:
    # Agents and the switch put the last things right by themselves, a moment later.
    end = time.monotonic() + (30.0 if exact else _COMES_BACK)
    while found := differences(before, _look(look), exact=exact):
        if time.monotonic() > end:
            # Undone it is; a second healing could do nothing more.
            (FOLDER / f"{name}.json").unlink()
            raise LabError(f"{name} is undone, but not all is as before:\n  " + "\n  ".join(found[:40]))
        time.sleep(1)


def _before(look: str, restores: str) -> dict[str, str]:
    if restores == "function":
        return {}
    return _at_rest(_PAUSE, exact=restores == "exact") if look == NETWORK else _look(look)


def _at_rest(pause: float, *, exact: bool) -> dict[str, str]:
    """The network's dumps once they are the same as `pause` seconds before.

    An agent that wires a port takes its rules away before it puts them in again, and makes what is gone anew.
    """
    end = time.monotonic() + _COMES_BACK
    last = dumps()
    while time.monotonic() < end:
        time.sleep(pause)
        now = dumps()
        if not differences(last, now, exact=exact):
            break
        last = now
    return last


def _write(file: Path, record: dict[str, Any]) -> None:
    part = file.with_suffix(".part")
    with part.open("w") as out:
        json.dump(record, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    part.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
