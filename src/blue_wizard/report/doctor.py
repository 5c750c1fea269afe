"""The doctor's lines and the inventory, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from blue_wizard.report.out import table
from blue_wizard.text import _
from blue_wizard.units import seconds_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from blue_wizard.doctor.runner import Finished
    from blue_wizard.reach.inventories.entry import Entry

__all__ = ["counts", "doctor_tables", "hosts_table"]


def _words() -> dict[str, str]:
    return {"ok": _("ok"), "warning": _("warning"), "failed": _("failed"), "unknown": _("unknown")}


def counts(found: Sequence[Finished]) -> dict[str, int]:
    """How many lines have which status; all four are there."""
    lines = [line.status.value for f in found for line in f.lines]
    return {status: lines.count(status) for status in _words()}


def doctor_tables(found: Sequence[Finished], took_s: float) -> Iterable[RenderableType]:
    """All lines, what is wrong with its remedy below, and one line to end with."""
    words = _words()
    lines = [line for f in found for line in f.lines]
    yield table((_("state"), _("what"), _("detail")), [(words[x.status], x.what, x.detail) for x in lines])
    for line in lines:
        if line.remedy:
            yield f"{line.what}: {line.remedy}"
    told = ", ".join(f"{words[status]} {count}" for status, count in counts(found).items() if count)
    yield f"{told} · {seconds_text(took_s)}"


def hosts_table(hosts: Sequence[Entry]) -> RenderableType:
    """The hosts with what is known of them."""
    rows = [
        (h.name, h.address, h.user, h.port, h.jump, ", ".join(h.groups) or None, h.runtime, ", ".join(h.origins))
        for h in hosts
    ]
    columns = (_("host"), _("address"), _("user"), _("port"), _("jump"), _("groups"), _("containers"), _("known from"))
    return table(columns, rows)
