"""What the inspection said against what had to be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.health import Planting
from lab.health.ground import Ground


@dataclass(frozen=True)
class Judged:
    """One inspection of one planting. `said`: what the check found, in words; `seconds`: from command to answer."""

    planting: str
    check: str
    object: str
    severity: str
    said: str
    seconds: float
    found: bool


def judge(planting: Planting, ground: Ground, document: dict[str, Any], *, seconds: float) -> Judged:
    """Compare the JSON of one `inspect` with the planting: its check, under the right object, as grave as it should be."""
    wanted = planting.object.format(**ground.names())
    rows = [f for f in document.get("findings", []) if f["check"] == planting.check]
    hit = [f for f in rows if f["object"] == wanted and f["severity"] == planting.severity]
    unknown = [u for c in document.get("checks", []) if c["id"] == planting.check for u in c["unknown"]]
    said = "; ".join(f"{f['severity']} {f['object']}" for f in rows) or "; ".join(unknown) or "nothing"
    told = f"{hit[0]['severity']} {wanted}" if hit else said
    return Judged(planting.name, planting.check, wanted, planting.severity, told, seconds, bool(hit))


def table(rows: list[Judged]) -> str:
    """A line a planting, and how many were found."""
    head = ("", "planting", "finding", "object", "severity", "said", "s")
    body = [
        (
            "ok" if r.found else "MISSED",
            r.planting,
            r.check,
            r.object,
            r.severity,
            "" if r.found else r.said,
            f"{r.seconds:.1f}",
        )
        for r in rows
    ]
    widths = [max(len(x[i]) for x in [head, *body]) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(x, widths, strict=True)).rstrip() for x in [head, *body]]
    seconds = sorted(r.seconds for r in rows) or [0.0]
    found = sum(r.found for r in rows)
    total = f"{found} of {len(rows)} found, median {seconds[len(seconds) // 2]:.1f} s, slowest {seconds[-1]:.1f} s"
    return "\n".join([*lines, "", total])
