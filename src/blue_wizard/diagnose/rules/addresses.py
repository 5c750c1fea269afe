"""Two of the same: MAC addresses, segments; and MTUs along the server's devices."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction, Finding
from blue_wizard.diagnose.rulebook import rule, with_ovn
from blue_wizard.text import _

__all__ = ["learned_elsewhere", "mtu", "same_mac", "same_segment", "tracking"]

_DHCP_PACKET = 328


@rule
def same_segment(case: Case) -> Iterable[Cause | Finding]:
    """Two networks share a VLAN or tunnel id: whichever DHCP server is faster answers."""
    others = case.api.same_segment.get(case.path.network["id"], [])
    if others and case.path.segment is not None:
        yield Finding(
            "network.duplicate-segment",
            case.path.network_host,
            case.path.network["id"],
            _("Networks {networks} have the same {kind} id {segment}.").format(
                networks=", ".join([case.path.network["name"], *(n["name"] for n in others)]),
                kind=case.path.kind,
                segment=case.path.segment,
            ),
            _("Give one of them another segment: make it anew, and move its servers."),
            tuple(f"{n['id']} {n['name']}" for n in others),
        )


@with_ovn
def same_mac(case: Case) -> Iterable[Finding]:
    """Another port of the same network with the same MAC."""
    for other in case.api.same_mac.get(case.path.id, []):
        if other["network_id"] == case.path.network["id"]:
            yield Finding(
                "ovs.duplicate-mac",
                str(other.get("binding:host_id") or ""),
                other["id"],
                _("Port {other} has the same MAC {mac} in the same network.").format(
                    other=other["id"], mac=case.path.mac
                ),
                _("Give one of them another MAC, or delete the one that is not in use."),
                (f"device_id={other.get('device_id')} status={other['status']}",),
            )


@rule
def learned_elsewhere(case: Case) -> Iterable[Cause]:
    """br-int has learned the server's MAC on another port than the one that leads to it: something else uses it."""
    mac = case.path.mac
    for side in case.sides:
        switch = side.host.switch
        if switch is None or side.wired_tag is None:
            continue
        compute = side is case.compute
        for seen in side.host.learned(side.integration):
            if seen.mac != mac or seen.vlan != side.wired_tag:
                continue
            at = next(
                (i for p, i in switch.interfaces() if p.bridge == side.integration and i.ofport == seen.port), None
            )
            if (
                at is None
                or at.name == case.path.switch_device
                or (at.type == "patch" and not compute and not case.path.same_host)
            ):
                continue
            if compute and case.traced["compute-reply"] is not False and at.type == "patch":
                continue
            yield Cause(
                "ovs.duplicate-mac",
                side.br_int,
                side.host.name,
                at.name,
                _("{mac} is also at {device} on {host}: replies go there.").format(
                    mac=mac, device=at.name, host=side.host.name
                ),
                _(
                    "Find what is behind {device}, and give it its own MAC. To forget at once, on {host}: {command}"
                ).format(
                    device=at.name,
                    host=side.host.name,
                    command=side.host.command(f"ovs-appctl fdb/flush {side.integration}"),
                ),
                (f"fdb/show {side.integration}: {mac} VLAN {seen.vlan} at {at.name}, {seen.age} s ago",),
                Direction.REPLY,
                "" if not compute else case.hops[case.hops.index("compute-br-int") - 1],
            )


@with_ovn
def mtu(case: Case) -> Iterable[Cause | Finding]:
    """Each device of the server takes the network's packets."""
    path, links = case.path, case.compute.host.links
    names = [path.tap, *(path.device(p) for p in ("qbr", "qvb", "qvo") if path.hybrid)]
    wanted = int(path.network.get("mtu") or 0)
    for name in names:
        link = links.get(name)
        if link is None or not wanted or link.mtu >= wanted:
            continue
        text = _("{device} on {host} has an MTU of {actual}; the network's is {expected}.").format(
            device=name, host=case.compute.host.name, actual=link.mtu, expected=wanted
        )
        remedy = _("On {host}: ip link set {device} mtu {expected}").format(
            host=case.compute.host.name, device=name, expected=wanted
        )
        evidence = (f"{name}: mtu {link.mtu}, tx dropped {link.tx_dropped}, rx dropped {link.rx_dropped}",)
        hop = name[:3]
        if link.mtu < _DHCP_PACKET and hop != "qbr":
            # Each is the way out for one direction only: qvb and qvo (its receiving end) for the request, tap for the reply.
            direction = Direction.REPLY if hop == "tap" else Direction.REQUEST
            yield Cause("port.mtu", hop, case.compute.host.name, name, text, remedy, evidence, direction)
        else:
            yield Finding("port.mtu-risk", case.compute.host.name, name, text, remedy, evidence)


@with_ovn
def tracking(case: Case) -> Iterable[Finding]:
    """The kernel's table of connections; when it is full, new connections are dropped."""
    for side in case.sides:
        count = side.host.proc("net/netfilter/nf_conntrack_count")
        most = side.host.proc("net/netfilter/nf_conntrack_max")
        if not count.isdigit() or not most.isdigit() or int(most) == 0:
            continue
        share = int(count) / int(most)
        if share >= 0.8:
            full = share >= 0.99
            yield Finding(
                "conntrack.full" if full else "conntrack.nearly-full",
                side.host.name,
                "nf_conntrack",
                _("{host} tracks {count} of at most {most} connections.").format(
                    host=side.host.name, count=count, most=most
                ),
                _("On {host}: sysctl -w net.netfilter.nf_conntrack_max=NUMBER (and in /etc/sysctl.d).").format(
                    host=side.host.name
                ),
                (f"nf_conntrack_count={count} nf_conntrack_max={most}",),
            )
