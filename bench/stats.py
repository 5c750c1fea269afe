"""Our whole reports of a cloud against two lists of its own client, in one run, on the lab's APIs.

Ours: `blue-wizard stats projects`, `stats hosts` and `stats` (all topics), each without what an earlier run would have
left (cold) and with it (warm). The peer's: `openstack server list --all-projects` and `openstack hypervisor list --long`; its
newest release pages through all servers by itself, and refuses the `--limit -1` that older ones need for it. Told are wall and
CPU time of the client's process, and its requests to APIs. Nothing is changed.

`python -m bench.stats [ROUNDS]`, the default is 3; the lab must be up, and says more when `lab/lab add scale` has filled it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENT = Path(os.environ.get("BW_BENCH_CACHE", "/var/cache/blue-wizard-bench")) / "openstackclient"
OURS = {"stats projects": ["projects"], "stats hosts": ["hosts"], "stats": []}
THEIRS = {
    "openstack server list": ["server", "list", "--all-projects"],
    # Later microversions have Nova ask every host for its uptime, and hosts that only a database knows do not answer.
    "openstack hypervisor list": ["--os-compute-api-version", "2.87", "hypervisor", "list", "--long"],
}


@dataclass(frozen=True)
class Cost:
    """Seconds of wall and CPU time, and requests."""

    wall: float
    cpu: float
    calls: int


def _client() -> Path:
    if not (CLIENT / "bin" / "openstack").exists():
        CLIENT.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(CLIENT)], check=True)
        pip = [str(CLIENT / "bin" / "pip"), "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "python-openstackclient"], check=True)
    return CLIENT / "bin" / "openstack"


def _lab() -> dict[str, str]:
    printed = subprocess.run([ROOT / "lab" / "lab", "env"], check=True, capture_output=True, text=True).stdout
    words = [w for w in shlex.split(printed, comments=True) if "=" in w]
    return dict(w.removeprefix("export ").split("=", 1) for w in words)


def _run(argv: Sequence[str | Path], environment: Mapping[str, str]) -> tuple[float, float, str]:
    """Wall, CPU and stdout of a command that ends well."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(argv, env={**os.environ, **environment}, check=False, capture_output=True, text=True)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, f"{argv}: exit {done.returncode}: {done.stderr[-2000:]}"
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def _ours(topics: Sequence[str], environment: Mapping[str, str], state: str) -> tuple[Cost, dict[str, float]]:
    argv: list[str | Path] = [
        ROOT / ".venv" / "bin" / "blue-wizard",
        "stats",
        *topics,
        "--deadline",
        "1800",
        "-o",
        "json",
    ]
    # 1 would mean that something could not be read.
    wall, cpu, printed = _run(argv, {**environment, "BLUE_WIZARD_STATE_DIR": state})
    found = json.loads(printed)
    # The login, and the documents that tell the services' versions, are not among the calls of the report; among theirs they are.
    return Cost(wall, cpu, found["calls"]), {k: v["value"] for k, v in found["statistics"].items()}


def _theirs(client: Path, words: Sequence[str], environment: Mapping[str, str]) -> tuple[Cost, int]:
    wall, cpu, printed = _run([client, "--timing", *words, "-f", "json"], environment)
    # The list, and behind it the requests with their times, as CSV.
    listed, end = json.JSONDecoder().raw_decode(printed)
    calls = len(re.findall(r'^"(?:GET|POST) ', printed[end:], re.M))
    return Cost(wall, cpu, calls), len(listed)


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    client, environment = _client(), _lab()
    costs: dict[str, list[Cost]] = {}
    sizes: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bw-stats-") as scratch:
        for number in range(rounds):
            for name, topics in OURS.items():
                # The first look leaves markers and inventories for the second.
                state = f"{scratch}/{number}-{name.replace(' ', '-')}"
                for kind in ("cold", "warm"):
                    cost, found = _ours(topics, environment, state)
                    costs.setdefault(f"{name}, {kind}", []).append(cost)
                    sizes |= {k: v for k, v in found.items() if k in {"servers.count", "hosts.count", "projects.count"}}
            for name, words in THEIRS.items():
                cost, listed = _theirs(client, words, environment)
                costs.setdefault(name, []).append(cost)
                sizes[name] = listed
    assert sizes["openstack server list"] == sizes["servers.count"], "both have seen all servers"
    _print(costs, sizes, rounds)


def _print(costs: Mapping[str, Sequence[Cost]], sizes: Mapping[str, float], rounds: int) -> None:
    counts = ", ".join(f"{sizes[f'{what}.count']:.0f} {what}" for what in ("servers", "hosts", "projects"))
    print(f"{counts}; medians of {rounds} rounds")
    medians = {
        name: Cost(*(statistics.median(getattr(c, field) for c in found) for field in ("wall", "cpu", "calls")))
        for name, found in costs.items()
    }
    for name, cost in medians.items():
        print(f"{name:<27} wall {cost.wall:7.2f} s   CPU {cost.cpu:7.2f} s   requests {cost.calls:5.0f}")
    first = medians["openstack server list"]
    for name in (n for n in medians if n.startswith("stats")):
        mine = medians[name]
        print(
            f"{name:<20} / openstack server list alone: wall {mine.wall / first.wall:.2f}   CPU {mine.cpu / first.cpu:.2f}"
        )


if __name__ == "__main__":
    main()
