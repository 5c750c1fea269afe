"""Where each server goes: the scheduler's choice, simulated on what Placement says. Pure.

Checked for each host are what Nova's scheduler and Placement check: the service is enabled and up, the zone, inventories
with their ratios and largest units, required and forbidden traits, the extra specs that host aggregates ask for, the
server group; and the rule of nova/conductor/tasks/live_migrate.py that a hypervisor is never left for an older one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from blue_wizard.facts.servers import Server
from blue_wizard.maintain.model import Assessment, Compute, Group, Site, Stock, Verb
from blue_wizard.text import _

__all__ = ["place", "refusal"]

_MOVES = frozenset({Verb.LIVE, Verb.COLD, Verb.EVACUATE})
_AGGREGATE = "aggregate_instance_extra_specs:"
_TRAIT = "trait:"


def place(found: Sequence[Assessment], site: Site, avoid: Collection[str] = ()) -> list[Assessment]:
    """The assessments with a destination each, or blocked with every host's refusal; in the order in which they go.

    The largest go first, since the others fit into what is left; each one goes to where the largest share of memory is free.
    What one takes is taken for those after it. Hosts to `avoid` (they will be emptied, too) are taken where there is no other.
    """
    rooms = {c.host: dict(c.stocks) for c in site.computes if c.host != site.host}
    where = {member: host for g in site.groups for member, host in g.hosts.items()}
    for server, (host, need) in site.promised.items():
        where[server] = host
        if host in rooms:
            _take(rooms[host], need)
    order = sorted(found, key=lambda a: (-a.server.ram, -a.server.disk, a.server.id))
    return [_placed(a, site, rooms, where, avoid) if a.verb in _MOVES else a for a in order]


def _placed(
    one: Assessment,
    site: Site,
    rooms: dict[str, dict[str, Stock]],
    where: dict[str, str],
    avoid: Collection[str],
) -> Assessment:
    needs = site.needs.get(one.server.id, {})
    mine = next((c for c in site.computes if c.host == site.host), None)
    if mine is not None and set(needs) - {mine.hypervisor.id}:
        # Parts of a provider (a GPU, a card's bandwidth) are a tree that only Nova itself walks.
        return replace(one, why=_("Nova chooses the host: it uses parts of a provider"))
    need = needs.get(mine.hypervisor.id, {}) if mine else {}
    refusals, fits = [], []
    for compute in site.computes:
        if compute.host == site.host:
            continue
        room = rooms[compute.host]
        emptied = _("it is being emptied, too") if compute.host in site.closed else ""
        reason = (
            emptied
            or refusal(one.server, need, compute, room, mine)
            or _group(one.server.id, compute.host, site, where)
        )
        if reason:
            refusals.append(f"{compute.host}: {reason}")
        else:
            soft = _soft(one.server.id, compute.host, site.groups, where)
            fits.append((soft, compute.host in avoid, -_share(room), compute.host))
    if not fits:
        why = _("no host can take it: {reasons}").format(reasons="; ".join(refusals) or _("there is no other host"))
        return replace(
            one,
            verb=Verb.BLOCKED,
            why=why,
            remedy=_("make room, or with its owner's consent: --leave {id}").format(id=one.server.id),
            seconds=0.0,
        )
    dest = min(fits)[3]
    alone = _first_of_its_group(one.server.id, dest, site.groups, where)
    if alone and one.verb is Verb.COLD:
        return replace(
            one,
            verb=Verb.BLOCKED,
            why=_("its affinity group is on {host}, and Nova lets no server that is off go elsewhere alone").format(
                host=site.host
            ),
            remedy=_("with its owner's consent: --leave {id}").format(id=one.server.id),
            seconds=0.0,
        )
    _take(rooms[dest], need)
    where[one.server.id] = dest
    return replace(one, dest=dest, unscheduled=alone and one.verb is Verb.LIVE)


def _first_of_its_group(server: str, dest: str, groups: Iterable[Group], where: Mapping[str, str]) -> bool:
    """Whether no member of its affinity group is on its destination yet: to the scheduler the group is where the others are."""
    for group in _groups_of(server, groups):
        others = {where[m] for m in group.hosts if m != server and where.get(m)}
        if group.policy == "affinity" and others and dest not in others:
            return True
    return False


def _take(room: dict[str, Stock], need: Mapping[str, int]) -> None:
    for kind, amount in need.items():
        if kind in room:
            room[kind] = replace(room[kind], used=room[kind].used + amount)


def _share(room: Mapping[str, Stock]) -> int:
    """How much memory is free, in parts of 32: a plan must not be another one because a small server came or went meanwhile."""
    memory = room.get("MEMORY_MB")
    return round(memory.free * 32 / memory.total) if memory and memory.total else 0


def refusal(
    server: Server, need: Mapping[str, int], compute: Compute, room: Mapping[str, Stock], source: Compute | None
) -> str:
    """Why a host can't take a server, its group left aside; "" when it can."""
    service = compute.service
    if not service.up or service.forced_down:
        return _("its nova-compute is down")
    if not service.enabled:
        return _("it is disabled")
    if server.zone and service.zone != server.zone:
        return _("it is in zone {zone}").format(zone=service.zone)
    if source is not None:
        if compute.hypervisor.kind != source.hypervisor.kind:
            return _("its hypervisor is {kind}").format(kind=compute.hypervisor.kind)
        if compute.hypervisor.version < source.hypervisor.version:
            return _("its hypervisor is older")
    for kind, amount in need.items():
        stock = room.get(kind)
        if stock is None:
            return _("it has no {resource}").format(resource=kind)
        if amount > stock.max_unit:
            return _("at most {most} of {resource} for one server").format(most=stock.max_unit, resource=kind)
        if amount > stock.free:
            return _("{resource}: {need} needed, {free} free").format(
                resource=kind, need=amount, free=max(0, stock.free)
            )
    return _specs(server, compute)


def _specs(server: Server, compute: Compute) -> str:
    for name, value in server.extra_specs.items():
        if name.startswith(_TRAIT):
            trait = name.removeprefix(_TRAIT)
            if value == "required" and trait not in compute.traits:
                return _("it lacks trait {trait}").format(trait=trait)
            if value == "forbidden" and trait in compute.traits:
                return _("it has the forbidden trait {trait}").format(trait=trait)
        if name.startswith(_AGGREGATE):
            key = name.removeprefix(_AGGREGATE)
            if not any(a.get(key) == value for a in compute.aggregates):
                return _("it is in no aggregate with {key}={value}").format(key=key, value=value)
    return ""


def _group(server: str, host: str, site: Site, where: Mapping[str, str]) -> str:
    for group in _groups_of(server, site.groups):
        others = {where[m] for m in group.hosts if m != server and where.get(m)}
        if group.policy == "anti-affinity" and host in others:
            return _("a member of its anti-affinity group is there")
        # All members move together; the first one may go anywhere.
        if group.policy == "affinity" and others - {site.host} and host not in others:
            return _("its affinity group is elsewhere")
    return ""


def _soft(server: str, host: str, groups: Iterable[Group], where: Mapping[str, str]) -> int:
    """How much a host goes against the soft policies of a server's groups: less is better."""
    cost = 0
    for group in _groups_of(server, groups):
        there = sum(1 for m in group.hosts if m != server and where.get(m) == host)
        cost += {"soft-anti-affinity": there, "soft-affinity": -there}.get(group.policy, 0)
    return cost


def _groups_of(server: str, groups: Iterable[Group]) -> list[Group]:
    return [g for g in groups if server in g.hosts]
