"""One look at the whole platform: bulk listings, Placement, Ceph, side by side under a deadline. What fails is told, not hidden."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.reach.openstack import ApiError
from blue_wizard.reach.together import together
from blue_wizard.stats import placement
from blue_wizard.stats.listings import LISTINGS, Listing
from blue_wizard.stats.paging import Gone, Row, walk
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.config import CephAccess
    from blue_wizard.reach.openstack import Cloud

__all__ = ["IN_FLIGHT", "OSD_DF", "Asker", "Memory", "Snapshot", "collect"]

IN_FLIGHT = 5
"""Requests to one service at once. kolla-ansible starts five workers of an API on a controller: more would only queue there."""
OSD_DF = "ceph: osd df"
"""The name of the one answer of Ceph that a client may have no right to; without it sizes are estimated, and no use is known."""
_BUSY = {429, 503}
_PATIENCE_S = (1.0, 2.0, 4.0)
_AT_ONCE_S = 5.0


@dataclass
class Snapshot:
    """What was read: rows by the name of the listing, and what could not be read, by the same names.

    It is plain JSON data. `moment` is in epoch seconds, `took_s` in seconds, `calls` are requests to APIs.
    """

    cloud: str
    moment: float
    rows: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    calls: int = 0
    took_s: float = 0.0
    asked_s: dict[str, float] = field(default_factory=dict)


@dataclass
class Memory:
    """What an earlier run found that makes this one faster; the new findings are put in its place.

    `markers`: where the pages of a listing began. `inventories`: those of a resource provider, by its uuid.
    """

    markers: dict[str, list[str]] = field(default_factory=dict)
    inventories: dict[str, dict[str, Any]] = field(default_factory=dict)


class Asker:
    """Asks a cloud's services, at most `IN_FLIGHT` requests to each at once, none after the deadline.

    `deadline` is a moment of the monotonic clock.
    """

    def __init__(self, cloud: Cloud, deadline: float) -> None:
        self._cloud = cloud
        self._deadline = deadline
        self._gates: dict[str, threading.Semaphore] = {}
        self._lock = threading.Lock()
        self.calls = 0

    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - time.monotonic()

    def _gate(self, service: str) -> threading.Semaphore:
        with self._lock:
            return self._gates.setdefault(service, threading.Semaphore(IN_FLIGHT))

    def get(self, service: str, path: str, at_most: str | None = None, *, missing_ok: bool = False) -> Any:
        """GET with the newest microversion that both sides know. A service that is busy is asked again, three times; one that
        breaks a connection, once, unless it took long to: it would take as long again.

        Raises ApiError, StepFailed.
        """
        version = self._cloud.microversion(service, at_most) if at_most else None
        for pause in (*_PATIENCE_S, None):
            with self._lock:
                self.calls += 1
            began = time.monotonic()
            try:
                with self._gate(service):
                    return self._cloud.get(
                        service, path, missing_ok=missing_ok, microversion=version, timeout_s=max(1.0, self.left_s())
                    )
            except ApiError as e:
                if e.status not in _BUSY or pause is None or self.left_s() < pause:
                    raise
            except StepFailed:
                if pause != _PATIENCE_S[0] or time.monotonic() - began > _AT_ONCE_S:
                    raise
            time.sleep(pause)
        raise AssertionError("unreachable")

    def side(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of the calls, side by side. Raises the first error."""
        return [calls[0]()] if len(calls) == 1 else list(together(calls))


def collect(
    cloud: Cloud,
    ceph: CephAccess | None,
    wanted: Iterable[str],
    *,
    deadline_s: float,
    memory: Memory | None = None,
    progress: Callable[[int, Sequence[str]], None] | None = None,
) -> Snapshot:
    """Read the wanted listings (names of `LISTINGS`, and ``providers``, ``ceph``), all at once.

    What refuses, fails or has not answered at the deadline is a problem of the snapshot; half a listing counts as none, for
    a sum that silently lacks a part is worse than no sum. `progress` is told now and then how many have ended, and which are
    still waited for.
    """
    began = time.monotonic()
    asker = Asker(cloud, began + deadline_s)
    memory = memory or Memory()
    made = Snapshot(cloud.name, time.time())
    tasks: dict[str, Callable[[], Any]] = {}
    for name in dict.fromkeys(wanted):
        if name == "providers":
            tasks[name] = lambda: placement.read(asker, memory.inventories)
        elif name == "ceph":
            if ceph is not None:
                tasks[name] = partial(_ceph, ceph)
        else:
            tasks[name] = partial(_listing, asker, LISTINGS[name], memory)
    _run(tasks, made, asker, progress)
    if failed := made.rows.get("ceph", {}).get("failed"):
        made.problems[OSD_DF] = failed
    made.calls = asker.calls
    made.took_s = time.monotonic() - began
    return made


