"""The parsers of what switches, balancers, addons and configuration files say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.facts.addons import Balancers, BareMetal, FencedHosts, StackResources
from blue_wizard.facts.compute import Server
from blue_wizard.facts.network import Port, SecurityGroups
from blue_wizard.facts.probe import Command, Reading
from blue_wizard.inspect.collect import register
from blue_wizard.inspect.facts import Facts, Missing, host_facts, provider, provides
from blue_wizard.inspect.fetch.balancing import HaproxyState, VirtualAddresses
from blue_wizard.inspect.fetch.machine import Certificates
from blue_wizard.inspect.fetch.services import _DIGESTS, ConfigDigests, Schemas
from blue_wizard.inspect.fetch.switches import OvnRaft, OvnSouth, SwitchAnswer, SwitchUse
from blue_wizard.inspect.model import Now
from lab.health.hosts import certificate

register()
# As OVS 3.1 and OVN 22.03 print them.
USE = """\
== br-int
Statistics for bridge "br-int":
  Current/maximum MAC entries in the table: 7/2048
  Current static MAC entries in the table : 0
== upcall
system@ovs-system:
  flows         : (current 18) (avg 17) (max 80) (limit 200000)
  offloaded flows : 0
== dpctl
system@ovs-system:
  lookups: hit:5721 missed:943 lost:2
  flows: 18
"""
RAFT = """\
== nb
5c1e
Name: OVN_Northbound
Cluster ID: 7a3d (7a3d1b0c-aaaa-4bbb-8ccc-0123456789ab)
Server ID: 5c1e (5c1e0000-aaaa-4bbb-8ccc-0123456789ab)
Address: tcp:10.0.0.1:6643
Status: cluster member
Role: leader
Term: 4
Leader: self
Vote: self

Log: [2, 81]
Entries not yet committed: 0
Entries not yet applied: 0
Connections: ->0000 <-b1f4
Servers:
    5c1e (5c1e at tcp:10.0.0.1:6643) (self) next_index=80 match_index=80
    b1f4 (b1f4 at tcp:10.0.0.2:6643) next_index=81 match_index=80
== northd
Status: active
"""
STAT = """\
# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,chkfail,
nova_api,FRONTEND,,,12,40,4000,900,1,1,0,0,3,,,,,OPEN,,,,,
nova_api,ctl1,0,0,5,20,,450,1,1,,0,,0,0,0,0,UP,1,1,0,0,
nova_api,ctl2,0,0,0,20,,450,1,1,,0,,9,0,0,0,DOWN,1,0,1,4,
nova_api,BACKEND,0,0,5,20,400,900,1,1,0,0,,9,0,0,0,UP,1,1,0,,
"""
KEEPALIVED = """\
    virtual_ipaddress {
        10.0.0.5 dev mgmt
        2001:db8::5/64 dev mgmt
    }
