"""The cache of guest disks: each is made once for each version of its recipe, and appears whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable
from pathlib import Path

from lab.guests import debian, disk, physical, tiny, windows
from lab.run import run, say
from lab.site import CACHE

RECIPES: dict[str, Callable[[Path], None]] = {
    "tiny": tiny.build,
    "diary": lambda out: tiny.build(out, diary=True),
    "debian": debian.build,
    "windows": windows.build,
    "physical": physical.build,
    "debian-legacy": lambda out: debian.build(out, modules="legacy"),
}
MODULES = {"tiny": tiny, "diary": tiny, "windows": windows, "physical": physical}
"""The modules of the recipes that are not `debian`'s."""


def get(name: str) -> Path:
    """The raw disk of a recipe. Making the Debian ones takes about two minutes; the tiny one two seconds."""
    recipe = [Path(m.__file__ or "").read_bytes() for m in (disk, MODULES.get(name, debian))]
    key = hashlib.sha256(b"".join([*recipe, disk.kernel()[0].encode()])).hexdigest()[:12]
    folder = CACHE / "guests"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{key}.raw"
    # Two makers at a time would waste the machine, and one process could see the other's half.
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            say(f"making the disk of the {name} guest")
            for old in folder.glob(f"{name}-{'?' * 12}.raw*"):
                old.unlink()
            part = file.with_suffix(".raw.part")
            RECIPES[name](part)
            run(["sync", part])
            part.rename(file)
    return file
