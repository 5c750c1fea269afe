"""The virtual machine and its disks: QEMU without KVM, virtio-scsi, one file a disk, and a switch between good, bad and slow."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lab.run import LabError, ok, run, wait
from lab.storage.qmp import Qmp

# Every read and write fails; QEMU answers it as a disk with an error that lasts.
_BAD = "".join(f'[inject-error]\nevent = "none"\niotype = "{kind}"\nerrno = "5"\n' for kind in ("read", "write"))
_SLOW = {"iops-total": 5, "iops-total-max": 0, "iops-size": 4096}
_FAST = {"iops-total": 0}
_MIB = 1 << 20


@dataclass(frozen=True)
class Drive:
    """A disk: `name` is its place, as people call it; `slot` the SCSI id; `size` GiB; `rotates` tells a hard disk from an SSD."""

    name: str
    slot: int
    serial: str
    size: int = 10
    rotates: bool = True

    @property
    def wwn(self) -> int:
        """A world-wide name that belongs to the serial."""
        return 0x5000C50000000000 | int(hashlib.sha256(self.serial.encode()).hexdigest()[:7], 16)


DRIVES = (
    Drive("hdd1", 1, "LAB-HDD-0001"),
    Drive("hdd2", 2, "LAB-HDD-0002"),
    Drive("hdd3", 3, "LAB-HDD-0003"),
    Drive("ssd7", 7, "LAB-SSD-0007", rotates=False),
    # Behind the others, whose names in the guest come of their order.
    Drive("hdd4", 4, "LAB-HDD-0004"),
)


def _data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are not holes, in whole MiB: where a hole ends is the file system's affair."""
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        end = min(size, -(-os.lseek(fd, start, os.SEEK_HOLE) // _MIB) * _MIB)
        start = max(at, start // _MIB * _MIB)
        yield start, end
        at = end


@dataclass(frozen=True)
class Machine:
    """Where a machine keeps its files, and how it is reached."""

    folder: Path
    image: Path
    name: str
    address: str
    gateway: str
    tap: str
    memory: int = 3072
    mac: str = "52:54:00:99:00:14"

    def drives(self) -> list[Drive]:
        """The disks that are in."""
        file = self.folder / "drives.json"
        return [Drive(**d) for d in json.loads(file.read_text())] if file.exists() else list(DRIVES)

    def _keep(self, drives: list[Drive]) -> None:
        (self.folder / "drives.json").write_text(json.dumps([asdict(d) for d in drives], indent=1))

    def file(self, drive: Drive) -> Path:
        """The file that holds a disk's content; it outlives the disk's being pulled."""
        return self.folder / "disks" / f"{drive.serial}.raw"

    def fingerprint(self, drive: Drive, *, whole: bool) -> str:
        """SHA-256 over all that a disk holds; or, of one that is written to, over its first and last MiB: its tables and labels."""
        hashed = hashlib.sha256()
        with self.file(drive).open("rb") as f:
            size = f.seek(0, os.SEEK_END)
            for start, end in _data(f.fileno(), size) if whole else ((0, _MIB), (size - _MIB, size)):
                for at in range(start, end, _MIB):
                    f.seek(at)
                    block = f.read(min(_MIB, end - at))
                    # A hole that was filled with zeros is the same disk.
                    if block.strip(b"\0"):
                        hashed.update(f"{at}:".encode() + block)
        return hashed.hexdigest()

    def pid(self) -> int | None:
        """Its process; None when it is off."""
        try:
            pid = int((self.folder / "qemu.pid").read_text())
        except (OSError, ValueError):
            return None
        with suppress(OSError):
            if self.name in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
        return None

    def start(self, files: dict[str, tuple[str, int]]) -> None:
        """Start it; `files` (path to content and mode) are laid over its root. What it holds from earlier runs is kept."""
        if self.pid():
            return
        (self.folder / "disks").mkdir(parents=True, exist_ok=True)
        (self.folder / "bad.conf").write_text(_BAD)
        self._conf(files)
        root = self.folder / "root.qcow2"
        if not root.exists():
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", self.image / "root.raw", "-F", "raw", root])
        line = "root=LABEL=root rw console=ttyS0 net.ifnames=0 mitigations=off nokaslr audit=0"
        argv = [
            "qemu-system-x86_64", "-name", self.name, "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=128",
            "-cpu", "Nehalem", "-smp", "2", "-m", str(self.memory), "-nodefaults", "-display", "none",
            "-kernel", self.image / "vmlinuz", "-initrd", self.image / "initrd", "-append", line,
            "-serial", f"file:{self.folder}/console.log",
            "-qmp", f"unix:{self.folder}/qmp.sock,server=on,wait=off", "-pidfile", self.folder / "qemu.pid", "-daemonize",
            "-object", "rng-random,id=r0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=r0",
            "-drive", f"if=none,id=root,file={root},format=qcow2,cache=unsafe", "-device", "virtio-blk-pci,drive=root",
            "-drive", f"if=none,id=conf,file={self.folder}/conf.raw,format=raw,readonly=on",
            "-device", "virtio-blk-pci,drive=conf",
            "-netdev", f"tap,id=n0,ifname={self.tap},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=n0,mac={self.mac}", "-device", "virtio-scsi-pci,id=sc0,num_queues=1",
        ]  # fmt: skip
        run(argv, timeout=60)
        with self._monitor() as q:
            for drive in self.drives():
                self._plug(q, drive)

    def _conf(self, files: dict[str, tuple[str, int]]) -> None:
        network = f"[Match]\nName=eth0\n[Network]\nAddress={self.address}/24\nGateway={self.gateway}\n"
        network += "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        both = {
            **files,
            "etc/hostname": (f"{self.name}\n", 0o644),
            "etc/systemd/network/10-eth.network": (network, 0o644),
        }
        tree = self.folder / "conf"
        for name, (text, mode) in both.items():
            file = tree / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(text)
            file.chmod(mode)
        (tree / "root").mkdir(exist_ok=True)
        (tree / "root").chmod(0o700)
        raw = self.folder / "conf.raw"
        raw.unlink(missing_ok=True)
        run(["truncate", "-s", "8M", raw])
        run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-L", "conf", "-d", tree, raw])

    def stop(self) -> None:
        """Pull its plug."""
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
            wait(lambda: self.pid() is None, f"{self.name} to be off", timeout=20)

    def reset(self) -> None:
        """Press its reset button."""
        with self._monitor() as q:
            q("system_reset")

    def _monitor(self) -> Qmp:
        wait((self.folder / "qmp.sock").exists, f"the monitor of {self.name}", timeout=20)
        return Qmp(self.folder / "qmp.sock")

    def _plug(self, q: Qmp, drive: Drive) -> None:
        file, key = self.file(drive), drive.name
        if not file.exists():
            run(["truncate", "-s", f"{drive.size}G", file])
        q("object-add", **{"qom-type": "throttle-group", "id": f"g-{key}"})
        q(
            "blockdev-add",
            driver="file",
            filename=str(file),
            discard="unmap",
            aio="threads",
            **{"node-name": f"f-{key}"},
        )
        q(
            "blockdev-add",
            driver="blkdebug",
            image=f"f-{key}",
            config=str(self.folder / "bad.conf"),
            **{"node-name": f"b-{key}"},
        )
        q("blockdev-add", driver="throttle", file=f"f-{key}", **{"node-name": f"t-{key}", "throttle-group": f"g-{key}"})
        q("device_add", driver="scsi-hd", bus="sc0.0", channel=0, lun=0, id=f"d-{key}", drive=f"t-{key}", serial=drive.serial,
          vendor="LAB", product="HDD" if drive.rotates else "SSD", rotation_rate=7200 if drive.rotates else 1, wwn=drive.wwn,
          **{"scsi-id": drive.slot})  # fmt: skip

    def _named(self, name: str) -> Drive:
        for drive in self.drives():
            if drive.name == name:
                return drive
        raise LabError(f"{self.name} has no disk {name}: {', '.join(d.name for d in self.drives())}")

    def fail(self, name: str, *, bad: bool = True) -> None:
        """From now on every read and write of the disk fails; or, with `bad` false, it is well again."""
        key = self._named(name).name
        node = {
            "driver": "throttle",
            "node-name": f"t-{key}",
            "throttle-group": f"g-{key}",
            "file": f"{'b' if bad else 'f'}-{key}",
        }
        with self._monitor() as q:
            q("blockdev-reopen", options=[node])

    def slow(self, name: str, *, slow: bool = True) -> None:
        """From now on it does five requests a second."""
        with self._monitor() as q:
            q("qom-set", path=f"/objects/g-{self._named(name).name}", property="limits", value=_SLOW if slow else _FAST)

    def pull(self, name: str) -> None:
        """Pull the disk out, as a person does."""
        drive = self._named(name)
        with self._monitor() as q:
            q("device_del", id=f"d-{drive.name}")
            q.wait("DEVICE_DELETED", device=f"d-{drive.name}")
            for node in "tbf":
                q("blockdev-del", **{"node-name": f"{node}-{drive.name}"})
            q("object-del", id=f"g-{drive.name}")
        self._keep([d for d in self.drives() if d.name != name])

    def insert(self, name: str, serial: str, *, size: int | None = None, rotates: bool | None = None) -> None:
        """Put a disk into the place that `name` stands for. One that was in before comes back with what it held."""
        if any(d.name == name for d in self.drives()):
            raise LabError(f"a disk is in place {name} already: pull it first")
        like = next((d for d in DRIVES if d.name == name), None)
        if like is None:
            raise LabError(f"there is no place {name}")
        drive = replace(
            like, serial=serial, size=size or like.size, rotates=like.rotates if rotates is None else rotates
        )
        with self._monitor() as q:
            self._plug(q, drive)
        self._keep([*self.drives(), drive])

    def answers(self, ssh: list[str | Path]) -> bool:
        """It lets somebody in."""
        return self.pid() is not None and ok([*ssh, "true"])
