"""What would become of each server of a host, and what stands in the way. `judge` is pure; `survey` reads first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from blue_wizard.errors import BlueWizardError, Refused
from blue_wizard.jobs.model import Precondition
from blue_wizard.maintain import mark, site
from blue_wizard.maintain.model import Assessment, Beside, Site, Verb, Wishes
from blue_wizard.maintain.placing import place
from blue_wizard.maintain.verbs import assess
from blue_wizard.reach import computes as hosts
from blue_wizard.reach.openstack import Cloud
from blue_wizard.text import _

__all__ = ["Allowed", "Survey", "judge", "refuse", "survey"]


@dataclass(frozen=True)
class Allowed:
    """What the operator lets pass: a service that somebody else disabled, networks that lose their only agent, an evacuation."""

    disabled: bool = False
    network_loss: bool = False
    evacuate: bool = False


@dataclass(frozen=True)
class Survey:
    """A host as it is, each of its servers with its verb, and what has to hold before anything begins."""

    site: Site
    servers: tuple[Assessment, ...]
    findings: tuple[Precondition, ...]

    @property
    def ready(self) -> bool:
        """True when nothing stands in the way."""
        return all(f.holds for f in self.findings)


def survey(
    cloud: Cloud,
    host: str,
    wishes: Wishes,
    allowed: Allowed,
    beside: Beside | None = None,
    *,
    kubernetes: bool = False,
) -> Survey:
    """Look at a host and everything that it could be emptied to; what is optional as in `site.read`. Raises InputError."""
    found = site.read(cloud, host, beside, kubernetes=kubernetes)
    made = judge(found, wishes, allowed)
    dests = sorted({a.dest for a in made.servers if a.dest})
    silent = _silent(cloud.name, dests)
    if not silent:
        return made
    title = _("the libvirt of {host} can be asked")
    more = tuple(Precondition(title.format(host=h), False, why) for h, why in silent.items())
    return Survey(found, made.servers, (*made.findings, *more))


def _silent(cloud: str, dests: Sequence[str]) -> Mapping[str, str]:
    """The destinations whose libvirt does not answer: no move to them could be proven."""

    def ask(host: str) -> str:
        try:
            hosts.domains(cloud, host)
        except BlueWizardError as e:
            return f"{e.message} {e.hint}".strip()
        return ""

    with ThreadPoolExecutor(max(1, min(8, len(dests)))) as threads:
        answers = dict(zip(dests, threads.map(ask, dests), strict=True))
    return {host: why for host, why in answers.items() if why}


def judge(found: Site, wishes: Wishes, allowed: Allowed) -> Survey:
    """The verbs, destinations and findings for a host (pure)."""
    dead = not found.service.up
    assessed = [assess(s, found.ports.get(s.id, ()), wishes, dead=dead) for s in found.servers]
    servers = tuple(place(assessed, found, wishes.avoid))
    return Survey(found, servers, tuple(_findings(found, servers, allowed)))


def _findings(found: Site, servers: Sequence[Assessment], allowed: Allowed) -> Iterator[Precondition]:
    yield from _service(found, allowed)
    others = [c for c in found.computes if c.host != found.host and c.service.up and c.service.enabled]
    yield Precondition(
        _("another compute host is in service"),
        bool(others),
        "" if others else _("{host} is the last one: its servers would have nowhere to go").format(host=found.host),
    )
    for way in found.moving:
        yield Precondition(
            _("no migration from or to {host} is under way").format(host=found.host),
            False,
            _("server {server}: {source} to {dest}, {status}; wait until it has ended").format(
                server=way.server, source=way.source, dest=way.dest or "?", status=way.status
            ),
        )
    for one in servers:
        if one.verb is Verb.BLOCKED:
            yield Precondition(_("server {name} can be moved").format(name=one.server.name), False, _because(one))
    known = {s.id for s in found.servers}
    strange = [f"{name} ({uuid})" for uuid, name in sorted((found.domains or {}).items()) if uuid not in known]
    if strange:
        text = _("libvirt has {domains}; Nova does not know of it")
        yield Precondition(
            _("every guest on {host} is a server of Nova").format(host=found.host),
            False,
            text.format(domains=", ".join(strange)),
        )
    missing = sorted(s.name for s in found.servers if found.domains is not None and s.id not in found.domains)
    if missing:
        yield Precondition(
            _("every server on {host} has its guest there").format(host=found.host),
            False,
            _("libvirt has no guest for {names}").format(names=", ".join(missing)),
        )
    yield from _storage(found)
    yield from _network(found, allowed)
    yield from _kubernetes(found)


def _kubernetes(found: Site) -> Iterator[Precondition]:
    # The pods of a dead host are gone already.
    if found.node is not None and found.service.up:
        title = _("node {node} can be drained").format(node=found.node.name)
        yield from (Precondition(title, False, why) for why in found.node.refusals)


def _because(one: Assessment) -> str:
    return f"{one.why}; {one.remedy}" if one.remedy else one.why


def _service(found: Site, allowed: Allowed) -> Iterator[Precondition]:
    service, host = found.service, found.host
    if not service.up:
        yield from _dead(found, allowed)
    if service.enabled:
        if service.up:
            yield Precondition(_("nova-compute on {host} is in service").format(host=host), True)
        return
    job = mark.job_of(service.reason)
    if job:
        text = _("job {job} has it in maintenance; give it back: blue-wizard host leave {host}")
        detail, holds = text.format(job=job, host=host), False
    else:
        text = _('somebody else has disabled it: "{reason}"; ask them, or say --keep-disabled')
        detail, holds = text.format(reason=service.reason), allowed.disabled
    yield Precondition(_("nova-compute on {host} is in service").format(host=host), holds, detail)


def _dead(found: Site, allowed: Allowed) -> Iterator[Precondition]:
    """A dead host may be evacuated when that was asked for, and it gives no other sign of life."""
    text = _("it is dead: with --evacuate its servers are built anew elsewhere")
    yield Precondition(
        _("nova-compute on {host} answers, or its evacuation was asked for").format(host=found.host),
        allowed.evacuate,
        "" if allowed.evacuate else text,
    )
    yield Precondition(
        _("{host} gives no sign of life").format(host=found.host),
        not found.alive,
        _("it answers over SSH: what runs there would run twice") if found.alive else "",
    )


def _storage(found: Site) -> Iterator[Precondition]:
    for what, why in found.unasked.items():
        yield Precondition(_("{what} of {host} can be asked").format(what=what, host=found.host), False, why)
    if found.osds and found.osds.ids:
        ids = ", ".join(map(str, found.osds.ids))
        detail = "" if found.ok_to_stop else _("placement groups would be without enough copies; wait for recovery")
        yield Precondition(_("OSDs {ids} may all stop").format(ids=ids), bool(found.ok_to_stop), detail)
        if not found.osds.bucket:
            text = _("they are in no CRUSH bucket of their own")
            yield Precondition(_("OSDs {ids} can be kept from being marked out").format(ids=ids), False, text)


def _network(found: Site, allowed: Allowed) -> Iterator[Precondition]:
    for agent in found.agents:
        # What a dead agent served is lost already.
        if agent.only_here and found.service.up:
            text = _("only it serves {names}; move them first, or say --allow-network-loss")
            yield Precondition(
                _("{agent} on {host} can be done without").format(agent=agent.binary, host=found.host),
                allowed.network_loss,
                text.format(names=", ".join(agent.only_here)),
            )


def refuse(findings: Sequence[Precondition]) -> None:
    """Raise Refused with everything that does not hold."""
    bad = [f for f in findings if not f.holds]
    if bad:
        lines = "".join(f"\n  - {f.title}: {f.detail}" if f.detail else f"\n  - {f.title}" for f in bad)
        raise Refused(
            _("The host can't be taken out of service:{problems}").format(problems=lines), _("Nothing was touched.")
        )
