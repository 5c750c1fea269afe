"""The worker is killed (-9) in each step of a warm migration; then the job is resumed, or rolled back."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from blue_wizard.jobs import client
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State, Step
from blue_wizard.migrate.warm.steps import after_warm, warm_steps
from blue_wizard.migrate.wave import DiskPlan, VmPlan, Warm, Wave
from tests.drawn import seed

from .conftest import HERE, Toy

ROOT = HERE.parents[1]
SIZE = (6 << 20) + 512
SEED = seed()
EVERY = [
    (step, phase, end)
    for step in ("warm", "off", "final", "forget")
    for phase in ("before", "during", "after")
    for end in ("resume", "rollback")
]
SAMPLE = {("warm", "during", "resume"), *random.Random(SEED).sample(EVERY, 2)}  # noqa: S311


def plan_of(folder: Path) -> Plan:
    url = f"toywarm://{folder}"
    vm = VmPlan(
        id="m",
        name="m",
        vcpus=1,
        memory=64,
        disks=[DiskPlan(id="vda", size=SIZE, boot=True)],
        shutdown=True,
        warm=Warm(downtime=60, cutover="auto"),
    )
    wave = Wave(source=url, cloud="c", vms=[vm])
    assert vm.warm
    steps = [
        Step("volume.0", "toywarm.volume", {"source": url}, "make a target"),
        *warm_steps(wave, vm, vm.warm, ""),
        after_warm(wave, vm, ""),
    ]
    return Plan("warm", "toy", steps=tuple(steps))


def disk_in(folder: Path) -> None:
    draw = random.Random(SEED)  # noqa: S311
    with (folder / "vda.raw").open("wb") as disk:
        disk.truncate(SIZE)
        for at in range(0, SIZE - (1 << 20), 1 << 20):
            disk.seek(at)
            disk.write(draw.randbytes(600_000))
    (folder / "on").touch()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("step", "phase", "end"), [pytest.param(*x, marks=() if x in SAMPLE else pytest.mark.slow) for x in EVERY]
)
def test_killed(toy: Toy, monkeypatch: pytest.MonkeyPatch, step: str, phase: str, end: str) -> None:
    monkeypatch.setenv("BLUE_WIZARD_PLUGINS", "warmtoys,killer")
    marker = toy.folder / "killed"
    monkeypatch.setenv("BW_KILL", f"{step}:{phase}:{marker}")
    disk_in(toy.folder)

    job = client.submit(plan_of(toy.folder), approved=True)
    client.ensure_worker()
    with pytest.raises(client.WorkerGone):
        client.wait(job)

    assert marker.exists(), f"the worker was not killed (seed {SEED})"
    if end == "resume":
        ledger = Ledger()
        assert toy.end(job) is State.DONE, ledger.job(job)["error"]
        (disk,) = ledger.outcome(job, "final")["disks"]
        assert disk["sha256"] == sha256(toy.folder / "target.raw") == sha256(toy.folder / "vda.raw")
        assert [e["kind"] for e in ledger.events([job])].count("warning") == 0
        assert not (toy.folder / "on").exists()
        client.rollback(job)
        toy.end(job)
    else:
        client.rollback(job)
        toy.end(job)
    assert Ledger().job(job)["state"] == State.ROLLED_BACK
    # The machine runs as at first, and nothing of ours is there, or here.
    assert (toy.folder / "on").exists()
    assert {p.name for p in toy.folder.iterdir()} == {"vda.raw", "on", "killed"}
    assert list((toy.folder.parent / "state" / "transfers").glob("*")) == []
