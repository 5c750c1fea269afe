"""The copy of a disk from one NBD export to another. Stands on nbdcopy."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.reach.nbd import connect, die_with_parent, extents
from blue_wizard.text import _

__all__ = ["Copied", "allocated", "copy"]


@dataclass(frozen=True)
class Copied:
    """`moved` is the number of bytes that were read from the source, `seconds` the time it took."""

    moved: int
    seconds: float


def allocated(uri: str, size: int) -> int:
    """How many of the export's bytes hold data, by its block status."""
    handle = connect(uri)
    try:
        return sum(length for _offset, length, zero in extents(handle, size) if not zero)
    finally:
        handle.shutdown()


def copy(
    source: str,
    target: str,
    *,
    size: int,
    blank: bool,
    progress: Callable[[int, int], None],
    pause_point: Callable[[Callable[[bool], None]], None],
) -> Copied:
    """Copy the source's `size` bytes over the target's first ones.

    `blank` says that the target reads as zeroes everywhere, so that holes need not be written. `progress` is told
    (bytes done, bytes in all) of what holds data. Raises StepFailed with nbdcopy's own words; what `pause_point` raises
    ends the copy within a second, and while it does not return nothing is copied (see `Context.pause_point`).
    """
    moved = allocated(source, size)
    began = time.monotonic()
    argv = ["nbdcopy", "--flush", "--requests=64"]
    argv += ["--destination-is-zero"] if blank else []
    reader, writer = os.pipe()
    try:
        with tempfile.TemporaryFile() as words:
            try:
                child = subprocess.Popen(
                    [*argv, f"--progress={writer}", source, target],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=words,
                    pass_fds=(writer,),
                    preexec_fn=die_with_parent,
                )
            except FileNotFoundError as e:
                raise InputError(
                    _("nbdcopy is not installed."), _("Install the Debian package {name}.").format(name="libnbd-bin")
                ) from e
            os.close(writer)
            writer = -1
            os.set_blocking(reader, False)
            try:
                while child.poll() is None:
                    pause_point(lambda rests: child.send_signal(signal.SIGSTOP if rests else signal.SIGCONT))
                    share = _last_share(reader)
                    if share is not None:
                        progress(int(moved * share), moved)
                    time.sleep(0.1)
            finally:
                if child.poll() is None:
                    child.terminate()
                child.wait()
            if child.returncode != 0:
                words.seek(0)
                text = words.read().decode(errors="replace").strip()
                raise StepFailed(
                    _("The copy failed: {error}").format(error=text.splitlines()[-1] if text else child.returncode),
                    _("The target is not complete. Run it again once the cause is mended."),
                )
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    progress(moved, moved)
    return Copied(moved, time.monotonic() - began)


def _last_share(reader: int) -> float | None:
    """The newest share (0 to 1) that nbdcopy has written: lines of ``DONE/100``."""
    try:
        text = os.read(reader, 65536).decode(errors="replace")
    except BlockingIOError:
        return None
    lines = [line for line in text.splitlines() if "/" in line]
    if not lines:
        return None
    done, _slash, total = lines[-1].partition("/")
    return int(done) / int(total) if done.isdigit() and total.isdigit() and int(total) else None
