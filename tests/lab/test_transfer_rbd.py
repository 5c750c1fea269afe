"""The copy into a real RBD image: killed at random, and refused where it has to be."""

from __future__ import annotations

import hashlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.guests import cache
from lab.guests.fixtures import disk_file
from tests.crash.copies import COPIER, kill_until_done, make_disk

from .conftest import ROOT, Lab, image_sha256, until

pytestmark = pytest.mark.lab
SIZE = (200 << 20) + 777
OBJECT = 1 << 20


@pytest.fixture
def image(lab: Lab) -> Iterator[str]:
    """A blank image beside Cinder's."""
    name = f"volumes/transfer-{secrets.token_hex(4)}"
    lab.rbd("create", "--size", "208M", "--object-size", "1M", name)
    yield name
    lab.rbd("rm", "--no-progress", name)


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random(lab: Lab, image: str, tmp_path: Path, kills: int) -> None:
    source = tmp_path / "disk.raw"
    make_disk(source, SIZE)
    expected = kill_until_done(source, "rbd", image, tmp_path, kills=kills, object_size=OBJECT, env=lab.environment)
    assert lab.rbd_sha256(image, SIZE) == expected


def test_a_cluster_that_rests_midway(lab: Lab, image: str, tmp_path: Path) -> None:
    source, log = tmp_path / "disk.raw", tmp_path / "log"
    make_disk(source, SIZE)
    log.touch()

    def ceph(*words: str) -> None:
        subprocess.run(["ceph", "--conf", lab.env["CEPH_CONF"], *words], check=True, capture_output=True)

    argv = [source, "rbd", image, SIZE, tmp_path / "journal", log, OBJECT, 0.03]
    with subprocess.Popen(
        [sys.executable, COPIER, *map(str, argv)], stdout=subprocess.PIPE, text=True, env=lab.environment
    ) as child:
        assert child.stdout is not None
        until(lambda: log.read_text().count("\n") > 20, "the copy to be on its way")
        ceph("osd", "pause")
        try:
            time.sleep(2)
            before = log.read_text()
            time.sleep(3)
            assert log.read_text() == before, "the cluster did not rest"
        finally:
            ceph("osd", "unpause")
        printed = child.stdout.read()
    assert child.returncode == 0
    expected = hashlib.sha256(source.read_bytes()).hexdigest()
    assert printed.strip() == expected
    assert lab.rbd_sha256(image, SIZE) == expected


def test_a_migration_that_is_killed_midway_carries_on_there(lab: Lab, tmp_path: Path) -> None:
    folder, map_file, wave, marker = (tmp_path / n for n in ("in", "map.yaml", "wave.yaml", "killed"))
    folder.mkdir()
    disk_file("qcow2", cache.get("tiny"), folder / "m.qcow2")
    map_file.write_text('networks: {"": private}\nsecurity_groups: [open]\n')
    lab.bw("migrate", "plan", folder, "--map", map_file, "--convert", "never", "--max-rate", "2M", "--out", wave)
    text = yaml.safe_load(wave.read_text())
    assert text["max_rate"] == "2M"
    text["vms"][0]["start"] = False
    wave.write_text(yaml.safe_dump(text))
    before = lab.inventory()
    lab.extra = {
        "BLUE_WIZARD_PLUGINS": "killer",
        "PYTHONPATH": str(ROOT / "tests" / "crash"),
        "BW_KILL": f"import.0:during:{marker}",
        "BW_KILL_DELAY": "9",
    }
    lab.bw("migrate", "run", wave, "--yes", code=4)
    assert marker.exists()
    assert list((lab.state / "transfers").iterdir())
    job = lab.json("job", "list")[0]["id"]
    assert lab.json("job", "resume", job)["state"] == "done"
    (vm,) = lab.json("job", "show", job)["children"]
    (outcome,) = [s["outcome"] for s in vm["steps"] if s["id"] == "import.0"]
    expected = image_sha256(folder / "m.qcow2", "qcow2", tmp_path)
    assert outcome["sha256"] == expected
    assert 0 < outcome["resumed"] < outcome["moved"]
    assert lab.rbd_sha256(outcome["target"].removeprefix("rbd:"), outcome["size"]) == expected
    assert not list((lab.state / "transfers").iterdir())
    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before
