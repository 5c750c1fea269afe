"""Days left: the trend of what is used, with a band, against what there is. Pure; time in days."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from blue_wizard.text import _

__all__ = ["FEWEST", "Forecast", "Point", "Subject", "Trend", "daily", "days_until", "forecast", "subjects", "trend"]

FEWEST = 7
"""Days with a point that a trend needs. Fewer would be a guess with a number on it."""
_Z90 = 1.6448536269514722
_MOST = 400

Point = tuple[float, float]
"""A moment in days and a value."""


@dataclass(frozen=True)
class Trend:
    """Growth a day: as it is likely, and the two ends of a 90 % confidence interval."""

    slope: float
    low: float
    high: float


@dataclass(frozen=True)
class Subject:
    """What may run out: the statistic of what is used, and that of what there is (None: a share, whose end is 100)."""

    id: str
    title: Callable[[], str]
    used: str
    limit: str | None


def subjects() -> tuple[Subject, ...]:
    """All of them. Ceph's end is the safe space, not the raw one: beyond it a lost host can't be healed."""
    return (
        Subject("vcpus", lambda: _("VCPUs"), "hosts.vcpus.used", "hosts.vcpus.capacity"),
        Subject("pcpus", lambda: _("Dedicated CPUs"), "hosts.pcpus.used", "hosts.pcpus.capacity"),
        Subject("memory", lambda: _("Memory"), "hosts.memory.used", "hosts.memory.capacity"),
        Subject("disk", lambda: _("Disk of hosts"), "hosts.disk.used", "hosts.disk.capacity"),
        Subject("ceph", lambda: _("Ceph, safe space"), "ceph.raw_used", "ceph.safe"),
        Subject("ips", lambda: _("External IPv4 addresses"), "network.external_ips_used", "network.external_ips"),
        Subject("vlans", lambda: _("VLANs"), "network.vlans_percent", None),
    )


def daily(points: Iterable[Point]) -> list[Point]:
    """The last point of each day (UTC), the newest 400: a day with many runs must not weigh more than one with a single run."""
    last: dict[int, Point] = {}
    for point in sorted(points):
        last[math.floor(point[0])] = point
    return list(last.values())[-_MOST:]


def trend(points: Sequence[Point]) -> Trend | None:
    """Theil and Sen's slope: the median of the slopes between all pairs of points, which a few odd days do not bend (up to 29 %
    of them). None with fewer than `FEWEST` points.

    The band is Sen's (1968): of the N sorted slopes those at ranks (N - C) / 2 and (N + C) / 2, where
    C = z * sqrt(n (n - 1) (2 n + 5) / 18) is z times the standard deviation of Kendall's S, and z = 1.645 for 90 %.
    """
    n = len(points)
    if n < FEWEST:
        return None
    slopes = sorted(
        (points[j][1] - points[i][1]) / (points[j][0] - points[i][0])
        for i in range(n)
        for j in range(i + 1, n)
        if points[j][0] > points[i][0]
    )
    spread = _Z90 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, math.floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return Trend(statistics.median(slopes), slopes[low], slopes[high])


def days_until(used: float, limit: float, slope: float) -> float | None:
    """Days until the limit at that growth; 0 where it is passed already, None where it is never reached."""
    if used >= limit:
        return 0.0
    return (limit - used) / slope if slope > 0 else None


@dataclass(frozen=True)
class Forecast:
    """What is left of a subject. Days are None for "never at this growth", and for all three where there is no trend.

    `soonest` comes of the fast end of the band and is what to plan with, `latest` of the slow one. `order_in` are the days until
    an order must be placed (`soonest` less the time of delivery, 0 at the least). `points` is how many days the trend knows.
    """

    subject: Subject
    used: float
    limit: float
    points: int
    trend: Trend | None
    likely: float | None
    soonest: float | None
    latest: float | None
    order_in: float | None
    history: tuple[Point, ...] = ()

    @property
    def percent(self) -> float | None:
        """The share that is used today."""
        return 100 * self.used / self.limit if self.limit else None


def forecast(subject: Subject, history: Sequence[Point], limit: float, *, lead_days: float = 0.0) -> Forecast | None:
    """The forecast from a history of what was used, the newest point being today's. None without any point."""
    points = daily(history)
    if not points:
        return None
    used = points[-1][1]
    found = trend(points)
    if found is None:
        return Forecast(subject, used, limit, len(points), None, None, None, None, None, tuple(points))
    soonest = days_until(used, limit, found.high)
    return Forecast(
        subject,
        used,
        limit,
        len(points),
        found,
        days_until(used, limit, found.slope),
        soonest,
        days_until(used, limit, found.low),
        None if soonest is None else max(0.0, soonest - lead_days),
        tuple(points),
    )
