"""The hops of a case as they should be and as they are, and which of them a packet comes through."""

from __future__ import annotations

from blue_wizard.diagnose.case import Case, Side
from blue_wizard.diagnose.model import Cause, Direction, Hop, SeenBy, State, Verdict
from blue_wizard.diagnose.sightings import Sightings
from blue_wizard.diagnose.view import HostView
from blue_wizard.text import _

__all__ = ["hops"]


def hops(case: Case, cause: Cause | None, verdict: Verdict, seen: Sightings | None = None) -> tuple[Hop, ...]:
    """All hops, in the order of the request. What a capture saw counts for more than what state and traces say."""
    states = _states(case, cause, verdict)
    made = []
    for name in case.hops:
        host, device, expected, actual = _device(case, name)
        request, reply = states[name]
        by = _seen_by(name)
        if seen is not None and name in seen.request and name != "guest":
            request, by = seen.request[name], SeenBy.CAPTURE
            reply = seen.reply.get(name, State.UNKNOWN)
        note = cause.message if cause is not None and cause.hop == name else ""
        made.append(Hop(name, host, device, expected, actual, request, reply, by, note))
    return tuple(made)


def _side(case: Case, name: str) -> Side | None:
    if name in {"guest", "tap", "qbr", "qvb", "qvo"} or name.startswith("compute") or case.path.answered_by_ovn:
        return case.compute
    return case.network


def nic_of(host: HostView, uplink: str) -> str:
    """The NIC below an uplink of the Linux bridge driver; "" where it is not known."""
    link = host.links.get(uplink)
    if link is None:
        return ""
    return str(
        link.info.get("link") or link.peer or (uplink if "." not in uplink and not uplink.startswith("vxlan-") else "")
    )


def _looked(case: Case, name: str) -> bool:
    side = _side(case, name)
    return side is not None and side.host.reached and side.host.root


def _seen_by(name: str) -> SeenBy:
    return SeenBy.TRACE if "br-" in name or name.endswith(("bridge", "nic")) else SeenBy.STATE


def _states(case: Case, cause: Cause | None, verdict: Verdict) -> dict[str, tuple[State, State]]:
    """Request and reply at each hop: what is looked at and not broken is seen, up to where the packet is lost."""
    names = case.hops
    lost = cause if cause is not None and verdict is Verdict.LOST else None
    request_from = reply_from = None
    if lost is not None and lost.missing_from in names:
        if lost.direction is Direction.REQUEST:
            request_from = names.index(lost.missing_from)
        else:
            reply_from = names.index(lost.missing_from)
    found = {}
    for i, name in enumerate(names):
        known = _looked(case, name)
        request = State.SEEN if known else State.UNKNOWN
        reply = request
        if request_from is not None:
            # Nothing is answered that never arrives; what would become of a reply is not known.
            request = State.MISSING if i >= request_from else request
            reply = State.UNKNOWN
        elif reply_from is not None and i <= reply_from:
            reply = State.MISSING
        if verdict is Verdict.UNKNOWN and cause is not None and not cause.code.startswith("host."):
            request = reply = State.UNKNOWN
        found[name] = (request, reply)
    return found


def _link(side: Side, name: str) -> str:
    if not side.host.reached:
        return _("not looked at")
    link = side.host.links.get(name)
    if link is None:
        return _("missing")
    where = f" {link.master}" if link.master else ""
    return f"{'up' if link.up else 'down'}{'' if link.carrier or not link.up else ', no carrier'}{where}"


