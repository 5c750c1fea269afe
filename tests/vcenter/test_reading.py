"""Disks by both ways, against their files: ranges out of the datastore, and a stream by export lease."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.sources import Export
from blue_wizard.migrate.stream_reader import StreamReader
from blue_wizard.migrate.vmware_reading import used_extents

from .conftest import SIZE, Start, disk, machine


def content(reader: Reader, step: int = 1 << 20) -> bytes:
    return b"".join(reader.read(at, min(step, reader.size - at)) for at in range(0, reader.size, step))


def opened(export: Export) -> Reader:
    assert export.reader is not None
    return export.reader()


@pytest.mark.parametrize("read", ["https", "lease", "vddk"])
def test_every_byte_of_every_disk(start: Start, read: str) -> None:
    center = start(machine("shop", disk("one"), disk("two", SIZE + 512, Bus="lsilogic")), read=read)
    source, id = center.source(), center.id("shop")
    for key, file in (("2000", "one"), ("2001", "two")):
        with source.open_disk(id, key) as export:
            reader = opened(export)
            assert isinstance(reader, StreamReader) is (read == "lease")
            assert content(reader) == center.flat("shop", file).read_bytes()
            reader.close()
    assert center.control("state")["machines"]["leases"] == 0


@pytest.mark.parametrize("read", ["https", "lease", "vddk"])
def test_names_that_are_no_ascii(start: Start, read: str) -> None:
    """In the machine, its folder and its disk; the datastore and the datacenter of the simulator have such names anyway."""
    center = start(machine("网店%2fÜbung", disk("磁盘 é"), Folder="目录 ü"), read=read)
    (found,) = center.source().discover("网店*")
    assert found.name == "网店/Übung"
    with center.source().open_disk(found.id, "2000") as export:
        assert content(opened(export)) == center.flat("目录 ü", "磁盘 é").read_bytes()


def test_several_disks_share_the_one_lease_that_a_machine_can_have(start: Start) -> None:
    center = start(machine("shop", disk("one"), disk("two")), read="lease")
    source, id = center.source(), center.id("shop")
    with source.open_disk(id, "2000") as one, source.open_disk(id, "2001") as two:
        assert content(opened(one)) == center.flat("shop", "one").read_bytes()
        assert content(opened(two)) == center.flat("shop", "two").read_bytes()
    assert center.control("state")["machines"]["leases"] == 0


def test_where_there_is_no_plain_file_the_lease_is_taken_and_the_plan_says_why(start: Start) -> None:
    center = start(machine("vsan"))
    id = center.id("vsan")
    (plain,) = center.source().ways(id)
    assert "in ranges from its datastore" in plain
    center.control("faults", NoPlainFiles=True)
    (way,) = center.source().ways(id)
    assert "export lease" in way
    assert "vsan/disk-flat.vmdk is not on the datastore" in way
    with center.source().open_disk(id, "2000") as export:
        assert content(opened(export)) == center.flat("vsan").read_bytes()
    # What can only be read once can't be looked at before.
    with pytest.raises(StepFailed, match="only be read as a stream"), center.source().peek_disk(id, "2000"):
        pass


def test_a_host_that_ignores_ranges_is_read_by_lease(start: Start) -> None:
    center = start(machine("plain"))
    id = center.id("plain")
    center.control("faults", NoRange=True)
    (way,) = center.source().ways(id)
    assert "ignores ranges" in way


def test_a_stream_that_breaks_off_begins_anew(start: Start) -> None:
    center = start(machine("plain", disk(size=2 << 20)), read="lease")
    noise = hashlib.shake_256(b"noise").digest(1 << 20)
    center.write("plain", 1 << 18, noise)
    id = center.id("plain")
    center.control("faults", TruncateLease=2)
    with center.source().open_disk(id, "2000") as export:
        assert content(opened(export)) == center.flat("plain").read_bytes()
    assert center.control("state")["faults"]["TruncateLease"] == 0
    center.control("faults", TruncateLease=9)
    with center.source().open_disk(id, "2000") as export, pytest.raises(StepFailed, match=r"stream ends|can't be read"):
        content(opened(export))


def test_pieces_out_of_order_and_once_more_from_the_beginning(start: Start) -> None:
    center = start(machine("plain"), read="lease")
    whole = center.flat("plain").read_bytes()
    with center.source().open_disk(center.id("plain"), "2000") as export:
        assert export.reader is not None
        reader = export.reader()
        assert isinstance(reader, StreamReader)
        reader._kept = 64 << 10
        for at in (2 << 20, 1 << 20, 3 << 20, 0, SIZE - 5):
            length = min(70_000, SIZE - at)
            assert reader.read(at, length) == whole[at : at + length]


def test_a_lease_that_nobody_keeps_alive_ends_and_ours_lives_on(start: Start) -> None:
    center = start(machine("plain"), read="lease", LeaseTimeout=1)
    import time

    with center.source().open_disk(center.id("plain"), "2000") as export:
        time.sleep(2.5)
        assert center.control("state")["machines"]["leases"] == 1
        assert content(opened(export)) == center.flat("plain").read_bytes()


@pytest.mark.parametrize("right", [True, False])
def test_streams_of_a_host_whose_certificate_the_vcenter_vouches_for(
    start: Start, certificate: Path, *, right: bool
) -> None:
    """The stream comes from another name, which the certificate does not have: only its thumbprint speaks for it."""
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    thumbprint = hashlib.sha1(der).digest().hex(":").upper()  # noqa: S324
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = thumbprint if right else thumbprint[:-2] + ("00" if thumbprint[-2:] != "00" else "11")
    center = start(machine("plain"), read="lease", Port=port, LeaseHost=f"localhost:{port}", LeaseThumbprint=told)
    with center.source().open_disk(center.id("plain"), "2000") as export:
        if right:
            assert content(opened(export)) == center.flat("plain").read_bytes()
        else:
            with pytest.raises(StepFailed, match="ingerprint"):
                opened(export).read(0, 512)


def test_a_running_machine_is_planned_without_opening_its_locked_disk(start: Start) -> None:
    center = start(machine("busy", Power="poweredOn", Tools=True))
    id = center.id("busy")
    center.source().check(id, lambda: None)
    (way,) = center.source().ways(id)
    assert "in ranges from its datastore" in way
    with pytest.raises(StepFailed, match="its disk changes while it is read"), center.source().open_disk(id, "2000"):
        pass


def test_qemu_reads_the_same_stream(start: Start, tmp_path: Path) -> None:
    """The simulator's streams are what others take for streamOptimized, too."""
    import subprocess

    from blue_wizard.reach import vsphere, vsphere_lease

    center = start(machine("plain"))
    lease_of = vsphere.connect(center.url)
    with vsphere_lease.shared(lease_of, "VirtualMachine", center.id("plain")) as lease:
        stream = lease.stream("ParaVirtualSCSIController0:0", ["ParaVirtualSCSIController0:0"])
        with vsphere_lease.opened(lease, stream) as body:
            (tmp_path / "one.vmdk").write_bytes(b"".join(iter(lambda: body.read(1 << 16), b"")))
    argv = ["qemu-img", "convert", "-O", "raw", str(tmp_path / "one.vmdk"), str(tmp_path / "one.raw")]
    subprocess.run(argv, check=True)
    assert (tmp_path / "one.raw").read_bytes() == center.flat("plain").read_bytes()


