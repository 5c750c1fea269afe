"""Servers on the lab's compute hosts, for tests of host maintenance: how they are made, seen by other eyes, and cleaned up."""

from __future__ import annotations

import itertools
import json
import os
import re
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

from lab.guests.image import tiny_image
from lab.site import STATE

from .conftest import ROOT, Lab, until

HOST, OTHER = "cmp1", "cmp2"
IMAGE = "host-test"
SILENT_S = 25.0
"""A server that moves is away for some seconds; who is away for longer than this has lost its network."""


class Cloud:
    """Servers of this test, and what can be seen of them by other eyes than the product's."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.sdk = lab.connect()
        self.made: list[str] = []

    def boot(self, *names: str, host: str = HOST, wait: bool = True, volume: bool = False, **more: Any) -> list[Any]:
        """Tiny guests on a host, in the network `private`, open to pings. With `volume` their disks are in Ceph."""
        compute, network = self.sdk.compute, self.sdk.network
        image = self.sdk.image.find_image(IMAGE).id
        if volume:
            disk = {"boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "volume"}
            more["block_device_mapping"] = [{**disk, "volume_size": 1, "delete_on_termination": True}]
        else:
            more["image_id"] = image
        asked = [
            compute.create_server(
                name=name,
                flavor_id=compute.find_flavor("m1.nano").id,
                networks=[{"uuid": network.find_network("private").id}],
                security_groups=[{"name": "open"}],
                availability_zone=f"nova:{host}",
                **more,
            )
            for name in names
        ]
        self.made += [s.id for s in asked]
        servers = [compute.wait_for_server(s, wait=240) for s in asked]
        if wait:
            self.hear(*servers)
        return servers

    def hear(self, *servers: Any) -> None:
        """Wait until they answer; where one does not, the product says why."""
        for server in servers:
            try:
                until(lambda s=server: self.answers(s), f"{server.name} to answer")  # type: ignore[misc]
            except AssertionError as e:
                said = self.lab.bw("diagnose", "network", server.id, "--inject", code=None)
                raise AssertionError(f"{e}\n{said.stdout}{said.stderr}") from None

    def answers(self, server: Any) -> bool:
        return self.lab.run("guest", server.id, "ping", code=None).returncode == 0

    def act(self, server: Any, call: str, status: str) -> None:
        getattr(self.sdk.compute, call)(server.id)
        until(lambda: self.now(server).status == status, f"{server.name} to be {status}")

    def now(self, server: Any) -> Any:
        return self.sdk.compute.get_server(server.id)

    def place(self, server: Any) -> tuple[str, str]:
        now = self.now(server)
        return now.compute_host, now.status

    def service(self, host: str = HOST) -> Any:
        return next(s for s in self.sdk.compute.services(binary="nova-compute") if s.host == host)

    def disable(self, host: str, reason: str) -> None:
        self.sdk.compute.disable_service(self.service(host), disabled_reason=reason)

    def domains(self, host: str) -> set[str]:
        return set(self.lab.on(host, "virsh", "-c", "qemu:///system", "list", "--all", "--uuid").split())

    def flags(self) -> dict[str, list[str]]:
        argv = ["ceph", "-c", self.lab.env["CEPH_CONF"], "osd", "dump", "-f", "json"]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        found: dict[str, list[str]] = json.loads(done.stdout)["crush_node_flags"]
        return found

    def in_service(self) -> None:
        """Nothing of a maintenance is left."""
        service = self.service()
        assert (service.status, service.disabled_reason or "") == ("enabled", "")
        assert self.flags().get(HOST, []) == []


def uploaded(lab: Lab) -> Iterator[None]:
    """The image of the guests, for as long as it is wanted."""
    sdk = lab.connect()
    image = tiny_image(sdk, IMAGE)
    yield
    sdk.image.delete_image(image)


def tidy(lab: Lab) -> Iterator[Cloud]:
    """A cloud whose hosts are in service; afterwards nothing of the test is left there."""
    made = Cloud(lab)
    made.in_service()
    yield made
    # Whatever a failed test has left is put right, so that the next one tells of itself.
    for host in (HOST, OTHER):
        service = made.service(host)
        if service.is_forced_down:
            made.sdk.compute.update_service_forced_down(service, forced=False)
        if service.status != "enabled":
            made.sdk.compute.enable_service(service)
    subprocess.run(
        ["ceph", "-c", lab.env["CEPH_CONF"], "osd", "unset-group", "noout", HOST], check=False, capture_output=True
    )
    for id_ in made.made:
        server = made.sdk.compute.find_server(id_, ignore_missing=True)
        if server:
            made.sdk.compute.unlock_server(id_)
            made.sdk.compute.delete_server(id_, force=True)
            made.sdk.compute.wait_for_delete(server, wait=120)
        # Nova leaves the folder of one whose migration has failed where it was before.
        for host in (HOST, OTHER):
            lab.on(host, "rm", "-rf", f"{STATE}/nova/instances/{id_}")


class Listener:
    """Pings a server from its network's DHCP namespace all the time, and knows nothing of the product.

    Where the server falls silent the diagnosis is printed while it is so: an operation that fails brings it home.
    """

    def __init__(self, cloud: Cloud, server: Any) -> None:
        port = next(iter(cloud.sdk.network.ports(device_id=server.id)))
        namespace, address = f"qdhcp-{port.network_id}", port.fixed_ips[0]["ip_address"]
        ping = f"exec ip netns exec {namespace} ping -n -D -w 1800 -i 0.2 {address}"
        self._lab, self._server, self._pid = cloud.lab, server.id, f"/run/host-test-{server.id}.pid"
        argv = [str(ROOT / "lab" / "lab"), "exec", "net1", "--", "sh", "-c", f"echo $$ > {self._pid}; {ping}"]
        self._child = subprocess.Popen(argv, stdout=subprocess.PIPE)
        self._said = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        pipe, heard, told = self._child.stdout.fileno(), time.monotonic(), False
        while True:
            if select.select([pipe], [], [], 1.0)[0]:
                said = os.read(pipe, 65536)
                if not said:
                    return
                self._said += said
                heard = time.monotonic() if b" bytes from " in said else heard
            if not told and time.monotonic() - heard > SILENT_S:
                told = True
                print(self._lab.bw("diagnose", "network", self._server, code=None).stdout)

    def stop(self) -> tuple[int, int, float]:
        """How many pings were sent and lost, and the longest time without an answer (seconds)."""
        self._lab.on("net1", "sh", "-c", f"kill -INT $(cat {self._pid}); rm {self._pid}")
        self._child.wait(timeout=60)
        self._reader.join(timeout=60)
        text = self._said.decode()
        sent, received = map(int, re.findall(r"(\d+) packets transmitted, (\d+) received", text)[0])
        times = [float(t) for t in re.findall(r"^\[([\d.]+)\] \d+ bytes", text, re.M)]
        return sent, sent - received, max((b - a for a, b in itertools.pairwise(times)), default=0.0)


def migrations(cloud: Cloud, server: Any) -> list[dict[str, Any]]:
    reply = cloud.sdk.compute.get(f"/os-migrations?instance_uuid={server.id}", microversion="2.60")
    found: list[dict[str, Any]] = reply.json()["migrations"]
    return found


def step_of(lab: Lab, job: str, prefix: str) -> dict[str, Any]:
    return next(s for s in lab.json("job", "show", job)["steps"] if s["id"].startswith(prefix))
