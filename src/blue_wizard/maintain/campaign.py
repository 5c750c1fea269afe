"""`host campaign`: many hosts, one after the other or a few at once; the first one alone, and none after a failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from blue_wizard.errors import InputError, Refused
from blue_wizard.jobs.actions import planner, reporter
from blue_wizard.jobs.model import Claim, Gate, Json, Plan, Precondition, Risk, Step
from blue_wizard.maintain import enter
from blue_wizard.maintain.plan_enter import CLAIM, lock_of
from blue_wizard.maintain.promised import ENTER
from blue_wizard.text import _

__all__ = ["OPERATION", "Forecast", "Params", "compile_plan", "forecast", "look", "plan_of", "report"]

OPERATION = "host.campaign"
PART = "host.campaign.part"
_LEAVE_S = 60.0


@dataclass(frozen=True)
class Params:
    """What the operator asked for. `run` is an argv; without it and `reboot` a person is asked when the work is done."""

    cloud: str
    hosts: tuple[str, ...]
    reason: str
    run: tuple[str, ...] = ()
    reboot: bool = False
    kernel: str = ""
    work_s: float = 3600.0
    bring_back: bool = False
    leave_stopped: bool = False
    max_unavailable: int = 1
    parallel: int = 1
    silence_s: float = 30.0
    window: str = ""
    kubernetes: bool = False

    def as_json(self) -> dict[str, Json]:
        """As they stand in the plan."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Params:
        """The parameters that `as_json` gave."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**values)

    def for_host(self, host: str) -> enter.Params:
        """How one of the hosts is emptied: those that are still to come are taken for its servers only where there is no other."""
        return enter.Params(
            self.cloud,
            host,
            self.reason,
            leave_stopped=self.leave_stopped,
            parallel=self.parallel,
            silence_s=self.silence_s,
            max_unavailable=self.max_unavailable,
            avoid=tuple(h for h in self.hosts if h != host),
            kubernetes=self.kubernetes,
        )


@dataclass(frozen=True)
class Forecast:
    """About how long a campaign takes (seconds), in all and by host, as its hosts are now."""

    total: float
    hosts: Mapping[str, float] = field(default_factory=dict)


def forecast(seconds: Mapping[str, float], max_unavailable: int) -> Forecast:
    """The first host alone, then the others in so many lanes (pure): each goes to the lane that is free first."""
    first, *rest = seconds.values()
    lanes = [0.0] * max(1, max_unavailable)
    for one in rest:
        lanes[lanes.index(min(lanes))] += one
    return Forecast(first + max(lanes), dict(seconds))


def look(params: Params) -> tuple[Plan, Forecast]:
    """The plan of a campaign. Reads only. Raises InputError for unknown or repeated hosts, Refused with all that is in the way."""
    twice = sorted({h for h in params.hosts if params.hosts.count(h) > 1})
    if twice or not params.hosts:
        raise InputError(
            _("These hosts are named twice: {hosts}.").format(hosts=", ".join(twice))
            if twice
            else _("No host was named.")
        )
    with ThreadPoolExecutor(4) as threads:
        looked = list(threads.map(lambda h: enter.look(params.for_host(h)), params.hosts))
    bad = [f for found, _plan in looked for f in found.findings if not f.holds]
    if bad:
        lines = "".join(f"\n  - {f.title}: {f.detail}" if f.detail else f"\n  - {f.title}" for f in dict.fromkeys(bad))
        raise Refused(_("The campaign can't begin:{problems}").format(problems=lines), _("Nothing was touched."))
    zones = {found.site.host: found.site.service.zone for found, _plan in looked}
    seconds = {plan.target: sum(s.seconds or 0.0 for s in plan.steps) for _found, plan in looked}
    moves = {found.site.host: len(found.servers) for found, _plan in looked}
    made = compile_plan(params, zones, seconds, moves)
    each = {part.target: sum(s.seconds or 0.0 for s in part.steps) for part in made.children}
    return made, forecast(each, params.max_unavailable)


def compile_plan(
    params: Params, zones: Mapping[str, str], seconds: Mapping[str, float], servers: Mapping[str, int]
) -> Plan:
    """One part a host (pure). `seconds` and `servers` are what emptying each takes as it is now."""
    title = _("Campaign over {count} hosts ({reason})")
    return Plan(
        title=title.format(count=len(params.hosts), reason=params.reason),
        operation=OPERATION,
        params=params.as_json(),
        children=tuple(_part(params, h, zones[h], seconds[h], servers[h]) for h in params.hosts),
        preconditions=(Precondition(_("every host can be emptied as things are now"), True),),
    )


def _part(params: Params, host: str, zone: str, seconds: float, servers: int) -> Plan:
    cloud, canary = params.cloud, params.hosts[0]
    steps = [
        Step(
            "turn",
            "maintain.campaign.turn",
            {"host": host, "canary": canary},
            _("begin as the first one") if host == canary else _("wait until {host} is done").format(host=canary),
            "" if host == canary else _("none begins after a failure"),
        ),
        Step(
            ENTER,
            "maintain.campaign.enter",
            {"params": params.for_host(host).as_json()},
            _("empty {host}: {count} servers").format(host=host, count=servers),
            _("planned anew when its turn has come"),
            Risk.LOW,
            seconds,
            locks=(lock_of(cloud, host),),
        ),
        _work(params, host),
        Step(
            "leave",
            "maintain.campaign.leave",
            {"entered": ENTER, "params": _leave(params, host)},
            _("give back {host}").format(host=host),
            "",
            Risk.LOW,
            _LEAVE_S + (seconds if params.bring_back else 0.0),
        ),
    ]
    return Plan(
        title=host,
        operation=PART,
        params={"host": host},
        steps=tuple(steps),
        target=host,
        uses=(f"cloud:{cloud}",),
        claims=(Claim(CLAIM, f"zone:{cloud}/{zone}", f"host:{cloud}/{host}", params.max_unavailable),),
        window=params.window,
    )


def _work(params: Params, host: str) -> Step:
    args = {"host": host, "run": list(params.run), "reboot": params.reboot, "timeout_s": params.work_s}
    if params.run or params.reboot:
        words = [_("run {command}").format(command=" ".join(params.run))] if params.run else []
        words += [_("reboot")] if params.reboot else []
        title = _("{host}: {what}").format(host=host, what=", ".join(words))
        return Step("work", "maintain.campaign.work", args, title, "", Risk.LOW, 300, _("what it changes stays"))
    question = _("{host} is empty. Is the work on it done?").format(host=host)
    return Step("work", "maintain.campaign.work", args, _("work on {host}").format(host=host), gate=Gate(question))


def _leave(params: Params, host: str) -> dict[str, Json]:
    return {
        "cloud": params.cloud,
        "host": host,
        "rebooted": params.reboot,
        "kernel": params.kernel,
        "bring_back": params.bring_back,
        "parallel": params.parallel,
        "silence_s": params.silence_s,
    }


@planner(OPERATION)
def plan_of(params: Mapping[str, Json]) -> Plan:
    """The plan as things are now. Raises what `look` raises."""
    return look(Params.from_json(params))[0]


@reporter(OPERATION)
def report(view: Mapping[str, Json]) -> dict[str, Json]:
    """``{hosts: [{host, state, error, took_s, servers: [...]}]}``; the servers as in the report of `host enter`."""
    found = []
    for part in view["children"]:
        outcomes = {s["id"]: s["outcome"] or {} for s in part["steps"]}
        servers: Sequence[Json] = outcomes.get("enter", {}).get("report", {}).get("servers", [])
        found.append(
            {
                "host": part["target"],
                "state": part["state"],
                "error": part["error"],
                "took_s": part["took_s"],
                "in_service": outcomes.get("leave", {}).get("report", {}).get("in_service", False),
                "servers": servers,
            }
        )
    return {"hosts": found}
