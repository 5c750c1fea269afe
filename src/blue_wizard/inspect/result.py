"""The whole of an inspection, as every report tells it: findings with their past, score, coverage, what could not be looked
at."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from blue_wizard.inspect.history import Gone, History, Key, Past, Waiver
from blue_wizard.inspect.model import Check, Finding, Severity
from blue_wizard.inspect.runner import Outcome, Run
from blue_wizard.inspect.score import coverage, score
from blue_wizard.inspect.suppress import explained
from blue_wizard.text import translated

__all__ = ["Inspection", "Row", "assemble"]


@dataclass(frozen=True)
class Row:
    """A finding in a report. `because`: the check whose finding explains it, "" for none."""

    check: Check
    finding: Finding
    severity: Severity
    first_seen: float = 0.0
    new: bool = False
    flapping: bool = False
    waiver: Waiver | None = None
    because: str = ""

    @property
    def counts(self) -> bool:
        """Whether it lowers the score and moves the exit code."""
        return self.waiver is None and not self.because

    @property
    def key(self) -> Key:
        """What it is known by."""
        return (self.check.id, self.finding.object, self.finding.host)

    @property
    def remedy(self) -> str:
        """What to do, in the language in force."""
        return translated(self.finding.remedy or self.check.remedy).format_map(_Lenient(self.finding.values))

    def data(self) -> dict[str, Any]:
        """As JSON data (the contract of ``blue-wizard inspect -o json``)."""
        return {
            "check": self.check.id,
            "severity": self.severity.value,
            "object": self.finding.object,
            "host": self.finding.host or None,
            "message": self.finding.message,
            "evidence": list(self.finding.evidence),
            "remedy": self.remedy,
            "runbook": self.check.runbook,
            "first_seen": _stamp(self.first_seen),
            "new": self.new,
            "flapping": self.flapping,
            "waived": None if self.waiver is None else {"id": self.waiver.id, "reason": self.waiver.reason,
                                                        "until": _stamp(self.waiver.until)},
            "because": self.because or None,
        }  # fmt: skip


class _Lenient(dict[str, object]):
    """A value that a finding does not have stays a placeholder for the person who reads."""

    def __missing__(self, key: str) -> str:
        return key.upper()


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@dataclass(frozen=True)
class Inspection:
    """Everything that a report tells. `trend`: when the last inspections of the same profile began, and their scores,
    this one last."""

    cloud: str
    profile: str
    started: float
    took_s: float
    score: float
    coverage: float
    rows: tuple[Row, ...]
    outcomes: tuple[Outcome, ...]
    gone: tuple[Gone, ...] = ()
    trend: tuple[tuple[float, float], ...] = ()

    def counted(self) -> dict[Severity, int]:
        """How many findings count, by severity."""
        found = Counter(r.severity for r in self.rows if r.counts)
        return {s: found.get(s, 0) for s in Severity}

    def worst(self) -> Severity | None:
        """The gravest finding that counts."""
        return min((r.severity for r in self.rows if r.counts), key=lambda s: s.rank, default=None)

    @property
    def change(self) -> float | None:
        """How much the score has changed since the last inspection of the same profile; None for the first one."""
        return round(self.score - self.trend[-2][1], 1) if len(self.trend) > 1 else None

    def statuses(self) -> dict[str, int]:
        """How many checks ended how."""
        found = Counter(o.status.value for o in self.outcomes)
        return {s: found.get(s, 0) for s in ("pass", "fail", "unknown", "skipped")}

    def data(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "schema": 1,
            "cloud": self.cloud,
            "profile": self.profile,
            "score": self.score,
            "change": self.change,
            "coverage": self.coverage,
            "started": _stamp(self.started),
            "took_s": round(self.took_s, 2),
            "counts": {s.value: n for s, n in self.counted().items()},
            "findings": [r.data() for r in self.rows],
            "checks": [
                {
                    "id": o.check.id,
                    "status": o.status.value,
                    "took_s": round(o.took_s, 4),
                    "known": round(o.known, 3),
                    "unknown": list(o.unknown),
                }
                for o in self.outcomes
            ],
            "resolved": [
                {"check": g.check, "object": g.object, "host": g.host or None, "severity": g.severity,
                 "message": g.message, "first_seen": _stamp(g.began)}
                for g in self.gone
            ],
        }  # fmt: skip


def assemble(run: Run, *, cloud: str, profile: str, history: History | None) -> Inspection:
    """Judge a run: what explains what, what is waived, what is new; and write it down in the history."""
    found = [(o.check, f) for o in run.outcomes for f in o.findings]
    causes = explained(found)
    waivers = history.waivers(run.started) if history else []
    rows: list[Row] = []
    for check, finding in found:
        key = (check.id, finding.object, finding.host)
        waiver = next((w for w in waivers if w.covers(key)), None)
        severity = finding.severity or check.severity
        rows.append(Row(check, finding, severity, run.started, waiver=waiver, because=causes.get(key, "")))
    number = score(Counter((r.check.id, r.severity) for r in rows if r.counts))
    share = coverage(o.known for o in run.outcomes if o.status.value != "skipped")
    past: dict[Key, Past] = {}
    gone: Sequence[Gone] = ()
    trend: tuple[tuple[float, float], ...] = ()
    if history is not None:
        past, gone = history.record(
            cloud,
            profile,
            started=run.started,
            took_s=run.took_s,
            score=number,
            coverage=share,
            looked=[o.check.id for o in run.outcomes if o.known == 1.0],
            findings=[(r.key, r.severity.value, r.finding.message) for r in rows],
        )
        trend = tuple((at, s) for at, p, s, _coverage in reversed(history.runs(cloud)) if p == profile)
    told = [_with_past(r, past.get(r.key)) for r in rows]
    told.sort(key=lambda r: (not r.counts, r.severity.rank, r.check.id, r.finding.host, r.finding.object))
    return Inspection(
        cloud, profile, run.started, run.took_s, number, share, tuple(told), run.outcomes, tuple(gone), trend
    )


def _with_past(row: Row, past: Past | None) -> Row:
    return replace(row, first_seen=past.first_seen, new=past.new, flapping=past.flapping) if past else row
