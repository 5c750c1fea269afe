from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.errors import InputError
from blue_wizard.migrate import ovf
from blue_wizard.migrate.machine import Firmware
from lab.guests.fixtures import OVF

VMWARE = OVF.format(name="web", stored=1000, size=1 << 30, memory=512)


def test_a_vmware_export() -> None:
    found = ovf.parse(VMWARE.encode())
    assert (found.name, found.vcpus, found.memory, found.firmware) == ("web", 1, 512, Firmware.BIOS)
    assert found.disks == (ovf.DiskRef("web-disk1.vmdk", 1 << 30, "scsi"),)
    assert [(n.network, n.mac, n.model) for n in found.nics] == [("VM Network", "00:50:56:aa:00:01", "vmxnet3")]


@pytest.mark.parametrize(
    ("unit", "quantity", "mib"),
    [("byte * 2^20", 512, 512), ("byte * 2^30", 2, 2048), ("MegaBytes", 256, 256), ("byte", 1 << 29, 512)],
)
def test_units_of_memory(unit: str, quantity: int, mib: int) -> None:
    text = VMWARE.replace("byte * 2^20", unit).replace(">512<", f">{quantity}<")
    assert ovf.parse(text.encode()).memory == mib


def test_uefi() -> None:
    config = '<vmw:Config vmw:key="firmware" vmw:value="efi"/></VirtualHardwareSection>'
    assert ovf.parse(VMWARE.replace("</VirtualHardwareSection>", config).encode()).firmware is Firmware.UEFI


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("web-disk1.vmdk", "../web-disk1.vmdk", "leads out"),
        ("web-disk1.vmdk", "/etc/shadow", "leads out"),
        ("ovf:/disk/d1", "ovf:/disk/d2", "d2"),
        ('fileRef="file1"', 'fileRef="file9"', "no file"),
        ('capacity="1073741824"', 'capacity="much"', "no size"),
        ("<rasd:VirtualQuantity>512</rasd:VirtualQuantity>", "", "memory"),
        ("</Envelope>", "", "well-formed"),
        ("<VirtualSystem ", "<VirtualSystem/><VirtualSystem ", "2 virtual machines"),
    ],
)
def test_broken_or_hostile(old: str, new: str, word: str) -> None:
    assert old in VMWARE
    with pytest.raises(InputError, match=word):
        ovf.parse(VMWARE.replace(old, new).encode())


def test_entities_are_refused() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + VMWARE.partition("?>")[2].replace("web<", "&b;<")
    with pytest.raises(InputError):
        ovf.parse(bomb.encode())


@given(st.text(max_size=40))
def test_no_name_leads_out(name: str) -> None:
    try:
        safe = ovf.safe_name(name)
    except InputError:
        return
    assert not safe.startswith("/")
    assert ".." not in safe.split("/")


def test_manifest() -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    assert ovf.manifest(f"SHA256(a b.vmdk)= {digest}\n\n") == {"a b.vmdk": ("sha256", digest)}
    for bad in ("SHA256(a)= 12", "rubbish", f"SHA256(../a)= {digest}", f"MD5(a)= {digest}"):
        with pytest.raises(InputError):
            ovf.manifest(bad)
