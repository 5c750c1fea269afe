"""The DHCP server: its namespace, its device, its process, and whether it knows the port."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction, Finding
from blue_wizard.diagnose.rulebook import about
from blue_wizard.diagnose.view import DhcpView
from blue_wizard.facts import dnsmasq
from blue_wizard.facts.iptables import Packet, follow
from blue_wizard.text import _

__all__ = ["blocked", "device", "entry", "process", "rogue"]


def _known(case: Case) -> DhcpView | None:
    """The DHCP host's answer, where one is to be expected."""
    wanted = case.path.network["admin_state_up"] and any(s["enable_dhcp"] for s in case.path.subnets)
    return case.dhcp if wanted and case.network is not None and case.network.host.root else None


def _cause(case: Case, code: str, hop: str, thing: str, text: str, remedy: str, evidence: tuple[str, ...]) -> Cause:
    assert case.network is not None
    return Cause(code, hop, case.network.host.name, thing, text, remedy, evidence)


@about("", "dhcp")
def device(case: Case) -> Iterable[Cause]:
    """The namespace is there, the DHCP port's device is in it, is up, and has its address."""
    found = _known(case)
    if found is None or case.network is None:
        return
    host, name, space = case.network.host.name, case.path.far_device, f"qdhcp-{case.path.network['id']}"
    restart = remedies.restart_dhcp_agent(host)
    if found.namespace is None:
        text = _("Namespace {space} is not there on {host}.").format(space=space, host=host)
        yield _cause(case, "dhcp.namespace-missing", "dhcp-port", space, text, restart, ("ip netns list",))
        return
    if not found.links:
        return
    link = found.links.get(name)
    if link is None:
        text = _("{device} is not in namespace {space} on {host}.").format(device=name, space=space, host=host)
        yield _cause(case, "dhcp.port-missing", "dhcp-port", name, text, restart, (", ".join(found.links),))
        return
    if not link.up:
        text = _("{device} on {host} is down.").format(device=name, host=host)
        remedy = _("On {host}: ip netns exec {space} ip link set {device} up").format(
            host=host, space=space, device=name
        )
        yield _cause(case, "dhcp.port-down", "dhcp-port", name, text, remedy, (f"{name}: operstate={link.operstate}",))
    address = case.path.far_address
    if address and address not in found.addresses.get(name, ()):
        text = _("{device} on {host} lacks its address {address}: dnsmasq does not answer on it.").format(
            device=name, host=host, address=address
        )
        evidence = (f"{name}: {', '.join(a for a in found.addresses.get(name, ()) if ':' not in a) or '-'}",)
        yield _cause(case, "dhcp.no-address", case.hops[-1], name, text, restart, evidence)
    expected = str(case.path.far_port["mac_address"]).lower() if case.path.far_port else ""
    if link.mac and expected and link.mac.lower() != expected:
        text = _("{device} on {host} has MAC {actual}; its port has {expected}.").format(
            device=name, host=host, actual=link.mac, expected=expected
        )
        yield _cause(case, "dhcp.wrong-mac", "dhcp-port", name, text, restart, (f"{name}: {link.mac}",))


@about("")
def process(case: Case) -> Iterable[Cause]:
    """dnsmasq runs (is not stopped), in its namespace, for the subnet, and a socket waits for requests."""
    found = _known(case)
    if found is None or case.network is None or found.namespace is None:
        return
    host = case.network.host.name
    restart = remedies.restart_dhcp_agent(host)
    running = [p for p in found.processes if p["state"] not in {"Z", "X"}]
    stopped = [p for p in running if p["state"] in {"T", "t"}]
    if not running:
        text = _("No dnsmasq runs for network {network} on {host}.").format(
            network=case.path.network["name"] or case.path.network["id"], host=host
        )
        yield _cause(
            case,
            "dhcp.server-down",
            "dhcp-server",
            "dnsmasq",
            text,
            restart,
            (f"pid file: {found.files.get('pid') or '-'}".strip(),),
        )
        return
    if stopped:
        text = _("dnsmasq ({pid}) on {host} is stopped by a signal.").format(pid=stopped[0]["pid"], host=host)
        remedy = _("On {host}: kill -CONT {pid}").format(host=host, pid=stopped[0]["pid"])
        yield _cause(
            case, "dhcp.server-down", "dhcp-server", "dnsmasq", text, remedy, (f"state {stopped[0]['state']}",)
        )
    elif all(p["netns"] not in {None, found.namespace} for p in running):
        text = _("dnsmasq ({pid}) on {host} runs in another namespace than the port's.").format(
            pid=running[0]["pid"], host=host
        )
        evidence = (f"net:[{running[0]['netns']}], qdhcp: net:[{found.namespace}]",)
        yield _cause(case, "dhcp.server-down", "dhcp-server", "dnsmasq", text, restart, evidence)
    elif found.listens is False:
        text = _("dnsmasq on {host} waits on no socket for requests (UDP 67).").format(host=host)
        yield _cause(case, "dhcp.server-down", "dhcp-server", "dnsmasq", text, restart, ("/proc/net/udp: no :0043",))
    four = [s for s in case.path.subnets if s["ip_version"] == 4 and s["enable_dhcp"]]
    served = [r for p in running for r in dnsmasq.ranges(p["argv"])]
    missing = [s for s in four if served and ipaddress.ip_network(s["cidr"]) not in served]
    if missing and len(missing) == len(four):
        text = _("dnsmasq on {host} does not serve subnet {subnet}.").format(host=host, subnet=missing[0]["cidr"])
        evidence = tuple(w for p in running for w in p["argv"] if w.startswith("--dhcp-range="))
        yield _cause(case, "dhcp.wrong-range", "dhcp-server", "dnsmasq", text, restart, evidence)


