"""Planted faults: what they are made of, that they are written down before they are done, and how a diagnosis is judged."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.diagnose.causes import CODES
from lab.faults import KINDS, OVN, SEGMENTS, VERDICTS, Change, Fault, changes, journal, load, named
from lab.faults.command import choose
from lab.faults.dumps import differences
from lab.faults.target import Target
from lab.faults.verdicts import judge, segment, table
from lab.run import LabError

HOPS = {"guest", "tap", "qbr", "qvb", "qvo", "compute-br-int", "compute-br-tun", "compute-bridge", "compute-nic", "network-nic",
        "network-br-tun", "network-bridge", "network-br-int", "dhcp-port", "dhcp-server", "gateway-port", "router", "out-port",
        "metadata-proxy", "dns-server"}  # fmt: skip
# As Open vSwitch 3.1 prints them: table 0 has no name, and neither has a cookie of 0.
DUMP = """\
 cookie=0x4ecb944001fa4a24, priority=65535,dl_vlan=4095 actions=drop
 cookie=0x31abf6bdbf1f499e, table=10, priority=1 actions=learn(table=20,hard_timeout=300,priority=1,cookie=0x31),output:1
 cookie=0x31abf6bdbf1f499e, table=20, hard_timeout=300, priority=1,vlan_tci=0x0001/0x0fff actions=output:3
 cookie=0x8b544eb0db8ef139, table=71, reset_counts priority=110,ct_state=+trk actions=ct_clear,resubmit(,71)
 priority=0 actions=NORMAL
