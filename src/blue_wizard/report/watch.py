"""A job while it runs: a live view that fits the terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blue_wizard.jobs.model import State, StepState
from blue_wizard.report.lines import gate_lines, left_lines, progress_text, rest_lines
from blue_wizard.report.names import SIGNS, state_text
from blue_wizard.report.out import errors, table
from blue_wizard.text import _
from blue_wizard.units import bytes_text, seconds_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["Watcher", "live_view", "seconds_left", "share_done"]

View = Mapping[str, Any]
_OVER = frozenset({StepState.DONE, StepState.UNDONE, StepState.LEFT, StepState.FAILED})
_BUSY = frozenset({State.RUNNING, State.ROLLING_BACK})
_BAD = frozenset({State.FAILED, State.STUCK, State.CANCELLED})
_FRAME = 4  # lines of a table that are no rows: title, head, rule, blank


class Watcher:
    """Shows a job while it runs. Use it as a context manager; closing it does not touch the job."""

    def __init__(self) -> None:
        from rich.live import Live

        self._console = errors()
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._said: dict[str, str] = {}

    def __enter__(self) -> Watcher:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_rest: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    @property
    def live(self) -> bool:
        """True when a person watches a view that moves."""
        return bool(self._console.is_terminal)

    def __call__(self, view: View) -> None:
        """Take a new view of the job."""
        if self._console.is_terminal:
            self._live.update(live_view(view, height=self._console.height, now=time.time()))
            return
        self._tell_once(f"{view['job']}/rest", "\n".join(rest_lines(view)))
        gate = view["gate"]
        self._tell_once(f"{gate['job']}/gate" if gate else "", "\n".join(gate_lines(gate)) if gate else "")
        for job in _flat(view):
            for step in job["steps"]:
                key = f"{job['job']}/{step['id']}"
                # A running transfer speaks at every tenth, everything else at each change of state.
                progress = step.get("progress") or {}
                tenth = int(10 * progress["done"] / progress["total"]) if progress.get("total") else 0
                text = f"{step['state']}/{progress.get('note', '')}{tenth if step['state'] == 'running' else ''}"
                if step["state"] != StepState.PENDING and self._said.get(key) != text:
                    self._said[key] = text
                    note = progress_text(step) or step["error"] or ""
                    sign = SIGNS[StepState(step["state"])]
                    self._console.print(f"{job['title']}: {sign} {step['title']} {note}".rstrip(), markup=False)

    def _tell_once(self, key: str, text: str) -> None:
        if self._said.get(key, "") != text:
            self._said[key] = text
            if text:
                self._console.print(text, markup=False)


def live_view(view: View, *, height: int, now: float) -> RenderableType:
    """A job as it stands, in at most `height` lines: its steps, or of many parts how many are where and those at work (pure)."""
    from rich.console import Group
    from rich.text import Text

    tail = [*rest_lines(view), *(gate_lines(view["gate"]) if view["gate"] else ())]
    if view["error"]:
        tail.append(_("Error: {error}").format(error=view["error"]))
    if view["left"]:
        tail += left_lines(view["left"])
    head = [_headline(view, now)]
    parts = view["children"]
    if parts:
        head.append(_counts(parts))
    room = max(1, height - 1 - len(head) - min(len(tail), height // 3))
    shown: list[RenderableType] = []
    if view["steps"]:
        own = room if not parts else min(room // 2, len(view["steps"]) + _FRAME)
        if own > _FRAME:
            shown.append(_steps_table(view["steps"], own - _FRAME))
            room -= own
    rows = _part_rows(parts, room - _FRAME)
    if rows and room > _FRAME:
        columns = (_("part"), _("what"), _("state"), _("step"), _("note"))
        shown.append(_lines_only(table(columns, _fit(rows, 0, room - _FRAME))))
    lines = [Text(line, no_wrap=True, overflow="ellipsis") for line in (*head, *tail[: height // 3])]
    return Group(*lines[: len(head)], *shown, *lines[len(head) :])


def _headline(view: View, now: float) -> str:
    text = f"{view['job']}  {view['title']}  [{state_text(view['state'])}]"
    if view["started"]:
        text += "  " + seconds_text((view["ended"] or now) - view["started"])
    share = share_done(view)
    left = seconds_left(view, now)
    if share is not None and not State(view["state"]).ended:
        text += f"  {100 * share:.0f} %"
    if left is not None:
        text += "  " + _("about {left} left").format(left=seconds_text(left))
    rate = sum(_rate(s) for job in _flat(view) for s in job["steps"])
    return f"{text}  {bytes_text(rate)}/s" if rate else text


def _counts(parts: Sequence[View]) -> str:
    found = Counter(p["state"] for p in parts)
    return "  ".join(f"{state_text(s)}: {found[s]}" for s in State if found[s])


def _steps_table(steps: Sequence[Mapping[str, Any]], room: int) -> RenderableType:
    columns = ("", _("step"), _("took"), _("note"))
    return _lines_only(table(columns, _fit([_step_row(s) for s in steps], _first(steps), room)))


def _lines_only(made: Table) -> Table:
    # A row that is folded would push others out of the terminal.
    for column in made.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    return made


def _first(steps: Sequence[Mapping[str, Any]]) -> int:
    """The step that a person wants to see: the first that is not over."""
    return next((i for i, s in enumerate(steps) if s["state"] not in _OVER), len(steps))


def _step_row(step: Mapping[str, Any]) -> tuple[str, ...]:
    note = progress_text(step) or step["error"] or "-"
    return SIGNS[StepState(step["state"])], step["title"], seconds_text(step["took_s"]), note


def _fit(rows: Sequence[tuple[str, ...]], middle: int, room: int) -> list[tuple[str, ...]]:
    """As many rows as there is room for, around the one in the `middle`, and how many were left out before and after."""
    if len(rows) <= room:
        return list(rows)
    inside = max(1, room - 2)
    begin = max(0, min(middle - inside // 3, len(rows) - inside))
    kept = list(rows[begin : begin + inside])
    rest = ("",) * (len(rows[0]) - 2)
    if begin and room > 2:
        kept.insert(0, ("", _("... {count} before").format(count=begin), *rest))
    after = len(rows) - begin - inside
    if after and room > 1:
        kept.append(("", _("... {count} more").format(count=after), *rest))
    return kept


def _part_rows(parts: Sequence[View], room: int) -> list[tuple[str, ...]]:
    """Those that failed, that are at work or ask, then the others where there is room: what needs a person comes first."""
    order = sorted(parts, key=lambda p: 0 if p["state"] in _BAD else 1 if p["state"] in _BUSY or p["gate"] else 2)
    busy = [p for p in order if p["state"] not in {State.DONE, State.QUEUED, State.PLANNED}]
    return [_part_row(p) for p in (order if len(parts) <= room else busy)]


def _part_row(part: View) -> tuple[str, ...]:
    steps = part["steps"]
    at = min(_first(steps), len(steps) - 1) if steps else -1
    note = part["gate"]["question"] if part["gate"] else part["error"]
    if at >= 0 and not note:
        note = "; ".join(filter(None, map(progress_text, steps)))
    step = f"{at + 1}/{len(steps)} {steps[at]['title']}" if at >= 0 and not State(part["state"]).ended else "-"
    return part["job"], part["title"], state_text(part["state"]), step, (note or "-").splitlines()[0]


def share_done(view: View) -> float | None:
    """How much of a job is done, from 0 to 1, by the estimates of its steps; None when there are none (pure)."""
    done = whole = 0.0
    for job in _flat(view):
        for step in job["steps"]:
            seconds = step["seconds"] or 0.0
            whole += seconds
            progress = step["progress"] or {}
            if step["state"] in _OVER:
                done += seconds
            elif step["state"] == StepState.RUNNING and progress.get("total"):
                done += seconds * min(1.0, progress["done"] / progress["total"])
    return done / whole if whole else None


def seconds_left(view: View, now: float) -> float | None:
    """About how long a running job still takes, at the pace that it had so far; None while that can't be told (pure)."""
    share = share_done(view)
    if view["state"] != State.RUNNING or not view["started"] or not share or share < 0.02:
        return None
    return float((now - view["started"]) * (1 - share) / share)


def _rate(step: Mapping[str, Any]) -> float:
    progress = step["progress"] or {}
    return float(progress.get("rate", 0)) if step["state"] == StepState.RUNNING and progress.get("unit") == "B" else 0.0


def _flat(view: View) -> Iterable[View]:
    yield view
    for child in view["children"]:
        yield from _flat(child)
