"""Planted faults of OVN against `diagnose network`, on a real server of Nova in the lab's second cloud (`lab/lab add cloud-b`)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.faults import OVN, Fault, journal, load
from lab.faults.command import choose
from lab.faults.target import connect, targets
from lab.faults.verdicts import Judged, table
from lab.guests.image import tiny_image
from lab.site import CLOUD_B

from . import diagnosing
from .conftest import Lab, until

# The second cloud takes a minute to come up.
pytestmark = [pytest.mark.lab, pytest.mark.slow]
SERVER = IMAGE = "netdiag-ovn"
NETWORK = "old-private"
FAULTS = [f for f in load().values() if OVN in f.on]


@pytest.fixture(scope="module")
def server(_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on a network of OVN that has got its address."""
    lab = Lab(_environment, tmp_path_factory.mktemp("state"))
    lab.run("add", "cloud-b", timeout=900)
    journal.heal()
    cloud = connect(CLOUD_B)
    image = tiny_image(cloud, IMAGE)
    made = cloud.compute.find_server(SERVER) or cloud.compute.create_server(
        name=SERVER,
        image_id=image.id,
        flavor_id=cloud.compute.find_flavor("m1.nano").id,
        networks=[{"uuid": cloud.network.find_network(NETWORK).id}],
        # Without it nobody may ping the server.
        security_groups=[{"name": "open"}],
    )
    try:
        cloud.compute.wait_for_server(made, wait=300)
        lab.run("guest", made.id, "wait", "--text", r"LAB: ready(?!.*ip=none)", "--timeout", "240", timeout=300)
        yield SERVER
    finally:
        journal.heal()
        cloud.compute.delete_server(made.id)
        cloud.compute.wait_for_delete(made, wait=120)
        cloud.image.delete_image(image.id)


@pytest.fixture
def site(lab: Lab) -> Lab:
    """The command line, led to the second cloud."""
    lab.extra = {"OS_CLOUD": CLOUD_B.name, "BLUE_WIZARD_CONFIG": str(CLOUD_B.folder / "blue-wizard.yaml")}
    return lab


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest) -> Iterator[list[Judged]]:
    """All that was judged, printed at the end."""
    with diagnosing.printed(request, "OVN") as rows:
        yield rows


@pytest.mark.parametrize("again", range(3))
@pytest.mark.parametrize("mode", ["read", "inject"])
def test_no_false_alarm(site: Lab, server: str, mode: str, again: int) -> None:
    document, _seconds = diagnosing.diagnose(site, server, mode)
    for port in document["ports"]:
        assert (port["verdict"], port["cause"], port["findings"]) == ("ok", None, []), json.dumps(port, indent=1)


def test_the_guest_answers(site: Lab, server: str) -> None:
    until(lambda: site.run("guest", server, "ping", code=None).returncode == 0, "the server to answer")


@pytest.mark.parametrize("fault", [pytest.param(f, id=f.name) for f in FAULTS])
def test_fault(site: Lab, server: str, matrix: list[Judged], fault: Fault) -> None:
    target = choose(fault, targets(connect(CLOUD_B), server))
    modes = ["read", "inject"] if fault.verdict == "lost" else ["read"]
    rows = diagnosing.judged(site, fault, target, modes, matrix)
    assert all(r.right_verdict and r.right_segment and r.right_cause for r in rows), table(rows)
