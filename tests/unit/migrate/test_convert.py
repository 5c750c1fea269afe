from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from blue_wizard.facts.card_names import CardNames
from blue_wizard.migrate import guestfish
from blue_wizard.migrate.convert import _domain_xml, inspect, parse_inspection

LINUX = """==etc
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
==fstab
{fstab}
==config
{config}
==windows
"""


@pytest.mark.parametrize(
    ("config", "initrd", "virtio"),
    [
        ("CONFIG_VIRTIO_BLK=y", "", True),
        ("CONFIG_VIRTIO_BLK=m", "usr/lib/modules/6.1/kernel/drivers/block/virtio_blk.ko", True),
        ("CONFIG_VIRTIO_BLK=m", "usr/lib/modules/6.1/kernel/drivers/scsi/virtio_scsi.ko.xz", True),
        ("CONFIG_VIRTIO_BLK=m", "usr/lib/modules/6.1/kernel/drivers/scsi/vmw_pvscsi.ko", False),
        ("CONFIG_VIRTIO_BLK=m", "", None),
        ("", "", None),
    ],
)
def test_drivers_of_linux(config: str, initrd: str, virtio: bool | None) -> None:
    guest = parse_inspection(LINUX.format(fstab="", config=config), initrd)
    assert guest.virtio is virtio
    assert guest.system == "Debian GNU/Linux 12 (bookworm)"


def test_the_appliance_outlives_what_is_written_beside_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    for name in ("LIBGUESTFS_CACHEDIR", "LIBGUESTFS_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    env = guestfish.environment("/scratch")
    assert (env["LIBGUESTFS_CACHEDIR"], env["TMPDIR"], env["VIRT_V2V_TMPDIR"]) == ("/var/tmp", "/scratch", "/scratch")
    monkeypatch.setenv("TMPDIR", "/large")
    assert guestfish.environment("/scratch")["LIBGUESTFS_CACHEDIR"] == "/large"
    monkeypatch.setenv("LIBGUESTFS_CACHEDIR", "/chosen")
    assert guestfish.environment("/scratch")["LIBGUESTFS_CACHEDIR"] == "/chosen"


def test_device_names_in_fstab_are_told() -> None:
    text = LINUX.format(fstab="/dev/sda1 / ext4\nUUID=1 /x ext4\n", config="CONFIG_VIRTIO_BLK=y")
    (warning,) = parse_inspection(text, "").warnings
    assert "/dev/sda1" in warning


@pytest.mark.parametrize(("drivers", "virtio"), [("disk.sys\nviostor.sys", True), ("disk.sys", False)])
def test_drivers_of_windows(drivers: str, virtio: bool) -> None:
    guest = parse_inspection(f"==etc\n==windows\n{drivers}\n", "")
    assert (guest.system, guest.virtio) == ("Windows", virtio)


def test_all_disks_of_a_guest_are_converted_together() -> None:
    """Its root file system may lie on several of them."""
    domain = ElementTree.fromstring(_domain_xml([10001, 10002, 10003], name="a <b> & 'c'", memory=512, vcpus=2))  # noqa: S314
    disks = domain.findall("devices/disk")
    assert [d.find("source/host").get("port") for d in disks] == ["10001", "10002", "10003"]  # type: ignore[union-attr]
    assert [d.find("target").get("dev") for d in disks] == ["sda", "sdb", "sdc"]  # type: ignore[union-attr]
    assert domain.findtext("name") == "a <b> & 'c'"


@pytest.mark.parametrize(
    ("said", "cards"),
    [
        (guestfish.Said([], 1, "", "guestfish: no operating system was found on this disk\n"), CardNames()),
        (guestfish.Said([], 1, "", "libguestfs: error: connection to the disk was lost\n"), None),
        (None, None),
    ],
)
def test_a_look_that_finds_no_system_is_not_one_that_failed(
    said: guestfish.Said | None, cards: CardNames | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*_args: Any, **_options: Any) -> guestfish.Said | None:
        return said

    monkeypatch.setattr(guestfish, "run", answer)
    guest = inspect("nbd+unix:///?socket=/nowhere")
    assert (guest.system, guest.virtio, guest.cards) == ("", None, cards)
    assert len(guest.warnings) == 1
