"""Two hosts as network namespaces of the tests' own, with real sshds, and a guest and a DHCP server at the ends of a real path.

guest(eth0) - tapbwt qbrbwt qvbbwt|qvobwt brbwt vxbwt - un0 ~~~ un0 - vxbwt brbwt tapdbwt|dhcp0 (dnsmasq)

Bridges stand for Open vSwitch. It needs root; where that is missing the tests say so and fail.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from blue_wizard.reach import ssh
from tests.diagnose import ovn_site, wire
from tests.diagnose.doors import configure, open_doors
from tests.diagnose.ovn_site import OvnSite

# Of several test processes each has a path of its own.
_MINE = os.environ.get("PYTEST_XDIST_WORKER", "")
GUEST, COMPUTE, NETWORK, DHCP = (f"bwt-{name}{_MINE}" for name in ("guest", "cmp", "net", "dhcp"))
MAC, OTHER_MAC, SERVER_MAC = "fa:16:3e:f2:38:8d", "fa:16:3e:f2:38:8e", "fa:16:3e:00:00:02"
VNI = 77

# Its own /run: what a host records there is that host's alone, and not this machine's.
_ENTER = """#!/bin/sh
mkdir -p {folder}/run-$1/sshd {folder}/run-$1/netns || exit
mount --rbind /run/netns {folder}/run-$1/netns && mount --rbind {folder}/run-$1 /run || exit
shift
exec "$@"
"""


def sh(*argv: str, ns: str = "") -> str:
    """Run a command, in a namespace if one is given; its stdout."""
    done = subprocess.run(
        [*(["ip", "netns", "exec", ns] if ns else []), *argv], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def _without_clocks(data: dict[str, object]) -> dict[str, object]:
    return {k: v for k, v in data.items() if not k.endswith("_timer")}


@dataclass(frozen=True)
class Lan:
    """The path, and what of it can be asked and broken."""

    folder: Path

    def on(self, host: str, *argv: str) -> str:
        """Run a command on a host, as a login there would."""
        return sh(str(self.folder / "enter"), host, *argv, ns=host)

    def dump(self, host: str) -> str:
        """All of a host's links, addresses, bridges, tc and iptables, and what is recorded there."""
        links = json.loads(self.on(host, "ip", "-j", "-d", "addr"), object_hook=_without_clocks)
        tc = [self.on(host, "tc", w, "show") for w in ("qdisc",)]
        rules = "\n".join(x for x in self.on(host, "iptables-save").splitlines() if not x.startswith("#"))
        run = sorted(str(p.relative_to(self.folder)) for p in (self.folder / f"run-{host}").glob("blue-wizard/**"))
        return json.dumps([links, tc, rules, run, self.on(host, "bridge", "link")], indent=1)

    def send(self, ns: str, device: str, frame: bytes, times: int = 1) -> None:
        """Put a frame onto a device."""
        sh(sys.executable, wire.__file__, "send", device, frame.hex(), str(times), ns=ns)


@pytest.fixture(scope="session")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    assert os.geteuid() == 0, "needs root: network namespaces"
    folder = tmp_path_factory.mktemp("lan")
    found = Lan(folder)
    _tear_down()
    enter = folder / "enter"
    enter.write_text(_ENTER.format(folder=folder))
    enter.chmod(0o755)
    doors = open_doors(folder, {n: ["ip", "netns", "exec", n, str(enter), n] for n in (COMPUTE, NETWORK)})
    try:
        server = _build(folder)
        try:
            yield found
        finally:
            server.terminate()
            server.wait()
    finally:
        for door in doors:
            door.close()
        ssh.forget()
        _tear_down()


def _tear_down() -> None:
    for ns in (GUEST, COMPUTE, NETWORK, DHCP):
        if Path("/run/netns", ns).exists():
            for pid in sh("ip", "netns", "pids", ns).split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            sh("ip", "netns", "del", ns)


def _veth(a: tuple[str, str], b: tuple[str, str]) -> None:
    sh("ip", "link", "add", a[1], "netns", a[0], "type", "veth", "peer", "name", b[1], "netns", b[0])


