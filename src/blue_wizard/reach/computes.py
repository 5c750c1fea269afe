"""A compute host over SSH, by the name that Nova has for it: commands where its libvirt lives. No decisions."""

from __future__ import annotations

from blue_wizard import config
from blue_wizard.reach import ssh

__all__ = ["boot_of", "domains"]

_BOOT = "cat /proc/sys/kernel/random/boot_id; uname -r"


def domains(cloud: str, host: str, *, timeout_s: float = 30) -> dict[str, str]:
    """All libvirt domains of a host, running or not: UUID to name. Raises StepFailed when it can't be asked."""
    known = config.load().clouds.get(cloud)
    prefix = tuple(known.compute_exec) if known else ()
    argv = [*prefix, "virsh", "-q", "-c", "qemu:///system", "list", "--all", "--uuid", "--name"]
    lines = ssh.host(host).check(argv, timeout_s=timeout_s).splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    return {uuid: "".join(name).strip() for uuid, *name in pairs}


def boot_of(host: str, *, timeout_s: float = 15) -> tuple[str, str]:
    """The id of a host's boot, which is another one after each, and the release of its kernel. Raises StepFailed."""
    boot, kernel, *_rest = [*ssh.host(host).check(["sh", "-c", _BOOT], timeout_s=timeout_s).split("\n"), "", ""]
    return boot.strip(), kernel.strip()
