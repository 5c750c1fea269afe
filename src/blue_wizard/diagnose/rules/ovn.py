"""OVN (ML2/OVN): ovn-controller on the compute host answers DHCP itself, by logical flows of the southbound database.

Metadata is answered there too, by a proxy behind a port that every host of the network has (a ``localport``).
Read are the controller, that database (Port_Binding, Chassis, Encap, the flows of ls_in_dhcp_options), and where the OpenFlow flows
that the controller made of it lead the request. Sources: OVN, ovn-northd(8), ovn-controller(8), ovn-architecture(7);
Neutron, agent/ovn/metadata/agent.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction, Finding
from blue_wizard.diagnose.rulebook import in_ovn
from blue_wizard.diagnose.view import OvnView
from blue_wizard.text import _

__all__ = [
    "agent",
    "answer",
    "bound",
    "carried",
    "controller",
    "flows",
    "localport",
    "mappings",
    "metadata",
    "tunnel_end",
]

_REPAIR = "neutron-ovn-db-sync-util --ovn-neutron_sync_mode repair"


def _restart(host: str) -> str:
    return _(
        "Restart OVN's controller on {host}; flows stay in the switch meanwhile: systemctl restart ovn-controller "
        "(Debian: ovn-host; container: ovn_controller)."
    ).format(host=host)


def _resync() -> str:
    return _("Compare Neutron with OVN, and let it be mended, on a host of neutron-server: {command}").format(
        command=_REPAIR
    )


def _end(case: Case) -> str:
    """The hop behind the switch."""
    return "dhcp-server" if case.path.aim is None else "metadata-port"


@in_ovn
def controller(case: Case) -> Iterable[Cause | Finding]:
    """The controller runs, and is connected with the southbound database."""
    seen, host = case.ovn, case.compute.host
    if seen is None or not host.root:
        return
    if not seen.running:
        shown = ", ".join(f"{p['pid']} {p['state']}" for p in seen.processes) or "-"
        evidence: tuple[str, ...] = (f"ovn-controller: {shown}",)
        if case.path.aim is not None:
            # What it wrote is still in the switch; where that leads nowhere, another rule tells.
            text = _("OVN's controller does not run on {host}: no change arrives there.").format(host=host.name)
            yield Finding("ovn.controller-down", host.name, "ovn-controller", text, _restart(host.name), evidence)
            return
        yield Cause(
            "ovn.controller-down",
            "dhcp-server",
            host.name,
            "ovn-controller",
            _("OVN's controller does not run on {host}: it is what answers DHCP there.").format(host=host.name),
            _restart(host.name),
            evidence,
        )
    elif seen.connected is False:
        remote = host.switch.external_ids.get("ovn-remote", "") if host.switch else ""
        text = _("OVN's controller on {host} has no connection with the southbound database ({remote}).").format(
            host=host.name, remote=remote or "-"
        )
        remedy = _(
            "Check external_ids:ovn-remote on {host}, port 6642 from there, and the database: {command}. "
            "Ports that were wired before go on working; no change arrives."
        ).format(host=host.name, command="ovs-appctl -t /run/ovn/ovnsb_db.ctl cluster/status OVN_Southbound")
        evidence = (f"connection-status: {seen.connection['out'].strip()}", f"external_ids:ovn-remote={remote or '-'}")
        if case.traced["compute-request"]:
            yield Finding("ovn.disconnected", host.name, "ovn-controller", text, remedy, evidence)
        else:
            yield Cause(
                "ovn.disconnected", "compute-br-int", host.name, "ovn-controller", text, remedy, evidence,
                lost_at=_end(case),
            )  # fmt: skip


def _plugged(case: Case) -> bool:
    found = case.compute.plugged
    return found is not None and found[1].external_ids.get("iface-id") == case.path.id


@in_ovn
def bound(case: Case) -> Iterable[Cause]:
    """The southbound database has the port, claimed by the chassis of this host."""
    seen, host, path = case.ovn, case.compute.host, case.path
    if seen is None or not seen.known or case.api.server["status"] != "ACTIVE":
        return
    if seen.binding is None:
        yield Cause(
            "ovn.port-missing",
            "compute-br-int",
            host.name,
            path.id,
            _(
                "OVN's southbound database has no port {port}: Neutron and OVN disagree, or ovn-northd stands still."
            ).format(port=path.id),
            _("See whether ovn-northd runs. ") + _resync(),
            (f"Port_Binding logical_port={path.id}: 0",),
            lost_at=_end(case),
        )
        return
    mine = host.switch.external_ids.get("system-id", "") if host.switch else ""
    evidence = (
        f"Port_Binding chassis={seen.binding.chassis or '[]'} up={seen.binding.up} "
        f"requested-chassis={seen.binding.requested or '-'}; system-id={mine or '-'}",
    )
    # Without its id in the switch nobody can claim it, which is told there.
    if not seen.binding.chassis and _plugged(case):
        yield Cause(
            "ovn.not-bound",
            "compute-br-int",
            host.name,
            path.id,
            _("No chassis has claimed port {port}, though its device is in {bridge} on {host}.").format(
                port=path.id, bridge=case.compute.integration, host=host.name
            ),
            _("Look into the log of ovn-controller on {host} (Claiming lport). ").format(host=host.name)
            + _restart(host.name),
            evidence,
            lost_at=_end(case),
        )
    elif seen.binding.chassis and mine and seen.binding.chassis != mine:
        yield Cause(
            "ovn.bound-elsewhere",
            "compute-br-int",
            host.name,
            path.id,
            _("Chassis {chassis} has claimed port {port}, and the server is on {host}.").format(
                chassis=seen.binding.host or seen.binding.chassis, port=path.id, host=host.name
            ),
            _(
                "See whether a device with that iface-id is left on {other}, and remove it there; else check requested-chassis "
                "and the system-id of {host}."
            ).format(other=seen.binding.host or seen.binding.chassis, host=host.name),
            evidence,
            lost_at=_end(case),
        )


@in_ovn
def answer(case: Case) -> Iterable[Cause]:
    """There are logical flows that offer the port its address."""
    seen, host, path = case.ovn, case.compute.host, case.path
    if case.path.aim is not None or seen is None or seen.answers is None or seen.binding is None:
        return
    if not seen.answers:
        yield Cause(
            "ovn.no-dhcp-options",
            "dhcp-server",
            host.name,
            path.id,
            _("OVN has no DHCP options for port {port}: nobody answers its requests.").format(port=path.id),
            _("Look: ovn-nbctl lsp-get-dhcpv4-options {port}. ").format(port=path.id) + _resync(),
            (f"Logical_Flow ls_in_dhcp_options inport == {path.id}: 0",),
        )
    elif path.address and all(a.address != path.address for a in seen.answers):
        offered = ", ".join(a.address for a in seen.answers)
        yield Cause(
            "ovn.wrong-offer",
            "dhcp-server",
            host.name,
            path.id,
            _("OVN offers {actual} to port {port}, whose address is {expected}.").format(
                actual=offered, port=path.id, expected=path.address
            ),
            _resync(),
            (f"put_dhcp_opts(offerip = {offered})",),
            Direction.REPLY,
        )


@in_ovn
def flows(case: Case) -> Iterable[Cause]:
    """What the controller has made of the logical flows leads the request where it should."""
    seen, host, path = case.ovn, case.compute.host, case.path
    if seen is None or case.traced["compute-request"] is not False or not _plugged(case):
        return
    if not seen.answers if path.aim is None else not _served(case):
        return
    found = case.trace("compute-request")
    assert found is not None
    assert found.trace is not None
    last = found.trace.steps[-1] if found.trace.steps else None
    evidence = (last.text(),) if last else ()
    if seen.ended is not None and ("drop" in seen.ended.actions or "port_sec" in seen.ended.stage):
        yield _dropped(case, seen, evidence)
        return
    text = _("OVN's database has the flow that answers port {port}, and {bridge} on {host} has not.")
    if path.aim is not None:
        text = _(
            "The flows of {bridge} on {host} do not lead port {port} to the metadata port that OVN's database has."
        )
    yield Cause(
        "ovn.flows-missing",
        "compute-br-int",
        host.name,
        case.compute.integration,
        text.format(port=path.id, bridge=case.compute.integration, host=host.name),
        # It keeps a list of its own of what it has written: a recompute alone writes nothing again.
        _restart(host.name),
        evidence,
        lost_at=_end(case),
    )


@in_ovn
def carried(case: Case) -> Iterable[Cause]:
    """A flow carries answers out to the port. It is behind the controller, where no trace of the request comes."""
    seen, host, side = case.ovn, case.compute.host, case.compute
    flows_of = host.flows(side.integration)
    if seen is None or seen.binding is None or side.plugged is None or not _plugged(case) or not flows_of:
        return
    mine, number = host.switch.external_ids.get("system-id") if host.switch else None, side.plugged[1].ofport
    if seen.binding.chassis != mine or number is None or number < 1:
        return
    if any(re.search(rf"\boutput:{number}\b", flow.actions) for flow in flows_of):
        return
    yield Cause(
        "ovn.flows-missing",
        "compute-br-int",
        host.name,
        side.integration,
        _("No flow of {bridge} on {host} leads to port {port}: answers do not reach it.").format(
            bridge=side.integration, host=host.name, port=case.path.id
        ),
        _restart(host.name),
        (f"ovs-ofctl dump-flows {side.integration} | grep output:{number}: 0",),
        Direction.REPLY,
        "tap",
    )


def _dropped(case: Case, seen: OvnView, evidence: tuple[str, ...]) -> Cause:
    path, ended, binding = case.path, seen.ended, seen.binding
    assert ended is not None
    assert binding is not None
    evidence = (*evidence, f"{ended.stage}: {ended.match} -> {ended.actions}")
    if "port_sec" in ended.stage:
        return Cause(
            "ovn.port-security",
            "compute-br-int",
            case.compute.host.name,
            path.id,
            _("OVN does not let port {port} send with {mac}.").format(port=path.id, mac=path.mac),
            _resync(),
            (*evidence, f"port_security={list(binding.allowed)}"),
            lost_at=_end(case),
        )
    return Cause(
        "ovn.dropped",
        "compute-br-int",
        case.compute.host.name,
        ended.stage,
        _("A logical flow of stage {stage} drops the request of port {port}.").format(stage=ended.stage, port=path.id),
        _("Where it is one of a security group (an ACL), change the group; else ask who made it: {command}").format(
            command="ovn-sbctl lflow-list"
        ),
        evidence,
        lost_at=_end(case),
    )


def _served(case: Case) -> bool:
    """Whether the network's metadata port is in OVN, for every host, and in the switch of this one."""
    far, there = case.far_ovn, case.network.plugged if case.network else None
    wired = there is not None and there[1].external_ids.get("iface-id") == (case.path.far_port or {}).get("id")
    return wired and far is not None and far.binding is not None and far.binding.kind == "localport"


