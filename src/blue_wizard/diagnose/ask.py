"""What the APIs know of a server's network: few calls, side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from blue_wizard.diagnose.bundle import Api
from blue_wizard.errors import InputError
from blue_wizard.reach.openstack import ApiError, Cloud
from blue_wizard.reach.together import together
from blue_wizard.text import _

__all__ = ["ask", "every", "maybe"]

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIMEOUT_S = 90


def ask(cloud: Cloud, server: str, port: str | None = None) -> Api:
    """All of it, for the server of that id or name (and only that port of it, by its id or the beginning of one).

    Raises InputError when there is no such server or port, or several of that name; ApiError, StepFailed.
    """
    calls: list[Callable[[], Any]] = [partial(_server, cloud, server), partial(maybe, cloud, "/agents", "agents")]
    by_id = _UUID.fullmatch(server) is not None
    if by_id:
        calls.append(partial(cloud.list, "network", f"/ports?device_id={server.lower()}", "ports"))
    found, agents, *rest = every(calls)
    ports = rest[0] if by_id else cloud.list("network", f"/ports?device_id={found['id']}", "ports")
    if port is not None:
        ports = [p for p in ports if p["id"].startswith(port.lower())]
        if not ports:
            raise InputError(
                _("Server {server} has no port {port}.").format(server=found["name"], port=port),
                _("List them: openstack port list --server {server}").format(server=found["id"]),
            )
    api = Api(found, sorted(ports, key=lambda p: (p.get("created_at") or "", p["id"])), agents=agents)
    _networks(cloud, api)
    return api


def every(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """All answers, asked side by side."""
    return list(together(calls, timeout_s=_TIMEOUT_S)) if calls else []


def _server(cloud: Cloud, server: str) -> dict[str, Any]:
    if _UUID.fullmatch(server):
        found = cloud.get("compute", f"/servers/{server.lower()}", missing_ok=True)
        if found is not None:
            return dict(found["server"])
    else:
        # Nova takes the name for a regular expression, and shows other projects' servers only to those who may see them.
        query = f"/servers/detail?name={quote(f'^{re.escape(server)}$')}"
        try:
            matches = cloud.list("compute", f"{query}&all_tenants=1", "servers")
        except ApiError:
            matches = cloud.list("compute", query, "servers")
        matches = [m for m in matches if m["name"] == server]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise InputError(
                _("{count} servers are called {server}: {ids}").format(
                    count=len(matches), server=server, ids=", ".join(m["id"] for m in matches)
                ),
                _("Say the id of one of them."),
            )
    raise InputError(
        _("Cloud {cloud} has no server {server}.").format(cloud=cloud.name, server=server),
        _("List them: openstack server list --all-projects"),
    )


def maybe(cloud: Cloud, path: str, key: str) -> list[dict[str, Any]] | None:
    """A list that perhaps only administrators may see; None when this user may not."""
    try:
        return cloud.list("network", path, key)
    except ApiError as e:
        if e.status in {401, 403, 404}:
            return None
        raise


def _networks(cloud: Cloud, api: Api) -> None:
    ids = list(dict.fromkeys(p["network_id"] for p in api.ports))
    calls: list[Callable[[], Any]] = []
    for network in ids:
        calls += [
            partial(cloud.get, "network", f"/networks/{network}"),
            partial(cloud.list, "network", f"/subnets?network_id={network}", "subnets"),
            partial(cloud.list, "network", f"/ports?network_id={network}&device_owner=network:dhcp", "ports"),
            partial(maybe, cloud, f"/networks/{network}/dhcp-agents", "agents"),
        ]
    calls += [partial(cloud.list, "network", f"/ports?mac_address={p['mac_address']}", "ports") for p in api.ports]
    answers = iter(every(calls))
    for network in ids:
        api.networks[network] = next(answers)["network"]
        api.subnets[network] = next(answers)
        api.dhcp_ports[network] = next(answers)
        api.dhcp_agents[network] = next(answers)
    for port in api.ports:
        api.same_mac[port["id"]] = [p for p in next(answers) if p["id"] != port["id"]]
    known = [n for n in ids if api.networks[n].get("provider:segmentation_id") is not None]
    others = every([partial(_same_segment, cloud, api.networks[n]) for n in known])
    api.same_segment = dict(zip(known, others, strict=True))


def _same_segment(cloud: Cloud, network: dict[str, Any]) -> list[dict[str, Any]]:
    query = "&".join(
        f"provider:{key}={quote(str(network[f'provider:{key}']))}"
        for key in ("network_type", "physical_network", "segmentation_id")
        if network.get(f"provider:{key}") is not None
    )
    return [n for n in maybe(cloud, f"/networks?{query}", "networks") or [] if n["id"] != network["id"]]
