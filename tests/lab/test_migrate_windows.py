"""A disk that inspects as Windows is recognised, and moved byte for byte. It can't boot, so nothing is said of that."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lab.guests import cache
from lab.guests.fixtures import disk_file

from .conftest import Lab, image_sha256

pytestmark = pytest.mark.lab


@pytest.mark.drawn("files")
def test_windows_is_recognised_and_moved(lab: Lab, tmp_path: Path) -> None:
    before = lab.inventory()
    file, map_file, wave = tmp_path / "win.vhdx", tmp_path / "map.yaml", tmp_path / "wave.yaml"
    disk_file("vhdx", cache.get("windows"), file)
    map_file.write_text('networks: {"": private}\nsecurity_groups: [open]\n')

    planned = lab.json("migrate", "plan", file, "--map", map_file, "--out", wave)
    assert planned["vms"][0]["convert"] is True
    assert any("Windows has no virtio drivers" in remark for remark in planned["remarks"])

    # Its drivers are Microsoft's and Red Hat's, and the lab has neither: only the disk is moved.
    text = yaml.safe_load(wave.read_text())
    text["vms"][0].update(convert=False, start=False)
    wave.write_text(yaml.safe_dump(text))
    (vm,) = lab.json("migrate", "run", wave, "--yes")["report"]["vms"]
    (disk,) = vm["disks"]
    expected = image_sha256(file, "vhdx", tmp_path)
    assert disk["sha256"] == expected
    assert lab.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == expected
    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before
