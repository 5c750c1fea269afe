"""What can't be done is said before anything is made."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Lab

pytestmark = pytest.mark.lab
MAP = 'networks: {"VM Network": private, "": private}\n'


@pytest.fixture
def wave(lab: Lab, images: Path, tmp_path: Path) -> Path:
    """A wave of web.ova alone that could be run as it is."""
    map_file, file = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    lab.bw("migrate", "plan", images / "web.ova", "--map", map_file, "--convert", "never", "--out", file)
    lab.bw("migrate", "run", file, "--plan")
    return file


def _edit(wave: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = yaml.safe_load(wave.read_text())
    change(data["vms"][0])
    wave.write_text(yaml.safe_dump(data))


def _refused(lab: Lab, wave: Path, code: int, *words: str) -> None:
    before = lab.inventory()
    done = lab.bw("migrate", "run", wave, "--yes", code=code)
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert lab.inventory() == before
    assert lab.json("job", "list") == []


def test_unknown_network(lab: Lab, wave: Path) -> None:
    _edit(wave, lambda vm: vm["nics"][0].update(network="nowhere"))
    _refused(lab, wave, 2, "nowhere", "web")


def test_unknown_flavor_and_group_are_told_together(lab: Lab, wave: Path) -> None:
    def change(vm: dict[str, Any]) -> None:
        vm["flavor"] = "m9.huge"
        vm["nics"][0]["security_groups"] = ["nobody"]

    _edit(wave, change)
    _refused(lab, wave, 2, "m9.huge", "nobody")


def test_address_outside_the_network(lab: Lab, wave: Path) -> None:
    _edit(wave, lambda vm: vm["nics"][0].update(fixed_ip="10.77.0.5"))
    _refused(lab, wave, 2, "10.77.0.5")


def test_address_that_is_taken(lab: Lab, wave: Path) -> None:
    _edit(wave, lambda vm: vm["nics"][0].update(fixed_ip="10.1.0.1"))
    _refused(lab, wave, 3, "10.1.0.1")


def test_unknown_field(lab: Lab, wave: Path) -> None:
    _edit(wave, lambda vm: vm.update(colour="blue"))
    _refused(lab, wave, 2, "colour", wave.name)


def test_a_name_that_exists(lab: Lab, wave: Path) -> None:
    cloud = lab.connect()
    flavor, network = cloud.compute.find_flavor("m1.nano"), cloud.network.find_network("private")
    volume = cloud.block_storage.create_volume(size=1, name="taken")
    cloud.block_storage.wait_for_status(volume, "available", interval=1, wait=60)
    cloud.block_storage.set_volume_bootable_status(volume, True)
    disk = {"uuid": volume.id, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    server = cloud.compute.create_server(
        name="web", flavor_id=flavor.id, networks=[{"uuid": network.id}], block_device_mapping=[disk]
    )
    try:
        cloud.compute.wait_for_server(server, wait=120)
        _refused(lab, wave, 3, "web")
    finally:
        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server, wait=120)
        cloud.block_storage.wait_for_status(volume, "available", interval=1, wait=60)
        cloud.block_storage.delete_volume(volume)
        cloud.block_storage.wait_for_delete(volume, wait=60)


def test_no_quota(lab: Lab, wave: Path) -> None:
    cloud = lab.connect()
    project = cloud.current_project_id
    cloud.set_volume_quotas(project, volumes=0)
    try:
        _refused(lab, wave, 3, "volumes", "1 needed, 0 free")
    finally:
        cloud.set_volume_quotas(project, volumes=200)


def test_no_space_in_the_pool(lab: Lab, tmp_path: Path) -> None:
    huge = tmp_path / "huge.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", huge, "900G"], check=True)
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    lab.bw("migrate", "plan", huge, "--map", map_file, "--convert", "never", "--out", wave)
    _refused(lab, wave, 3, "900 GiB", "volumes")


def test_a_disk_that_was_cut_off(lab: Lab, images: Path, tmp_path: Path) -> None:
    copy = tmp_path / "db.vhdx"
    copy.write_bytes((images / "db.vhdx").read_bytes()[:-2_000_000])
    done = lab.bw("migrate", "discover", copy, code=2)
    assert "db.vhdx" in done.stderr
    assert "cut off" in done.stderr


def _repacked(images: Path, out: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    import io

    with tarfile.open(images / "web.ova") as old, tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as new:
        for member in old:
            changed = change(member.name, old.extractfile(member).read())  # type: ignore[union-attr]
            if changed:
                info = tarfile.TarInfo(changed[0])
                info.size = len(changed[1])
                new.addfile(info, io.BytesIO(changed[1]))
    return out


def test_a_wrong_hash_in_the_manifest(lab: Lab, images: Path, wave: Path, tmp_path: Path) -> None:
    def flip(name: str, data: bytes) -> tuple[str, bytes]:
        return name, data[:-2000] + bytes([data[-2000] ^ 1]) + data[-1999:] if name.endswith(".vmdk") else data

    folder = tmp_path / "changed"
    folder.mkdir()
    _repacked(images, folder / "web.ova", flip)
    data = yaml.safe_load(wave.read_text())
    data["source"] = f"files://{folder}"
    wave.write_text(yaml.safe_dump(data))
    _refused(lab, wave, 2, "web-disk1.vmdk", "hash")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda n, d: None if n.endswith(".vmdk") else (n, d), "web-disk1.vmdk"),
        (lambda n, d: (n, d.replace(b"web-disk1.vmdk", b"../../etc/web.vmdk")), "leads out"),
        (lambda n, d: ("../" + n if n.endswith(".vmdk") else n, d), "leads out"),
    ],
    ids=["missing-file", "ovf-leads-out", "member-leads-out"],
)
def test_a_broken_or_hostile_ova(
    lab: Lab, images: Path, tmp_path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], word: str
) -> None:
    file = _repacked(images, tmp_path / "web.ova", change)
    done = lab.bw("migrate", "discover", file, code=2)
    assert word in done.stderr
    assert "web.ova" in done.stderr


def test_a_held_job_is_judged_again_when_it_is_approved(lab: Lab, images: Path, tmp_path: Path) -> None:
    before = lab.inventory()
    ova, map_file, wave = tmp_path / "web.ova", tmp_path / "map.yaml", tmp_path / "wave.yaml"
    ova.write_bytes((images / "web.ova").read_bytes())
    map_file.write_text(MAP)
    lab.bw("migrate", "plan", ova, "--map", map_file, "--convert", "never", "--out", wave)
    job = lab.json("migrate", "run", wave, "--hold", code=4)["job"]
    ova.write_bytes(ova.read_bytes()[:-4096])
    refused = lab.bw("job", "approve", job, code=None)
    assert refused.returncode in {2, 3}
    assert "web" in refused.stderr
    assert lab.json("job", "show", job)["state"] == "planned"
    ova.write_bytes((images / "web.ova").read_bytes())
    assert lab.json("job", "approve", job)["state"] == "done"
    lab.bw("migrate", "rollback", job, "--yes")
    assert lab.inventory() == before
