"""The failures of tests/failures.py, planted under a host that is emptied or given back, on real servers.

Each ends as the table says: nobody's host stays closed, no flag stays set and no server is lost without the report saying so.
`make test-host` runs all of them and prints the table.
"""

from __future__ import annotations

import http.client
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import hosts
from lab.parts import load
from lab.parts.ceph import ceph
from lab.parts.infra import sql
from lab.parts.openstack import SECRET
from lab.site import CONTROLLER, HOSTS, PORTS, STATE

from .conftest import ROOT, Lab, until
from .host_cloud import HOST, OTHER, Cloud, migrations, step_of

pytestmark = pytest.mark.lab


def _begin(lab: Lab, *more: str) -> str:
    return str(lab.json("host", "enter", HOST, "--reason", "reboot", "--yes", "--detach", *more)["job"])


def _enter(lab: Lab, *more: str, code: int | None = 0) -> Any:
    return lab.json("host", "enter", HOST, "--reason", "reboot", "--yes", *more, code=code)


def _on_its_way(cloud: Cloud, server: Any) -> None:
    until(
        lambda: [m for m in migrations(cloud, server) if m["status"] in {"running", "preparing"}],
        f"{server.name} to be on its way",
    )


def _start(part: str) -> None:
    """Start a part of the lab that was killed, and wait until it is alive."""
    found = load()[part]
    found.start()
    until(found.alive, f"{part} to be back", timeout=180)


def _home(cloud: Cloud, *servers: Any) -> None:
    """All is as it was before."""
    assert [cloud.place(s) for s in servers] == [(HOST, "ACTIVE")] * len(servers)
    assert {s.id for s in servers} <= cloud.domains(HOST)
    assert not {s.id for s in servers} & cloud.domains(OTHER)
    cloud.hear(*servers)
    cloud.in_service()


def _nothing_lost(lab: Lab, cloud: Cloud, job: str, server: Any) -> str:
    """However it ended: it is what the job says. What is left is named, and undoing it once more puts it right."""
    view = lab.json("job", "show", job)
    print(view["state"], view["error"])
    if view["state"] == "stuck":
        left = [s for s in view["steps"] if s["state"] == "left"]
        assert left
        assert all(s["error"] for s in left)
        print([s["error"] for s in left])
        lab.bw("job", "rollback", job, "--yes")
    if view["state"] == "done":
        assert cloud.place(server) == (OTHER, "ACTIVE")
        assert server.id not in cloud.domains(HOST)
        lab.bw("host", "leave", HOST, "--yes")
    _home(cloud, server)
    assert lab.json("job", "claims") == []
    return str(view["state"])


