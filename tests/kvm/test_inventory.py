"""What a real libvirt tells of domains that can't be moved, beside one that can."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbd
import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.machine import Machine, Power
from blue_wizard.migrate.sources.kvm import Kvm

from .conftest import Inside

pytestmark = pytest.mark.timeout(300)
DISK = (
    "<disk type='{kind}' device='disk'><driver name='qemu' type='raw'/>{source}<target dev='vda' bus='virtio'/></disk>"
)


class Domains:
    """Domains with one disk of 4 MiB each, which hold no system."""

    def __init__(self, host: Inside, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.source = Kvm("kvm+ssh://root@own")
        self.source._host = host  # type: ignore[assignment]

    def image(self, name: str) -> Path:
        path = self.folder / f"{name}.raw"
        path.write_bytes(name.encode().ljust(4 << 20, b"\0"))
        return path

    def xml(self, name: str, disk: str = "", more: str = "") -> Path:
        disk = disk or DISK.format(kind="file", source=f"<source file='{self.image(name)}'/>")
        path = self.folder / f"{name}.xml"
        path.write_text(
            f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>"
            "<cpu mode='custom'><model>qemu64</model></cpu>"
            f"<devices><emulator>{shutil.which('qemu-system-x86_64')}</emulator>{disk}{more}</devices></domain>"
        )
        return path

    def define(self, name: str, disk: str = "", more: str = "") -> None:
        self.host.virsh("define", str(self.xml(name, disk, more)))

    def found(self, name: str) -> Machine:
        (machine,) = self.source.discover(name)
        return machine


def odd(domains: Domains) -> dict[str, tuple[str, str]]:
    """Domains that nobody starts here: the description of their first disk, and of what else they have."""

    def disk(name: str, more: str) -> str:
        return DISK.format(kind="file", source=f"<source file='{domains.image(name)}'/>{more}")

    luks = (
        "<encryption format='luks'><secret type='passphrase' uuid='6b1bd6f5-4c3e-4c1f-9d0c-0f2f6d1b7a11'/></encryption>"
    )
    return {
        "lun": ("", "<disk type='block' device='lun'><source dev='/dev/null'/><target dev='sdb' bus='scsi'/></disk>"),
        "shared": (disk("shared", "<shareable/>"), ""),
        "luks": (disk("luks", luks), ""),
        "native": (disk("native", "<blockio logical_block_size='4096' physical_block_size='4096'/>"), ""),
    }


@pytest.fixture
def domains(kvm_host: Inside, tmp_path: Path) -> Iterator[Domains]:
    yield Domains(kvm_host, tmp_path)
    for name in kvm_host.virsh("list", "--all", "--name").split():
        kvm_host.run(["virsh", "-c", "qemu:///system", "destroy", name])
        kvm_host.run(["virsh", "-c", "qemu:///system", "undefine", name, "--managed-save"])
    for name in kvm_host.virsh("pool-list", "--all", "--name").split():
        kvm_host.run(["virsh", "-c", "qemu:///system", "pool-destroy", name])
        kvm_host.run(["virsh", "-c", "qemu:///system", "pool-undefine", name])


def test_one_that_cannot_be_moved_does_not_hide_the_others(domains: Domains) -> None:
    domains.define("good")
    domains.define("gone")
    domains.image("gone").unlink()
    rbd = "<source protocol='rbd' name='pool/image'><host name='192.0.2.1'/></source>"
    domains.define("rbd", DISK.format(kind="network", source=rbd))
    domains.define("none", " ")
    for name, (disk, more) in odd(domains).items():
        domains.define(name, disk, more)

    found = {m.name: m for m in domains.source.discover()}

    assert found["good"].blockers == found["good"].warnings == ()
    assert [(d.size, d.boot) for d in found["good"].disks] == [(4 << 20, True)]
    assert "gone.raw" in found["gone"].blockers[0]
    assert "kind network" in found["rbd"].blockers[0]
    assert found["none"].blockers == ("it has no disk",)
    for name, word in {"lun": "sdb is a LUN", "shared": "is shared", "luks": "is encrypted", "native": "4096"}.items():
        assert word in " ".join(found[name].blockers), name


def test_a_volume_of_a_pool_is_read(domains: Domains) -> None:
    domains.image("inside")
    domains.host.virsh("pool-create-as", "images", "dir", "--target", str(domains.folder))
    domains.define("vol", DISK.format(kind="volume", source="<source pool='images' volume='inside.raw'/>"))

    machine = domains.found("vol")

    assert (machine.blockers, machine.disks[0].size) == ((), 4 << 20)
    with domains.source.open_disk("vol", "vda") as disk:
        handle = nbd.NBD()
        handle.connect_uri(disk.uri)
        assert handle.pread(6, 0) == b"inside"
        handle.shutdown()


def test_a_pool_that_is_not_started(domains: Domains) -> None:
    domains.image("inside")
    domains.host.virsh("pool-define-as", "images", "dir", "--target", str(domains.folder))
    domains.define("vol", DISK.format(kind="volume", source="<source pool='images' volume='inside.raw'/>"))
    assert "vda is of kind volume" in domains.found("vol").blockers[0]


def test_a_saved_machine_is_not_off(domains: Domains) -> None:
    domains.define("kept")
    domains.host.virsh("start", "kept")
    domains.host.virsh("managedsave", "kept")

    assert domains.host.virsh("domstate", "kept").strip() == "shut off"
    assert "it is saved" in domains.found("kept").blockers[0]
    with pytest.raises(StepFailed, match="it is saved"), domains.source.open_disk("kept", "vda"):
        """Not reached."""


def test_what_is_there_only_while_it_runs(domains: Domains) -> None:
    domains.define("web")
    domains.host.virsh("start", "web")
    domains.host.virsh("attach-disk", "web", str(domains.image("extra")), "vdb", "--live")
    domains.host.virsh("create", str(domains.xml("fleeting")))

    web, fleeting = domains.found("web"), domains.found("fleeting")

    assert (web.power, web.blockers) == (
        Power.ON,
        ("vdb is attached only until it is shut down: attach it with --config, too",),
    )
    assert "it is transient" in fleeting.blockers[0]
    with pytest.raises(StepFailed, match="transient"):
        domains.source.shut_down("fleeting", timeout_s=5, check_stop=lambda: None)
    assert domains.host.virsh("domstate", "fleeting").strip() == "running"


def test_one_that_rests_in_memory(domains: Domains) -> None:
    domains.define("still")
    domains.host.virsh("start", "still")
    domains.host.virsh("suspend", "still")
    domains.host.virsh("autostart", "still")

    machine = domains.found("still")

    assert (machine.power, "it is paused" in machine.blockers[0]) == (Power.ON, True)
    assert "virsh autostart --disable still" in machine.warnings[0]
