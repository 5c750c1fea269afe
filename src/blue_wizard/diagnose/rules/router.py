"""The gateway: which router it is, its namespace, its devices, routes and packet filter, and the way out of it.

Legacy and HA routers live in ``qrouter-ID`` with ``qr-`` devices on tenants' networks and a ``qg-`` device on the external one.
A distributed router has no one place, and is not followed here.
"""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction, Finding
from blue_wizard.diagnose.rulebook import about
from blue_wizard.diagnose.view import SpaceView
from blue_wizard.facts.iptables import Fate, Packet, follow
from blue_wizard.text import _

__all__ = ["devices", "filtered", "forwarding", "known", "leaving", "mtu", "routes", "unknown_address"]


def _cause(
    case: Case, code: str, hop: str, thing: str, text: str, remedy: str, evidence: tuple[str, ...] = (),
    direction: Direction = Direction.REQUEST, lost: str = "", unknown: bool = False,
) -> Cause:  # fmt: skip
    return Cause(code, hop, case.path.network_host, thing, text, remedy, evidence, direction, lost, unknown)


def _space(case: Case) -> SpaceView | None:
    """The router's namespace, where it was looked at and is there."""
    if case.network is None or not case.network.host.root or case.space is None or not case.space.present:
        return None
    return case.space


@about("router")
def known(case: Case) -> Iterable[Cause]:
    """By the API: the gateway is a router that is switched on, has an agent, and leads further."""
    path, aim, router = case.path, case.path.aim, case.path.router
    assert aim is not None
    name = path.network["name"] or path.network["id"]
    if path.far_port is None:
        gateways = [str(s["gateway_ip"]) for s in path.subnets if s.get("gateway_ip")]
        # On a provider network the gateway is often a machine that Neutron knows nothing of.
        outside = bool(gateways) and not path.tunnelled
        text = (
            _("The gateway {gateway} of network {network} is no router of Neutron's: what it does can't be looked at.")
            if outside
            else _("Network {network} has no router: nothing leads to {address}.")
        ).format(gateway=", ".join(gateways), network=name, address=aim.address)
        remedy = _("openstack router add subnet ROUTER {subnet}").format(
            subnet=path.subnets[0]["id"] if path.subnets else "SUBNET"
        )
        yield _cause(case, "router.none", "gateway-port", path.network["id"], text,
                     _("Ask who runs the gateway.") if outside else remedy, (f"gateway_ip={', '.join(gateways) or '-'}",),
                     unknown=outside)  # fmt: skip
        return
    if router is None:
        return
    who = router["name"] or router["id"]
    if router.get("distributed"):
        text = _("Router {router} is distributed: its parts on each host are not followed.").format(router=who)
        remedy = _("Look at qrouter-{router} on the compute host, and snat-{router} on the network host.").format(
            router=router["id"]
        )
        yield _cause(
            case, "router.unsupported", "gateway-port", router["id"], text, remedy, ("distributed=True",), unknown=True
        )
        return
    if not router["admin_state_up"]:
        text = _("Router {router} is switched off.").format(router=who)
        mend = _("openstack router set --enable {router}").format(router=router["id"])
        yield _cause(case, "router.admin-down", "gateway-port", router["id"], text, mend, ("admin_state_up=False",))
    elif not path.ovn and case.api.aim["l3_agents"].get(router["id"]) == []:
        text = _("No L3 agent serves router {router}.").format(router=who)
        mend = _("openstack network agent add router --l3 AGENT {router}").format(router=router["id"])
        yield _cause(case, "router.no-agent", "gateway-port", router["id"], text, mend, ("l3-agents=[]",))
    if path.out_port is None and not aim.metadata and not _own(case):
        text = _("Router {router} has no gateway to an external network: nothing leads to {address}.").format(
            router=who, address=aim.address
        )
        remedy = _("openstack router set --external-gateway NETWORK {router}").format(router=router["id"])
        yield _cause(case, "router.no-gateway", "router", router["id"], text, remedy, ("external_gateway_info=None",))


def _own(case: Case) -> bool:
    """Whether the aim is an address of the router itself."""
    path = case.path
    ports = [p for p in case.api.aim["router_ports"] if path.router and p["device_id"] == path.router["id"]]
    return path.aim is not None and any(ip["ip_address"] == path.aim.address for p in ports for ip in p["fixed_ips"])


