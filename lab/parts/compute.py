"""libvirt and nova-compute on their hosts, and what makes a cloud of them."""

from __future__ import annotations

import uuid
from functools import partial

from lab.hosts import enter, log_of, on, running, spawn
from lab.parts import part
from lab.parts.ceph import ceph
from lab.parts.neutron import AGENTS
from lab.parts.openstack import SECRET, seed
from lab.run import ok, wait
from lab.site import CLOUD_B, HOSTS, LAB, STATE, Cloud, Host, fill


def _libvirt(host: Host, cloud: Cloud) -> None:
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
        shared = cloud.folder / "nova" / "instances"
        on(
            host,
            [
                "sh",
                "-c",
                f"mountpoint -q {shared} || mount --bind {host.folder}/instances {shared}",
            ],
        )
    for inner, outer in pairs.items():
        on(host, ["sh", "-c", f"mountpoint -q {outer} || mount --bind {own}/{inner} {outer}"])
    spawn(host, "libvirtd", ["libvirtd", "--listen"])
    wait(lambda: _libvirt_answers(host), f"libvirtd of {host.name}", log=log_of(host, "libvirtd"))


def _libvirt_answers(host: Host) -> bool:
    return running(host, "libvirtd") and ok([*enter(host), "virsh", "-c", "qemu:///system", "version"])


def _ceph_secret(host: Host, cloud: Cloud) -> None:
    file = host.folder / "secret.xml"
    usage = "<usage type='ceph'><name>client.cinder secret</name></usage>"
    file.write_text(f"<secret ephemeral='no' private='no'><uuid>{SECRET}</uuid>{usage}</secret>")
    on(host, ["virsh", "secret-define", file])
    key = host.folder / "secret.key"
    key.touch(mode=0o600)
    key.write_text(ceph("auth", "get-key", f"client.cinder{cloud.suffix}"))
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


def _reaches_others(host: Host, cloud: Cloud) -> bool:
    others = [h.address for h in cloud.hypervisors if h is not host]
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=3"]
    return all(ok([*enter(host), "ssh", *options, other, "true"]) for other in others)


def _nova(host: Host, cloud: Cloud) -> None:
    file = cloud.etc / "nova" / f"{host.name}.conf"
    values = {"HOST": host.name, "ADDRESS": host.address, "SECRET": SECRET}
    file.write_text(fill("nova-compute.conf", cloud=cloud, **values))
    spawn(host, "nova-compute", ["nova-compute", "--config-file", cloud.config("nova.conf"), "--config-file", file])


def _nova_alive(host: Host, cloud: Cloud) -> bool:
    return running(host, "nova-compute") and seed(f"alive:nova-compute:{host.name}", cloud) == "up\n"


def _discover_cells(cloud: Cloud) -> None:
    on(
        cloud.controller,
        ["nova-manage", "--config-file", cloud.config("nova.conf"), "cell_v2", "discover_hosts", "--by-service"],
    )


def _hypervisor(host: Host, cloud: Cloud) -> None:
    part(
        f"libvirt:{host.name}",
        needs=(f"host:{host.name}",) + ((f"config{cloud.suffix}",) if host.compute else ()),
        start=partial(_libvirt, host, cloud),
        alive=partial(_libvirt_answers, host),
        log=log_of(host, "libvirtd"),
        of=cloud.extra,
    )


def _compute(host: Host, cloud: Cloud, network: str) -> None:
    part(
        f"ceph-secret:{host.name}",
        needs=(f"libvirt:{host.name}", f"pools{cloud.suffix}" if cloud.suffix else "ceph"),
        start=partial(_ceph_secret, host, cloud),
        alive=partial(_has_secret, host),
        of=cloud.extra,
    )
    part(
        f"ssh-between:{host.name}",
        needs=tuple(f"sshd:{h.name}" for h in cloud.hypervisors),
        start=partial(_ssh_between, host),
        alive=partial(_reaches_others, host, cloud),
        of=cloud.extra,
    )
    part(
        f"nova-compute:{host.name}",
        needs=(
            f"ceph-secret:{host.name}",
            f"ssh-between:{host.name}",
            f"nova-conductor{cloud.suffix}",
            f"placement{cloud.suffix}",
            network,
        ),
        start=partial(_nova, host, cloud),
        alive=partial(_nova_alive, host, cloud),
        log=log_of(host, "nova-compute"),
        of=cloud.extra,
    )


def _cloud(cloud: Cloud, agents: tuple[str, ...]) -> None:
    """Register the two parts that say that a cloud is whole: its computes are known, and it has networks and flavors."""
    end = cloud.suffix
    part(
        f"cells{end}",
        needs=tuple(f"nova-compute:{h.name}" for h in cloud.hypervisors),
        start=partial(_discover_cells, cloud),
        alive=lambda: seed(f"mapped:{len(cloud.hypervisors)}", cloud) == "up\n",
        of=cloud.extra,
    )
    services = tuple(n + end for n in ("cells", "nova-scheduler", "glance", "cinder-scheduler", "cinder-volume"))
    part(
        cloud.extra or "cloud",
        needs=(*services, *agents),
        start=lambda: print(end=seed("cloud", cloud)),
        alive=lambda: seed("has-cloud", cloud) == "up\n",
        extra=dict if cloud.extra else None,
    )


for _h in HOSTS.values():
    if _h.hypervisor:
        _hypervisor(_h, LAB)
    if _h.compute:
        _compute(_h, LAB, f"neutron-ovs:{_h.name}")
_cloud(LAB, tuple(f"neutron-{k}" for k in AGENTS))
for _h in CLOUD_B.hypervisors:
    _hypervisor(_h, CLOUD_B)
    _compute(_h, CLOUD_B, f"ovn-controller:{_h.name}")
_cloud(CLOUD_B, tuple(f"ovn-metadata:{h.name}" for h in CLOUD_B.hypervisors))
