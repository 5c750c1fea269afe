"""A cloud of plain data behind the few calls that maintenance makes, and a context that remembers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from blue_wizard.facts.computes import Hypervisor, Service
from blue_wizard.facts.servers import Server
from blue_wizard.maintain.model import Compute, Site, Stock
from blue_wizard.reach.openstack import ApiError

STOCKS = {"VCPU": Stock(8, ratio=4.0), "MEMORY_MB": Stock(4096), "DISK_GB": Stock(100)}


def server(id_: str = "s1", **values: Any) -> Server:
    """A running server on cmp1."""
    base: dict[str, Any] = {
        "id": id_,
        "name": f"name-{id_}",
        "project": "p",
        "status": "ACTIVE",
        "vm_state": "active",
        "task_state": "",
        "host": "cmp1",
        "zone": "nova",
        "ram": 512,
        "disk": 1,
    }
    return Server(**{**base, **values})


def service(host: str, **values: Any) -> Service:
    """A compute service that is up and enabled."""
    base: dict[str, Any] = {"id": f"svc-{host}", "host": host, "zone": "nova", "enabled": True, "up": True}
    return Service(**{**base, **values})


def compute(host: str, *, traits: frozenset[str] = frozenset(), **values: Any) -> Compute:
    """A compute host with room."""
    stocks = values.pop("stocks", STOCKS)
    version = values.pop("version", 7002022)
    aggregates = values.pop("aggregates", ())
    hypervisor = Hypervisor(f"rp-{host}", host, host, "QEMU", version)
    return Compute(service(host, **values), hypervisor, stocks, traits, aggregates)


def site(*servers: Server, **values: Any) -> Site:
    """cmp1 with these servers, and cmp2 beside it; libvirt knows them all."""
    need = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}
    base: dict[str, Any] = {
        "service": service("cmp1"),
        "computes": (compute("cmp1"), compute("cmp2")),
        "servers": servers,
        "needs": {s.id: {"rp-cmp1": {**need, "MEMORY_MB": s.ram}} for s in servers},
        "domains": {s.id: f"instance-{s.id}" for s in servers},
    }
    return Site(**{**base, **values})


@dataclass
class Context:
    """Implements `jobs.actions.Context` in memory."""

    job_id: str = "h-aaaaaa"
    step_id: str = "step"
    outcomes: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)

    def outcome(self, step_id: str) -> Any:
        return self.outcomes[step_id]

    def answer(self) -> str | None:
        return None

    def note(self, key: str, value: Any) -> None:
        self.notes[key] = value

    def noted(self, key: str) -> Any:
        return self.notes.get(key)

    def progress(self, done: float, total: float, *, unit: str = "B", note: str = "") -> None:
        pass

    def event(self, kind: str, message: str, **_data: Any) -> None:
        self.events.append((kind, message))

    def check_stop(self) -> None:
        pass

    def pause_point(self, hold: Callable[[bool], None] | None = None) -> None:
        pass


def api_server(
    id_: str = "s1", host: str = "cmp1", vm_state: str = "active", task: str | None = None
) -> dict[str, Any]:
    """A server as the API shows it."""
    return {
        "id": id_,
        "name": f"name-{id_}",
        "tenant_id": "p",
        "status": {"active": "ACTIVE", "stopped": "SHUTOFF", "resized": "VERIFY_RESIZE"}.get(
            vm_state, vm_state.upper()
        ),
        "OS-EXT-STS:vm_state": vm_state,
        "OS-EXT-STS:task_state": task,
        "OS-EXT-SRV-ATTR:host": host,
        "flavor": {"ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}, "original_name": "m1"},
        "image": {"id": "i"},
    }


class Nova:
    """Services, servers, migrations and ports. Its migrations end as `fate` says, as soon as they are looked at twice.

    `ends` is False where nobody ends a migration that is aborted; `why` is the last line of a failure's trace.
    `late`: something fails after the guest has gone over; its server is in ERROR `lag` looks after the record. The guests in
    `asleep` do not run.
    """

    def __init__(self, *servers: dict[str, Any], fate: str = "completed") -> None:
        self.name = "lab"
        self.fate = fate
        self.lag = 0
        self.breaks: dict[str, int] = {}
        self.services: dict[str, dict[str, Any]] = {
            h: {"id": f"svc-{h}", "binary": "nova-compute", "host": h, "zone": "nova", "status": "enabled",
                "state": "up", "disabled_reason": None} for h in ("cmp1", "cmp2")
        }  # fmt: skip
        self.servers = {s["id"]: s for s in servers}
        self.migrations: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, Any]] = []
        self.looked = 0
        self.plain = False
        self.held: dict[str, dict[str, Any]] = {}
        self.asleep: set[str] = set()
        self.ends = True
        self.why = "NoValidHost: none"
        self.bindings: dict[str, str] = {"cmp1": "ACTIVE"}

    def domains(self, _cloud: str, host: str, **_more: Any) -> dict[str, str]:
        return {s["id"]: "x" for s in self.servers.values() if s["OS-EXT-SRV-ATTR:host"] == host}

    def running(self, cloud: str, host: str, **_more: Any) -> frozenset[str]:
        return frozenset(self.domains(cloud, host)) - self.asleep

    def get(self, service: str, path: str, *, missing_ok: bool = False, microversion: str = "") -> Any:
        if path.startswith("/os-services"):
            return {"services": list(self.services.values())}
        if path.endswith("/os-instance-actions"):
            return {"instanceActions": [{"start_time": "1", "request_id": "r"}]}
        if "/os-instance-actions/" in path:
            if microversion and self.plain:
                return {"instanceAction": {"events": [{"result": "Error", "details": "No valid host was found."}]}}
            if microversion:
                raise ApiError("compute", "GET", path, 406, "not acceptable")
            trace = "Traceback (most recent call last):\n  File\n" + self.why + "\n"
            return {"instanceAction": {"events": [{"result": "Error", "traceback": trace}]}}
        if path.endswith("/bindings"):
            return {"bindings": [{"host": h, "status": s} for h, s in self.bindings.items()]}
        if path.endswith("/dhcp-agents"):
            return {"agents": []}
        if m := re.fullmatch(r"/resource_providers/rp-(.*)/allocations", path):
            return {"allocations": {s: {} for s in self.domains("", m[1])}}
        if m := re.fullmatch(r"/allocations/(.*)", path):
            return {"allocations": self.held.get(m[1], {})}
        if m := re.fullmatch(r"/servers/([^/]+)", path):
            self._go_on(m[1])
            found = self.servers.get(m[1])
            return {"server": found} if found else None
        raise AssertionError(f"unexpected GET {service} {path}")

    def list(self, service: str, path: str, key: str) -> list[dict[str, Any]]:
        if key == "migrations":
            server = path.partition("instance_uuid=")[2]
            return [m for m in self.migrations if not server or m["instance_uuid"] == server]
        if key == "agents":
            return []
        if key == "ports":
            server = path.partition("device_id=")[2]
            host = self.servers[server]["OS-EXT-SRV-ATTR:host"]
            return [{"id": "port", "network_id": "n", "fixed_ips": [], "binding:host_id": host,
                     "binding:vif_type": "ovs", "status": "ACTIVE"}]  # fmt: skip
        if key == "servers":
            return list(self.servers.values())
        raise AssertionError(f"unexpected list {service} {path}")

    def _break(self, server: dict[str, Any]) -> None:
        server["OS-EXT-STS:vm_state"], server["fault"] = "error", {"code": 500, "message": self.why}

    def _go_on(self, server: str) -> None:
        if server in self.breaks:
            self.breaks[server] -= 1
            if self.breaks[server] <= 0:
                del self.breaks[server]
                self._break(self.servers[server])
        for m in self.migrations:
            if m["instance_uuid"] != server or m["status"] not in {"running", "migrating"}:
                continue
            self.looked += 1
            if self.looked < 2:
                continue
            self.looked = 0
            fate = "finished" if self.fate == "completed" and m["migration_type"] == "migration" else self.fate
            m["status"] = fate
            one = self.servers.get(server)
            if one is None:
                continue
            one["OS-EXT-STS:task_state"] = None
            if fate in {"completed", "finished", "done", "late"}:
                one["OS-EXT-SRV-ATTR:host"] = m["dest_compute"]
            if fate == "late":
                m["status"] = "error"
                if self.lag:
                    self.breaks[server] = self.lag
                else:
                    self._break(one)
                self.held[m["uuid"]] = {f"rp-{m['source_compute']}": {}}
            if fate == "finished":
                one["OS-EXT-STS:vm_state"] = "resized"

    def post(self, service: str, path: str, body: Mapping[str, Any]) -> None:
        self.calls.append(("POST", path, dict(body)))
        server = self.servers[path.split("/")[2]]
        (action,) = body
        if action == "force_complete":
            self.fate = "completed"
            return
        if action == "os-migrateLive" and (
            server["OS-EXT-STS:task_state"] or server["OS-EXT-STS:vm_state"] not in {"active", "paused"}
        ):
            raise ApiError(service, "POST", path, 409, "Cannot 'os-migrateLive' while it is in this state")
        if action in {"os-migrateLive", "migrate", "evacuate"}:
            live = action == "os-migrateLive"
            self.migrations.append(
                {
                    "id": len(self.migrations) + 1,
                    "uuid": f"migration-{len(self.migrations) + 1}",
                    "instance_uuid": server["id"],
                    "source_compute": server["OS-EXT-SRV-ATTR:host"],
                    "dest_compute": body[action]["host"],
                    "status": "running" if live else "migrating",
                    "migration_type": {"os-migrateLive": "live-migration", "evacuate": "evacuation"}.get(
                        action, "migration"
                    ),
                }
            )
            server["OS-EXT-STS:task_state"] = "migrating" if live else "resize_migrating"
        elif action == "os-resetState":
            server["OS-EXT-STS:vm_state"] = body[action]["state"]
            server.pop("fault", None)
        elif action == "confirmResize":
            server["OS-EXT-STS:vm_state"] = "stopped"
            self.migrations[-1]["status"] = "confirmed"
        elif action == "revertResize":
            server["OS-EXT-STS:vm_state"] = "stopped"
            server["OS-EXT-SRV-ATTR:host"] = self.migrations[-1]["source_compute"]
            self.migrations[-1]["status"] = "reverted"
        elif action in {"os-stop", "os-start"}:
            server["OS-EXT-STS:vm_state"] = "stopped" if action == "os-stop" else "active"

    def put(self, service: str, path: str, body: Mapping[str, Any]) -> None:
        self.calls.append(("PUT", path, dict(body)))
        for one in self.services.values():
            if path.endswith(one["id"]):
                if "forced_down" in body:
                    one["forced_down"] = body["forced_down"]
                else:
                    one["status"], one["disabled_reason"] = body["status"], body.get("disabled_reason")

    def delete(self, service: str, path: str) -> None:
        self.calls.append(("DELETE", path, None))
        if service == "placement":
            del self.held[path.removeprefix("/allocations/")]
            return
        if service == "network":
            del self.bindings[path.rpartition("/")[2]]
            return
        number = int(path.rpartition("/")[2])
        for m in self.migrations:
            if m["id"] == number:
                if not self.ends:
                    raise ApiError("compute", "DELETE", path, 409, "its host is down")
                if m["status"] == "queued":
                    raise ApiError("compute", "DELETE", path, 400, "not running")
                m["status"] = "cancelled"
                self.servers[m["instance_uuid"]]["OS-EXT-STS:task_state"] = None


class FakeCeph:
    """The flags and keys of a cluster whose osd.2 is on cmp1, behind the `ceph` command."""

    def __init__(self) -> None:
        self.flags: dict[str, list[str]] = {}
        self.keys: dict[str, str] = {}
        self.where = "localhost"

    def run(self, *words: str, **_more: Any) -> tuple[int, str, str]:
        assert words[:2] == ("osd", "ok-to-stop")
        return 0, '{"ok_to_stop": true}', ""

    def json(self, *words: str) -> Any:
        match words:
            case ("osd", "dump"):
                return {"flags": "", "crush_node_flags": self.flags}
            case ("osd", "metadata"):
                return [{"id": 2, "hostname": "cmp1"}]
            case ("osd", "tree"):
                host = {"id": -7, "type": "host", "name": "cmp1", "children": [2]}
                return {"nodes": [host, {"id": 2, "type": "osd", "name": "osd.2", "status": "up"}]}
            case ("config-key", "ls"):
                return list(self.keys)
        raise AssertionError(f"unexpected ceph {words}")

    def check(self, *words: str, **_more: Any) -> str:
        match words:
            case ("osd", "set-group", flag, bucket):
                self.flags[bucket] = [flag]
            case ("osd", "unset-group", _flag, bucket):
                self.flags.pop(bucket, None)
            case ("config-key", "set", key, value):
                self.keys[key] = value
            case ("config-key", "rm", key):
                self.keys.pop(key, None)
            case ("config-key", "get", key):
                return self.keys[key]
            case _:
                raise AssertionError(f"unexpected ceph {words}")
        return ""
