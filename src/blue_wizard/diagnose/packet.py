"""Follow a real packet: watch all hops at once while the guest, or we in its place, ask for an address.

What was seen is written into the bundle, so that it can be judged again later. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

from blue_wizard.diagnose.bundle import Bundle
from blue_wizard.diagnose.capture import Capture, Point, Seen
from blue_wizard.diagnose.case import Case, Side, cases
from blue_wizard.diagnose.collect import count
from blue_wizard.diagnose.inject import Injection, inject_reply
from blue_wizard.errors import BlueWizardError
from blue_wizard.facts import dhcp
from blue_wizard.reach import ssh
from blue_wizard.reach.argv import Wrap, in_container
from blue_wizard.reach.together import Late, together
from blue_wizard.text import _

__all__ = ["follow", "points"]

_FIRST_S = 1.2
_SETTLE_S = 2.5
# dnsmasq pings an address before it offers it, and waits 3 s for an answer: so late a stranger may come.
_ROGUE_S = 3.3
# What OVN answers is handed on to nobody else.
_ALONE_S = 0.2
_ALL_S = 120.0

OpenHost = Callable[[str], ssh.Host]


def points(case: Case) -> list[Point]:
    """Where the packets of a case can be seen: devices that are there and up, of hosts that were reached."""
    path = case.path
    made: list[Point] = []
    if case.compute.host.reached:
        links = case.compute.host.links
        names = [("tap", path.tap), *((p, path.device(p)) for p in ("qbr", "qvb", "qvo") if path.hybrid)]
        made += [Point(hop, path.compute, d, any_mac=hop == "tap") for hop, d in names if d in links and links[d].up]
    if not path.same_host:
        ends = _ends(case)
        for side in case.sides:
            device = nic(case, side)
            if side.host.reached and device in side.host.links and side.host.links[device].up:
                made.append(Point(f"{side.role}-nic", side.host.name, device, tunnel=path.tunnelled, ends=ends))
    if case.network is not None and case.dhcp is not None:
        link = case.dhcp.links.get(path.far_device)
        if link is not None and link.up:
            made.append(Point("dhcp-port", path.network_host, path.far_device, netns=f"qdhcp-{path.network['id']}"))
    return made


def _ends(case: Case) -> tuple[str, str] | None:
    """The addresses between which the case's tunnel leads; None where it has none, or they are not known."""
    if not case.path.tunnelled or case.network is None or not (case.compute.local_ip and case.network.local_ip):
        return None
    return str(ip_address(case.compute.local_ip)), str(ip_address(case.network.local_ip))


def nic(case: Case, side: Side) -> str:
    """The device by which a side's packets leave the host; "" where it is not known."""
    switch = side.host.switch
    if switch is None:
        return ""
    bridge = side.host.device_of(side.local_ip) if case.path.tunnelled else side.bridge
    if bridge in switch.bridges:
        return next((i.name for _p, i in switch.nics(bridge)), "")
    return bridge


def follow(bundle: Bundle, open_host: OpenHost, *, inject: bool, listen_s: float = 0.0) -> None:
    """Watch every port's path, all ports at once: for `listen_s` seconds, or with `inject` while a test packet is sent."""
    chosen = {port: _chosen(found) for port, found in cases(bundle).items()}
    works = [partial(_one, case, open_host, inject, listen_s) for case in chosen.values()]
    for port, found in zip(chosen, together(works, timeout_s=_ALL_S + listen_s), strict=True):
        late = {"error": _("no answer in {seconds} s").format(seconds=round(_ALL_S + listen_s))}
        bundle.captures[port] = late if isinstance(found, Late) else found


def _chosen(found: tuple[Case, ...]) -> Case:
    """Of several DHCP servers the first whose host was reached."""
    return next((c for c in found if c.network is not None and c.network.host.reached), found[0])


def _one(case: Case, open_host: OpenHost, inject: bool, listen_s: float) -> dict[str, Any]:
    base = {
        "method": "inject" if inject else "listen",
        "dhcp_port": case.path.far_port["id"] if case.path.far_port else None,
    }
    try:
        return base | _watch(case, open_host, inject, listen_s)
    except BlueWizardError as e:
        return base | {"error": e.message}


def _watch(case: Case, open_host: OpenHost, inject: bool, listen_s: float) -> dict[str, Any]:
    path, where = case.path, points(case)
    if path.linuxbridge:
        return {"error": _("Packets are not followed through networks of the Linux bridge driver.")}
    if inject and not any(p.hop == "tap" for p in where):
        return {"error": _("There is no device of the server's to send the test packet into.")}
    if not where:
        return {"error": _("There is no device where the packet could be seen.")}
    with Capture(where, path.mac, deadline_s=listen_s + _ALL_S, open_host=open_host) as capture:
        if not inject:
            capture.ready()
            return {"hops": _plain(capture.collect(settle_s=listen_s))}
        xid = dhcp.new_xid()
        linger_s = _ALONE_S if path.answered_by_ovn else _ROGUE_S
        # Both make ready meanwhile.
        with Injection(path.compute, path.tap, open_host=open_host) as way:
            capture.ready()
            # Open vSwitch drops the first packet into a tunnel whose other end it has to ask for: one loss proves nothing.
            for settle_s in (_FIRST_S, _SETTLE_S):
                way.send(dhcp.discover(path.mac, xid))
                seen = capture.collect(xid, settle_s=settle_s, linger_s=linger_s)
                if any(s.point.hop == "tap" and s.replies for s in seen):
                    break
        found: dict[str, Any] = {"hops": _plain(seen)}
        if not any(s.point.hop == "tap" and s.replies for s in seen):
            found["counters"] = count([side.host.name for side in case.sides if side.host.reached], open_host)
        if not any(s.replies for s in seen) and case.network is not None and case.network.plugged is not None:
            found["reply"] = _reply(case, capture, open_host)
        return found


def _reply(case: Case, capture: Capture, open_host: OpenHost) -> dict[str, Any]:
    """The way back by itself: an offer as if from the DHCP port."""
    path, side = case.path, case.network
    assert side is not None
    assert path.far_port is not None
    xid = dhcp.new_xid()
    try:
        inject_reply(
            path.network_host,
            side.device,
            path.mac,
            xid,
            server_mac=path.far_port["mac_address"],
            server=path.far_address,
            address=path.address,
            bridge=side.integration,
            within=_within(side),
            open_host=open_host,
        )
    except (BlueWizardError, ValueError) as e:
        return {"error": str(e)}
    return {"hops": _plain(capture.collect(xid, settle_s=_SETTLE_S, replies_only=True))}


def _within(side: Side) -> Wrap | None:
    words = side.host.wrap.split()
    return in_container(words[0], words[-1]) if words else None


def _plain(seen: list[Seen]) -> dict[str, Any]:
    """What was seen, by hop, as JSON data."""
    return {
        s.point.hop: {
            "device": s.point.device,
            "live": s.live,
            "requests": s.requests,
            "replies": s.replies,
            "vlans": list(s.vlans),
            "vnis": list(s.vnis),
            "strangers": list(s.strangers),
            "offers": [
                {"kind": o.kind, "address": o.address, "server": o.server, "source": o.source} for o in s.offers
            ],
            "problem": s.problem.value if s.problem else "",
            "error": s.error,
        }
        for s in seen
    }
