"""tc filters and XDP programs on the devices: they see packets before bridges, switches and iptables do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction, Finding
from blue_wizard.diagnose.rulebook import about
from blue_wizard.facts import dhcp, tc
from blue_wizard.text import _

__all__ = ["filters"]


@about("", ovn=True)
def filters(case: Case) -> Iterable[Cause | Finding]:
    """The DHCP frame is run through the filters. What comes from the guest is ingress of tap, what goes to it is egress."""
    request, reply = _frames(case)
    for hop, host, device, side, text, direction, lost in _all(case):
        found = tc.judge(text, request if direction is Direction.REQUEST else reply)
        remedy = _(
            "Find out who made it. To look: tc -s filter show dev {device} {side}; "
            "to remove: tc filter del dev {device} {side}"
        ).format(device=device, side=side)
        code = "tap.tc-filter" if hop != "dhcp-port" else "dhcp.blocked"
        if found.by:
            message = _("A tc filter on {device} ({side}) on {host} drops the packet.").format(
                device=device, side=side, host=host
            )
            yield Cause(code, hop, host, device, message, remedy, (found.by,), direction, lost)
        elif found.doubt:
            message = _(
                "A program decides over packets on {device} ({side}) on {host}; what it does can't be told."
            ).format(device=device, side=side, host=host)
            yield Finding(code, host, device, message, remedy, found.doubt)
    for hop in ("tap", "qvb", "qvo"):
        name = case.path.device(hop)
        link = case.compute.host.links.get(name)
        if link is not None and link.xdp:
            yield Finding(
                "tap.tc-filter",
                case.compute.host.name,
                name,
                _("An XDP program is on {device} on {host}.").format(device=name, host=case.compute.host.name),
                _("Find out who attached it. To remove, on {host}: ip link set {device} xdp off").format(
                    host=case.compute.host.name, device=name
                ),
                (f"{name}: xdp",),
            )


def _frames(case: Case) -> tuple[bytes, bytes]:
    path = case.path
    server = path.far_port["mac_address"] if path.far_port else "02:00:00:00:00:01"
    offer = dhcp.offer(
        path.mac, 1, server_mac=server, server=path.far_address or "192.0.2.1", address=path.address or "192.0.2.2"
    )
    return dhcp.discover(path.mac, 1), offer


def _all(case: Case) -> Iterator[tuple[str, str, str, str, str, Direction, str]]:
    """Each filter list with its hop, host, device, side, text, the direction it harms, the first hop without the packet."""
    path, host, hops = case.path, case.compute.host, case.hops
    names = [("tap", path.tap)] + [(p, path.device(p)) for p in ("qbr", "qvb", "qvo") if path.hybrid]
    for hop, device in names:
        after = hops[hops.index(hop) + 1]
        before = hops[hops.index(hop) - 1]
        # tap and qvo take the request in; qvb sends it out.
        into, out = (Direction.REQUEST, Direction.REPLY) if hop != "qvb" else (Direction.REPLY, Direction.REQUEST)
        for side, direction in (("in", into), ("out", out)):
            # Going out, it is dropped before a capture on the device could see it.
            lost = hop if side == "out" else after if direction is Direction.REQUEST else before
            word = "ingress" if side == "in" else "egress"
            yield hop, host.name, device, word, host.tc(device, side), direction, lost
    if case.dhcp is not None and case.network is not None:
        for side, direction, lost in (("in", Direction.REQUEST, "dhcp-server"), ("out", Direction.REPLY, "dhcp-port")):
            text = case.dhcp.raw(f"tc_{side}")["out"]
            word = "ingress" if side == "in" else "egress"
            yield "dhcp-port", case.network.host.name, path.far_device, word, str(text), direction, lost
