"""A diagnosis for people (the path as a diagram, the cause, what to do) and as JSON."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blue_wizard.report.out import plain, table, terminal
from blue_wizard.text import _
from blue_wizard.units import seconds_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from blue_wizard.diagnose.janitor import Cleaned
    from blue_wizard.diagnose.model import Cause, Hop, PortReport, Report

__all__ = ["changes_text", "cleaned_text", "diagnosis_data", "diagnosis_text", "write_picture"]

_COLOURS = {"seen": "green", "missing": "red", "unknown": "bright_black"}
_SIGNS = {"seen": "●", "missing": "✖", "unknown": "○"}


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "code": cause.code,
        "hop": cause.hop,
        "host": cause.host,
        "object": cause.object,
        "message": cause.message,
        "evidence": list(cause.evidence),
        "remedy": cause.remedy,
        "direction": cause.direction.value,
    }


def diagnosis_data(report: Report) -> dict[str, Any]:
    """The JSON of `diagnose network`."""
    ports = []
    for p in report.ports:
        one = plain(p)
        one["cause"] = _cause(p.cause) if p.cause else None
        one["other_causes"] = [_cause(c) for c in p.other_causes]
        ports.append(one)
    return {
        "server": report.server,
        "name": report.name,
        "status": report.status,
        "ports": ports,
        "errors": list(report.errors),
        "took_s": report.took_s,
    }


def _verdicts() -> dict[str, tuple[str, str]]:
    return {
        "ok": (_("ok"), "green"),
        "lost": (_("lost"), "red"),
        "degraded": (_("degraded"), "yellow"),
        "unknown": (_("unknown"), "bright_black"),
    }


def diagnosis_text(report: Report) -> Iterable[RenderableType]:
    """For the terminal."""
    from rich.text import Text

    yield Text(f"{report.name} ({report.server}) {report.status}", style="bold")
    if not report.ports:
        yield _("The server has no port: it is in no network.")
    for port in report.ports:
        yield from _port(port)
    yield from report.errors
    yield seconds_text(report.took_s)


def write_picture(report: Report, path: Path) -> None:
    """What the terminal shows, with its colours, as SVG or HTML. Raises InputError when it can't be written."""
    from blue_wizard.errors import InputError

    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        out = terminal(record=True, width=150, file=nowhere)
        for part in diagnosis_text(report):
            out.print(part, markup=False)
    text = out.export_svg(title=report.name) if path.suffix == ".svg" else out.export_html()
    try:
        path.write_text(text)
    except OSError as e:
        raise InputError(
            _("{file} can't be written: {error}").format(file=path, error=e.strerror), _("Choose another file.")
        ) from e


def changes_text(before: Report, now: Report) -> Iterable[RenderableType]:
    """What is different from the last time, one line for each port and hop; or that nothing is."""
    from blue_wizard.units import clock_text

    time_text = clock_text(time.time())
    old = {p.port: p for p in before.ports}
    said = False
    for port in now.ports:
        known = old.get(port.port)
        if known is None or known.verdict is not port.verdict or _code(known) != _code(port):
            said = True
            if port.cause is not None or known is None:
                yield from _port(port)
            else:
                yield f"{time_text} {port.port[:11]} {_verdicts()[port.verdict.value][0]}"
            continue
        for hop, was in zip(port.hops, known.hops, strict=False):
            if (hop.request, hop.reply, hop.actual) != (was.request, was.reply, was.actual):
                said = True
                yield f"{time_text} {port.port[:11]} {hop.name}: {was.actual} -> {hop.actual}"
        new = {f.code for f in port.findings} - {f.code for f in known.findings}
        for finding in port.findings:
            if finding.code in new:
                said = True
                yield f"{time_text} ! {finding.code} {finding.message}"
    if not said:
        yield _("{time} nothing changed").format(time=time_text)


def _code(port: PortReport) -> str:
    return port.cause.code if port.cause else ""


