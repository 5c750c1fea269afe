"""Every format of disk images into both kinds of target, by the command line, byte for byte."""

from __future__ import annotations

import hashlib
import random
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.guests import cache
from lab.guests.fixtures import disk_file, ova
from lab.guests.vhdx import linked, vhdx
from tests.crash.copies import make_disk
from tests.drawn import seed
from tests.formats import makers

from .conftest import Lab
from .local_disks import everything, sha256_on

pytestmark = pytest.mark.lab
MIB = 1 << 20
SIZE = 24 * MIB + 3 * 512
MAP = 'networks: {"VM Network": private, "": private}\nsecurity_groups: [open]\n'
SEED = seed()


def _plain(folder: Path, scratch: Path) -> dict[str, str]:
    """One image of every kind that qemu-img makes; the SHA-256 of each by the name of its machine."""
    raw = scratch / "disk.raw"
    make_disk(raw, SIZE)
    sha256 = hashlib.sha256(raw.read_bytes()).hexdigest()
    for kind in makers.OPTIONS:
        makers.convert(raw, kind, folder, kind)
    ova("ova", raw, folder / "ova.ova")
    return dict.fromkeys([*makers.OPTIONS, "ova"], sha256)


def _chains(folder: Path) -> dict[str, str]:
    """Images that others are made from: a checkpoint of Hyper-V in both of its formats, a QCOW2 with a backing file."""
    draw = random.Random(SEED)  # noqa: S311
    blocks = [draw.randbytes(MIB) for _n in range(3)]
    written, guid = uuid.UUID(int=77), "0123ABCD-0000-1111-2222-0123456789AB"
    (folder / "below.vhdx").write_bytes(vhdx({0: blocks[0], 1: blocks[1]}, 24 * MIB, written=written))
    parent = linked(written, ".\\below.vhdx")
    (folder / f"hyperv_{guid}.avhdx").write_bytes(vhdx({1: blocks[2]}, 24 * MIB, parent=parent))
    content = blocks[0] + blocks[2] + bytes(22 * MIB)
    found = {"hyperv": hashlib.sha256(content).hexdigest()}

    raw = folder.parent / "backing.raw"
    raw.write_bytes(content)
    base = makers.convert(raw, "vhd", folder, "older")
    bits = [True] * (2 * MIB // 512)
    (folder / f"old_{guid}.avhd").write_bytes(makers.vhd_child({1: (bits, blocks[1] * 2)}, 24 * MIB, base))
    found["old"] = hashlib.sha256(content[: 2 * MIB] + blocks[1] * 2 + bytes(20 * MIB)).hexdigest()
    makers.convert(raw, "qcow2-zlib", folder, "ground")
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "ground.qcow2", folder / "leaf.qcow2"]
    subprocess.run(argv, check=True)
    return found | {"leaf": found["hyperv"]}


@pytest.mark.way("files", "cold")
@pytest.mark.slow
@pytest.mark.parametrize("storage", ["rbd", "local"])
def test_every_format(lab: Lab, tmp_path: Path, storage: str) -> None:
    folder, map_file, wave = tmp_path / "in", tmp_path / "map.yaml", tmp_path / "wave.yaml"
    folder.mkdir()
    map_file.write_text(MAP)
    expected = _plain(folder, tmp_path) | _chains(folder)
    disk_file("vhdx", cache.get("windows"), folder / "windows.vhdx")
    expected["windows"] = hashlib.sha256(cache.get("windows").read_bytes()).hexdigest()

    options = ("--map", map_file, "--convert", "never", "--storage", storage)
    lab.bw("migrate", "plan", folder, *options, "--out", wave)
    text = yaml.safe_load(wave.read_text())
    assert {vm["name"] for vm in text["vms"]} == set(expected)
    before = everything(lab)
    # Volumes are whole GiB, and a plan counts every one of them as full: all at once are more than the lab's pool promises.
    for start in range(0, len(text["vms"]), 10):
        vms = text["vms"][start : start + 10]
        for vm in vms:
            vm |= {"start": False, "memory": 64, "flavor": None}
        wave.write_text(yaml.safe_dump(text | {"vms": vms}))
        found = lab.json("migrate", "run", wave, "--yes")["report"]["vms"]
        assert {vm["name"] for vm in found} == {vm["name"] for vm in vms}
        for vm in found:
            _is_equal(lab, vm, expected[vm["name"]], storage)
        lab.bw("migrate", "rollback", wave, "--yes")
        assert everything(lab) == before


def _is_equal(lab: Lab, vm: dict[str, Any], sha256: str, storage: str) -> None:
    (disk,) = vm["disks"]
    assert (vm["state"], disk["sha256"]) == ("done", sha256), vm["name"]
    if storage == "rbd":
        found = lab.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"])
    else:
        found = sha256_on(lab, disk["target"], disk["size"])
    assert found == sha256, vm["name"]
    print(f"{vm['name']:<12} -> {storage:<5} {disk['size']:>10} bytes, {disk['moved']:>10} moved, equal")
