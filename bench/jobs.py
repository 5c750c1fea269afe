"""What a step of a job costs when it does nothing: ours, bare DBOS, and TaskFlow, all on SQLite, in one run.

Ours has a ledger besides: an event chain, states, locks, approvals. It is also checked that no job is lost, that none is
done twice, and that the ledger's order is right. `python -m bench.jobs [JOBS [STEPS]]`; the default is 1000 jobs of 5.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from blue_wizard.jobs import client
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State, Step

PEERS = Path(__file__).parent / "peers"
TASKFLOW = Path(".venv-bench")


def ours(jobs: int, steps: int) -> float:
    """Seconds from the start of one worker until it has ended with nothing left to do. Raises AssertionError."""
    for number in range(jobs):
        parts = tuple(Step(f"s{i}", "bench.nothing", {}, f"step {i}") for i in range(steps))
        client.submit(Plan(f"job {number}", "bench", steps=parts), approved=True)
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "blue_wizard", "worker", "--until-idle"], check=True)
    took = time.monotonic() - began
    _check(Ledger(), jobs, steps)
    return took


def _check(ledger: Ledger, jobs: int, steps: int) -> None:
    rows = ledger.jobs()
    assert len(rows) == jobs
    assert {r["state"] for r in rows} == {State.DONE}, "a job was lost"
    story: dict[str, list[str]] = defaultdict(list)
    for event in ledger.events([r["id"] for r in rows]):
        if event["kind"] in {"state", "step"}:
            story[event["job"]].append(f"{event['step']} {event['message']}".strip())
    parts = [line for i in range(steps) for line in (f"s{i} running", f"s{i} done")]
    expected = ["queued", "running", *parts, "done"]
    assert all(told == expected for told in story.values()), "the ledger's order is wrong"
    assert ledger.audit().faults == ()


def _peer(python: str | Path, script: str, folder: Path, jobs: int, steps: int) -> float:
    argv = [str(python), str(PEERS / script), str(folder), str(jobs), str(steps)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def _taskflow() -> Path:
    if not (TASKFLOW / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(TASKFLOW)], check=True)
        pip = [str(TASKFLOW / "bin" / "pip"), "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "taskflow[database]", "setuptools"], check=True)
    return TASKFLOW / "bin" / "python"


def main() -> None:
    """Measure and print."""
    jobs, steps = (int(a) for a in (sys.argv[1:] + ["1000", "5"][len(sys.argv) - 1 :])[:2])
    taskflow = _taskflow()
    with tempfile.TemporaryDirectory(prefix="bw-bench-") as scratch:
        folder = Path(scratch)
        os.environ.update(
            BLUE_WIZARD_STATE_DIR=str(folder / "state"),
            BLUE_WIZARD_PLUGINS="bench.nothing",
            BLUE_WIZARD_LIMITS__TOTAL="16",
        )
        seconds = {
            "ours": ours(jobs, steps),
            "bare DBOS": _peer(sys.executable, "dbos_jobs.py", folder, jobs, steps),
            "TaskFlow": _peer(taskflow, "taskflow_jobs.py", folder, jobs, steps),
        }
    print(f"{jobs} jobs of {steps} steps; no job lost, none twice, the order is right")
    for name, took in seconds.items():
        ratio = took / seconds["bare DBOS"]
        print(f"{name:<10} {took:7.1f} s   {1000 * took / (jobs * steps):6.2f} ms a step   {ratio:5.2f} of bare DBOS")


if __name__ == "__main__":
    main()
