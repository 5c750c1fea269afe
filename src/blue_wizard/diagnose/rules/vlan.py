"""VLAN and flat networks: the provider bridge, its NIC, and the flows that change local VLANs into the network's and back.

By Neutron's br_phys and br_int: the provider bridge rewrites what comes from br-int (priority 4), and drops what it does not know
(2); br-int rewrites what comes from the provider bridge (3), and drops the rest (2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case, Side
from blue_wizard.diagnose.model import Cause, Direction
from blue_wizard.diagnose.rulebook import rule
from blue_wizard.facts.openflow import Flow, local_vlan
from blue_wizard.text import _

__all__ = ["incoming", "nic", "outgoing"]

_VLAN_PRESENT = 0x1000


def _sides(case: Case) -> Iterator[tuple[Side, Direction, str]]:
    """Each side with the direction in which it sends out of its NIC."""
    if case.path.kind in {"vlan", "flat"} and not case.path.same_host and case.network is not None:
        for side in case.sides:
            if side.host.switch is not None and side.bridge in side.host.switch.bridges:
                yield side, Direction.REQUEST if side is case.compute else Direction.REPLY, f"{side.role}-bridge"


@rule
def nic(case: Case) -> Iterable[Cause]:
    """The provider bridge has a NIC that is up, has a carrier, and carries the VLAN."""
    for side, direction, _hop in _sides(case):
        switch, hop = side.host.switch, f"{side.role}-nic"
        assert switch is not None
        nics = switch.nics(side.bridge)
        way = Direction.REQUEST
        lost = "" if side is case.compute else "network-nic"
        del direction
        if not nics:
            yield Cause(
                "vlan.nic-not-in-bridge",
                hop,
                side.host.name,
                side.bridge,
                _("Bridge {bridge} on {host} has no NIC.").format(bridge=side.bridge, host=side.host.name),
                _("On {host}: {command}").format(
                    host=side.host.name, command=side.host.command(f"ovs-vsctl add-port {side.bridge} NIC")
                ),
                (f"ovs-vsctl list-ports {side.bridge}: {', '.join(switch.bridges[side.bridge].ports)}",),
                way,
                # The NIC itself still sees what comes.
                "" if side is case.compute else "network-bridge",
            )
            continue
        links = side.host.links
        dead = [i for _p, i in nics if i.name in links and not (links[i.name].up and links[i.name].carrier)]
        if links and len(dead) == len(nics):
            link = links[dead[0].name]
            yield Cause(
                "vlan.nic-down",
                hop,
                side.host.name,
                dead[0].name,
                _("{device} on {host} is down.").format(device=dead[0].name, host=side.host.name)
                if not link.up
                else _("{device} on {host} is up, but has no carrier: cable, transceiver or switch port.").format(
                    device=dead[0].name, host=side.host.name
                ),
                remedies.link_up(side.host.name, dead[0].name)
                if not link.up
                else _("Check the cable and the switch port; ethtool {device} shows what the NIC sees.").format(
                    device=dead[0].name
                ),
                (f"{link.name}: up={link.up} carrier={link.carrier} operstate={link.operstate}",),
                way,
                lost,
            )
        for port, interface in nics:
            segment = case.path.segment
            if case.path.kind == "vlan" and (
                (port.trunks and segment not in port.trunks)
                or (port.tag is not None and port.vlan_mode in {"", "access"})
            ):
                yield Cause(
                    "vlan.not-carried",
                    hop,
                    side.host.name,
                    interface.name,
                    _("Port {device} of {bridge} on {host} does not carry VLAN {vlan}.").format(
                        device=interface.name, bridge=side.bridge, host=side.host.name, vlan=segment
                    ),
                    _("On {host}: {command}").format(
                        host=side.host.name,
                        command=side.host.command(f"ovs-vsctl clear Port {port.name} trunks tag vlan_mode"),
                    ),
                    (f"tag={port.tag} trunks={list(port.trunks)} vlan_mode={port.vlan_mode or '-'}",),
                    way,
                    lost,
                )
            flags = set(side.host.port_config(side.bridge, interface.name)) & {"NO_FWD", "NO_RECV", "NO_FLOOD"}
            for flag in sorted(flags):
                undo = {"NO_FWD": "forward", "NO_RECV": "receive", "NO_FLOOD": "flood"}[flag]
                yield Cause(
                    "ovs.no-forward",
                    hop,
                    side.host.name,
                    interface.name,
                    _("{device} on {host} is switched off by OpenFlow ({flag}).").format(
                        device=interface.name, host=side.host.name, flag=flag
                    ),
                    _("On {host}: {command}").format(
                        host=side.host.name,
                        command=side.host.command(f"ovs-ofctl mod-port {side.bridge} {interface.name} {undo}"),
                    ),
                    (f"config: {flag}",),
                    way,
                    lost if flag != "NO_RECV" else "network-bridge" if lost else "",
                )


def _patch(side: Side, bridge: str, prefix: str) -> int | None:
    """The OpenFlow number of a patch port."""
    assert side.host.switch is not None
    found = side.host.switch.by_name(f"{prefix}-{side.bridge}"[:14])
    return found[1].ofport if found and found[0].bridge == bridge else None


@rule
def outgoing(case: Case) -> Iterable[Cause]:
    """The provider bridge changes the local VLAN into the network's."""
    for side, direction, hop in _sides(case):
        flows, patch = side.host.flows(side.bridge), _patch(side, side.bridge, "phy")
        if flows is None or patch is None or side.wired_tag in {None, 4095}:
            continue
        lost = f"{side.role}-nic"
        mine = [
            f
            for f in flows
            if f.match.get("in_port") == str(patch) and f.match.get("dl_vlan") == str(side.wired_tag) and not f.drops
        ]
        if not mine:
            drop = next((f for f in flows if f.match.get("in_port") == str(patch) and f.drops), None)
            if (
                drop is None
                and case.traced["compute-request" if side is case.compute else "network-reply"] is not False
            ):
                continue
            yield Cause(
                "vlan.rewrite-flow",
                hop,
                side.host.name,
                side.bridge,
                _(
                    "The flow that makes VLAN {segment} of the local VLAN {vlan} is missing in {bridge} on {host}."
                ).format(
                    segment=case.path.segment or "-", vlan=side.wired_tag, bridge=side.bridge, host=side.host.name
                ),
                remedies.restart_l2_agent(side.host.name),
                (f"[{drop.packets} packets] {drop.text()}",) if drop else (f"{side.bridge}: {len(flows)} flows",),
                direction,
                lost,
            )
        elif case.path.kind == "vlan" and local_vlan(mine[0].actions) != case.path.segment:
            yield Cause(
                "vlan.wrong-id",
                hop,
                side.host.name,
                side.bridge,
                _("{host} sends the network's packets out in VLAN {actual}; it is {expected}.").format(
                    host=side.host.name, actual=local_vlan(mine[0].actions), expected=case.path.segment
                ),
                remedies.restart_l2_agent(side.host.name),
                (mine[0].text(),),
                direction,
                "network-bridge" if direction is Direction.REQUEST else "compute-bridge",
            )


