"""A campaign over a fleet of fake-driver computes: real Nova and Placement, hundreds of servers.

`BW_FLEET` says over how many hosts (30). The same fleet is then emptied host by host as `nova host-evacuate-live` does it, and
both times are printed.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from lab.fleet import EACH, names

from .conftest import Lab, until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(3600)]
HOSTS = names(int(os.environ.get("BW_FLEET", "30")))
ROOM = 16
LANES = 2


@pytest.fixture
def fleet(lab: Lab) -> Iterator[Lab]:
    lab.run("add", "fleet", str(len(HOSTS)), timeout=900)
    yield lab
    lab.run("remove", "fleet", timeout=900)


class Fleet:
    """The fleet by Nova's eyes."""

    def __init__(self, lab: Lab) -> None:
        self.compute = lab.connect().compute

    def places(self) -> dict[str, str]:
        found = self.compute.servers(all_projects=True, name="^fleet-")
        return {s.id: s.compute_host for s in found if s.status == "ACTIVE"}

    def groups(self) -> list[list[str]]:
        found = self.compute.server_groups(all_projects=True)
        return [list(g.member_ids) for g in found if g.name.startswith("fleet-")]

    def services(self) -> list[Any]:
        return [s for s in self.compute.services(binary="nova-compute") if s.host in HOSTS]

    def empty_as_novaclient(self, host: str) -> None:
        """What `nova host-evacuate-live` asks for, and the wait until it is over, which that leaves to its user."""
        service = next(s for s in self.services() if s.host == host)
        self.compute.disable_service(service, disabled_reason="baseline")
        for server in [s for s, at in self.places().items() if at == host]:
            self.compute.live_migrate_server(server, host=None, block_migration="auto")
        until(lambda: host not in self.places().values() and len(self.places()) == EACH * len(HOSTS), host, 600)
        self.compute.enable_service(service)


def replay(events: list[dict[str, Any]], places: dict[str, str], groups: list[list[str]]) -> tuple[int, int]:
    """Check every moment of a campaign by the ledger's events; the most hosts closed at once, and how many moves there were.

    A server counts on its destination from the moment that Nova is asked, and on its source until then.
    """
    where = dict(places)
    closed: set[str] = set()
    most = moves = 0
    for event in events:
        data = event["data"]
        if event["message"] == "disable nova-compute":
            closed.add(data["host"])
        elif event["message"] == "enable nova-compute":
            closed.discard(data["host"])
        elif event["message"] == "live-migrate server":
            server, to = data["server"], data["to"]
            moves += 1
            assert to not in closed, f"{server} was sent to {to}, which is closed"
            for group in (g for g in groups if server in g):
                assert to not in {where[m] for m in group if m != server}, f"two of a group on {to}"
            where[server] = to
        most = max(most, len(closed))
        counts = Counter(where.values())
        assert max(counts.values()) <= ROOM, f"too many on {counts.most_common(1)}"
        room = sum(ROOM - counts[h] for h in HOSTS if h not in closed)
        assert room >= sum(counts[h] for h in closed), "the rest could not take what is on closed hosts"
        assert len(closed) <= LANES
    return most, moves


def test_a_campaign_over_the_fleet(fleet: Lab) -> None:
    eyes = Fleet(fleet)
    before, groups = eyes.places(), eyes.groups()
    assert len(before) == EACH * len(HOSTS)
    began = time.monotonic()
    view = fleet.json(
        "host", "campaign", *HOSTS, "--reason", "cpu-bug", "--run", "true", "--parallel", "4",
        "--max-unavailable", str(LANES), "--yes", code=None,
    )  # fmt: skip
    took = time.monotonic() - began
    assert view["state"] == "done", [(h["host"], h["error"]) for h in view["report"]["hosts"] if h["error"]][:5]

    most, moves = replay(fleet.json("job", "log", view["job"]), before, groups)

    after = eyes.places()
    assert after.keys() == before.keys()
    assert all(h["in_service"] for h in view["report"]["hosts"])
    assert [(s.status, s.disabled_reason or "") for s in eyes.services()] == [("enabled", "")] * len(HOSTS)
    assert fleet.json("job", "claims") == []
    for group in groups:
        assert len({after[m] for m in group}) == len(group)
    print(
        json.dumps(
            {"hosts": len(HOSTS), "servers": len(after), "moves": moves, "closed_at_once": most, "s": round(took)}
        )
    )
    start = time.monotonic()
    for host in HOSTS:
        eyes.empty_as_novaclient(host)
    serial = time.monotonic() - start
    print(
        f"campaign, {LANES} hosts at once, 4 servers each: {took:.0f} s; nova host-evacuate-live, serial: {serial:.0f} s"
    )
