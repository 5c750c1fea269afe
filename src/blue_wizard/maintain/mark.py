"""The disabled reason of a compute service as our mark: whose it is, and which job wrote it. Pure."""

from __future__ import annotations

import re

from blue_wizard.maintain.model import Reason

__all__ = ["job_of", "reason_text"]

_MARK = re.compile(r"^blue-wizard job=(\S+) reason=(\S+)$")


def reason_text(job: str, reason: Reason | str) -> str:
    """What is written as the reason."""
    return f"blue-wizard job={job} reason={Reason(reason).value}"


def job_of(reason: str) -> str:
    """The job that wrote a reason; "" when it is somebody else's."""
    found = _MARK.match(reason)
    return found[1] if found else ""
