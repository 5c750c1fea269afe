"""When a new server counts as alive: its state, its addresses, its services; and what is said where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.targets import verify
from blue_wizard.migrate.targets.from_dhcp import Address, Door
from blue_wizard.migrate.targets.verify import VerifyServer
from tests.unit.migrate.hands import Hands

ARGS = {"cloud": "c", "ports": ["port.0"], "tcp_ports": [22, 80], "timeout": 60, "strict": True}
PORT = {"mac": "fa:16:3e:00:00:01", "network_id": "n", "addresses": ["10.0.0.5"]}


class World:
    """A server and the time: what it shows from which second on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.status, self.answers_at, self.console_at = "ACTIVE", 0.0, 0.0
        self.doors: dict[int, tuple[float, Door]] = {22: (0, Door.OPEN), 80: (0, Door.OPEN)}
        self.agents = ["net1"]
        monkeypatch.setattr(verify, "cloud_of", lambda _args: None)
        monkeypatch.setattr(verify, "server_of", lambda _ctx, _args: {"id": "s1", "status": self.status})
        monkeypatch.setattr(verify, "dhcp_hosts", lambda _cloud, _network: self.agents)
        monkeypatch.setattr(verify, "look", self.look)
        monkeypatch.setattr(verify, "knock", self.knock)
        monkeypatch.setattr(verify, "_console", lambda *_: "login:" if self.age >= self.console_at else "")
        monkeypatch.setattr(verify.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(verify.time, "time", lambda: self.now)
        monkeypatch.setattr(verify.time, "sleep", self.sleep)

    @property
    def age(self) -> float:
        return self.now - 1000

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def look(self, address: Address) -> None:
        address.answer = self.age >= self.answers_at if address.agents else None
        address.note = "" if address.agents else "no DHCP agent"

    def knock(self, address: Address, ports: list[int]) -> None:
        for port in ports:
            since, door = self.doors[port]
            address.doors[port] = door if self.age >= since else Door.REFUSED

    def run(self, **args: Any) -> dict[str, Any]:
        self.ctx = Hands({"port.0": PORT, "server": {"server_id": "s1"}})
        return VerifyServer().do(self.ctx, ARGS | args)  # type: ignore[arg-type,return-value]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_services_are_waited_for_and_told(world: World) -> None:
    world.answers_at = 5
    world.doors[80] = (20, Door.OPEN)
    found = world.run()
    assert found["addresses"] == {"10.0.0.5": "answers"}
    assert found["services"] == {"22": "open", "80": "open"}
    assert 20 <= found["up_at"] - 1000 < 30


def test_without_named_services_none_is_asked_for(world: World) -> None:
    found = world.run(tcp_ports=[])
    assert "services" not in found
    assert world.age < 2


@pytest.mark.parametrize(
    ("door", "words"),
    [
        (Door.REFUSED, "refuses TCP port 80 .* no service listens"),
        (Door.SILENT, "says nothing on TCP port 80 .* security group"),
    ],
)
def test_a_service_that_does_not_come_is_a_failure(world: World, door: Door, words: str) -> None:
    world.doors[80] = (0, door)
    with pytest.raises(StepFailed, match=words):
        world.run()
    assert world.age >= 60


def test_a_wave_may_want_just_a_report(world: World) -> None:
    world.doors[80] = (0, Door.REFUSED)
    found = world.run(strict=False)
    assert found["services"] == {"22": "open", "80": "refused"}
    assert "TCP port 80" in world.ctx.events[0]


def test_a_server_that_stays_silent_is_named_with_its_addresses(world: World) -> None:
    world.answers_at = 1e9
    with pytest.raises(StepFailed, match=r"silent on: 10\.0\.0\.5.*says nothing on TCP port 22"):
        world.run()


def test_where_nobody_can_look_the_console_alone_counts(world: World) -> None:
    world.agents = []
    world.console_at = 10
    found = world.run()
    assert found["addresses"] == {"10.0.0.5": "unproved"}
    assert found["services"] == {"22": "unproved", "80": "unproved"}
    assert found["unproved"] == ["no DHCP agent"]
    assert 10 <= world.age < 20


def test_a_guest_that_answers_and_never_writes_to_its_console_is_up_when_it_answers(world: World) -> None:
    world.answers_at, world.console_at = 8, 1e9
    found = world.run()
    assert 8 <= found["up_at"] - 1000 < 10
    assert world.age < 30


def test_a_server_in_error_is_not_waited_for(world: World) -> None:
    world.status = "ERROR"
    with pytest.raises(StepFailed, match="went into ERROR"):
        world.run()
    assert world.age == 0
