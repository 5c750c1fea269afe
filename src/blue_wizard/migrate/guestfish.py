"""Commands for guestfish on exported disks, with the guest's file systems mounted."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from blue_wizard.errors import InputError
from blue_wizard.text import _

__all__ = ["Said", "environment", "run", "sections"]


class Said(subprocess.CompletedProcess[str]):
    """What it said on stdout, `stderr`, and its `returncode`."""


def environment(scratch: str) -> dict[str, str]:
    """What libguestfs' programs need; `scratch` is a folder for what they write."""
    # The libvirt backend needs a libvirtd of the operator's machine; the direct one needs nothing. The appliance is made once,
    # where libguestfs would keep it by itself: in a folder that goes with `scratch` it would be made anew for every look.
    ours = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_CACHEDIR": os.environ.get("TMPDIR", "/var/tmp")}  # noqa: S108
    return {**ours, **os.environ, "TMPDIR": scratch, "VIRT_V2V_TMPDIR": scratch, "LC_ALL": "C"}


def run(uris: Sequence[str], script: str, *, scratch: str, timeout_s: float, write: bool = False) -> Said | None:
    """Run the commands on disks that are exported on unix sockets; None when it is not done in time.

    A command that fails ends it, except one after a ``-``. Raises InputError when guestfish is missing.
    """
    disks = [a for uri in uris for a in ("-a", f"nbd://?socket={parse_qs(urlsplit(uri).query)['socket'][0]}")]
    argv = ["guestfish", "--rw" if write else "--ro", "--format=raw", *disks, "-i"]
    try:
        done = subprocess.run(
            argv,
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=environment(scratch),
            check=False,
        )
    except FileNotFoundError as e:
        raise InputError(
            _("guestfish is not installed."),
            _("Install the Debian package {name}.").format(name="libguestfs-tools"),
        ) from e
    except subprocess.TimeoutExpired:
        return None
    return Said(argv, done.returncode, done.stdout, done.stderr)


def sections(text: str) -> dict[str, str]:
    """What was printed after each ``echo ==NAME`` (pure)."""
    return dict(re.findall(r"^==(\w+)\n(.*?)(?=^==|\Z)", text, re.M | re.S))
