"""Files of a guest that name its network cards, and files that keep the names: libguestfs takes them out, and puts them in."""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from blue_wizard.errors import StepFailed
from blue_wizard.facts.card_names import CardNames, parse
from blue_wizard.migrate import guestfish
from blue_wizard.migrate.card_rules import LINK_FOLDER, RULE_FOLDER, Written
from blue_wizard.text import _

__all__ = ["judge", "look", "put", "script"]

_TIMEOUT_S = 300
_LARGEST = 1 << 20
_WANTED = (
    "/etc/network/interfaces",
    "/etc/network/interfaces.d/*",
    "/etc/netplan/*.yaml",
    "/etc/sysconfig/network-scripts/ifcfg-*",
    "/etc/sysconfig/network/ifcfg-*",
    "/etc/NetworkManager/system-connections/*",
    "/etc/systemd/network/*",
    "/etc/udev/rules.d/*",
    "/etc/default/grub",
    "/etc/kernel/cmdline",
    "/boot/grub2/grubenv",
    "/boot/loader/entries/*.conf",
)
_UDEV = (
    "/lib/systemd/network/99-default.link",
    "/usr/lib/systemd/network/99-default.link",
    "/lib/systemd/libsystemd-shared-*",
    "/usr/lib/systemd/libsystemd-shared-*",
    "/usr/lib/*/systemd/libsystemd-shared-*",
)
_LABEL = "security.selinux"
_LABELLED = {"links": LINK_FOLDER, "systemd": "/etc/systemd", "rules": RULE_FOLDER}


def script(folder: Path) -> str:
    """guestfish's commands that copy the files into `folder`, and print the rest; see `judge`."""
    lines = []
    for wanted in _WANTED:
        place = folder / wanted.rpartition("/")[0].lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        lines.append(f"-glob copy-out {wanted} {shlex.quote(str(place))}")
    lines += ["echo ==udev", *(f"-glob-expand {u}" for u in _UDEV)]
    for section, labelled in _LABELLED.items():
        # The label itself ends without a new line.
        lines += [f"echo =={section}", f"-getxattr {labelled} {_LABEL}", "echo"]
    return "\n".join([*lines, "echo ==end", ""])


def judge(folder: Path, printed: str) -> CardNames:
    """What the files that `script` has copied into `folder`, and what it has printed, say."""
    files, masked = {}, []
    for base, _folders, names in os.walk(folder):
        for name in names:
            file = Path(base) / name
            path = f"/{file.relative_to(folder)}"
            # The guest may have put anything there: a link would lead to a file of ours, a pipe would never end.
            found = file.lstat()
            if stat.S_ISLNK(found.st_mode) and file.readlink() == Path("/dev/null"):
                masked.append(path)
            elif stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST:
                files[path] = file.read_text(errors="replace")
    said = {name: text.strip("\n\0 ") for name, text in guestfish.sections(printed).items()}
    # A folder that is not there yet gets its parent's label.
    labels = {LINK_FOLDER: said.get("links") or said.get("systemd", ""), RULE_FOLDER: said.get("rules", "")}
    return parse(files, said.get("udev", "").split(), masked=masked, labels={k: v for k, v in labels.items() if v})


def look(uris: Sequence[str]) -> CardNames | None:
    """Look into the guest on these exported disks; None when no system is recognised there, or not in time."""
    with tempfile.TemporaryDirectory(prefix="bw-cards-", dir="/var/tmp") as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        commands = f"is-dir /etc\n{script(folder)}"
        said = guestfish.run(uris, commands, scratch=scratch, timeout_s=_TIMEOUT_S)
        if said is None or not said.stdout.startswith("true") or "==end" not in said.stdout:
            return None
        return judge(folder, said.stdout)


def put(uris: Sequence[str], files: Sequence[Written], found: CardNames) -> None:
    """Write the files into the guest on these disks; the same ones again change nothing. Raises StepFailed."""
    with tempfile.TemporaryDirectory(prefix="bw-cards-", dir="/var/tmp") as scratch:
        lines = []
        for i, file in enumerate(files):
            ours = Path(scratch) / f"file.{i}"
            ours.write_text(file.text)
            folder = file.path.rpartition("/")[0]
            lines += [f"mkdir-p {folder}", f"upload {shlex.quote(str(ours))} {file.path}"]
            lines += [f"chown 0 0 {file.path}", f"chmod 0644 {file.path}"]
            # Under SELinux udev may not read a file without a label; a new file has its folder's.
            label = found.labels.get(folder)
            if label:
                lines.append(f"setxattr {_LABEL} {shlex.quote(label)} {len(label)} {file.path}")
        commands = "\n".join([*lines, "sync", "echo ==end", ""])
        said = guestfish.run(uris, commands, scratch=scratch, timeout_s=_TIMEOUT_S, write=True)
        if said is None or said.returncode != 0 or "==end" not in said.stdout:
            errors = said.stderr.strip().splitlines() if said else []
            raise StepFailed(
                _("The names of its cards could not be written: {error}").format(error=errors[-1] if errors else "-"),
                _("Its disks are as they were copied. With keep_names: false in the wave they are left so."),
            )
