"""Is the new server alive? Its state, its console, its addresses, and the services that the wave names."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import pause_s
from blue_wizard.migrate.targets.common import cloud_of, fault_of, server_of
from blue_wizard.migrate.targets.from_dhcp import Address, Door, dhcp_hosts, knock, look
from blue_wizard.reach import openstack
from blue_wizard.text import _

__all__ = ["VerifyServer"]

_EVERY_S = 1.0
_CONSOLE_S = 10.0
"""How long the console of a server that answers is waited for: many guests never write to a serial line."""


@dataclass
class _Seen:
    """What was seen of a server from outside."""

    addresses: Sequence[Address]
    tcp_ports: Sequence[int]

    def look(self) -> None:
        """Look once more at all that has not answered yet."""
        for address in self.addresses:
            if not address.answer:
                look(address)
        for address in self.addresses if self.closed else ():
            if address.answer:
                knock(address, self.closed)

    @property
    def silent(self) -> list[str]:
        """The addresses that were looked at in vain."""
        return [a.address for a in self.addresses if a.answer is False]

    @property
    def closed(self) -> list[int]:
        """The TCP ports that are open nowhere, as far as somebody could look."""
        return [p for p in self.tcp_ports if self.door(p) != Door.OPEN]

    @property
    def wrong(self) -> int:
        """How many addresses and TCP ports were looked at in vain."""
        return len(self.silent) + sum(self.door(p) != "unproved" for p in self.closed)

    @property
    def proved(self) -> bool:
        """An address has answered."""
        return any(a.answer for a in self.addresses)

    @property
    def unproved(self) -> list[str]:
        """Why some of it could not be looked at."""
        blind = any(self.door(p) == "unproved" for p in self.tcp_ports)
        return sorted({a.note for a in self.addresses if a.note and (a.answer is None or blind)})

    def door(self, port: int) -> str:
        """The best that any address says of a TCP port; "unproved" where nobody could look."""
        said = {a.doors[port] for a in self.addresses if port in a.doors}
        found = next((d for d in (Door.OPEN, Door.REFUSED, Door.SILENT) if d in said), None)
        if found is None and any(a.answer is False for a in self.addresses):
            return Door.SILENT
        return found or "unproved"


@dataclass
class _Life:
    """Since when a server is up (seconds since the epoch), and what its console has said last."""

    up_at: float | None = None
    console: str = ""

    def certain(self, now: float, *, fine: bool, proved: bool) -> bool:
        """Take what is seen now; True when nothing that is still to come could say more.

        `fine`: it runs, and nothing was looked at in vain. `proved`: an address has answered.
        """
        if not fine:
            self.up_at = None
        elif self.up_at is None and (self.console or proved):
            self.up_at = now
        return self.up_at is not None and (bool(self.console) or now - self.up_at > _CONSOLE_S)


@action("migrate.server.verify")
class VerifyServer(Action):
    """args: cloud, ports (step ids), tcp_ports (numbers, optional), timeout (s), strict."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Look until all addresses answer, and each of the TCP ports is open at one of them, or the time is over."""
        cloud = cloud_of(args)
        seen = _Seen(
            [
                Address(address, o["mac"], o["network_id"], dhcp_hosts(cloud, o["network_id"]))
                for o in (ctx.outcome(p) for p in args["ports"])
                for address in o["addresses"]
            ],
            args.get("tcp_ports", []),
        )
        life = _Life()
        began = time.monotonic()
        while True:
            server = server_of(ctx, args)
            if server["status"] == "ERROR":
                raise StepFailed(
                    _("Server {id} went into ERROR: {fault}").format(id=server["id"], fault=fault_of(server))
                )
            life.console = life.console or _console(cloud, server["id"])
            seen.look()
            fine = server["status"] == "ACTIVE" and not seen.wrong
            seconds = time.monotonic() - began
            if life.certain(time.time(), fine=fine, proved=seen.proved) or seconds > args["timeout"]:
                break
            ctx.check_stop()
            total = len(seen.addresses) + len(seen.tcp_ports)
            ctx.progress(total - seen.wrong, max(1, total), unit=_("addresses and services"), note=_("wait"))
            time.sleep(pause_s(seconds, _EVERY_S))
        if not fine:
            _complain(ctx, args, server["id"], _problem(server, seen, round(seconds)))
        return {
            "status": server["status"],
            "console": life.console,
            "addresses": {a.address: _word(a.answer) for a in seen.addresses},
            **({"services": {str(p): seen.door(p) for p in seen.tcp_ports}} if seen.tcp_ports else {}),
            "unproved": seen.unproved,
            "up_at": life.up_at or time.time(),
        }


def _problem(server: Mapping[str, Any], seen: _Seen, seconds: int) -> str:
    found = []
    if server["status"] != "ACTIVE" or seen.silent:
        text = _("Server {id} is {state} after {seconds} s, and silent on: {silent}.")
        silent = ", ".join(seen.silent) or "-"
        found.append(text.format(id=server["id"], state=server["status"], seconds=seconds, silent=silent))
    for port in seen.closed:
        if seen.door(port) == Door.REFUSED:
            text = _("Server {id} refuses TCP port {port} after {seconds} s: no service listens there.")
        else:
            text = _(
                "Server {id} says nothing on TCP port {port} after {seconds} s: its firewall, or a security group that lets "
                "nothing in from the network's DHCP server, or nobody is there."
            )
        if seen.door(port) != "unproved":
            found.append(text.format(id=server["id"], port=port, seconds=seconds))
    return " ".join(found)


def _complain(ctx: Context, args: Args, server: str, text: str) -> None:
    if args["strict"]:
        raise StepFailed(
            text,
            _("Its console: openstack console log show {id} (verify: report keeps such a server)").format(id=server),
        )
    ctx.event("warning", text)


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
