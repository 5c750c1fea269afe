"""Planted faults against `diagnose network`, on real servers: each is found, none is invented, and nothing is left behind.

`make test-netdiag` runs the matrix whole and prints it. `BW_NETDIAG_MODES` (read,inject) chooses how each fault is looked
at; by default read-only and with a packet of our own. `BW_NETDIAG_KEEP=1` leaves the test's servers for the next run; see
`diagnosing.py` for the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.faults import KINDS, OVN, Fault, journal, load, places
from lab.faults.command import choose
from lab.faults.dumps import differences, dumps
from lab.faults.target import connect, targets
from lab.faults.verdicts import Judged, segment, table, totals
from lab.guests.image import tiny_image
from lab.run import LabError
from tests.busy import busy
from tests.drawn import seed

from . import diagnosing
from .conftest import ROOT, Lab, until

pytestmark = pytest.mark.lab
SEED = seed()
FAULTS = [f for f in load().values() if OVN not in f.on]
FAMILIES = sorted({f.family for f in FAULTS})
_draw = random.Random(SEED)  # noqa: S311
MODES = os.environ.get("BW_NETDIAG_MODES", "read,inject").split(",")
# One fault a family, and of them two with a packet of our own: with the servers' start all must be over in four minutes.
# What agents have to build anew takes too long for every day.
TODAY = [_draw.choice([f.name for f in FAULTS if f.family == g and f.restores == "exact"]) for g in FAMILIES]
BY_PACKET = _draw.sample(TODAY, 2)
SAMPLE = {name: MODES[-1] if name in BY_PACKET else MODES[0] for name in TODAY}
DAILY = _draw.choice(KINDS)
HEALTHY = [(kind, mode, again) for again in range(3) for kind in KINDS for mode in ("read", "inject")][:20]
SERVERS = {
    "netdiag-hybrid": ("cmp1", ("netdiag",)),
    "netdiag-ovsfw": ("cmp2", ("netdiag",)),
    "netdiag-vlan": ("cmp1", ("netdiag-vlan", "netdiag")),
    "netdiag-vlan2": ("cmp2", ("netdiag-vlan",)),
}
NETWORKS = {
    "netdiag": ("10.71.0.0/24", {}),
    "netdiag-vlan": (
        "10.72.0.0/24",
        {"provider_network_type": "vlan", "provider_physical_network": "physnet1", "provider_segmentation_id": 102},
    ),
}
IMAGE = "netdiag-tiny"
ROUTER = "netdiag"
# One with a floating IP, the others leave with the router's address.
FLOATING = "netdiag-ovsfw"


@pytest.fixture(scope="module")
def ports(_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Servers of the test's own on networks of its own: for each kind of port the name of a server that has one."""
    journal.heal()
    cloud = connect()
    try:
        _make(cloud)
        found = {}
        for name in SERVERS:
            for t in targets(cloud, name):
                found.setdefault(t.kind, name)
        assert set(found) == set(KINDS)
        yield found
    finally:
        journal.heal()
        if not os.environ.get("BW_NETDIAG_KEEP"):
            _remove(cloud)


