"""The tunnel bridge on both hosts: the ports, and the flows that put packets into tunnels and take them out.

By Neutron's br_tun: table 22 floods a local VLAN into the tunnels of its network; 4 (VXLAN), 3 (GRE), 6 (Geneve) give a tunnel's
packets their local VLAN; 20 holds the way to each MAC (priority 2 by l2population, 1 as learned).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case, Side
from blue_wizard.diagnose.model import Cause, Direction
from blue_wizard.diagnose.rulebook import rule
from blue_wizard.facts.ofproto_trace import Step
from blue_wizard.facts.openflow import Flow, local_vlan, outputs, tunnel_id
from blue_wizard.text import _

__all__ = ["base", "flood", "input_flow", "port", "unicast"]

_INPUT = {"vxlan": 4, "gre": 3, "geneve": 6}


def _name(address: str, kind: str) -> str:
    """The port's name as the agent makes it: the kind, and the address in hexadecimal (IPv4)."""
    parts = address.split(".")
    return f"{kind}-{''.join(f'{int(p):02x}' for p in parts)}" if len(parts) == 4 else kind


def _sides(case: Case) -> Iterator[tuple[Side, Direction, str]]:
    """Each side with the direction in which it sends into the tunnel."""
    if case.path.tunnelled and not case.path.same_host and case.network is not None:
        for side in case.sides:
            if side.host.switch is not None and side.local_ip and side.remote_ip:
                yield side, Direction.REQUEST if side is case.compute else Direction.REPLY, f"{side.role}-br-tun"


def _tunnel(case: Case, side: Side) -> tuple[str, int] | None:
    """The port that leads to the other host, by its options: name and OpenFlow number."""
    assert side.host.switch is not None
    for _port, interface in side.host.switch.tunnels(side.remote_ip):
        if interface.type == case.path.kind and isinstance(interface.ofport, int) and interface.ofport > 0:
            return interface.name, interface.ofport
    return None


@rule
def port(case: Case) -> Iterable[Cause]:
    """A tunnel port that leads to the other host."""
    for side, _direction, hop in _sides(case):
        switch = side.host.switch
        assert switch is not None
        # A tunnel port takes only what comes from its own remote address: without it requests are lost on arrival too.
        direction, lost = Direction.REQUEST, "compute-nic" if side is case.compute else "network-br-tun"
        name = _name(side.remote_ip, case.path.kind)
        named = switch.by_name(name)
        if named and named[1].options.get("remote_ip") != side.remote_ip:
            yield Cause(
                "tunnel.remote-address",
                hop,
                side.host.name,
                name,
                _("Tunnel {device} on {host} leads to {actual} instead of {expected}.").format(
                    device=name,
                    host=side.host.name,
                    actual=named[1].options.get("remote_ip", "-"),
                    expected=side.remote_ip,
                ),
                _("On {host}: {command}").format(
                    host=side.host.name,
                    command=side.host.command(f"ovs-vsctl set Interface {name} options:remote_ip={side.remote_ip}"),
                ),
                (f"options:remote_ip={named[1].options.get('remote_ip', '-')}",),
                direction,
                lost,
            )
        elif not switch.tunnels(side.remote_ip):
            yield Cause(
                "tunnel.port-missing",
                hop,
                side.host.name,
                name,
                _("{host} has no tunnel to {address}.").format(host=side.host.name, address=side.remote_ip),
                remedies.restart_l2_agent(side.host.name),
                (f"options:remote_ip={side.remote_ip}: 0",),
                direction,
                lost,
            )
        else:
            for found, interface in switch.tunnels(side.remote_ip):
                local = interface.options.get("local_ip", side.local_ip)
                if found.name == name and local not in {side.local_ip, "flow"}:
                    yield Cause(
                        "tunnel.remote-address",
                        hop,
                        side.host.name,
                        name,
                        _("Tunnel {device} on {host} sends from {actual} instead of {expected}.").format(
                            device=name, host=side.host.name, actual=local, expected=side.local_ip
                        ),
                        _("On {host}: {command}").format(
                            host=side.host.name,
                            command=side.host.command(
                                f"ovs-vsctl set Interface {name} options:local_ip={side.local_ip}"
                            ),
                        ),
                        (f"options:local_ip={local}",),
                        direction,
                        lost,
                    )


