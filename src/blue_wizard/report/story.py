"""The events of a job as a story: one line each, in order, in the words of people."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

from blue_wizard.report.names import state_text, step_text
from blue_wizard.text import _
from blue_wizard.units import clock_text

__all__ = ["events_text", "sentence"]

_FEW = 3
Event = Mapping[str, Any]
Titles = Mapping[tuple[str, str], str]


def events_text(events: Iterable[Event], titles: Titles | None = None) -> Iterable[str]:
    """Events as a story; `titles` are the titles of steps by job and id. Days are told once, and jobs where there are several."""
    told = list(events)
    several = len({e["job"] for e in told}) > 1
    day = ""
    for _same, run in groupby(told, key=_alike):
        alike = list(run)
        e = alike[0]
        moment = time.localtime(e["time"])
        today = time.strftime("%Y-%m-%d", moment)
        if today != day:
            day = today
            yield today
        clock = time.strftime("%H:%M:%S", moment)
        if len(alike) > _FEW:
            yield f"  {clock}  " + _("{count} parts: {words}").format(count=len(alike), words=sentence(e, titles))
            continue
        for e in alike:
            who = f"{e['job']:<11}  " if several else ""
            yield f"  {clock}  {who}{sentence(e, titles)}"


def _alike(event: Event) -> object:
    """What many parts come into at once is told once: queued, cancelled."""
    quiet = event["kind"] == "state" and not event["data"].get("error")
    return (event["message"], int(event["time"])) if quiet else event["seq"]


def sentence(event: Event, titles: Titles | None = None) -> str:
    """One event in words."""
    step = (titles or {}).get((event["job"], event["step"]), event["step"])
    make = _SENTENCES.get(event["kind"])
    text = make(event, event["data"]) if make else _plain(event, event["data"])
    return f"{step}: {text}" if step else text


def _plain(event: Event, data: Mapping[str, Any]) -> str:
    more = ", ".join(f"{k} {_short(v)}" for k, v in data.items() if v not in (None, ""))
    return f"{event['message']} ({more})" if more else str(event["message"])


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(_short, value))
    return str(value)


def _state(event: Event, data: Mapping[str, Any]) -> str:
    text = f"[{state_text(event['message'])}]"
    if data.get("until"):
        return _("{state} {reason}, goes on at {time}").format(
            state=text, reason=data.get("reason", ""), time=clock_text(data["until"])
        )
    why = data.get("error") or data.get("reason") or ""
    return f"{text} {why}".rstrip()


def _step(event: Event, data: Mapping[str, Any]) -> str:
    text = step_text(event["message"])
    return f"{text}: {data['error']}" if data.get("error") else text


def _approval(event: Event, data: Mapping[str, Any]) -> str:
    return _("approved by {who} (digest {digest})").format(who=event["message"], digest=data.get("digest", "")[:12])


def _gate(event: Event, data: Mapping[str, Any]) -> str:
    text = _("asks: {question}").format(question=event["message"])
    if not data.get("deadline"):
        return text
    rest = _("without an answer until {time}: {otherwise}")
    return f"{text} ({rest.format(time=clock_text(data['deadline']), otherwise=data.get('otherwise'))})"


def _answer(event: Event, data: Mapping[str, Any]) -> str:
    if data.get("who") == "-":
        return _("nobody answered in time: {answer}").format(answer=event["message"])
    return _("{who} answers from {place}: {answer}").format(
        who=data.get("who"), place=data.get("from"), answer=event["message"]
    )


def _signal(event: Event, data: Mapping[str, Any]) -> str:
    asked = {
        "pause": _("asked to pause"),
        "cancel": _("asked to stop and undo what is in the middle"),
        "rollback": _("asked to undo everything"),
        "abort": _("EMERGENCY STOP asked for"),
        "": _("asked to carry on"),
    }.get(event["message"], event["message"])
    return f"{asked}: {data['reason']}" if data.get("reason") else str(asked)


def _call(event: Event, data: Mapping[str, Any]) -> str:
    result = f" -> {data['result']}" if data.get("result") else ""
    return f"{data.get('target')}: {event['message']}{result}"


def _claim(event: Event, data: Mapping[str, Any]) -> str:
    text = _("claims {member} in {domain} for {kind}")
    return text.format(member=data.get("member"), domain=data.get("domain"), kind=event["message"])


def _release(event: Event, data: Mapping[str, Any]) -> str:
    text = _("gives back {member} in {domain} ({kind})")
    return text.format(member=data.get("member"), domain=data.get("domain"), kind=event["message"])


_SENTENCES: Mapping[str, Callable[[Event, Mapping[str, Any]], str]] = {
    "state": _state,
    "step": _step,
    "approval": _approval,
    "gate": _gate,
    "answer": _answer,
    "signal": _signal,
    "call": _call,
    "claim": _claim,
    "release": _release,
    "reminder": lambda e, _data: _("reminds: {question}").format(question=e["message"]),
    "invariant": lambda e, _data: _("what has to hold: {words}").format(words=e["message"]),
    "probe": lambda _e, _data: _("it is there already"),
    "clock": lambda _e, data: _("the clock was set by {seconds} s").format(seconds=round(data.get("seconds", 0))),
    # The whole of it stands in the log as JSON.
    "traceback": lambda e, _data: str(e["message"]).strip().splitlines()[-1],
    "effect": _plain,
}
