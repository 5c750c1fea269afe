"""Sources of virtual machines. One source is one file in this folder that registers itself with `@source`.

See docs/how-to/add-a-source.md.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TypeVar

from blue_wizard import plugins
from blue_wizard.errors import InputError
from blue_wizard.migrate.source import Export, Exporting, Glancing, PowerControl, Source
from blue_wizard.text import _

__all__ = ["Export", "Exporting", "Glancing", "PowerControl", "Source", "open_source", "source"]


_S = TypeVar("_S", bound=type[Source])
_registry: dict[str, type[Source]] = {}


def source(cls: _S) -> _S:
    """Register a source under its URL schemes. Raises ValueError when a scheme is taken."""
    for scheme in cls.schemes:
        known = _registry.get(scheme)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ValueError(f"scheme {scheme!r} is taken by {known.__qualname__}")
        _registry[scheme] = cls
    return cls


def _load() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    plugins.load_installed("blue_wizard.sources")


def open_source(url: str) -> Source:
    """The source of the URL; a plain path is a folder or file of images. Raises InputError for an unknown scheme."""
    _load()
    scheme = url.split("://", 1)[0] if "://" in url else "files"
    if scheme not in _registry:
        raise InputError(
            _("No source answers to {scheme}://.").format(scheme=scheme),
            _("Known are: {known}.").format(known=", ".join(sorted(_registry))),
        )
    return _registry[scheme](url)
