"""Which machines wait for their cut-over. Pure: judges a job's view."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blue_wizard.errors import InputError, Refused
from blue_wizard.migrate.warm.steps import CUT
from blue_wizard.text import _

__all__ = ["Waiting", "choose", "machines"]


@dataclass(frozen=True)
class Waiting:
    """A machine of a job. `asks`: it waits for the word. `seconds` is what is left then, `fits` whether that is allowed."""

    name: str
    job: str
    state: str
    asks: bool
    seconds: float | None
    fits: bool


def machines(view: Mapping[str, Any], match: str = "*") -> list[Waiting]:
    """The machines of a job that are copied warm and have not been cut over, and whose server's name matches."""
    found = []
    reports = {vm["name"]: vm for vm in (view["report"] or {}).get("vms", [])}
    for child in view["children"]:
        cut = next((s for s in child["steps"] if s["id"] == CUT and s["verb"] == "warm.cut"), None)
        if cut is None or cut["state"] != "pending" or not fnmatch.fnmatch(child["title"], match):
            continue
        warm = reports.get(child["title"], {}).get("warm") or {}
        gate = child.get("gate")
        estimate = warm.get("estimate") or {}
        found.append(
            Waiting(
                child["title"],
                child["job"],
                child["state"],
                bool(gate) and child["state"] == "waiting",
                estimate.get("seconds"),
                bool(warm.get("fits")),
            )
        )
    return found


def choose(found: Sequence[Waiting], *, anyway: bool) -> list[Waiting]:
    """Those that can be cut over now. Raises Refused when what is left of one is more than allowed, InputError for none."""
    asking = [m for m in found if m.asks]
    if not asking:
        raise InputError(_("No machine waits for its cut-over."), _("What they do: blue-wizard migrate status"))
    long = [m.name for m in asking if not m.fits]
    if long and not anyway:
        raise Refused(
            _("What is left takes longer than the downtime that is allowed: {names}.").format(names=", ".join(long)),
            _("Cut over with --anyway, or choose others with --match."),
        )
    return asking