def _device(case: Case, name: str) -> tuple[str, str, str, str]:
    """Host, device, expected, actual."""
    path, compute, network = case.path, case.compute, case.network
    side = _side(case, name)
    host = side.host.name if side else ""
    if name == "guest":
        server = case.api.server
        return path.compute, server["name"], f"ACTIVE, {path.mac}", server["status"]
    if name == "tap":
        master = f" {path.device('qbr')}" if path.hybrid else ""
        return host, path.tap, f"up{master}", _link(compute, path.tap)
    if name in {"qbr", "qvb", "qvo"}:
        device = path.device(name)
        return host, device, f"up {path.device('qbr')}" if name == "qvb" else "up", _link(compute, device)
    if name.endswith(("brq", "uplink")) and side is not None:
        uplink = path.compute_uplink if side is compute else path.network_uplink
        device = path.bridge if name.endswith("brq") else uplink
        return host, device, "up" if name.endswith("brq") else f"up {path.bridge}", _link(side, device)
    if path.linuxbridge and name.endswith("nic") and side is not None:
        device = nic_of(side.host, path.compute_uplink if side is compute else path.network_uplink)
        return host, device, "up", _link(side, device) if device else "-"
    if path.answered_by_ovn and name in {"compute-br-int", "dhcp-server"}:
        return host, *_in_ovn(case, name)
    if name.endswith("br-int") and side is not None:
        expected = f"tag {side.wired_tag}" if side.wired_tag is not None else "tag"
        actual = f"tag {side.tag}" if side.tag is not None else _("no tag")
        return host, side.integration, expected, actual if side.host.switch else _("not looked at")
    if name.endswith(("br-tun", "bridge")) and side is not None:
        if path.tunnelled:
            return host, side.tunnel_bridge, f"{path.kind} {path.segment} -> {side.remote_ip}", _tunnel(side)
        expected = f"vlan {path.segment}" if path.segment is not None else path.kind
        return (
            host,
            side.bridge,
            expected,
            _("there") if side.host.switch and side.bridge in side.host.switch.bridges else "-",
        )
    if name.endswith("nic") and side is not None:
        device = _nic(case, side)
        return host, device, "up", _link(side, device) if device else "-"
    if network is None:
        return "", "", "", "-"
    if path.aim is not None:
        return _aimed(case, network, name)
    if not network.host.reached:
        actual = _("not looked at")
    elif name == "dhcp-port":
        actual = _dhcp_port(case)
    else:
        running = [p for p in case.dhcp.processes if p["state"] not in {"Z", "T"}] if case.dhcp else []
        actual = f"pid {running[0]['pid']}" if running else "-"
    if name == "dhcp-port":
        return host, path.far_device, f"up {path.far_address}", actual
    return host, "dnsmasq", f"{path.mac} {path.address}", actual


def _in_ovn(case: Case, name: str) -> tuple[str, str, str]:
    """Device, expected, actual of the hops in which OVN takes the request and answers it."""
    path, side, controller = case.path, case.compute, case.ovn
    if name == "dhcp-server":
        running = [p for p in controller.processes if p["state"] not in {"Z", "T"}] if controller else []
        return "ovn-controller", f"{path.mac} {path.address}", f"pid {running[0]['pid']}" if running else "-"
    if side.host.switch is None:
        return side.integration, f"iface-id {path.id}", _("not looked at")
    plugged = side.plugged[1].external_ids.get("iface-id", "-") if side.plugged else "-"
    return side.integration, f"iface-id {path.id}", f"iface-id {plugged}"


def _aimed(case: Case, network: Side, name: str) -> tuple[str, str, str, str]:
    """The hops of a path that leads to something else than the DHCP server."""
    path, host = case.path, network.host.name
    known = network.host if path.purpose == "server" else case.space
    if not network.host.reached or known is None:
        return host, "", "", _("not looked at")
    if name in {path.far_hop, "out-port"}:
        port = path.out_port if name == "out-port" else path.far_port
        device = path.out_device if name == "out-port" else path.inner_device
        address = (
            path.far_address if name != "out-port" else ", ".join(ip["ip_address"] for ip in (port or {})["fixed_ips"])
        )
        link = known.links.get(device)
        four = [a for a in known.addresses.get(device, ()) if ":" not in a]
        return (
            host,
            device,
            f"up {address}",
            f"{'up' if link.up else 'down'} {', '.join(four)}".strip() if link else "-",
        )
    assert path.aim is not None
    if name == "router":
        expected = f"{path.aim.address} dev {path.out_device}" if path.out_port else path.aim.address
        return host, path.space, expected, f"dev {case.space.route(path.aim.address) or '-'}" if case.space else "-"
    if name == "metadata-proxy":
        running = [p for p in case.space.proxies if p["state"] not in {"Z", "T"}] if case.space else []
        return host, "haproxy", "", f"pid {running[0]['pid']}" if running else "-"
    return host, "dnsmasq", f"{path.far_address}:{path.aim.number}", _listening(case)


def _listening(case: Case) -> str:
    aim = case.path.aim
    there = case.space.listens(aim.protocol, aim.number) if case.space and aim else None
    return "-" if there is False else _("listens") if there else _("not looked at")


def _dhcp_port(case: Case) -> str:
    link = case.dhcp.links.get(case.path.far_device) if case.dhcp else None
    if case.dhcp is None or link is None:
        return "-"
    four = [a for a in case.dhcp.addresses.get(case.path.far_device, ()) if ":" not in a]
    return f"{'up' if link.up else 'down'} {', '.join(four)}".strip()


def _tunnel(side: Side) -> str:
    if side.host.switch is None:
        return _("not looked at")
    return ", ".join(i.name for _p, i in side.host.switch.tunnels(side.remote_ip)) or _("no tunnel")


def _nic(case: Case, side: Side) -> str:
    switch = side.host.switch
    if switch is None:
        return ""
    bridge = side.host.device_of(side.local_ip) if case.path.tunnelled else side.bridge
    if bridge in switch.bridges:
        return ", ".join(i.name for _p, i in switch.nics(bridge)[:1])
    return bridge
