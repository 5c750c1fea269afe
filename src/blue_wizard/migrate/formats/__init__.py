"""Readers of our own for disk formats. One format is one file in this folder that registers itself with `@image_format`.

They are for formats that QEMU reads slowly or not at all; it reads the others. What a file is, its content says, never its name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate.formats.base import Image
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.window import Window

__all__ = ["Image", "image_format", "open_image"]

Opener = Callable[[Window, Family], Image | None]
_registry: dict[str, Opener] = {}


def image_format(name: str) -> Callable[[Opener], Opener]:
    """Register an opener under qemu's name of the format.

    It gets the place of the image and its family, and gives None when the content isn't of its format, or has a feature that is
    left to QEMU. It raises StepFailed or InputError when the content is damaged, or names files that it must not.
    """

    def add(opener: Opener) -> Opener:
        known = _registry.setdefault(name, opener)
        if known.__module__ != opener.__module__:
            raise ValueError(f"format {name!r} is taken by {known.__module__}")
        return opener

    return add


def _load() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


def open_image(
    file: Path, *, offset: int = 0, size: int | None = None, name: str = "", family: Family | None = None
) -> Image | None:
    """A reader of the image in the file, or in `size` bytes of it from `offset`; None when QEMU has to read it.

    `name` stands in messages. Raises InputError when the image is damaged or not to be trusted.
    """
    _load()
    try:
        window = Window(file, offset, size, name or file.name)
        try:
            for opener in _registry.values():
                image = opener(window, family or Family.of(file))
                if image is not None:
                    return image
        except BaseException:
            window.close()
            raise
    except StepFailed as e:
        raise InputError(e.message, e.hint) from e
    window.close()
    return None
