"""What became of a wave as a file to be filed: one line a machine, one a disk, and what failed. Its ending says which kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blue_wizard import text
from blue_wizard.errors import InputError
from blue_wizard.jobs.model import State
from blue_wizard.report.lines import looked_at
from blue_wizard.report.names import state_text
from blue_wizard.report.paper import height, printable
from blue_wizard.text import _
from blue_wizard.units import clock_text

__all__ = ["KINDS", "Sheet", "sheets", "writer"]

Views = Sequence[Mapping[str, Any]]
_TEMPLATE = "wave.html.j2"
_GIB = 1 << 30


@dataclass(frozen=True)
class Sheet:
    """A table: its columns with their widths, and its rows. Numbers stay numbers; `state` is the column whose words are states."""

    title: str
    columns: tuple[tuple[str, float], ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    state: int | None = None
    states: tuple[str, ...] = ()


def sheets(views: Views) -> list[Sheet]:
    """The tables of a report on these jobs (pure)."""
    vms = [(view["job"], vm) for view in views for vm in view["report"]["vms"]]
    return [_summary(views, [vm for _job, vm in vms]), _machines(vms), _disks(vms)]


def _summary(views: Views, vms: Sequence[Mapping[str, Any]]) -> Sheet:
    moved = sum(d["moved"] or 0 for vm in vms for d in vm["disks"])
    downs = [vm["downtime_s"] for vm in vms if vm["downtime_s"] is not None]
    counts = {state: sum(vm["state"] == state for vm in vms) for state in dict.fromkeys(vm["state"] for vm in vms)}
    begun = [view["started"] for view in views if view.get("started")]
    ended = [view["ended"] for view in views if view.get("ended")]
    rows: list[tuple[str | float | None, ...]] = [
        (_("jobs"), ", ".join(view["job"] for view in views)),
        (_("began"), clock_text(min(begun)) if begun else None),
        (_("ended"), clock_text(max(ended)) if ended and len(ended) == len(views) else None),
        (_("machines"), len(vms)),
        *((_("machines: {state}").format(state=state_text(state)), n) for state, n in counts.items()),
        (_("disks that were verified"), sum(bool(d["sha256"]) for vm in vms for d in vm["disks"])),
        (_("disks"), sum(len(vm["disks"]) for vm in vms)),
        (_("GiB moved"), round(moved / _GIB, 2)),
        (_("longest downtime, s"), max(downs) if downs else None),
    ]
    return Sheet(_("Summary"), ((_("what"), 34), (_("value"), 60)), tuple(rows))


def _machines(vms: Sequence[tuple[str, Mapping[str, Any]]]) -> Sheet:
    columns = (
        (_("VM"), 20.0), (_("state"), 12.0), (_("server"), 20.0), (_("addresses"), 22.0), (_("downtime, s"), 11.0),
        (_("took, s"), 9.0), (_("source"), 26.0), (_("job"), 14.0), (_("error"), 40.0),
    )  # fmt: skip
    rows = tuple(
        (
            vm["name"], state_text(vm["state"]), vm["server_id"],
            ", ".join(f"{what} ({word})" if word else what for what, word in looked_at(vm)),
            vm["downtime_s"], vm["took_s"], vm["source"], vm["job"], vm["error"],
        )
        for _job, vm in vms
    )  # fmt: skip
    return Sheet(_("Machines"), columns, rows, 1, tuple(vm["state"] for _job, vm in vms))


def _disks(vms: Sequence[tuple[str, Mapping[str, Any]]]) -> Sheet:
    columns = (
        (_("VM"), 20.0), (_("source"), 16.0), (_("size, GiB"), 10.0), (_("moved, GiB"), 11.0), (_("seconds"), 9.0),
        (_("target"), 36.0), ("SHA-256", 36.0),
    )  # fmt: skip
    rows = tuple(
        (
            vm["name"], str(d["source"]), round(d["size"] / _GIB, 3),
            None if d["moved"] is None else round(d["moved"] / _GIB, 3), d["seconds"], d["target"], d["sha256"],
        )
        for _job, vm in vms
        for d in vm["disks"]
    )  # fmt: skip
    return Sheet(_("Disks"), columns, rows)


def writer(file: Path) -> Callable[[Views, Path], None]:
    """What writes such a file. Raises InputError for an ending that is not known, or a folder that is not there."""
    kind = KINDS.get(file.suffix.lower())
    if kind is None:
        raise InputError(
            _("No report can be written as {file}.").format(file=file),
            _("Known endings: {known}").format(known=", ".join(sorted(KINDS))),
        )
    if not file.parent.is_dir():
        raise InputError(
            _("There is no folder {folder}.").format(folder=file.parent), _("Make it, or say another file.")
        )
    return kind


def tone(state: str) -> str:
    """Whether a state is a good one, a bad one, or none yet."""
    if state == State.DONE:
        return "good"
    return "bad" if State(state).ended else "wait"


def _json(views: Views, file: Path) -> None:
    vms = [{**vm, "root": view["job"]} for view in views for vm in view["report"]["vms"]]
    file.write_text(
        json.dumps({"jobs": [view["job"] for view in views], "vms": vms}, ensure_ascii=False, indent=2) + "\n"
    )


def _html(views: Views, file: Path) -> None:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("blue_wizard", "report/templates")
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(_TEMPLATE)
    made = page.render(
        title=_title(views),
        sheets=sheets(views),
        tone=tone,
        lang="zh-CN" if text.current() == "zh" else "en",
    )
    file.write_text(made)


def _xlsx(views: Views, file: Path) -> None:
    import xlsxwriter

    # Names of others that begin with "=" are text, and a URL among them is no link.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(file), options) as book:
        book.set_properties({"title": _title(views)})
        base = {"font_size": 10, "valign": "top", "border": 1, "border_color": "#C9D1DA"}
        head = book.add_format({**base, "bold": True, "bg_color": "#1F3A5F", "font_color": "#FFFFFF"})
        cell = book.add_format({**base, "text_wrap": True})
        colours = {"good": "#D9F2E3", "bad": "#F8D7DA", "wait": "#FFF3CD"}
        tones = {name: book.add_format({**base, "bold": True, "bg_color": c}) for name, c in colours.items()}
        for one in sheets(views):
            _sheet(book.add_worksheet(one.title), one, head, cell, tones)


def _sheet(sheet: Any, one: Sheet, head: Any, cell: Any, tones: Mapping[str, Any]) -> None:
    for at, (name, width) in enumerate(one.columns):
        sheet.set_column(at, at, width)
        sheet.write_string(0, at, name, head)
    for row, values in enumerate(one.rows, start=1):
        for at, value in enumerate(values):
            look = tones[tone(one.states[row - 1])] if at == one.state else cell
            if isinstance(value, int | float):
                sheet.write_number(row, at, value, look)
            else:
                sheet.write_string(row, at, value or "", look)
        sheet.set_row(
            row, height((v, w) for v, (_n, w) in zip(values, one.columns, strict=False) if isinstance(v, str))
        )
    sheet.autofilter(0, 0, max(1, len(one.rows)), len(one.columns) - 1)
    sheet.freeze_panes(1, 0)
    printable(sheet)


def _title(views: Views) -> str:
    return _("Migration: {jobs}").format(jobs=", ".join(view["job"] for view in views))


KINDS: dict[str, Callable[[Views, Path], None]] = {".html": _html, ".json": _json, ".xlsx": _xlsx}
"""A new kind is one function and one line here."""