@in_ovn
def tunnel_end(case: Case) -> Iterable[Finding]:
    """The address of the tunnels is the host's own, and the one that the other hosts are told. DHCP needs no tunnel."""
    seen, host = case.ovn, case.compute.host
    if seen is None or not seen.known or host.switch is None or not host.addresses:
        return
    ours = host.switch.external_ids.get("ovn-encap-ip", "")
    told = {address for _kind, address in seen.encaps}
    wrong = [a for a in ours.split(",") if a and not host.device_of(a)]
    if wrong or (told and ours and not told & set(ours.split(","))):
        yield Finding(
            "ovn.encap-address",
            host.name,
            "ovn-encap-ip",
            _(
                "The tunnels of {host} end at {address}, which is not an address of it: no other host reaches its servers."
            ).format(host=host.name, address=", ".join(wrong) or ", ".join(sorted(told))),
            _("On {host}: {command}").format(
                host=host.name, command=host.command("ovs-vsctl set Open_vSwitch . external_ids:ovn-encap-ip=ADDRESS")
            ),
            (f"external_ids:ovn-encap-ip={ours or '-'}; Encap: {', '.join(sorted(told)) or '-'}",),
        )


@in_ovn
def mappings(case: Case) -> Iterable[Finding]:
    """A provider network needs a bridge on this host. DHCP does without."""
    path, host = case.path, case.compute.host
    physical = path.network.get("provider:physical_network")
    if path.kind not in {"vlan", "flat"} or not physical or host.switch is None:
        return
    told = host.switch.external_ids.get("ovn-bridge-mappings", "")
    known = dict(pair.split(":", 1) for pair in told.split(",") if ":" in pair)
    bridge = known.get(str(physical), "")
    if bridge and bridge in host.switch.bridges:
        return
    yield Finding(
        "ovn.no-bridge-mapping",
        host.name,
        str(physical),
        _(
            "OVN on {host} has no bridge for physical network {physical}: DHCP answers, and nothing else gets out."
        ).format(host=host.name, physical=physical),
        _("On {host}: {command}").format(
            host=host.name,
            command=host.command(f"ovs-vsctl set Open_vSwitch . external_ids:ovn-bridge-mappings={physical}:BRIDGE"),
        ),
        (f"external_ids:ovn-bridge-mappings={told or '-'}; {', '.join(sorted(host.switch.bridges))}",),
    )