@rule
def flood(case: Case) -> Iterable[Cause]:
    """Table 22 of the compute host sends the local VLAN's broadcasts to the DHCP host, with the network's id."""
    for side, direction, hop in _sides(case):
        if direction is not Direction.REQUEST or side.wired_tag is None:
            continue
        bridge = side.tunnel_bridge
        flows, tunnel = side.host.flows(bridge), _tunnel(case, side)
        if flows is None or tunnel is None or not flows:
            continue
        here = [f for f in flows if f.table == 22 and f.match.get("dl_vlan") == str(side.wired_tag)]
        to_host = [f for f in here if tunnel[1] in outputs(f.actions)]
        wrong = [f for f in to_host if tunnel_id(f.actions) != case.path.segment]
        if wrong:
            yield Cause(
                "tunnel.wrong-vni",
                hop,
                side.host.name,
                f"{bridge} table=22",
                _("{host} sends the network's packets with tunnel id {actual}; it is {expected}.").format(
                    host=side.host.name, actual=tunnel_id(wrong[0].actions), expected=case.path.segment
                ),
                remedies.restart_l2_agent(side.host.name),
                (wrong[0].text(),),
                direction,
                "network-br-tun",
            )
        elif not to_host:
            if stale := _stale(side, {n for f in here for n in outputs(f.actions)}):
                yield _renumbered(side, hop, tunnel, stale, here[0], direction, "compute-nic")
                continue
            drop = next((f for f in flows if f.table == 22 and f.priority == 0), None)
            yield Cause(
                "tunnel.flood-flow",
                hop,
                side.host.name,
                f"{bridge} table=22",
                _(
                    "The flow that sends broadcasts of VLAN {vlan} to {remote} is missing in {bridge} on {host} (table 22)."
                ).format(
                    vlan=side.wired_tag,
                    remote=case.network.host.name if case.network else "",
                    bridge=bridge,
                    host=side.host.name,
                ),
                remedies.restart_l2_agent(side.host.name),
                tuple(f.text() for f in here) or ((f"[{drop.packets} packets] {drop.text()}",) if drop else ()),
                direction,
                "compute-nic",
            )


@rule
def input_flow(case: Case) -> Iterable[Cause]:
    """The receiving host gives the network's tunnel id the local VLAN that the port there has."""
    for side, sends, hop in _sides(case):
        direction = Direction.REPLY if sends is Direction.REQUEST else Direction.REQUEST
        table = _INPUT[case.path.kind]
        flows = side.host.flows(side.tunnel_bridge)
        if not flows:
            continue
        lost = "" if direction is Direction.REQUEST else "compute-br-tun"
        mine = [f for f in flows if f.table == table and _key(f) == case.path.segment and not f.drops]
        if not mine:
            drop = next((f for f in flows if f.table == table and f.priority == 0), None)
            yield Cause(
                "tunnel.input-flow",
                hop,
                side.host.name,
                f"{side.tunnel_bridge} table={table}",
                _("{host} does not know tunnel id {segment}: what comes in with it is dropped (table {table}).").format(
                    host=side.host.name, segment=case.path.segment, table=table
                ),
                remedies.restart_l2_agent(side.host.name),
                (f"[{drop.packets} packets] {drop.text()}",) if drop else (f"tun_id={case.path.segment:#x}: 0",),
                direction,
                lost,
            )
        elif side.wired_tag not in {None, 4095} and local_vlan(mine[0].actions) not in {None, side.wired_tag}:
            yield Cause(
                "tunnel.input-wrong-tag",
                hop,
                side.host.name,
                f"{side.tunnel_bridge} table={table}",
                _("{host} puts the network's packets into VLAN {actual}; the port is in VLAN {expected}.").format(
                    host=side.host.name, actual=local_vlan(mine[0].actions), expected=side.wired_tag
                ),
                remedies.restart_l2_agent(side.host.name),
                (mine[0].text(),),
                direction,
                side.br_int if direction is Direction.REQUEST else "compute-br-int",
            )


def _key(flow: Flow) -> int | None:
    found = flow.match.get("tun_id")
    return int(found.partition("/")[0], 0) if found else None


