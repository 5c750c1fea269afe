"""The plan that gives a host back. `compile_plan` is pure: what `enter` has done in, a plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blue_wizard.jobs.model import Json, Plan, Precondition, Risk, Step
from blue_wizard.maintain.model import Assessment, Verb
from blue_wizard.maintain.plan_enter import claim_of, cold_step, interleaved, live_steps, lock_of
from blue_wizard.text import _

__all__ = ["OPERATION", "Entered", "Returning", "Wanted", "compile_plan"]

OPERATION = "host.leave"
_UNDO = {
    "masakari": "maintain.unmute.masakari",
    "alarms": "maintain.unmute.alarms",
    "node": "kubernetes.node.uncordon",
}


@dataclass(frozen=True)
class Entered:
    """What the job that emptied the host has done.

    `bucket` is "" where it set no flag; `ours`: it closed the host; `fenced`: it told Nova that it is down;
    `off`: it was switched off by its BMC. `muted`: its steps that kept somebody out or quiet, with their args.
    """

    job: str
    service: str
    zone: str
    most: int
    boot: str
    ours: bool
    stopped: tuple[tuple[str, str], ...] = ()
    bucket: str = ""
    fenced: bool = False
    off: bool = False
    muted: tuple[tuple[str, Mapping[str, Json]], ...] = ()


@dataclass(frozen=True)
class Returning:
    """A server that goes back: where it is, and that host's service."""

    assessment: Assessment
    service: str


@dataclass(frozen=True)
class Wanted:
    """How the host is given back. `canary` is (server id, name, its host)."""

    rebooted: bool = False
    kernel: str = ""
    wait_s: float = 1800.0
    parallel: int = 1
    silence_s: float = 30.0
    canary: tuple[str, str, str] | None = None


def compile_plan(
    cloud: str,
    host: str,
    entered: Entered,
    returning: Sequence[Returning],
    remarks: Sequence[Precondition],
    wanted: Wanted,
    params: Mapping[str, Json],
) -> Plan:
    """The steps that give a host back (pure)."""
    where = {"cloud": cloud, "host": host}
    boot = entered.boot if wanted.rebooted else ""
    steps = [
        Step(
            "back",
            "maintain.host.back",
            {**where, "boot": boot, "kernel": wanted.kernel, "timeout_s": wanted.wait_s},
            _("wait until {host} is back").format(host=host),
            _("in another boot than before") if boot else "",
            Risk.NONE,
            1,
            locks=(lock_of(cloud, host),),
        ),
        Step(
            "ready",
            "maintain.host.ready",
            {**where, "service": entered.service, "timeout_s": wanted.wait_s},
            _("see that {host} is ready").format(host=host),
            _("nova-compute, network agents, libvirt, OSDs"),
            Risk.NONE,
            3,
        ),
    ]
    if entered.fenced:
        args = {**where, "service": entered.service}
        title = _("let nova-compute on {host} be up again").format(host=host)
        steps.insert(1, Step("unfence", "nova.service.let-up", args, title, "", Risk.LOW, 2))
    if entered.off:
        title = _("switch {host} on by its BMC").format(host=host)
        steps.insert(0, Step("on", "maintain.host.power-on", {"host": host}, title, "", Risk.LOW, 60))
    if wanted.canary:
        steps.append(_canary(where, entered, wanted))
    if entered.bucket:
        args = {**where, "bucket": entered.bucket, "job": entered.job}
        title = _("let the OSDs of {host} be marked out again").format(host=host)
        steps.append(Step("unquiet", "ceph.host.noout-off", args, title, "", Risk.LOW, 2))
    steps += [unmute_step(kind, args, entered.job) for kind, args in entered.muted]
    if entered.ours:
        args = {**where, "service": entered.service, "job": entered.job}
        title = _("enable nova-compute on {host}").format(host=host)
        steps.append(Step("uncordon", "nova.service.enable", args, title, "", Risk.LOW, 2))
    steps += [_wake(cloud, server, name) for server, name in entered.stopped]
    moves = [
        live_steps(
            {"cloud": cloud, "host": r.assessment.server.host, "service": r.service}, r.assessment, wanted.silence_s
        )
        for r in returning
        if r.assessment.verb is Verb.LIVE
    ]
    steps += interleaved(moves, wanted.parallel)
    steps += [
        cold_step({"cloud": cloud, "host": r.assessment.server.host, "service": r.service}, r.assessment)
        for r in returning
        if r.assessment.verb is Verb.COLD
    ]
    claim = claim_of(cloud, entered.zone, host, entered.most)
    return Plan(
        title=_("Give back host {host}").format(host=host),
        operation=OPERATION,
        params=dict(params),
        steps=tuple(steps),
        preconditions=tuple(remarks),
        target=host,
        uses=(f"compute-host:{cloud}/{host}", f"cloud:{cloud}"),
        releases=(claim,),
    )


def _canary(where: Mapping[str, Json], entered: Entered, wanted: Wanted) -> Step:
    assert wanted.canary is not None, "only asked for with one"
    server, name, home = wanted.canary
    args = {
        **where,
        "service": entered.service,
        "server": server,
        "name": name,
        "source": home,
        "dest": where["host"],
        "silence_s": wanted.silence_s,
        "timeout_s": 900.0,
    }
    return Step(
        "canary",
        "maintain.host.canary",
        args,
        _("move server {name} there and back").format(name=name),
        _("before others come"),
        Risk.LOW,
        60,
        locks=(f"server:{where['cloud']}/{server}",),
    )


def unmute_step(kind: str, args: Mapping[str, Json], job: str) -> Step:
    """Takes back what a step of `job` has muted."""
    titles = {
        "masakari": _("let Masakari watch {host} again"),
        "alarms": _("end the silence of the alarms of {host}"),
        "node": _("let pods come to node {node} again"),
    }
    title = titles[kind].format(host=args["host"], node=args.get("node", ""))
    return Step(f"un{kind}", _UNDO[kind], {**args, "job": job}, title, "", Risk.LOW, 2)


def _wake(cloud: str, server: str, name: str) -> Step:
    return Step(
        f"wake.{server}",
        "nova.server.wake",
        {"cloud": cloud, "server": server, "name": name},
        _("start server {name}").format(name=name),
        _("it was shut down for this"),
        Risk.LOW,
        10,
        locks=(f"server:{cloud}/{server}",),
    )
