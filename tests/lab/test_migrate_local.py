"""Disks move onto compute hosts, and through a staging folder: equal byte for byte, and nothing is left after a rollback."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.parts.kvm_guests import GUESTS, IMAGES

from .conftest import ROOT, Lab, image_sha256, until
from .local_disks import COMPUTES, INSTANCES, everything, sha256_on

pytestmark = pytest.mark.lab
GUEST = GUESTS["tiny2"]
MAP = 'networks: {default: private, backend: storage, "": private}\nsecurity_groups: [open]\n'
STEPS = ("port.0", "flavor.0", "image", "server", "stop", "off", "import.0", "import.1", "attach.0", "start", "verify")


def _plan(lab: Lab, tmp_path: Path, source: str | Path, *options: str) -> Path:
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    lab.bw("migrate", "plan", source, "--map", map_file, "--convert", "never", *options, "--out", wave)
    return wave


def _plan_guest(lab: Lab, tmp_path: Path, *options: str) -> Path:
    until(lambda: _source_answers(lab), "the source to answer")
    return _plan(lab, tmp_path, "kvm1", "--match", GUEST.name, "--shutdown", *options)


def _source_answers(lab: Lab) -> bool:
    return lab.run("guest", GUEST.name, "ping", code=None).returncode == 0


def _check_guest(lab: Lab, vm: dict[str, object], tmp_path: Path) -> None:
    """Both disks of the tiny guest are equal, and it answers. It never writes, so they can still be compared."""
    disks: list[dict[str, object]] = vm["disks"]  # type: ignore[assignment]
    for name, disk in zip(("tiny2", "tiny2-data"), disks, strict=True):
        expected = image_sha256(IMAGES / f"{name}.qcow2", "qcow2", tmp_path)
        target, size = str(disk["target"]), int(str(disk["size"]))
        assert disk["sha256"] == expected
        if target.startswith("rbd:"):
            assert lab.rbd_sha256(target.removeprefix("rbd:"), size) == expected
        else:
            assert sha256_on(lab, target, size) == expected
    console = lab.run("guest", str(vm["server_id"]), "wait", "--timeout", "60").stdout
    assert all(f"ip={a};" in console for a in vm["addresses"])  # type: ignore[attr-defined]


@pytest.mark.way("kvm", "cold", "local")
@pytest.mark.drawn("KVM")
def test_two_disks_onto_a_compute_host(lab: Lab, tmp_path: Path) -> None:
    wave = _plan_guest(lab, tmp_path, "--storage", "local", "--disks-at-once", "2")
    before = everything(lab)

    (vm,) = lab.json("migrate", "run", wave, "--yes")["report"]["vms"]

    assert vm["state"] == "done"
    assert set(vm["answers"].values()) == {"answers"}
    _check_guest(lab, vm, tmp_path)
    server = lab.connect().compute.get_server(vm["server_id"])
    for disk, file in zip(vm["disks"], ("disk", "disk.eph0"), strict=True):
        assert disk["target"] == f"local:{server.compute_host}:{INSTANCES}/{server.id}/{file}"
        info = lab.on(server.compute_host, "qemu-img", "info", "-U", disk["target"].split(":", 2)[2])
        assert "backing file" not in info
        assert "virtual size: 1 GiB" in info
    new = {kind: len(found - before[kind]) for kind, found in everything(lab).items()}
    assert new | {"cmp1": 0, "cmp2": 0} == {
        "servers": 1, "ports": 2, "volumes": 0, "flavors": 1, "images": 0, "glance": 1, "cmp1": 0, "cmp2": 0,
    }  # fmt: skip
    assert new["cmp1"] + new["cmp2"] == 1

    lab.bw("migrate", "rollback", wave, "--yes")

    assert everything(lab) == before
    until(lambda: _source_answers(lab), "the source to answer again")


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A raw disk of 300 MiB that takes long enough to be caught in the middle, in a folder of its own."""
    folder = tmp_path / "noise"
    folder.mkdir()
    file = folder / "noise.raw"
    with file.open("wb") as f:
        for seed in range(10):
            f.write(random.Random(seed).randbytes(20 << 20))  # noqa: S311
        f.truncate(300 << 20)
    return file


def _half_written(lab: Lab) -> bool:
    script = f"cat {INSTANCES}/*/*.blue-wizard 2>/dev/null | head -c 40000000 | wc -c"
    return any(int(lab.on(host, "sh", "-c", script)) >= 40_000_000 for host in COMPUTES)