@about("none")
def unknown_address(case: Case) -> Iterable[Cause]:
    """An address of the server's own network that no port has."""
    path = case.path
    text = _("No port of network {network} has the address {address}.").format(
        network=path.network["name"] or path.network["id"], address=path.aim.address if path.aim else ""
    )
    remedy = _("If it is no machine of somebody else's on a provider network, the address is wrong.")
    yield Cause(
        "peer.none", "peer-port", "", path.network["id"], text, remedy, ("fixed_ips: 0",), unknown=not path.tunnelled
    )


@about("router")
def devices(case: Case) -> Iterable[Cause]:
    """The namespace is there; so are both devices, up, with their addresses."""
    path, host = case.path, case.path.network_host
    if case.network is None or not case.network.host.root or case.space is None or path.router is None:
        return
    restart = remedies.restart_l3_agent(host)
    if not case.space.present:
        text = _("Namespace {space} is not there on {host}.").format(space=path.space, host=host)
        yield _cause(case, "router.namespace-missing", "gateway-port", path.space, text, restart, ("ip netns list",))
        return
    if not case.space.links:
        return
    wanted = [("gateway-port", path.far_device, path.far_port, path.far_address)]
    if path.out_port is not None:
        first = next((str(ip["ip_address"]) for ip in path.out_port["fixed_ips"] if ":" not in ip["ip_address"]), "")
        wanted.append(("out-port", path.out_device, path.out_port, first))
    for hop, name, _port, address in wanted:
        link = case.space.links.get(name)
        addresses = case.space.addresses.get(name, ())
        shown = (f"{name}: {', '.join(a for a in addresses if ':' not in a) or '-'}",)
        if link is None:
            text = _("{device} is not in namespace {space} on {host}.").format(device=name, space=path.space, host=host)
            yield _cause(case, "router.port-missing", hop, name, text, restart, (", ".join(case.space.links),))
        elif not link.up:
            text = _("{device} on {host} is down.").format(device=name, host=host)
            remedy = _("On {host}: ip netns exec {space} ip link set {device} up").format(
                host=host, space=path.space, device=name
            )
            yield _cause(case, "router.port-down", hop, name, text, remedy, (f"{name}: operstate={link.operstate}",))
        elif address and address not in addresses and not path.router.get("ha"):
            text = _("{device} on {host} lacks its address {address}.").format(device=name, host=host, address=address)
            yield _cause(case, "router.no-address", hop, name, text, restart, shown)
        elif address and address not in addresses:
            text = _("{device} on {host} lacks its address {address}: the router is not active there.").format(
                device=name, host=host, address=address
            )
            remedy = _(
                "Look at keepalived and its state file below ha_confs/{router} on each host of the router."
            ).format(router=path.router["id"])
            yield _cause(case, "router.no-address", hop, name, text, remedy, shown)


@about("router")
def routes(case: Case) -> Iterable[Cause]:
    """A route leads to the aim by the device that it should, and one leads back."""
    path, found = case.path, _space(case)
    if found is None or path.aim is None or path.aim.metadata or not path.out_device:
        return
    out = found.links.get(path.out_device)
    if out is None or not out.up:
        return
    for address, device, hop, direction in (
        (path.aim.address, path.out_device, "router", Direction.REQUEST),
        (path.address, path.far_device, "router", Direction.REPLY),
    ):
        at = found.route(address) if address else device
        near = found.links.get(device)
        if at is None or at == device or near is None or not near.up or not found.addresses.get(device):
            continue
        text = (
            _("Router namespace {space} on {host} has no route to {address}.")
            if not at
            else _("Router namespace {space} on {host} sends {address} by {actual} instead of {expected}.")
        ).format(space=path.space, host=path.network_host, address=address, actual=at, expected=device)
        yield _cause(case, "router.no-route", hop, path.space, text, remedies.restart_l3_agent(path.network_host),
                     (f"ip route get {address}: {at or '-'}",), direction,
                     "out-port" if direction is Direction.REQUEST else "gateway-port")  # fmt: skip
        return


@about("router")
def forwarding(case: Case) -> Iterable[Cause]:
    """The namespace passes packets on."""
    path, found = case.path, _space(case)
    if found is not None and path.out_device and found.forwards is False:
        text = _("Router namespace {space} on {host} does not forward packets.").format(
            space=path.space, host=path.network_host
        )
        remedy = _("On {host}: ip netns exec {space} sysctl -w net.ipv4.ip_forward=1").format(
            host=path.network_host, space=path.space
        )
        yield _cause(case, "router.forwarding-off", "router", path.space, text, remedy, ("net.ipv4.ip_forward=0",),
                     lost="out-port")  # fmt: skip


