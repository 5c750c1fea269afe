"""One path with all that is known of it: what rules are given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from blue_wizard.diagnose.bundle import Api, Bundle, HostAnswer
from blue_wizard.diagnose.expected import Path, paths
from blue_wizard.diagnose.view import DhcpView, HostView, OvnView, SpaceView, TraceView
from blue_wizard.facts.ovs import Interface, Port

__all__ = ["Case", "Side", "cases"]

# The number of put_dhcp_opts among the controller's actions (`enum action_opcode` of OVN's include/ovn/actions.h).
_PUT_DHCP_OPTS = 2


@dataclass(frozen=True)
class Side:
    """One end of the path: the compute host with the server's port, or the host with the far port (DHCP, router, another server).

    `bridge` is the provider bridge there, `device` the port's device in br-int, `iface_id` its Neutron id.
    """

    role: str
    host: HostView
    device: str
    iface_id: str
    bridge: str
    local_ip: str
    remote_ip: str
    integration: str

    @cached_property
    def plugged(self) -> tuple[Port, Interface] | None:
        """The port in the switch: by its Neutron id, else by its name."""
        if self.host.switch is None:
            return None
        return self.host.switch.by_iface_id(self.iface_id) or self.host.switch.by_name(self.device)

    @property
    def tag(self) -> int | None:
        """The port's VLAN tag as it is."""
        return self.plugged[0].tag if self.plugged else None

    @property
    def wired_tag(self) -> int | None:
        """The VLAN tag that the agent gave (``other_config:tag``), else the port's own."""
        if self.plugged is None:
            return None
        told = self.plugged[0].other_config.get("tag", "")
        return int(told) if told.isdigit() else self.plugged[0].tag

    @property
    def br_int(self) -> str:
        """The hop of br-int on this side."""
        return f"{self.role}-br-int"

    @cached_property
    def tunnel_bridge(self) -> str:
        """The bridge with the tunnels: the other end of br-int's patch port, else Neutron's usual name."""
        switch = self.host.switch
        if switch is None:
            return "br-tun"
        if self.remote_ip:
            for port, _interface in switch.tunnels(self.remote_ip):
                return port.bridge
        with_tunnels = [p.bridge for p, i in switch.interfaces() if i.type in {"vxlan", "gre", "geneve"}]
        return "br-tun" if "br-tun" in switch.bridges or not with_tunnels else with_tunnels[0]


@dataclass(frozen=True)
class Case:
    """A path, the API's answers, and both hosts."""

    api: Api
    path: Path
    compute: Side
    network: Side | None
    captures: dict[str, object]

    @property
    def sides(self) -> tuple[Side, ...]:
        """The ends that are known, the compute host first."""
        return (self.compute, self.network) if self.network else (self.compute,)

    @cached_property
    def dhcp(self) -> DhcpView | None:
        """The DHCP server; None where the path leads to something else."""
        if self.network is None or self.path.far_hop != "dhcp-port":
            return None
        return self.network.host.dhcp(self.path.network["id"])

    @cached_property
    def space(self) -> SpaceView | None:
        """The network namespace of the far port; None where it was not asked about."""
        return self.network.host.space(self.path.space) if self.network and self.path.space else None

    @cached_property
    def ovn(self) -> OvnView | None:
        """OVN on the compute host; None where it is not OVN that answers."""
        return self.compute.host.ovn(self.path.id) if self.path.answered_by_ovn else None

    @cached_property
    def far_ovn(self) -> OvnView | None:
        """What OVN says of the far port; None where there is none of OVN's."""
        far = self.path.far_port
        return self.compute.host.ovn(far["id"]) if self.path.answered_by_ovn and far is not None else None

    def trace(self, name: str) -> TraceView | None:
        """A trace of this path: ``compute-request``, ``network-reply`` ..."""
        host = self.compute.host if name.startswith("compute") else self.network.host if self.network else None
        return host.trace(f"{self.path.key}/{name}") if host else None

    def outer_trace(self, side: Side) -> TraceView | None:
        """What becomes of the tunnel packet that comes in on this side."""
        return side.host.trace(f"outer/{side.local_ip}<{side.remote_ip}")

    @property
    def hops(self) -> tuple[str, ...]:
        """The ids of all hops."""
        return self.path.hops()

    @cached_property
    def traced(self) -> dict[str, bool | None]:
        """Whether each trace ends where it should; None where it could not be made."""
        return {
            name: self.arrives(name)
            for name in ("compute-request", "network-request", "network-reply", "compute-reply")
        }

    def arrives(self, name: str) -> bool | None:
        """Whether a trace of this path ends where it should; None where it could not be made."""
        found = self.trace(name)
        if found is None or found.trace is None:
            return None
        path = self.path
        if path.answered_by_ovn and path.aim is None:
            # The packet is held back until the controller has written the answer (`put_dhcp_opts`): nothing leaves by the datapath.
            return found.trace.to_controller(_PUT_DHCP_OPTS)
        if name == "compute-reply":
            return any(o.port == path.switch_device and o.vlan is None for o in found.outputs)
        if (name.startswith("network-") and name != "network-reply") or (
            path.same_host and name.startswith("compute-")
        ):
            return any(o.port == path.far_device and o.vlan is None for o in found.outputs)
        side = self.compute if name.startswith("compute-") else self.network
        assert side is not None
        return self.leaves(side, found)

    def leaves(self, side: Side, found: TraceView) -> bool:
        """Whether a trace leaves the host towards the other one, in the right tunnel or VLAN."""
        if self.path.tunnelled:
            return any(o.tunnel_to == side.remote_ip and o.tunnel_id == self.path.segment for o in found.outputs)
        nics = {i.name for _port, i in side.host.switch.nics(side.bridge)} if side.host.switch else set()
        wanted = self.path.segment if self.path.kind == "vlan" else None
        return any(o.port in nics and o.vlan == wanted for o in found.outputs)


def cases(bundle: Bundle) -> dict[str, tuple[Case, ...]]:
    """The cases of each port, by its id."""
    views: dict[str, HostView] = {}

    def view(name: str) -> HostView:
        if name not in views:
            views[name] = HostView(name, bundle.hosts.get(name, HostAnswer()))
        return views[name]

    made: dict[str, tuple[Case, ...]] = {}
    for port in bundle.api.ports:
        made[port["id"]] = tuple(_case(bundle, path, view) for path in paths(bundle.api, port))
    return {port: found for port, found in made.items() if found}


def _case(bundle: Bundle, path: Path, view: object) -> Case:
    assert callable(view)
    compute = Side(
        "compute", view(path.compute), path.switch_device, path.id, path.compute_bridge,
        path.compute_tunnel_ip, path.network_tunnel_ip, path.integration_bridge,
    )  # fmt: skip
    network = None
    if path.far_port is not None:
        network = Side(
            "compute" if path.same_host else "network", view(path.network_host), path.far_device, path.far_port["id"],
            path.network_bridge, path.network_tunnel_ip, path.compute_tunnel_ip, path.integration_bridge,
        )  # fmt: skip
    return Case(bundle.api, path, compute, network, bundle.captures)
