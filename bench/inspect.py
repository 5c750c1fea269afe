"""200 SSH endpoints inspected: ours against `ansible -m setup -f 50`, in one run, on one sshd of 200 names.

Ours runs every check of hosts that a weekly inspection has: it reads all that they need, judges it, and reads again what may
be a state of passage. The peer gathers its facts and judges nothing. Services are left out: the endpoints have none of their
own, and those that happen to run on this machine would be taken for theirs. All endpoints are this one machine, so ours asks
fewer of them at once than the peer: a command there has six seconds. `python -m bench.inspect [HOSTS [ROUNDS]]`; the
default is 200 hosts, 3 rounds.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
import tempfile
import typing
from functools import partial
from pathlib import Path

from bench.fanout import FORKS, Cost, ansible, files, measure, quiet, show
from bench.sshd import serve
from blue_wizard.inspect import collect
from blue_wizard.inspect.facts import Everywhere, Reached, is_host_fact
from blue_wizard.inspect.model import Check, Now, Profile, checks

_PR_SET_CHILD_SUBREAPER = 36
_DEADLINE_S = 600
_AT_ONCE = 16


def of_hosts_alone() -> list[Check]:
    """The checks of hosts and of their certificates that ask neither the APIs nor Ceph."""
    collect.register()

    def hosts(kind: typing.Any) -> bool:
        inner = typing.get_args(kind)[0] if typing.get_origin(kind) is Everywhere else kind
        return is_host_fact(inner) or kind in {Now, Reached}

    weekly = [c for c in checks() if c.profile.rank <= Profile.WEEKLY.rank and c.family in {"host", "cert"}]
    return [c for c in weekly if all(map(hosts, c.needs))]


def gathered(text: str) -> int:
    """How many hosts the peer has facts of."""
    return len(re.findall(r"^\S+ \| SUCCESS => ", text, re.M))


def inspected(text: str, hosts: int) -> int:
    """How many of the hosts were looked at, from the JSON: one that did not answer is a finding, and lowers the coverage."""
    found = json.loads(text)
    lost = sum(f["check"] == "host.unreachable" for f in found["findings"])
    unknown = [u for c in found["checks"] for u in c["unknown"]]
    assert not unknown, unknown[:5]
    return hosts - lost


def _fewer_at_once(file: Path) -> None:
    settings = json.loads(file.read_text())
    settings["ssh"]["inspected"] = _AT_ONCE
    file.write_text(json.dumps(settings))


def main() -> None:
    """Measure and print."""
    hosts, rounds = (int(a) for a in (sys.argv[1:] + ["200", "3"][len(sys.argv) - 1 :])[:2])
    peer = ansible()
    chosen = of_hosts_alone()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with tempfile.TemporaryDirectory(prefix="bw-inspect-") as scratch:
        folder = Path(scratch)
        with serve(folder) as server:
            files(folder, server, hosts)
            _fewer_at_once(folder / "config.yaml")
            only = [word for c in chosen for word in ("--only", c.id)]
            ours = [sys.executable, "-m", "blue_wizard", "inspect", *only, "--deadline", str(_DEADLINE_S), "-o", "json",
                    "--no-history", "--fail-on", "never"]  # fmt: skip
            setup = [str(peer), "-i", str(folder / "hosts.ini"), "all", "-m", "setup", "-f", str(FORKS)]
            ways = {
                "ours": (ours, {"BLUE_WIZARD_CONFIG": str(folder / "config.yaml")}, partial(inspected, hosts=hosts)),
                "ansible": (setup, quiet(folder), gathered),
            }
            costs: dict[str, list[Cost]] = {name: [] for name in ways}
            for _round in range(rounds):
                for name, (argv, environment, count) in ways.items():
                    costs[name].append(measure(server, argv, environment, hosts, count))
    show(
        costs,
        f"{hosts} hosts inspected by {len(chosen)} checks, {_AT_ONCE} at once, against ansible -m setup -f {FORKS}",
    )


if __name__ == "__main__":
    main()
