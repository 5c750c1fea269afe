"""What is known of a server that moves, and whether all who know of it agree that it has arrived.

The action of moving is in `actions/`; here are the looks that it is made of, and the judgement (pure).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from blue_wizard.errors import BlueWizardError
from blue_wizard.facts import servers
from blue_wizard.facts.servers import Migration, Server
from blue_wizard.maintain import site
from blue_wizard.maintain.model import Port
from blue_wizard.reach import computes
from blue_wizard.reach.openstack import ApiError, Cloud
from blue_wizard.text import _

__all__ = ["disagreement", "doubts", "failure_of", "in_flight", "look", "migrations_of", "server_now"]

_ARRIVED = frozenset({"completed", "confirmed", "done"})


def server_now(cloud: Cloud, server: str) -> Server | None:
    """The server as it is now; None when it is gone."""
    found = cloud.get("compute", f"/servers/{server}", missing_ok=True)
    return servers.parse_server(found["server"]) if found else None


def migrations_of(cloud: Cloud, server: str) -> tuple[Migration, ...]:
    """All migrations of a server, newest first."""
    return servers.parse_migrations(cloud.list("compute", f"/os-migrations?instance_uuid={server}", "migrations"))


def in_flight(cloud: Cloud, server: str, source: str) -> Migration | None:
    """The live migration of a server away from `source` that has not ended."""
    return next(
        (m for m in migrations_of(cloud, server) if m.kind == "live-migration" and m.source == source and not m.ended),
        None,
    )


def failure_of(cloud: Cloud, server: str) -> str:
    """Why the last action on a server failed, in Nova's words; "" when it does not say."""
    try:
        actions = cloud.get("compute", f"/servers/{server}/os-instance-actions")["instanceActions"]
        if not actions:
            return ""
        last = max(actions, key=lambda a: str(a["start_time"]))
        path = f"/servers/{server}/os-instance-actions/{last['request_id']}"
        found = _action(cloud, path)
    except BlueWizardError:
        return ""
    # Since 2.84 it is said in plain words; before, the last line of a trace may hold them.
    plain = [str(e["details"]).strip() for e in found.get("events") or [] if e.get("details")]
    if plain:
        return plain[-1]
    lines = [
        line
        for event in found.get("events") or []
        if event.get("result") == "Error"
        for line in str(event.get("traceback") or "").splitlines()
        if line and not line.startswith(" ")
    ]
    return lines[-1] if lines else str(found.get("message") or "")


def _action(cloud: Cloud, path: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = cloud.get("compute", path, microversion="2.84")["instanceAction"]
    except ApiError:
        found = cloud.get("compute", path)["instanceAction"]
    return found


def look(cloud: Cloud, server: str, source: str, dest: str, migration: int | None) -> list[str]:
    """What does not agree yet about a server that goes from `source` to `dest` ("" when Nova chose it)."""
    now = server_now(cloud, server)
    if now is None:
        return [_("the server is gone")]
    record = next((m for m in migrations_of(cloud, server) if m.id == migration), None)
    there = dest or now.host
    if now.host != there or now.task_state:
        # Asking the hosts is dearer, and tells nothing before this.
        return disagreement(now, record, there, {there: [server], source: []}, [])
    domains = {host: computes.domains(cloud.name, host) for host in {source, there}}
    return disagreement(now, record, there, domains, site.ports_of(cloud, server), source=source)


def doubts(cloud: Cloud, server: Server, source: str) -> list[str]:
    """What speaks against it that a server in ERROR runs well where Nova has it, and nowhere else."""
    domains = {host: computes.domains(cloud.name, host) for host in {source, server.host}}
    running = computes.running(cloud.name, server.host)
    healthy = replace(server, vm_state="active")
    found = disagreement(healthy, None, server.host, domains, site.ports_of(cloud, server.id), source=source)
    if server.id not in running:
        found.append(_("its guest does not run on {host}").format(host=server.host))
    return found


def disagreement(
    server: Server,
    migration: Migration | None,
    dest: str,
    domains: Mapping[str, Collection[str]],
    ports: Sequence[Port],
    *,
    source: str = "",
) -> list[str]:
    """Why a server can't be said to be on `dest` (pure): record, host, task, libvirt on one side only, binding of each port.

    Any one of them alone has been seen to be wrong: a record that is complete while the server is still on its source,
    a guest on both hosts, a port that is still wired to the old one.
    """
    found = []
    if migration is not None and migration.status not in _ARRIVED:
        found.append(_("its migration is {status}").format(status=migration.status))
    if server.host != dest:
        found.append(_("Nova has it on {host}").format(host=server.host or "?"))
    if server.task_state:
        found.append(_("it is busy: {task}").format(task=server.task_state))
    if server.vm_state == "error":
        found.append(_("it is in ERROR"))
    if server.id not in domains.get(dest, ()):
        found.append(_("libvirt on {host} has no guest of it").format(host=dest))
    if source and source != dest and server.id in domains.get(source, ()):
        found.append(_("libvirt on {host} still has its guest").format(host=source))
    runs = server.vm_state in {"active", "paused"}
    for port in ports:
        if port.host != dest:
            found.append(_("port {port} is bound to {host}").format(port=port.id, host=port.host or "-"))
        elif port.vif == "binding_failed" or (runs and port.status != "ACTIVE"):
            found.append(_("port {port} is {status}").format(port=port.id, status=port.status))
    return found
