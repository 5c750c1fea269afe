"""What the APIs know of the way to an address (`--to`): routers, floating IPs, security groups, who has the address."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from blue_wizard.diagnose.aim import ROUTER_OWNERS, Aim
from blue_wizard.diagnose.ask import every, maybe
from blue_wizard.diagnose.bundle import Api
from blue_wizard.reach.openstack import Cloud

__all__ = ["ask_to"]


def ask_to(cloud: Cloud, api: Api, aim: Aim) -> None:
    """Add it to what is known of the server. Raises ApiError."""
    networks = list(api.networks)
    owners = "&".join(f"device_owner={o}" for o in ROUTER_OWNERS)
    calls: list[Callable[[], Any]] = []
    for network in networks:
        calls += [
            partial(cloud.list, "network", f"/ports?network_id={network}&{owners}", "ports"),
            partial(
                cloud.list, "network", f"/ports?network_id={network}&fixed_ips=ip_address%3D{aim.address}", "ports"
            ),
        ]
    calls += [partial(cloud.list, "network", f"/floatingips?port_id={p['id']}", "floatingips") for p in api.ports]
    if aim.metadata:
        calls += [
            partial(cloud.list, "network", f"/ports?network_id={n}&device_owner=network:distributed", "ports")
            for n in networks
        ]
    answers = every(calls)
    interfaces = [p for found in answers[: 2 * len(networks) : 2] for p in found]
    holders = [p for found in answers[1 : 2 * len(networks) : 2] for p in found]
    asked = 2 * len(networks)
    floating = [f for found in answers[asked : asked + len(api.ports)] for f in found]
    distributed = [p for found in answers[asked + len(api.ports) :] for p in found]
    routers = list(dict.fromkeys(p["device_id"] for p in interfaces))
    groups = list(dict.fromkeys(g for p in [*api.ports, *holders] for g in p.get("security_groups") or ()))
    calls = []
    for router in routers:
        calls += [
            partial(cloud.get, "network", f"/routers/{router}"),
            partial(maybe, cloud, f"/routers/{router}/l3-agents", "agents"),
            partial(cloud.list, "network", f"/ports?device_id={router}", "ports"),
        ]
    calls += [partial(cloud.get, "network", f"/security-groups/{g}") for g in groups]
    answers = every(calls)
    ports = [p for found in answers[2 : 3 * len(routers) : 3] for p in found]
    more = [n for n in dict.fromkeys(p["network_id"] for p in ports) if n not in api.networks]
    calls = []
    for network in more:
        calls += [
            partial(cloud.get, "network", f"/networks/{network}"),
            partial(cloud.list, "network", f"/subnets?network_id={network}", "subnets"),
        ]
    found = every(calls)
    api.aim = {
        "address": aim.address,
        "protocol": aim.protocol,
        "number": aim.number,
        "router_ports": ports,
        "holders": holders,
        "distributed": distributed,
        "floating": floating,
        "routers": {r: answers[3 * i]["router"] for i, r in enumerate(routers)},
        "l3_agents": {r: answers[3 * i + 1] for i, r in enumerate(routers)},
        "groups": {g: a["security_group"] for g, a in zip(groups, answers[3 * len(routers) :], strict=True)},
        "networks": {n: found[2 * i]["network"] for i, n in enumerate(more)},
        "subnets": {**api.subnets, **{n: found[2 * i + 1] for i, n in enumerate(more)}},
    }
