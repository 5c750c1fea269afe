"""`lab/lab guest`: a guest as it looks from outside, wherever it runs."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any

from lab.hosts import enter
from lab.parts import has
from lab.parts.kvm_guests import GUESTS, KVM, console
from lab.run import LabError, ok, wait
from lab.site import CLOUD_B_HOSTS, CLOUDS, EVERY_HOST, HOSTS, exports


def show(server: str, what: str, *, text: str, timeout: float) -> int:
    """Print a guest's console, wait for a text on it, or ping its addresses; the exit code."""
    cloud, found = _find(server)
    if found is None and server not in GUESTS:
        raise LabError(f"no server or KVM guest is called {server}")

    def read() -> str:
        if found is not None:
            return str(cloud.compute.get_server_console_output(found.id).get("output") or "")
        file = console(server)
        return file.read_text(errors="replace") if file.exists() else ""

    if what == "console":
        print(read())
        return 0
    if what == "wait":
        wait(lambda: re.search(text, read()), f"{text!r} on the console of {server}", timeout=timeout)
        print(next(line for line in reversed(read().splitlines()) if re.search(text, line)))
        return 0
    answers = _ping_server(cloud, found) if found is not None else _ping_domain(server)
    for address, answer in answers.items():
        print(f"{address} {'answers' if answer else 'is silent'}")
    return 0 if answers and all(answers.values()) else 1


def _find(server: str) -> tuple[Any, Any]:
    """The cloud that has a server, and the server; None where there is none, or no cloud."""
    import openstack

    os.environ.update(exports())
    for each in CLOUDS.values():
        if has(each.extra):
            with suppress(Exception):
                cloud = openstack.connect(cloud=each.name)
                found = cloud.compute.find_server(server, all_projects=True)
                if found is not None:
                    return cloud, cloud.compute.get_server(found.id)
    return None, None


def _ping_server(cloud: Any, server: Any) -> dict[str, bool]:
    by_ovn = server.compute_host in CLOUD_B_HOSTS
    host, kind = (EVERY_HOST[server.compute_host], "ovnmeta") if by_ovn else (HOSTS["net1"], "qdhcp")
    found = {}
    for port in cloud.network.ports(device_id=server.id):
        for fixed in port.fixed_ips:
            namespace = ["ip", "netns", "exec", f"{kind}-{port.network_id}"]
            found[fixed["ip_address"]] = ok(
                [*enter(host), *namespace, "ping", "-c2", "-i0.3", "-W2", fixed["ip_address"]]
            )
    return found


def _ping_domain(name: str) -> dict[str, bool]:
    guest = GUESTS[name]
    addresses = [guest.address(i) for i in range(len(guest.nics))]
    return {a: ok([*enter(KVM), "ping", "-c2", "-i0.3", "-W2", a]) for a in addresses}