def cleaned_text(done: Sequence[Cleaned]) -> Iterable[RenderableType]:
    """What was removed from each host, and which hosts were not asked."""
    asked = [c for c in done if not c.left_out]
    rows = [(c.host, ", ".join(c.removed) or None, ", ".join(c.running) or None, c.error or None) for c in asked]
    yield table((_("host"), _("removed"), _("still running"), _("error")), rows)
    yield from (_("{host} was not asked: {reason}").format(host=c.host, reason=c.left_out) for c in done if c.left_out)


def _port(port: PortReport) -> Iterable[RenderableType]:
    from rich.text import Text

    word, colour = _verdicts()[port.verdict.value]
    head = Text()
    head.append(
        f"\n{_('port')} {port.port[:11]}  {port.address or '-'}  {port.mac}  {port.network} ({port.network_type or '?'})  "
    )
    head.append(word.upper(), style=f"bold {colour}")
    yield head
    if port.to:
        yield _("firewall {driver} · server on {host} · to {to} by {far}").format(
            driver=port.firewall_driver, host=port.host or "-", to=port.to, far=port.dhcp_host or "-"
        )
    else:
        yield _("firewall {driver} · server on {host} · DHCP on {dhcp}").format(
            driver=port.firewall_driver, host=port.host or "-", dhcp=port.dhcp_host or "-"
        )
    yield _diagram(port)
    if port.cause is not None:
        yield from _steps(port, port.cause)
    elif port.to:
        yield _("The hosts are well up to {hop}. What lies between them, and behind it, was not tested.").format(
            hop=port.hops[-1].name
        )
    elif not any(h.seen_by.value == "capture" for h in port.hops):
        yield _("The hosts are well. What lies between them was not tested: --inject sends a packet all the way.")
    for finding in port.findings:
        note = Text(f"! {finding.code} ", style="yellow")
        note.append(f"[{finding.host} {finding.object}] {finding.message} ", style="default")
        note.append(finding.remedy, style="default")
        yield note


def _diagram(port: PortReport) -> RenderableType:
    """One line a hop, request on the left, reply on the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("→", "←", _("hop"), _("host"), _("device"), _("expected"), _("actual")):
        made.add_column(column, overflow="fold")
    for hop in port.hops:
        made.add_row(
            Text(_SIGNS[hop.request.value], style=_COLOURS[hop.request.value]),
            Text(_SIGNS[hop.reply.value], style=_COLOURS[hop.reply.value]),
            Text(hop.name, style=_colour(port, hop)),
            Text(hop.host),
            Text(hop.device),
            Text(hop.expected),
            Text(hop.actual),
        )
    return made


def _colour(port: PortReport, hop: Hop) -> str:
    if port.cause is not None and port.cause.hop == hop.name:
        return "bold red" if port.verdict.value == "lost" else "bold yellow"
    return "default"


def _steps(port: PortReport, cause: Cause) -> Iterable[RenderableType]:
    """The four answers: which hop, which host, which device, what to do."""
    from rich.text import Text

    if port.lost_between is not None:
        way = _("request") if cause.direction.value == "request" else _("reply")
        where = _("the {way} is lost between {first} and {second}").format(
            way=way, first=port.lost_between[0], second=port.lost_between[1]
        )
    else:
        where = _("can't be told")
    rows = (
        (_("which hop"), where),
        (_("which host"), cause.host or "-"),
        (_("which device"), cause.object),
        (_("why"), f"{cause.message} ({cause.code})"),
        (_("what to do"), cause.remedy),
    )
    for name, value in rows:
        line = Text(f"{name}: ", style="bold")
        line.append(value, style="default")
        yield line
    for line_text in cause.evidence:
        yield f"    {line_text}"
    others = [c for c in port.other_causes if not c.unknown]
    if others:
        yield _("also: {causes}").format(causes="; ".join(f"{c.code} ({c.host} {c.object})" for c in others))