@rule
def unicast(case: Case) -> Iterable[Cause]:
    """The way that table 20 of the DHCP host holds to the server's MAC."""
    for side, direction, hop in _sides(case):
        tunnel = _tunnel(case, side)
        flows = side.host.flows(side.tunnel_bridge)
        if direction is not Direction.REPLY or not flows or tunnel is None or side.wired_tag is None:
            continue
        mine = sorted(
            (
                f
                for f in flows
                if f.table == 20 and f.match.get("dl_dst") == case.path.mac and _vlan(f) == side.wired_tag
            ),
            key=lambda f: -f.priority,
        )
        if not mine:
            continue
        best, code = mine[0], ""
        if tunnel[1] not in outputs(best.actions):
            code = "tunnel.learned-wrong"
            text = _("{host} sends replies to {mac} the wrong way (table 20).").format(
                host=side.host.name, mac=case.path.mac
            )
        elif tunnel_id(best.actions) != case.path.segment:
            code = "tunnel.wrong-vni"
            text = _("{host} sends the network's packets with tunnel id {actual}; it is {expected}.").format(
                host=side.host.name, actual=tunnel_id(best.actions), expected=case.path.segment
            )
        if code:
            yield Cause(
                code,
                hop,
                side.host.name,
                f"{side.tunnel_bridge} table=20",
                text,
                remedies.restart_l2_agent(side.host.name),
                (best.text(),),
                direction,
                # At the NIC counts only what leads to the other end of the tunnel (see `sightings`).
                "network-nic" if code == "tunnel.learned-wrong" else "compute-br-tun",
            )


def _stale(side: Side, numbers: set[int]) -> set[int]:
    """Those numbers that no port of the tunnel bridge has."""
    assert side.host.switch is not None
    return numbers - {i.ofport for p, i in side.host.switch.interfaces() if p.bridge == side.tunnel_bridge and i.ofport}


def _renumbered(
    side: Side, hop: str, tunnel: tuple[str, int], stale: set[int], flow: Flow, direction: Direction, lost: str
) -> Cause:
    return Cause(
        "ovs.stale-ofport",
        hop,
        side.host.name,
        tunnel[0],
        _("{device} on {host} has OpenFlow number {actual}; its flows are for {expected}.").format(
            device=tunnel[0], host=side.host.name, actual=tunnel[1], expected=", ".join(map(str, sorted(stale)))
        ),
        remedies.restart_l2_agent(side.host.name),
        (flow.text(),),
        direction,
        lost,
    )


def _vlan(flow: Flow) -> int | None:
    if "dl_vlan" in flow.match:
        return int(flow.match["dl_vlan"])
    tci = flow.match.get("vlan_tci", "")
    return int(tci.partition("/")[0], 16) & 0xFFF if tci else None


@rule
def base(case: Case) -> Iterable[Cause]:
    """The flows of br-tun that every network needs (tables 0, 2, 10): a trace meets a table without one."""
    for side, sends, hop in _sides(case):
        flows = side.host.flows(side.tunnel_bridge)
        if flows is None:
            continue
        if not flows:
            yield Cause(
                "ovs.flows-missing",
                hop,
                side.host.name,
                side.tunnel_bridge,
                _("The flows of {bridge} on {host} are gone; the bridge forwards nothing without them.").format(
                    bridge=side.tunnel_bridge, host=side.host.name
                ),
                remedies.restart_l2_agent(side.host.name),
                (f"{side.tunnel_bridge}: 0 flows",),
                lost_at="" if side is case.compute else "network-br-tun",
            )
            continue
        names = ("compute-request", "compute-reply") if side is case.compute else ("network-request", "network-reply")
        for name in names:
            if case.traced[name] is not False:
                continue
            found = case.trace(name)
            assert found is not None
            assert found.trace is not None
            direction = Direction.REQUEST if name.endswith("request") else Direction.REPLY
            bad = _ended(side, found.trace.steps)
            if bad is None:
                continue
            entering = direction is not sends
            tunnel = _tunnel(case, side)
            named = [f for f in flows if f.table == 0 and f.match.get("in_port", "").isdigit() and not f.drops]
            stale = _stale(side, {int(f.match["in_port"]) for f in named})
            if entering and bad == 0 and tunnel and stale:
                old = next(f for f in named if int(f.match["in_port"]) in stale)
                yield _renumbered(side, hop, tunnel, stale, old, direction, "")
                continue
            yield Cause(
                "tunnel.input-flow" if entering else "tunnel.base-flow",
                hop,
                side.host.name,
                f"{side.tunnel_bridge} table={bad}",
                _("Table {table} of {bridge} on {host} lacks a flow that every packet needs.").format(
                    table=bad, bridge=side.tunnel_bridge, host=side.host.name
                ),
                remedies.restart_l2_agent(side.host.name),
                (f"{side.tunnel_bridge} table={bad}",),
                direction,
                "" if entering else hop,
            )


def _ended(side: Side, steps: tuple[Step, ...]) -> int | None:
    """The table of br-tun in which a trace ends for want of a flow; tables 4 and 22 have rules of their own."""
    for step in steps:
        if step.bridge != side.tunnel_bridge or not step.drops or step.table not in {0, 1, 2, 10, 20}:
            continue
        if step.priority is None or (step.priority == 0 and step.table in {0, 2, 10}):
            return step.table
    return None
