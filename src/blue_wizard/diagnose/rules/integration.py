"""br-int on both hosts: its flows, and the patch ports that lead out of it.

Tables as Neutron has them (neutron-lib, plugins/ml2/ovs_constants): 0 local switching, 23 the canary that is there while the
agent's flows are, 59 and 60 on the way to NORMAL. Bridges fail secure: without flows nothing passes.
"""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case, Side
from blue_wizard.diagnose.model import Cause, Direction
from blue_wizard.diagnose.rulebook import rule
from blue_wizard.text import _

__all__ = ["empty_table", "foreign", "normal", "patches"]

_CANARY = 23


def _lost(case: Case, side: Side) -> str:
    return "" if side is case.compute else side.br_int


@rule
def normal(case: Case) -> Iterable[Cause]:
    """br-int has its agent's flows, and the one that switches (NORMAL in table 60, or 0 where that is all)."""
    for side in dict.fromkeys(case.sides):
        if case.network is side and case.path.same_host:
            continue
        flows = side.host.flows(side.integration)
        if flows is None:
            continue
        tables = {f.table for f in flows}
        evidence = (f"{side.integration}: {len(flows)} flows in tables {sorted(tables)}",)
        if 0 not in tables or (_CANARY not in tables and len(flows) < 3):
            yield Cause(
                "ovs.flows-missing",
                side.br_int,
                side.host.name,
                side.integration,
                _("The flows of {bridge} on {host} are gone; the bridge forwards nothing without them.").format(
                    bridge=side.integration, host=side.host.name
                ),
                remedies.restart_l2_agent(side.host.name),
                evidence,
            )
        elif not any(f.table == 60 and "NORMAL" in f.actions for f in flows) and 60 in _jumped_to(flows):
            yield Cause(
                "ovs.normal-flow-missing",
                side.br_int,
                side.host.name,
                f"{side.integration} table=60",
                _("The flow that switches packets (table 60, NORMAL) is missing in {bridge} on {host}.").format(
                    bridge=side.integration, host=side.host.name
                ),
                remedies.restart_l2_agent(side.host.name),
                evidence,
            )


@rule
def empty_table(case: Case) -> Iterable[Cause]:
    """A trace ends in a table of br-int that has no flow at all, though others lead there."""
    ends = {"compute-request": case.compute, "network-request": case.network, "network-reply": case.network}
    for name, side in ends.items():
        found = case.trace(name)
        if side is None or case.traced[name] is not False or found is None or found.trace is None:
            continue
        flows = side.host.flows(side.integration) or []
        tables = {f.table for f in flows}
        for step in found.trace.steps:
            if (
                step.bridge != side.integration
                or step.priority is not None
                or step.table in {0, 60, *tables}
                or step.table > 70
            ):
                continue
            yield Cause(
                "ovs.flows-missing",
                side.br_int,
                side.host.name,
                f"{side.integration} table={step.table}",
                _("Table {table} of {bridge} on {host} is empty, though packets are sent there.").format(
                    table=step.table, bridge=side.integration, host=side.host.name
                ),
                remedies.restart_l2_agent(side.host.name),
                (step.text(),),
                Direction.REQUEST if name.endswith("request") else Direction.REPLY,
            )
            break


def _jumped_to(flows: Iterable[object]) -> set[int]:
    import re

    found: set[int] = set()
    for flow in flows:
        found |= {int(n) for n in re.findall(r"(?:goto_table:|resubmit\(,)(\d+)", getattr(flow, "actions", ""))}
    return found


