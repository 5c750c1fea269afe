"""The plan that empties a host. `compile_plan` is pure: a survey in, a plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blue_wizard.jobs.model import Claim, Gate, Invariant, Json, Plan, Risk, Step
from blue_wizard.maintain.invariant import KEPT
from blue_wizard.maintain.model import Assessment, Reason, Site, Verb
from blue_wizard.maintain.survey import Survey
from blue_wizard.text import _

__all__ = [
    "CLAIM",
    "OPERATION",
    "Options",
    "claim_of",
    "cold_step",
    "compile_plan",
    "interleaved",
    "live_steps",
    "lock_of",
]

OPERATION = "host.enter"
CLAIM = "maintenance"


@dataclass(frozen=True)
class Options:
    """How it is done. `parallel`: migrations at once; `silence_s`: how long a server may be unheard before its move is aborted."""

    reason: Reason
    parallel: int = 1
    silence_s: float = 30.0
    max_unavailable: int = 1
    window: str = ""


def claim_of(cloud: str, service_zone: str, host: str, most: int) -> Claim:
    """The host's place in its failure domain, which is its availability zone; kept until it is given back."""
    return Claim(CLAIM, f"zone:{cloud}/{service_zone}", f"host:{cloud}/{host}", most, keep=True)


def lock_of(cloud: str, host: str) -> str:
    """The lock under which one job at a time works on a host."""
    return f"host:{cloud}/{host}"


def compile_plan(cloud: str, found: Survey, options: Options, params: Mapping[str, Json]) -> Plan:
    """The steps that empty a host (pure)."""
    site, host = found.site, found.site.host
    where = {"cloud": cloud, "host": host}
    staying = sorted(a.server.id for a in found.servers if a.verb in {Verb.STOP, Verb.LEAVE})
    foreign = "" if site.service.enabled else site.service.reason
    cordon = Step(
        "cordon",
        "nova.service.disable",
        {**where, "service": site.service.id, "reason": options.reason.value, "foreign": foreign},
        _("keep nova-compute on {host} disabled").format(host=host)
        if foreign
        else _("disable nova-compute on {host}").format(host=host),
        _("somebody else has disabled it") if foreign else _("no new server comes to it"),
        Risk.LOW,
        2,
        locks=(lock_of(cloud, host),),
    )
    steps = _emptied(where, found, options, cordon, staying) if site.service.up else _evacuated(where, found, cordon)
    steps = [*_mute(where, site), *_node_closed(where, site), *steps, *_node_drained(where, site)]
    watched = [a.server.id for a in found.servers if a.verb is Verb.LIVE]
    return Plan(
        title=_("Empty host {host} ({reason})").format(host=host, reason=options.reason.value),
        operation=OPERATION,
        params=dict(params),
        steps=tuple(steps),
        preconditions=found.findings,
        invariant=Invariant(
            _("no server stops that should run, and nobody opens the host"),
            KEPT,
            {**where, "service": site.service.id, "servers": watched},
        ),
        target=host,
        uses=(f"compute-host:{cloud}/{host}", f"cloud:{cloud}"),
        claims=(claim_of(cloud, site.service.zone, host, options.max_unavailable),),
        window=options.window,
    )


def _mute(where: Mapping[str, Json], site: Site) -> list[Step]:
    """Those who would act, or cry, when the host goes away on purpose."""
    host, steps = where["host"], []
    if site.masakari is not None:
        segment, id_ = site.masakari
        steps.append(
            Step(
                "masakari",
                "maintain.mute.masakari",
                {**where, "segment": segment, "id": id_},
                _("tell Masakari that {host} is in maintenance").format(host=host),
                _("it would evacuate what is worked on"),
                Risk.LOW,
                2,
            )
        )
    if site.alarms:
        steps.append(
            Step(
                "alarms",
                "maintain.mute.alarms",
                where,
                _("silence the alarms of {host}").format(host=host),
                _("for {hours} hours at most").format(hours=24),
                Risk.LOW,
                2,
            )
        )
    return steps


