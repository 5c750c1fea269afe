"""What the origins of hosts say, on recorded output, and how it becomes one inventory."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.errors import InputError
from blue_wizard.reach import inventory
from blue_wizard.reach.inventories import ansible, ceph_orch, nova
from blue_wizard.reach.inventories.entry import Entry

GOLDEN = Path(__file__).parent / "golden"


def test_ansible() -> None:
    found = {e.name: e for e in ansible.parse((GOLDEN / "ansible-inventory-2.19.json").read_text())}
    assert found["ctl2"] == Entry(
        "ctl2", ("ansible",), "10.0.0.11", "kolla", 2222, None, True, ("control", "network"), "podman"
    )
    assert found["cmp1"].jump == "ops@bastion:2200"
    assert found["sto1"].jump == "jump1,jump2"
    assert found["sto1"].address is None, "a template is not an address"
    assert sorted(found) == ["cmp1", "cmp2", "ctl1", "ctl2", "sto1"], "localhost is not reached by SSH"


@pytest.mark.parametrize(
    ("arguments", "jump"),
    [
        ("", None),
        ("-o ControlMaster=auto", None),
        ("-J ops@b:22", "ops@b:22"),
        ("-Jb", "b"),
        ("-o ProxyJump=b", "b"),
        ("-oProxyJump=b", "b"),
        ("-o 'ProxyJump b'", "b"),
        ("-o ProxyCommand='ssh -W %h:%p -i ~/.ssh/key b'", "b"),
        ("-o ProxyCommand='nc -X connect %h %p'", None),
        ("-o 'unbalanced", None),
    ],
)
def test_jump_hosts_in_arguments_of_ssh(arguments: str, jump: str | None) -> None:
    text = json.dumps({"_meta": {"hostvars": {"a": {"ansible_ssh_common_args": arguments}}}, "all": {"hosts": ["a"]}})
    assert ansible.parse(text)[0].jump == jump


@pytest.mark.parametrize("text", ["", "[]", "{", '{"all": []}', '{"_meta": {"hostvars": 1}}'])
def test_what_is_no_inventory(text: str) -> None:
    with pytest.raises(InputError, match="gave no inventory"):
        ansible.parse(text)


def test_ansible_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "multinode"
    file.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="ansible-inventory is not installed") as e:
        ansible.read(file)
    assert "ansible-core" in e.value.hint
    with pytest.raises(InputError, match="nowhere does not exist"):
        ansible.read(tmp_path / "nowhere")


def test_an_inventory_that_ansible_can_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ansible-inventory"
    program.write_text("#!/bin/sh\necho 'no closing bracket' >&2; exit 4\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(InputError, match="no closing bracket"):
        ansible.read(program)


def test_nova() -> None:
    golden = json.loads((GOLDEN / "nova-zed.json").read_text())
    found = {e.name: e for e in nova.parse(golden["hypervisors"], golden["services"], "lab")}
    assert found["cmp1"] == Entry("cmp1", ("nova:lab",), address="10.99.0.12", groups=("nova-compute",))
    assert found["ctl1"].address is None
    assert found["ctl1"].groups == ("nova-conductor", "nova-scheduler")


def test_what_runs_windows() -> None:
    hypervisor = {"hypervisor_type": "hyperv", "host_ip": "10.0.0.9", "service": {"host": "hv1"}}
    service = {"host": "hv1", "binary": "nova-compute"}
    assert [e.system for e in nova.parse([hypervisor], [service], "x")] == ["windows"]
    variables = {"hv2": {"ansible_shell_type": "powershell"}, "cmp1": {"ansible_shell_type": "sh"}}
    text = json.dumps({"_meta": {"hostvars": variables}, "all": {"hosts": ["hv2", "cmp1"]}})
    assert {e.name: e.system for e in ansible.parse(text)} == {"cmp1": None, "hv2": "windows"}
    (both,) = inventory.merge([[Entry("hv2", ("config",))], [Entry("hv2", ("ansible",), system="windows")]])
    assert both.system == "windows"


@pytest.mark.parametrize("url", ["hyperv://LAB%5Cw@HV1/", "hyperv+ssh://hv1.example.org:22/", "hyperv://w@10.0.0.9/"])
def test_a_source_says_that_its_host_is_a_hyper_v(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.yaml"
    hosts = "hosts: {hv1: {address: 10.0.0.9}, hv10: {}, cmp1: {}}\n"
    file.write_text(f"{hosts}sources: {{a: {{url: '{url}'}}, b: {{url: 'physical://cmp1'}}}}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    assert {e.name: e.system for e in inventory.read().hosts} == {"cmp1": None, "hv1": "windows", "hv10": None}


def test_bare_metal_nodes_are_no_hosts() -> None:
    node = {"hypervisor_type": "ironic", "host_ip": "10.0.0.9", "service": {"host": "ctl1"}}
    service = {"host": "ctl1", "binary": "nova-compute"}
    assert nova.parse([node], [service], "x") == [Entry("ctl1", ("nova:x",), groups=("nova-compute",))]


def test_ceph_orch() -> None:
    text = (GOLDEN / "ceph-orch-host-ls-pacific.json").read_text()
    expected = [
        Entry("ceph1.example.org", ("ceph orch",), address="10.0.0.21", groups=("_admin", "mon", "osd")),
        Entry("cmp1", ("ceph orch",), address="10.0.0.12", groups=("osd",)),
    ]
    assert ceph_orch.parse(text) == expected
    assert ceph_orch.parse("Inferring fsid 1234\n" + text) == expected
    for bad in ("", "no orchestrator", '[{"addr": "x"}]', "[1]"):
        with pytest.raises(InputError, match="no list of hosts"):
            ceph_orch.parse(bad)


def test_earlier_origins_win_field_by_field_and_groups_unite() -> None:
    ours = Entry("cmp1", ("config",), user="ops", groups=("gpu",), sudo=False)
    theirs = Entry("CMP1", ("ansible",), address="10.0.0.1", user="kolla", sudo=True, groups=("compute", "gpu"))
    (found,) = inventory.merge([[ours], [theirs]])
    assert found == Entry("cmp1", ("config", "ansible"), "10.0.0.1", "ops", None, None, False, ("gpu", "compute"), None)


def test_a_short_name_is_the_host_of_that_first_label_unless_two_have_it() -> None:
    long1, long2 = Entry("cmp1.rack1", ("nova",)), Entry("cmp1.rack2", ("nova",))
    short = Entry("cmp1", ("config",))
    assert [h.name for h in inventory.merge([[short], [long1]])] == ["cmp1"]
    assert [h.name for h in inventory.merge([[long1, long2], [short]])] == ["cmp1", "cmp1.rack1", "cmp1.rack2"]
    # Of two long names only one can be it, and which is chance: neither is.
    assert [h.name for h in inventory.merge([[short], [long1, long2]])] == ["cmp1", "cmp1.rack1", "cmp1.rack2"]


def test_the_same_address_is_the_same_host() -> None:
    a, b = Entry("blade7", ("config",), address="10.0.0.7"), Entry("cmp7", ("nova",), address="10.0.0.7")
    assert [h.origins for h in inventory.merge([[a], [b]])] == [("config", "nova")]


def test_hosts_behind_one_address_are_different_hosts_to_their_origin() -> None:
    a = Entry("a", ("config",), address="10.0.0.7", port=2201)
    b = Entry("b", ("config",), address="10.0.0.7", port=2202)
    assert len(inventory.merge([[a, b]])) == 2


def test_an_origin_that_fails_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("hosts: {one: {groups: [x], runtime: docker}}\ninventory: {ansible: /nowhere/multinode}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    found = inventory.read()
    assert found.hosts == (Entry("one", ("config",), groups=("x",), runtime="docker"),)
    assert [(origin, "/nowhere/multinode" in str(e)) for origin, e in found.failed] == [("ansible", True)]


def test_an_origin_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("hosts: {one: {}}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    never = threading.Event()

    def connect(_name: str) -> Any:
        never.wait()

    found = inventory.read(["slow"], connect, timeout_s=0.1)
    assert [h.name for h in found.hosts] == ["one"]
    assert [(origin, "did not answer" in e.message) for origin, e in found.failed] == [("nova:slow", True)]
