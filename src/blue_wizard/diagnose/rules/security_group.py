"""Security groups: what their rules allow (by the API), and whether the host does so.

A packet that the API allows and the firewall drops is the agent's debt; one that the API does not allow is the operator's or the
tenant's wish. Answers to allowed packets always come back: both drivers track connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case, Side
from blue_wizard.diagnose.groups import allowing
from blue_wizard.diagnose.model import Cause, Direction
from blue_wizard.diagnose.rulebook import about
from blue_wizard.text import _

__all__ = ["applied", "egress", "ingress"]

_WAYS = ("router", "server", "dhcp", "none")
# Neutron's agent/linux/openvswitch_firewall: out of the port 71 to 73, to it 81 and 82; 93 drops.
_OUT, _IN = {71, 72, 73, 93}, {81, 82, 93}


def _groups(case: Case, port: dict[str, Any]) -> list[dict[str, Any]]:
    return [case.api.aim["groups"][g] for g in port.get("security_groups") or () if g in case.api.aim["groups"]]


def _protected(port: dict[str, Any] | None) -> bool:
    # A port of Neutron's own (router, DHCP) has no groups.
    if port is None or str(port.get("device_owner")).startswith("network:"):
        return False
    return bool(port.get("port_security_enabled", True))


def _denied(case: Case, direction: str) -> bool:
    """Whether the API's rules do not let the packet out of the server (`egress`), or in to the one it is for (`ingress`)."""
    path, aim = case.path, case.path.aim
    assert aim is not None
    mine, other = (path.port, path.far_port) if direction == "egress" else (path.far_port, path.port)
    if mine is None or not _protected(mine) or (direction == "ingress" and path.purpose != "server"):
        return False
    remote = aim.address if direction == "egress" else path.address
    of_remote = (other or {}).get("security_groups") or () if path.purpose == "server" or direction == "ingress" else ()
    return bool(remote) and allowing(_groups(case, mine), direction, aim, remote, of_remote) is None


def _rules(case: Case, port: dict[str, Any], direction: str) -> tuple[str, ...]:
    found = [r for g in _groups(case, port) for r in g["security_group_rules"] if r["direction"] == direction]
    return tuple(
        f"{r['direction']} {r['ethertype']} {r['protocol'] or 'any'} {r['port_range_min'] or ''}:{r['port_range_max'] or ''} "
        f"{r.get('remote_ip_prefix') or r.get('remote_group_id') or 'any'}"
        for r in found
    )[:8] or (f"{direction}: 0",)


def _option(case: Case) -> str:
    aim = case.path.aim
    assert aim is not None
    return f"--protocol {aim.protocol}{f' --dst-port {aim.number}' if aim.number else ''}"


@about(*_WAYS, "metadata", ovn=True)
def egress(case: Case) -> Iterable[Cause]:
    """No rule of the server's groups lets the packet out."""
    path, aim = case.path, case.path.aim
    if aim is None or not _denied(case, "egress"):
        return
    groups = path.port.get("security_groups") or []
    yield Cause(
        "sg.egress",
        "qbr" if path.hybrid else "compute-br-int",
        path.compute,
        ", ".join(groups) or path.id,
        _("No security group of the server lets {to} out.").format(to=aim),
        _("openstack security group rule create --egress {option} --remote-ip {address}/32 {group}").format(
            option=_option(case), address=aim.address, group=groups[0] if groups else "GROUP"
        ),
        _rules(case, path.port, "egress"),
        lost_at="qvb" if path.hybrid else "compute-br-int",
    )


@about("server")
def ingress(case: Case) -> Iterable[Cause]:
    """No rule of the other server's groups lets the packet in."""
    path, aim = case.path, case.path.aim
    if aim is None or path.far_port is None or not _denied(case, "ingress"):
        return
    groups = path.far_port.get("security_groups") or []
    yield Cause(
        "sg.ingress",
        "peer-port",
        path.network_host,
        ", ".join(groups) or path.far_port["id"],
        _("No security group of port {port} lets {to} in from {address}.").format(
            port=path.far_port["id"], to=aim, address=path.address
        ),
        _("openstack security group rule create --ingress {option} --remote-ip {address}/32 {group}").format(
            option=_option(case), address=path.address, group=groups[0] if groups else "GROUP"
        ),
        _rules(case, path.far_port, "ingress"),
    )


@about(*_WAYS)
def applied(case: Case) -> Iterable[Cause]:
    """The firewall in the switch drops what the API's rules allow."""
    path = case.path
    if _denied(case, "egress") or _denied(case, "ingress"):
        return
    ends: tuple[tuple[str, Side | None, set[int], Direction, str], ...] = (
        ("compute-request", case.compute, _OUT, Direction.REQUEST, ""),
        ("network-request", case.network, _IN, Direction.REQUEST, "peer-port"),
        ("compute-reply", case.compute, _IN, Direction.REPLY, "tap"),
    )
    for name, side, tables, direction, lost in ends:
        found = case.trace(name)
        if side is None or case.traced[name] is not False or found is None or found.trace is None:
            continue
        last = next((s for s in reversed(found.trace.steps) if s.bridge == side.integration), None)
        if last is None or last.table not in tables or not last.drops:
            continue
        agents = {f.cookie for f in side.host.flows(side.integration) or () if f.priority == 0}
        if agents and last.cookie and last.cookie not in agents:
            continue
        yield Cause(
            "sg.not-applied",
            side.br_int,
            side.host.name,
            f"{side.integration} table={last.table}",
            _("The security groups allow {to}; the firewall in {bridge} on {host} drops it (table {table}).").format(
                to=path.aim, bridge=side.integration, host=side.host.name, table=last.table
            ),
            remedies.restart_l2_agent(side.host.name),
            (last.text(),),
            direction,
            lost,
        )
        return
