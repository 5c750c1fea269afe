"""The XML that libvirt is asked with, and what it says; recorded with libvirt 9.0 and QEMU 7.2."""

from __future__ import annotations

from blue_wizard.facts.libvirt_backup import (
    Pull,
    backup_xml,
    checkpoint_xml,
    parse_bitmaps,
    parse_names,
    parse_parent,
    socket_of,
)

RUNNING = """<domainbackup mode='pull'>
  <incremental>bw-2</incremental>
  <server transport='unix' socket='/var/tmp/bw.Nfj4/sock'/>
  <disks>
    <disk name='vda' backup='yes' type='file' backupmode='incremental' incremental='bw-2' exportname='vda' exportbitmap='changed' index='5'>
      <driver type='qcow2'/>
      <scratch file='/var/lib/libvirt/images/x-vda.scratch'/>
    </disk>
  </disks>
</domainbackup>
"""  # noqa: E501


def test_a_full_backup() -> None:
    made = backup_xml("/s", [Pull("vda", "/x"), Pull("vdb", "/y & z")], ["vdc"])
    assert made == (
        '<domainbackup mode="pull"><server transport="unix" socket="/s" /><disks>'
        '<disk name="vda" backup="yes" type="file" exportname="vda"><scratch file="/x" /></disk>'
        '<disk name="vdb" backup="yes" type="file" exportname="vdb"><scratch file="/y &amp; z" /></disk>'
        '<disk name="vdc" backup="no" /></disks></domainbackup>'
    )


def test_a_disk_without_bitmaps_beside_one_with_them() -> None:
    made = backup_xml("/s", [Pull("vda", "/x", since="c1"), Pull("vdb", "/y")], [])
    assert made == (
        '<domainbackup mode="pull"><incremental>c1</incremental><server transport="unix" socket="/s" /><disks>'
        '<disk name="vda" backup="yes" type="file" exportname="vda" backupmode="incremental" incremental="c1" '
        'exportbitmap="changed"><scratch file="/x" /></disk>'
        '<disk name="vdb" backup="yes" type="file" exportname="vdb" backupmode="full"><scratch file="/y" /></disk>'
        "</disks></domainbackup>"
    )


def test_a_checkpoint() -> None:
    assert checkpoint_xml("c", ["vda"], ["vdb"]) == (
        '<domaincheckpoint><name>c</name><disks><disk name="vda" checkpoint="bitmap" />'
        '<disk name="vdb" checkpoint="no" /></disks></domaincheckpoint>'
    )


def test_the_socket_of_a_backup() -> None:
    assert socket_of(RUNNING) == "/var/tmp/bw.Nfj4/sock"
    assert socket_of("<domainbackup mode='push'><disks/></domainbackup>") == ""


def test_the_parent_of_a_checkpoint() -> None:
    child = "<domaincheckpoint><name>b</name><parent><name>a</name></parent></domaincheckpoint>"
    assert parse_parent(child) == "a"
    assert parse_parent("<domaincheckpoint><name>a</name></domaincheckpoint>") == ""


def test_names() -> None:
    assert parse_names("a\n b \n\n") == ["a", "b"]


def test_bitmaps_that_can_be_trusted_and_those_that_can_not() -> None:
    bitmaps = '[{"flags": ["in-use", "auto"], "name": "b3"}, {"flags": ["auto"], "name": "b2"}]'
    text = f'{{"format": "qcow2", "format-specific": {{"type": "qcow2", "data": {{"compat": "1.1", "bitmaps": {bitmaps}}}}}}}'
    assert parse_bitmaps(text) == {"b3": False, "b2": True}
    assert parse_bitmaps('{"format": "raw"}') == {}
