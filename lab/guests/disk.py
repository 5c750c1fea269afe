"""A bootable disk from a folder: no mount, no loop device, no grub-install."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab.run import run

LABEL = "0x5eed0001"


def make(root: Path, out: Path, size: int, uuid: str, kernel_line: str) -> None:
    """An MBR disk of `size` bytes whose one ext4 file system holds `root` and starts by GRUB.

    `root` must hold /vmlinuz and /initrd.img (links are fine); `kernel_line` is what the kernel is told besides its root.
    """
    grub = root / "boot" / "grub"
    grub.mkdir(parents=True, exist_ok=True)
    (grub / "grub.cfg").write_text(
        "set timeout=0\nserial --unit=0 --speed=115200\n"
        f"search --no-floppy --fs-uuid --set=root {uuid}\n"
        f"menuentry 'Linux' {{\n  linux /vmlinuz root=UUID={uuid} ro {kernel_line}\n  initrd /initrd.img\n}}\n"
    )
    out.unlink(missing_ok=True)
    run(["truncate", "-s", str(size), out])
    run(["sfdisk", "-q", out], stdin=f"label: dos\nlabel-id: {LABEL}\nstart=2048,type=83,bootable\n")
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-U", uuid, "-E", "offset=1048576,lazy_itable_init=1,lazy_journal_init=1",
         "-d", root, out, f"{size // 1024 - 1024}k"])  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        core = Path(scratch) / "core.img"
        modules = ["biosdisk", "part_msdos", "ext2", "normal", "linux", "search", "search_fs_uuid", "serial", "echo"]
        run(["grub-mkimage", "-O", "i386-pc", "-o", core, "-p", "(hd0,msdos1)/boot/grub", *modules])
        assert core.stat().st_size < 2047 * 512, "the boot loader does not fit before the first partition"
        run(
            ["dd", "if=/usr/lib/grub/i386-pc/boot.img", f"of={out}", "bs=440", "count=1", "conv=notrunc", "status=none"]
        )
        run(["dd", f"if={core}", f"of={out}", "bs=512", "seek=1", "conv=notrunc", "status=none"])


def kernel() -> tuple[str, Path]:
    """The newest cloud kernel of this machine: its version and its file. Raises IndexError when none is installed."""
    file = sorted(Path("/boot").glob("vmlinuz-*-cloud-amd64"))[-1]
    return file.name.removeprefix("vmlinuz-"), file
