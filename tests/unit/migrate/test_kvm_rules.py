"""What keeps a machine of a KVM host from moving, by words of libvirt's that were written down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.facts.libvirt_xml import Domain, DomainDisk, DomainInfo, DomainNic
from blue_wizard.migrate import kvm_inventory, kvm_rules
from blue_wizard.migrate.kvm_rules import Vm
from blue_wizard.migrate.machine import Power

DISK = DomainDisk("vda", "file", "/img/a.qcow2", "qcow2", "virtio", readonly=False, order=None)
NIC = DomainNic("52:54:00:00:00:01", "default", "virtio")
DOMAIN = Domain("u-1", "web", 1, 512, uefi=False, secure_boot=False, disks=(DISK,), nics=(NIC,), passthrough=False)
ON = DomainInfo("running", persistent=True, autostart=False, saved=False)
GOOD = Vm(DOMAIN, ON, live=DOMAIN)


def _disk(**changes: Any) -> Vm:
    return replace(GOOD, domain=replace(DOMAIN, disks=(replace(DISK, **changes),)))


def _info(**changes: Any) -> Vm:
    return replace(GOOD, info=replace(ON, **changes))


def test_an_ordinary_machine_moves() -> None:
    assert kvm_rules.blockers(GOOD) == kvm_rules.warnings(GOOD) == ()
    assert kvm_rules.blockers(_info(state="shut off")) == kvm_rules.blockers(_info(state="in shutdown")) == ()


@pytest.mark.parametrize(
    ("vm", "reason"),
    [
        (replace(GOOD, domain=replace(DOMAIN, disks=()), live=None), "it has no disk"),
        (_info(state="shut off", saved=True), "it is saved: its disks lack what is in its memory"),
        (_info(state="paused"), "it is paused"),
        (_info(state="pmsuspended"), "it is pmsuspended"),
        (_info(state="no state"), "wait until it runs or is off"),
        (_info(persistent=False), "it is transient"),
        (replace(GOOD, live=replace(DOMAIN, disks=(DISK, replace(DISK, device="vdb")))), "vdb is attached only until"),
        (_disk(kind="network", path=""), "vda is of kind network"),
        (_disk(kind="volume", path=""), "vda is of kind volume"),
        (replace(GOOD, unreadable={"vda": "No such file"}), "vda: /img/a.qcow2 can't be read: No such file"),
        (_disk(lun=True), "vda is a LUN"),
        (_disk(shared=True), "vda is shared"),
        (_disk(encrypted=True), "vda is encrypted"),
        (_disk(sector=4096), "sectors of 4096 bytes"),
        (replace(GOOD, domain=replace(DOMAIN, tpm=True)), "virtual TPM"),
        (replace(GOOD, domain=replace(DOMAIN, sealed=True)), "launchSecurity"),
        (replace(GOOD, domain=replace(DOMAIN, architecture="aarch64")), "aarch64"),
    ],
)
def test_one_reason_each(vm: Vm, reason: str) -> None:
    (found,) = kvm_rules.blockers(vm)
    assert reason in found


@pytest.mark.parametrize(
    ("vm", "text"),
    [
        (replace(GOOD, domain=replace(DOMAIN, kernel="/boot/vmlinuz")), "/boot/vmlinuz"),
        (replace(GOOD, domain=replace(DOMAIN, passthrough=True)), "passed through"),
        (replace(GOOD, domain=replace(DOMAIN, folders=("/srv",))), "/srv"),
        (replace(GOOD, live=replace(DOMAIN, nics=(NIC, replace(NIC, mac="52:54:00:00:00:02")))), "52:54:00:00:00:02"),
        (_info(autostart=True), "virsh autostart --disable web"),
    ],
)
def test_one_warning_each(vm: Vm, text: str) -> None:
    (found,) = kvm_rules.warnings(vm)
    assert text in found
    assert kvm_rules.blockers(vm) == ()


XML = """<domain><name>web</name><os><type arch='x86_64'>hvm</type></os><devices>
<disk type='volume' device='disk'><source pool='p' volume='a'/><target dev='vda'/><boot order='2'/></disk>
<disk type='file' device='disk'><source file='/gone'/><target dev='vdb'/><boot order='1'/></disk></devices></domain>"""
SAID = {
    ("dominfo", "web"): "State: shut off\nPersistent: yes\n",
    ("dumpxml", "web", "--inactive"): XML,
    ("vol-dumpxml", "a", "--pool", "p"): "<volume type='file'><capacity>100</capacity><allocation>50</allocation>"
    "<target><path>/pool/a</path></target></volume>",
    ("domblkinfo", "web", "vdb"): "Capacity:       -\nAllocation:     -\n",
}


def _virsh(*args: str) -> str:
    if args not in SAID:
        raise StepFailed("virsh says no")
    return SAID[args]


def test_a_volume_is_the_file_that_it_is_and_a_disk_that_is_gone_is_named() -> None:
    vm, sizes = kvm_inventory.vm_of(_virsh, "web")
    machine = kvm_inventory.machine_of(vm, sizes, {})
    assert machine.power is Power.OFF
    assert [(d.id, d.size, d.used, d.boot) for d in machine.disks] == [("vda", 100, 50, False), ("vdb", 0, None, True)]
    (reason,) = machine.blockers
    assert "/gone can't be read: libvirt does not know its size" in reason


def test_a_volume_of_a_pool_that_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SAID, ("vol-dumpxml", "a", "--pool", "p"))
    vm, _sizes = kvm_inventory.vm_of(_virsh, "web")
    assert "vda is of kind volume" in kvm_rules.blockers(vm)[0]
