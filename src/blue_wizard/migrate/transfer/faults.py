"""Errors of reading and writing, told apart: each with its message and what to do next."""

from __future__ import annotations

import errno
import os

from blue_wizard.errors import StepFailed
from blue_wizard.text import _

__all__ = ["changed", "hangs", "source_fault", "target_fault", "truncated"]

_SERVER_GONE = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN, errno.ECONNREFUSED}
_VANISHED = {errno.ENOENT, errno.ENODEV, errno.ENXIO}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT}


def _words(error: OSError) -> str:
    return error.strerror or (os.strerror(error.errno) if error.errno else str(error))


def source_fault(name: str, error: OSError, offset: int = 0) -> StepFailed:
    """What became of a source that could not be read at `offset`."""
    if error.errno in _SERVER_GONE:
        return StepFailed(
            _("The NBD server of {name} is gone.").format(name=name), _("Look why it ended, and run the job again.")
        )
    if error.errno in _FORBIDDEN:
        return StepFailed(
            _("There is no permission to read {name}.").format(name=name),
            _("Give it to the user that the worker runs as."),
        )
    if error.errno in _VANISHED:
        return StepFailed(_("{name} has vanished.").format(name=name), _("Bring it back, and run the job again."))
    return StepFailed(
        _("{name} can't be read at byte {offset}: {error}").format(name=name, offset=offset, error=_words(error)),
        _("Look at the disk that it lies on."),
    )


def truncated(name: str, end: int, size: int) -> StepFailed:
    """A source that is shorter than it should be."""
    return StepFailed(
        _("{name} is cut off: it ends at byte {end} of {size}.").format(name=name, end=end, size=size),
        _("Compare its size and hash with the original, and copy it again."),
    )


def changed(name: str) -> StepFailed:
    """A source that something writes to."""
    return StepFailed(
        _("{name} changed while it was copied.").format(name=name),
        _("Stop whatever writes to it, and run the job again."),
    )


def target_fault(name: str, error: OSError) -> StepFailed:
    """What became of a target that could not be written or read back."""
    if error.errno in _FULL:
        return StepFailed(
            _("{name} is full: {error}").format(name=name, error=_words(error)),
            _("Make room or raise the quota of the pool, and run the job again."),
        )
    if error.errno in _FORBIDDEN:
        return StepFailed(
            _("There is no permission to write {name}.").format(name=name),
            _("Look at the capabilities of the Ceph user, or the mode of the file."),
        )
    if error.errno == errno.ETIMEDOUT:
        return hangs(name, 0)
    if error.errno == errno.ESHUTDOWN:
        return StepFailed(
            _("{name} was taken away from this worker (its client is on Ceph's blocklist).").format(name=name),
            _("Did another worker carry on with the job? See: ceph osd blocklist ls"),
        )
    return StepFailed(
        _("{name} can't be written: {error}").format(name=name, error=_words(error)),
        _("The target is not complete. Run it again once the cause is mended."),
    )


def hangs(name: str, seconds: float) -> StepFailed:
    """A source or target that does not answer; 0 seconds when the time-out is the cluster's own."""
    return StepFailed(
        _("{name} has not answered for {seconds:.0f} s.").format(name=name, seconds=seconds)
        if seconds
        else _("{name} does not answer in time.").format(name=name),
        _("Is the cluster healthy and the way to it open? See: ceph -s"),
    )
