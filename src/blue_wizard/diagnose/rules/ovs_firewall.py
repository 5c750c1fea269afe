"""The firewall inside of Open vSwitch: the flows of br-int's tables 60, 71 to 73, 81, 82 and 91 to 94.

By Neutron's agent/linux/openvswitch_firewall: table 60 sends a port's packets to 71 and packets for its MAC to 81, 71 lets DHCP
requests of the port's own MAC go to 73 (priority 80), 81 lets DHCP replies out to the port (priority 95), and what is not allowed
goes to 93 and ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction, Finding
from blue_wizard.diagnose.rulebook import about, rule
from blue_wizard.facts.openflow import Flow
from blue_wizard.text import _

__all__ = ["base", "reply", "request", "stale"]

_ANY = "0.0.0.0"  # noqa: S104


def _flows(case: Case) -> list[Flow] | None:
    """The flows of br-int, where this firewall is in force for the port (proved on the host: table 71 is there)."""
    if case.path.hybrid or case.path.port.get("port_security_enabled") is False:
        return None
    flows = case.compute.host.flows(case.path.integration_bridge)
    return flows if flows and any(f.table == 71 for f in flows) else None


def _cause(case: Case, code: str, thing: str, text: str, evidence: tuple[str, ...], direction: Direction) -> Cause:
    host = case.compute.host.name
    lost = "" if direction is Direction.REQUEST else "tap"
    return Cause(code, "compute-br-int", host, thing, text, remedies.restart_l2_agent(host), evidence, direction, lost)


def _ofport(case: Case) -> int | None:
    return case.compute.plugged[1].ofport if case.compute.plugged else None


@rule
def stale(case: Case) -> Iterable[Cause]:
    """Flows that name an OpenFlow number which the device no longer has (it was unplugged and plugged in again)."""
    flows, number = _flows(case), _ofport(case)
    broken = [d for d in Direction if case.traced[f"compute-{d.value}"] is False]
    if not flows or number is None or number < 1 or not broken:
        return
    mine = [f for f in flows if f.table in {25, 71} and f.match.get("dl_src") == case.path.mac and "in_port" in f.match]
    old = {f.match["in_port"] for f in mine} - {str(number)}
    if old and not any(f.match["in_port"] == str(number) for f in mine):
        text = _("{device} on {host} has OpenFlow number {actual}; its flows are for {expected}.").format(
            device=case.path.switch_device, host=case.compute.host.name, actual=number, expected=", ".join(sorted(old))
        )
        yield _cause(case, "ovs.stale-ofport", case.path.switch_device, text, (mine[0].text(),), broken[0])


@about("")
def request(case: Case) -> Iterable[Cause]:
    """Table 71 lets the port's DHCP requests pass."""
    flows, number = _flows(case), _ofport(case)
    if not flows or number is None or number < 1 or case.traced["compute-request"] is not False:
        return
    mine = [f for f in flows if f.table == 71 and f.match.get("in_port") == str(number)]
    if not mine:
        return
    allowed = [f for f in mine if f.match.get("tp_dst") == "67" and f.match.get("tp_src") == "68" and "udp" in f.match]
    allowed = [f for f in allowed if not f.drops and "93)" not in f.actions]
    if any(
        f.match.get("dl_src", case.path.mac) == case.path.mac and f.match.get("nw_src", _ANY) == _ANY for f in allowed
    ):
        return
    macs = {f.match["dl_src"] for f in mine if "dl_src" in f.match}
    if macs and case.path.mac not in macs:
        yield _cause(
            case,
            "ovsfw.mac-not-allowed",
            case.path.switch_device,
            _("The firewall on {host} lets {device} send only as {actual}; its MAC is {expected}.").format(
                host=case.compute.host.name,
                device=case.path.switch_device,
                actual=", ".join(sorted(macs)),
                expected=case.path.mac,
            ),
            (mine[0].text(),),
            Direction.REQUEST,
        )
    else:
        yield _cause(
            case,
            "ovsfw.request-flow",
            f"{case.path.integration_bridge} table=71",
            _("The flow that lets DHCP requests of {device} out is missing on {host} (table 71, UDP 68 to 67).").format(
                device=case.path.switch_device, host=case.compute.host.name
            ),
            tuple(f.text() for f in mine if f.priority <= 10)[:1] or (f"{len(mine)} flows",),
            Direction.REQUEST,
        )


