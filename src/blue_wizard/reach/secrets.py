"""Passwords that lie in files, which nobody else may read."""

from __future__ import annotations

from pathlib import Path

from blue_wizard.errors import InputError
from blue_wizard.text import _

__all__ = ["from_file"]


def from_file(file: Path, host: str) -> str:
    """The password for `host`. Raises InputError when the file can't be read, is empty, or can be read by others."""
    try:
        mode = file.stat().st_mode
        if mode & 0o077:
            raise InputError(
                _("{file}, the password for {host}, can be read by others.").format(file=file, host=host),
                _("chmod 600 {file}").format(file=file),
            )
        found = file.read_text().rstrip("\n")
    except OSError as e:
        raise InputError(
            _("{file}, the password for {host}, can't be read: {error}").format(file=file, host=host, error=e.strerror)
        ) from e
    if not found:
        raise InputError(_("{file}, the password for {host}, is empty.").format(file=file, host=host))
    return found
