"""What carries the tunnels: the address, the device, its MTU, and the way in for the tunnel's packets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case, Side
from blue_wizard.diagnose.model import Cause, Direction, Finding
from blue_wizard.diagnose.rulebook import rule
from blue_wizard.facts.iproute import Link
from blue_wizard.facts.iptables import Packet, follow
from blue_wizard.text import _

__all__ = ["address", "blocked", "detour", "link", "mtu"]

OVERHEAD = {"vxlan": 50, "gre": 42, "geneve": 58}
"""Bytes that a tunnel adds over IPv4 (outer Ethernet header included), as Neutron reckons them."""
_DHCP_FRAME = 342
_PORT = {"vxlan": 4789, "geneve": 6081}


def _sides(case: Case) -> Iterator[tuple[Side, str, Direction, str]]:
    """Each side with its NIC's hop, the direction in which it sends, and the first hop without what it sends."""
    if case.path.tunnelled and not case.path.same_host and case.network is not None:
        for side in case.sides:
            if side.host.reached and side.local_ip and side.remote_ip:
                asks = side is case.compute
                yield side, f"{side.role}-nic", Direction.REQUEST, f"{side.role}-nic" if asks else "network-nic"


def _devices(side: Side) -> list[Link]:
    """The devices that the tunnel's packets leave by: the one with the address, and the NICs of its bridge."""
    device = side.host.device_of(side.local_ip)
    switch = side.host.switch
    names = [i.name for _p, i in switch.nics(device)] if switch and device in switch.bridges else []
    # The NIC first: the bridge's own device follows it.
    names.append(device)
    return [side.host.links[n] for n in names if n in side.host.links]


@rule
def address(case: Case) -> Iterable[Cause]:
    """The tunnel's address is on a device of the host, and a route leads to the other host."""
    for side, hop, direction, lost in _sides(case):
        if not side.host.addresses:
            continue
        if not side.host.device_of(side.local_ip):
            yield Cause(
                "underlay.no-address",
                hop,
                side.host.name,
                side.local_ip,
                _("No device of {host} has the tunnel's address {address}.").format(
                    host=side.host.name, address=side.local_ip
                ),
                _("Give the address back to its device on {host}: ip address add {address}/PREFIX dev DEVICE").format(
                    host=side.host.name, address=side.local_ip
                ),
                (", ".join(sorted(a for found in side.host.addresses.values() for a in found if ":" not in a)),),
                direction,
                # The NIC still sees what comes for it.
                lost if side is case.compute else "network-br-tun",
            )
        elif side.host.raw("remotes", side.remote_ip, "route")["rc"] not in {0, 127} or (
            side.host.raw("remotes", side.remote_ip, "route")["rc"] == 0 and not side.host.route(side.remote_ip)
        ):
            yield Cause(
                "underlay.no-route",
                hop,
                side.host.name,
                side.remote_ip,
                _("{host} has no route to the tunnel address {address}.").format(
                    host=side.host.name, address=side.remote_ip
                ),
                _("Restore the route of the tunnel network on {host}.").format(host=side.host.name),
                (side.host.raw("remotes", side.remote_ip, "route")["err"].strip()[:200],),
                direction,
                lost,
            )


@rule
def detour(case: Case) -> Iterable[Cause]:
    """The route to the other host leads out of the device with the tunnel's address; another is a cause when a trace is lost."""
    for side, hop, direction, lost in _sides(case):
        sends = "compute-request" if side is case.compute else "network-reply"
        home, taken = side.host.device_of(side.local_ip), side.host.route(side.remote_ip)
        if not home or not taken or home == taken or case.traced[sends] is not False:
            continue
        yield Cause(
            "underlay.no-route",
            hop,
            side.host.name,
            side.remote_ip,
            _(
                "{host} sends to the tunnel address {address} by {actual}; the tunnel's own address is on {expected}."
            ).format(host=side.host.name, address=side.remote_ip, actual=taken, expected=home),
            _("Restore the route of the tunnel network on {host}.").format(host=side.host.name),
            (side.host.raw("remotes", side.remote_ip, "route")["out"].strip()[:200],),
            direction if side is case.compute else Direction.REPLY,
            lost if side is case.compute else "network-nic",
        )


@rule
def link(case: Case) -> Iterable[Cause]:
    """Each device on the way is up and has a carrier."""
    for side, hop, direction, lost in _sides(case):
        devices = _devices(side)
        down = [x for x in devices if not x.up or not x.carrier]
        if not down or (len(devices) > 2 and len(down) < len(devices) - 1):
            continue
        bad = next((x for x in down if not x.up), down[0])
        yield Cause(
            "underlay.link-down",
            hop,
            side.host.name,
            bad.name,
            _("{device} on {host} is down.").format(device=bad.name, host=side.host.name)
            if not bad.up
            else _("{device} on {host} is up, but has no carrier: cable, transceiver or switch port.").format(
                device=bad.name, host=side.host.name
            ),
            remedies.link_up(side.host.name, bad.name)
            if not bad.up
            else _("Check the cable and the switch port; ethtool {device} shows what the NIC sees.").format(
                device=bad.name
            ),
            (f"{bad.name}: up={bad.up} carrier={bad.carrier} operstate={bad.operstate}",),
            direction,
            lost,
        )


