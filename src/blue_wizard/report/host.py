"""How hosts, their servers and their maintenance look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blue_wizard.report.lines import gate_lines, left_lines, rest_lines
from blue_wizard.report.names import state_text
from blue_wizard.report.out import table
from blue_wizard.text import _
from blue_wizard.units import clock_text, seconds_text

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["campaign_tables", "forecast_text", "hosts_table", "result_tables", "survey_tables", "verb_text"]


def verb_text(verb: str) -> str:
    """The name of a verb for people."""
    return {
        "live": _("live migration"),
        "cold": _("cold migration"),
        "stop": _("shut down, with consent"),
        "leave": _("stays, with consent"),
        "evacuate": _("evacuation"),
        "blocked": _("CAN'T MOVE"),
    }[verb]


def survey_tables(data: Mapping[str, Any]) -> Iterable[RenderableType]:
    """What becomes of each server of a host, what else lives there, and what stands in the way (see `maintain.enter.as_data`)."""
    from rich.text import Text

    rows = [
        (
            s["name"],
            s["id"],
            s["status"],
            verb_text(s["verb"]),
            s["destination"],
            seconds_text(s["seconds"]) if s["seconds"] else None,
            "; ".join(x for x in (s["cause"], s["remedy"]) if x) or None,
        )
        for s in data["servers"]
    ]
    columns = (_("server"), "id", _("status"), _("what is done"), _("to"), _("about"), _("cause"))
    yield table(columns, rows, title=_("Host {host}: {count} servers").format(host=data["host"], count=len(rows)))
    if data["osds"]:
        words = {True: _("may all stop"), False: _("may NOT stop"), None: _("could not look")}[data["osds_may_stop"]]
        yield Text(_("OSDs: {ids}, {words}").format(ids=", ".join(f"osd.{i}" for i in data["osds"]), words=words))
    for agent in data["agents"]:
        served = ", ".join(agent["serves"]) or "-"
        yield Text(_("Agent {agent}: serves {names}").format(agent=agent["binary"], names=served))
        if agent["only_here"]:
            yield Text("  " + _("only it serves: {names}").format(names=", ".join(agent["only_here"])))
    bad = [f for f in data["findings"] if not f["holds"]]
    for f in bad:
        yield Text(f"✗ {f['title']}: {f['detail']}" if f["detail"] else f"✗ {f['title']}")
    if not bad:
        yield Text(_("✓ Nothing stands in the way."))


def hosts_table(rows: Sequence[Mapping[str, Any]]) -> Iterable[RenderableType]:
    """Compute hosts, one a line."""
    body = [(r["host"], r["zone"], _host_state(r), r["servers"], r["job"] or None, r["reason"] or None) for r in rows]
    yield table((_("host"), _("zone"), _("state"), _("servers"), _("job"), _("reason")), body)
    for row in rows:
        if (held := row["noout"]) and (held["over"] or row["state"] == "in-service"):
            text = _("! noout is still set for {bucket}, by job {job}: it was meant to be gone by {time}.")
            yield text.format(bucket=held["bucket"], job=held["job"], time=clock_text(held["until"]))


def _host_state(row: Mapping[str, Any]) -> str:
    return {
        "in-service": _("in service"),
        "down": _("nova-compute is down"),
        "at-work": _("a job works on it"),
        "maintenance": _("in maintenance"),
        "disabled": _("disabled by somebody else"),
    }[row["state"]]


def result_tables(view: Mapping[str, Any]) -> Iterable[RenderableType]:
    """What became of a host: one line a server, with what its probe lost."""
    from rich.text import Text

    report = view["report"]
    rows = [
        (
            s["name"],
            verb_text(s["verb"]),
            s["source"],
            s["destination"],
            seconds_text(s["took_s"]),
            _probe_text(s["probe"]),
            s["error"] or s["note"] or "; ".join(_put_right(s)) or None,
        )
        for s in report["servers"]
    ]
    columns = (_("server"), _("what was done"), _("from"), _("to"), _("took"), _("pings lost"), _("note"))
    title = f"{view['job']}  {view['title']}  [{state_text(view['state'])}]"
    yield table(columns, rows, title=title.replace("[", "\\["))
    if view["error"]:
        yield Text(_("Error: {error}").format(error=view["error"]))
    if report.get("safe"):
        yield Text(_("✓ {host} is empty: it is safe to work on it.").format(host=report["host"]))
        yield Text(_("  Afterwards: blue-wizard host leave {host}").format(host=report["host"]))
    yield from map(Text, rest_lines(view))
    if view["gate"]:
        yield Text("\n".join(gate_lines(view["gate"])))
    if view["left"]:
        yield Text("\n".join(left_lines(view["left"])))


def forecast_text(seconds: float) -> str:
    """About how long a campaign takes, as its hosts are now."""
    return _("Forecast: about {time} for all hosts, the work on them left aside where a person does it.").format(
        time=seconds_text(seconds)
    )


def campaign_tables(view: Mapping[str, Any]) -> Iterable[RenderableType]:
    """What became of a campaign: one line a host, then one a server."""
    from rich.text import Text

    hosts = view["report"]["hosts"]
    rows = [
        (
            h["host"],
            state_text(h["state"]),
            _("yes") if h["in_service"] else _("no"),
            len(h["servers"]),
            seconds_text(h["took_s"]),
            h["error"] or None,
        )
        for h in hosts
    ]
    columns = (_("host"), _("state"), _("in service"), _("servers"), _("took"), _("note"))
    title = f"{view['job']}  {view['title']}  [{state_text(view['state'])}]"
    yield table(columns, rows, title=title.replace("[", "\\["))
    moved = [
        (
            h["host"],
            s["name"],
            verb_text(s["verb"]),
            s["destination"],
            seconds_text(s["took_s"]),
            _probe_text(s["probe"]),
        )
        for h in hosts
        for s in h["servers"]
    ]
    if moved:
        yield table((_("host"), _("server"), _("what was done"), _("to"), _("took"), _("pings lost")), moved)
    yield from map(Text, rest_lines(view))
    if view["gate"]:
        yield Text("\n".join(gate_lines(view["gate"])))
    if view["left"]:
        yield Text("\n".join(left_lines(view["left"])))


def _put_right(server: Mapping[str, Any]) -> Iterator[str]:
    if server.get("mended"):
        text = _("Nova called it broken after it had arrived; mended")
        yield f"{text} ({server['why']})" if server.get("why") else text
    if server.get("rewired"):
        yield _("it was not heard after it had arrived; its ports were wired again")


def _probe_text(probe: Mapping[str, Any] | None) -> str:
    if probe is None:
        return "-"
    if not probe:
        return _("not probed")
    return ", ".join(
        _("{address}: {lost} of {sent}, unheard for {silence:.1f} s").format(address=address, **figures)
        if figures["sent"]
        else _("{address}: silent before").format(address=address)
        for address, figures in sorted(probe.items())
    )
