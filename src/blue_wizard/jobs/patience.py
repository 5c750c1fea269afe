"""What a ledger does when its database fails: a worker waits until it is back, everybody else is told."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from blue_wizard.errors import InputError
from blue_wizard.masking import mask
from blue_wizard.text import _

__all__ = ["Patience", "patiently"]

Patience = Callable[[str], None]
"""Called with the database's words before every new try; returns when it is time for it, or raises."""

_C = TypeVar("_C", bound=type[Any])


def patiently(cls: _C) -> _C:
    """Let every public method try again, as the instance's `patience` has it, when the database fails for a while.

    A full disk, a lock that is not given, a server that restarts: each transaction is whole or was never there, so a
    second try is safe. Without a `patience`, and for a database that is broken, InputError is raised.
    """
    for name, function in list(vars(cls).items()):
        if inspect.isfunction(function) and not name.startswith("_"):
            setattr(cls, name, _wrap(function))
    return cls


def _wrap(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        while True:
            try:
                return function(self, *args, **kwargs)
            except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as e:
                if self.patience is None:
                    raise _told(e) from e
                self.patience(_words(e))
            except sa.exc.DatabaseError as e:
                raise _told(e) from e

    return call


def _words(error: Exception) -> str:
    return str(mask(str(error).splitlines()[0]))


def _told(error: Exception) -> InputError:
    return InputError(
        _("The ledger can't be used: {error}").format(error=_words(error)),
        _("Check state_dir or database_url in the configuration, and the free space there."),
    )
