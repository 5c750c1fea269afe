"""`lab/lab guest`: a guest as it looks from outside, wherever it runs."""

from __future__ import annotations

import os
import re
from typing import Any

from lab.hosts import enter
from lab.parts.kvm_guests import GUESTS, KVM, console
from lab.run import LabError, ok, wait
from lab.site import HOSTS, exports


def show(server: str, what: str, *, text: str, timeout: float) -> int:
    """Print a guest's console, wait for a text on it, or ping its addresses; the exit code."""
    cloud = _cloud()
    found = cloud.compute.find_server(server, all_projects=True) if cloud else None
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
    answers = _ping_server(cloud, found.id) if found is not None else _ping_domain(server)
    for address, answer in answers.items():
        print(f"{address} {'answers' if answer else 'is silent'}")
    return 0 if answers and all(answers.values()) else 1


def _cloud() -> Any:
    import openstack

    os.environ.update(exports())
    try:
        return openstack.connect(cloud="lab")
    except Exception:
        return None


def _ping_server(cloud: Any, server_id: str) -> dict[str, bool]:
    net1 = enter(HOSTS["net1"])
    found = {}
    for port in cloud.network.ports(device_id=server_id):
        for fixed in port.fixed_ips:
            namespace = ["ip", "netns", "exec", f"qdhcp-{port.network_id}"]
            found[fixed["ip_address"]] = ok([*net1, *namespace, "ping", "-c2", "-i0.3", "-W2", fixed["ip_address"]])
    return found


def _ping_domain(name: str) -> dict[str, bool]:
    guest = GUESTS[name]
    addresses = [guest.address(i) for i in range(len(guest.nics))]
    return {a: ok([*enter(KVM), "ping", "-c2", "-i0.3", "-W2", a]) for a in addresses}
