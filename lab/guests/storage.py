"""The storage host's disk: Debian with systemd, udev, LVM, GPT tools, docker and ceph-osd, made once and kept in the cache.

It has no boot loader: kernel and initramfs are handed to QEMU beside it. What differs from lab to lab (addresses, keys,
ceph.conf) comes on a second disk with the label `conf`, and is laid over the root at boot.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lab.guests.debian import _mirror
from lab.run import run

SIZE = 4 << 30
PACKAGES = (
    "linux-image-cloud-amd64 systemd-sysv dbus udev kmod initramfs-tools zstd openssh-server iproute2 iputils-ping lvm2 "
    "ceph-osd ceph-common gdisk parted xfsprogs e2fsprogs docker.io iptables smartmontools procps psmisc"
)
SCRIPTS = Path(__file__).parents[1] / "storage"
CONF_UNIT = """[Unit]
Description=Lay this lab's files over the root
DefaultDependencies=no
Requires=systemd-udevd.service
After=local-fs.target systemd-udevd.service
Before=sysinit.target systemd-networkd.service ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-conf
[Install]
WantedBy=sysinit.target
"""
CONF = """#!/bin/sh
mkdir -p /run/conf && mount -o ro LABEL=conf /run/conf && cp -a /run/conf/. /
umount /run/conf
chown -R ceph:ceph /var/lib/ceph/bootstrap-osd
hostname -F /etc/hostname
"""
# Pacific's packages have no ceph-disk any more, and so no rule that gives its journals to the user ceph.
JOURNAL_RULE = (
    'ENV{ID_PART_ENTRY_TYPE}=="45b0969e-9b03-4f30-b4c6-b4b80ceff106", OWNER="ceph", GROUP="ceph", MODE="0660"\n'
)
QUIET = (
    "systemd-timesyncd apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap fstrim.timer dpkg-db-backup.timer "
    "systemd-networkd-wait-online smartmontools ceph.target ceph-osd.target ceph-crash docker.socket docker.service containerd"
)


def build(folder: Path) -> None:
    """Write ``root.raw``, ``vmlinuz`` and ``initrd`` into the folder. Takes a few minutes, and is done once."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        root = Path(scratch) / "root"
        private = ["unshare", "--mount", "--propagation", "private"]
        run([*private, "debootstrap", "--variant=minbase", "bookworm", root, _mirror()], timeout=1200)
        _configure(root, private)
        for name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd", "initrd.img-*")):
            shutil.copyfile(sorted((root / "boot").glob(pattern))[-1], folder / name)
        image = folder / "root.raw"
        image.unlink(missing_ok=True)
        run(["truncate", "-s", str(SIZE), image])
        run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-O", "^has_journal", "-d", root, image], timeout=600)


def _configure(root: Path, private: list[str]) -> None:
    def put(name: str, text: str, mode: int = 0o644) -> None:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    put("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    put("etc/apt/apt.conf.d/99lab", 'APT::Install-Recommends "false";\nDpkg::Options {"--force-unsafe-io";};\n')
    put(
        "etc/dpkg/dpkg.cfg.d/lab",
        "path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n",
    )
    put("etc/fstab", "LABEL=root / ext4 noatime 0 1\n")
    put("etc/systemd/system/lab-conf.service", CONF_UNIT)
    put("usr/local/sbin/lab-conf", CONF, 0o755)
    put("etc/systemd/journald.conf.d/lab.conf", "[Journal]\nStorage=volatile\n")
    put("etc/udev/rules.d/61-lab-journal.rules", JOURNAL_RULE)
    put("etc/ssh/sshd_config.d/lab.conf", "PermitRootLogin prohibit-password\nUseDNS no\n")
    put("etc/initramfs-tools/conf.d/lab", "MODULES=list\n")
    put("etc/initramfs-tools/modules", "virtio_pci\nvirtio_blk\nvirtio_scsi\nvirtio_net\nsd_mod\next4\n")
    put("etc/docker/daemon.json", '{"iptables": false, "bridge": "none", "log-driver": "none"}\n')
    for name in ("ceph-disk", "kolla_start", "kolla-image", "make-kolla"):
        put(f"usr/local/sbin/{name}", (SCRIPTS / name).read_text(), 0o755)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    script = f"""
set -e
mount -t proc proc /proc
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y install {PACKAGES}
systemctl enable systemd-networkd ssh lab-conf >/dev/null 2>&1
systemctl disable {QUIET} >/dev/null 2>&1 || true
systemctl mask systemd-networkd-wait-online systemd-timesyncd smartmontools >/dev/null 2>&1
passwd -l root
update-initramfs -u -k all
rm -rf /usr/sbin/policy-rc.d /var/cache/apt/* /var/lib/apt/lists/* /etc/ssh/ssh_host_*
"""
    run([*private, "chroot", root, "sh", "-c", script], timeout=1800)
    put("etc/resolv.conf", "")


if __name__ == "__main__":
    import sys

    build(Path(sys.argv[1]))
