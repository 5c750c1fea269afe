"""A compute host over SSH, by the name that Nova has for it: commands where its libvirt lives. No decisions."""

from __future__ import annotations

from blue_wizard import config
from blue_wizard.reach import ssh

__all__ = ["boot_of", "domains", "running"]

_BOOT = "cat /proc/sys/kernel/random/boot_id; uname -r"


def domains(cloud: str, host: str, *, timeout_s: float = 30) -> dict[str, str]:
    """All libvirt domains of a host, running or not: UUID to name. Raises StepFailed when it can't be asked."""
    lines = _virsh_list(cloud, host, "--all", "--uuid", "--name", timeout_s=timeout_s)
    pairs = [line.split(maxsplit=1) for line in lines]
    return {uuid: "".join(name).strip() for uuid, *name in pairs}


def running(cloud: str, host: str, *, timeout_s: float = 30) -> frozenset[str]:
    """The UUIDs of a host's libvirt domains whose CPUs run. Raises StepFailed when it can't be asked."""
    lines = _virsh_list(cloud, host, "--state-running", "--uuid", timeout_s=timeout_s)
    return frozenset(line.strip() for line in lines)


def _virsh_list(cloud: str, host: str, *options: str, timeout_s: float) -> list[str]:
    known = config.load().clouds.get(cloud)
    prefix = tuple(known.compute_exec) if known else ()
    argv = [*prefix, "virsh", "-q", "-c", "qemu:///system", "list", *options]
    return [line for line in ssh.host(host).check(argv, timeout_s=timeout_s).splitlines() if line.strip()]


def boot_of(host: str, *, timeout_s: float = 15) -> tuple[str, str]:
    """The id of a host's boot, which is another one after each, and the release of its kernel. Raises StepFailed."""
    boot, kernel, *_rest = [*ssh.host(host).check(["sh", "-c", _BOOT], timeout_s=timeout_s).split("\n"), "", ""]
    return boot.strip(), kernel.strip()
