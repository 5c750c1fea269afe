"""Disks on the lab's compute hosts, seen from outside."""

from __future__ import annotations

from lab.site import STATE

from .conftest import Lab

__all__ = ["COMPUTES", "INSTANCES", "everything", "sha256_on"]

INSTANCES = STATE / "nova" / "instances"
COMPUTES = ("cmp1", "cmp2")


def everything(lab: Lab) -> dict[str, set[str]]:
    """What a migration can leave behind, images of Glance and files on the compute hosts included."""
    found = lab.inventory()
    found["glance"] = {i.id for i in lab.connect().image.images()}
    script = (
        f"ls -d {INSTANCES}/*-*-*-*-* {INSTANCES}/*/*.blue-wizard /run/blue-wizard.* 2>/dev/null; pgrep -a qemu-nbd"
    )
    for host in COMPUTES:
        found[host] = set(lab.on(host, "sh", "-c", script, code=None).splitlines())
    return found


def sha256_on(lab: Lab, target: str, size: int) -> str:
    """SHA-256 of the first `size` bytes of ``local:HOST:/path``, read by qemu-img over there; beyond them are zeroes."""
    kind, host, path = target.split(":", 2)
    assert kind == "local"
    script = (
        'set -e; raw=$(mktemp -p /var/tmp); trap "rm -f $raw" EXIT; qemu-img convert -U -f qcow2 -O raw "$1" $raw; '
        f"head -c {size} $raw | sha256sum; tail -c +{size + 1} $raw | tr -d '\\000' | wc -c"
    )
    sha256, _dash, rest = lab.on(host, "sh", "-c", script, "hash", path).split()
    assert rest == "0", f"{rest} bytes behind the disk's end are not zero"
    return sha256
