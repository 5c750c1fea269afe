"""The physical machine: a Debian with an SSH server, sudo and LVM, that nothing but SSH is known of."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab.guests import debian, disk
from lab.run import run

SIZE = 512 << 20
UUID = "7e570004-0000-4000-8000-000000000004"
USER, MAC, ADDRESS = "wizard", "52:54:00:cc:00:1e", "10.99.0.30"
PACKAGES = f"{debian.PACKAGES},openssh-server,sudo,lvm2"
# What it is known by holds at its place only; wherever else it comes to, it asks for an address.
AT_HOME = f"[Match]\nMACAddress={MAC}\n[Network]\nAddress={ADDRESS}/24\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"
STORAGE = """#!/bin/sh
# The second disk is given to LVM when it is seen for the first time.
set -e
udevadm settle
if ! vgs data >/dev/null 2>&1; then
    # The kernel does not always find the disks in one order: it is the one without a partition.
    for d in /dev/sda /dev/sdb; do
        [ -b ${d}1 ] || [ ! -b $d ] || { pvcreate -q $d; vgcreate -q data $d; break; }
    done
    lvcreate -q -y -n srv -L 96M data
    mkfs.ext4 -q -L srv /dev/data/srv
fi
mkdir -p /srv
mountpoint -q /srv || mount /dev/data/srv /srv
"""
LEDGER = """#!/bin/sh
# A business that writes all the time, into both file systems.
n=$(cat /srv/orders 2>/dev/null || echo 0)
while :; do
    n=$((n + 1))
    echo $n > /srv/orders.new && sync /srv/orders.new && mv /srv/orders.new /srv/orders
    echo $n >> /var/lib/orders.log
    echo "LAB: orders=$n" > /dev/ttyS0
    sleep 2
done
"""
UNITS = {
    "lab-storage": "[Unit]\nBefore=lab-ledger.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
    "ExecStart=/usr/local/sbin/lab-storage\n[Install]\nWantedBy=multi-user.target\n",
    "lab-ledger": "[Unit]\nRequires=lab-storage.service\nAfter=lab-storage.service\n[Service]\n"
    "ExecStart=/usr/local/sbin/lab-ledger\n[Install]\nWantedBy=multi-user.target\n",
}


def build(out: Path) -> None:
    """Write the system disk of the physical machine to `out`."""
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        root = Path(scratch) / "root"
        private = ["unshare", "--mount", "--propagation", "private"]
        run(
            [*private, "debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root, debian._mirror()],
            timeout=900,
        )
        _configure(root)
        disk.make(root, out, SIZE, UUID, "console=tty0 console=ttyS0,115200 net.ifnames=1")


def _configure(root: Path) -> None:
    def put(name: str, text: str, mode: int = 0o644) -> None:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    put("etc/hostname", "ledger\n")
    put("etc/hosts", "127.0.0.1 localhost ledger\n")
    put("etc/fstab", f"UUID={UUID} / ext4 defaults 0 1\n")
    put("etc/systemd/network/05-home.network", AT_HOME)
    put("etc/systemd/network/10-dhcp.network", debian.NETWORK)
    put("etc/modprobe.d/lab.conf", "options virtio_net csum=0 gso=0\n")
    put("usr/local/sbin/lab-report", debian.REPORT, 0o755)
    put("etc/systemd/system/lab-report.service", debian.UNIT)
    put("usr/local/sbin/lab-storage", STORAGE, 0o755)
    put("usr/local/sbin/lab-ledger", LEDGER, 0o755)
    for name, text in UNITS.items():
        put(f"etc/systemd/system/{name}.service", text)
    put("etc/resolv.conf", "")
    put(f"etc/sudoers.d/{USER}", f"{USER} ALL=(root) NOPASSWD: ALL\n", 0o440)
    script = f"""
set -e
mount -t proc proc /proc
useradd -m -s /bin/sh {USER}
install -d -m 700 -o {USER} -g {USER} /home/{USER}/.ssh
systemctl enable systemd-networkd lab-report lab-storage lab-ledger ssh serial-getty@ttyS0 >/dev/null 2>&1
systemctl mask systemd-timesyncd apt-daily.timer apt-daily-upgrade.timer e2scrub_reap e2scrub_all.timer fstrim.timer dpkg-db-backup.timer getty@tty1 systemd-networkd-wait-online >/dev/null 2>&1
update-initramfs -u -k all >/dev/null 2>&1
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /usr/share/doc/* /usr/share/locale/* /usr/share/man/*
"""  # noqa: E501
    run(["unshare", "--mount", "--propagation", "private", "chroot", root, "sh", "-c", script], timeout=300)
    for name in ("vmlinuz", "initrd.img"):
        if not (root / name).exists():
            newest = sorted((root / "boot").glob(f"{name}-*"))[-1]
            (root / name).symlink_to(f"boot/{newest.name}")
