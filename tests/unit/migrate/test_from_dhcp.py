"""Addresses and services as a DHCP namespace sees them: the real scripts, in a namespace of this machine."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.targets import from_dhcp
from blue_wizard.migrate.targets.from_dhcp import Address, Door
from blue_wizard.reach.ssh import Result

LISTENS = "import socket, time; s = socket.create_server(('10.77.0.5', 80)); print('up', flush=True); time.sleep(600)"


class Agent:
    """The host of a DHCP agent, which is this machine."""

    def run(self, argv: Sequence[str], *, timeout_s: float, root: bool) -> Result:
        assert root, "only root may enter a namespace"
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)
        return Result(done.returncode, done.stdout, done.stderr)


def _ip(*argv: str) -> None:
    subprocess.run(["ip", *argv], check=True)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """A guest 10.77.0.5 that serves port 80, drops what comes for 81, and stands beside a DHCP namespace."""

    def host(name: str) -> Any:
        if name == "gone":
            raise StepFailed("gone can't be reached")
        return Agent()

    monkeypatch.setattr(from_dhcp.ssh, "host", host)
    mark = secrets.token_hex(3)
    space, guest, mac = f"qdhcp-{mark}", f"guest-{mark}", "52:54:00:77:00:05"
    _ip("netns", "add", space)
    _ip("netns", "add", guest)
    server = None
    try:
        _ip("-n", space, "link", "add", "tap0", "type", "veth", "peer", "name", "eth0", "netns", guest)
        _ip("-n", guest, "link", "set", "eth0", "address", mac)
        for where, device, own in ((space, "tap0", "10.77.0.2/24"), (guest, "eth0", "10.77.0.5/24")):
            _ip("-n", where, "address", "add", own, "dev", device)
            _ip("-n", where, "link", "set", device, "up")
        rule = ["iptables", "-A", "INPUT", "-p", "tcp", "--dport", "81", "-j", "DROP"]
        subprocess.run(["ip", "netns", "exec", guest, *rule], check=True)
        server = subprocess.Popen(
            ["ip", "netns", "exec", guest, sys.executable, "-c", LISTENS], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout
        assert server.stdout.readline() == "up\n"
        yield Address("10.77.0.5", mac, mark, ["net1"])
    finally:
        if server:
            server.kill()
            server.wait()
        _ip("netns", "delete", space)
        _ip("netns", "delete", guest)


def test_a_guest_that_is_there_answers_and_its_ports_are_told_apart(address: Address) -> None:
    from_dhcp.look(address)
    assert address.answer is True
    from_dhcp.knock(address, [80, 81, 82])
    assert address.doors == {80: Door.OPEN, 81: Door.SILENT, 82: Door.REFUSED}


def test_somebody_else_at_its_address_is_not_the_guest(address: Address) -> None:
    other = replace(address, mac="52:54:00:77:00:06")
    from_dhcp.look(other)
    assert other.answer is False


def test_nobody_at_its_address_is_silent(address: Address) -> None:
    nobody = replace(address, address="10.77.0.9")
    from_dhcp.look(nobody)
    assert nobody.answer is False
    from_dhcp.knock(nobody, [80])
    assert nobody.doors == {80: Door.SILENT}


def test_where_nobody_can_look_nothing_is_said(address: Address) -> None:
    blind = [
        replace(address, agents=["gone"]),
        replace(address, agents=[]),
        replace(address, network_id=f"no-{socket.gethostname()}"),
    ]
    for one in blind:
        from_dhcp.knock(one, [80])
        assert one.doors == {}
    from_dhcp.look(blind[0])
    assert (blind[0].answer, blind[0].note) == (None, "gone can't be reached")
    from_dhcp.look(blind[1])
    assert "no DHCP agent" in blind[1].note


def test_the_second_agent_is_asked_where_the_first_is_gone(address: Address) -> None:
    both = replace(address, agents=["gone", "net1"])
    from_dhcp.look(both)
    from_dhcp.knock(both, [80])
    assert both.answer is True
    assert both.doors == {80: Door.OPEN}
