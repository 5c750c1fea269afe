"""One run of `blue-wizard stats`: look, work out, keep, forecast."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from blue_wizard.stats import forecast as trends
from blue_wizard.stats.collect import OSD_DF, Memory, Snapshot, collect
from blue_wizard.stats.history import History
from blue_wizard.stats.model import Problem, Report, Value, evaluate, topics
from blue_wizard.stats.platform import DAY_S, Platform
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.config import CephAccess
    from blue_wizard.reach.openstack import Cloud

__all__ = ["forecasts", "look", "needs", "report"]


def needs(wanted: Iterable[str]) -> list[str]:
    """The listings that the topics need."""
    known = topics()
    return list(dict.fromkeys(name for topic in wanted for name in known[topic].needs))


def look(
    cloud: Cloud,
    ceph: CephAccess | None,
    listings: Sequence[str],
    *,
    deadline_s: float,
    history: History | None,
    progress: Callable[[int, Sequence[str]], None] | None = None,
) -> Snapshot:
    """Read the listings; markers and inventories are taken from the history and given back to it."""
    memory = history.memory(cloud.name) if history else Memory()
    found = collect(cloud, ceph, listings, deadline_s=deadline_s, memory=memory, progress=progress)
    if history:
        history.remember(cloud.name, memory)
    return found


def report(
    snapshot: Snapshot, wanted: Sequence[str], history: History | None = None, *, compare_days: float | None = None
) -> Report:
    """Everything about the wanted topics (none: all). What is known goes into the history.

    With `compare_days` each number stands beside what it was so many days ago: the newest one that is at least as old.
    """
    platform = Platform(snapshot)
    values, sheets = evaluate(platform, wanted)
    since = None if compare_days is None else snapshot.moment - compare_days * DAY_S
    if history and since is not None:
        then = {id_: value for id_, (_moment, value) in history.before(snapshot.cloud, since).items()}
        values = tuple(replace(v, before=then.get(v.statistic.id)) for v in values)
    if history:
        kept = {
            v.statistic.id: float(v.number)
            for v in values
            if v.statistic.kept and v.number is not None and not v.unknown
        }
        history.keep(snapshot.cloud, snapshot.moment, kept)
    return Report(
        snapshot.cloud,
        snapshot.moment,
        snapshot.took_s,
        snapshot.calls,
        values,
        sheets,
        tuple(p for p in problems(snapshot) if p.what != OSD_DF or any(v.unknown == OSD_DF for v in values)),
        tuple(_notes(platform)),
        tuple(forecasts(values, snapshot, history)) if history else (),
        snapshot.asked_s,
        since,
        {id_: topic.title() for id_, topic in topics().items() if not wanted or id_ in wanted},
    )


def problems(snapshot: Snapshot) -> tuple[Problem, ...]:
    """What could not be read, by name."""
    return tuple(Problem(name, why) for name, why in sorted(snapshot.problems.items()))


def _notes(platform: Platform) -> Iterable[str]:
    rows = platform.snapshot.rows
    if "servers" in rows and platform.unsized:
        yield _("The sizes of {count} servers are not known (their cell does not answer, or their flavor is gone); no sum "
                "holds them.").format(count=len(platform.unsized))  # fmt: skip
    if "providers" in rows:
        unread = sum(p["inventories"] is None for p in rows["providers"])
        if unread:
            yield _("The inventories of {count} resource providers will be read in the next runs; until then Nova's sizes "
                    "stand for their max_unit.").format(count=unread)  # fmt: skip
    if denied := rows.get("ceph", {}).get("denied"):
        yield _(
            "Ceph's manager does not answer client.{client}: how full single OSDs are is not known, and sizes are those of "
            "CRUSH weights. It would need the caps: mgr 'allow r'"
        ).format(client=denied)
    if "providers" in rows and "hypervisors" in rows and "compute_services" in rows and platform.disk_is_shared:
        yield _("The disk of the hosts is one pool of Ceph, and counts once.")


def forecasts(
    values: Iterable[Value], snapshot: Snapshot, history: History, *, window_days: float = 90.0, lead_days: float = 30.0
) -> list[trends.Forecast]:
    """The forecast of each subject whose use and limit are among the values and known."""
    known = {v.statistic.id: float(v.number) for v in values if v.number is not None}
    found = []
    for subject in trends.subjects():
        limit = 100.0 if subject.limit is None else known.get(subject.limit)
        if not limit or subject.used not in known:
            continue
        points = history.points(snapshot.cloud, subject.used, snapshot.moment - window_days * DAY_S)
        made = trends.forecast(subject, points, limit, lead_days=lead_days)
        if made is not None:
            found.append(made)
    return found
