"""One command on many hosts: ours against `ansible -m raw -f 50`, in one run, on one sshd of 200 names.

Wall time, and CPU time of all client processes (Python, ssh, everything that they started); the CPU time that sshd spends is
told apart, since nobody can save it. `python -m bench.fanout [HOSTS [ROUNDS]]`; the default is 200 hosts, 3 rounds.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.sshd import Server, serve

ANSIBLE = Path(os.environ.get("BW_BENCH_CACHE", "/var/cache/blue-wizard-bench")) / "ansible"
FORKS = 50
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """Seconds: wall, CPU of the clients, CPU of sshd."""

    wall: float
    client: float
    server: float


def ansible() -> Path:
    """The peer's command, in a venv of its own that is made once."""
    if not (ANSIBLE / "bin" / "ansible").exists():
        ANSIBLE.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(ANSIBLE)], check=True)
        pip = [str(ANSIBLE / "bin" / "pip"), "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "ansible-core"], check=True)
    return ANSIBLE / "bin" / "ansible"


def files(folder: Path, server: Server, hosts: int) -> None:
    """Both read the same SSH configuration; every name is a host of its own to both."""
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
    (folder / "ssh_config").write_text(
        f"Host node*\n  HostName 127.0.0.1\n  Port {server.port}\n  User root\n  IdentityFile {server.client_key}\n"
        f"  UserKnownHostsFile {folder / 'known_hosts'}\n  IdentitiesOnly yes\n"
    )
    names = [f"node{i}" for i in range(hosts)]
    # JSON is YAML.
    ours: dict[str, Any] = {"ssh": {"config": str(folder / "ssh_config")}, "hosts": {n: {} for n in names}}
    # A cloud is not asked: hosts alone are measured.
    ours |= {"cloud": "none", "inventory": {"nova": False}}
    (folder / "config.yaml").write_text(json.dumps(ours))
    common = f"[all:vars]\nansible_ssh_common_args='-F {folder / 'ssh_config'}'\n"
    (folder / "hosts.ini").write_text("\n".join(["[all]", *names, common]))


@contextmanager
def _bill(server: Server) -> Iterator[list[Cost]]:
    """Fills the list with what was spent within the context, once every process that it left behind has ended."""
    found: list[Cost] = []
    before, spent, began = _children(), _of_sshd(server), time.monotonic()
    yield found
    wall = time.monotonic() - began
    _end_leftovers(server)
    found.append(Cost(wall, _children() - before, _of_sshd(server) - spent))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _of_sshd(server: Server) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(f) for f in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _end_leftovers(server: Server) -> None:
    """Connections that ansible keeps open (ControlPersist) are processes of ours by now: end them, and be told their time."""
    tasks = Path("/proc/self/task")
    while left := [
        int(p) for t in tasks.iterdir() for p in (t / "children").read_text().split() if int(p) != server.pid
    ]:
        for pid in left:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
    # sshd's own children have to be waited for by sshd.
    while Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
        time.sleep(0.01)


def measure(
    server: Server, argv: Sequence[str], environment: Mapping[str, str], expected: int, count: Callable[[str], int]
) -> Cost:
    """What one run costs. `count` tells from its stdout how many hosts have answered: all of them must have."""
    with _bill(server) as bill:
        done = subprocess.run(
            argv,
            env={**os.environ, **environment},
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    assert done.returncode == 0, f"{argv[0]} ended with {done.returncode}: {done.stderr[-2000:]}"
    answered = count(done.stdout)
    assert answered == expected, f"{argv[0]}: {answered} of {expected} answered"
    return bill[0]


def main() -> None:
    """Measure and print."""
    hosts, rounds = (int(a) for a in (sys.argv[1:] + ["200", "3"][len(sys.argv) - 1 :])[:2])
    peers = ansible()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with tempfile.TemporaryDirectory(prefix="bw-fanout-") as scratch:
        folder = Path(scratch)
        with serve(folder) as server:
            files(folder, server, hosts)
            ours = [sys.executable, "-m", "bench.peers.our_fanout", str(FORKS)]
            peer = [str(peers), "-i", str(folder / "hosts.ini"), "all", "-m", "raw", "-a", "true", "-f", str(FORKS)]
            ways = {
                "ours": (ours, {"BLUE_WIZARD_CONFIG": str(folder / "config.yaml")}),
                "ansible": (peer, quiet(folder)),
            }
            costs: dict[str, list[Cost]] = {name: [] for name in ways}
            for _round in range(rounds):
                for name, (argv, environment) in ways.items():
                    costs[name].append(measure(server, argv, environment, hosts, _answered))
    show(costs, f"{hosts} hosts, one command each, {FORKS} at once")


def _answered(text: str) -> int:
    return int(text) if text.strip().isdigit() else text.count("| CHANGED | rc=0")


def quiet(folder: Path) -> dict[str, str]:
    """The environment of the peer."""
    # Its defaults, with its files in our folder; it takes /etc/ansible/ansible.cfg or ./ansible.cfg if there is one.
    return {"ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_NOCOLOR": "1"}


def show(costs: Mapping[str, Sequence[Cost]], what: str) -> None:
    """Medians and ratios."""
    print(f"{what}; medians of {len(costs['ours'])} rounds; every host answered")
    medians = {
        name: [statistics.median(getattr(c, field) for c in found) for field in ("wall", "client", "server")]
        for name, found in costs.items()
    }
    for name, (wall, client, server) in medians.items():
        print(f"{name:<8} wall {wall:6.2f} s   CPU {client:6.2f} s   (sshd's CPU {server:6.2f} s)")
    ratios = [a / b for a, b in zip(medians["ours"], medians["ansible"], strict=True)]
    print(f"ratio    wall {ratios[0]:6.2f}     CPU {ratios[1]:6.2f}      (sshd's CPU {ratios[2]:6.2f})")


if __name__ == "__main__":
    main()