@pytest.mark.drawn("migration killed")
@pytest.mark.parametrize("end", ["resume", "rollback"])
def test_killed_in_the_middle_of_a_copy(lab: Lab, tmp_path: Path, noise: Path, end: str) -> None:
    wave = _plan(lab, tmp_path, noise, "--storage", "local")
    text = yaml.safe_load(wave.read_text())
    text["vms"][0] |= {"start": False, "memory": 128}
    wave.write_text(yaml.safe_dump(text))
    before = everything(lab)
    job = lab.json("migrate", "run", wave, "--yes", "--detach")["job"]
    until(lambda: _half_written(lab), "a part of the disk to be there")
    os.kill(int((lab.state / "worker.lock").read_text()), signal.SIGKILL)
    assert _half_written(lab), "the copy was over before the worker was killed"
    if end == "resume":
        assert lab.json("job", "resume", job)["state"] == "done"
        (vm,) = lab.json("job", "show", job)["report"]["vms"]
        (disk,) = vm["disks"]
        assert disk["sha256"] == image_sha256(noise, "raw", tmp_path)
        assert sha256_on(lab, disk["target"], disk["size"]) == disk["sha256"]
        until(lambda: not lab.on("cmp1", "pgrep", "qemu-nbd", code=None), "the copy's processes to end", 10)
    lab.bw("job", "rollback", job, "--yes")
    until(lambda: everything(lab) == before, "everything to be as before", 15)


@pytest.mark.drawn("migration killed")
@pytest.mark.parametrize("end", ["resume", "rollback"])
@pytest.mark.parametrize("phase", ["before", "during", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed(lab: Lab, tmp_path: Path, step: str, phase: str, end: str) -> None:
    wave, marker = _plan_guest(lab, tmp_path, "--storage", "local"), tmp_path / "killed"
    before = everything(lab)
    job = _killed(lab, wave, f"{step}:{phase}:{marker}")
    assert marker.exists(), "the worker was not killed"
    if end == "resume":
        assert lab.json("job", "resume", job)["state"] == "done"
        (vm,) = lab.json("job", "show", job)["report"]["vms"]
        _check_guest(lab, vm, tmp_path)
    lab.bw("job", "rollback", job, "--yes")
    until(lambda: everything(lab) == before, "everything to be as before", 15)
    until(lambda: _source_answers(lab), "the source to answer again")


def _killed(lab: Lab, wave: Path, where: str) -> str:
    """Run the wave with a worker that is killed there; the job's id."""
    lab.extra = {
        "BLUE_WIZARD_PLUGINS": "killer",
        "PYTHONPATH": str(ROOT / "tests" / "crash"),
        "BW_KILL": where,
    }
    lab.bw("migrate", "run", wave, "--yes", code=4)
    job: str = lab.json("job", "list")[0]["id"]
    return job


@pytest.mark.drawn("staging folder")
@pytest.mark.parametrize("storage", ["rbd", "local"])
def test_through_a_staging_folder(lab: Lab, tmp_path: Path, storage: str) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    wave = _plan_guest(lab, tmp_path, "--staging", str(staging), "--storage", storage)
    before = everything(lab)
    # The worker dies when the first disk is staged: a second one takes it from the file and not from the source.
    job = _killed(lab, wave, f"import.0:before:{tmp_path / 'killed'}")
    (file,) = staging.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    written = file.stat().st_mtime_ns
    lab.extra["BW_KILL"] = f"unstage.0:before:{tmp_path / 'killed again'}"
    lab.bw("job", "resume", job, code=4)
    assert file.stat().st_mtime_ns == written
    lab.extra = {}
    assert lab.json("job", "resume", job)["state"] == "done"
    (vm,) = lab.json("job", "show", job)["report"]["vms"]
    assert list(staging.iterdir()) == []
    _check_guest(lab, vm, tmp_path)
    lab.bw("job", "rollback", job, "--yes")
    assert everything(lab) == before


@pytest.mark.drawn("staging folder")
def test_a_rollback_empties_the_staging_folder(lab: Lab, tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    wave = _plan_guest(lab, tmp_path, "--staging", str(staging))
    before = everything(lab)
    job = _killed(lab, wave, f"import.1:before:{tmp_path / 'killed'}")
    assert len(list(staging.iterdir())) == 1
    lab.bw("job", "rollback", job, "--yes")
    assert list(staging.iterdir()) == []
    assert everything(lab) == before
    until(lambda: _source_answers(lab), "the source to answer again")


def test_no_compute_host_has_the_room(lab: Lab, tmp_path: Path) -> None:
    huge = tmp_path / "huge.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", huge, "900G"], check=True)
    wave = _plan(lab, tmp_path, huge, "--storage", "local")
    before = everything(lab)
    refused = lab.bw("migrate", "run", wave, "--yes", code=3)
    assert "900 GiB needed" in refused.stderr
    assert "huge" in refused.stderr
    assert everything(lab) == before
    assert lab.json("job", "list") == []
