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
    from blue_wizard.jobs.model import Plan, Step

__all__ = ["commands_of", "osd_plan_tables", "osd_result_tables", "osds_table", "row_data"]


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


def osd_plan_tables(plan: Plan) -> Iterable[RenderableType]:
    """A plan, then every command with its reason, and where there is no way back any more."""
    from blue_wizard.report.plans import plan_tables

    yield from plan_tables(plan)
    for part in plan.walk():
        if part.steps:
            yield ""
            yield _("Every command, in order:")
            yield from _commands(part)


def _commands(plan: Plan) -> Iterable[str]:
    from blue_wizard.disks.world import shown

    told = False
    for number, step in enumerate(plan.steps, start=1):
        if step.irreversible and not told:
            told = True
            yield "  " + "─" * 20 + " " + _("no way back from step {number} on").format(number=number)
        yield f"  {number}. {step.title}" + (f": {step.why}" if step.why else "")
        if step.gate:
            yield "     ? " + step.gate.question
        for command in commands_of(step):
            rest = _("only if needed") if command.get("rest") else ""
            why = "; ".join(x for x in (command.get("why", ""), rest) if x)
            yield f"     $ {shown(command, step.args['host'])}" + (f"   # {why}" if why else "")


def commands_of(step: Step) -> list[Mapping[str, Any]]:
    """The commands of a step: those of its arguments, or what its verb makes of them."""
    from blue_wizard.disks.light import taken_back
    from blue_wizard.disks.swap import SCAN

    if step.verb == "osd.light":
        why = {"why": _("only if it could not be switched on: Ceph would go on to warn of it")}
        ways = zip(step.args["commands"], step.args["off"], strict=True)
        return [c for on, off in ways for c in ((on, {**off, **why}) if taken_back(on) else (on,))]
    if "commands" in step.args:
        return list(step.args["commands"])
    if step.verb == "osd.flags.set":
        return [{"on": "ceph", "argv": ["osd", "set", f], "rest": True} for f in step.args["flags"]]
    if step.verb == "osd.flags.restore":
        return [{"on": "ceph", "argv": ["osd", "unset", _("FLAG")], "why": _("each that this job has set")}]
    if step.verb == "osd.key.keep":
        name = f"blue-wizard/osd.{step.args['osd']}.keyring"
        return [{"on": "ceph", "argv": ["config-key", step.args["put"], name, "-i", "-"]}]
    if step.verb == "osd.key.forget":
        return [{"on": "ceph", "argv": ["config-key", step.args["rm"], f"blue-wizard/osd.{step.args['osd']}.keyring"]}]
    if step.verb == "osd.swap":
        return [{"on": "host", "argv": SCAN, "why": _("every few seconds, until the swap is done")}]
    if step.verb == "osd.refill":
        return [{"on": "ceph", "argv": ["osd", word, "nobackfill"], "rest": True} for word in ("set", "unset")]
    return []


def osd_result_tables(view: Mapping[str, Any]) -> Iterable[RenderableType]:
    """What became of a job: for each OSD the new disk and the seconds of each phase."""
    from blue_wizard.report.jobs import job_tables
    from blue_wizard.units import seconds_text

    yield from job_tables(view)
    for osd in (view.get("report") or {}).get("osds", ()):
        phases = ", ".join(f"{k} {seconds_text(s)}" for k, s in osd["phases"].items() if s)
        yield _("osd.{id}: {state} in {time} ({phases})").format(
            id=osd["osd"], state=osd["state"], time=seconds_text(osd["took_s"]), phases=phases
        )
