"""A look at an address from its network's DHCP namespace: does the guest itself answer, and do services of it?

The namespace is in the same network, so neither a router nor a floating IP can stand in the way; security groups can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from blue_wizard.errors import BlueWizardError
from blue_wizard.reach import openstack, ssh
from blue_wizard.text import _

__all__ = ["Address", "Door", "dhcp_hosts", "knock", "look"]


class Door(StrEnum):
    """What a TCP port says to somebody who wants to connect."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass
class Address:
    """One address: `answer` is True, False, or None when nobody could look; `doors` are its TCP ports as far as known."""

    address: str
    mac: str
    network_id: str
    agents: Sequence[str]
    answer: bool | None = None
    note: str = ""
    doors: dict[int, Door] = field(default_factory=dict)


def dhcp_hosts(cloud: openstack.Cloud, network_id: str) -> list[str]:
    """The hosts with a living DHCP server of the network; none where we may not ask."""
    try:
        found: list[dict[str, Any]] = cloud.list("network", f"/networks/{network_id}/dhcp-agents", "agents")
    except BlueWizardError:
        return []  # only administrators may ask
    return [a["host"] for a in found if a["alive"]]


def look(address: Address) -> None:
    """Does the guest itself answer there?

    It does when the neighbour entry carries the port's MAC: that is a reply of its own, even where a security group drops
    the ping.
    """
    # The reply to the ping may be filtered; the answer to the ARP request before it is not.
    script = 'ip netns exec "$1" ping -c1 -W1 "$2" >/dev/null 2>&1 && echo PONG; ip netns exec "$1" ip neigh show "$2"'
    for text in _asked(address, script):
        # A stale entry may be that of an earlier guest with this address.
        reachable = bool({"PONG", "REACHABLE"} & set(text.split()))
        address.answer = reachable and address.mac.lower() in text.lower()
        if address.answer:
            return


def knock(address: Address, ports: Sequence[int]) -> None:
    """Which of these TCP ports take a connection there? One that is open on the word of any DHCP server is open."""
    for text in _asked(address, _KNOCK, *map(str, ports)):
        for line in text.splitlines():
            port, _blank, word = line.partition(" ")
            if address.doors.get(int(port)) is not Door.OPEN:
                address.doors[int(port)] = Door(word)
        if all(address.doors.get(p) is Door.OPEN for p in ports):
            return


# All of them at once, since a port that is filtered says nothing until the time is over.
_KNOCK = """
space=$1 address=$2; shift 2
ip netns exec "$space" true || exit 1
for port; do
    (
        said=$(LC_ALL=C ip netns exec "$space" timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$address" "$port" 2>&1)
        case "$?/$said" in 0/*) word=open ;; *refused*) word=refused ;; *) word=silent ;; esac
        echo "$port $word"
    ) &
done
wait
"""


def _asked(address: Address, script: str, *more: str) -> Iterable[str]:
    """What the script writes on each DHCP host, as long as somebody asks; why it could not goes into the note."""
    if not address.agents:
        address.note = _("no DHCP agent of network {id} is known").format(id=address.network_id)
    for name in address.agents:
        argv = ["sh", "-c", script, "look", f"qdhcp-{address.network_id}", address.address, *more]
        try:
            result = ssh.host(name).run(argv, timeout_s=20, root=True)
        except BlueWizardError as e:
            address.note = e.message
            continue
        if result.status != 0:
            address.note = f"{name}: {result.stderr.strip()[-200:]}"
            continue
        yield result.stdout