"""
TARGET = Target(
    server="3e85272d",
    instance="instance-00000001",
    port="59ec8cda-26f5-46e0-9770-b8af20edeebb",
    mac="fa:16:3e:f2:38:8d",
    address="10.1.0.47",
    network="6462972d-9170-4975-99c9-549b327307fc",
    subnet="5ff3b1e5-9628-4a44-8aed-41ba25eae0f9",
    network_type="vxlan",
    segment=1665,
    host="cmp1",
    hybrid=True,
    net="net1",
    dhcp_port="7266719d-c534-4a22-a833-20f91a7676fc",
    dhcp_agent="48654539",
)


def answering(answers: dict[str, str]) -> Target:
    """A target whose hosts answer a script by what is in it."""

    def sh(_: str, script: str) -> str:
        return next(v for k, v in answers.items() if k in script)

    return replace(TARGET, sh=sh)


def test_every_fault_is_whole() -> None:
    faults = load()
    assert len(faults) >= 60
    for f in faults.values():
        assert f.on, f.name
        assert set(f.on) <= {*KINDS, OVN}, f.name
        assert f.verdict in VERDICTS, f.name
        assert f.look in ("state", "packet"), f.name
        assert f.restores in ("exact", "shape", "function"), f.name
        f.object.format(**TARGET.names())
        assert not f.to or re.fullmatch(r"\S* (icmp|tcp/\d+|udp/\d+)", f.to.format(**TARGET.names())), f.name
        if f.verdict == "lost":
            assert f.segments, f.name
            assert set(f.segments) <= set(SEGMENTS), f.name
            assert f.hop in HOPS, f.name
            assert f.direction in ("request", "reply"), f.name
            assert "." in f.code, f.name
    # Every mode has faults, and every place where a packet can be lost.
    assert {f.on[0] for f in faults.values()} == {*KINDS, OVN}
    assert {s for f in faults.values() for s in f.segments} == set(SEGMENTS)
    with pytest.raises(LabError, match="there is no fault nothing"):
        named("nothing")


def test_faults_speak_of_causes_that_the_product_knows() -> None:
    faults = load().values()
    assert {f.code for f in faults if f.code} <= set(CODES)
    assert {c for f in faults for c in f.also} <= set(CODES)


def test_flows_come_back_as_they_were() -> None:
    found = changes.parse_flows(DUMP)
    assert [f.key for f in found] == [
        "table=0,priority=65535,dl_vlan=4095",
        "table=10,priority=1",
        "table=20,priority=1,vlan_tci=0x0001/0x0fff",
        "table=71,priority=110,ct_state=+trk",
        "table=0,priority=0",
    ]
    assert [f.learned for f in found] == [False, False, True, False, False]
    assert found[3].text == (
        "cookie=0x8b544eb0db8ef139,reset_counts,table=71,priority=110,ct_state=+trk actions=ct_clear,resubmit(,71)"
    )
    with pytest.raises(ValueError, match="not a flow: nonsense"):
        changes.parse_flows("nonsense")


def test_deleted_flows_are_named_one_by_one() -> None:
    change = changes.flows_gone(answering({"dump-flows": DUMP}), "cmp1", "br-int", "table=71")
    assert "--strict del-flows br-int table=71,priority=110,ct_state=+trk" in change.do
    # What the switch has learned by itself it will learn again.
    assert "vlan_tci" not in change.undo
    with pytest.raises(LabError, match="br-int has no flow table=3"):
        changes.flows_gone(answering({"dump-flows": ""}), "cmp1", "br-int", "table=3")


def test_flows_are_changed_in_their_actions_only() -> None:
    t = answering({"dump-flows": DUMP.splitlines()[0]})
    change = changes.flows_changed(t, "cmp1", "br-int", "", lambda _: "NORMAL")
    assert "table=0,priority=65535,dl_vlan=4095 actions=NORMAL" in change.do
    assert "table=0,priority=65535,dl_vlan=4095 actions=drop" in change.undo
    with pytest.raises(LabError, match="to change"):
        changes.flows_changed(t, "cmp1", "br-int", "", lambda a: a)


def test_a_column_gets_back_what_it_had() -> None:
    t = answering({"get Port qvo tag": "1\n", "get Port qvo trunks": "[]\n"})
    change = changes.column(t, "cmp1", "Port", "qvo", tag="4095", trunks="[4095]")
    assert change.do.endswith("set Port qvo tag=4095 'trunks=[4095]'")
    assert change.undo.endswith("set Port qvo tag=1 'trunks=[]'")


def test_rules_come_back_to_their_places() -> None:
    rules = '-N c\n-A c -p udp -j RETURN\n-A c -j s\n-A c -p udp -m comment --comment "two words" -j RETURN\n'
    change = changes.rules_gone(answering({"-S c": rules}), "cmp1", "c", "udp")
    # The last first, or the numbers of the others would change.
    assert [x.split()[-1] for x in change.do.splitlines()] == ["3", "1"]
    assert 'I c 3 -p udp -m comment --comment "two words" -j RETURN' in change.undo.splitlines()[1]


def test_a_file_comes_back_byte_by_byte() -> None:
    change = changes.file_changed(answering({"cat": "a 'b'\n"}), "net1", "/x/host", ": > /x/host", "kill -HUP 1")
    assert "YSAnYicK" in change.undo
    assert change.do.endswith("kill -HUP 1")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was run, in order; scripts that say `fail` fail. Dumps never differ."""
    ran: list[str] = []

    def run(place: str, script: str) -> None:
        # What is done must stand in the record already.
        assert list(tmp_path.glob("*.json")), script
        ran.append(f"{place}: {script}")
        if "fail" in script:
            raise LabError("it failed")

    monkeypatch.setattr(journal, "FOLDER", tmp_path)
    monkeypatch.setattr(journal, "_run", run)
    monkeypatch.setattr(journal, "dumps", lambda: {"cmp1": "as ever"})
    monkeypatch.setattr(journal, "_PAUSE", 0)
    return ran


def planted(*made: Change, name: str = "qvb-down") -> Fault:
    """A fault of these changes, under the name of a real one."""
    return replace(named(name), plan=lambda _: list(made))


