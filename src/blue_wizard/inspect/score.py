"""One number for the whole, that can't lie: it starts at 100, and every deduction is capped.

A score must not fall to nothing because one fault has a thousand witnesses, nor rise because a thousand healthy things stand
beside one that is
dead. So a check deducts by its severity and by the logarithm of how many objects it found, up to a cap; a family of checks
has a cap for
warnings together. Infos, waived findings and those that another finding explains deduct nothing. What could not be looked at
lowers
`coverage` instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from blue_wizard.inspect.model import Severity

__all__ = ["coverage", "score"]

BASE = {Severity.CRITICAL: 20.0, Severity.WARNING: 1.0, Severity.INFO: 0.0}
CAP = {Severity.CRITICAL: 40.0, Severity.WARNING: 3.0, Severity.INFO: 0.0}
FAMILY_CAP = 6.0
"""What the warnings of one family (nova, ceph ...) deduct at most."""


def score(counts: Mapping[tuple[str, Severity], int]) -> float:
    """0 to 100, to one digit. `counts`: how many findings count, by check id and severity."""
    critical = 0.0
    families: dict[str, float] = {}
    for (check, severity), count in counts.items():
        if count <= 0:
            continue
        deducted = min(CAP[severity], BASE[severity] * (1 + math.log10(count)))
        if severity is Severity.CRITICAL:
            critical += deducted
        else:
            family = check.partition(".")[0]
            families[family] = families.get(family, 0.0) + deducted
    total = critical + sum(min(FAMILY_CAP, one) for one in families.values())
    return round(max(0.0, 100.0 - total), 1)


def coverage(shares: Iterable[float]) -> float:
    """How much of what should have been looked at was looked at: 0 to 100 %, to one digit. 0 where nothing was."""
    known = list(shares)
    return round(100 * sum(known) / len(known), 1) if known else 0.0
