"""Guests without virtio drivers: a look inside, and virt-v2v-in-place. The work is libguestfs' and virt-v2v's."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts.card_names import CardNames
from blue_wizard.migrate import card_files, guestfish
from blue_wizard.text import _

__all__ = ["Guest", "convert_in_place", "inspect", "parse_inspection"]

_INSPECT_TIMEOUT_S = 300
# What guestfish says after it has seen all partitions; any other failure says nothing of the guest.
_NO_SYSTEM = "no operating system was found"
# `-i` has mounted the guest's file systems; `inspect-os` would unmount them again.
_SCRIPT = """
echo ==etc
-cat /etc/os-release
echo ==fstab
-cat /etc/fstab
echo ==config
-glob cat /boot/config-*
echo ==windows
-glob ls /Windows/System32/drivers
-glob copy-out /boot/initrd* {folder}
-glob copy-out /boot/initramfs-*.img {folder}
"""


@dataclass(frozen=True)
class Guest:
    """What was seen inside. `virtio` is None when it can't be told. `warnings` are what a conversion does not mend.

    `cards` is what its files call its network cards; None where nobody has looked, and nothing where no system was found.
    """

    system: str
    virtio: bool | None
    warnings: tuple[str, ...] = ()
    cards: CardNames | None = None


def inspect(uri: str) -> Guest:
    """Look into the guest whose disk is exported at `uri` (a unix socket). Raises InputError when the tool is missing."""
    with tempfile.TemporaryDirectory(prefix="bw-inspect-", dir="/var/tmp") as scratch:
        folder, files = Path(scratch) / "initrd", Path(scratch) / "files"
        folder.mkdir()
        commands = _SCRIPT.format(folder=folder) + card_files.script(files)
        done = guestfish.run([uri], commands, scratch=scratch, timeout_s=_INSPECT_TIMEOUT_S)
        if done is None:
            return Guest("", None, (_("The look inside took too long; nothing is known of its drivers."),))
        if "==etc" not in done.stdout:
            warning = _("No operating system was recognised inside; nothing is known of its drivers.")
            return Guest("", None, (warning,), CardNames() if _NO_SYSTEM in done.stderr else None)
        found = parse_inspection(done.stdout, "".join(_list_initrd(file) for file in sorted(folder.iterdir())))
        return found if found.system == "Windows" else replace(found, cards=card_files.judge(files, done.stdout))


def _list_initrd(file: Path) -> str:
    # libguestfs' own initrd-list knows neither zstd nor an archive behind early microcode; Debian's tool knows both.
    if file.is_symlink() or not file.is_file():
        return ""
    try:
        return subprocess.run(
            ["lsinitramfs", str(file)], capture_output=True, text=True, errors="replace", timeout=60, check=False
        ).stdout
    except FileNotFoundError as e:
        raise InputError(
            _("lsinitramfs is not installed."),
            _("Install the Debian package {name}.").format(name="initramfs-tools-core"),
        ) from e


def parse_inspection(text: str, initrd: str) -> Guest:
    """Judge the sections that guestfish printed, and the list of the files in the initrds (pure).

    A Linux guest boots on virtio when the kernel has virtio_blk or virtio_scsi built in, or an initrd carries the module;
    a Windows guest when viostor or vioscsi is among its drivers.
    """
    sections = guestfish.sections(text)
    pretty = re.search(r'^PRETTY_NAME="?([^"\n]+)', sections.get("etc", ""), re.M)
    drivers = sections.get("windows", "").lower()
    if drivers.strip():
        return Guest("Windows", "viostor.sys" in drivers or "vioscsi.sys" in drivers)
    built_in = re.search(r"^CONFIG_VIRTIO_(BLK|SCSI)=y$|^CONFIG_SCSI_VIRTIO=y$", sections.get("config", ""), re.M)
    module = re.search(r"/virtio_(blk|scsi)\.ko", initrd)
    # An initrd that can't be read lists nothing; nothing is not the same as no driver.
    known = bool(built_in or module or "/kernel/" in initrd)
    warnings = []
    if not known:
        warnings.append(_("Its initial ramdisk can't be read; nothing is known of its drivers."))
    named = re.findall(r"^(/dev/[shv]d[a-z]\d*)\s", sections.get("fstab", ""), re.M)
    if named:
        warnings.append(
            _("Its fstab names {devices}: disks may have other names at the target.").format(devices=", ".join(named))
        )
    return Guest(pretty[1] if pretty else "Linux", bool(built_in or module) if known else None, tuple(warnings))


def convert_in_place(
    ports: Sequence[int],
    *,
    name: str,
    memory: int,
    vcpus: int,
    progress: Callable[[str], None],
    check_stop: Callable[[], None],
) -> None:
    """Run virt-v2v-in-place on disks that are exported on ports of loopback. Raises StepFailed with its own words.

    virt-v2v 2.2 takes NBD disks from libvirt XML by host and port only. `memory` is in MiB.
    """
    with tempfile.TemporaryDirectory(prefix="bw-v2v-", dir="/var/tmp") as scratch:
        xml = Path(scratch) / "guest.xml"
        xml.write_text(_domain_xml(ports, name=name, memory=memory, vcpus=vcpus))
        messages = Path(scratch) / "messages"
        argv = ["virt-v2v-in-place", f"--machine-readable=file:{messages}", "-i", "libvirtxml", str(xml)]
        with (Path(scratch) / "log").open("w+") as log:
            try:
                child = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=guestfish.environment(scratch)
                )
            except FileNotFoundError as e:
                raise InputError(
                    _("virt-v2v-in-place is not installed."),
                    _("Install the Debian package {name}.").format(name="virt-v2v"),
                ) from e
            said = ""
            try:
                while True:
                    try:
                        child.wait(0.5)
                        break
                    except subprocess.TimeoutExpired:
                        check_stop()
                        last = _last_message(messages)
                        if last != said:
                            said = last
                            progress(said)
            finally:
                if child.poll() is None:
                    child.terminate()
                    child.wait()
            if child.returncode != 0:
                log.seek(0)
                lines = [line for line in log.read().splitlines() if line.strip()]
                errors = [line for line in lines if "error:" in line] or lines[-1:]
                raise StepFailed(
                    _("The guest could not be converted: {error}").format(
                        error=errors[-1] if errors else child.returncode
                    ),
                    _("Its disks are as they were copied. With convert: false in the wave they are left so."),
                )


def _last_message(file: Path) -> str:
    if not file.exists():
        return ""
    found = ""
    for line in file.read_text(errors="replace").splitlines():
        try:
            found = str(json.loads(line).get("message", found))
        except ValueError:
            continue
    return found


def _domain_xml(ports: Sequence[int], *, name: str, memory: int, vcpus: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    disks = "".join(
        "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd'>"
        f"<host name='localhost' port='{port}'/></source><target dev='sd{letters[i]}' bus='scsi'/></disk>"
        for i, port in enumerate(ports)
    )
    return (
        f"<domain type='kvm'><name>{quoteattr(name)[1:-1]}</name><memory unit='MiB'>{memory}</memory>"
        f"<vcpu>{vcpus}</vcpu><os><type arch='x86_64'>hvm</type><boot dev='hd'/></os>"
        f"<features><acpi/><apic/></features><devices>{disks}</devices></domain>"
    )