def test_healing_goes_backwards_and_forgets(world: list[str]) -> None:
    journal.inject(planted(Change("cmp1", "do 1", "undo 1"), Change("net1", "do 2", "undo 2")), TARGET)
    assert journal.planted() == ["qvb-down"]
    assert journal.heal() == ["qvb-down"]
    assert world == ["cmp1: do 1", "net1: do 2", "net1: undo 2", "cmp1: undo 1"]
    assert journal.planted() == []
    assert journal.heal() == []


def test_a_change_that_fails_is_undone_with_all_others(world: list[str]) -> None:
    with pytest.raises(LabError, match="could not be planted: it failed"):
        journal.inject(planted(Change("cmp1", "do 1", "undo 1"), Change("net1", "fail", "undo 2")), TARGET)
    assert world[-2:] == ["net1: undo 2", "cmp1: undo 1"]
    assert journal.planted() == []


def test_what_cannot_be_undone_stays_written_down(world: list[str]) -> None:
    journal.inject(planted(Change("cmp1", "do 1", "undo 1"), Change("net1", "do 2", "fail")), TARGET)
    with pytest.raises(LabError, match="stays written down"):
        journal.heal()
    assert world[-1] == "cmp1: undo 1"
    assert journal.planted() == ["qvb-down"]


def test_one_fault_at_a_time_and_only_where_it_fits(world: list[str]) -> None:
    with pytest.raises(LabError, match="is for a port of the kind"):
        journal.inject(planted(), replace(TARGET, hybrid=False))
    journal.inject(planted(), TARGET)
    with pytest.raises(LabError, match="qvb-down is planted"):
        journal.inject(planted(name="qvo-down"), TARGET)
    with pytest.raises(LabError, match="qvo-down is not planted"):
        journal.heal("qvo-down")


def test_a_port_is_chosen_by_its_kind() -> None:
    vlan = replace(TARGET, network_type="vlan", port="9595659d")
    fault = load()["vlan-wrong-id"]
    assert choose(fault, [TARGET, vlan]) is vlan
    with pytest.raises(LabError, match="59ec8cda-26 hybrid"):
        choose(fault, [TARGET])


def test_dumps_differ_by_line_or_by_shape() -> None:
    before, after = {"cmp1": "tag: 1\nup"}, {"cmp1": "tag: 2\nup"}
    assert differences(before, before) == []
    assert differences(before, after) == ["cmp1: -tag: 1", "cmp1: +tag: 2"]
    assert differences(before, after, exact=False) == []
    assert differences(before, {"cmp1": "tag: 1"}, exact=False) == ["cmp1: -up"]


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (["guest", "tap"], "guest"),
        (["tap", "qbr"], "tap"),
        (["tap", "compute-br-int"], "compute-ovs"),
        (["qvo", "compute-br-int"], "compute-ovs"),
        (["compute-br-tun", "compute-nic"], "compute-ovs"),
        (["compute-nic", "network-nic"], "wire"),
        (["network-nic", "compute-nic"], "wire"),
        (["network-br-int", "dhcp-port"], "network-ovs"),
        (["dhcp-port", "dhcp-server"], "dhcp"),
        (["network-br-int", "gateway-port"], "network-ovs"),
        (["out-port", "router"], "router"),
        (["qbr", "tap"], "tap"),
        (["tap", "nowhere"], ""),
        (None, ""),
    ],
)
def test_hops_inside_a_switch_are_one_segment(between: list[str] | None, expected: str) -> None:
    assert segment(between) == expected


def _said(**port: Any) -> dict[str, Any]:
    return {"ports": [{"port": TARGET.port, **port}]}