@pytest.mark.slow
@pytest.mark.failure("b4")
def test_nova_compute_of_the_source_is_restarted(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    job = _begin(lab)
    _on_its_way(cloud, web)
    hosts.kill(HOSTS[HOST], "nova-compute")
    _start(f"nova-compute:{HOST}")
    lab.bw("job", "watch", job, code=None)
    assert _nothing_lost(lab, cloud, job, web) in {"failed", "done"}


@pytest.mark.slow
@pytest.mark.failure("b5", "b1")
def test_the_guest_on_the_destination_dies(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    job = _begin(lab)
    found = f"pgrep -f -- '[-]uuid {web.id}'"
    pids = until(lambda: lab.on(OTHER, "sh", "-c", f"{found} || true").split(), "a guest on the destination")
    lab.on(OTHER, "kill", "-9", *pids)
    ended = lab.json("job", "watch", job, code=5)
    assert "ht-web" in ended["error"]
    assert _nothing_lost(lab, cloud, job, web) == "failed"


@pytest.mark.slow
@pytest.mark.failure("b6")
def test_the_queue_dies_under_a_migration(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    job = _begin(lab)
    _on_its_way(cloud, web)
    hosts.kill(HOSTS["ctl1"], "rabbitmq")
    time.sleep(10)
    _start("rabbitmq")
    lab.bw("job", "watch", job, code=None)
    until(lambda: cloud.service().state == "up", "nova-compute to have its queue again")
    _nothing_lost(lab, cloud, job, web)


@contextmanager
def _host_stays() -> Iterator[None]:
    """Nova's database keeps a server where it was, whatever Nova writes."""
    sql(
        "DELIMITER //\n"
        "CREATE TRIGGER nova.host_stays BEFORE UPDATE ON nova.instances FOR EACH ROW "
        f"IF OLD.host = '{HOST}' AND NEW.host = '{OTHER}' THEN SET NEW.host = OLD.host, NEW.node = OLD.node; END IF //"
    )
    try:
        yield
    finally:
        sql("DROP TRIGGER nova.host_stays")


@pytest.mark.slow
@pytest.mark.failure("b7")
def test_nova_does_not_learn_that_a_server_has_gone(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    with _host_stays():
        view = _enter(lab, code=6)
    assert view["state"] == "stuck"
    (left,) = [s for s in view["steps"] if s["state"] == "left"]
    assert "ht-web" in left["error"]
    assert f"{OTHER}: runs" in left["error"]
    # Nobody has stopped it, and the host is open.
    assert cloud.answers(web)
    cloud.in_service()
    sql(f"UPDATE nova.instances SET host = '{OTHER}', node = '{OTHER}' WHERE uuid = '{web.id}'")
    lab.bw("job", "rollback", view["job"], "--yes")
    _home(cloud, web)


@pytest.mark.drawn("host emptied")
@pytest.mark.failure("b10")
def test_a_stale_binding_is_in_the_way(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    network = cloud.sdk.network
    port = next(iter(network.ports(device_id=web.id)))
    made = network.post(f"/ports/{port.id}/bindings", json={"binding": {"host": OTHER}})
    assert made.json()["binding"]["status"] == "INACTIVE"
    view = _enter(lab)
    assert cloud.place(web) == (OTHER, "ACTIVE")
    assert "delete stale port binding" in lab.bw("job", "log", view["job"]).stdout
    lab.bw("host", "leave", HOST, "--no-bring-back", "--yes")
    cloud.in_service()


@pytest.mark.slow
@pytest.mark.failure("b11")
def test_no_network_after_the_move(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    lab.on(OTHER, "ovs-ofctl", "-O", "OpenFlow13", "add-flow", "br-tun", "cookie=0xb11,priority=65000,actions=drop")
    try:
        view = _enter(lab, "--max-silence", "20", code=5)
    finally:
        lab.on(OTHER, "ovs-ofctl", "-O", "OpenFlow13", "del-flows", "br-tun", "cookie=0xb11/-1")
    assert "heard" in view["error"]
    assert view["state"] == "failed"
    _home(cloud, web)


@pytest.mark.slow
@pytest.mark.failure("b11")
def test_a_network_host_has_lost_where_it_went(lab: Lab, cloud: Cloud) -> None:
    """Its flows of the tunnels are gone once the server is there: it is wired again, and need not come back."""
    (web,) = cloud.boot("ht-web")
    (port,) = cloud.sdk.network.ports(device_id=web.id)
    held = "cookie=0xb11,priority=65000,actions=drop"
    lab.on(OTHER, "ovs-ofctl", "-O", "OpenFlow13", "add-flow", "br-tun", held)
    forgotten = threading.Thread(target=_forgotten, args=(lab, cloud, web, port.network_id))
    forgotten.start()
    try:
        view = _enter(lab)
    finally:
        forgotten.join()
    assert (view["state"], view["report"]["safe"]) == ("done", True)
    assert [s["rewired"] for s in view["report"]["servers"]] == [True]
    assert cloud.place(web) == (OTHER, "ACTIVE")
    cloud.hear(web)
    assert next(iter(cloud.sdk.network.ports(device_id=web.id))).description == port.description
    lab.bw("host", "leave", HOST, "--yes")
    assert cloud.place(web) == (HOST, "ACTIVE")
    cloud.hear(web)


def _forgotten(lab: Lab, cloud: Cloud, server: Any, network: str) -> None:
    """Nothing gets through until the server is there; then it could, if the network host knew where to."""
    until(lambda: cloud.place(server)[0] == OTHER, "the server to be there")
    until(lambda: next(iter(cloud.sdk.network.ports(device_id=server.id))).status == "ACTIVE", "its port to be active")
    (dhcp,) = cloud.sdk.network.ports(network_id=network, device_owner="network:dhcp")
    tag = lab.on("net1", "ovs-vsctl", "--bare", "--columns=tag", "find", "Port", f"name=tap{dhcp.id[:11]}").strip()
    assert tag.isdigit()
    # It is told of the new place a moment after the port was called active.
    time.sleep(4)
    for table in ("20", "22"):
        lab.on("net1", "ovs-ofctl", "-O", "OpenFlow13", "del-flows", "br-tun", f"table={table},dl_vlan={tag}")
    lab.on(OTHER, "ovs-ofctl", "-O", "OpenFlow13", "del-flows", "br-tun", "cookie=0xb11/-1")


@pytest.mark.slow
@pytest.mark.failure("b13")
def test_the_destination_lacks_the_secret_of_ceph(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web", volume=True)
    lab.on(OTHER, "virsh", "-c", "qemu:///system", "secret-undefine", SECRET)
    try:
        view = _enter(lab, code=5)
    finally:
        _start(f"ceph-secret:{OTHER}")
    assert "ht-web" in view["error"]
    assert _nothing_lost(lab, cloud, view["job"], web) == "failed"


@pytest.mark.slow
@pytest.mark.failure("b15")
def test_no_host_is_left_for_an_anti_affinity_group(lab: Lab, cloud: Cloud) -> None:
    group = cloud.sdk.compute.create_server_group(name="ht-apart", policies=["anti-affinity"])
    try:
        (one,) = cloud.boot("ht-one", wait=False, scheduler_hints={"group": group.id})
        cloud.boot("ht-two", host=OTHER, wait=False, scheduler_hints={"group": group.id})
        refused = lab.bw("host", "enter", HOST, "--reason", "reboot", "--yes", code=3)
        assert "ht-one" in refused.stderr
        assert "anti-affinity" in refused.stderr
        assert cloud.place(one) == (HOST, "ACTIVE")
        cloud.in_service()
    finally:
        cloud.sdk.compute.delete_server_group(group)


@pytest.mark.slow
@pytest.mark.failure("b18")
def test_a_server_lands_after_the_host_was_closed(lab: Lab, cloud: Cloud, tmp_path: Path) -> None:
    (web,) = cloud.boot("ht-web")
    lab.extra = {
        "BLUE_WIZARD_PLUGINS": "killer",
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests' / 'crash'}",
        "BW_KILL": f"settle:before:{tmp_path / 'killed'}",
    }
    lab.bw("host", "enter", HOST, "--reason", "reboot", "--yes", code=4)
    assert cloud.service().status == "disabled"
    # As one that was scheduled before the host was closed, and is built after it.
    job = lab.json("job", "list")[-1]["id"]
    reason = cloud.service().disabled_reason
    cloud.sdk.compute.enable_service(cloud.service())
    (late,) = cloud.boot("ht-late")
    cloud.disable(HOST, reason)
    ended = lab.json("job", "resume", job, code=5)
    assert "ht-late" in ended["error"]
    assert migrations(cloud, late) == []
    _home(cloud, web, late)


@pytest.mark.slow
@pytest.mark.failure("b24")
def test_an_agent_is_dead_when_the_host_is_back(lab: Lab, cloud: Cloud) -> None:
    job = _enter(lab)["job"]
    hosts.kill(HOSTS[HOST], "neutron-ovs")
    try:
        agents = cloud.sdk.network.agents
        until(lambda: not all(a.is_alive for a in agents(host=HOST)), "the agent to be seen dead")
        view = lab.json("host", "leave", HOST, "--wait", "5", "--yes", code=5)
        assert "neutron-openvswitch-agent is down" in view["error"]
        assert cloud.service().disabled_reason == f"blue-wizard job={job} reason=reboot"
        assert cloud.flags() == {HOST: ["noout"]}
    finally:
        _start(f"neutron-ovs:{HOST}")
    lab.bw("host", "leave", HOST, "--wait", "60", "--yes")
    cloud.in_service()


@pytest.mark.slow
@pytest.mark.failure("b25")
def test_its_osds_may_not_stop(lab: Lab, cloud: Cloud) -> None:
    size, least = (ceph("osd", "pool", "get", "volumes", key).split()[-1] for key in ("size", "min_size"))
    ceph("osd", "pool", "set", "volumes", "min_size", size)
    try:
        refused = lab.bw("host", "enter", HOST, "--reason", "reboot", "--yes", code=3)
        assert "may all stop" in refused.stderr
        cloud.in_service()
    finally:
        ceph("osd", "pool", "set", "volumes", "min_size", least)


@pytest.mark.slow
@pytest.mark.failure("b28")
def test_a_leftover_folder_is_in_the_way_of_the_return(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    job = _enter(lab)["job"]
    folder = f"{STATE}/nova/instances/{web.id}"
    lab.on(HOST, "mkdir", folder)
    try:
        view = lab.json("host", "leave", HOST, "--yes", code=5)
        print(view["error"])
        assert "ht-web" in view["error"]
        # Not half given back: it is closed as before, and its server runs where it was.
        assert cloud.service().disabled_reason == f"blue-wizard job={job} reason=reboot"
        assert cloud.flags() == {HOST: ["noout"]}
        assert cloud.place(web) == (OTHER, "ACTIVE")
    finally:
        lab.on(HOST, "rm", "-rf", folder)
    lab.bw("host", "leave", HOST, "--yes")
    _home(cloud, web)


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Nova behind a proxy that has no backend for 4 of 8 seconds."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *_args: Any) -> None:
        pass

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.bad and time.time() % 8 < 4:  # type: ignore[attr-defined]
            self.server.refused += 1  # type: ignore[attr-defined]
            self.send_error(503)
            return
        upstream = http.client.HTTPConnection(CONTROLLER, PORTS["nova"], timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "connection"}}
        upstream.request(self.command, self.path, body, headers)
        reply = upstream.getresponse()
        text = reply.read()
        self.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = _pass


@pytest.mark.slow
@pytest.mark.failure("b30")
def test_nova_answers_with_503_half_of_the_time(lab: Lab, cloud: Cloud, tmp_path: Path) -> None:
    (web,) = cloud.boot("ht-web")
    found = Path(lab.env["OS_CLIENT_CONFIG_FILE"]).read_text()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as proxy:
        proxy.refused, proxy.bad = 0, False  # type: ignore[attr-defined]
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{proxy.server_address[1]}/v2.1"
        file = tmp_path / "clouds.yaml"
        file.write_text(found.replace("  lab:\n", f"  lab:\n    compute_endpoint_override: {url}\n", 1))
        file.chmod(0o600)
        lab.extra = {"OS_CLIENT_CONFIG_FILE": str(file)}
        # The plan is made while all is well, and the worker meets the bursts.
        job = _begin(lab)
        proxy.bad = True  # type: ignore[attr-defined]
        lab.bw("job", "watch", job)
        proxy.bad = False  # type: ignore[attr-defined]
        refused = proxy.refused  # type: ignore[attr-defined]
        assert refused > 0
        assert "an API fails" in lab.bw("job", "log", job).stdout
        assert len(migrations(cloud, web)) == 1
        assert _nothing_lost(lab, cloud, job, web) == "done"
        proxy.shutdown()


@pytest.mark.slow
@pytest.mark.failure("b33")
def test_two_servers_of_one_name(lab: Lab, cloud: Cloud) -> None:
    one, two = cloud.boot("ht-same", "ht-same")
    refused = lab.bw("host", "enter", HOST, "--reason", "reboot", "--stop", "ht-same", "--yes", code=2)
    assert one.id in refused.stderr
    assert two.id in refused.stderr
    view = _enter(lab, "--parallel", "2")
    assert {s["id"] for s in view["report"]["servers"]} == {one.id, two.id}
    assert [cloud.place(s) for s in (one, two)] == [(OTHER, "ACTIVE")] * 2
    lab.bw("job", "rollback", view["job"], "--yes")
    _home(cloud, one, two)


@pytest.mark.slow
@pytest.mark.failure("b3", "b29")
def test_a_migration_on_a_slow_link_is_cancelled(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    lab.on(HOST, "virsh", "-c", "qemu:///system", "migrate-setspeed", web.id, "1")
    job = _begin(lab)
    _on_its_way(cloud, web)
    until(lambda: step_of(lab, job, "move.")["state"] == "running", "the move to be waited for")
    lab.bw("job", "cancel", job, code=130)
    _home(cloud, web)
    assert [m["status"] for m in migrations(cloud, web)][:1] in (["cancelled"], ["completed"])
