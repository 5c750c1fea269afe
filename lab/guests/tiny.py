"""The tiny guest: a cloud kernel, busybox, and a report of what it sees. Boots in a few seconds without KVM."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.guests import disk
from lab.run import run

SIZE = 64 << 20
UUID = "7e570001-0000-4000-8000-000000000001"
MODULES = (
    "virtio_pci",
    "virtio_net",
    "virtio_blk",
    "virtio_scsi",
    "ata_piix",
    "vmw_pvscsi",
    "sd_mod",
    "vmxnet3",
    "button",
    "evdev",
)
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /bin /sbin /etc /tmp
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in $(cat /modules); do
    # A switch in user space would forward checksums that were never finished.
    if [ $m = virtio_net ]; then modprobe virtio_net csum=0 gso=0; else modprobe $m 2>/dev/null; fi
done
dmesg -n 1
ip link set lo up
cards=$(ls /sys/class/net | grep -v '^lo$')
for d in $cards; do ip link set $d up; udhcpc -i $d -b -S -t 5 -T 2 -A 5 -s /lease >/dev/null 2>&1 & done
while :; do nc -l -p 22 -e /bin/echo SSH-2.0-lab; done &
# Nobody types here: whatever comes from an input device is the power button.
for e in /dev/input/event*; do
    (dd if=$e bs=24 count=1 of=/dev/null 2>/dev/null && { echo "LAB: power button"; poweroff -f; }) &
done
[ ! -e /diary ] || sh /diary &
cd /sys/block
for b in vd? sd? hd?; do
    [ -e $b ] || continue
    echo "LAB: disk $b bytes=$(($(cat $b/size) * 512)) head=$(dd if=/dev/$b bs=1M count=1 2>/dev/null | sha256sum | cut -c1-16)"
done
round=0
while :; do
    round=$((round + 1)); missing=0; report=
    for d in $cards; do
        a=$(ip -4 -o addr show dev $d | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p')
        [ -n "$a" ] || missing=1
        report="$report $d mac=$(cat /sys/class/net/$d/address) ip=${a:-none};"
    done
    # A card that stays without an answer must not keep the guest from being ready.
    if [ $missing = 0 ] || [ $round -gt 30 ]; then echo "LAB: ready$report"; sleep 10; else sleep 0.5; fi
done
"""
LEASE = """#!/bin/busybox sh
case $1 in bound|renew)
    ip addr flush dev $interface; ip addr add $ip/$mask dev $interface
    [ -z "$router" ] || ip route replace default via ${router%% *} dev $interface metric $(cat /sys/class/net/$interface/ifindex) ;;
esac
"""

# One record after the other goes onto the second disk; what the console tells of is on the disk. Each is written once more
# somewhere in the disk's other half, so that what changes lies scattered.
DIARY = """#!/bin/busybox sh
while [ ! -e /dev/vdb ]; do sleep 0.1; done
last=$(head -c 33554432 /dev/vdb | tr -d '\\000' | tail -n 1 | cut -d' ' -f2)
n=$((${last:--1} + 1))
while :; do
    text="diary $n $(cat /proc/sys/kernel/random/uuid)"
    line="$text $(echo "$text" | sha256sum | cut -c1-64)"
    echo "$line" | dd of=/dev/vdb bs=4096 seek=$n conv=notrunc,fsync 2>/dev/null && echo "LAB: wrote $n"
    echo "$line" | dd of=/dev/vdb bs=4096 seek=$((8192 + n * 37 % 8192)) conv=notrunc 2>/dev/null
    n=$((n + 1))
    usleep 50000
done
"""


def build(out: Path, *, diary: bool = False) -> None:
    """Write the tiny guest's raw disk to `out`; with `diary` it writes to its second disk all the time."""
    version, kernel = disk.kernel()
    with tempfile.TemporaryDirectory() as scratch:
        tree, root = Path(scratch) / "initrd", Path(scratch) / "root"
        (tree / "bin").mkdir(parents=True)
        root.mkdir()
        shutil.copy("/bin/busybox", tree / "bin" / "busybox")
        _modules(version, tree)
        for name, text in (("init", INIT), ("lease", LEASE), *([("diary", DIARY)] if diary else [])):
            (tree / name).write_text(text)
            (tree / name).chmod(0o755)
        (tree / "modules").write_text("\n".join(MODULES) + "\n")
        names = "\n".join(str(p.relative_to(tree)) for p in [tree, *sorted(tree.rglob("*"))])
        archive = subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names.encode(), capture_output=True, check=True
        ).stdout
        (root / "initrd.img").write_bytes(gzip.compress(archive, 6))
        shutil.copy(kernel, root / "vmlinuz")
        disk.make(root, out, SIZE, UUID, "console=ttyS0 quiet")


def _modules(version: str, tree: Path) -> None:
    """Copy the modules and all that they need."""
    for name in MODULES:
        for line in run(["modprobe", "-S", version, "--show-depends", name]).splitlines():
            if line.startswith("insmod "):
                file = Path(line.split()[1])
                target = tree / str(file).lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
    folder = tree / "lib" / "modules" / version
    for name in ("modules.order", "modules.builtin"):
        shutil.copy(Path("/lib/modules") / version / name, folder / name)
    run(["depmod", "-b", tree, version])