@rule
def mtu(case: Case) -> Iterable[Cause | Finding]:
    """The devices take the network's packets with the tunnel's header around them."""
    overhead = OVERHEAD.get(case.path.kind, 0)
    for side, hop, direction, lost in _sides(case):
        for found in _devices(side):
            # The outer Ethernet header does not count against the MTU of the device, the inner one does.
            if found.mtu < _DHCP_FRAME + overhead - 14:
                yield Cause(
                    "underlay.mtu",
                    hop,
                    side.host.name,
                    found.name,
                    _("{device} on {host} has an MTU of {actual}: not even a DHCP packet in a tunnel fits.").format(
                        device=found.name, host=side.host.name, actual=found.mtu
                    ),
                    _("On {host}: ip link set {device} mtu {expected} (and the same on the switch).").format(
                        host=side.host.name, device=found.name, expected=case.path.network.get("mtu", 1450) + overhead
                    ),
                    (f"{found.name}: mtu {found.mtu}, tx dropped {found.tx_dropped}",),
                    direction,
                    lost,
                )
            elif case.path.network.get("mtu") and found.mtu < case.path.network["mtu"] + overhead:
                yield Finding(
                    "port.mtu-risk",
                    side.host.name,
                    found.name,
                    _("{device} on {host} has an MTU of {actual}; full packets of the network need {expected}.").format(
                        device=found.name,
                        host=side.host.name,
                        actual=found.mtu,
                        expected=case.path.network["mtu"] + overhead,
                    ),
                    _("On {host}: ip link set {device} mtu {expected} (and the same on the switch).").format(
                        host=side.host.name, device=found.name, expected=case.path.network["mtu"] + overhead
                    ),
                    (f"{found.name}: mtu {found.mtu}; network: mtu {case.path.network['mtu']}",),
                )


@rule
def blocked(case: Case) -> Iterable[Cause]:
    """The tunnel's packets get out and in: no rule of iptables, and no flow of the bridge with the address, drops them."""
    for side, _hop, _direction, _lost in _sides(case):
        receives = Direction.REPLY if side is case.compute else Direction.REQUEST
        hop, inner = f"{side.role}-nic", f"{side.role}-br-tun"
        outer = case.outer_trace(side)
        if outer and outer.trace and not outer.trace.into_tunnel_port and not _to_itself(side, outer.outputs):
            ended = next((s for s in outer.trace.steps if s.drops), None)
            yield Cause(
                "underlay.blocked",
                hop,
                side.host.name,
                outer.bridge or "",
                _("{host} drops the tunnel packets of {remote} in bridge {bridge}.").format(
                    host=side.host.name, remote=side.remote_ip, bridge=outer.bridge
                ),
                _("Look at the flows: {command}").format(
                    command=side.host.command(f"ovs-ofctl dump-flows {outer.bridge}")
                ),
                (ended.text() if ended else outer.trace.actions,),
                receives,
                inner,
            )
        tables, port = side.host.tables, _PORT.get(case.path.kind)
        # A switch in user space takes them before iptables could.
        if tables is None or port is None or (outer and outer.trace and outer.trace.into_tunnel_port):
            continue
        device = side.host.route(side.remote_ip) or side.host.device_of(side.local_ip)
        into = Packet(side.remote_ip, side.local_ip, 50000, port, device_in=device)
        out = Packet(side.local_ip, side.remote_ip, 50000, port, device_out=device)
        for packet, chains, way, lost in (
            (
                into,
                (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT")),
                receives,
                inner,
            ),
            (out, (("raw", "OUTPUT"), ("mangle", "OUTPUT"), ("filter", "OUTPUT")), _other(receives), hop),
        ):
            fates = [follow(tables, table, chain, packet) for table, chain in chains]
            fate = next((f for f in fates if not f.accepted), None)
            if fate is None:
                continue
            yield Cause(
                "underlay.blocked",
                hop,
                side.host.name,
                fate.chain,
                _("iptables on {host} drops the tunnel packets (UDP {port}) in chain {chain}.").format(
                    host=side.host.name, port=port, chain=fate.chain
                ),
                _("On {host}: iptables -I {chain} -p udp --dport {port} -j ACCEPT").format(
                    host=side.host.name, chain=chains[-1][1], port=port
                ),
                (f"[{fate.rule.packets} packets] {fate.rule.text}" if fate.rule else f":{fate.chain} DROP",),
                way,
                lost,
            )


def _other(direction: Direction) -> Direction:
    return Direction.REPLY if direction is Direction.REQUEST else Direction.REQUEST


def _to_itself(side: Side, outputs: tuple[object, ...]) -> bool:
    """In a kernel datapath the packet goes to the bridge's own device, and from there into the tunnel port."""
    device = side.host.device_of(side.local_ip)
    return any(getattr(o, "port", "") == device for o in outputs)
