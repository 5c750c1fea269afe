"""The port in br-int, the server's and the DHCP server's alike: there, open, in the VLAN that its agent gave it.

The agent writes what it chose into the port's ``other_config`` (net_uuid, tag ...) and puts a port that it has not wired, or
that is switched off, into VLAN 4095 (`DEAD_VLAN_TAG`), a trunk of which nothing gets out of br-int.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case, Side
from blue_wizard.diagnose.model import Cause, Finding
from blue_wizard.diagnose.rulebook import rule, with_ovn
from blue_wizard.facts.ovs import Interface, Port
from blue_wizard.text import _

__all__ = ["device", "flags", "mirrored", "plugged", "policed", "tag"]

_DEAD_VLAN = 4095


def _at(case: Case, side: Side) -> tuple[str, str]:
    """The hop of the port in br-int, and the first hop without the packet when that port is broken."""
    return (side.br_int, "" if side is case.compute else case.path.far_hop)


def _far(case: Case, side: Side) -> tuple[str, str]:
    """The code of a far port that is missing, and who makes it anew."""
    if case.path.purpose == "router":
        return "router.port-missing", remedies.restart_l3_agent(side.host.name)
    if case.path.purpose == "server":
        return "peer.down", remedies.hard_reboot(str((case.path.far_port or {}).get("device_id", "")))
    if case.path.purpose == "metadata":
        return "ovn.no-metadata", remedies.restart_ovn_metadata_agent(side.host.name)
    return "dhcp.port-missing", remedies.restart_dhcp_agent(side.host.name)


def _ports(case: Case) -> Iterator[tuple[Side, Port, Interface]]:
    for side in case.sides:
        if side.plugged is not None:
            yield side, *side.plugged


@with_ovn
def plugged(case: Case) -> Iterable[Cause]:
    """The device is a port of br-int, and carries the id of its Neutron port."""
    for side in case.sides:
        switch = side.host.switch
        if switch is None or not case.path.supported:
            continue
        if side is case.compute and case.api.server["status"] != "ACTIVE":
            continue
        found = side.plugged
        compute = side is case.compute
        if side.integration not in switch.bridges:
            yield Cause(
                "ovs.bridge-missing",
                side.br_int,
                side.host.name,
                side.integration,
                _("Open vSwitch on {host} has no bridge {bridge}.").format(
                    host=side.host.name, bridge=side.integration
                ),
                remedies.restart_l2_agent(side.host.name),
                (", ".join(sorted(switch.bridges)),),
            )
        elif found is None or found[0].bridge != side.integration:
            code, mend = _far(case, side)
            if compute:
                code = "qvo.not-in-br-int" if case.path.hybrid else "tap.not-in-bridge"
            yield Cause(
                code,
                ("qvo" if case.path.hybrid else "tap") if compute else case.path.far_hop,
                side.host.name,
                side.device,
                _("{device} is no port of {bridge} on {host}.").format(
                    device=side.device, bridge=side.integration, host=side.host.name
                ),
                remedies.hard_reboot(case.api.server["id"]) if compute else mend,
                (f"ovs-vsctl port-to-br {side.device}: {found[0].bridge if found else '-'}",),
                lost_at="compute-br-int" if compute else case.path.far_hop,
            )
        elif found[1].external_ids.get("iface-id") != side.iface_id:
            yield Cause(
                "ovs.wrong-iface-id",
                side.br_int,
                side.host.name,
                side.device,
                _("{device} on {host} carries the id of another port: the agent does not know it.").format(
                    device=side.device, host=side.host.name
                ),
                _("On {host}: {command}").format(
                    host=side.host.name,
                    command=side.host.command(
                        f"ovs-vsctl set Interface {side.device} external_ids:iface-id={side.iface_id}"
                    ),
                ),
                (f"external_ids:iface-id={found[1].external_ids.get('iface-id', '-')}",),
                lost_at=_at(case, side)[1],
            )


@with_ovn
def device(case: Case) -> Iterable[Cause]:
    """The switch has opened the device (an ofport of -1, or an error, says no)."""
    for side, _port, interface in _ports(case):
        hop, lost = _at(case, side)
        if interface.error or interface.ofport in {None, -1}:
            yield Cause(
                "ovs.no-device",
                hop,
                side.host.name,
                side.device,
                _("Open vSwitch on {host} can't open {device}.").format(host=side.host.name, device=interface.name),
                remedies.hard_reboot(case.api.server["id"]) if side is case.compute else _far(case, side)[1],
                (f"ofport={interface.ofport} error={interface.error or '-'}",),
                lost_at=lost,
            )


@rule
def tag(case: Case) -> Iterable[Cause]:
    """The VLAN tag is the one that the agent gave, and that the network's other ports have."""
    for side, port, interface in _ports(case):
        hop, lost = _at(case, side)
        told = port.other_config.get("tag", "")
        evidence = (
            f"tag={port.tag if port.tag is not None else '[]'} vlan_mode={port.vlan_mode or '[]'} "
            f"trunks={list(port.trunks)} other_config:tag={told or '-'}",
        )
        wanted = int(told) if told.isdigit() else _of_network(case, side, interface)
        by_hand = side.host.command(f"ovs-vsctl set Port {port.name} tag={wanted if wanted is not None else 'TAG'}")
        remedy = _("On {host}: {command}").format(host=side.host.name, command=by_hand)
        restart = remedies.restart_l2_agent(side.host.name)

        cause = partial(_cause, side, port.name, evidence, hop, lost)
        if port.tag == _DEAD_VLAN:
            text = _(
                "{device} on {host} is in the dead VLAN 4095: its agent has not wired it, or was told to cut it off."
            )
            yield cause("ovs.dead-vlan", text.format(device=port.name, host=side.host.name), restart)
        elif port.vlan_mode in {"trunk", "dot1q-tunnel"} or (port.trunks and port.tag is None):
            text = _("{device} on {host} is a trunk ({mode}): frames without a tag are dropped or go into no VLAN.")
            fix = side.host.command(f"ovs-vsctl clear Port {port.name} vlan_mode trunks")
            remedy = _("On {host}: {command}").format(host=side.host.name, command=fix)
            yield cause(
                "ovs.trunk-mode",
                text.format(
                    device=port.name, host=side.host.name, mode=port.vlan_mode or f"trunks={list(port.trunks)}"
                ),
                remedy,
            )
        elif port.tag is None:
            text = _("{device} on {host} has no VLAN tag: it is in no network.")
            yield cause("ovs.no-tag", text.format(device=port.name, host=side.host.name), remedy if wanted else restart)
        elif wanted is not None and port.tag != wanted:
            text = _("{device} on {host} is in VLAN {actual}; its network is VLAN {expected} there.")
            yield cause(
                "ovs.wrong-tag",
                text.format(device=port.name, host=side.host.name, actual=port.tag, expected=wanted),
                remedy,
            )