@rule
def incoming(case: Case) -> Iterable[Cause]:
    """br-int changes the network's VLAN into the local one."""
    for side, sends, _hop in _sides(case):
        direction = Direction.REPLY if sends is Direction.REQUEST else Direction.REQUEST
        flows, patch = side.host.flows(side.integration), _patch(side, side.integration, "int")
        if not flows or patch is None:
            continue
        mine = [
            f for f in flows if f.table == 0 and f.match.get("in_port") == str(patch) and _vlan(f) == (case.path.segment or 0)
            and not f.drops
        ]  # fmt: skip
        if not mine:
            drop = next((f for f in flows if f.table == 0 and f.match.get("in_port") == str(patch) and f.drops), None)
            yield Cause(
                "vlan.input-flow",
                side.br_int,
                side.host.name,
                f"{side.integration} table=0",
                _("{host} does not know VLAN {segment}: what comes in with it is dropped in {bridge}.").format(
                    host=side.host.name, segment=case.path.segment or "-", bridge=side.integration
                ),
                remedies.restart_l2_agent(side.host.name),
                (f"[{drop.packets} packets] {drop.text()}",)
                if drop
                else (f"in_port={patch},dl_vlan={case.path.segment}: 0",),
                direction,
            )
        elif side.wired_tag not in {None, 4095} and local_vlan(mine[0].actions) not in {None, side.wired_tag}:
            yield Cause(
                "vlan.input-wrong-tag",
                side.br_int,
                side.host.name,
                f"{side.integration} table=0",
                _("{host} puts the network's packets into VLAN {actual}; the port is in VLAN {expected}.").format(
                    host=side.host.name, actual=local_vlan(mine[0].actions), expected=side.wired_tag
                ),
                remedies.restart_l2_agent(side.host.name),
                (mine[0].text(),),
                direction,
                case.path.far_hop
                if direction is Direction.REQUEST
                else case.hops[case.hops.index("compute-br-int") - 1],
            )


def _vlan(flow: Flow) -> int | None:
    """The VLAN that a flow is for; 0: frames without a tag."""
    if "dl_vlan" in flow.match:
        return int(flow.match["dl_vlan"]) if flow.match["dl_vlan"].isdigit() else 0
    for field in ("vlan_tci", "vlan_vid"):
        if found := re.match(r"(0x[0-9a-f]+)", flow.match.get(field, "")):
            return int(found[1], 16) & 0xFFF
    return None
