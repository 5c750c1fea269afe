"""What is asked of the APIs and of hosts, and what becomes of those that do not answer. Both are stood in for: no network here."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from blue_wizard.diagnose.aim import METADATA, Aim
from blue_wizard.diagnose.ask import ask
from blue_wizard.diagnose.ask_to import ask_to
from blue_wizard.diagnose.collect import collect
from blue_wizard.errors import InputError
from blue_wizard.reach.faults import CommandFailed, Fault, NotReached
from blue_wizard.reach.openstack import ApiError
from blue_wizard.reach.ssh import Result
from tests.unit.diagnose.aimed import GROUP, OUTSIDE, ROUTER, Aimed
from tests.unit.diagnose.seen import HYBRID, TWO_PORTS, Seen


class FakeCloud:
    """Answers as the APIs answered when the bundle was recorded; `denied` are paths that this user may not see."""

    name = "lab"

    def __init__(self, seen: Seen, *, denied: tuple[str, ...] = (), same_name: int = 1) -> None:
        self.api, self.denied, self.same_name = seen.api, denied, same_name
        self.calls: list[str] = []

    def get(self, service: str, path: str, *, missing_ok: bool = False) -> Any:
        self.calls.append(path)
        if path.startswith("/servers/"):
            known = path.endswith(self.api.server["id"])
            return {"server": self.api.server} if known else None
        return {"network": self.api.networks[path.rpartition("/")[2]]}

    def list(self, service: str, path: str, key: str) -> list[dict[str, Any]]:
        self.calls.append(path)
        if any(d in path for d in self.denied):
            raise ApiError(service, "GET", path, 403, "not allowed")
        parts = urlsplit(path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        if parts.path == "/servers/detail":
            matches = query["name"] == f"^{self.api.server['name']}$".replace("-", r"\-")
            return [self.api.server] * self.same_name if matches else []
        if parts.path == "/agents":
            return self.api.agents or []
        if parts.path == "/subnets":
            return self.api.subnets[query["network_id"]]
        if parts.path.endswith("/dhcp-agents"):
            return self.api.dhcp_agents[parts.path.split("/")[2]] or []
        if parts.path == "/networks":
            return [
                n
                for n in self.api.networks.values()
                if str(n["provider:segmentation_id"]) == query["provider:segmentation_id"]
            ]
        if "device_owner" in query:
            return self.api.dhcp_ports[query["network_id"]]
        if "mac_address" in query:
            return [p for p in self.api.ports if p["mac_address"] == query["mac_address"]]
        return self.api.ports


@pytest.mark.parametrize("by", ["id", "name"])
def test_all_that_the_apis_know(by: str) -> None:
    seen = Seen(TWO_PORTS)
    found = ask(FakeCloud(seen), seen.api.server[by])  # type: ignore[arg-type]
    assert found == seen.api


def test_one_port_of_several() -> None:
    seen = Seen(TWO_PORTS)
    wanted = seen.api.ports[1]["id"]
    found = ask(FakeCloud(seen), seen.api.server["id"], wanted[:8].upper())  # type: ignore[arg-type]
    assert [p["id"] for p in found.ports] == [wanted]
    assert list(found.networks) == [found.ports[0]["network_id"]]


def test_a_user_who_may_not_see_agents_or_other_projects() -> None:
    seen = Seen(HYBRID)
    cloud = FakeCloud(seen, denied=("/agents", "/dhcp-agents", "all_tenants"))
    found = ask(cloud, seen.api.server["name"])  # type: ignore[arg-type]
    assert found.agents is None
    assert set(found.dhcp_agents.values()) == {None}


@pytest.mark.parametrize(
    ("server", "port", "same", "word"),
    [
        ("00000000-0000-0000-0000-000000000000", None, 1, "has no server"),
        ("nobody", None, 1, "has no server"),
        ("diag-hybrid", "ffff", 1, "has no port"),
        ("diag-hybrid", None, 2, "2 servers"),
    ],
)
def test_what_is_not_there(server: str, port: str | None, same: int, word: str) -> None:
    with pytest.raises(InputError, match=word):
        ask(FakeCloud(Seen(HYBRID), same_name=same), server, port)  # type: ignore[arg-type]


class FakeHost:
    """A host that gives one answer, or fails in one way."""

    def __init__(self, answer: Result | Exception) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    def run(self, argv: list[str], *, stdin: str, timeout_s: float, root: bool) -> Result:
        assert root
        assert stdin.startswith('"""')
        self.asked.append(json.loads(argv[-1]))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def _good() -> Result:
    return Result(0, "motd\n" + base64.b64encode(zlib.compress(b'{"uid": 0}')).decode() + "\n", "")


