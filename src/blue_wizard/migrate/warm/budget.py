"""How long a cut-over would take now, judged by the rounds that were made. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Check", "Estimate", "Round", "estimate"]

Check = Literal["whole", "changed"]
"""What is compared with the source at the cut-over: the whole of each disk, or what the last round has moved."""

_ENOUGH = 1 << 20  # bytes: less than this is no measure of a rate
_LEAST_S = 0.001


@dataclass(frozen=True)
class Round:
    """One round over all disks of a machine.

    `at` is when its point was made (seconds of the epoch), `seconds` how long all of it took from then on. `moved` bytes were
    copied in `copy_s`; a comparison of whole disks took `compare_s`. `kind` is "full", "changes" (they were told by the
    source) or "compare" (of at least one disk they could not be told).
    """

    kind: str
    at: float
    seconds: float
    moved: int
    copy_s: float
    compare_s: float = 0.0
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The round as plain data."""
        return {**asdict(self), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Round:
        """What `as_json` gave."""
        return cls(**{**data, "notes": tuple(data["notes"])})


@dataclass(frozen=True)
class Estimate:
    """What a cut-over would cost now: `pending` bytes at `rate`, a check of `check_s`, and `seconds` in all.

    The guest's own shutdown and start come on top: they are not known before. `floor_s` is what no further round can save.
    """

    pending: int
    rate: float
    dirty_rate: float
    check_s: float
    floor_s: float
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The estimate as plain data."""
        return {name: round(value, 1) for name, value in asdict(self).items()}


def estimate(rounds: Sequence[Round], check: Check) -> Estimate | None:
    """What the rounds tell; None before the second one, when nothing is known of how fast the guest writes."""
    if len(rounds) < 2:
        return None
    last, before = rounds[-1], rounds[-2]
    dirty = last.moved / max(_LEAST_S, last.at - before.at)
    measured = [r for r in rounds if r.moved >= _ENOUGH] or list(rounds)
    rate = measured[-1].moved / max(_LEAST_S, measured[-1].copy_s)
    # What the guest wrote while the last round ran is what would have to be moved now.
    pending = dirty * last.seconds
    move_s = pending / rate if rate else 0.0
    around_s = max(0.0, last.seconds - last.copy_s - last.compare_s)
    # A round that has to compare has checked by that; what is read back otherwise is what was moved.
    compare_s = (
        max(r.compare_s for r in rounds) if check == "whole" else last.compare_s if last.kind == "compare" else 0.0
    )
    check_s = compare_s if check == "whole" or last.kind == "compare" else move_s
    return Estimate(round(pending), rate, dirty, check_s, around_s + compare_s, around_s + move_s + check_s)
