"""Runs checks side by side, each under its own time-out. One that hangs is unknown, and holds up nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from blue_wizard.doctor.model import Check, Line, Site, failed, unknown
from blue_wizard.errors import BlueWizardError
from blue_wizard.text import _

__all__ = ["Finished", "run"]

_TICK_S = 0.1


@dataclass(frozen=True)
class Finished:
    """A check with its lines, and how long it took."""

    check: str
    lines: tuple[Line, ...]
    took_s: float


@dataclass
class _Running:
    check: Check
    item: str
    lines: list[Line] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    took_s: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.check.id} {self.item}".strip()

    def look(self, site: Site, began: float) -> None:
        try:
            for line in self.check.look(site, self.item):
                self.lines.append(line)
        except BlueWizardError as e:
            self.lines.append(failed(self.name, e))
        except Exception as e:
            # A fault of the check says nothing about the site.
            self.lines.append(unknown(self.name, f"{type(e).__name__}: {e}"))
        self.took_s = time.monotonic() - began
        self.ended.set()


def run(
    checks: Sequence[Check], site: Site, progress: Callable[[int, Sequence[str]], None] | None = None
) -> list[Finished]:
    """All checks at once, in their order. `progress` is told now and then how many have ended, and which are still looking."""
    began = time.monotonic()
    running = [r for c in checks for r in _started(c, site)]
    for one in running:
        # Daemons: whoever hangs must not keep the process from ending.
        threading.Thread(target=one.look, args=(site, began), daemon=True, name=f"doctor {one.name}").start()
    while True:
        waiting = [r for r in running if not r.ended.is_set() and time.monotonic() - began < r.check.timeout_s]
        if not waiting:
            break
        if progress is not None:
            progress(len(running) - len(waiting), [r.name for r in waiting])
        waiting[0].ended.wait(_TICK_S)
    return [_result(r) for r in running]


def _started(check: Check, site: Site) -> list[_Running]:
    try:
        return [_Running(check, item) for item in check.over(site)]
    except BlueWizardError as e:
        # What there is to look at can't be told: that is what the check finds.
        why = failed(check.id, e)
        return [_Running(replace(check, look=lambda _site, _item: (why,)), "")]


def _result(one: _Running) -> Finished:
    ended = one.ended.is_set()
    # What comes first is chance where many are asked at once.
    lines = sorted(one.lines, key=lambda line: line.what)
    if ended:
        return Finished(one.name, tuple(lines), one.took_s)
    text = _("did not end in {seconds} s").format(seconds=round(one.check.timeout_s))
    return Finished(one.name, (*lines, unknown(one.name, text)), one.check.timeout_s)
