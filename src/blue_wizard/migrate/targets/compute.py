"""Compute hosts as the local target sees them: a server's domain, its disks' files, and who has them open."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from blue_wizard import config
from blue_wizard.errors import BlueWizardError
from blue_wizard.facts import libvirt_xml, qemu_img
from blue_wizard.reach import nbd, ssh
from blue_wizard.reach.remote_nbd import serve_on
from blue_wizard.reach.ssh import Result
from blue_wizard.text import _

__all__ = ["ComputeHost", "unusable"]

_TOOLS = ("virsh", "qemu-img", "qemu-nbd")
_LOOKS_AT_ONCE = 16
# Container runtimes share /run with their host, and each has a /tmp of its own.
_SOCKETS = "/run"


class ComputeHost:
    """A compute host of a cloud, by the name that Nova has for it. Commands run where its libvirt lives."""

    def __init__(self, cloud: str, name: str) -> None:
        known = config.load().clouds.get(cloud)
        self.name = name
        self._prefix = tuple(known.compute_exec) if known else ()
        self._host = ssh.host(name)

    def run(self, *argv: str, timeout_s: float = 60) -> Result:
        """Run a command."""
        return self._host.run([*self._prefix, *argv], timeout_s=timeout_s)

    def check(self, *argv: str, timeout_s: float = 60) -> str:
        """Run a command; its stdout. Raises StepFailed when it fails."""
        return self._host.check([*self._prefix, *argv], timeout_s=timeout_s)

    def _virsh(self, *args: str) -> str:
        return self.check("env", "LC_ALL=C", "virsh", "-q", "-c", "qemu:///system", *args)

    def domain(self, uuid: str) -> tuple[str, libvirt_xml.Domain]:
        """The state (libvirt's word) and the definition of a domain. Raises StepFailed when there is none."""
        return self._virsh("domstate", uuid).strip(), libvirt_xml.parse_domain(self._virsh("dumpxml", uuid))

    def openers(self, path: str) -> list[str]:
        """The processes that have the file open, as ``/proc/PID/fd/N``."""
        # Processes end while it looks, so its exit status says nothing.
        return self.run("sh", "-c", 'find /proc/[0-9]*/fd -lname "$1" 2>/dev/null', "find", path).stdout.split()

    def image(self, path: str) -> qemu_img.ImageInfo:
        """What an image is. Raises StepFailed when it is missing, damaged, or locked by a QEMU that writes to it."""
        # Without -U: QEMU's own lock is one more witness that nobody writes to it.
        return qemu_img.parse_info(self.check("qemu-img", "info", "--output=json", path))

    def create(self, path: str, fmt: str, size: int) -> None:
        """A blank image in the place of whatever is there: a forgotten writer of an earlier attempt keeps the old one."""
        self.check("rm", "-f", path)
        self.check("qemu-img", "create", "-q", "-f", fmt, path, str(size))

    def free(self, path: str) -> int:
        """The bytes that are free where the file is."""
        return int(self.check("df", "-B1", "--output=avail", str(PurePosixPath(path).parent)).split()[-1])

    def serve(self, path: str, fmt: str) -> AbstractContextManager[str]:
        """The image as a writable NBD export here."""
        node = nbd.file_node(Path(path), fmt)
        return serve_on(self._host, node, path, writable=True, prefix=self._prefix, folder=_SOCKETS)

    def identity(self, path: str) -> str:
        """What stays the same when a file is renamed, and does not when it is written to; "" when there is none."""
        result = self.run("stat", "--format=%d:%i:%s:%Y", path)
        return result.stdout.strip() if result.status == 0 else ""

    def inode(self, path: str) -> str:
        """What stays the same as long as it is this very file; "" when there is none."""
        result = self.run("stat", "--format=%d:%i", path)
        return result.stdout.strip() if result.status == 0 else ""

    def dress(self, path: str, like: str) -> None:
        """Give a file the owner, mode and SELinux label of another one, and bring it to the disk."""
        self.check("chown", f"--reference={like}", path)
        self.check("chmod", f"--reference={like}", path)
        if self.run("selinuxenabled").status == 0:
            self.check("chcon", f"--reference={like}", path)
        self.check("sync", path, timeout_s=600)

    def replace(self, path: str, by: str) -> None:
        """Put a file into the place of another one, at once and for good."""
        self.check("mv", "-T", by, path)
        self.check("sync", str(PurePosixPath(path).parent))

    def remove(self, path: str) -> None:
        """Delete a file that may be gone already."""
        self.check("rm", "-f", path)


def unusable(cloud: str, names: Iterable[str]) -> dict[str, str]:
    """The hosts that can't be used, each with the reason: not reached by SSH, or a tool is missing."""

    def look(name: str) -> str:
        script = f"for t in {' '.join(_TOOLS)}; do command -v $t >/dev/null || echo $t; done"
        try:
            result = ComputeHost(cloud, name).run("sh", "-c", script, timeout_s=30)
        except BlueWizardError as e:
            return e.message
        if result.status != 0:
            return result.stderr.strip()[-200:] or str(result.status)
        missing = result.stdout.split()
        return _("there is no {tools}").format(tools=", ".join(missing)) if missing else ""

    listed = list(names)
    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as threads:
        reasons = list(threads.map(look, listed))
    return {name: reason for name, reason in zip(listed, reasons, strict=True) if reason}