def _run(
    tasks: Mapping[str, Callable[[], Any]],
    made: Snapshot,
    asker: Asker,
    progress: Callable[[int, Sequence[str]], None] | None,
) -> None:
    ended: dict[str, threading.Event] = {name: threading.Event() for name in tasks}
    rows: dict[str, Any] = {}
    problems: dict[str, str] = {}
    asked: dict[str, float] = {}

    def work(name: str) -> None:
        began = time.monotonic()
        try:
            rows[name] = tasks[name]()
        except BlueWizardError as e:
            problems[name] = e.message
        except Exception as e:
            # An answer of a form that nobody expects spoils its own part of the report, and no other.
            problems[name] = f"{type(e).__name__}: {e}"
        asked[name] = time.monotonic() - began
        ended[name].set()

    for name in tasks:
        threading.Thread(target=work, args=(name,), daemon=True, name=f"stats {name}").start()
    while waiting := [name for name, event in ended.items() if not event.is_set()]:
        if asker.left_s() <= 0:
            break
        if progress is not None:
            progress(len(tasks) - len(waiting), waiting)
        ended[waiting[0]].wait(min(0.1, max(0.0, asker.left_s())))
    # Those that come later than this must not change a snapshot that is being read.
    done = [name for name in tasks if ended[name].is_set()]
    for name in tasks:
        if name not in done:
            made.problems[name] = _("did not answer in time")
        elif name in rows:
            made.rows[name] = rows[name]
        else:
            made.problems[name] = problems[name]
    made.asked_s |= {name: asked[name] for name in done}


def _listing(asker: Asker, one: Listing, memory: Memory) -> Any:
    if one.page is None:
        answer = asker.get(one.service, one.path, one.version, missing_ok=one.optional)
        if answer is not None and answer.get("truncated"):
            # Keystone says so when its list_limit cut the answer short.
            raise StepFailed(_("{service} gives only a part of {path}").format(service=one.service, path=one.path))
        return [] if answer is None else answer[one.key]

    def fetch(marker: str | None) -> tuple[Sequence[Row], bool]:
        path = f"{one.path}&limit={one.page}" + (f"&marker={marker}" if marker else "")
        try:
            answer = asker.get(one.service, path, one.version, missing_ok=one.optional and marker is None)
        except ApiError as e:
            if marker is not None and e.status in {400, 404}:
                raise Gone from e
            raise
        if answer is None:
            return [], False
        # Services may give less at once than they are asked for; only the link tells whether that was all.
        links = answer.get(f"{one.key}_links") or []
        return answer[one.key], bool(answer.get("next")) or any(link.get("rel") == "next" for link in links)

    try:
        rows, markers = walk(fetch, memory.markers.get(one.name, ()), asker.side)
    except Gone:
        # The last row of a page was removed before the next page was asked for: it happens once, not twice.
        try:
            rows, markers = walk(fetch, (), asker.side)
        except Gone as e:
            raise e.__cause__ or e from None
    memory.markers[one.name] = markers
    return rows


def _ceph(access: CephAccess) -> dict[str, Any]:
    """The answers of the cluster by command. ``osd df`` is None where the manager fails, which is a problem (`failed` says why), or
    where the client has no right to ask it, which is not: `denied` is the client's name then.
    """
    from blue_wizard.reach.ceph import Denied, open_cluster

    with open_cluster(access) as cluster:
        found: dict[str, Any] = {
            "df": cluster.ask("df", detail="detail"),
            "osds": cluster.ask("osd dump"),
            "crush": cluster.ask("osd crush dump"),
        }
        try:
            found["osd_df"] = cluster.ask("osd df", manager=True)
        except Denied:
            found |= {"osd_df": None, "denied": access.client}
        except BlueWizardError as e:
            found |= {"osd_df": None, "failed": e.message}
    return found
