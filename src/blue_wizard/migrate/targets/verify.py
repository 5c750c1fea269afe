"""Is the new server alive? Its state, its console, and its addresses as seen from the network's DHCP namespace."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import pause_s
from blue_wizard.migrate.targets.common import cloud_of, fault_of, server_of
from blue_wizard.reach import openstack, ssh
from blue_wizard.text import _

__all__ = ["VerifyServer"]

_EVERY_S = 1.0


@dataclass
class _Probe:
    """One address: `answer` is True, False, or None when nobody could look."""

    address: str
    mac: str
    network_id: str
    agents: list[str]
    answer: bool | None = None
    note: str = ""


@action("migrate.server.verify")
class VerifyServer(Action):
    """args: cloud, ports (step ids), timeout (s), strict."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Look until all addresses answer or the time is over.

        An address counts as answering when its neighbour entry in the DHCP namespace carries the port's MAC: that is a
        reply of the guest itself, even where a security group drops the ping.
        """
        cloud = cloud_of(args)
        probes = [
            _Probe(address, o["mac"], o["network_id"], _dhcp_hosts(cloud, o["network_id"]))
            for o in (ctx.outcome(p) for p in args["ports"])
            for address in o["addresses"]
        ]
        began = time.monotonic()
        console = ""
        while True:
            server = server_of(ctx, args)
            if server["status"] == "ERROR":
                raise StepFailed(
                    _("Server {id} went into ERROR: {fault}").format(id=server["id"], fault=fault_of(server))
                )
            console = console or _console(cloud, server["id"])
            for probe in probes:
                if not probe.answer:
                    _look(probe)
            waiting = [p for p in probes if p.answer is False]
            seconds = time.monotonic() - began
            if server["status"] == "ACTIVE" and console and not waiting:
                break
            if seconds > args["timeout"]:
                break
            ctx.check_stop()
            ctx.progress(len(probes) - len(waiting), max(1, len(probes)), unit=_("addresses"), note=_("wait"))
            time.sleep(pause_s(seconds, _EVERY_S))
        outcome = {
            "status": server["status"],
            "console": console,
            "addresses": {p.address: _word(p.answer) for p in probes},
            "unproved": sorted({p.note for p in probes if p.answer is None and p.note}),
            "up_at": time.time(),
        }
        silent = [p.address for p in probes if p.answer is False]
        if server["status"] != "ACTIVE" or silent:
            text = _("Server {id} is {state} after {seconds} s, and silent on: {silent}.").format(
                id=server["id"], state=server["status"], seconds=round(seconds), silent=", ".join(silent) or "-"
            )
            if args["strict"]:
                raise StepFailed(
                    text,
                    _("Its console: openstack console log show {id} (verify: report keeps such a server)").format(
                        id=server["id"]
                    ),
                )
            ctx.event("warning", text)
        return outcome


def _word(answer: bool | None) -> str:
    return {True: "answers", False: "silent", None: "unproved"}[answer]


def _console(cloud: openstack.Cloud, server_id: str) -> str:
    """The last line of the console that holds a word, or "" (a guest without a serial console has none)."""
    try:
        found = cloud.post("compute", f"/servers/{server_id}/action", {"os-getConsoleOutput": {"length": 30}})
    except BlueWizardError:
        return ""
    lines = [re.sub(r"[^\x20-\x7e]", "", line).strip() for line in (found or {}).get("output", "").splitlines()]
    spoken = [line for line in lines if re.search(r"\w{2}", line)]
    return spoken[-1][:200] if spoken else ""


def _dhcp_hosts(cloud: openstack.Cloud, network_id: str) -> list[str]:
    try:
        found: list[dict[str, Any]] = cloud.list("network", f"/networks/{network_id}/dhcp-agents", "agents")
    except BlueWizardError:
        return []  # only administrators may ask
    return [a["host"] for a in found if a["alive"]]


def _look(probe: _Probe) -> None:
    namespace = f"qdhcp-{probe.network_id}"
    # The reply to the ping may be filtered; the answer to the ARP request before it is not.
    script = 'ip netns exec "$1" ping -c1 -W1 "$2" >/dev/null 2>&1 && echo PONG; ip netns exec "$1" ip neigh show "$2"'
    if not probe.agents:
        probe.note = _("no DHCP agent of network {id} is known").format(id=probe.network_id)
    for name in probe.agents:
        try:
            result = ssh.host(name).run(["sh", "-c", script, "look", namespace, probe.address], timeout_s=20)
        except BlueWizardError as e:
            probe.note = e.message
            continue
        if result.status != 0:
            probe.note = f"{name}: {result.stderr.strip()[-200:]}"
            continue
        # A stale entry may be that of an earlier guest with this address.
        reachable = bool({"PONG", "REACHABLE"} & set(result.stdout.split()))
        probe.answer = reachable and probe.mac.lower() in result.stdout.lower()
        if probe.answer:
            return
