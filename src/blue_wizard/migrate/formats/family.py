"""The files that an image names: its parents, which must lie in its own folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blue_wizard.errors import InputError
from blue_wizard.migrate.formats.window import Window
from blue_wizard.text import _

__all__ = ["Family"]

_MAX_DEPTH = 64


@dataclass(frozen=True)
class Family:
    """An image and its descendants: what may be named, and what has been named already.

    An image from a stranger that names ``/etc/shadow`` or ``nbd://...`` as its parent would show files of this machine as a disk.
    """

    folder: Path
    line: tuple[Path, ...]

    @classmethod
    def of(cls, file: Path) -> Family:
        """The family of an image that nothing has named yet."""
        return cls(file.parent.resolve(), (file.resolve(),))

    def other(self, name: str) -> Path:
        """The file of that name. Raises InputError when it lies elsewhere, or is no plain file."""
        me = self.line[-1].name
        # What has a colon before its first slash is a protocol to QEMU: nbd:, ssh://, json:{...}.
        if ":" in name.partition("/")[0]:
            raise self._outside(me, name)
        try:
            found = (self.folder / name).resolve()
            inside = found.is_relative_to(self.folder)
        except (ValueError, OSError, RuntimeError):
            raise self._outside(me, name) from None
        if not inside:
            raise self._outside(me, name)
        if not found.is_file():
            raise InputError(
                _("{file} needs {other}, which is not there.").format(file=me, other=name),
                _("Put all parts of the image into one folder."),
            )
        return found

    def parent(self, name: str) -> Family:
        """The family seen from the parent of that name. Raises InputError for circles as well."""
        found = self.other(name)
        if found in self.line or len(self.line) >= _MAX_DEPTH:
            raise InputError(
                _("{file}: its chain of parents has no end.").format(file=self.line[0].name),
                _("Take the images from the source again."),
            )
        return Family(self.folder, (*self.line, found))

    @property
    def file(self) -> Path:
        """The image that is looked at."""
        return self.line[-1]

    def window(self) -> Window:
        """The file of the image, opened. Raises StepFailed."""
        return Window(self.file)

    @staticmethod
    def _outside(file: str, name: str) -> InputError:
        return InputError(
            _("{file} names a file outside its folder: {other}").format(file=file, other=name),
            _("Put all parts of the image into one folder."),
        )
