"""The worker is killed (-9) in each step of a real migration; then the job is resumed, or rolled back."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.parts.kvm_guests import GUESTS, IMAGES

from .conftest import ROOT, Lab, image_sha256, until

pytestmark = pytest.mark.lab
GUEST = GUESTS["tiny2"]
STEPS = ("port.0", "port.1", "volume.0", "volume.1", "server", "stop", "off", "import.0", "import.1", "attach.0",
         "attach.1", "start", "verify")  # fmt: skip


@pytest.mark.drawn("migration killed")
@pytest.mark.parametrize("end", ["resume", "rollback"])
@pytest.mark.parametrize("phase", ["before", "during", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed(lab: Lab, tmp_path: Path, step: str, phase: str, end: str) -> None:
    until(lambda: lab.run("guest", GUEST.name, "ping", code=None).returncode == 0, "the source to answer")
    before = lab.inventory()
    map_file, wave, marker = tmp_path / "map.yaml", tmp_path / "wave.yaml", tmp_path / "killed"
    map_file.write_text("networks: {default: private, backend: storage}\nsecurity_groups: [open]\n")
    # Both disks are on their way when one of their steps is killed.
    options = ("--shutdown", *(("--disks-at-once", "2") if step.startswith("import") else ()))
    lab.bw("migrate", "plan", "kvm1", "--match", GUEST.name, "--map", map_file, *options, "--out", wave)
    lab.extra = {
        "BLUE_WIZARD_PLUGINS": "killer",
        "PYTHONPATH": str(ROOT / "tests" / "crash"),
        "BW_KILL": f"{step}:{phase}:{marker}",
    }

    died = lab.bw("migrate", "run", wave, "--yes", code=4)

    assert marker.exists(), "the worker was not killed"
    job = lab.json("job", "list")[0]["id"]
    assert f"job resume {job}" in died.stderr
    if end == "rollback":
        lab.bw("job", "rollback", job, "--yes")
    else:
        assert lab.json("job", "resume", job)["state"] == "done"
        (vm,) = lab.json("job", "show", job)["report"]["vms"]
        after = lab.inventory()
        # One server, two ports, two volumes with their images, and no effect twice.
        new = {kind: len(after[kind] - before[kind]) for kind in after}
        assert new == {"servers": 1, "ports": 2, "volumes": 2, "flavors": 0, "images": 2}
        for name, disk in zip(("tiny2", "tiny2-data"), vm["disks"], strict=True):
            expected = image_sha256(IMAGES / f"{name}.qcow2", "qcow2", tmp_path)
            assert disk["sha256"] == expected
            assert lab.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == expected
        lab.run("guest", vm["server_id"], "wait", "--timeout", "60")
        lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before
    until(lambda: lab.run("guest", GUEST.name, "ping", code=None).returncode == 0, "the source to answer again")
