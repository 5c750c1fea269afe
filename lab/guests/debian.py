"""The Debian guest: a real system, made by debootstrap once and kept in the cache."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lab.guests import disk
from lab.run import run

SIZE = 1536 << 20
UUID = "7e570002-0000-4000-8000-000000000002"
PASSWORD = "lab"
PACKAGES = "linux-image-cloud-amd64,systemd-sysv,udev,dbus,iproute2,iputils-ping,initramfs-tools,kmod,zstd"
# virt-v2v makes the boot loader's configuration anew, with the guest's own tools.
LEGACY_PACKAGES = ",grub2-common,grub-pc-bin"
REPORT = """#!/bin/sh
# Tells the console what the guest sees: every second until its cards have addresses, then every ten seconds. Each look starts
# as few programs as it can: with an emulated CPU they cost more than all the rest of an idle guest.
n=0
while :; do
    n=$((n + 1)); report=; missing=0; cards=0; pause=1
    for d in /sys/class/net/e*; do
        [ -e $d ] || continue
        cards=$((cards + 1)); name=${d##*/}
        read -r mac < $d/address
        a=$(ip -4 -o addr show dev $name)
        case "$a" in *" inet "*) a=${a#* inet }; a=${a%%/*} ;; *) a=none; missing=1 ;; esac
        report="$report $name mac=$mac ip=$a;"
    done
    if { [ $missing = 0 ] && [ $cards -gt 0 ]; } || [ $n -gt 60 ]; then
        read -r host < /proc/sys/kernel/hostname
        echo "LAB: ready host=$host$report" > /dev/ttyS0; pause=10
    fi
    sleep $pause
done
"""
UNIT = """[Unit]
Description=Report to the console
After=systemd-networkd.service
[Service]
ExecStart=/usr/local/sbin/lab-report
[Install]
WantedBy=multi-user.target
"""
NETWORK = "[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n[DHCPv4]\nClientIdentifier=mac\n"


def build(out: Path, *, modules: str = "most") -> None:
    """Write a Debian disk to `out`. `modules` "legacy" leaves every virtio driver out of its initramfs, "most" has all."""
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        root = Path(scratch) / "root"
        legacy = modules == "legacy"
        private = ["unshare", "--mount", "--propagation", "private"]
        # The mounts that debootstrap makes vanish with this mount namespace.
        run(
            [
                *private,
                "debootstrap",
                "--variant=minbase",
                f"--include={PACKAGES}{LEGACY_PACKAGES * legacy}",
                "bookworm",
                root,
                _mirror(),
            ],
            timeout=900,
        )
        _configure(root, legacy=legacy)
        disk.make(root, out, SIZE, UUID, "console=tty0 console=ttyS0,115200 net.ifnames=1")


def _mirror() -> str:
    """The Debian mirror that apt uses on this machine."""
    targets = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    )
    rows = [line.split() for line in targets.splitlines()]
    return next(r[0] for r in rows if r[1] in {"bookworm", "12", "stable", "oldstable"} and r[2] == "main")


def _configure(root: Path, *, legacy: bool) -> None:
    def put(name: str, text: str, mode: int = 0o644) -> None:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    put("etc/hostname", "shop\n")
    put("etc/hosts", "127.0.0.1 localhost shop\n")
    put("etc/fstab", f"UUID={UUID} / ext4 defaults 0 1\n")
    put("etc/systemd/network/10-dhcp.network", NETWORK)
    put("etc/modprobe.d/lab.conf", "options virtio_net csum=0 gso=0\n")
    put("usr/local/sbin/lab-report", REPORT, 0o755)
    put("etc/systemd/system/lab-report.service", UNIT)
    put("etc/resolv.conf", "")
    if legacy:
        shutil.copytree("/usr/lib/grub/i386-pc", root / "boot" / "grub" / "i386-pc")
        # Only for the image that is made here: whoever makes it again, as virt-v2v does, gets all drivers.
        put("etc/initramfs-tools/conf.d/lab", "MODULES=list\n")
        put("etc/initramfs-tools/modules", "ata_piix\nvmw_pvscsi\nsd_mod\next4\n")
    script = f"""
set -e
mount -t proc proc /proc
echo root:{PASSWORD} | chpasswd
systemctl enable systemd-networkd lab-report serial-getty@ttyS0 >/dev/null 2>&1
systemctl mask systemd-timesyncd apt-daily.timer apt-daily-upgrade.timer e2scrub_reap e2scrub_all.timer fstrim.timer dpkg-db-backup.timer getty@tty1 systemd-networkd-wait-online >/dev/null 2>&1
update-initramfs -u -k all >/dev/null 2>&1
rm -f /etc/initramfs-tools/conf.d/lab
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /usr/share/doc/* /usr/share/locale/* /usr/share/man/*
"""  # noqa: E501
    run(["unshare", "--mount", "--propagation", "private", "chroot", root, "sh", "-c", script], timeout=300)
    for name in ("vmlinuz", "initrd.img"):
        if not (root / name).exists():
            newest = sorted((root / "boot").glob(f"{name}-*"))[-1]
            (root / name).symlink_to(f"boot/{newest.name}")
