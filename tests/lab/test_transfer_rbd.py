"""The copy into a real RBD image: killed at random, and refused where it has to be."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import yaml

from lab.guests import cache
from lab.guests.fixtures import disk_file
from tests.crash.copies import COPIER, kill_until_done, make_disk

from .conftest import ROOT, Lab, image_sha256, until

pytestmark = pytest.mark.lab
SIZE, LARGE = (200 << 20) + 777, (2 << 30) + 777
OSD_HOSTS = ("ctl1", "net1", "cmp1")
OBJECT = 1 << 20


@contextmanager
def _blank(lab: Lab, size: str, object_size: str) -> Iterator[str]:
    """A blank image beside Cinder's."""
    name = f"volumes/transfer-{secrets.token_hex(4)}"
    lab.rbd("create", "--size", size, "--object-size", object_size, name)
    try:
        yield name
    finally:
        lab.rbd("rm", "--no-progress", name)


@pytest.fixture
def image(lab: Lab) -> Iterator[str]:
    """A blank image for the small disk."""
    with _blank(lab, "208M", "1M") as name:
        yield name


@pytest.mark.drawn("copy into RBD")
def test_killed_twice(lab: Lab, image: str, tmp_path: Path) -> None:
    source = tmp_path / "disk.raw"
    make_disk(source, SIZE)
    expected = kill_until_done(source, "rbd", image, tmp_path, kills=2, object_size=OBJECT, env=lab.environment)
    assert lab.rbd_sha256(image, SIZE) == expected


@pytest.mark.slow
@pytest.mark.parametrize("osds", ["up", "stopped and started"])
def test_a_large_disk_killed_fifty_times(lab: Lab, tmp_path: Path, osds: str) -> None:
    source = tmp_path / "disk.raw"
    make_disk(source, LARGE)
    with _blank(lab, "2056M", "4M") as image, _restless(lab) if osds != "up" else nullcontext():
        expected = kill_until_done(source, "rbd", image, tmp_path, kills=50, object_size=4 << 20, env=lab.environment)
        assert lab.rbd_sha256(image, LARGE) == expected


@contextmanager
def _restless(lab: Lab) -> Iterator[None]:
    """While it lasts, one OSD after the other is killed (-9), and started again some seconds later."""
    over, rounds = threading.Event(), []

    def stop_and_start() -> None:
        for host in itertools.cycle(OSD_HOSTS):
            if over.wait(10):
                return
            lab.on(host, "kill", "-9", lab.on(host, "cat", "/run/lab/ceph-osd.pid").strip())
            over.wait(5)
            lab.run("up")
            rounds.append(host)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(stop_and_start)
        try:
            yield
        finally:
            over.set()
        working.result()
    lab.run("status")
    assert len(rounds) >= 3, "hardly an OSD was stopped"


@pytest.mark.drawn("copy into RBD")
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


@pytest.mark.drawn("migration killed")
def test_a_migration_that_is_killed_midway_carries_on_there(lab: Lab, tmp_path: Path) -> None:
    folder, map_file, wave, marker = (tmp_path / n for n in ("in", "map.yaml", "wave.yaml", "killed"))
    folder.mkdir()
    disk_file("qcow2", cache.get("tiny"), folder / "m.qcow2")
    map_file.write_text('networks: {"": private}\nsecurity_groups: [open]\n')
    lab.bw("migrate", "plan", folder, "--map", map_file, "--convert", "never", "--max-rate", "500K", "--out", wave)
    text = yaml.safe_load(wave.read_text())
    assert text["max_rate"] == "500K"
    text["vms"][0]["start"] = False
    wave.write_text(yaml.safe_dump(text))
    before = lab.inventory()
    lab.extra = {
        "BLUE_WIZARD_PLUGINS": "killer",
        "PYTHONPATH": str(ROOT / "tests" / "crash"),
        "BW_KILL": f"import.0:during:{marker}",
        # At this rate one object goes through at once, and the next one not for 8 s: the kill falls between the two.
        "BW_KILL_DELAY": "6",
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