def _node_closed(where: Mapping[str, Json], site: Site) -> list[Step]:
    if site.node is None:
        return []
    title = _("cordon node {node}").format(node=site.node.name)
    args = {**where, "cluster": site.node.cluster, "node": site.node.name}
    return [Step("node", "kubernetes.node.cordon", args, title, _("no new pod comes to it"), Risk.LOW, 2)]


def _node_drained(where: Mapping[str, Json], site: Site) -> list[Step]:
    # A drain of a dead host would wait for pods that nobody can end.
    if site.node is None or not site.service.up:
        return []
    title = _("drain node {node}").format(node=site.node.name)
    args = {**where, "cluster": site.node.cluster, "node": site.node.name, "timeout_s": 1800.0}
    why = _("pods go by eviction, as their budgets allow; those of daemon sets stay")
    return [Step("pods", "kubernetes.node.drain", args, title, why, Risk.LOW, 120, _("pods stay where they went"))]


def _emptied(
    where: Mapping[str, Json], found: Survey, options: Options, cordon: Step, staying: Sequence[str]
) -> list[Step]:
    """The steps for a host that lives."""
    site, cloud, host = found.site, where["cloud"], where["host"]
    mine = {**where, "service": site.service.id}
    steps = [
        Step("note", "maintain.host.note", where, _("note the boot of {host}").format(host=host), seconds=1),
        cordon,
        Step(
            "settle",
            "maintain.host.settle",
            {**where, "servers": sorted(a.server.id for a in found.servers)},
            _("see that only the planned servers are there"),
            _("one may have come at the last moment"),
            Risk.NONE,
            3,
        ),
    ]
    steps += [_stop(cloud, a) for a in found.servers if a.verb is Verb.STOP]
    moves = [a for a in found.servers if a.verb is Verb.LIVE]
    steps += interleaved([live_steps(mine, a, options.silence_s) for a in moves], options.parallel)
    steps += [cold_step(mine, a) for a in found.servers if a.verb is Verb.COLD]
    steps.append(
        Step(
            "empty",
            "maintain.host.empty",
            {**where, "staying": list(staying), "provider": _provider(site)},
            _("prove that {host} is empty").format(host=host),
            _("Nova, libvirt and Placement have to agree"),
            Risk.NONE,
            10,
        )
    )
    if site.osds and site.osds.ids:
        steps.append(_quiet(where, site))
    return steps


def _evacuated(where: Mapping[str, Json], found: Survey, cordon: Step) -> list[Step]:
    """The steps for a host that is dead: its BMC says that it is off, or else a person."""
    host = where["host"]
    question = _(
        "Is {host} off for sure (power, BMC)? What still runs there would run twice, on the same disks. Type its name: {host}"
    )
    by_bmc = bool(found.site.power)
    fence = Step(
        "fence",
        "nova.service.force-down",
        {**where, "service": found.site.service.id, "bmc": by_bmc},
        _("tell Nova that {host} is down").format(host=host),
        _("its BMC says that it is off") if by_bmc else _("a person has made sure that it is off"),
        Risk.HIGH,
        2,
        gate=None if by_bmc else Gate(question.format(host=host), text=True),
    )
    off = Step(
        "off",
        "maintain.host.power-off",
        {**where, "service": found.site.service.id},
        _("switch {host} off by its BMC").format(host=host),
        _("what still runs there would run twice"),
        Risk.HIGH,
        30,
        _("it stays off until it is given back"),
    )
    staying = sorted(a.server.id for a in found.servers if a.verb is Verb.LEAVE)
    title = _("see that Nova has nothing on {host} any more").format(host=host)
    gone = Step("gone", "maintain.host.gone", {**where, "staying": staying}, title)
    return [
        cordon,
        *([off] if by_bmc else []),
        fence,
        *(_evacuate(where, a) for a in found.servers if a.verb is Verb.EVACUATE),
        gone,
    ]


