"""OSDs and their disks for people, and plans with their commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blue_wizard.report.out import table
from blue_wizard.text import _
from blue_wizard.units import bytes_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from blue_wizard.disks.survey import Row

__all__ = ["osds_table", "row_data"]


def row_data(row: Row) -> dict[str, Any]:
    """A row of `osd list` as data."""
    disk = row.identity.disk if row.identity else None
    osd = row.osd
    return {
        "id": osd.id,
        "host": row.host or None,
        "up": osd.up,
        "in": osd.in_,
        "class": osd.device_class or None,
        "weight": osd.weight,
        "reasons": list(row.reasons),
        "device": disk.path if disk else None,
        "size": disk.size if disk else None,
        "serial": (row.identity.serial if row.identity else "") or None,
        "wwn": (disk.wwn if disk else "") or None,
        "by_path": (row.identity.by_path if row.identity else "") or None,
        "gone": bool(row.identity and row.identity.gone),
        "proved": bool(row.identity and row.identity.proved),
        "problem": row.identity.problem if row.identity else _("its host could not be looked at"),
        "proofs": [
            {"source": p.source.value, "kind": p.kind, "says": p.says, "detail": p.detail}
            for p in (row.identity.proofs if row.identity else ())
        ],
    }


def osds_table(rows: Sequence[Mapping[str, Any]]) -> Iterable[RenderableType]:
    """The rows, and below them how each disk was identified."""
    body = [
        (
            f"osd.{r['id']}",
            r["host"],
            _("up") if r["up"] else _("down"),
            _("in") if r["in"] else _("out"),
            r["device"],
            bytes_text(r["size"]),
            r["serial"],
            r["by_path"],
            "; ".join(r["reasons"]) or None,
        )
        for r in rows
    ]
    columns = (
        "OSD",
        _("host"),
        _("state"),
        "in/out",
        _("device"),
        _("size"),
        _("serial"),
        _("slot"),
        _("what is wrong"),
    )
    yield table(columns, body)
    for r in rows:
        told = "; ".join(f"{p['kind']}: {p['detail']}" for p in r["proofs"])
        text = (
            _("proved: {proofs}").format(proofs=told)
            if r["proved"]
            else _("not proved: {why}").format(why=r["problem"])
        )
        yield f"osd.{r['id']}  {text}"