def _make(cloud: Any) -> None:
    image = tiny_image(cloud, IMAGE)
    networks = {}
    for name, (cidr, provider) in NETWORKS.items():
        networks[name] = cloud.network.find_network(name)
        if networks[name] is None:
            networks[name] = cloud.network.create_network(name=name, **provider)
            cloud.network.create_subnet(name=name, network_id=networks[name].id, cidr=cidr, ip_version=4)
    external = cloud.network.find_network("external")
    if cloud.network.find_router(ROUTER) is None:
        router = cloud.network.create_router(name=ROUTER, external_gateway_info={"network_id": external.id})
        for name in NETWORKS:
            cloud.network.add_interface_to_router(router, subnet_id=cloud.network.find_subnet(name).id)
    flavor = cloud.compute.find_flavor("m1.nano")
    for name, (host, nets) in SERVERS.items():
        if cloud.compute.find_server(name) is None:
            cloud.compute.create_server(
                name=name,
                image_id=image.id,
                flavor_id=flavor.id,
                networks=[{"uuid": networks[n].id} for n in nets],
                availability_zone=f"nova:{host}",
                security_groups=[{"name": "default"}],
            )
    for name in SERVERS:
        server = cloud.compute.wait_for_server(cloud.compute.find_server(name), wait=300)
        done = subprocess.run(
            [
                ROOT / "lab" / "lab",
                "guest",
                server.id,
                "wait",
                "--text",
                r"LAB: ready(?!.*ip=none)",
                "--timeout",
                "240",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{name} has no address: {done.stderr}"
    (port,) = cloud.network.ports(device_id=cloud.compute.find_server(FLOATING).id)
    if not list(cloud.network.ips(port_id=port.id)):
        cloud.network.create_ip(floating_network_id=external.id, port_id=port.id)
    target = next(t for t in targets(cloud, FLOATING))
    nat = f"ip netns exec {target.router_space} iptables -t nat -S | grep -q {target.floating}"
    places.until(
        target.net, f"{nat} && ip -n {target.router_space} addr show dev {target.qg} | grep -q {target.floating}", 60
    )


def _remove(cloud: Any) -> None:
    servers = [s for s in map(cloud.compute.find_server, SERVERS) if s]
    for port in [p for s in servers for p in cloud.network.ports(device_id=s.id)]:
        for address in cloud.network.ips(port_id=port.id):
            cloud.network.delete_ip(address.id)
    for server in servers:
        cloud.compute.delete_server(server.id)
    for server in servers:
        cloud.compute.wait_for_delete(server, wait=120)
    if router := cloud.network.find_router(ROUTER):
        for port in cloud.network.ports(device_id=router.id, device_owner="network:router_interface"):
            cloud.network.remove_interface_from_router(router, port_id=port.id)
        cloud.network.delete_router(router.id)
    for name in NETWORKS:
        if network := cloud.network.find_network(name):
            for port in cloud.network.ports(network_id=network.id):
                if not port.device_owner.startswith("network:"):
                    cloud.network.delete_port(port.id)
            cloud.network.delete_network(network.id)
    if image := cloud.image.find_image(IMAGE):
        cloud.image.delete_image(image.id)


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest) -> Iterator[list[Judged]]:
    """All that was judged, printed at the end."""
    with diagnosing.printed(request, f"seed {SEED}") as rows:
        yield rows


@pytest.mark.parametrize(
    "fault", [pytest.param(f, id=f.name, marks=() if f.name in SAMPLE else pytest.mark.slow) for f in FAULTS]
)
def test_fault(
    lab: Lab, ports: dict[str, str], matrix: list[Judged], request: pytest.FixtureRequest, fault: Fault
) -> None:
    server = ports[fault.on[0]]
    target = choose(fault, targets(connect(), server))
    wanted = MODES if request.config.getoption("--whole") else [SAMPLE[fault.name]]
    modes = [m for m in wanted if m == "inject" or fault.look == "state"] or ["inject"]
    if fault.to:
        # No packet of our own goes to an address.
        modes = ["read"]
    rows = diagnosing.judged(lab, fault, target, modes, matrix)
    # The cause may be wrong in one of twenty (below); where the packet is lost may not, in none.
    assert all(r.right_verdict and r.right_segment for r in rows), table(rows)


def test_nineteen_causes_of_twenty(matrix: list[Judged]) -> None:
    # Of the few of every day one may be wrong.
    allowed = max(1, len(matrix) // 20)
    assert sum(not r.right_cause for r in matrix) <= allowed, "\n".join(totals(matrix))


@pytest.mark.parametrize(
    ("kind", "mode", "again"),
    [pytest.param(*x, marks=() if (x[0], x[2]) == (DAILY, 0) else pytest.mark.slow) for x in HEALTHY],
)
def test_no_false_alarm(lab: Lab, ports: dict[str, str], kind: str, mode: str, again: int) -> None:
    document, _ = diagnosing.diagnose(lab, ports[kind], mode)
    for port in document["ports"]:
        assert port["verdict"] in ("ok", "degraded"), json.dumps(port, indent=1)
        assert port["cause"] is None
        assert not [h for h in port["hops"] if "missing" in (h["request"], h["reply"])]


ADDRESSES = ("172.24.4.1 icmp", "{gateway} icmp", "169.254.169.254 tcp/80", "{dhcp_address} udp/53", "8.8.8.8 tcp/443")


@pytest.mark.parametrize(
    ("kind", "to"),
    [pytest.param(k, to, marks=() if k == DAILY else pytest.mark.slow) for k in KINDS for to in ADDRESSES],
)
def test_no_false_alarm_on_the_way_to_an_address(lab: Lab, ports: dict[str, str], kind: str, to: str) -> None:
    target = next(t for t in targets(connect(), ports[kind]) if t.kind == kind)
    document, _ = diagnosing.diagnose(lab, ports[kind], "read", to.format(**target.names()), target.port)
    for port in document["ports"]:
        assert (port["verdict"], port["cause"], port["findings"]) == ("ok", None, []), json.dumps(port, indent=1)


@pytest.fixture
def _busy() -> Iterator[None]:
    with busy():
        yield


@pytest.mark.parametrize("kind", [pytest.param(k, marks=() if k == DAILY else pytest.mark.slow) for k in KINDS])
@pytest.mark.usefixtures("_busy")
def test_a_busy_machine_loses_nothing(lab: Lab, ports: dict[str, str], kind: str) -> None:
    for mode in ("read", "inject"):
        document, _ = diagnosing.diagnose(lab, ports[kind], mode)
        for port in document["ports"]:
            assert port["verdict"] != "lost", json.dumps(port, indent=1)
            assert not [h for h in port["hops"] if "missing" in (h["request"], h["reply"])]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qvb-down", "tunnel-input-network", "ovsfw-reply-flow", "vlan-not-carried"])
@pytest.mark.usefixtures("_busy")
def test_a_fault_on_a_busy_machine_is_found_or_unknown(lab: Lab, ports: dict[str, str], name: str) -> None:
    fault = load()[name]
    target = choose(fault, targets(connect(), ports[fault.on[0]]))
    journal.inject(fault, target)
    try:
        port = diagnosing.of(diagnosing.diagnose(lab, target.server, "inject")[0], target)
    finally:
        diagnosing.healed()
    assert port["verdict"] in ("lost", "unknown")
    if port["verdict"] == "lost":
        assert segment(port["lost_between"]) in fault.segments, json.dumps(port, indent=1)


# What our own helpers make while a packet is on its way; read by hand, not by the product.
LEFT = (
    "ip -br link | grep -o 'bw-[^ @]*'; for n in $(ls /run/netns); do ip -n $n -br link | grep -o 'bw-[^ @]*'; done; "
    "tc qdisc | grep -E 'clsact|ingress'; ls /run/blue-wizard/diagnose 2>/dev/null; ovs-vsctl --columns=name list Mirror; "
    "pgrep -af 'python3 -$' ; true"
)


def _left(lab: Lab) -> str:
    return "".join(lab.on(host, "sh", "-c", LEFT) for host in ("cmp1", "cmp2", "net1"))


KILLS = [(kind, when) for kind in ("hybrid", "ovsfw", "vlan-hybrid") for when in ("armed", "0.7", "2.0", "4.0")]
KILLED_TODAY = _draw.choice([k for k in KILLS if k[1] == "armed"])


@pytest.mark.parametrize(
    ("kind", "when"), [pytest.param(*k, marks=() if k == KILLED_TODAY else pytest.mark.slow) for k in KILLS]
)
def test_killed_while_a_packet_is_on_its_way(lab: Lab, ports: dict[str, str], kind: str, when: str) -> None:
    assert _left(lab) == ""
    before = dumps()
    command = [ROOT / ".venv" / "bin" / "blue-wizard", "diagnose", "network", ports[kind], "--inject", "-o", "json"]
    run = subprocess.Popen(
        command, env=lab.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        if when == "armed":
            until(lambda: _left(lab) or run.poll() is not None, "something of ours to stand on a host", timeout=60)
        else:
            time.sleep(float(when))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()

    lab.bw("diagnose", "network", "--clean", code=0)

    assert _left(lab) == ""
    assert differences(before, dumps()) == []


@pytest.mark.slow
def test_somebody_elses_mirror_and_filter_stay(lab: Lab, ports: dict[str, str]) -> None:
    (target,) = targets(connect(), ports["hybrid"])
    fault = load()["tap-filter-reply"]
    journal.inject(fault, target)
    try:
        mirror = "ovs-vsctl -- --id=@m create Mirror name=theirs select-all=false -- add Bridge br-int mirrors @m"
        lab.on(target.host, "sh", "-c", mirror)
        before = dumps()
        diagnosing.diagnose(lab, target.server, "inject")
        lab.bw("diagnose", "network", "--clean", code=0)
        assert differences(before, dumps()) == []
    finally:
        lab.on(target.host, "sh", "-c", "ovs-vsctl remove Bridge br-int mirrors $(ovs-vsctl get Mirror theirs _uuid)")
        diagnosing.healed()


def test_a_server_that_is_not_there(lab: Lab) -> None:
    done = lab.bw("diagnose", "network", "no-such-server", code=2)
    assert "no-such-server" in done.stderr


def test_a_fault_is_healed_when_who_planted_it_was_killed(lab: Lab, ports: dict[str, str]) -> None:
    before = dumps()
    argv = [ROOT / "lab" / "lab", "fault", "inject", "br-int-empty", "--server", ports["hybrid"]]
    planting = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(journal.planted, "the fault to be written down", timeout=60)
    planting.kill()
    planting.wait()
    lab.run("fault", "heal")
    assert differences(before, dumps()) == []


@pytest.mark.slow
def test_two_faults_at_once_are_refused(lab: Lab, ports: dict[str, str]) -> None:
    (target,) = targets(connect(), ports["hybrid"])
    journal.inject(load()["qvb-down"], target)
    try:
        with pytest.raises(LabError, match="qvb-down is planted"):
            journal.inject(load()["qvo-down"], target)
    finally:
        diagnosing.healed()