@rule
def patches(case: Case) -> Iterable[Cause]:
    """The pair of patch ports between br-int and the tunnel bridge, or the provider bridge."""
    path = case.path
    if path.same_host:
        return
    for side in case.sides:
        switch = side.host.switch
        other = side.tunnel_bridge if path.tunnelled else side.bridge
        if switch is None or side.integration not in switch.bridges or not other:
            continue
        hop = f"{side.role}-br-tun" if path.tunnelled else f"{side.role}-bridge"
        lost = "" if side is case.compute else side.br_int
        if other not in switch.bridges:
            yield Cause(
                "ovs.bridge-missing",
                hop,
                side.host.name,
                other,
                _("Open vSwitch on {host} has no bridge {bridge}.").format(host=side.host.name, bridge=other),
                remedies.restart_l2_agent(side.host.name),
                (", ".join(sorted(switch.bridges)),),
                lost_at=lost,
            )
            continue
        inner, outer = _names(path.tunnelled, other)
        ends = {n: switch.by_name(n) for n in (inner, outer)}
        for name, partner, bridge in ((inner, outer, side.integration), (outer, inner, other)):
            found = ends[name]
            code_family = "ovs" if path.tunnelled else "vlan"
            if found is None or found[0].bridge != bridge:
                yield Cause(
                    "ovs.patch-missing",
                    hop,
                    side.host.name,
                    name,
                    _("Patch port {device} is missing in {bridge} on {host}.").format(
                        device=name, bridge=bridge, host=side.host.name
                    ),
                    remedies.restart_l2_agent(side.host.name),
                    (f"ovs-vsctl port-to-br {name}: {found[0].bridge if found else '-'}",),
                    lost_at=lost,
                )
            elif found[1].options.get("peer") != partner or found[1].type != "patch" or found[1].error:
                yield Cause(
                    f"{code_family}.patch-peer",
                    hop,
                    side.host.name,
                    name,
                    _("Patch port {device} on {host} leads to {actual} instead of {expected}.").format(
                        device=name, host=side.host.name, actual=found[1].options.get("peer", "-"), expected=partner
                    ),
                    _("On {host}: {command}").format(
                        host=side.host.name,
                        command=side.host.command(f"ovs-vsctl set Interface {name} options:peer={partner}"),
                    ),
                    (
                        f"type={found[1].type} options:peer={found[1].options.get('peer', '-')} error={found[1].error or '-'}",
                    ),
                    lost_at=lost,
                )
            else:
                bad = sorted(set(side.host.port_config(bridge, name)) & {"NO_FWD", "NO_RECV", "NO_FLOOD", "PORT_DOWN"})
                for flag in bad:
                    undo = {"NO_FWD": "forward", "NO_RECV": "receive", "NO_FLOOD": "flood", "PORT_DOWN": "up"}[flag]
                    yield Cause(
                        "ovs.port-down" if flag == "PORT_DOWN" else "ovs.no-forward",
                        hop,
                        side.host.name,
                        name,
                        _("{device} on {host} is switched off by OpenFlow ({flag}).").format(
                            device=name, host=side.host.name, flag=flag
                        ),
                        _("On {host}: {command}").format(
                            host=side.host.name, command=side.host.command(f"ovs-ofctl mod-port {bridge} {name} {undo}")
                        ),
                        (f"config: {flag}",),
                        lost_at=lost,
                    )


def _names(tunnelled: bool, other: str) -> tuple[str, str]:
    """The patch ports by Neutron's names (options int_peer_patch_port, tun_peer_patch_port; int-BRIDGE and phy-BRIDGE)."""
    return ("patch-tun", "patch-int") if tunnelled else (f"int-{other}"[:14], f"phy-{other}"[:14])


@rule
def foreign(case: Case) -> Iterable[Cause]:
    """A flow that is none of the agent's, and that a trace shows to end the packet (the agent's carry its cookies)."""
    names = {
        "compute-request": (case.compute, Direction.REQUEST),
        "network-request": (case.network, Direction.REQUEST),
        "network-reply": (case.network, Direction.REPLY),
        "compute-reply": (case.compute, Direction.REPLY),
    }
    for name, (side, direction) in names.items():
        if side is None or case.traced[name] is not False:
            continue
        found = case.trace(name)
        assert found is not None
        assert found.trace is not None
        for step in found.trace.steps:
            if not step.drops or step.priority is None:
                continue
            cookies = {f.cookie for f in side.host.flows(step.bridge) or () if f.table == step.table}
            agents = {f.cookie for f in side.host.flows(step.bridge) or () if f.priority == 0}
            if step.cookie in agents or not cookies or not agents or not _is_agents(side, step.bridge):
                continue
            hop = side.br_int if step.bridge == side.integration else _outer(case, side)
            hops = case.hops if direction is Direction.REQUEST else case.hops[::-1]
            after = hops[min(hops.index(hop) + 1, len(hops) - 1)] if hop in hops else ""
            entered = (side is case.compute) == (direction is Direction.REQUEST)
            yield Cause(
                "ovs.foreign-drop-flow",
                hop,
                side.host.name,
                f"{step.bridge} table={step.table}",
                _("A flow that is none of the agent's drops the packet in {bridge} on {host}.").format(
                    bridge=step.bridge, host=side.host.name
                ),
                _("Find out who made it. To remove it, on {host}: {command}").format(
                    host=side.host.name,
                    command=side.host.command(
                        f"ovs-ofctl --strict del-flows {step.bridge} "
                        f"'table={step.table},priority={step.priority}{',' + step.match if step.match else ''}'"
                    ),
                ),
                (step.text() + f" cookie={step.cookie:#x}",),
                direction,
                "" if entered else after if hop == side.br_int else "",
            )
            break


def _is_agents(side: Side, bridge: str) -> bool:
    return bridge in {side.integration, side.tunnel_bridge, side.bridge}


def _outer(case: Case, side: Side) -> str:
    name = f"{side.role}-br-tun" if case.path.tunnelled else f"{side.role}-bridge"
    return name if name in case.hops else side.br_int
