"""A chain of VHD or VHDX files at another place, whose order its owner tells: the newest first, the base last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from blue_wizard.errors import InputError
from blue_wizard.migrate.formats.base import Image
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.vhd import open_any_vhd
from blue_wizard.migrate.formats.vhdx import open_vhdx
from blue_wizard.migrate.formats.window import Handle, Window
from blue_wizard.text import _

__all__ = ["Opener", "open_chain"]

Opener = Callable[[str], Handle]
"""Opens a file by its path at its own place. Raises OSError."""


@dataclass(frozen=True)
class _Chain(Family):
    """What an image says of its parent only counts as far as it is the one that comes next; it is compared by its identity."""

    paths: tuple[str, ...] = ()
    opener: Opener | None = None

    def other(self, name: str) -> Path:
        raise Family._outside(self.file.name, name)

    def parent(self, name: str) -> Family:
        if len(self.paths) < 2:
            raise InputError(
                _("{file} needs {other}, which is not in its chain.").format(file=self.file.name, other=name),
                _("Look at the chain at its host: Get-VHD"),
            )
        return _chain(self.paths[1:], self.opener)

    def window(self) -> Window:
        path, opener = self.paths[0], self.opener
        assert opener is not None, "a chain is opened by somebody"
        return Window(self.file, name=self.file.name, opener=lambda: opener(path))


def _chain(paths: Sequence[str], opener: Opener | None) -> _Chain:
    file = Path(PureWindowsPath(paths[0]).name)
    return _Chain(file, (file,), tuple(paths), opener)


def open_chain(paths: Sequence[str], opener: Opener) -> Image:
    """The disk that the chain makes up. Raises InputError or StepFailed when a file is damaged, missing or another."""
    family = _chain(paths, opener)
    window = family.window()
    try:
        for look in (open_vhdx, open_any_vhd):
            image = look(window, family)
            if image is not None:
                return image
    except BaseException:
        window.close()
        raise
    window.close()
    raise InputError(_("{file} is neither a VHD nor a VHDX.").format(file=family.file.name))