==
1: lo    inet 127.0.0.1/8 scope host lo
2: mgmt    inet 10.0.0.1/24 brd 10.0.0.255 scope global mgmt
2: mgmt    inet 10.0.0.5/32 scope global mgmt
2: mgmt    inet6 fe80::1/64 scope link
"""


def test_the_limits_of_a_switch() -> None:
    use = SwitchUse.parse(USE)
    assert use == SwitchUse({"br-int": (7, 2048)}, (18, 200000), (2, 943))
    assert SwitchUse.parse("== upcall\n== dpctl\n") == SwitchUse({})


@pytest.mark.parametrize(
    ("driven", "database", "daemon", "expected"),
    [
        (1, Reading(), Reading(), None),
        (0, Reading(status=3), Reading(status=3), None),
        (0, Reading(text="br-int"), Reading(), SwitchAnswer()),
        (0, Reading(), Reading(late=True), SwitchAnswer(True, False, "no answer in time")),
        (0, Reading(status=1, error="no socket\n"), Reading(), SwitchAnswer(False, True, "no socket")),
    ],
)
def test_whether_a_switch_answers(
    driven: int, database: Reading, daemon: Reading, expected: SwitchAnswer | None
) -> None:
    parse = host_facts()[SwitchAnswer].parse
    assert parse({"driven": Reading(status=driven), "database": database, "daemon": daemon}) == expected


def test_the_clusters_of_ovn() -> None:
    found = OvnRaft.parse(RAFT)
    assert found.northd == "active"
    assert found.databases["nb"]["Status"] == "cluster member"
    assert found.databases["nb"]["Leader"] == "self"
    assert found.databases["nb"]["Servers"] == "2"


def _table(headings: list[str], *rows: list[Any]) -> str:
    return json.dumps({"headings": headings, "data": rows})


def test_the_southbound_database() -> None:
    text = "\n".join(
        (
            _table(["nb_cfg"], [90]),
            _table(["name", "hostname"], ["c1", "cmp1"], ["c2", "cmp2"]),
            _table(["name", "nb_cfg"], ["c1", 90], ["c2", 50]),
            _table(
                ["logical_port", "type", "chassis"],
                ["cr-1", "chassisredirect", ["set", []]],
                ["cr-2", "chassisredirect", ["uuid", "x"]],
                ["vm", "", ["set", []]],
            ),
        )
    )
    found = OvnSouth.parse(text)
    assert [(c.name, c.lag) for c in found.chassis] == [("c1", 0), ("c2", 40)]
    assert found.homeless == ("cr-1",)
    with pytest.raises(ValueError, match="instead of 4"):
        OvnSouth.parse(_table(["nb_cfg"], [1]))


def test_haproxy() -> None:
    found = HaproxyState.parse(STAT)
    assert [(r.proxy, r.name, r.status, r.backup) for r in found.servers("nova_api")] == [
        ("nova_api", "ctl1", "UP", False),
        ("nova_api", "ctl2", "DOWN", True),
    ]
    assert found.rows[0].sessions == (12, 4000)
    with pytest.raises(ValueError, match="no statistics"):
        HaproxyState.parse("Permission denied")


def test_virtual_addresses() -> None:
    found = VirtualAddresses.parse(KEEPALIVED)
    assert found.wanted == ("10.0.0.5", "2001:db8::5")
    assert found.here == {"127.0.0.1", "10.0.0.1", "10.0.0.5", "fe80::1"}


def test_what_is_not_in_every_cloud() -> None:
    balancers = Balancers.parse(
        [{"id": "l", "name": "web", "provisioning_status": "ACTIVE", "vip_port_id": "p"}],
        [{"id": "m", "loadbalancer_id": "l", "compute_id": None, "status": "BOOTING"}],
    )
    assert (balancers.rows[0].label, balancers.rows[0].port) == ("web (l)", "p")
    assert balancers.amphorae[0].server == ""
    nodes = BareMetal.parse([{"uuid": "n", "name": None, "provision_state": None, "instance_uuid": None}])
    assert (nodes.rows[0].label, nodes.rows[0].state) == ("n", "available")
    hosts = FencedHosts.parse("rack1", [{"name": "cmp1", "on_maintenance": True}])
    assert hosts[0].maintenance
    resources = StackResources.parse(
        "shop",
        [
            {
                "resource_name": "vm",
                "resource_type": "OS::Nova::Server",
                "physical_resource_id": "a",
                "resource_status": "X",
            }
        ],
    )
    assert resources[0].physical == "a"


def test_groups_and_cards() -> None:
    groups = SecurityGroups.parse(
        [
            {
                "id": "g",
                "name": "default",
                "security_group_rules": [{"remote_group_id": "g"}, {"remote_group_id": None}, {"remote_group_id": "g"}],
            }
        ]
    )
    assert groups.rows[0].remotes == ("g",)
    assert Port.parse({"id": "p", "security_groups": ["g"]}).groups == ("g",)
    addresses = [{"addr": a, "OS-EXT-IPS-MAC:mac_addr": "FA:16:3E:00:00:01"} for a in ("10.0.0.2", "fe80::2")]
    server = Server.parse({"id": "a", "status": "ACTIVE", "addresses": {"net": addresses}})
    assert server.macs == ("fa:16:3e:00:00:01",)


def test_schemas_that_can_not_be_told_are_left_out() -> None:
    told = (
        "keystone\t2\tneeds expand\nglance\t0\tup to date\nneutron\t1\tNeed to apply\n"
        "neutron\t1\tno such file\nnova\t0\tx\nglance\t1\tno database\n"
    )
    assert Schemas.parse(told).rows == (
        ("keystone", "needs expand", True),
        ("glance", "up to date", False),
        ("neutron", "Need to apply", True),
        ("nova", "x", False),
    )


def test_digests_of_files() -> None:
    text = f"{'a' * 64}\tnova.conf of nova-api\nnot a digest\n\tx\n"
    assert ConfigDigests.parse(text).digests == {"nova.conf of nova-api": "a" * 64}


def test_the_own_name_and_comments_make_no_difference() -> None:
    """By the script that runs on the hosts."""
    script: dict[str, Any] = {"__name__": "script"}
    exec(_DIGESTS, script)  # noqa: S102

    def digest(number: int, text: str) -> str:
        names = [f"ctl{number}.example", f"ctl{number}"]
        found: str = script["digest"](text.replace("N", str(number)), names, [f"10.0.0.{number}"])
        return found

    first = digest(
        1, "# by hand\n[a]\nmy_ip = 10.0.0.N\nurl = http://10.0.0.N:80\nhost = ctlN\nworkers = 4\nx = ctlN.example\n"
    )
    assert len(first) == 64
    assert digest(2, "[a]\n\nurl = http://10.0.0.N:80 \nworkers = 8\nx = ctlN.example\n") == first
    assert digest(3, "[a]\nurl = http://10.0.0.N:81\nx = ctlN.example\n") != first
    # An address that begins with ours is another one.
    assert digest(1, "a = 10.0.0.12\n") != digest(2, "a = 10.0.0.22\n")


def test_a_fact_that_does_not_apply_skips_its_checks() -> None:
    class Rare:
        pass

    # As a module would, whose annotations are text.
    def rare(site: object) -> Rare | None:
        return None

    rare.__annotations__["return"] = Rare | None
    provides(rare)
    assert provider(Rare) is rare
    facts = Facts(Now(0.0), {Rare: None})
    assert facts.get(Rare) is None
    assert isinstance(Facts(Now(0.0)).get(Rare), Missing)


def test_certificates_are_found_where_a_configuration_says(tmp_path: Path) -> None:
    """By the script that runs on the hosts, in another root."""
    folder = tmp_path / "etc" / "rabbitmq"
    (folder / "tls").mkdir(parents=True)
    (folder / "rabbitmq.conf").write_text(
        f"# {folder}/tls/old.cert\nssl_options.certfile = {folder}/tls/broker.cert\nssl_options.cacertfile = /none/ca.pem\n"
    )
    for name in ("broker.cert", "old.cert"):
        (folder / "tls" / name).write_text(certificate(-1))
    probe = host_facts()[Certificates].probes["openssl"]
    assert isinstance(probe, Command)
    argv = [word.replace("/etc/", f"{tmp_path}/etc/") for word in probe.argv]
    found = Certificates.parse(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    assert [path for path, _subject, _end in found.rows] == [f"{folder}/tls/broker.cert"]
