"""What a check is and what it finds. Checks are pure: facts go in by their types, findings come out."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from blue_wizard import plugins
from blue_wizard.masking import mask
from blue_wizard.text import translated

__all__ = ["Check", "Finding", "Now", "Profile", "Severity", "check", "checks", "found"]


class Severity(StrEnum):
    """`CRITICAL`: an outage or loss of data, now or at the next single failure of what is already broken. `WARNING`: degraded, or
    soon to be. `INFO`: worth knowing."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Severity).index(self)


class Profile(StrEnum):
    """How deep to look. Each one holds all checks of those before it."""

    QUICK = "quick"
    DAILY = "daily"
    WEEKLY = "weekly"
    BEFORE_UPGRADE = "before-upgrade"

    @property
    def rank(self) -> int:
        """0 for the quickest."""
        return list(Profile).index(self)


@dataclass(frozen=True)
class Now:
    """When the facts were read (Unix seconds, by this machine's clock)."""

    at: float


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    `object` names it for good: with the check's id and the host it is what makes two findings of two runs the same one.
    `text` is a
    msgid and `values` fill it, so that a finding can be told in any language. `evidence` is raw: what was read, and where.
    `severity` and `remedy` (a msgid) are the check's when they are unset.
    """

    object: str
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""
    evidence: tuple[str, ...] = ()
    severity: Severity | None = None
    remedy: str = ""

    @property
    def message(self) -> str:
        """The text in the language in force."""
        return translated(self.text).format(**self.values)


def found(
    object_: str,
    text: str,
    *,
    host: str = "",
    evidence: Iterable[object] = (),
    severity: Severity | None = None,
    remedy: str = "",
    **values: Any,
) -> Finding:
    """A finding; `text` and `remedy` are msgids (`N_`), and `values` fill both. Secrets in what was read become stars."""
    masked = {name: mask(value) for name, value in values.items()}
    return Finding(object_, text, masked, host, tuple(mask(str(e)) for e in evidence), severity, remedy)


Look = Callable[..., Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """A check by its id.

    `title` and `remedy` are msgids. `needs` are the types of the facts that `look` is given. `profile` is the quickest
    one that holds it.
    `under` are the checks whose finding explains one of this check: on the same host, or everywhere where it names no host.
    `reread`: what it finds may be a state of passage, so it must be found a second time on facts read anew.
    """

    id: str
    title: str
    severity: Severity
    remedy: str
    look: Look
    needs: tuple[type, ...]
    profile: Profile = Profile.QUICK
    under: tuple[str, ...] = ()
    reread: bool = False

    @property
    def family(self) -> str:
        """The part of the platform that it looks at: the id's first word."""
        return self.id.partition(".")[0]

    @property
    def runbook(self) -> str:
        """The page about it."""
        return f"docs/checks/{self.id}.md"


_registry: dict[str, Check] = {}


def check(
    id_: str,
    title: str,
    *,
    severity: Severity,
    remedy: str,
    profile: Profile = Profile.QUICK,
    under: tuple[str, ...] = (),
    reread: bool = False,
) -> Callable[[Look], Look]:
    """Register a check. Its parameters are facts, told by their types."""

    def register(look: Look) -> Look:
        hints = typing.get_type_hints(look)
        needs = tuple(hints[name] for name in inspect.signature(look).parameters)
        _registry[id_] = Check(id_, title, severity, remedy, look, needs, profile, under, reread)
        return look

    return register


def checks() -> tuple[Check, ...]:
    """All checks by id: those of `inspect/checks/`, then those of `BLUE_WIZARD_PLUGINS`."""
    from blue_wizard.inspect import checks as folder

    for module in _modules(folder):
        importlib.import_module(module)
    plugins.load_named()
    return tuple(_registry[id_] for id_ in sorted(_registry))


def _modules(folder: Any) -> list[str]:
    return sorted(m.name for m in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}."))