def _build(folder: Path) -> subprocess.Popen[bytes]:
    for ns in (GUEST, COMPUTE, NETWORK, DHCP):
        sh("ip", "netns", "add", ns)
        sh("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", ns=ns)
        sh("ip", "link", "set", "lo", "up", ns=ns)
    _veth((GUEST, "eth0"), (COMPUTE, "tapbwt"))
    _veth((COMPUTE, "qvbbwt"), (COMPUTE, "qvobwt"))
    _veth((COMPUTE, "un0"), (NETWORK, "un0"))
    _veth((NETWORK, "tapdbwt"), (DHCP, "dhcp0"))
    sh("ip", "link", "set", "eth0", "address", MAC, ns=GUEST)
    sh("ip", "link", "set", "dhcp0", "address", SERVER_MAC, ns=DHCP)
    for host, number, other in ((COMPUTE, 1, 2), (NETWORK, 2, 1)):
        sh("ip", "addr", "add", f"10.9.0.{number}/24", "dev", "un0", ns=host)
        sh("ip", "link", "add", "vxbwt", "type", "vxlan", "id", str(VNI), "dstport", "4789", "local", f"10.9.0.{number}",
           "remote", f"10.9.0.{other}", "dev", "un0", ns=host)  # fmt: skip
        sh("ip", "link", "add", "brbwt", "type", "bridge", ns=host)
    sh("ip", "link", "add", "qbrbwt", "type", "bridge", ns=COMPUTE)
    for host, bridge, port in (
        (COMPUTE, "qbrbwt", "tapbwt"),
        (COMPUTE, "qbrbwt", "qvbbwt"),
        (COMPUTE, "brbwt", "qvobwt"),
        (COMPUTE, "brbwt", "vxbwt"),
        (NETWORK, "brbwt", "vxbwt"),
        (NETWORK, "brbwt", "tapdbwt"),
    ):
        sh("ip", "link", "set", port, "master", bridge, ns=host)
    for ns in (GUEST, COMPUTE, NETWORK, DHCP):
        for link in json.loads(sh("ip", "-j", "link", ns=ns)):
            sh("ip", "link", "set", link["ifname"], "up", ns=ns)
    sh("ip", "addr", "add", "10.8.0.2/24", "dev", "dhcp0", ns=DHCP)
    for ns in (GUEST, COMPUTE, NETWORK, DHCP):
        _until_up(ns)
    return _dnsmasq(folder)


def programs(host: str) -> list[int]:
    """The processes of ours on a host."""
    pids = sh("ip", "netns", "pids", host).split()
    return [int(p) for p in pids if Path(f"/proc/{p}/cmdline").read_bytes().split(b"\0")[0].endswith(b"python3")]


def _until_up(ns: str) -> None:
    """The kernel takes its time: what is sent before is lost."""
    end = time.monotonic() + 20
    while "NO-CARRIER" in (found := sh("ip", "link", ns=ns)):
        assert time.monotonic() < end, found
        time.sleep(0.05)


def _dnsmasq(folder: Path) -> subprocess.Popen[bytes]:
    argv = ["ip", "netns", "exec", DHCP, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
            f"--dhcp-host={MAC},10.8.0.5",
            f"--dhcp-host={OTHER_MAC},10.8.0.6", "--dhcp-range=10.8.0.0,static", "--interface=dhcp0", "--bind-interfaces",
            f"--dhcp-leasefile={folder}/leases", f"--pid-file={folder}/dnsmasq.pid", "--user=root", "--no-ping"]  # fmt: skip
    with (folder / "dnsmasq.log").open("wb") as log:
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log)
    end = time.monotonic() + 20
    while ":67 " not in sh("ss", "-lun", ns=DHCP):
        assert time.monotonic() < end, (folder / "dnsmasq.log").read_text()
        time.sleep(0.05)
    return server


@pytest.fixture
def hosts(lan: Lan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lan:
    """The path, with a configuration that reaches its two hosts."""
    configure(lan.folder, tmp_path / "blue-wizard.yaml", monkeypatch)
    return lan


def hybrid() -> Sequence[tuple[str, str, str, str | None, bool]]:
    """Hop, host, device, namespace and whether it is in the tunnel there, in the order of a request."""
    return (
        ("tap", COMPUTE, "tapbwt", None, False),
        ("qbr", COMPUTE, "qbrbwt", None, False),
        ("qvb", COMPUTE, "qvbbwt", None, False),
        ("qvo", COMPUTE, "qvobwt", None, False),
        ("compute-nic", COMPUTE, "un0", None, True),
        ("network-nic", NETWORK, "un0", None, True),
        ("dhcp-port", NETWORK, "dhcp0", DHCP, False),
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OvnSite]:
    folder = tmp_path_factory.mktemp("ovn")
    doors = []
    try:
        found = ovn_site.start(folder)
        doors = open_doors(folder, {ovn_site.HOST: found.enter})
        yield found
    finally:
        for door in doors:
            door.close()
        ssh.forget()
        ovn_site.stop()


@pytest.fixture
def site(built: OvnSite) -> OvnSite:
    """A compute host of OVN, as new."""
    built.wire()
    return built


@pytest.fixture
def door(site: OvnSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OvnSite:
    """The same, with a configuration that reaches it by SSH."""
    configure(site.folder, tmp_path / "blue-wizard.yaml", monkeypatch)
    return site
