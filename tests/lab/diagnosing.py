"""A planted fault, diagnosed by the public command line, and judged; the matrix of all that was judged.

`BW_NETDIAG_TABLE` names a file for the table, `BW_NETDIAG_DOCUMENTS` a folder for what each diagnosis said.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.faults import Fault, journal
from lab.faults.target import Target
from lab.faults.verdicts import Judged, judge, table

from .conftest import Lab


@contextlib.contextmanager
def printed(request: pytest.FixtureRequest, head: str) -> Iterator[list[Judged]]:
    """Rows that are printed as a table in the end."""
    rows: list[Judged] = []
    yield rows
    text = table(rows)
    if file := os.environ.get("BW_NETDIAG_TABLE"):
        with Path(file).open("a") as out:
            out.write(text + "\n")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        print(f"\n{head}\n{text}")


def diagnose(lab: Lab, server: str, mode: str, to: str = "", port: str = "") -> tuple[dict[str, Any], float]:
    """The document of one diagnosis as a user gets it, and the seconds that it took from command to answer.

    `to`: an address and a protocol, "" for DHCP; `port`: by which port the guest is to send there.
    """
    began = time.monotonic()
    flags = ["--inject"] if mode == "inject" else []
    if to:
        address, protocol = to.split()
        flags += ["--to", address, "--protocol", protocol, "--port", port]
    done = lab.bw("diagnose", "network", server, *flags, "-o", "json", code=None, timeout=180)
    seconds = time.monotonic() - began
    assert done.returncode in (0, 1), f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    document: dict[str, Any] = json.loads(done.stdout)
    return document, seconds


def of(document: dict[str, Any], target: Target) -> dict[str, Any]:
    """What it says of the target's port."""
    return next(p for p in document["ports"] if p["port"] == target.port)


def healed() -> None:
    """Heal; a fault that only left something else than it found fails, once it is out."""
    try:
        journal.heal()
    finally:
        assert not journal.planted()


def judged(lab: Lab, fault: Fault, target: Target, modes: Sequence[str], matrix: list[Judged]) -> list[Judged]:
    """Plant a fault, diagnose it in each mode, heal it; the rows are added to the matrix, whatever happens."""
    rows = []
    journal.inject(fault, target)
    try:
        for mode in modes:
            document, seconds = diagnose(lab, target.server, mode, fault.to.format(**target.names()), target.port)
            rows.append(judge(fault, target, document, mode=mode, seconds=seconds))
            if folder := os.environ.get("BW_NETDIAG_DOCUMENTS"):
                (Path(folder) / f"{fault.name}.{mode}.json").write_text(json.dumps(document, indent=1))
    finally:
        matrix.extend(rows)
        healed()
    return rows
