"""The judgements that decide whether something is done: arrived, empty, back, ready."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.facts.servers import Migration
from blue_wizard.maintain.actions.empty import left_over
from blue_wizard.maintain.actions.ready import missing, not_back
from blue_wizard.maintain.model import Port
from blue_wizard.maintain.moving import disagreement

from .fakes import server

ARRIVED = server(host="cmp2")
RECORD = Migration(1, "s1", "cmp1", "cmp2", "completed", "live-migration")
PORT = Port("p1", "n1", ("10.0.0.1",), host="cmp2", status="ACTIVE", vif="ovs")
DOMAINS: dict[str, list[str]] = {"cmp2": ["s1"], "cmp1": []}


def test_all_agree() -> None:
    assert disagreement(ARRIVED, RECORD, "cmp2", DOMAINS, [PORT], source="cmp1") == []


@pytest.mark.failure("b7", "b9", "b10")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"migration": replace(RECORD, status="running")}, "migration is running"),
        ({"server": replace(ARRIVED, host="cmp1")}, "Nova has it on cmp1"),
        ({"server": replace(ARRIVED, task_state="migrating")}, "busy"),
        ({"server": replace(ARRIVED, vm_state="error")}, "ERROR"),
        ({"domains": {"cmp2": [], "cmp1": []}}, "no guest"),
        ({"domains": {"cmp2": ["s1"], "cmp1": ["s1"]}}, "still has its guest"),
        ({"ports": [replace(PORT, host="cmp1")]}, "bound to cmp1"),
        ({"ports": [replace(PORT, status="DOWN")]}, "is DOWN"),
        ({"ports": [replace(PORT, vif="binding_failed")]}, "port p1"),
    ],
)
def test_each_of_them_alone_keeps_a_server_from_being_moved(change: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"server": ARRIVED, "migration": RECORD, "domains": DOMAINS, "ports": [PORT], **change}
    found = disagreement(given["server"], given["migration"], "cmp2", given["domains"], given["ports"], source="cmp1")
    assert len(found) == 1
    assert words in found[0]


def test_ports_of_a_server_that_is_off_need_not_be_active() -> None:
    off = replace(ARRIVED, vm_state="stopped")
    assert disagreement(off, None, "cmp2", DOMAINS, [replace(PORT, status="DOWN")], source="cmp1") == []


def test_empty_only_when_all_three_agree() -> None:
    assert left_over({"a": "web"}, {"a": "i-1"}, ["a"], [], ["a"]) == []
    assert len(left_over({"a": "web"}, {"b": "i-1"}, ["c"], ["d (running)"], ["e"])) == 4


@pytest.mark.failure("b23")
def test_back() -> None:
    assert not_back("boot1", "6.1.0-22", "", "") == ""
    assert not_back("boot2", "6.1.0-22", "boot1", "6.1.0-22") == ""
    assert "not been rebooted" in not_back("boot1", "6.1.0-22", "boot1", "")
    assert "6.1.0-9" in not_back("boot2", "6.1.0-9", "boot1", "6.1.0-22")


@pytest.mark.failure("b24")
def test_ready() -> None:
    agents = [{"binary": "neutron-openvswitch-agent", "alive": True}]
    assert missing(True, agents, [], "") == []
    dead = [{"binary": "neutron-openvswitch-agent", "alive": False}]
    assert len(missing(False, dead, [3], "no answer")) == 4
