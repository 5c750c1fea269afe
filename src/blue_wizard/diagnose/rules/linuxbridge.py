"""ML2's Linux bridge driver (until 2024.2): a bridge ``brq`` for each network on each host, the server's tap and an uplink in it.

The uplink is ``vxlan-VNI`` or a VLAN device of the NIC. What is for all goes to the tunnel ends that are entered for the MAC 0, or
to a multicast group. iptables and ebtables are the firewall; iptables is followed in `packet_filter.py`, ebtables is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from blue_wizard.diagnose.case import Case, Side
from blue_wizard.diagnose.model import Cause, Direction
from blue_wizard.diagnose.rulebook import about
from blue_wizard.facts.iproute import Link
from blue_wizard.text import _

__all__ = ["bridge", "flooding", "uplink"]

_ALL = ("", "router", "server", "dhcp")


def _sides(case: Case) -> Iterator[tuple[Side, dict[str, Link], str]]:
    """Each host of a Linux bridge path whose devices are known, with its uplink ("" where there need be none)."""
    path = case.path
    if not path.linuxbridge or case.api.server["status"] != "ACTIVE":
        return
    for side in dict.fromkeys(case.sides):
        # On one host both ends are in one bridge.
        if side.host.links and not (path.same_host and side is not case.compute):
            name = path.compute_uplink if side is case.compute else path.network_uplink
            yield side, side.host.links, "" if path.same_host else name


def _restart(host: str) -> str:
    return _(
        "Restart the Linux bridge agent on {host}; it makes bridges, uplinks and rules anew: "
        "systemctl restart neutron-linuxbridge-agent (container: neutron_linuxbridge_agent)."
    ).format(host=host)


def _hop(case: Case, side: Side, end: str) -> str:
    return f"{'compute' if side is case.compute else 'network'}-{end}"


@about(*_ALL)
def bridge(case: Case) -> Iterable[Cause]:
    """The network's bridge is there, up, and has the port's tap in it, on both hosts."""
    name = case.path.bridge
    for side, links, _up in _sides(case):
        host, found = side.host.name, links.get(name)
        if found is None:
            text = _("{device} is not there on {host}.").format(device=name, host=host)
            yield Cause(
                "brq.missing", _hop(case, side, "brq"), host, name, text, _restart(host), (f"ip link show {name}",)
            )
            continue
        if not found.up:
            text = _("{device} on {host} is down.").format(device=name, host=host)
            remedy = _("On {host}: ip link set {device} up. Then find out who took it down.").format(
                host=host, device=name
            )
            yield Cause(
                "brq.down", _hop(case, side, "brq"), host, name, text, remedy, (f"{name}: operstate={found.operstate}",)
            )
        taps = [(case.path.tap, "compute-brq")] if side is case.compute else []
        if (side is not case.compute or case.path.same_host) and case.path.far_port is not None:
            taps.append((f"tap{case.path.far_port['id'][:11]}", case.path.far_hop))
        for tap, lost in taps:
            link = links.get(tap)
            # A server's tap that is missing is told with its devices.
            if (link is None and tap == case.path.tap) or (link is not None and link.master == name):
                continue
            text = _("{device} on {host} is not in bridge {bridge}.").format(device=tap, host=host, bridge=name)
            shown = (f"{tap}: master={(link.master if link else '') or '-'}",)
            yield Cause(
                "brq.port-missing", _hop(case, side, "brq"), host, tap, text, _restart(host), shown, lost_at=lost
            )


@about(*_ALL)
def uplink(case: Case) -> Iterable[Cause]:
    """The uplink is there, up, in the bridge, and has the network's segment."""
    path = case.path
    for side, links, name in _sides(case):
        if not name:
            continue
        host, hop, link = side.host.name, _hop(case, side, "uplink"), links.get(name)
        lost = "" if side is case.compute else "network-uplink"
        if link is None:
            text = _("{device} is not there on {host}.").format(device=name, host=host)
            yield Cause(
                "brq.uplink-missing", hop, host, name, text, _restart(host), (f"ip link show {name}",), lost_at=lost
            )
            continue
        shown = (f"{name}: master={link.master or '-'} operstate={link.operstate} {link.info}",)
        if link.master != path.bridge:
            text = _("{device} on {host} is not in bridge {bridge}.").format(device=name, host=host, bridge=path.bridge)
            after = "compute-uplink" if side is case.compute else "network-brq"
            yield Cause("brq.uplink-missing", hop, host, name, text, _restart(host), shown, lost_at=after)
        elif not link.up:
            text = _("{device} on {host} is down.").format(device=name, host=host)
            remedy = _("On {host}: ip link set {device} up. Then find out who took it down.").format(
                host=host, device=name
            )
            yield Cause("brq.uplink-down", hop, host, name, text, remedy, shown, lost_at=lost)
        elif link.info.get("id") not in {None, path.segment}:
            text = _("{device} on {host} has the segment {actual}; the network's is {expected}.").format(
                device=name, host=host, actual=link.info["id"], expected=path.segment
            )
            after = "network-uplink" if side is case.compute else "network-brq"
            yield Cause("brq.wrong-segment", hop, host, name, text, _restart(host), shown, lost_at=after)


@about(*_ALL)
def flooding(case: Case) -> Iterable[Cause]:
    """The VXLAN device sends what is for all to the other host, or to a multicast group."""
    path = case.path
    if not path.tunnelled:
        return
    for side, links, name in _sides(case):
        link, floods = links.get(name), side.host.floods
        if link is None or not link.up or floods is None or not side.remote_ip or link.info.get("group"):
            continue
        if side.remote_ip in floods.get(name, ()):
            continue
        request = side is case.compute
        # A unicast answer needs no such entry once the MAC is learned: from the DHCP host only broadcasts need it.
        if not request:
            continue
        text = _("{device} on {host} does not send to {address} what is for all.").format(
            device=name, host=side.host.name, address=side.remote_ip
        )
        shown = (f"bridge fdb show dev {name}: 00:00:00:00:00:00 dst {', '.join(floods.get(name, ())) or '-'}",)
        yield Cause("brq.flood-entry", "compute-uplink", side.host.name, name, text, _restart(side.host.name), shown,
                    Direction.REQUEST, "compute-nic")  # fmt: skip