@about("router")
def filtered(case: Case) -> Iterable[Cause]:
    """The packet filter of the namespace passes the packet and its answer."""
    path, aim, found = case.path, case.path.aim, _space(case)
    if found is None or aim is None or not path.address or not found.tables:
        return
    through = [
        ("raw", "PREROUTING"),
        ("mangle", "PREROUTING"),
        ("mangle", "FORWARD"),
        ("filter", "FORWARD"),
        ("mangle", "POSTROUTING"),
    ]
    into = [("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT")]
    out_of = [("raw", "OUTPUT"), ("mangle", "OUTPUT"), ("filter", "OUTPUT"), ("mangle", "POSTROUTING")]
    onward = bool(path.out_device)
    number = 9697 if aim.metadata else aim.number
    request = Packet(path.address, aim.address, 40000, number, path.far_device, path.out_device, protocol=aim.protocol)
    reply = Packet(
        aim.address,
        path.address,
        number,
        40000,
        path.out_device,
        path.far_device,
        state="ESTABLISHED",
        protocol=aim.protocol,
    )
    for packet, chains, direction in (
        (request, through if onward else into, Direction.REQUEST),
        (reply, through if onward else out_of, Direction.REPLY),
    ):
        fate = next((f for f in (follow(found.tables, t, c, packet) for t, c in chains) if not f.accepted), None)
        # Neutron lets in by a mark what it has redirected to the proxy: marks are not followed here.
        if fate is None or (aim.metadata and fate.chain.startswith("neutron-")):
            continue
        last = "out-port" if onward else case.hops[-1]
        yield _cause(case, "router.blocked", "router", f"{path.space} {fate.chain}",
                     _("A rule in chain {chain} of {space} on {host} drops the packet.").format(
                         chain=fate.chain, space=path.space, host=path.network_host),
                     _("Find out who made it. To look, on {host}: ip netns exec {space} iptables -nvL").format(
                         host=path.network_host, space=path.space), _shown(fate), direction,
                     last if direction is Direction.REQUEST else "gateway-port")  # fmt: skip
        return


def _shown(fate: Fate) -> tuple[str, ...]:
    return (
        f"[{fate.rule.packets} packets] {fate.rule.text}" if fate.rule else f":{fate.chain} DROP",
        " -> ".join(fate.path),
    )


@about("router")
def leaving(case: Case) -> Iterable[Cause]:
    """What the router sends out of its external port leaves the host by the provider bridge's NIC."""
    path, trace, side = case.path, case.trace("out"), case.network
    if side is None or side.host.switch is None or trace is None or trace.trace is None or path.out_port is None:
        return
    outer = case.api.aim["networks"].get(path.out_port["network_id"], {})
    agent = next(
        (a for a in case.api.agents or () if a["host"] == side.host.name and a["agent_type"] == "Open vSwitch agent"),
        {},
    )
    bridge = (
        (agent.get("configurations") or {}).get("bridge_mappings", {}).get(outer.get("provider:physical_network"), "")
    )
    nics = {i.name for _p, i in side.host.switch.nics(bridge)} if bridge in side.host.switch.bridges else set()
    if not nics or any(o.port in nics for o in trace.outputs):
        return
    last = [s for s in trace.trace.steps if s.drops] or list(trace.trace.steps)
    text = _("What {device} sends does not leave {host} by {bridge}.").format(
        device=path.out_device, host=side.host.name, bridge=bridge
    )
    yield _cause(case, "router.out-lost", "out-port", path.out_device, text, remedies.restart_l2_agent(side.host.name),
                 (*((last[-1].text(),) if last else ()), f"Datapath actions: {trace.trace.actions}"))  # fmt: skip


@about("router")
def mtu(case: Case) -> Iterable[Finding]:
    """Small packets pass a device whose MTU is below its network's, and large ones do not."""
    path, found = case.path, _space(case)
    wanted = int(path.network.get("mtu") or 0)
    link = found.links.get(path.far_device) if found else None
    if link is not None and wanted and link.mtu < wanted:
        yield Finding(
            "router.mtu",
            path.network_host,
            path.far_device,
            _("{device} on {host} has an MTU of {actual}; the network's is {expected}.").format(
                device=path.far_device, host=path.network_host, actual=link.mtu, expected=wanted
            ),
            remedies.restart_l3_agent(path.network_host),
            (f"{path.far_device}: mtu {link.mtu}",),
        )
