"""One round trip for everything that is read on a host: commands and files go in as data, what they gave comes out as JSON.

The script needs Python 3.6 or newer there (every host that runs OpenStack or cephadm has it), writes nothing, and runs all
probes side
by side, each under its own time-out: a command that hangs on dead storage costs its own answer only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Command", "Files", "HostAnswer", "Probe", "Reading", "argv", "parse"]


@dataclass(frozen=True)
class Command:
    """A command, ended after `timeout_s`. `within`: it runs where the host's hypervisor does (`compute_exec`)."""

    argv: tuple[str, ...]
    timeout_s: float = 6.0
    within: bool = False


@dataclass(frozen=True)
class Files:
    """Files by glob patterns; at most `limit` bytes of each. Those that can't be read are left out."""

    patterns: tuple[str, ...]
    limit: int = 65536


Probe = Command | Files


@dataclass(frozen=True)
class Reading:
    """What a probe gave: a command's status, stdout and the end of its stderr, or files by path.

    `absent`: there is no such command. `late`: it did not end in time.
    """

    status: int = 0
    text: str = ""
    error: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    absent: bool = False
    late: bool = False


@dataclass(frozen=True)
class HostAnswer:
    """What a host answered: its readings by name, and its clock (Unix seconds) when the script began and ended."""

    readings: Mapping[str, Reading]
    began: float
    ended: float


_SCRIPT = r"""
import glob, json, subprocess, sys, threading, time
jobs, out, began = json.loads(sys.argv[1]), {}, time.time()
# All at once would load a small host, and make those late that were started last. What waits gives its place to the next one.
places, brief = threading.Semaphore(8), 1.0
def told_by(p, seconds):
    try:
        return p.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
def work(name, job):
    try:
        if "argv" in job:
            with places:
                p = subprocess.Popen(job["argv"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                told = told_by(p, min(brief, job["timeout"]))
            told = told or told_by(p, max(0.0, job["timeout"] - brief))
            if told is None:
                p.kill()
                out[name] = {"late": True}
                return
            o, e = told
            out[name] = {"status": p.returncode, "text": o.decode("utf-8", "replace"),
                         "error": e.decode("utf-8", "replace")[-400:]}
            return
        files = {}
        for pattern in job["files"]:
            for path in sorted(glob.glob(pattern))[:2000]:
                try:
                    with open(path, "rb") as f:
                        files[path] = f.read(job["limit"]).decode("utf-8", "replace")
                except OSError:
                    pass
        out[name] = {"files": files}
    except FileNotFoundError:
        out[name] = {"absent": True}
    except Exception as e:
        out[name] = {"status": -1, "error": str(e)}
threads = [threading.Thread(target=work, args=item, daemon=True) for item in jobs.items()]
for t in threads:
    t.start()
for t in threads:
    t.join(max(0.1, began + float(sys.argv[2]) - time.time()))
for name in jobs:
    out.setdefault(name, {"late": True})
sys.stdout.write(json.dumps({"began": began, "ended": time.time(), "out": dict(out)}))
sys.stdout.flush()
"""

# The first one that is there; pyenv's and conda's wrappers are slow, the system's own is always whole.
_FIND = (
    "for p in /usr/bin/python3 /usr/libexec/platform-python python3; do "
    'command -v "$p" >/dev/null 2>&1 && exec "$p" -I -c "$@"; done; echo "no python3" >&2; exit 127'
)


def argv(probes: Mapping[str, Probe], *, within: Sequence[str] = (), limit_s: float = 8.0) -> list[str]:
    """The command that runs all probes on a host in at most `limit_s`; `within` are the words before those of the hypervisor."""
    jobs: dict[str, dict[str, Any]] = {}
    for name, probe in probes.items():
        if isinstance(probe, Command):
            words = [*within, *probe.argv] if probe.within else list(probe.argv)
            jobs[name] = {"argv": words, "timeout": min(probe.timeout_s, limit_s)}
        else:
            jobs[name] = {"files": list(probe.patterns), "limit": probe.limit}
    return ["sh", "-c", _FIND, "probe", _SCRIPT, json.dumps(jobs), str(limit_s)]


def parse(text: str) -> HostAnswer:
    """The script's stdout. Raises ValueError when it is none."""
    data = json.loads(text)
    return HostAnswer(
        {name: Reading(**reading) for name, reading in data["out"].items()}, float(data["began"]), float(data["ended"])
    )