@about("")
def entry(case: Case) -> Iterable[Cause]:
    """dnsmasq's hosts file has the port: Neutron's dnsmasq gives addresses to MACs in it, and to no others."""
    found = _known(case)
    if found is None or case.network is None or found.reservations is None or not case.path.address:
        return
    path, host = case.path, case.network.host.name
    file = f"{found.files.get('folder', '')}/host"
    restart = remedies.restart_dhcp_agent(host)
    mine = [r for r in found.reservations if r.mac == path.mac]
    addresses = {ip["ip_address"] for ip in path.port["fixed_ips"]}
    if not mine:
        same = next((r for r in found.reservations if r.address in addresses), None)
        code = "dhcp.host-entry-wrong" if same else "dhcp.host-entry-missing"
        text = (
            _("dnsmasq on {host} gives {address} to {actual} instead of {mac}.").format(
                host=host, address=same.address, actual=same.mac, mac=path.mac
            )
            if same
            else _("dnsmasq on {host} does not know {mac}: it answers 'no address available'.").format(
                host=host, mac=path.mac
            )
        )
        evidence = (
            f"{file}: {same.mac},{same.address}"
            if same
            else f"{file}: {len(found.reservations)} entries, none for {path.mac}",
        )
        yield Cause(code, "dhcp-server", host, file, text, restart, evidence)
    elif not any(r.address in addresses for r in mine):
        text = _("dnsmasq on {host} gives {mac} the address {actual}; its port has {address}.").format(
            host=host, mac=path.mac, actual=mine[0].address, address=path.address
        )
        yield Cause(
            "dhcp.host-entry-wrong",
            "dhcp-server",
            host,
            file,
            text,
            restart,
            (f"{file}: {mine[0].mac},{mine[0].address}",),
        )


@about("")
def blocked(case: Case) -> Iterable[Cause]:
    """No packet filter of the namespace drops the request on its way in, or the reply on its way out."""
    found = _known(case)
    if found is None or case.network is None or found.namespace is None:
        return
    host, name, space = case.network.host.name, case.path.far_device, f"qdhcp-{case.path.network['id']}"
    request = Packet("0.0.0.0", "255.255.255.255", 68, 67, device_in=name, mac=case.path.mac)  # noqa: S104
    reply = Packet(
        case.path.far_address or "192.0.2.1", case.path.address or "255.255.255.255", 67, 68, device_out=name
    )
    ways = (
        (
            request,
            (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT")),
            Direction.REQUEST,
        ),
        (
            reply,
            (("raw", "OUTPUT"), ("mangle", "OUTPUT"), ("filter", "OUTPUT"), ("mangle", "POSTROUTING")),
            Direction.REPLY,
        ),
    )
    for packet, chains, direction in ways:
        fate = next((f for f in (follow(found.tables, t, c, packet) for t, c in chains) if not f.accepted), None)
        if fate is None:
            continue
        what = f"iptables {fate.rule.text.replace('-A', '-D', 1)}" if fate.rule else f"iptables -P {fate.chain} ACCEPT"
        yield Cause(
            "dhcp.blocked",
            "dhcp-server",
            host,
            fate.chain,
            _("iptables in namespace {space} on {host} drops the packet in chain {chain}.").format(
                space=space, host=host, chain=fate.chain
            ),
            _("On {host}: {command}").format(host=host, command=f"ip netns exec {space} {what}"),
            (f"[{fate.rule.packets} packets] {fate.rule.text}" if fate.rule else f":{fate.chain} DROP",),
            direction,
            "dhcp-server" if direction is Direction.REQUEST else "dhcp-port",
        )


@about("")
def rogue(case: Case) -> Iterable[Finding]:
    """Another DHCP server in the same namespace."""
    found = _known(case)
    if found is None or case.network is None:
        return
    for other in found.others:
        if any(re.match(r"--dhcp-range|-F", word) for word in other["argv"]):
            yield Finding(
                "dhcp.rogue",
                case.network.host.name,
                f"dnsmasq {other['pid']}",
                _("A second DHCP server ({pid}) runs in the namespace on {host}.").format(
                    pid=other["pid"], host=case.network.host.name
                ),
                _("Find out who started it, and end it."),
                (" ".join(other["argv"])[:300],),
            )
