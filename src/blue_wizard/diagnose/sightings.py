"""What captures prove: how far request and reply came. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction, Finding, State
from blue_wizard.text import _

__all__ = ["UNEXPLAINED", "Sightings", "rogue", "sightings", "unexplained"]

UNEXPLAINED = "path.unexplained"
"""The code of a loss of which no more is known than what captures say."""


@dataclass(frozen=True)
class Sightings:
    """What was seen at each hop that was watched.

    `lost` is the pair of hops between which a packet was lost, with its direction; `whole`: an answer came back to the server's
    device; `note` says why nothing could be seen.
    """

    request: dict[str, State] = field(default_factory=dict)
    reply: dict[str, State] = field(default_factory=dict)
    lost: tuple[str, str, Direction] | None = None
    whole: bool = False
    arrived: bool = False
    """The request came to the DHCP server's device."""
    silent: bool = False
    """The server's device was watched, and the guest asked for nothing."""
    offered: tuple[str, ...] = ()
    """The addresses that were offered at the server's device."""
    note: str = ""


_ACCESS = {"tap", "qbr", "qvb", "qvo", "dhcp-port"}


def _states(hops: dict[str, Any], key: str) -> dict[str, State]:
    return {hop: _state(hop, seen, key) for hop, seen in hops.items()}


def _state(hop: str, seen: dict[str, Any], key: str) -> State:
    # With a tag it comes out of a port that is in no VLAN, and nobody behind it takes it in.
    there = seen[key] and not (hop in _ACCESS and seen["vlans"])
    return State.SEEN if there else State.MISSING if seen["live"] else State.UNKNOWN


def _gap(order: tuple[str, ...], states: dict[str, State]) -> tuple[str, str] | None:
    """The last hop that saw the packet, and the next that was watched and did not."""
    known = [hop for hop in order if hop in states]
    seen = [i for i, hop in enumerate(known) if states[hop] is State.SEEN]
    if not seen:
        return None
    after = known[seen[-1] + 1 :]
    missing = next((hop for hop in after if states[hop] is State.MISSING), None)
    # What lies between and could not be watched may have had it or not: nobody knows where it was lost, but it was.
    return (known[seen[-1]], missing) if missing else None


def sightings(case: Case) -> Sightings | None:
    """What the captures of a case say; None when there were none."""
    found: Any = case.captures.get(case.path.id)
    if not isinstance(found, dict) or (case.path.far_port or {}).get("id") != found.get("dhcp_port"):
        return None
    if "hops" not in found:
        return Sightings(note=str(found.get("error", "")))
    hops: dict[str, Any] = found["hops"]
    request, reply = _states(hops, "requests"), _states(hops, "replies")
    sent = found["method"] == "inject"
    if not sent and request.get("tap") is not State.SEEN and not any(h["replies"] for h in hops.values()):
        return Sightings({}, {}, silent=request.get("tap") is State.MISSING)
    if sent:
        request["guest"] = State.SEEN
    order = case.hops
    arrived = request.get("dhcp-port") is State.SEEN
    whole = reply.get("tap") is State.SEEN
    gap = None if whole else _gap(order, request)
    lost: tuple[str, str, Direction] | None = (*gap, Direction.REQUEST) if gap else None
    if lost is None and not whole and arrived:
        if reply.get("dhcp-port") is State.MISSING:
            lost = ("dhcp-port", "dhcp-server", Direction.REQUEST)
        elif back := _gap(order[::-1], reply):
            lost = (*back, Direction.REPLY)
    back_alone: Any = found.get("reply") or {}
    if case.path.answered_by_ovn and _unanswered(hops, request, reply, sent):
        # What answers is in the switch itself, where nothing can be watched.
        lost = ("tap", "dhcp-server", Direction.REQUEST)
    if lost is not None and lost[2] is Direction.REQUEST:
        # No answer says nothing of the way back; an offer that was sent alone does.
        reply = _states(back_alone["hops"], "replies") if "hops" in back_alone else {}
    offered = tuple(o["address"] for o in hops.get("tap", {}).get("offers", ()) if o["kind"] != "nak")
    return Sightings(request, reply, lost, whole, arrived, offered=offered, note=str(back_alone.get("error", "")))


def _unanswered(hops: dict[str, Any], request: dict[str, State], reply: dict[str, State], sent: bool) -> bool:
    """Whether the server's device proves that nobody answers. A guest's only request may have come just before the end."""
    proved = request.get("tap") is State.SEEN and reply.get("tap") is State.MISSING
    return proved and (sent or hops["tap"]["requests"] > 1)


