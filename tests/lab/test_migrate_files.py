"""Files move into the cloud: every format, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lab.guests import cache
from lab.guests.fixtures import disk_file

from .conftest import Lab, image_sha256

pytestmark = pytest.mark.lab
MAP = 'networks: {"VM Network": private, "": private}\nsecurity_groups: [open]\n'


def _plan(lab: Lab, tmp_path: Path, source: Path, *options: str) -> Path:
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    lab.bw("migrate", "plan", source, "--map", map_file, *options, "--out", wave)
    return wave


@pytest.mark.way("files", "cold")
@pytest.mark.drawn("files")
def test_an_ova_and_a_vhdx_side_by_side(lab: Lab, images: Path, tmp_path: Path) -> None:
    before = lab.inventory()
    wave = _plan(lab, tmp_path, images, "--convert", "never")
    vms = {vm["name"]: vm for vm in lab.json("migrate", "run", wave, "--yes")["report"]["vms"]}
    expected = image_sha256(cache.get("tiny"), "raw", tmp_path)
    assert set(vms) == {"web", "db"}
    for vm in vms.values():
        assert vm["state"] == "done"
        assert set(vm["answers"].values()) == {"answers"}
        (disk,) = vm["disks"]
        assert disk["sha256"] == expected
        assert lab.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == expected
        lab.run("guest", vm["server_id"], "wait", "--timeout", "60")
    assert len(lab.json("migrate", "status", wave)) == 1
    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before


def test_one_disk_that_stays_off(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    file = folder / "m.qcow2"
    disk_file("qcow2", cache.get("tiny"), file)
    before = lab.inventory()
    wave = _plan(lab, tmp_path, file, "--convert", "never")
    text = yaml.safe_load(wave.read_text())
    text["vms"][0]["start"] = False
    wave.write_text(yaml.safe_dump(text))
    (vm,) = lab.json("migrate", "run", wave, "--yes")["report"]["vms"]
    (disk,) = vm["disks"]
    expected = image_sha256(file, "qcow2", tmp_path)
    assert disk["sha256"] == expected
    assert lab.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == expected
    assert lab.connect().compute.get_server(vm["server_id"]).status == "SHUTOFF"
    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before


@pytest.mark.drawn("files")
def test_a_wave_in_parts_and_what_is_left_of_it(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("one", "two"):
        disk_file("qcow2", cache.get("tiny"), folder / f"{name}.qcow2")
    before = lab.inventory()
    wave = _plan(lab, tmp_path, folder, "--convert", "never")
    text = yaml.safe_load(wave.read_text())
    for vm in text["vms"]:
        vm["start"] = False
    wave.write_text(yaml.safe_dump(text))
    assert "nobody*" in lab.bw("migrate", "run", wave, "--match", "nobody*", "--yes", code=2).stderr
    (first,) = lab.json("migrate", "run", wave, "--match", "one", "--yes")["report"]["vms"]
    assert first["name"] == "one"
    # The whole wave again would make a second server of that name.
    lab.bw("migrate", "run", wave, "--yes", code=3)
    (second,) = lab.json("migrate", "run", wave, "--retry", "--yes")["report"]["vms"]
    assert second["name"] == "two"
    lab.bw("migrate", "run", wave, "--retry", "--yes", code=2)
    assert len(lab.json("migrate", "status", wave)) == 2
    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before


@pytest.mark.slow
def test_a_guest_without_virtio_drivers_is_converted(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "old.qcow2"
    disk_file("qcow2", cache.get("debian-legacy"), file)
    before = lab.inventory()
    wave = _plan(lab, tmp_path, file)
    text = yaml.safe_load(wave.read_text())
    assert text["vms"][0]["convert"] is True
    text["vms"][0]["verify_timeout"] = 300
    wave.write_text(yaml.safe_dump(text))
    (vm,) = lab.json("migrate", "run", wave, "--yes")["report"]["vms"]
    assert vm["state"] == "done"
    assert set(vm["answers"].values()) == {"answers"}
    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before
