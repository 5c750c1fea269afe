"""A cloud in memory: enough of Neutron, Nova and Glance for a project to be copied into it, and taken out again."""

from __future__ import annotations

import copy
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from blue_wizard.errors import StepFailed
from blue_wizard.reach.openstack import ApiError
from tests.unit.migrate.hands import Hands

_IDS = itertools.count(1)
_SINGLE = {
    "networks": "network",
    "subnets": "subnet",
    "routers": "router",
    "security-groups": "security_group",
    "security-group-rules": "security_group_rule",
    "ports": "port",
}
_RULE = {
    "protocol": None,
    "port_range_min": None,
    "port_range_max": None,
    "remote_ip_prefix": None,
    "remote_group_id": None,
}


class Answer:
    """A `requests.Response` with a part of an image."""

    def __init__(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.status_code, self.content, self.headers = status, content, headers

    def iter_content(self, size: int) -> Iterator[bytes]:
        for at in range(0, len(self.content), size):
            yield self.content[at : at + size]

    def close(self) -> None:
        """Nothing is open."""


class Memory:
    """Stands for `reach.openstack.Cloud`. `killed` raises before the call that it names is carried out, or after it."""

    def __init__(self, name: str, *, versions: bool = True, ranges: bool = True) -> None:
        self.name, self.project_id, self.versions, self.ranges = name, f"project-{name}", versions, ranges
        self.rows: dict[str, dict[str, dict[str, Any]]] = {k: {} for k in _SINGLE}
        self.flavors: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.images: dict[str, dict[str, Any]] = {}
        self.content: dict[str, bytes] = {}
        self.volumes: list[dict[str, Any]] = []
        self.servers: list[dict[str, Any]] = []
        self.changes: list[str] = []
        self.asked: list[tuple[str, str | None]] = []
        self.hook: Callable[[str, str], None] = lambda _method, _path: None
        self.group("default")

    def group(self, name: str, **more: Any) -> str:
        """A group as Neutron makes it: whatever leaves may leave."""
        body = {"security_group": {"name": name, "description": "", **more}}
        return str(self.post("network", "/security-groups", body)["security_group"]["id"])

    def microversion(self, _service: str, at_most: str) -> str | None:
        return at_most if self.versions else None

    def get(self, service: str, path: str, *, missing_ok: bool = False, microversion: str | None = None) -> Any:
        self.asked.append((path, microversion))
        parts = urlsplit(path)
        words = parts.path.strip("/").split("/")
        if service == "image":
            if len(words) == 2:
                return copy.deepcopy(self.images[words[1]])
            query = parse_qs(parts.query)
            rows = [i for i in self.images.values() if i["name"] == query.get("name", [i["name"]])[0]]
            return {"images": copy.deepcopy(rows)}
        if words[-1] == "os-extra_specs":
            return {"extra_specs": dict(self.flavors[words[1]]["specs"])}
        if words[0] == "os-keypairs":
            if words[1] in self.keys:
                return {"keypair": dict(self.keys[words[1]])}
            assert missing_ok
            return None
        if words[0] == "quotas":
            kinds = ("network", "subnet", "router", "security_group")
            return {"quota": {k: {"limit": 100, "used": 0} for k in kinds}}
        raise AssertionError(path)

    def list(self, service: str, path: str, key: str, *, microversion: str | None = None) -> list[dict[str, Any]]:
        self.asked.append((path, microversion))
        parts = urlsplit(path)
        kind = parts.path.strip("/").split("/")[0]
        if service == "compute":
            if kind == "os-keypairs":
                return [{"keypair": dict(k)} for k in self.keys.values()]
            if kind == "flavors":
                return [{k: v for k, v in f.items() if k != "specs"} for f in self.flavors.values()]
            return list(self.servers)
        if service == "block_storage":
            return list(self.volumes)
        found = [dict(r) for r in self.rows[kind].values()]
        for name, (value,) in parse_qs(parts.query).items():
            found = [r for r in found if (value in r["tags"] if name == "tags" else r.get(name) == value)]
        if kind == "security-groups":
            for row in found:
                row["security_group_rules"] = [
                    dict(r) for r in self.rows["security-group-rules"].values()
                    if r["security_group_id"] == row["id"]
                ]  # fmt: skip
        return found

    def post(self, service: str, path: str, body: Mapping[str, Any], *, microversion: str | None = None) -> Any:
        self.hook("POST", path)
        self.changes.append(f"POST {path}")
        words = path.strip("/").split("/")
        id_ = f"{self.name}-{next(_IDS)}"
        if service == "image":
            self.images[id_] = {**body, "id": id_, "status": "queued", "size": None, "owner": self.project_id}
            return {"id": id_}
        if words[0] == "flavors" and len(words) == 3:
            self.flavors[words[1]]["specs"].update(body["extra_specs"])
            return None
        if words[0] == "flavors":
            self.flavors[id_] = {**body["flavor"], "id": id_, "specs": {}}
            return {"flavor": self.flavors[id_]}
        if words[0] == "os-keypairs":
            self.keys[body["keypair"]["name"]] = dict(body["keypair"])
            return body
        single = _SINGLE[words[0]]
        if self.missing(body[single]):
            raise ApiError(service, "POST", path, 404, "an object that it names is not there")
        row = {"description": "", "tags": [], "project_id": self.project_id, **body[single], "id": id_}
        if words[0] == "security-group-rules":
            row = {**_RULE, "ethertype": "IPv4", **row}
        if words[0] == "subnets":
            row.setdefault("name", "")
        self.rows[words[0]][id_] = row
        if words[0] == "security-groups":
            rule = {"direction": "egress", "security_group_id": id_}
            self.post(service, "/security-group-rules", {"security_group_rule": rule})
            self.changes.pop()
        self.hook("POSTED", path)
        return {single: copy.deepcopy(row)}

    def missing(self, body: Any) -> bool:
        """Whether a body names an object that is not in this cloud."""
        known = {i for rows in self.rows.values() for i in rows}
        if isinstance(body, Mapping):
            ids = {v for k, v in body.items() if k.endswith("_id") and k != "project_id" and v}
            return not ids <= known or any(map(self.missing, body.values()))
        return isinstance(body, list) and any(map(self.missing, body))

    def put(self, service: str, path: str, body: Any) -> Any:
        self.hook("PUT", path)
        self.changes.append(f"PUT {path}")
        words = path.strip("/").split("/")
        if service == "image":
            content = b"".join(body)
            image = self.images[words[1]]
            self.content[words[1]] = content
            image.update(status="active", size=len(content), os_hash_algo="sha512",
                         os_hash_value=hashlib.sha512(content).hexdigest())  # fmt: skip
            return None
        row = self.rows[words[0]][words[1]]
        if words[2:3] == ["tags"]:
            row["tags"].append(words[3])
        elif words[2:3] == ["add_router_interface"]:
            subnet = self.rows["subnets"][body["subnet_id"]] if "subnet_id" in body else None
            if subnet:
                # Neutron does it all, or nothing of it.
                hook, self.hook = self.hook, lambda _method, _path: None
                fixed = [{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}]
                made = self.post(service, "/ports", {"port": {"network_id": subnet["network_id"], "fixed_ips": fixed}})
                self.changes.pop()
                self.hook = hook
                port = self.rows["ports"][made["port"]["id"]]
            else:
                port = self.rows["ports"][body["port_id"]]
            port.update(device_id=words[1], device_owner="network:router_interface")
        elif words[2:3] == ["remove_router_interface"]:
            del self.rows["ports"][body["port_id"]]
        else:
            row.update(body[_SINGLE[words[0]]])
        self.hook("PUTTED", path)
        return None

    def delete(self, service: str, path: str, *, microversion: str | None = None) -> None:
        self.changes.append(f"DELETE {path}")
        words = path.strip("/").split("/")
        if service == "image":
            self.images.pop(words[1], None)
            return
        if service == "compute":
            (self.flavors if words[0] == "flavors" else self.keys).pop(words[1], None)
            return
        used = [r for rows in self.rows.values() for r in rows.values()
                if words[1] in {v for k, v in r.items() if k.endswith("_id")} and words[0] in {"networks", "routers"}]  # fmt: skip
        if used:
            raise ApiError(service, "DELETE", path, 409, "it is in use")
        self.rows[words[0]].pop(words[1], None)
        if words[0] == "security-groups":
            rules = self.rows["security-group-rules"]
            for id_ in [i for i, r in rules.items() if r["security_group_id"] == words[1]]:
                del rules[id_]

    def fetch(self, _service: str, path: str, first: int | None = None, last: int | None = None) -> Answer:
        content = self.content[path.strip("/").split("/")[1]]
        if first is None or not self.ranges:
            return Answer(200, content, {})
        end = len(content) - 1 if last is None else last
        return Answer(206, content[first : end + 1], {"Content-Range": f"bytes {first}-{end}/{len(content)}"})

    def state(self) -> Any:
        """All that is there, to be compared."""
        return copy.deepcopy((self.rows, self.flavors, self.keys, self.images))


class Killed(BaseException):
    """The worker dies."""


class Job:
    """Carries out steps as the engine does: probe, do, verify; undo in reverse. A killed step is begun again."""

    def __init__(self, steps: Any) -> None:
        self.steps, self.outcomes = list(steps), {}
        self.notes: dict[str, dict[str, Any]] = {}

    def context(self, step: str) -> Any:
        hands = Hands(self.outcomes)
        hands.step_id = step
        hands.notes = self.notes.setdefault(step, {})
        return hands

    def run(self, find: Callable[[str], Any]) -> None:
        for step in self.steps:
            act, ctx = find(step.verb), self.context(step.id)
            outcome = act.probe(ctx, step.args)
            if outcome is None:
                outcome = act.do(ctx, step.args)
            act.verify(ctx, step.args, outcome)
            self.outcomes[step.id] = outcome

    def undo(self, find: Callable[[str], Any]) -> None:
        for step in reversed(self.steps):
            try:
                find(step.verb).undo(self.context(step.id), step.args, self.outcomes.get(step.id))
            except KeyError:
                # A step that never began knows nothing of those before it.
                assert step.id not in self.outcomes
            except StepFailed as e:
                raise AssertionError(f"{step.id}: {e}") from e
