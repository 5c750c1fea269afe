"""What the lab's own services complained of while a test failed: the product's words alone don't tell what a cloud did."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from lab.site import STATE

__all__ = ["complaints", "pytest_runtest_makereport", "pytest_runtest_setup", "sizes"]

_LOUD = re.compile(r" (?:ERROR|CRITICAL) |[Aa]ssert|^\w+(?:\.\w+)*(?:Error|Exception|Timeout)\b")
# Of a trace the frames: whatever follows the name of the server is indented, or nothing.
_FRAME = re.compile(r"\](?: {2,}|\s*$)|\] Traceback ")
_LINES = 8
_WIDTH = 300
_SIZES = pytest.StashKey[Mapping[Path, int]]()


def sizes(folder: Path) -> dict[Path, int]:
    """The logs below a folder, and how long they are (bytes)."""
    return {f: f.stat().st_size for f in sorted(folder.rglob("*.log")) if f.is_file()}


def complaints(folder: Path, before: Mapping[Path, int]) -> str:
    """The loud lines that have come into the logs since `before`: the last of each log, each line once; "" for none."""
    told = []
    for file, size in sizes(folder).items():
        with file.open("rb") as f:
            # A log that is shorter than it was has been begun anew.
            f.seek(before.get(file, 0) if before.get(file, 0) <= size else 0)
            lines = f.read().decode(errors="replace").splitlines()
        loud = list(dict.fromkeys(line[:_WIDTH] for line in lines if _LOUD.search(line) and not _FRAME.search(line)))[
            -_LINES:
        ]
        told += [f"{file.relative_to(folder)}: {line}" for line in loud]
    return "\n".join(told)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_SIZES] = sizes(STATE / "log")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and _SIZES in item.stash and (text := complaints(STATE / "log", item.stash[_SIZES])):
        report.sections.append(("what the lab's services complained of", text))
    return report
