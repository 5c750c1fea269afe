"""Facts of a physical host: the lab's, as its script printed them, and a server with everything that a lab has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from blue_wizard.facts.linux_host import HostFacts, Mount, Segment, parse, parse_drivers

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def server() -> HostFacts:
    return parse((GOLDEN / "linux-host-server.txt").read_text())


def test_the_lab_machine() -> None:
    host = parse((GOLDEN / "linux-host-ledger.txt").read_text())
    assert (host.hostname, host.cpus, host.memory, host.efi, host.systemd) == ("ledger", 1, 512, False, True)
    assert [(d.name, d.size) for d in host.disks] == [("sda", 1207959552), ("sdb", 167772160)]
    (volume,) = host.volumes
    assert (volume.group, volume.name, volume.size, volume.plain) == ("data", "srv", 96 << 20, True)
    assert host.mounted("/srv") == "dm-0"
    assert host.below("dm-0") == {"dm-0", "sdb"}
    (card,) = host.cards
    assert (card.mac, card.network) == ("52:54:00:12:34:56", "10.0.2.0/24")
    assert parse_drivers((GOLDEN / "linux-host-ledger-drivers.txt").read_text()) is True


def test_a_server_with_raid_multipath_and_bond(server: HostFacts) -> None:
    assert (server.efi, server.secure_boot, server.memory) == (True, True, 128704)
    assert [d.name for d in server.disks] == ["sda", "sdb", "sdc"]
    # Below the root are both members of the mirror.
    assert server.below(server.mounted("/")) == {"dm-0", "md0", "sda2", "sdb2", "sda", "sdb"}
    assert server.arrays == {"md0": "1.2", "md127": "external:imsm"}
    assert server.fstab_devices == ("/dev/sdd1",)
    assert Mount("filer:/export/home", "/home/with space", "nfs4", True) in server.mounts


def test_a_bond_has_the_addresses_of_its_cards_once(server: HostFacts) -> None:
    assert [(c.name, c.mac, c.addresses, c.master) for c in server.cards] == [
        ("em1", "aa:bb:cc:00:00:01", ("10.20.0.7/24",), "bond0"),
        ("em2", "aa:bb:cc:00:00:02", (), "bond0"),
        ("em3", "aa:bb:cc:00:00:03", ("192.168.9.7/23",), ""),
    ]
    assert server.cards[2].network == "192.168.8.0/23"
    assert server.other_addresses == ("em3.30 10.30.0.7/24",)


def test_only_linear_volumes_have_a_known_place(server: HostFacts) -> None:
    root, pool = server.volumes
    assert root.plain
    assert root.segments == (
        Segment(0, 33554432000, "/dev/md0", 0),
        Segment(33554432000, 20132659200, "/dev/md0", 10000),
    )
    assert not pool.plain


def test_facts_that_are_cut_off_are_none() -> None:
    text = (GOLDEN / "linux-host-server.txt").read_text()
    with pytest.raises(ValueError, match="cut off"):
        parse(text[: text.index("==processes")])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("==config\nCONFIG_VIRTIO_BLK=y\n==initrd\n==end\n", True),
        ("==config\nCONFIG_VIRTIO_BLK=m\n==initrd\nkernel/\nvirtio_scsi.ko\n==end\n", True),
        ("==config\nCONFIG_VIRTIO_BLK=m\n==initrd\nkernel/\n==end\n", False),
        ("==config\nCONFIG_VIRTIO_BLK=m\n==initrd\n==end\n", None),
    ],
    ids=["built in", "in the initrd", "missing", "an initrd that can't be read"],
)
def test_drivers(text: str, found: bool | None) -> None:
    assert parse_drivers(text) is found
