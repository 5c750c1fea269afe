from __future__ import annotations

import pytest

from blue_wizard.migrate.convert import parse_inspection

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


def test_device_names_in_fstab_are_told() -> None:
    text = LINUX.format(fstab="/dev/sda1 / ext4\nUUID=1 /x ext4\n", config="CONFIG_VIRTIO_BLK=y")
    (warning,) = parse_inspection(text, "").warnings
    assert "/dev/sda1" in warning


@pytest.mark.parametrize(("drivers", "virtio"), [("disk.sys\nviostor.sys", True), ("disk.sys", False)])
def test_drivers_of_windows(drivers: str, virtio: bool) -> None:
    guest = parse_inspection(f"==etc\n==windows\n{drivers}\n", "")
    assert (guest.system, guest.virtio) == ("Windows", virtio)