def _cause(
    side: Side, device: str, evidence: tuple[str, ...], hop: str, lost: str, code: str, text: str, remedy: str
) -> Cause:
    return Cause(code, hop, side.host.name, device, text, remedy, evidence, lost_at=lost)


def _of_network(case: Case, side: Side, interface: Interface) -> int | None:
    """The tag that most other ports of the network have on that host."""
    switch = side.host.switch
    assert switch is not None
    network = case.path.network["id"]
    tags = Counter(
        p.tag
        for p, i in switch.interfaces()
        if p.other_config.get("net_uuid") == network and i.name != interface.name and p.tag not in {None, _DEAD_VLAN}
    )
    return tags.most_common(1)[0][0] if tags else None


@with_ovn
def flags(case: Case) -> Iterable[Cause]:
    """OpenFlow flags of a port (``ovs-ofctl mod-port``) that stop packets: down, no-forward, no-receive, no-flood."""
    for side, port, interface in _ports(case):
        found = set(side.host.port_config(port.bridge, port.name))
        hop, lost = _at(case, side)
        bad = sorted(found & {"NO_FWD", "NO_RECV", "NO_FLOOD"})
        # A device that was moved into a namespace is always shown as down.
        if "PORT_DOWN" in found and interface.type != "internal" and side is case.compute:
            link = side.host.links.get(port.name)
            bad += ["PORT_DOWN"] if link is not None and link.up else []
        for flag in bad:
            code = "ovs.port-down" if flag == "PORT_DOWN" else "ovs.no-forward"
            yield Cause(
                code,
                hop,
                side.host.name,
                port.name,
                _("{device} on {host} is switched off by OpenFlow ({flag}).").format(
                    device=port.name, host=side.host.name, flag=flag
                ),
                _("On {host}: {command}").format(
                    host=side.host.name,
                    command=side.host.command(f"ovs-ofctl mod-port {port.bridge} {port.name} {_undo(flag)}"),
                ),
                (f"config: {' '.join(sorted(found))}",),
                lost_at=lost,
            )


def _undo(flag: str) -> str:
    return {"NO_FWD": "forward", "NO_RECV": "receive", "NO_FLOOD": "flood", "PORT_DOWN": "up"}[flag]


@with_ovn
def mirrored(case: Case) -> Iterable[Cause]:
    """What comes in by the output port of a mirror is dropped (Open vSwitch: "input port is mirror output port")."""
    for side, port, _interface in _ports(case):
        switch = side.host.switch
        assert switch is not None
        for mirror in switch.mirrors:
            if mirror.output == port.name:
                hop, lost = _at(case, side)
                yield Cause(
                    "ovs.mirror-output",
                    hop,
                    side.host.name,
                    port.name,
                    _("{device} on {host} is the output of mirror {mirror}: whatever it sends is dropped.").format(
                        device=port.name, host=side.host.name, mirror=mirror.name
                    ),
                    _("Ask who made the mirror. To remove this one alone, on {host}: {command}").format(
                        host=side.host.name,
                        command=side.host.command(
                            f"ovs-vsctl -- --id=@m get Mirror {mirror.name} -- remove Bridge {mirror.bridge} mirrors @m"
                        ),
                    ),
                    (f"mirror {mirror.name}: output_port={mirror.output}",),
                    lost_at=lost,
                )


@with_ovn
def policed(case: Case) -> Iterable[Finding]:
    """A limit on what the port sends; small packets still pass, most of the time."""
    for side, port, interface in _ports(case):
        if interface.policing_rate:
            yield Finding(
                "ovs.policing",
                side.host.name,
                port.name,
                _("{device} on {host} is limited to {rate} kbit/s of what it sends.").format(
                    device=port.name, host=side.host.name, rate=interface.policing_rate
                ),
                _("If no QoS policy of the port says so, on {host}: {command}").format(
                    host=side.host.name,
                    command=side.host.command(f"ovs-vsctl set Interface {port.name} ingress_policing_rate=0"),
                ),
                (f"ingress_policing_rate={interface.policing_rate}",),
            )