@pytest.mark.parametrize(
    ("answer", "fault", "word"),
    [
        (NotReached(Fault.UNREACHABLE, "no route", "check the address"), "unreachable", "no route"),
        (NotReached(Fault.SUDO, "sudo refuses", "allow it"), "sudo", "sudo refuses"),
        (CommandFailed(Fault.TIMEOUT, "did not end"), "timeout", "did not end"),
        (InputError("no such key"), "unreachable", "no such key"),
        (Result(127, "", "not found"), "exit-status", "python3"),
        (Result(1, "Traceback", "boom"), "exit-status", "boom"),
    ],
)
def test_a_host_that_fails_is_that_host_s_alone(answer: Any, fault: str, word: str) -> None:
    hosts = {"cmp1": FakeHost(answer), "net1": FakeHost(_good())}
    bundle = collect(Seen(HYBRID).api, hosts.__getitem__)  # type: ignore[arg-type]
    assert bundle.hosts["net1"].answers == {"uid": 0}
    failed = bundle.hosts["cmp1"]
    assert (failed.answers, failed.fault) == (None, fault)
    assert word in failed.message


def test_each_host_is_asked_once() -> None:
    hosts = {"cmp1": FakeHost(_good()), "net1": FakeHost(_good())}
    collect(Seen(TWO_PORTS).api, hosts.__getitem__)  # type: ignore[arg-type]
    assert [len(h.asked) for h in hosts.values()] == [1, 1]


class RoutedCloud:
    """A network with a router to the outside; the server has a floating IP. Answers by path, and by no other."""

    name = "lab"

    def __init__(self) -> None:
        self.seen = Aimed(HYBRID, floating=True)
        told, network = self.seen.api.aim, self.seen.network["id"]
        owners = "&".join(f"device_owner=network:{o}" for o in (
            "router_interface", "ha_router_replicated_interface", "router_interface_distributed"))  # fmt: skip
        self.answers: dict[str, Any] = {
            f"/ports?network_id={network}&{owners}": told["router_ports"][:1],
            f"/ports?network_id={network}&fixed_ips=ip_address%3D{OUTSIDE}": [],
            f"/floatingips?port_id={self.seen.port['id']}": told["floating"],
            f"/routers/{ROUTER}": {"router": self.seen.router},
            f"/routers/{ROUTER}/l3-agents": told["l3_agents"][ROUTER],
            f"/ports?device_id={ROUTER}": told["router_ports"],
            f"/security-groups/{GROUP}": {"security_group": told["groups"][GROUP]},
            "/networks/external": {"network": told["networks"]["external"]},
            "/subnets?network_id=external": told["subnets"]["external"],
        }

    def get(self, _service: str, path: str, *, missing_ok: bool = False) -> Any:
        return self.answers[path]

    def list(self, _service: str, path: str, _key: str) -> Any:
        return self.answers[path]


def test_the_way_to_an_address_is_asked_of_the_api() -> None:
    cloud = RoutedCloud()
    expected, cloud.seen.api.aim = cloud.seen.api.aim, {}
    ask_to(cloud, cloud.seen.api, Aim(OUTSIDE))  # type: ignore[arg-type]
    assert cloud.seen.api.aim == expected


def test_the_metadata_port_of_ovn_is_asked_of_the_api() -> None:
    cloud = RoutedCloud()
    network, cloud.seen.api.aim = cloud.seen.network["id"], {}
    port = {"id": "m", "network_id": network}
    cloud.answers |= {
        f"/ports?network_id={network}&fixed_ips=ip_address%3D{METADATA}": [],
        f"/ports?network_id={network}&device_owner=network:distributed": [port],
    }
    ask_to(cloud, cloud.seen.api, Aim(METADATA, "tcp", 80))  # type: ignore[arg-type]
    assert cloud.seen.api.aim["distributed"] == [port]
    assert [f["port_id"] for f in cloud.seen.api.aim["floating"]] == [cloud.seen.port["id"]]
