"""Manifests: plain images as a batch of machines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate import manifest
from blue_wizard.migrate.machine import Firmware, Nic
from blue_wizard.migrate.sources.files import Files

MIB = 1 << 20
YAML = """\
machines:
  - name: web
    disks: [web-root.raw, sub/web-data.raw]
    vcpus: 2
    memory: 4096
    firmware: uefi
    networks: [VM Network]
  - name: db
    disks:
      - {path: db-log.raw}
      - {path: db.raw, bus: scsi, boot: true}
    nics:
      - {network: blue, mac: "00:50:56:AA:00:01", addresses: [10.0.0.7]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "batch"
    (folder / "sub").mkdir(parents=True)
    for i, name in enumerate(("web-root", "sub/web-data", "db-log", "db", "other")):
        (folder / f"{name}.raw").write_bytes(bytes([i]) * MIB * (i + 1))
    return folder


def _write(folder: Path, text: str, name: str = "manifest.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("whole_folder", [True, False])
def test_machines_of_several_disks(folder: Path, whole_folder: bool) -> None:
    file = _write(folder, YAML)
    source = Files(str(folder if whole_folder else file))
    web, db = source.discover()
    assert (web.name, web.vcpus, web.memory, web.firmware) == ("web", 2, 4096, Firmware.UEFI)
    assert [(d.id, d.size, d.boot) for d in web.disks] == [
        ("web-root.raw", MIB, True),
        ("sub/web-data.raw", 2 * MIB, False),
    ]
    assert [(d.id, d.bus, d.boot) for d in db.disks] == [("db-log.raw", "", False), ("db.raw", "scsi", True)]
    assert web.nics == (Nic("", "VM Network"),)
    assert db.nics == (Nic("00:50:56:aa:00:01", "blue", addresses=("10.0.0.7",)),)
    assert [m.name for m in source.discover("d*")] == ["db"]
    with source.open_disk("web", "sub/web-data.raw") as export:
        assert export.size == 2 * MIB
    with pytest.raises(StepFailed, match="no longer holds"):
        source.open_disk("web", "other.raw")
    source.check("web", lambda: None)


def test_a_table_of_machines(folder: Path) -> None:
    _write(
        folder,
        "name,disks,vcpus,memory,firmware,networks,macs\n"
        "web,web-root.raw; sub/web-data.raw,2,4096,uefi,blue; red,00:50:56:aa:00:01\n"
        "db,db.raw,,,,,\n",
        "manifest.csv",
    )
    web, db = Files(str(folder)).discover()
    assert (web.vcpus, web.memory, len(web.disks), web.firmware) == (2, 4096, 2, Firmware.UEFI)
    assert web.nics == (Nic("00:50:56:aa:00:01", "blue"), Nic("", "red"))
    assert (db.vcpus, db.memory, db.nics, db.disks[0].boot) == (1, 1024, (), True)


@pytest.mark.parametrize("path", ["../secret.raw", "/etc/hostname", "link.raw"])
def test_disks_elsewhere_are_refused_unless_their_folder_is_named(folder: Path, path: str) -> None:
    secret = folder.parent / "secret.raw"
    secret.write_bytes(bytes(MIB))
    (folder / "link.raw").symlink_to(secret)
    file = _write(folder, f"machines: [{{name: web, disks: ['{path}']}}]\n")
    with pytest.raises(InputError, match="outside") as e:
        list(Files(str(file)).discover())
    assert "folders: [" in e.value.hint
    if path != "/etc/hostname":
        _write(folder, f"folders: ['{folder.parent}']\nmachines: [{{name: web, disks: ['{path}']}}]\n")
        assert [d.size for m in Files(str(file)).discover() for d in m.disks] == [MIB]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("vcpus: 2", "vcpus: two", r"line 4: machines\.0\.vcpus"),
        ("vcpus: 2", "cpus: 2", r"line 4: machines\.0\.cpus"),
        ("memory: 4096", "memory: -1", r"line 5: machines\.0\.memory"),
        ("firmware: uefi", "firmware: openfirmware", r"line 6: machines\.0\.firmware"),
        ("boot: true", "boot: maybe", r"line 11: machines\.1\.disks\.1\.boot"),
        ("00:50:56:AA:00:01", "00:50", r"line 13: machines\.1\.nics\.0\.mac"),
        ("name: db", "name: web", r"line 8: machines\.1\.name: two machines are called web"),
        ("{path: db-log.raw}", "{path: db.raw}", r"line 9: machines\.1\.disks: one disk is named twice"),
        ("{path: db-log.raw}", "{path: db-log.raw, boot: true}", "two disks are the boot disk"),
        ("  - name: web\n", "  -\n", r"line 3: machines\.0\.name"),
        ("disks: [web-root.raw, sub/web-data.raw]", "disks: []", r"line 3: machines\.0\.disks"),
        ("machines:", "machine:", "line 1: machine"),
        ("disks: [web-root.raw", "disks: [[web-root.raw", "manifest.yaml"),
        ("vcpus: 2", "vcpus: &a 2", None),
        ("memory: 4096\n", "memory: &a 4096\n    os: *a\n", "aliases"),
        ("web-root.raw", "missing.raw", "disk missing.raw of web is not there"),
    ],
)
def test_errors_name_line_and_field(folder: Path, old: str, new: str, said: str | None) -> None:
    assert old in YAML
    file = _write(folder, YAML.replace(old, new, 1))
    if said is None:
        assert len(list(Files(str(file)).discover())) == 2
        return
    with pytest.raises(InputError, match=said):
        list(Files(str(file)).discover())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,disks,speed\nweb,db.raw,9\n", "line 1: .*'speed'"),
        ("name,disks\nweb,db.raw\nweb2\n", r"line 3: machines\.1\.disks"),
        ("name,disks\nweb,db.raw,more\n", "line 2: .*more fields"),
        ("name,disks,vcpus\nweb,db.raw,x\n", r"line 2: machines\.0\.vcpus"),
        ('name,disks\n"web,db.raw\n', "manifest.csv"),
        ("name,disks\n", "machines"),
        ("", "machines"),
    ],
)
def test_errors_of_a_table(folder: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        list(Files(str(_write(folder, text, "manifest.csv"))).discover())


def test_the_examples_of_the_how_to(tmp_path: Path) -> None:
    document = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "migrate-files.md"
    blocks = re.findall(r"^```(yaml|csv)\n(.*?)^```", document.read_text(), re.M | re.S)
    assert [kind for kind, _text in blocks] == ["yaml", "csv", "yaml"]
    read = [manifest.read(_write(tmp_path, text, f"{i}.{kind}")) for i, (kind, text) in enumerate(blocks)]
    assert [m.name for b in read for m in b.machines] == ["web", "db", "web", "db", "web"]
    assert read[0].machines[0].disks == read[1].machines[0].disks


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=200), kind=st.sampled_from(["m.yaml", "m.csv"]))
def test_any_text_gives_a_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str, kind: str) -> None:
    file = tmp_path_factory.getbasetemp() / kind
    file.write_text(text, errors="replace")
    with pytest.raises(InputError, match=kind):
        manifest.read(file)
