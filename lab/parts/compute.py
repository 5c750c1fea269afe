"""Neutron's agents, libvirt and nova-compute on their hosts."""

from __future__ import annotations

import uuid
from functools import partial

from lab.hosts import enter, log_of, on, running, spawn
from lab.parts import part
from lab.parts.ceph import ceph
from lab.parts.infra import sql
from lab.parts.openstack import ETC, SECRET, config, seed
from lab.run import LabError, ok, say, wait
from lab.site import HOSTS, PROVIDER_NETWORK, STATE, TENANT_NETWORKS, Host, fill

_FIRST_S = 40.0
AGENTS = {"dhcp": "neutron-dhcp-agent", "l3": "neutron-l3-agent", "metadata": "neutron-metadata-agent"}


def _agent(host: Host, kind: str) -> None:
    file = ETC / "neutron" / f"{host.name}.conf"
    if not file.exists():
        file.touch(mode=0o600)
    values = {"HOST": host.name, "UNDERLAY": host.underlay, "FIREWALL": host.firewall}
    file.write_text(fill("neutron-agent.conf", **values))
    (host.folder / "neutron" / "lock").mkdir(parents=True, exist_ok=True)
    binary = AGENTS.get(kind, "neutron-openvswitch-agent")
    spawn(host, f"neutron-{kind}", [binary, "--config-file", config("neutron.conf"), "--config-file", file])


def _agent_alive(host: Host, kind: str) -> bool:
    return running(host, f"neutron-{kind}") and seed(f"agent:{host.name}:{kind}") == "up\n"


def _unserved() -> list[str]:
    """The lab's networks that have no DHCP server with a device and a running dnsmasq."""
    ports = sql(
        "select n.name, n.id, p.id from neutron.networks n join neutron.ports p "
        "on p.network_id = n.id and p.device_owner = 'network:dhcp';"
    )
    folder = HOSTS["net1"].folder / "neutron" / "dhcp"
    script = "\n".join(
        f"ip -n qdhcp-{network} link show tap{port[:11]} > /dev/null 2>&1"
        f" && grep -qa dnsmasq /proc/$(cat {folder}/{network}/pid)/cmdline 2>/dev/null && echo {name}"
        for name, network, port in (line.split("\t") for line in ports.splitlines())
    )
    served = on(HOSTS["net1"], ["sh", "-c", f"{script}\ntrue"]).split()
    return [n for n in (*TENANT_NETWORKS, PROVIDER_NETWORK) if n not in served]


def _serve() -> None:
    """Wait for the DHCP agent, and start it anew where it hangs: two of its threads may block each other when it starts."""
    try:
        wait(lambda: not _unserved(), "a DHCP server on each network", timeout=_FIRST_S)
    except LabError:
        say(f"the DHCP agent does not serve {', '.join(_unserved())}: it is started anew")
        _agent(HOSTS["net1"], "dhcp")


def _libvirt(host: Host) -> None:
    own = host.folder / "libvirt"
    first = not own.exists()
    for folder in ("etc", "lib", "log", "cache"):
        (own / folder).mkdir(parents=True, exist_ok=True)
    if first:
        on(host, ["cp", "-a", "/etc/libvirt/.", own / "etc"])
        on(host, ["rm", "-rf", own / "etc/qemu/networks", own / "etc/qemu/autostart"])
        on(host, ["sh", "-c", f"cp -a /var/lib/libvirt/. {own}/lib"])
        (own / "etc" / "qemu.conf").write_text(fill("qemu.conf"))
        hook = own / "etc" / "hooks" / "qemu"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(fill("libvirt-hook"))
        hook.chmod(0o755)
        log = host.folder / "libvirt" / "log" / "libvirtd.log"
        text = fill("libvirtd.conf", ADDRESS=host.address, UUID=uuid.uuid4(), LOG=log)
        (own / "etc" / "libvirtd.conf").write_text(text)
    pairs = {"etc": "/etc/libvirt", "lib": "/var/lib/libvirt", "log": "/var/log/libvirt", "cache": "/var/cache/libvirt"}
    if host.compute:
        # Each host has instances of its own behind the same path: libvirt takes a shared local folder for unsafe.
        (host.folder / "instances").mkdir(exist_ok=True)
        on(
            host,
            [
                "sh",
                "-c",
                f"mountpoint -q {STATE}/nova/instances || mount --bind {host.folder}/instances {STATE}/nova/instances",
            ],
        )
    for inner, outer in pairs.items():
        on(host, ["sh", "-c", f"mountpoint -q {outer} || mount --bind {own}/{inner} {outer}"])
    spawn(host, "libvirtd", ["libvirtd", "--listen"])
    wait(lambda: _libvirt_answers(host), f"libvirtd of {host.name}", log=log_of(host, "libvirtd"))


def _libvirt_answers(host: Host) -> bool:
    return running(host, "libvirtd") and ok([*enter(host), "virsh", "-c", "qemu:///system", "version"])


