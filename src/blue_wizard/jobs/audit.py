"""The ledger as evidence: every event is sealed together with the seal before it, so a later change shows.

A seal proves that nothing between two of them was changed, removed or slipped in. Whoever can write the database can
also seal everything anew; against that, keep the newest seal somewhere else and have it looked for (`known`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from blue_wizard.jobs.model import Plan
from blue_wizard.text import _

__all__ = ["FIRST", "Verdict", "check_chain", "check_plans", "seal"]

FIRST = "0" * 64
"""What the first event is sealed with."""

_SEALED = ("seq", "job", "step", "time", "kind", "message", "data")


@dataclass(frozen=True)
class Verdict:
    """`events` are sealed ones, `older` those written before there were seals; `head` is the newest seal."""

    events: int
    older: int
    head: str
    faults: tuple[str, ...]


def seal(previous: str, event: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the seal before and every field of an event as it is stored (`data` is JSON text)."""
    text = json.dumps([event[name] for name in _SEALED], separators=(",", ":"))
    return hashlib.sha256(f"{previous}{text}".encode()).hexdigest()


def check_chain(rows: Iterable[Mapping[str, Any]], *, head: str, known: str = "") -> Verdict:
    """Seal all events again and compare.

    `rows` are events in order, each with its `seal` (None: it has none); `head` is what the ledger takes for the newest seal;
    `known` one that was noted elsewhere.
    """
    events = older = 0
    previous, found, faults = FIRST, not known, []
    for row in rows:
        if row["seal"] is None:
            if events:
                faults.append(_("event {seq} of job {job} has no seal").format(seq=row["seq"], job=row["job"]))
            else:
                older += 1
            continue
        events += 1
        if seal(previous, row) != row["seal"]:
            faults.append(
                _("event {seq} of job {job}, or the one before it, is not what was written").format(
                    seq=row["seq"], job=row["job"]
                )
            )
        previous = row["seal"]
        found = found or previous == known
    if previous != head:
        faults.append(_("events are missing at the end"))
    if not found:
        faults.append(_("no event has the seal {seal}").format(seal=known))
    return Verdict(events, older, previous, tuple(faults))


def check_plans(rows: Iterable[Mapping[str, Any]], sealed: Mapping[str, str]) -> tuple[str, ...]:
    """The jobs whose plan is not the one of their digest; `sealed` are the digests in sealed events, by job."""
    faults = []
    for row in rows:
        digest = Plan.from_json(json.loads(row["plan"])).digest
        if digest != row["digest"] or sealed.get(row["id"], digest) != digest:
            faults.append(_("the plan of job {job} is not the one that was written").format(job=row["id"]))
    return tuple(faults)