LOST = {
    "verdict": "lost",
    "lost_between": ["qbr", "qvb"],
    "direction": "request",
    "cause": {"code": "qvb.down", "hop": "qvb", "object": "qvb59ec8cda-26"},
    "findings": [],
}


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({}, (True, True, True)),
        ({"lost_between": ["tap", "qbr"]}, (True, False, True)),
        ({"direction": "reply"}, (True, False, True)),
        ({"cause": None}, (True, True, False)),
        ({"cause": {"code": "qvb.down", "object": "qvbanother"}}, (True, True, False)),
        ({"cause": {"code": "qvo.down", "object": "qvb59ec8cda-26"}}, (True, True, False)),
        ({"verdict": "unknown"}, (False, False, False)),
    ],
)
def test_a_loss_is_judged_by_segment_direction_code_and_object(change: dict[str, Any], right: tuple[bool, ...]) -> None:
    judged = judge(named("qvb-down"), TARGET, _said(**{**LOST, **change}), mode="read", seconds=1)
    assert (judged.right_verdict, judged.right_segment, judged.right_cause) == right


def test_a_finding_is_right_when_nothing_is_called_lost() -> None:
    fault = named("bridge-nf-off")
    noted = {"findings": [{"code": "security.bridge-nf-off", "object": "cmp1"}], "cause": None}
    assert judge(fault, TARGET, _said(verdict="degraded", **noted), mode="read", seconds=1).right_cause
    assert not judge(fault, TARGET, _said(verdict="lost", **noted), mode="read", seconds=1).right_verdict
    assert not judge(fault, TARGET, _said(verdict="ok", findings=[]), mode="read", seconds=1).right_cause
    hung = named("ssh-hung-compute")
    assert not judge(hung, TARGET, _said(verdict="lost"), mode="read", seconds=1).right_verdict


def test_what_could_not_be_looked_at_is_unknown_unless_a_packet_has_passed() -> None:
    fault = named("ovsdb-hung")
    told = {"findings": [{"code": "ovs.db-down", "object": "ovsdb-server"}], "cause": None}
    assert judge(fault, TARGET, _said(verdict="unknown"), mode="inject", seconds=1).right_verdict
    assert judge(fault, TARGET, _said(verdict="ok", **told), mode="inject", seconds=1).right_cause
    assert not judge(fault, TARGET, _said(verdict="ok", **told), mode="read", seconds=1).right_verdict
    assert not judge(fault, TARGET, _said(verdict="ok", findings=[]), mode="inject", seconds=1).right_verdict


def test_the_table_has_a_line_for_each_and_the_shares() -> None:
    fault = named("qvb-down")
    rows = [judge(fault, TARGET, _said(**LOST), mode="read", seconds=s) for s in (1.0, 3.0, 2.0)]
    rows.append(judge(fault, TARGET, {"ports": []}, mode="inject", seconds=9.0))
    lines = table(rows).splitlines()
    assert lines[1].startswith("ok")
    assert lines[4].startswith("SEGMENT")
    assert lines[-2] == "inject: 1 diagnoses, right segment 0.0%, right cause 0.0%, median 9.0 s, slowest 9.0 s"
    assert lines[-1] == "read: 3 diagnoses, right segment 100.0%, right cause 100.0%, median 2.0 s, slowest 3.0 s"


def test_a_record_can_be_read_by_whoever_heals(tmp_path: Path, world: list[str]) -> None:
    journal.inject(planted(Change("cmp1", "do", "undo", healed="")), TARGET)
    record = json.loads((tmp_path / "qvb-down.json").read_text())
    assert record["changes"] == [
        {"place": "cmp1", "do": "do", "undo": "undo", "settled": "", "healed": "", "settle_on": ""}
    ]
    assert record["before"] == {"cmp1": "as ever"}


def test_what_was_before_is_looked_at_when_nobody_is_at_work(
    tmp_path: Path, world: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(["no rules", "half of the rules"])
    monkeypatch.setattr(journal, "dumps", lambda: {"cmp1": next(looks, "all rules")})
    journal.inject(planted(Change("cmp1", "do", "undo")), TARGET)
    assert json.loads((tmp_path / "qvb-down.json").read_text())["before"] == {"cmp1": "all rules"}
    assert journal.heal() == ["qvb-down"]
