"""How machines, waves and migrations look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blue_wizard.report.lines import gate_lines, left_lines, looked_at, rest_lines
from blue_wizard.report.names import state_text
from blue_wizard.report.out import table
from blue_wizard.text import _
from blue_wizard.units import bytes_text, seconds_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from blue_wizard.migrate.machine import Disk, Machine
    from blue_wizard.migrate.warm.ready import Waiting
    from blue_wizard.migrate.wave import Wave

__all__ = ["cutover_lines", "machines_table", "result_tables", "wave_table"]


def machines_table(machines: Sequence[Machine]) -> Iterable[RenderableType]:
    """Machines of a source, one a line, and their warnings below."""
    rows = [
        (
            m.name,
            m.power.value,
            m.vcpus,
            f"{m.memory} MiB",
            m.firmware.value,
            ", ".join(_disk_text(d) for d in m.disks),
            ", ".join(f"{n.network or '?'} {n.mac} {' '.join(n.addresses)}".strip() for n in m.nics) or None,
        )
        for m in machines
    ]
    columns = (_("machine"), _("power"), _("vCPUs"), _("memory"), _("firmware"), _("disks"), _("network cards"))
    yield table(columns, rows)
    yield from (
        _("{name} can't be moved: {reason}").format(name=m.name, reason=b) for m in machines for b in m.blockers
    )
    yield from (f"{m.name}: {w}" for m in machines for w in m.warnings)


def _disk_text(disk: Disk) -> str:
    now = f"({disk.named})" if disk.named else ""
    return " ".join(x for x in (disk.id, now, bytes_text(disk.size), disk.format, disk.bus) if x)


def wave_table(wave: Wave, remarks: Sequence[str], path: Path) -> Iterable[RenderableType]:
    """What a wave says, and what a person should know of it."""
    rows = [
        (
            vm.id,
            vm.name,
            vm.flavor or _("a new one ({vcpus} vCPUs, {memory} MiB)").format(vcpus=vm.vcpus, memory=vm.memory),
            ", ".join(f"{d.id} {bytes_text(d.size)}" for d in vm.disks),
            vm.storage,
            ", ".join(" ".join(x for x in (n.network or "?", n.mac, str(n.fixed_ip or "")) if x) for n in vm.nics)
            or None,
            _("yes") if vm.convert else _("no"),
        )
        for vm in wave.vms
    ]
    columns = (_("machine"), _("server"), _("flavor"), _("disks"), _("storage"), _("networks"), _("converted"))
    yield table(columns, rows)
    yield from (f"! {r}" for r in remarks)
    yield _("Written to {file}. Next: blue-wizard migrate run {file}").format(file=path)


def result_tables(views: Sequence[Mapping[str, Any]]) -> Iterable[RenderableType]:
    """What became of migrations: one line a disk."""
    rows = []
    for view in views:
        for vm in view["report"]["vms"]:
            for i, disk in enumerate(vm["disks"] or [{}]):
                rate = disk["moved"] / disk["seconds"] if disk.get("moved") and disk.get("seconds") else None
                rows.append(
                    (
                        vm["name"] if i == 0 else "",
                        disk.get("source"),
                        bytes_text(disk.get("size")),
                        bytes_text(disk.get("moved")),
                        f"{disk['seconds']:.1f}" if disk.get("seconds") else None,
                        f"{bytes_text(rate)}/s" if rate else None,
                        (disk.get("sha256") or "")[:12] or None,
                        ", ".join(_reached(vm)) if i == 0 else "",
                        seconds_text(vm["downtime_s"]) if i == 0 else "",
                        state_text(vm["state"]) if i == 0 else "",
                    )
                )
    columns = (_("VM"), _("source"), _("size"), _("moved"), _("seconds"), _("rate"), "SHA-256", _("addresses"),
               _("downtime"), _("state"))  # fmt: skip
    yield table(columns, rows)
    for view in views:
        for vm in view["report"]["vms"]:
            yield from _warm_lines(vm)
        yield from (f"{vm['name']}: {vm['error']}" for vm in view["report"]["vms"] if vm["error"])
        yield from rest_lines(view)
        if view["gate"]:
            yield from gate_lines(view["gate"])
        if view["left"]:
            yield from left_lines(view["left"])


def _reached(vm: Mapping[str, Any]) -> list[str]:
    marks = {"answers": " ✓", "open": " ✓", "silent": " ✗", "refused": " ✗"}
    return [f"{what}{marks.get(word, '')}" for what, word in looked_at(vm)]


def _warm_lines(vm: Mapping[str, Any]) -> Iterable[str]:
    """How a machine was copied while it ran."""
    warm = vm.get("warm")
    if not warm:
        return
    while_it_ran = [r for r in warm["rounds"] if warm["last_s"] is None or r is not warm["rounds"][-1]]
    moved = ", ".join(bytes_text(r["moved"]) for r in while_it_ran)
    yield _("{name}: {count} rounds while it ran ({moved})").format(
        name=vm["name"], count=len(while_it_ran), moved=moved
    )
    if warm["last_s"] is not None:
        yield _(
            "{name}: off for {down}, of which the last round took {last} ({moved} copied, compared: {check})"
        ).format(
            name=vm["name"],
            down=seconds_text(vm["downtime_s"]) if vm["downtime_s"] is not None else "?",
            last=seconds_text(warm["last_s"]),
            moved=bytes_text(warm["rounds"][-1]["moved"]),
            check=warm["check"],
        )
    elif warm["estimate"]:
        text = _("{name}: what is left takes about {seconds} now ({fits}).")
        fits = _("it fits the downtime") if warm["fits"] else _("more than the downtime that is allowed")
        yield text.format(name=vm["name"], seconds=seconds_text(warm["estimate"]["seconds"]), fits=fits)
    yield from (f"{vm['name']}: {note}" for r in warm["rounds"] for note in r["notes"])
    if warm["left"]:
        yield f"{vm['name']}: {warm['left']}"


def cutover_lines(found: Sequence[Waiting]) -> Iterable[str]:
    """The machines that a cut-over is about."""
    for m in found:
        if not m.asks:
            yield _("{name} is not ready yet: it is {state}.").format(name=m.name, state=state_text(m.state))
        elif m.seconds is not None:
            text = _("{name}: what was left took about {seconds} when it was measured ({fits}).")
            fits = _("it fits the downtime") if m.fits else _("more than the downtime that is allowed")
            yield text.format(name=m.name, seconds=seconds_text(m.seconds), fits=fits)
