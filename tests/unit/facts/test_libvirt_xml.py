from __future__ import annotations

import pytest

from blue_wizard.facts.libvirt_xml import (
    DomainInfo,
    Volume,
    parse_addresses,
    parse_block_info,
    parse_domain,
    parse_info,
    parse_volume,
)

DOMAIN = """<domain type='kvm'><name>shop</name><uuid>u-1</uuid><memory unit='KiB'>2097152</memory><vcpu placement='static'>2</vcpu>
<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/img/a.qcow2'/><target dev='vda' bus='virtio'/>
<boot order='1'/></disk>
<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/vg/b'/><target dev='sda' bus='scsi'/></disk>
<disk type='file' device='cdrom'><source file='/iso/x.iso'/><target dev='hdc' bus='ide'/><readonly/></disk>
<disk type='network' device='disk'><source protocol='rbd' name='p/i'/><target dev='vdb' bus='virtio'/></disk>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/><model type='virtio'/></interface>
<interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/></interface>
</devices></domain>"""


def test_a_domain() -> None:
    found = parse_domain(DOMAIN)
    assert (found.name, found.vcpus, found.memory, found.uefi, found.passthrough) == ("shop", 2, 2048, True, False)
    assert [(d.device, d.kind, d.path, d.format, d.bus, d.order) for d in found.disks] == [
        ("vda", "file", "/img/a.qcow2", "qcow2", "virtio", 1),
        ("sda", "block", "/dev/vg/b", "raw", "scsi", None),
        ("vdb", "network", "", "raw", "virtio", None),
    ]
    assert [(n.network, n.model) for n in found.nics] == [("default", "virtio"), ("br0", "")]


@pytest.mark.parametrize(("unit", "amount", "mib"), [("GiB", 3, 3072), ("b", 1 << 30, 1024), ("MiB", 5, 5)])
def test_memory_units(unit: str, amount: int, mib: int) -> None:
    assert parse_domain(DOMAIN.replace("unit='KiB'>2097152", f"unit='{unit}'>{amount}")).memory == mib


def test_not_a_domain() -> None:
    with pytest.raises(ValueError, match="network"):
        parse_domain("<network/>")


def test_the_table_of_addresses() -> None:
    text = """ vnet0      52:54:00:BB:01:01    ipv4         192.168.122.51/24
 -          -                    ipv4         192.168.122.52/24
 vnet1      52:54:00:bb:01:02    ipv4         192.168.150.51/24
"""
    assert parse_addresses(text) == {
        "52:54:00:bb:01:01": ["192.168.122.51", "192.168.122.52"],
        "52:54:00:bb:01:02": ["192.168.150.51"],
    }


def test_further_addresses_of_a_card_and_those_that_guests_make_themselves() -> None:
    text = """ Name       MAC address          Protocol     Address
-------------------------------------------------------------------------------
 lo         00:00:00:00:00:00    ipv4         127.0.0.1/8
 ens3       52:54:00:bb:01:01    ipv4         10.0.0.5/24
 -          -                    ipv4         10.0.0.6/24
 -          -                    ipv6         fe80::5054:ff:febb:101/64
"""
    assert parse_addresses(text)["52:54:00:bb:01:01"] == ["10.0.0.5", "10.0.0.6"]


def test_sizes() -> None:
    assert parse_block_info("Capacity:       1610612736\nAllocation:     281030656\nPhysical:       1\n") == (
        1610612736,
        281030656,
    )


def test_what_keeps_a_domain_on_its_host() -> None:
    text = """<domain><name>odd</name><os><type arch='aarch64'>hvm</type><kernel>/boot/vmlinuz</kernel></os>
<launchSecurity type='sev'/><devices>
<disk type='block' device='lun'><source dev='/dev/sdx'/><target dev='sda' bus='scsi'/></disk>
<disk type='volume' device='disk'><source pool='default' volume='a.qcow2'/><target dev='vda'/><shareable/>
<blockio logical_block_size='4096' physical_block_size='4096'/></disk>
<disk type='file' device='disk'><source file='/img/b'><encryption format='luks'/></source><target dev='vdb'/></disk>
<filesystem type='mount'><source dir='/srv/share'/><target dir='tag'/></filesystem><tpm model='tpm-crb'/></devices></domain>"""
    odd = parse_domain(text)
    assert (odd.architecture, odd.kernel, odd.folders) == ("aarch64", "/boot/vmlinuz", ("/srv/share",))
    assert (odd.tpm, odd.sealed) == (True, True)
    lun, volume, luks = odd.disks
    assert (lun.lun, lun.path, lun.shared, lun.encrypted, lun.sector) == (True, "/dev/sdx", False, False, 512)
    assert (volume.volume, volume.shared, volume.sector, volume.path) == (("default", "a.qcow2"), True, 4096, "")
    assert luks.encrypted


def test_the_table_of_a_domain() -> None:
    text = """Id:             -
Name:           shop
State:          shut off
Persistent:     yes
Autostart:      enable
Managed save:   yes
"""
    assert parse_info(text) == DomainInfo("shut off", persistent=True, autostart=True, saved=True)
    assert parse_info("State: running\nPersistent: no\n") == DomainInfo("running", False, False, False)


def test_a_volume() -> None:
    text = """<volume type='block'><name>a</name><capacity unit='bytes'>4096</capacity>
<allocation unit='bytes'>512</allocation><target><path>/dev/vg/a</path><format type='raw'/></target></volume>"""
    assert parse_volume(text) == Volume("block", "/dev/vg/a", 4096, 512)
    with pytest.raises(ValueError, match="pool"):
        parse_volume("<pool/>")