def test_a_map_of_what_is_in_use() -> None:
    found = used_extents([(4, 4), (0, 2), (6, 6), (30, 99)], 40)
    assert [(e.offset, e.length, e.zero) for e in found] == [
        (0, 2, False), (2, 2, True), (4, 8, False), (12, 18, True), (30, 10, False),
    ]  # fmt: skip
    assert [(e.offset, e.length, e.zero) for e in used_extents([], 5)] == [(0, 5, True)]


def test_a_glance_at_a_disk_costs_a_few_ranges_and_no_lease(start: Start) -> None:
    """Only of a machine that is off, and only where its file is read in ranges: a stream would be read up to the place."""
    off, busy = machine("shop", disk("one")), machine("busy", Power="poweredOn", Tools=True)
    center = start(off, busy)
    with center.source().glance(center.id("shop"), "2000") as reader:
        assert reader is not None
        assert reader.size == SIZE
        assert reader.read(4096, 512) == center.flat("shop", "one").read_bytes()[4096 : 4096 + 512]
    with center.source().glance(center.id("busy"), "2000") as reader:
        assert reader is None
    assert center.control("state")["machines"]["leases"] == 0


def test_what_can_only_be_read_by_lease_is_not_glanced_at(start: Start) -> None:
    center = start(machine("shop", disk("one")), read="lease")
    with center.source().glance(center.id("shop"), "2000") as reader:
        assert reader is None
    assert center.control("state")["machines"]["leases"] == 0