@in_ovn
def metadata(case: Case) -> Iterable[Cause | Finding]:
    """The metadata agent keeps a namespace for each network of its host's servers, and a veth pair from there into br-int."""
    path, host, network = case.path, case.compute.host, str(case.path.network["id"])
    space, outer, inner = f"ovnmeta-{network}", f"tap{network[:10]}0", f"tap{network[:10]}1"
    kinds = {a["agent_type"] for a in case.api.agents or () if a["host"] == host.name}
    if host.namespaces is None or not host.root or not (path.aim is not None or "OVN Metadata agent" in kinds):
        return
    inside = case.space.links if case.space is not None else {}
    if path.aim is not None and path.far_port is None:
        thing, evidence = network, f"ovnmeta-{network}: 0 ports (device_owner=network:distributed)"
        text = _("Network {network} has no metadata port: ovn_metadata_enabled is off in Neutron, or it was deleted.")
    elif space not in host.namespaces:
        thing, evidence = space, f"ip netns list: {space} is not there"
        text = _("There is no namespace {space} on {host}: servers of the network get no metadata there.")
    elif host.links and outer not in host.links:
        thing, evidence = outer, f"ip link show {outer}"
        text = _("{device} is not there on {host}: nothing leads to the metadata of the network.")
    elif inside and inner not in inside:
        thing, evidence = inner, f"{space}: {', '.join(inside)}"
        text = _("{device} is not in namespace {space} on {host}.")
    elif host.links and not host.links[outer].up:
        thing, evidence = outer, f"{outer}: operstate={host.links[outer].operstate}"
        text = _("{device} on {host} is down.")
    elif inside and not inside[inner].up:
        thing, evidence = inner, f"{inner}: operstate={inside[inner].operstate}"
        text = _("{device} on {host} is down.")
    else:
        return
    message = text.format(space=space, host=host.name, device=thing, network=path.network["name"] or network)
    remedy = remedies.restart_ovn_metadata_agent(host.name)
    if path.aim is None:
        yield Finding("ovn.no-metadata", host.name, thing, message, remedy, (evidence,))
        return
    if path.far_port is None:
        remedy = _resync()
    yield Cause("ovn.no-metadata", "metadata-port", host.name, thing, message, remedy, (evidence,))


