"""Operations that recur: at the times of a schedule a worker makes the plan anew and submits it as a job.

The job and the mark that its time is dealt with are written in one transaction, so however many workers look, and wherever one
is killed, each time is run once or not at all. A schedule whose previous job has not ended skips its time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from blue_wizard.errors import BlueWizardError, InputError
from blue_wizard.jobs import actions
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State
from blue_wizard.jobs.submission import write_down
from blue_wizard.text import _

__all__ = ["Scheduler", "check", "latest", "plan_of", "run_due", "upcoming"]

_EVERY_S = 2.0
_GRACE_S = 60.0
_AT_ONCE = 4
_log = logging.getLogger(__name__)


def check(cron: str, timezone: str) -> None:
    """Raise InputError unless the expression has five fields and a time that comes, and the zone exists."""
    from croniter import croniter

    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as e:
        raise InputError(
            _("There is no time zone {zone}.").format(zone=timezone), _("Say for example Asia/Shanghai or UTC.")
        ) from e
    right = len(cron.split()) == 5 and croniter.is_valid(cron)
    if not right or upcoming(cron, timezone, time.time()) is None:
        raise InputError(
            _("{cron!r} is no cron expression.").format(cron=cron),
            _('Say minute, hour, day of the month, month and day of the week: "0 3 * * mon".'),
        )


def latest(cron: str, timezone: str, now: float) -> float | None:
    """The newest time at or before `now` (epoch seconds); None when there is none (pure)."""
    from croniter import CroniterBadDateError, croniter

    # The time before a moment leaves that moment out.
    moment = datetime.fromtimestamp(int(now) + 1, ZoneInfo(timezone))
    try:
        return float(croniter(cron, moment).get_prev(datetime).timestamp())
    except CroniterBadDateError:
        return None


def upcoming(cron: str, timezone: str, now: float) -> float | None:
    """The first time after `now` (epoch seconds); None when there is none (pure)."""
    from croniter import CroniterBadDateError, croniter

    try:
        found = croniter(cron, datetime.fromtimestamp(now, ZoneInfo(timezone))).get_next(datetime)
    except CroniterBadDateError:
        return None
    return float(found.timestamp())


def plan_of(row: Mapping[str, Any]) -> Plan:
    """The plan of a schedule as the world is now. Raises InputError when nothing plans its operation, and what that raises."""
    return actions.plan_anew(row["operation"], row["params"])


def run_due(ledger: Ledger, row: Mapping[str, Any], due: float, *, now: float, who: str = "", origin: str = "") -> str:
    """Run a schedule for one of its times, or write down why not; the id of the job, "" without one.

    Whoever added it has approved it, unless `who` runs it by hand.
    """
    name = row["name"]
    if not who and not row["catch_up"] and now - due > _GRACE_S:
        ledger.note_due(name, due, _("missed: no worker was there"))
        return ""
    before = next((d["job"] for d in ledger.dues(name) if d["job"]), "")
    if before and not State(ledger.job(before)["state"]).ended:
        ledger.note_due(name, due, _("job {job} has not ended").format(job=before))
        return ""
    try:
        place = _("{origin}, by schedule {name}").format(origin=origin or row["origin"], name=name)
        return write_down(ledger, plan_of(row), approval=(who or row["who"], place), due=(name, due)) or ""
    except BlueWizardError as e:
        ledger.note_due(name, due, f"{e.message} {e.hint}".strip())
    except Exception as e:
        _log.exception("schedule %s could not be planned", name)
        ledger.note_due(name, due, f"{type(e).__name__}: {e}")
    return ""


class Scheduler:
    """Looks for what is due, while `mine()` says that it is our turn (a second one would only plan in vain)."""

    def __init__(self, ledger: Ledger, *, mine: Callable[[], bool], now: Callable[[], float] = time.time) -> None:
        self._ledger, self._mine, self._now = ledger, mine, now
        self._pending: dict[str, Future[str]] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="schedule")
        self._end = threading.Event()

    def start(self) -> None:
        """Look from now on, in a thread."""
        threading.Thread(target=self._run, daemon=True, name="schedules").start()

    def stop(self) -> None:
        """Look no more."""
        self._end.set()

    def _run(self) -> None:
        while not self._end.wait(_EVERY_S):
            try:
                if self._mine():
                    self.look()
            except Exception:
                _log.exception("schedules were not looked at")

    def look(self) -> None:
        """Begin what is due. Of several times that were missed only the newest is looked at."""
        for row in self._ledger.schedules():
            before = self._pending.get(row["name"])
            if row["paused"] or (before is not None and not before.done()):
                continue
            now = self._now()
            due = latest(row["cron"], row["timezone"], now)
            if due is not None and due > row["since"] and not self._ledger.was_due(row["name"], due):
                self._pending[row["name"]] = self._pool.submit(run_due, self._ledger, row, due, now=now)
