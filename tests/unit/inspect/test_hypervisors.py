"""What makes a hypervisor of a host: a guest or a compute service that runs there, and not somebody who only names one."""

from __future__ import annotations

import os
import subprocess

import pytest

from blue_wizard.inspect.fetch.machine import DRIVES_GUESTS

RUNNING = [
    "/usr/bin/qemu-system-x86_64 -name guest=instance-00000001",
    "/usr/libexec/qemu-kvm -name guest=instance-00000001",
    "/usr/bin/python3 /usr/bin/nova-compute --config-file=/etc/nova/nova.conf",
    "/var/lib/kolla/venv/bin/python3.9 /var/lib/kolla/venv/bin/nova-compute",
    "nova-compute",
]
NAMED = [
    "tail -f /var/log/nova/nova-compute.log",
    "sh -c pgrep -f 'qemu-system-|qemu-kvm|nova-compute'",
    "bash -c grep nova-compute /etc/hosts; true",
    "journalctl -u nova-compute",
    "vim /etc/libvirt/qemu-kvm.conf",
]


@pytest.mark.parametrize(("line", "drives"), [*((line, True) for line in RUNNING), *((line, False) for line in NAMED)])
def test_by_its_command_line(line: str, drives: bool) -> None:
    with subprocess.Popen([line, "60"], executable="/bin/sleep") as process:
        try:
            found = subprocess.run(
                ["pgrep", "-P", str(os.getpid()), "-f", DRIVES_GUESTS],
                capture_output=True,
                text=True,
                check=False,
            ).stdout.split()
        finally:
            process.kill()
    assert (str(process.pid) in found) is drives
