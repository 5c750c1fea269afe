"""Where changes are done: on a host, between the hosts, in the API, in the services' databases, or by waiting for somebody."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from lab import ovs
from lab.faults.target import connect, shell
from lab.parts import neutron
from lab.parts.infra import sql
from lab.parts.openstack import seed
from lab.run import LabError, wait
from lab.site import EVERY_HOST


def run(place: str, what: str) -> None:
    """Do, or undo, what a Change has for its place; nothing for "". Raises LabError when it fails."""
    if not what.strip():
        return
    if place in OTHERS:
        OTHERS[place](what)
    else:
        # Every line counts, and one that fails must not hide behind the next.
        shell(place, "set -e\n" + what)


def until(place: str, script: str, timeout: float) -> None:
    """Run a script until it exits 0. Raises LabError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        try:
            shell(place, script)
            return
        except LabError as e:
            if time.monotonic() > end:
                raise LabError(f"waited {timeout:.0f} s in vain on {place} for: {script}\n{e}") from e
        time.sleep(0.5)


def _api(steps: str) -> None:
    cloud = connect()
    for service, method, args, options in json.loads(steps):
        _call(cloud, service, method, args, options)


def _call(cloud: Any, service: str, method: str, args: list[Any], options: dict[str, Any]) -> None:
    try:
        getattr(getattr(cloud, service), method)(*args, **options)
    except Exception as e:
        # Asked a second time, the cloud says that it is so already.
        if re.search(r"\b409\b.*(Cannot|already)", str(e)) or (method.startswith("remove_") and "404" in str(e)):
            return
        raise LabError(f"{service}.{method}: {e}") from e


def _switch(host: str) -> None:
    # With the address that its bridge loses.
    ovs.start(EVERY_HOST[host])


def _new_agent(host: str) -> None:
    neutron.start(EVERY_HOST[host], "ovs")


def _agent(what: str) -> None:
    wait(lambda: seed(f"agent:{what}") == "up\n", f"the agent {what} to report itself", timeout=60)


def _port(port: str) -> None:
    cloud = connect()
    wait(lambda: cloud.network.get_port(port).status == "ACTIVE", f"port {port} to be active", timeout=120)


OTHERS = {
    "api": _api,
    "sql": sql,
    "lab": _switch,
    "lab-new-agent": _new_agent,
    "lab-agent": _agent,
    "lab-port": _port,
}
