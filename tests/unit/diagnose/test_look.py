"""The program that looks at a host, run here with tools that stand in for the host's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.diagnose import agent
from blue_wizard.diagnose.collect import decode, questions
from blue_wizard.diagnose.expected import paths
from tests.unit.diagnose.seen import HYBRID, OVSFW, TWO_PORTS, Seen


def _tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def _look(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-", json.dumps(asked)],
        input=agent.joined(*agent.LOOK),
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return decode(run.stdout)


@pytest.mark.parametrize("runtime", ["docker", "podman"])
def test_tools_in_a_container_are_found_and_wrapped(tmp_path: Path, runtime: str) -> None:
    _tool(tmp_path, runtime, 'case "$1" in ps) echo openvswitch_vswitchd; echo nova_libvirt;; *) echo "[$*]";; esac')
    seen = _look(tmp_path, {"domain": "instance-1"})
    assert seen["wrap"] == [runtime, "exec", "openvswitch_vswitchd"]
    assert seen["daemon"]["out"].startswith("[exec openvswitch_vswitchd ovs-appctl")
    assert seen["domain"]["out"].strip() == "[exec nova_libvirt virsh -r dumpxml instance-1]"


def test_a_host_with_nothing_says_so(tmp_path: Path) -> None:
    seen = _look(tmp_path, {})
    assert seen["wrap"] == []
    assert (seen["ovs"]["rc"], seen["daemon"]["rc"]) == (127, 127)
    assert seen["flows"] == {}


def test_a_daemon_that_does_not_answer_is_asked_nothing_more(tmp_path: Path) -> None:
    table = '{"headings": [], "data": []}'
    _tool(tmp_path, "ovs-vsctl", f"for i in 1 2 3 4 5; do echo '{table}'; done")
    _tool(tmp_path, "ovs-appctl", "echo 'cannot connect' >&2; exit 1")
    seen = _look(tmp_path, {"traces": {"x": {"from": [{"name": "tap"}], "flow": "udp"}}})
    assert (seen["daemon"]["rc"], seen["traces"]) == (1, {})


@pytest.mark.parametrize("text", ["", "no base64!", "aGVsbG8="])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode(text)


def test_it_parses_under_python_3_6() -> None:
    import ast

    tree = ast.parse(agent.joined(*agent.LOOK), feature_version=(3, 6))
    # They can't be subscripted there.
    subscripted = {n.value.id for n in ast.walk(tree) if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)}
    assert subscripted & {"list", "dict", "tuple", "set"} == set()


def test_each_host_is_asked_once_for_all_ports() -> None:
    seen = Seen(TWO_PORTS)
    asked = questions(seen.api)
    assert set(asked) == {"cmp1", "net1"}
    assert len(asked["cmp1"]["traces"]) == 4
    assert {q["network"] for q in asked["net1"]["dhcp"]} == set(seen.api.networks)


def test_questions_follow_the_kind_of_network() -> None:
    seen = Seen(HYBRID)
    reply = next(q for n, q in questions(seen.api)["cmp1"]["traces"].items() if n.endswith("compute-reply"))
    assert reply["from"] == [{"remote_ip": "10.98.0.11", "type": "vxlan"}]
    assert reply["flow"].startswith("tun_id=1665,tun_src=10.98.0.11,tun_dst=10.98.0.12,udp,")
    seen = Seen(TWO_PORTS)
    replies = [q for n, q in questions(seen.api)["cmp1"]["traces"].items() if n.endswith("compute-reply")]
    assert {"bridge": "br-ex", "nic": True} in [q["from"][0] for q in replies]


def test_hops_of_each_kind() -> None:
    hybrid, firewall = Seen(HYBRID), Seen(OVSFW)
    assert paths(hybrid.api, hybrid.port)[0].hops() == (
        "guest", "tap", "qbr", "qvb", "qvo", "compute-br-int", "compute-br-tun", "compute-nic",
        "network-nic", "network-br-tun", "network-br-int", "dhcp-port", "dhcp-server",
    )  # fmt: skip
    firewall.dhcp_port["binding:host_id"] = firewall.compute
    assert paths(firewall.api, firewall.port)[0].hops() == (
        "guest",
        "tap",
        "compute-br-int",
        "dhcp-port",
        "dhcp-server",
    )


def test_counters_alone_are_asked_for_after_a_packet(tmp_path: Path) -> None:
    for name in ("ip", "iptables-save", "ovs-ofctl"):
        _tool(tmp_path, name, f'echo "{name} $*"')
    _tool(tmp_path, "ovs-vsctl", "echo br-int")
    seen = _look(tmp_path, {"counters": True})
    assert set(seen) == {"uid", "link", "iptables", "flows"}
    assert "dump-flows br-int" in seen["flows"]["br-int"]["out"]
    assert seen["iptables"]["out"].strip() == "iptables-save -c"


def test_a_namespace_that_is_not_there(tmp_path: Path) -> None:
    asked = {"spaces": {"qrouter-no-such": {"device": "qr-1", "ids": ["no-such"]}}}
    seen = _look(tmp_path, asked)
    assert seen["spaces"]["qrouter-no-such"] == {"namespace": None, "proxies": [], "inside": {}}
    assert isinstance(seen["unix"], list)
