"""What a failed test of the lab tells of the lab's services."""

from __future__ import annotations

from pathlib import Path

from tests.lab.lab_logs import complaints, sizes


def test_only_what_came_since_and_was_loud_is_told(tmp_path: Path) -> None:
    log = tmp_path / "cmp1" / "nova-compute.log"
    log.parent.mkdir()
    log.write_text("09:00 ERROR nova an old one\n")
    before = sizes(tmp_path)
    with log.open("a") as f:
        f.write("09:01 INFO nova ERRORS are none\n09:02 ERROR nova broken\n09:02 ERROR nova broken\n  File x\n")
        f.write("09:03 ERROR nova [instance: 7]   File x\n09:03 ERROR nova [instance: 7] \n")
        f.write("libvirt.libvirtError: no domain\n")
    (tmp_path / "cmp1" / "vswitchd.log").write_text("ovs-vswitchd: assertion x failed in y()\n")
    assert complaints(tmp_path, before).splitlines() == [
        "cmp1/nova-compute.log: 09:02 ERROR nova broken",
        "cmp1/nova-compute.log: libvirt.libvirtError: no domain",
        "cmp1/vswitchd.log: ovs-vswitchd: assertion x failed in y()",
    ]


def test_a_log_that_was_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("quiet " * 100)
    before = sizes(tmp_path)
    log.write_text("1 CRITICAL it\n")
    assert complaints(tmp_path, before) == "a.log: 1 CRITICAL it"
    assert complaints(tmp_path, sizes(tmp_path)) == ""
