"""The parsers on what real machines said: OpenStack Zed, Ceph Pacific, Debian 12 (golden files), and on what the lab can't show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.facts import ceph_cluster as ceph
from blue_wizard.facts import compute, identity, machine, network, volume
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.facts.machine import (
    Bond,
    Cards,
    Clock,
    Filesystems,
    KernelLimits,
    KernelLog,
    Listeners,
    Memory,
    RaidArrays,
    System,
)
from blue_wizard.facts.mariadb import DatabaseServer
from blue_wizard.facts.memcached import Memcached
from blue_wizard.facts.ovs import Switch
from blue_wizard.facts.rabbitmq import RabbitNode, RabbitQueues, RabbitUse
from blue_wizard.inspect.collect import read_host, register
from blue_wizard.inspect.facts import Missing, host_facts
from blue_wizard.inspect.fetch.balancing import HaproxyState, VirtualAddresses
from blue_wizard.inspect.fetch.machine import Certificates, Containers, LibvirtAnswer
from blue_wizard.inspect.fetch.services import ConfigDigests, Schemas
from blue_wizard.inspect.fetch.switches import OvnController, OvnRaft, OvnSouth, SwitchAnswer, SwitchUse

register()
GOLDEN = Path(__file__).parent / "golden"


def _golden(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


@pytest.fixture(scope="module")
def api() -> Any:
    return _golden("api-zed.json")


@pytest.fixture(scope="module")
def cluster() -> Any:
    return _golden("ceph-pacific.json")


@pytest.fixture(scope="module")
def host() -> dict[type, object]:
    """A compute host, all its facts."""
    return read_host((GOLDEN / "host-compute-zed.json").read_text(), host_facts(), started=1.0, took_s=2.0)


@pytest.fixture(scope="module")
def controller() -> dict[type, object]:
    """A controller: queue, database, cache."""
    kinds = (
        RabbitNode,
        RabbitQueues,
        RabbitUse,
        DatabaseServer,
        Memcached,
        HypervisorDomains,
        LibvirtAnswer,
        Listeners,
        Memory,
    )
    return read_host((GOLDEN / "host-controller-zed.json").read_text(), kinds, started=1.0, took_s=2.0)


def test_servers(api: Any) -> None:
    first = compute.Servers.parse(api["servers"]).rows[0]
    assert (first.name, first.status, first.host, first.power, first.host_status) == (
        "diag-vlan2",
        "ACTIVE",
        "cmp2",
        1,
        "UP",
    )
    assert (first.vcpus, first.ram, first.disk, first.flavor) == (1, 128, 1, "m1.nano")
    assert first.image == "406f5400-8ffa-4a9c-bdc0-c5cb03112468"
    assert first.settled
    assert first.updated > first.created > 1_700_000_000


def test_a_server_in_a_cell_that_is_down() -> None:
    # All that Nova can tell of it from microversion 2.69 on.
    raw = {"id": "a", "status": "UNKNOWN", "tenant_id": "p", "created": "2026-11-26T13:50:55Z", "links": []}
    assert compute.Server.parse(raw).status == "UNKNOWN"


def test_services_and_hypervisors(api: Any) -> None:
    services = compute.ComputeServices.parse(api["services"]).rows
    assert all(s.up and s.enabled for s in services)
    hypervisor = compute.Hypervisors.parse(api["hypervisors"]).rows[0]
    provider = identity.Providers.parse(
        api["providers"][0], api["inventories"], api["usages"], api["allocations"], False
    )
    assert (hypervisor.name, hypervisor.host, hypervisor.id) == ("cmp1", "cmp1", provider.id)
    assert provider.inventories["VCPU"].capacity == 32
    assert provider.inventories["MEMORY_MB"].used == 256
    assert {r["VCPU"] for r in provider.allocations.values()} == {1}


def test_groups_of_old_and_new_microversions() -> None:
    rows = [
        {"id": "1", "name": "a", "policies": ["anti-affinity"], "members": ["s"]},
        {"id": "2", "name": "b", "policy": "affinity"},
    ]
    assert [g.policies for g in compute.ServerGroups.parse(rows).rows] == [("anti-affinity",), ("affinity",)]


def test_network(api: Any) -> None:
    agent = network.Agents.parse(api["agents"]).rows[0]
    assert (agent.kind, agent.alive, dict(agent.mappings)) == ("Open vSwitch agent", True, {"physnet1": "br-ex"})
    port = next(p for p in network.Ports.parse(api["ports"]).rows if p.of_server)
    assert (port.vif, port.status) == ("ovs", "ACTIVE")
    assert port.addresses
    assert {n.kind for n in network.Networks.parse(api["networks"]).rows} >= {"vxlan", "vlan"}
    assert network.Routers.parse(api["routers"]).rows[0].gateway
    stock = network.Stocks.parse(api["stocks"]).rows[0]
    assert (stock.total, stock.used, stock.version) == (253, 1, 4)
    assert network.Subnets.parse(api["subnets"]).rows[0].pools == (("10.2.0.2", "10.2.0.254"),)


def test_volumes(api: Any) -> None:
    pool = volume.VolumePools.parse(api["pools"]).rows[0]
    assert pool.rbd == ("3371c109-5cce-46e1-a3c7-f115e388d6d8", "volumes")
    assert (pool.total, pool.oversubscription, pool.thin) == (19.43, 20.0, True)
    assert pool.state == "up"
    assert volume.VolumeServices.parse(api["volume_services"]).rows[0].up
    assert volume.VolumeTypes.parse(api["types"]).rows[0].backend == "rbd"
    assert (
        volume.VolumePools.parse([{"name": "x", "capabilities": {"free_capacity_gb": "infinite"}}]).rows[0].free is None
    )
    image = volume.Images.parse(api["images"]).rows[0]
    assert (image.status, image.stores, image.hashed, image.size) == ("active", "rbd", True, 64 << 20)


def test_a_volume_that_was_migrated_lies_under_the_name_of_its_copy() -> None:
    raw = {"id": "v", "status": "available", "size": 1, "os-vol-mig-status-attr:name_id": "copy", "attachments": []}
    assert volume.Volume.parse(raw).image == "volume-copy"
    assert volume.Volume.parse({**raw, "os-vol-mig-status-attr:name_id": None}).image == "volume-v"


def test_identity(api: Any) -> None:
    assert identity.Projects.parse(api["projects"]).whole
    assert not identity.Projects.parse({"projects": [], "truncated": True}).whole
    known = identity.Endpoints.parse(api["endpoints"], api["identity_services"]).rows
    assert {e.interface for e in known} <= {"public", "internal", "admin"}
    assert all(e.service for e in known)
    assert identity.Users.parse(api["users"]).rows[0].expires == 0.0


def test_ceph(cluster: Any) -> None:
    status = ceph.CephStatus.parse(cluster["status"])
    assert (status.mons, status.quorum, status.manager, status.osds, status.up) == (1, ("a",), True, 3, 3)
    osd_map = ceph.CephMap.parse(cluster["osd-dump"])
    assert set(osd_map.rbd_pools) == {"images", "volumes", "vms"}
    assert (osd_map.nearfull, osd_map.backfillfull, osd_map.full) == (0.85, 0.9, 0.95)
    tree = ceph.CephTree.parse(cluster["osd-tree"])
    assert {tree.host_of(i) for i in range(3)} == {"ctl1", "net1", "cmp1"}
    assert ceph.CephRules.parse(cluster["osd-crush-rule-dump"]).rows[0].domain == "host"
    assert 0 < ceph.CephOsdUse.parse(cluster["osd-df"]).rows[0].used < 0.1
    use = ceph.CephUse.parse(cluster["df-detail"])
    assert 0 < use.used < use.total
    assert ceph.CephHealth.parse(cluster["health-detail"]).codes == ()


def test_ceph_latency_and_versions() -> None:
    infos = {"osd_perf_infos": [{"id": 2, "perf_stats": {"commit_latency_ms": 7, "apply_latency_ms": 7}}]}
    assert (
        ceph.CephOsdPerf.parse({"pg_ready": True, "osdstats": infos})
        == ceph.CephOsdPerf.parse(infos)
        == ceph.CephOsdPerf({2: 7.0})
    )
    raw = {
        "overall": {
            "ceph version 16.2.15 (618f44) pacific (stable)": 5,
            "ceph version 17.2.7 (b12291) quincy (stable)": 1,
        }
    }
    assert ceph.CephVersions.parse(raw).overall == {"16.2.15": 5, "17.2.7": 1}


def test_ceph_health_with_codes() -> None:
    raw = {
        "status": "HEALTH_WARN",
        "checks": {
            "OSD_DOWN": {
                "severity": "HEALTH_WARN",
                "summary": {"message": "1 osds down", "count": 1},
                "detail": [{"message": "osd.1 is down"}],
                "muted": True,
            }
        },
    }
    assert ceph.CephHealth.parse(raw).codes == (
        ceph.HealthCode("OSD_DOWN", "HEALTH_WARN", "1 osds down", ("osd.1 is down",), True),
    )


def test_a_compute_host(host: dict[type, object]) -> None:
    assert {k.__name__: f for k, f in host.items() if isinstance(f, Missing)} == {}
    domains = host[HypervisorDomains]
    assert isinstance(domains, HypervisorDomains)
    assert (domains.libvirt, domains.qemu) == ("9.0.0", "7.2.22")
    guest = domains.by_uuid["3e85272d-042d-483f-958e-065df9ecbd97"]
    assert (guest.name, guest.server, guest.state, guest.vcpus, guest.memory) == (
        "instance-00000001",
        "diag-hybrid",
        "running",
        1,
        128,
    )
    assert guest.taps == ("tap59ec8cda-26",)
    assert guest.disks[0].endswith("/disk")
    assert domains.secrets == ("5b0b2a1c-7f5e-4a53-9d3b-0b1a6c0f1a2b",)
    assert host[LibvirtAnswer] == LibvirtAnswer(True)
    cards = host[Cards]
    assert isinstance(cards, Cards)
    assert "tap59ec8cda-26" in cards.names
    assert not any(c.physical for c in cards.rows)
    filesystems = host[Filesystems]
    assert isinstance(filesystems, Filesystems)
    assert [f.mount for f in filesystems.rows] == ["/"]
    # Used of used and available: what root has reserved counts as gone.
    assert round(filesystems.rows[0].used, 2) == 0.31
    system = host[System]
    assert isinstance(system, System)
    assert system.system == "Debian GNU/Linux 12 (bookworm)"
    assert "ssse3" in system.cpu_flags
    listeners = host[Listeners]
    assert isinstance(listeners, Listeners)
    assert (16509, "libvirtd") in {(one.port, one.program) for one in listeners.rows}
    assert [host[k] for k in (RabbitNode, DatabaseServer, Memcached, Containers, machine.Units, RaidArrays)] == [
        None
    ] * 6


def test_a_compute_hosts_switch(host: dict[type, object]) -> None:
    switch = host[Switch]
    assert isinstance(switch, Switch)
    assert set(switch.bridges) == {"br-int", "br-tun", "br-ex", "br-phy"}
    assert not any(i.error or i.bfd for _port, i in switch.interfaces())
    assert host[SwitchAnswer] == SwitchAnswer()
    use = host[SwitchUse]
    assert isinstance(use, SwitchUse)
    assert use.addresses["br-ex"] == (3, 50000)
    assert (use.flows, use.lost) == ((0, 33000), (3, 673))
    digests = host[ConfigDigests]
    assert isinstance(digests, ConfigDigests)
    assert set(digests.digests) == {"nova.conf of nova-compute"}
    none = (OvnRaft, OvnController, OvnSouth, HaproxyState, VirtualAddresses, Schemas)
    assert [host[k] for k in none] == [None] * 6


def test_a_controller(controller: dict[type, object]) -> None:
    rabbit = controller[RabbitNode]
    assert isinstance(rabbit, RabbitNode)
    assert (rabbit.running, rabbit.members, rabbit.alarms) == (("lab@localhost",), ("lab@localhost",), ())
    queues = controller[RabbitQueues]
    assert isinstance(queues, RabbitQueues)
    assert [q.vhost for q in queues.rows] == ["lab"] * 4
    use = controller[RabbitUse]
    assert isinstance(use, RabbitUse)
    assert use.fds == (90, 19903)
    assert use.memory is not None
    assert use.memory[0] < use.memory[1] == 1_000_000_000
    assert use.disk is not None
    assert rabbit.versions == ("3.10.8",)
    database = controller[DatabaseServer]
    assert isinstance(database, DatabaseServer)
    assert not database.galera
    assert 0 < database.number("threads_connected") < database.number("max_connections") == 1500
    cache = controller[Memcached]
    assert isinstance(cache, Memcached)
    assert cache.connections[1] > 0
    # It has virsh, and is no hypervisor.
    assert controller[HypervisorDomains] is None
    assert controller[LibvirtAnswer] is None
    assert isinstance(controller[Memory], Missing), "what was not read is missing, not well"


def test_a_hypervisor_whose_libvirt_is_silent_is_missing_and_not_empty() -> None:
    dead = {"status": 1, "text": "", "error": "failed to connect"}
    names = ("states", "xml", "version", "secrets")
    out = {f"HypervisorDomains.{n}": dead for n in names} | {"HypervisorDomains.driven": {"status": 0, "text": "7"}}
    text = json.dumps({"began": 1, "ended": 2, "out": out})
    assert read_host(text, [HypervisorDomains], started=1, took_s=1) == {
        HypervisorDomains: Missing("failed to connect")
    }


def test_no_output_of_the_script_is_missing_facts() -> None:
    found = read_host("Last login: today\n", (Memory, Clock), started=0, took_s=1)
    assert all(isinstance(f, Missing) for f in found.values())


def test_the_clock_is_compared_as_ntp_does() -> None:
    # Sent at 100, back at 104; the host worked from 151 to 153 by its clock: it is 50 s ahead, known to 1 s.
    assert Clock.parse("151 153 100 104") == Clock(50.0, 1.0)


def test_a_domain_that_was_paused_by_its_storage() -> None:
    states = "Domain: 'a'\n  state.state=3\n  state.reason=5\n\nDomain: 'b'\n  state.state=3\n  state.reason=1\n"
    xml = "".join(
        f"<domain type='kvm'><name>{n}</name><uuid>u{n}</uuid><memory unit='KiB'>1048576</memory><vcpu>2</vcpu><devices>"
        "<disk type='network' device='disk'><source protocol='rbd' name='volumes/volume-1'/><serial>1</serial></disk>"
        "<disk type='file' device='cdrom'/></devices></domain>\n\n"
        for n in "ab"
    )
    a, b = HypervisorDomains.parse(states, xml, "").rows
    assert (a.io_error, b.io_error) == (True, False)
    assert (a.disks, a.serials, a.nova, a.memory) == (("volumes/volume-1",), ("1",), False, 1024)
    with pytest.raises(ValueError, match="2 domains"):
        HypervisorDomains.parse(states, "", "")


def test_filesystems() -> None:
    blocks = (
        "Filesystem Type 1024-blocks Used Available Capacity Mounted on\n"
        "/dev/sda1 ext4 1000 700 200 78% /\n"
        "/dev/sda1 ext4 1000 700 200 78% /var/lib/docker/bind\n"
        "tmpfs tmpfs 100 99 1 99% /run\n"
        "/dev/sdb xfs 1000 500 500 50% /srv/with space\n"
    )
    inodes = (
        "Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/sda1 10 9 1 90% /\n/dev/sdb 0 0 0 - /srv/with space\n"
    )
    mounts = "/dev/sda1 / ext4 ro,relatime 0 0\n/dev/sdb /srv xfs ro 0 0\n/dev/loop1 /snap squashfs ro 0 0\n"
    fstab = "# a comment line here\n/dev/sda1 / ext4 defaults 0 1\n/dev/sdb /srv xfs ro,noatime 0 2\n"
    found = Filesystems.parse(blocks, inodes, mounts, fstab)
    assert [(f.mount, round(f.used, 3), f.inodes) for f in found.rows] == [
        ("/", 0.778, 0.9),
        ("/srv/with space", 0.5, 0.0),
    ]
    assert found.read_only == ("/",)


def test_limits() -> None:
    files = {
        "/proc/sys/fs/file-nr": "900\t100\t1000\n",
        "/proc/sys/net/netfilter/nf_conntrack_count": "5\n",
        "/proc/sys/net/netfilter/nf_conntrack_max": "10\n",
        "/proc/sys/kernel/threads-max": "5000\n",
        "/proc/sys/kernel/pid_max": "4000\n",
        "/proc/sys/net/ipv4/neigh/default/gc_thresh3": "1024\n",
    }
    found = KernelLimits.parse(files, "0.1 0.2 0.3 2/777 1\n", "12\n")
    assert found.counts == {
        "conntrack": (5, 10),
        "files": (800, 1000),
        "threads": (777, 4000),
        "neighbours": (12, 1024),
    }
    assert KernelLimits.parse({}, "0.1 0.2 0.3 2/777 1\n", "").counts == {}


def test_bonds() -> None:
    text = (
        "Bonding Mode: IEEE 802.3ad Dynamic link aggregation\nMII Status: up\n"
        "802.3ad info\n    Partner Mac Address: 00:00:00:00:00:00\n\n"
        "Slave Interface: eno1\nMII Status: up\n\nSlave Interface: eno2\nMII Status: down\n"
    )
    (found,) = machine.parse_bonds({"/proc/net/bonding/bond0": text})
    assert found == Bond("bond0", (("eno1", True), ("eno2", False)), "IEEE 802.3ad Dynamic link aggregation", True)


def test_raid_and_kernel_log_and_processes() -> None:
    mdstat = (
        "Personalities : [raid1]\nmd0 : active raid1 sdb1[1] sda1[0](F)\n"
        "      1046528 blocks super 1.2 [2/1] [_U]\n\nunused devices: <none>\n"
    )
    assert RaidArrays.parse(mdstat).rows == (machine.RaidArray("md0", 2, 1),)
    log = (
        "[    1.000000] blk_update_request: I/O error, dev sda\n"
        "[90000.000000] EXT4-fs error (device sda1): bad block\n"
        "[90001.000000] Out of memory: Killed process 7 (qemu)\n"
    )
    assert set(KernelLog.parse(log, 90100.0, 86400.0).kinds) == {"filesystem", "oom"}
    rows = machine.Processes.parse(
        "  7 D 100 4 /usr/bin/python3 /usr/bin/nova-compute --config x\n  8 S 1 4 sshd: root\n"
    ).rows
    assert [(p.name, p.state) for p in rows] == [("nova-compute", "D"), ("sshd", "S")]


def test_rabbitmq_in_trouble() -> None:
    cluster = {
        "cluster_name": "c",
        "running_nodes": ["a"],
        "disk_nodes": ["a", "b"],
        "partitions": {"a": ["b"]},
        "alarms": [{"node": "a", "resource": "memory", "type": "resource_limit"}],
        "versions": {"a": {"rabbitmq_version": "3.10"}, "b": {"rabbitmq_version": "3.12"}},
        "feature_flags": [{"name": "x", "state": "disabled", "stability": "stable"}, {"name": "y", "state": "enabled"}],
    }
    node = RabbitNode.parse(json.dumps(cluster))
    assert (node.partitions, node.members, node.versions) == (("a | b",), ("a", "b"), ("3.10", "3.12"))
    assert node.alarms == ("a memory resource_limit",)
    assert node.flags_off == ("x",)
    assert RabbitQueues.parse("vhost /\n[]\nvhost nova\n") == RabbitQueues()
    assert RabbitUse.parse("{}") == RabbitUse()


def test_certificates_and_exposed_files_and_containers() -> None:
    text = "file /etc/haproxy/a.pem\nsubject=CN = api\nnotAfter=Nov 26 12:00:00 2026 GMT\nfile /etc/haproxy/key.pem\n"
    assert Certificates.parse(text).rows == (("/etc/haproxy/a.pem", "CN = api", 1795694400.0),)
    assert machine.exposed_files("644 /etc/a\n600 /etc/b\n") == (("/etc/a", "644"),)
    assert Containers.parse("a\tRunning\tUp 2 hours\nbroken line\n").rows == (("a", "running", "Up 2 hours"),)


def test_a_database_without_answer_is_no_database() -> None:
    with pytest.raises(ValueError, match="no status"):
        DatabaseServer.parse("ERROR 1045 (28000): Access denied\n")
    with pytest.raises(ValueError, match="no statistics"):
        Memcached.parse("ERROR\r\n")