def _evacuate(where: Mapping[str, Json], one: Assessment) -> Step:
    server = one.server
    return Step(
        f"evac.{server.id}",
        "nova.server.evacuate",
        {
            "cloud": where["cloud"],
            "server": server.id,
            "name": server.name,
            "source": where["host"],
            "dest": one.dest,
            "timeout_s": max(600.0, 4 * one.seconds),
        },
        _("build server {name} anew on {dest}").format(name=server.name, dest=one.dest or "?"),
        "",
        Risk.HIGH,
        one.seconds,
        _("its disk of {size} GiB on the host is made anew from its image").format(size=server.disk)
        if server.disk and server.image
        else _("it stays there"),
        locks=(f"server:{where['cloud']}/{server.id}",),
    )


def _provider(site: Site) -> str:
    return next((c.hypervisor.id for c in site.computes if c.host == site.host), "")


def _stop(cloud: str, one: Assessment) -> Step:
    server = one.server
    return Step(
        f"stop.{server.id}",
        "nova.server.rest",
        {"cloud": cloud, "server": server.id, "name": server.name},
        _("shut down server {name}").format(name=server.name),
        _("with its owner's consent"),
        Risk.LOW,
        one.seconds,
        locks=(f"server:{cloud}/{server.id}",),
    )


def live_steps(where: Mapping[str, Json], one: Assessment, silence_s: float) -> tuple[Step, Step]:
    """A live migration away from a host. `where`: cloud, host, and the id of its service."""
    server, dest, cloud = one.server, one.dest, where["cloud"]
    args = {
        **where,
        "server": server.id,
        "name": server.name,
        "source": where["host"],
        "dest": dest,
        "silence_s": silence_s,
        "timeout_s": max(300.0, 4 * one.seconds),
        "force": one.force,
        "unscheduled": one.unscheduled,
    }
    to = dest or "?"
    begin = Step(
        f"start.{server.id}",
        "nova.server.live-migrate",
        args,
        _("begin to move server {name} to {dest}").format(name=server.name, dest=to),
        "",
        Risk.LOW,
        2,
        locks=(f"server:{cloud}/{server.id}",),
    )
    end = Step(
        f"move.{server.id}",
        "nova.server.moved",
        {**args, "begin": begin.id},
        _("see server {name} arrive on {dest}").format(name=server.name, dest=to),
        one.why,
        Risk.LOW,
        one.seconds,
    )
    return begin, end


def interleaved(moves: Sequence[tuple[Step, Step]], parallel: int) -> list[Step]:
    """The steps in an order in which so many moves are under way at once: as one arrives, the next begins (pure)."""
    found: list[Step] = []
    waiting: list[Step] = []
    for begin, end in moves:
        if len(waiting) >= max(1, parallel):
            found.append(waiting.pop(0))
        found.append(begin)
        waiting.append(end)
    return found + waiting


def cold_step(where: Mapping[str, Json], one: Assessment) -> Step:
    """A cold migration away from a host. `where`: cloud, host, and the id of its service."""
    server, cloud = one.server, where["cloud"]
    return Step(
        f"cold.{server.id}",
        "nova.server.cold-migrate",
        {
            **where,
            "server": server.id,
            "name": server.name,
            "source": where["host"],
            "dest": one.dest,
            "timeout_s": max(600.0, 4 * one.seconds),
        },
        _("move server {name}, which is off, to {dest}").format(name=server.name, dest=one.dest or "?"),
        _("its owner could start it here"),
        Risk.LOW,
        one.seconds,
        locks=(f"server:{cloud}/{server.id}",),
    )


def _quiet(where: Mapping[str, Json], site: Site) -> Step:
    assert site.osds is not None, "only a host with OSDs gets here"
    ids = list(site.osds.ids)
    return Step(
        "quiet",
        "ceph.host.noout",
        {**where, "bucket": site.osds.bucket, "osds": ids},
        _("keep OSDs {ids} from being marked out").format(ids=", ".join(map(str, ids))),
        _("their data would be copied in vain; other hosts are not touched"),
        Risk.LOW,
        3,
    )