@in_ovn
def localport(case: Case) -> Iterable[Cause]:
    """The southbound database has the metadata port, as a port of every host."""
    far, host, path = case.far_ovn, case.compute.host, case.path
    if far is None or not far.known or path.far_port is None or case.traced["compute-request"] is True:
        return
    if far.binding is None:
        text = _("OVN's southbound database has no port {port}, which is the network's for metadata.")
        kind = "-"
    elif far.binding.kind != "localport":
        text = _("In OVN the metadata port {port} is no localport: one host alone has it.")
        kind = far.binding.kind or "''"
    else:
        return
    yield Cause(
        "ovn.port-missing",
        "compute-br-int",
        host.name,
        path.far_port["id"],
        text.format(port=path.far_port["id"]),
        _resync(),
        (f"Port_Binding logical_port={path.far_port['id']} type={kind}",),
        lost_at="metadata-port",
    )


@in_ovn
def agent(case: Case) -> Iterable[Finding]:
    """Neutron's own look at the controller: it is called dead when it does not follow the database (``nb_cfg``) in time."""
    host = case.compute.host.name
    for found in case.api.agents or ():
        if found["host"] == host and str(found["agent_type"]).startswith("OVN Controller") and not found["alive"]:
            yield Finding(
                "l2.agent-dead",
                host,
                "ovn-controller",
                _("The {agent} on {host} is dead since {time}.").format(
                    agent=found["agent_type"], host=host, time=found["heartbeat_timestamp"]
                ),
                _restart(host),
                (f"alive=False heartbeat_timestamp={found['heartbeat_timestamp']}",),
            )
