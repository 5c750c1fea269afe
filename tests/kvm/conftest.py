"""A libvirt of the tests' own, in namespaces: real QEMU, real bitmaps, and no lab. Needs root, libvirt and QEMU (make setup)."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.migrate.sources.kvm import Kvm
from blue_wizard.reach.ssh import Result
from lab.guests import cache
from tests.unit.migrate.hands import Here

CONF = """auth_unix_rw = "none"
unix_sock_group = "root"
host_uuid = "{uuid}"
log_outputs = "3:file:{folder}/libvirtd.log"
"""
QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
BOUND = {
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "cache": "/var/cache/libvirt",
    "tmp": "/var/tmp",
    "log": "/var/log/libvirt",
}
START = """mount -t tmpfs tmpfs /run; mkdir -p /run/libvirt /run/lock
{mounts}
ip link set lo up
libvirtd &
wait
"""
# The first process of the namespace has to take in what QEMUs leave behind, which a shell does and libvirtd does not.


class Inside(Here):
    """The host that the namespaces are: commands run in there, its sockets are reached from here."""

    def __init__(self, folder: Path, pid: int) -> None:
        super().__init__()
        self.folder = folder
        self._enter = ["nsenter", "-t", str(pid), "-m", "-n", "-p", "--"]

    def run(self, argv: Sequence[str], *, timeout_s: float = 60, stdin: str | None = None) -> Result:
        return super().run([*self._enter, "sh", "-c", shlex.join(argv)], timeout_s=timeout_s, stdin=stdin)

    @contextmanager
    def process(self, argv: Sequence[str]) -> Iterator[None]:
        with super().process([*self._enter, *argv]):
            yield

    @contextmanager
    def forward(self, remote_path: str) -> Iterator[Path]:
        yield Path(re.sub("^/var/tmp/", f"{self.folder}/tmp/", remote_path))

    def virsh(self, *args: str) -> str:
        return self.check(["virsh", "-q", "-c", "qemu:///system", *args])


@pytest.fixture(scope="session")
def kvm_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """The host, with its libvirt up; everything in it dies with it."""
    folder = tmp_path_factory.mktemp("kvm")
    for name in BOUND:
        (folder / name).mkdir()
    (folder / "etc" / "libvirtd.conf").write_text(CONF.format(uuid=uuid.uuid4(), folder=folder))
    (folder / "etc" / "qemu.conf").write_text(QEMU_CONF)
    mounts = "\n".join(f"mkdir -p {there}; mount --bind {folder}/{name} {there}" for name, there in BOUND.items())
    argv = [
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--mount-proc",
        "--propagation",
        "private",
        "--kill-child",
    ]
    with (folder / "out").open("w") as out:
        holder = subprocess.Popen([*argv, "bash", "-c", START.format(mounts=mounts)], stdout=out, stderr=out)
    try:
        child = until(
            lambda: Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split(), "the namespaces"
        )
        host = Inside(folder, int(child[0]))
        until(lambda: host.run(["virsh", "-q", "-c", "qemu:///system", "version"]).status == 0, "libvirt")
        yield host
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()


def until(condition: Callable[[], Any], what: str, timeout: float = 180) -> Any:
    """The first true value of `condition`."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {timeout} s in vain for {what}")


class Guest:
    """A running guest: vda (QCOW2, boots), vdb (QCOW2, written to all the time) and vdc (raw)."""

    def __init__(self, host: Inside, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.source = Kvm("kvm+ssh://root@own")
        self.source._host = host  # type: ignore[assignment]
        self.images = {
            "vda": (folder / "a.qcow2", "qcow2"),
            "vdb": (folder / "b.qcow2", "qcow2"),
            "vdc": (folder / "c.raw", "raw"),
        }
        self.sizes = {"vda": 64 << 20, "vdb": 64 << 20, "vdc": 16 << 20}
        subprocess.run(
            ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", cache.get("diary"), self.images["vda"][0]], check=True
        )
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.images["vdb"][0], "64M"], check=True)
        self.images["vdc"][0].write_bytes(b"raw" * 1000 + bytes((16 << 20) - 3000))
        (folder / "domain.xml").write_text(self._xml())
        host.virsh("define", str(folder / "domain.xml"))
        host.virsh("start", "own")

    def _xml(self) -> str:
        disks = "".join(
            f"<disk type='file' device='disk'><driver name='qemu' type='{fmt}' discard='unmap'/><source file='{path}'/>"
            f"<target dev='{name}' bus='virtio'/></disk>"
            for name, (path, fmt) in self.images.items()
        )
        return (
            "<domain type='qemu'><name>own</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>"
            "<cpu mode='custom'><model>qemu64</model></cpu><on_poweroff>destroy</on_poweroff><devices>"
            f"<emulator>{shutil.which('qemu-system-x86_64')}</emulator>{disks}"
            f"<serial type='file'><source path='{self.folder}/console' append='on'/></serial></devices></domain>"
        )

    def told(self) -> int:
        """The last record of which the guest has told that it is on the disk; -1 when it has told of none."""
        console = self.folder / "console"
        text = console.read_text(errors="replace") if console.exists() else ""
        return max((int(n) for n in re.findall(r"^LAB: wrote (\d+)\r?$", text, re.M)), default=-1)

    def writes_on(self) -> None:
        """Wait until it has written more."""
        now = self.told()
        until(lambda: self.told() > now + 2, "the guest to write")

    def kill(self) -> None:
        """Kill its QEMU."""
        self.host.check(["sh", "-c", "kill -9 $(cat /run/libvirt/qemu/own.pid)"])
        until(lambda: self.host.virsh("domstate", "own").strip() == "shut off", "QEMU to be gone")

    def content(self, disk: str) -> bytes:
        """What its image holds, read by qemu-img while it is off."""
        path, fmt = self.images[disk]
        raw = self.folder / "content.raw"
        subprocess.run(["qemu-img", "convert", "-f", fmt, "-O", "raw", path, raw], check=True)
        try:
            return raw.read_bytes()
        finally:
            raw.unlink()

    def checkpoints(self) -> list[str]:
        return self.host.virsh("checkpoint-list", "own", "--name").split()

    def files(self) -> set[str]:
        """What lies beside its images, and what was made for sockets."""
        own = {p.name for p, _fmt in self.images.values()} | {"domain.xml", "console", "foreign.xml"}
        return {p.name for p in [*self.folder.iterdir(), *(self.host.folder / "tmp").iterdir()]} - own


@pytest.fixture
def guest(kvm_host: Inside, tmp_path: Path) -> Iterator[Guest]:
    made = Guest(kvm_host, tmp_path)
    yield made
    kvm_host.run(["virsh", "-c", "qemu:///system", "destroy", "own"])
    for name in made.checkpoints():
        kvm_host.virsh("checkpoint-delete", "own", name, "--metadata")
    kvm_host.virsh("undefine", "own")