@about("")
def reply(case: Case) -> Iterable[Cause]:
    """Table 81 lets DHCP replies through to the port."""
    flows, number = _flows(case), _ofport(case)
    if not flows or number is None or number < 1 or case.traced["compute-reply"] is not False:
        return
    register = f"{number:#x}"
    to_port = [f for f in flows if f.table == 81 and f.match.get("reg5") == register and f.match.get("tp_dst") == "68"]
    entry = [f for f in flows if f.table == 60 and f.match.get("dl_dst") == case.path.mac and "81)" in f.actions]
    if not entry:
        yield _cause(
            case,
            "ovsfw.base-flow",
            f"{case.path.integration_bridge} table=60",
            _("The flow that takes packets for {mac} to the firewall is missing on {host} (table 60).").format(
                mac=case.path.mac, host=case.compute.host.name
            ),
            (f"table=60,dl_dst={case.path.mac}: 0",),
            Direction.REPLY,
        )
    elif not any(re.search(rf"output:{number}\b", f.actions) for f in to_port):
        yield _cause(
            case,
            "ovsfw.reply-flow",
            f"{case.path.integration_bridge} table=81",
            _("The flow that lets DHCP replies in to {device} is missing on {host} (table 81, UDP 67 to 68).").format(
                device=case.path.switch_device, host=case.compute.host.name
            ),
            (f"table=81,reg5={register},udp,tp_dst=68: {to_port[0].text() if to_port else 0}",),
            Direction.REPLY,
        )


@about("")
def base(case: Case) -> Iterable[Cause | Finding]:
    """The flows that every port needs: table 60 into the firewall, 73 and 94 out of it."""
    flows, number = _flows(case), _ofport(case)
    if not flows or number is None or number < 1:
        return
    into = [f for f in flows if f.table == 60 and f.match.get("in_port") == str(number)]
    known = any(f.table == 71 and f.match.get("in_port") == str(number) for f in flows)
    if not into and known:
        yield Finding(
            "security.filter-bypassed",
            case.compute.host.name,
            f"{case.path.integration_bridge} table=60",
            _("The server's packets on {host} do not pass its security group's chain.").format(
                host=case.compute.host.name
            ),
            remedies.restart_l2_agent(case.compute.host.name),
            (f"table=60,in_port={number}: 0",),
        )
    if case.traced["compute-request"] is not False:
        return
    found = case.trace("compute-request")
    assert found is not None
    assert found.trace is not None
    for step in found.trace.steps:
        if (
            step.bridge == case.path.integration_bridge
            and step.drops
            and not step.priority
            and step.table in {72, 73, 91, 94}
        ):
            yield _cause(
                case,
                "ovsfw.base-flow",
                f"{step.bridge} table={step.table}",
                _("Table {table} of the firewall in {bridge} on {host} has no flow for the packet.").format(
                    table=step.table, bridge=step.bridge, host=case.compute.host.name
                ),
                (step.text(),),
                Direction.REQUEST,
            )
            return
    for table in (73, 94):
        rest = [f for f in flows if f.table == table and not f.drops]
        if not rest or (table == 73 and not any(f.match.get("reg5") == f"{number:#x}" for f in rest) and into):
            yield _cause(
                case,
                "ovsfw.base-flow",
                f"{case.path.integration_bridge} table={table}",
                _("Table {table} of the firewall in {bridge} on {host} has no flow for the packet.").format(
                    table=table, bridge=case.path.integration_bridge, host=case.compute.host.name
                ),
                (f"table={table}: {len(rest)} flows that forward",),
                Direction.REQUEST,
            )
            return
