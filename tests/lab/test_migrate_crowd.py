"""A hundred machines in one wave: from a vCenter into Ceph, eight at a time, by a worker that is killed twice on the way.

`BW_CROWD` says how many (100). Their servers run on the fleet's computes, whose hypervisor is a fake; vCenter's disks, Nova,
Cinder and Ceph are as real as in every other test of the lab.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import State
from lab.fleet import PREFIX as FLEET
from lab.parts import vcenter

from .conftest import ROOT, Lab, until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(3600)]
MACHINES = int(os.environ.get("BW_CROWD", "100"))
HOSTS = -(-MACHINES // 6) + 1
"""A host of the fleet has room for six more servers."""
AT_ONCE, PER_HOST = 8, 4
KILLS = 2


@pytest.fixture
def site(lab: Lab) -> Iterator[Lab]:
    lab.run("add", "fleet", str(HOSTS), timeout=900)
    lab.run("add", "vcenter", str(MACHINES), timeout=600)
    lab.run("vcenter", "reset")
    lab.env |= vcenter.environment()
    lab.extra = {
        "BLUE_WIZARD_LIMITS__TOTAL": str(AT_ONCE),
        "BLUE_WIZARD_LIMITS__PER_TARGET": str(AT_ONCE),
        "BLUE_WIZARD_LIMITS__KINDS": json.dumps({"esxi-host": PER_HOST}),
    }
    yield lab
    # Where the test has failed, its servers would keep the fleet from being removed.
    for job in lab.json("job", "list"):
        if job["state"] != State.ROLLED_BACK:
            lab.bw("job", "rollback", job["id"], "--yes", code=None, timeout=3600)
    lab.run("remove", "fleet", timeout=900)
    (vcenter.ADDED / "vcenter").write_text("")
    lab.run("vcenter", "reset")


def _job(lab: Lab) -> dict[str, Any]:
    """The wave's job."""
    (job,) = lab.json("job", "list")
    return dict(lab.json("job", "show", job["id"]))


def _done(lab: Lab) -> int:
    """How many machines have moved. Asked of the ledger: two programs a second would be a load of their own."""
    file = lab.state / "ledger.db"
    ledger = Ledger(f"sqlite:///{file}") if file.exists() else None
    return sum(len(ledger.jobs(parent=root["id"], states=[State.DONE])) for root in ledger.jobs()) if ledger else 0


def _killed_at(lab: Lab, command: list[str], done: int) -> None:
    """Run a command that follows the wave, and kill the worker (-9) when so many machines have moved."""
    argv = [str(ROOT / ".venv" / "bin" / "blue-wizard"), *command]
    with subprocess.Popen(
        argv, env=lab.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as follower:
        until(lambda: follower.poll() is not None or _done(lab) >= done, f"{done} machines to have moved", 1800)
        assert follower.poll() is None, follower.communicate()[1][-3000:]
        os.kill(int((lab.state / "worker.lock").read_text()), signal.SIGKILL)
        _out, told = follower.communicate(timeout=120)
    assert follower.returncode == 4, told
    assert "job resume" in told


def _limits_kept(lab: Lab, job: dict[str, Any], host_of: dict[str, str]) -> int:
    """How many machines were moved at once, by the ledger's own order of events; no limit may ever have been passed."""
    children = {c["job"]: host_of[c["title"]] for c in job["children"]}
    moving: set[str] = set()
    most = 0
    for event in lab.json("job", "log", job["job"]):
        if event["kind"] != "state" or event["job"] not in children:
            continue
        if event["message"] == "running":
            moving.add(event["job"])
        elif event["message"] in ("done", "failed", "cancelled", "rolled-back", "waiting"):
            moving.discard(event["job"])
        most = max(most, len(moving))
        assert len(moving) <= AT_ONCE
        assert max(Counter(children[j] for j in moving).values(), default=0) <= PER_HOST
    return most


def test_a_wave_of_a_hundred_whose_worker_is_killed_twice(site: Lab, tmp_path: Path) -> None:
    names = vcenter.crowd()
    assert len(names) == MACHINES
    before = site.inventory()
    found = site.json("migrate", "discover", "vcenter", "--match", f"{vcenter.CROWD}*")
    power = {m["name"]: m["power"] for m in found}
    host_of = {m["name"]: next(p for p in m["places"] if p.startswith("esxi-host:")) for m in found}
    assert Counter(power.values())["on"] == len(names[::4])
    wave, map_file = tmp_path / "wave.yaml", tmp_path / "map.yaml"
    map_file.write_text(f"availability_zone: {FLEET.rstrip('-')}\n")
    site.bw("migrate", "plan", "vcenter", "--match", f"{vcenter.CROWD}*", "--map", map_file, "--convert", "never",
            "--shutdown", "--out", wave)  # fmt: skip

    began = time.monotonic()
    _killed_at(site, ["migrate", "run", str(wave), "--yes"], MACHINES // 3)
    job = _job(site)["job"]
    for n in range(1, KILLS):
        _killed_at(site, ["job", "resume", job], MACHINES * (n + 1) // 3)
    view = site.bw("job", "resume", job, "-o", "json", code=None, timeout=3600)
    took = time.monotonic() - began

    assert json.loads(view.stdout)["state"] == "done", view.stderr[-3000:]
    shown = _job(site)
    vms = {vm["name"]: vm for vm in shown["report"]["vms"]}
    assert set(vms) == set(names)
    assert {vm["state"] for vm in vms.values()} == {"done"}
    most = _limits_kept(site, shown, host_of)
    for name, vm in vms.items():
        (disk,) = vm["disks"]
        expected = hashlib.sha256(vcenter.flat(name, "disk").read_bytes()).hexdigest()
        assert disk["sha256"] == expected
        assert site.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == expected
    after = site.inventory()
    new = {kind: len(after[kind] - before[kind]) for kind in after}
    assert new == {"servers": MACHINES, "ports": 0, "volumes": MACHINES, "flavors": 0, "images": MACHINES}
    compute = site.connect().compute
    servers = [compute.get_server(vm["server_id"]) for vm in vms.values()]
    assert {s.status for s in servers} == {"ACTIVE"}
    assert all(s.compute_host.startswith(FLEET) for s in servers)
    site.bw("job", "audit")
    report = tmp_path / "wave.xlsx"
    site.bw("migrate", "report", wave, "--out", report)
    told = Counter(cell.value for sheet in openpyxl.load_workbook(report) for row in sheet for cell in row)
    assert all(told[name] for name in names)
    print(f"{MACHINES} machines in {took:.0f} s, at most {most} at once, the worker killed {KILLS} times")

    site.bw("migrate", "rollback", wave, "--yes", timeout=3600)
    assert site.inventory() == before
    found = site.json("migrate", "discover", "vcenter", "--match", f"{vcenter.CROWD}*")
    assert {m["name"]: m["power"] for m in found} == power
