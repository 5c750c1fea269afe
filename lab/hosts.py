"""Hosts as namespaces: network, mount, UTS and PID, with a private /run. Killing a host's first process kills all of it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.run import LabError, ok, run, wait
from lab.site import EVERY_HOST, OPERATOR, STATE, Host

BRIDGES = {"bwl-mgmt": f"{OPERATOR}/24", "bwl-under": "", "bwl-ext": "172.24.4.1/24"}


def make_bridges() -> None:
    """The three wires between the hosts: management, underlay, and the trunk of the provider network."""
    for name, address in BRIDGES.items():
        if not ok(["ip", "link", "show", name]):
            run(["ip", "link", "add", name, "mtu", "1600" if name == "bwl-under" else "1500", "type", "bridge"])
        run(["ip", "link", "set", name, "up"])
        if address:
            run(["ip", "address", "replace", address, "dev", name])


def bridges_exist() -> bool:
    """True when all three are up."""
    return all(ok(["ip", "link", "show", name, "up"]) for name in BRIDGES)


def first_process(host: Host) -> int | None:
    """The host's process 1 as this machine numbers it; None when the host is not up."""
    try:
        pid, netns = (host.folder / "pid").read_text().split()
        return int(pid) if os.readlink(f"/proc/{pid}/ns/net") == netns else None
    except (OSError, ValueError):
        return None


def enter(host: Host) -> list[str]:
    """The argv prefix that runs a command inside the host. Raises LabError when the host is not up."""
    pid = first_process(host)
    if pid is None:
        raise LabError(f"host {host.name} is not up")
    return ["nsenter", "-t", str(pid), "-m", "-u", "-n", "-p", "--"]


def on(
    host: Host,
    argv: Sequence[str | Path],
    *,
    check: bool = True,
    timeout: float = 300,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
) -> str:
    """Run a command inside the host; its stdout. `env` is added to the environment."""
    full = {**os.environ, **env} if env else None
    return run([*enter(host), *argv], check=check, timeout=timeout, stdin=stdin, env=full)


def spawn(host: Host, name: str, argv: Sequence[str | Path], *, env: dict[str, str] | None = None) -> None:
    """Start a daemon inside the host; its output goes to the host's log folder. A former one is killed first."""
    kill(host, name)
    log = log_of(host, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = shlex.join(str(a) for a in argv)
    script = f"echo $$ > /run/lab/{name}.pid; exec {command} >> {log} 2>&1 < /dev/null"
    clean = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", **(env or {})}
    subprocess.run([*enter(host), "setsid", "--fork", "sh", "-c", script], env=clean, check=True, timeout=30)


def log_of(host: Host, name: str) -> Path:
    """Where a daemon of a host logs."""
    return STATE / "log" / host.name / f"{name}.log"


def running(host: Host, name: str) -> bool:
    """True while the daemon that `spawn` started lives (a zombie does not)."""
    if first_process(host) is None:
        return False
    return ok([*enter(host), "sh", "-c", f"p=$(cat /run/lab/{name}.pid) && grep -q '^State:.[^Z]' /proc/$p/status"])


def kill(host: Host, name: str) -> None:
    """Kill the daemon and all that it started in its session."""
    if first_process(host) is not None:
        script = f"p=$(cat /run/lab/{name}.pid 2>/dev/null) && pkill -9 -s $p; rm -f /run/lab/{name}.pid"
        run([*enter(host), "sh", "-c", script], check=False)


def create(host: Host) -> None:
    """Make the host's namespaces and wires, and start its process 1."""
    folder = host.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ready").unlink(missing_ok=True)
    names = "".join(f"{h.address} {h.name}\n" for h in EVERY_HOST.values())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{OPERATOR} operator\n{names}")
    (folder / "resolv.conf").write_text("")
    # An unresolvable name blocks getfqdn() for ten seconds, and Neutron's agents give up after three of those.
    lines = Path("/etc/nsswitch.conf").read_text().splitlines()
    (folder / "nsswitch.conf").write_text(
        "\n".join("hosts: files" if x.startswith("hosts:") else x for x in lines) + "\n"
    )
    run(["ip", "netns", "add", host.netns])
    _plug(host, "m", "mgmt", "bwl-mgmt", 1500)
    if host.ovs:
        _plug(host, "u", "phy0", "bwl-under", 1600)
        _plug(host, "e", "ex0", "bwl-ext", 1500)
    binds = "".join(f"mount --bind {folder}/{f} /etc/{f}\n" for f in ("hosts", "resolv.conf", "nsswitch.conf"))
    # What this machine's root has in his own .bashrc would run before every command that comes by SSH.
    inside = f"""
set -e
[ ! -e /root/.bashrc ] || mount --bind /dev/null /root/.bashrc
mount -t tmpfs tmpfs /run
mkdir -p /run/lab /run/netns /run/openvswitch /run/lock /run/libvirt /run/sshd /run/ceph
mount -t tmpfs tmpfs /dev/shm
hostname {host.name}
{binds}
ip link set lo up
ip address add {host.address}/24 dev mgmt
ip link set mgmt up
ip route add default via {OPERATOR}
sysctl -qw net.ipv4.ip_forward=1
touch {folder}/ready
exec tini -s -- sleep infinity
"""
    argv = ["ip", "netns", "exec", host.netns, "unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc"]
    argv += ["--propagation", "private", "sh", "-c", inside]
    with (folder / "boot.log").open("w") as log:
        holder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    wait((folder / "ready").exists, f"host {host.name}", timeout=20, log=folder / "boot.log")
    child = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
    (folder / "pid").write_text(f"{child} {os.readlink(f'/proc/{child}/ns/net')}\n")
    if host.ovs:
        _offload_off(["nsenter", "-t", child, "-n"], ["mgmt", "phy0", "ex0"])


def _plug(host: Host, kind: str, inside: str, bridge: str, mtu: int) -> None:
    outside = f"bwl-{kind}-{host.name}"
    size = ["mtu", str(mtu)]
    run(["ip", "link", "add", outside, *size, "type", "veth", "peer", "name", inside, *size, "netns", host.netns])
    run(["ip", "link", "set", outside, "master", bridge, "up"])
    _offload_off([], [outside])


def _offload_off(prefix: list[str], links: list[str]) -> None:
    # A userspace bridge reads frames whose checksum the kernel has left to a card that isn't there.
    for link in links:
        run([*prefix, "ethtool", "-K", link, "tx", "off"])