def _ceph_secret(host: Host) -> None:
    file = host.folder / "secret.xml"
    usage = "<usage type='ceph'><name>client.cinder secret</name></usage>"
    file.write_text(f"<secret ephemeral='no' private='no'><uuid>{SECRET}</uuid>{usage}</secret>")
    on(host, ["virsh", "secret-define", file])
    key = host.folder / "secret.key"
    key.touch(mode=0o600)
    key.write_text(ceph("auth", "get-key", "client.cinder"))
    on(host, ["virsh", "secret-set-value", SECRET, "--file", key])
    key.unlink()


def _has_secret(host: Host) -> bool:
    return ok([*enter(host), "virsh", "secret-get-value", SECRET])


def _ssh_between(host: Host) -> None:
    """Let root of a compute host log in to the others: Nova carries the disks of servers that are off by scp."""
    folder = host.folder / "ssh_config.d"
    folder.mkdir(exist_ok=True)
    (folder / "lab.conf").write_text((STATE / "ssh" / "config").read_text())
    on(host, ["sh", "-c", f"mountpoint -q /etc/ssh/ssh_config.d || mount --bind {folder} /etc/ssh/ssh_config.d"])


def _reaches_others(host: Host) -> bool:
    others = [h.address for h in HOSTS.values() if h.compute and h is not host]
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=3"]
    return all(ok([*enter(host), "ssh", *options, other, "true"]) for other in others)


def _nova(host: Host) -> None:
    file = ETC / "nova" / f"{host.name}.conf"
    values = {"HOST": host.name, "ADDRESS": host.address, "SECRET": SECRET}
    file.write_text(fill("nova-compute.conf", **values))
    spawn(host, "nova-compute", ["nova-compute", "--config-file", config("nova.conf"), "--config-file", file])


def _nova_alive(host: Host) -> bool:
    return running(host, "nova-compute") and seed(f"alive:nova-compute:{host.name}") == "up\n"


def _discover_cells() -> None:
    on(
        HOSTS["ctl1"],
        ["nova-manage", "--config-file", config("nova.conf"), "cell_v2", "discover_hosts", "--by-service"],
    )


for _h in HOSTS.values():
    if _h.hypervisor:
        part(
            f"libvirt:{_h.name}",
            needs=(f"host:{_h.name}",) + (("config",) if _h.compute else ()),
            start=partial(_libvirt, _h),
            alive=partial(_libvirt_answers, _h),
            log=log_of(_h, "libvirtd"),
        )
    if _h.ovs:
        part(
            f"neutron-ovs:{_h.name}",
            needs=(f"ovs:{_h.name}", "neutron"),
            start=partial(_agent, _h, "ovs"),
            alive=partial(_agent_alive, _h, "ovs"),
            log=log_of(_h, "neutron-ovs"),
        )
    if _h.compute:
        part(
            f"ceph-secret:{_h.name}",
            needs=(f"libvirt:{_h.name}", "ceph"),
            start=partial(_ceph_secret, _h),
            alive=partial(_has_secret, _h),
        )
        part(
            f"ssh-between:{_h.name}",
            needs=tuple(f"sshd:{h.name}" for h in HOSTS.values() if h.compute),
            start=partial(_ssh_between, _h),
            alive=partial(_reaches_others, _h),
        )
        part(
            f"nova-compute:{_h.name}",
            needs=(
                f"ceph-secret:{_h.name}",
                f"ssh-between:{_h.name}",
                "nova-conductor",
                "placement",
                f"neutron-ovs:{_h.name}",
            ),
            start=partial(_nova, _h),
            alive=partial(_nova_alive, _h),
            log=log_of(_h, "nova-compute"),
        )
for _kind in AGENTS:
    # A DHCP agent that is up before its host's OVS agent gets ports that are never bound.
    part(
        f"neutron-{_kind}",
        needs=("neutron-ovs:net1",),
        start=partial(_agent, HOSTS["net1"], _kind),
        alive=partial(_agent_alive, HOSTS["net1"], _kind),
        log=log_of(HOSTS["net1"], f"neutron-{_kind}"),
    )
_computes = tuple(f"nova-compute:{h.name}" for h in HOSTS.values() if h.compute)
part("cells", needs=_computes, start=_discover_cells, alive=lambda: seed("mapped") == "up\n")
part(
    "cloud",
    needs=("cells", "nova-scheduler", "glance", "cinder-scheduler", "cinder-volume", *(f"neutron-{k}" for k in AGENTS)),
    start=lambda: print(end=seed("cloud")),
    alive=lambda: seed("has-cloud") == "up\n",
)
part(
    "dhcp",
    needs=("cloud",),
    start=_serve,
    alive=lambda: not _unserved(),
    waits_for="a DHCP server on each network",
    log=log_of(HOSTS["net1"], "neutron-dhcp"),
)
