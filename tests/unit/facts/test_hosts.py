"""Parsers of what Nova and Ceph say about hosts, on what the APIs of a Zed cloud and of Ceph 16 answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.facts import pings
from blue_wizard.facts.computes import parse_hypervisors, parse_services
from blue_wizard.facts.osds import on_host
from blue_wizard.facts.servers import parse_migrations, parse_server

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "hosts.json").read_text())


def test_services() -> None:
    found = parse_services(GOLDEN["services"])
    # The scheduler and the conductor are no compute hosts.
    assert [(s.host, s.zone, s.enabled, s.up, s.reason) for s in found] == [
        ("cmp1", "nova", True, True, ""),
        ("cmp2", "nova", True, True, ""),
    ]


def test_hypervisors() -> None:
    found = parse_hypervisors(GOLDEN["hypervisors"])
    assert [(h.host, h.kind, h.version) for h in found] == [("cmp1", "QEMU", 7002022), ("cmp2", "QEMU", 7002022)]
    assert found[0].id == GOLDEN["hypervisors"][0]["id"]


def test_server() -> None:
    found = parse_server(GOLDEN["server"])
    assert (found.name, found.host, found.vm_state, found.task_state) == ("diag-hybrid", "cmp1", "active", "")
    assert (found.ram, found.disk, found.config_drive, found.locked) == (128, 1, False, False)


def test_the_disk_of_a_server_is_what_lies_on_its_host() -> None:
    flavor = {**GOLDEN["server"]["flavor"], "disk": 20, "ephemeral": 10, "swap": 1500}
    assert parse_server({**GOLDEN["server"], "flavor": flavor}).disk == 32
    # Booted from a volume it has no root disk there.
    assert parse_server({**GOLDEN["server"], "flavor": flavor, "image": ""}).disk == 12
    assert parse_server({**GOLDEN["server"], "flavor": {**flavor, "swap": ""}}).disk == 30


def test_migrations_are_newest_first_and_know_their_end() -> None:
    base = {"instance_uuid": "s", "source_compute": "a", "dest_compute": None, "migration_type": "live-migration"}
    states = {"running": (False, False), "queued": (False, False), "completed": (True, False), "error": (True, True),
              "cancelled": (True, True), "finished": (True, False), "confirmed": (True, False)}  # fmt: skip
    found = parse_migrations({**base, "id": i, "status": s} for i, s in enumerate(states))
    assert [m.id for m in found] == sorted(range(len(states)), reverse=True)
    assert {m.status: (m.ended, m.failed) for m in found} == states


def test_osds_of_a_host() -> None:
    ceph = (GOLDEN["osd_metadata"], GOLDEN["osd_tree"], GOLDEN["osd_dump"])
    assert on_host("cmp1", *ceph).ids == (2,)
    assert on_host("cmp1", *ceph).bucket == "cmp1"
    assert on_host("cmp2", *ceph).ids == ()
    # Nova may know a host by its full name, but never by a part of another one's.
    assert on_host("cmp1.example.org", *ceph).ids == (2,)
    assert on_host("cmp", *ceph).ids == ()


def test_osds_whose_bucket_has_another_name_and_flags() -> None:
    tree = json.loads(json.dumps(GOLDEN["osd_tree"]).replace('"cmp1"', '"10.98.0.12"').replace('"up"', '"down"'))
    dump = {"flags": "noout,sortbitwise", "crush_node_flags": {"10.98.0.12": ["noout"]}}
    found = on_host("cmp1", GOLDEN["osd_metadata"], tree, dump)
    assert (found.bucket, found.flags, found.global_flags, found.down) == ("10.98.0.12", ("noout",), ("noout",), (2,))


def test_a_bucket_that_holds_osds_of_other_hosts_is_nobodys() -> None:
    tree = {
        "nodes": [
            {"id": -7, "name": "rack", "type": "host", "children": [1, 2]},
            {"id": 2, "type": "osd", "name": "osd.2"},
        ]
    }
    assert on_host("cmp1", GOLDEN["osd_metadata"], tree, {}).bucket == ""


PING = """PING 10.1.0.5 (10.1.0.5) 56(84) bytes of data.
[1764165600.000000] 64 bytes from 10.1.0.5: icmp_seq=1 ttl=64 time=0.5 ms
[1764165600.200000] 64 bytes from 10.1.0.5: icmp_seq=2 ttl=64 time=0.5 ms
[1764165601.600000] 64 bytes from 10.1.0.5: icmp_seq=9 ttl=64 time=0.5 ms

--- 10.1.0.5 ping statistics ---
10 packets transmitted, 3 received, 70% packet loss, time 1800ms
"""


def test_pings() -> None:
    found = pings.parse(PING)
    assert found is not None
    assert (found.sent, found.lost) == (10, 7)
    assert found.silence_s == pytest.approx(1.4)
    assert pings.parse("ping: connect: Network is unreachable\n") is None


def test_rounds_of_pings_keep_the_longest_silence() -> None:
    first = pings.Pings(2, 0, (1.0, 1.2))
    lost = pings.Pings(5, 5, ())
    last = pings.Pings(2, 0, (4.2, 4.4))
    found = pings.joined(pings.joined(pings.joined(first, lost), last), pings.Pings(2, 0, (4.6, 4.8)))
    assert (found.sent, found.lost) == (11, 5)
    assert found.silence_s == pytest.approx(3.0)