def unexplained(case: Case, seen: Sightings) -> Cause:
    """The packet is lost between two hops, and nothing that was looked at says why."""
    assert seen.lost is not None
    first, second, direction = seen.lost
    path = case.path
    host = path.network_host if second.startswith(("network", "dhcp")) else path.compute
    text = _("The packet was seen at {first}, and not at {second}.").format(first=first, second=second)
    evidence = (f"{first}: {_count(case, first, direction)}", f"{second}: {_count(case, second, direction)}")
    pair = {first, second}
    if pair == {"compute-nic", "network-nic"}:
        code = "underlay.blocked" if path.tunnelled else "vlan.not-carried"
        remedy = (
            _(
                "Both hosts are well: look at the switches and firewalls between {first} and {second} (UDP 4789, VLAN, MTU)."
            )
            if path.tunnelled
            else _("Both hosts are well: let the switch ports of {first} and {second} carry VLAN {vlan}.")
        ).format(first=path.compute, second=path.network_host, vlan=path.segment)
        return Cause(code, second, host, second, text, remedy, evidence, direction)
    if second == "dhcp-server" and path.answered_by_ovn:
        remedy = _(
            "Look into the log of ovn-controller on {host} (pinctrl), and restart it: systemctl restart ovn-controller "
            "(Debian: ovn-host; container: ovn_controller)."
        ).format(host=host)
        return Cause("dhcp.silent", "dhcp-server", host, "ovn-controller", text, remedy, evidence, direction)
    if second == "dhcp-server":
        remedy = _("Look into the log of dnsmasq on {host}, and restart the DHCP agent there.").format(host=host)
        return Cause("dhcp.silent", "dhcp-server", host, "dnsmasq", text, remedy, evidence, direction)
    remedy = _("Look at what lies between: {command}").format(command=f"ovs-appctl dpctl/dump-flows | grep {path.mac}")
    return Cause(UNEXPLAINED, second, host, second, text, remedy, evidence, direction)


def _count(case: Case, hop: str, direction: Direction) -> str:
    found: Any = case.captures.get(case.path.id)
    seen = (found or {}).get("hops", {}).get(hop)
    if seen is None:
        return "-"
    key = "requests" if direction is Direction.REQUEST else "replies"
    return f"{seen['device']} {key}={seen[key]}"


def _heard(hops: dict[str, Any]) -> bool:
    return any(h["requests"] or h["replies"] or h["strangers"] for h in hops.values())


def rogue(case: Case) -> list[Finding | Cause]:
    """Answers of a DHCP server that is none of the network's; requests of the guest with another MAC address."""
    captured: Any = case.captures.get(case.path.id)
    hops: dict[str, Any] = captured.get("hops", {}) if isinstance(captured, dict) else {}
    mine = {ip["ip_address"] for p in case.api.dhcp_ports.get(case.path.network["id"], []) for ip in p["fixed_ips"]}
    if case.ovn is not None:
        mine |= {a.options.get("server_id", "") for a in case.ovn.answers or ()}
    servers = {o["server"]: o["source"] for seen in hops.values() for o in seen["offers"] if o["server"] not in mine}
    said: list[Finding | Cause] = [
        Finding(
            "dhcp.rogue",
            case.path.network_host,
            server,
            _("A DHCP server that is none of the network's answers: {server} ({mac}).").format(
                server=server, mac=source
            ),
            _(
                "Find the port with that MAC and take it off the network: openstack port list --mac-address {mac}"
            ).format(mac=source),
            (f"offer from {server} {source}",),
        )
        for server, source in servers.items()
    ]
    if captured and captured.get("method") == "listen" and hops.get("tap", {}).get("live") and not _heard(hops):
        said.append(
            Finding(
                "guest.silent",
                case.path.compute,
                case.path.tap,
                _("The server asked for no address while it was watched."),
                _("Let the guest ask (dhclient, netplan apply, a reboot) while --capture runs, or use --inject."),
                (f"{case.path.tap}: requests=0",),
            )
        )
    strangers = hops.get("tap", {}).get("strangers") or []
    if strangers and not hops["tap"]["requests"]:
        said.append(
            Cause(
                "guest.wrong-mac",
                "guest",
                case.path.compute,
                case.path.tap,
                _("The server asks with MAC {actual}; its port has {expected}.").format(
                    actual=", ".join(strangers), expected=case.path.mac
                ),
                _(
                    "Let the guest use the MAC of its port, or set that of the port: openstack port set --mac-address MAC {port}"
                ).format(port=case.path.id),
                (f"{case.path.tap}: {', '.join(strangers)}",),
            )
        )
    return said
