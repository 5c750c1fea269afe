"""The facts of one inspection: what was read, and why the rest could not be. Nothing missing is ever taken for good."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from blue_wizard.facts.probe import Probe, Reading
from blue_wizard.inspect.model import Now
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.inspect.site import Site

__all__ = [
    "Everywhere",
    "Facts",
    "HostFact",
    "Missing",
    "Reached",
    "host_fact",
    "host_facts",
    "provider",
    "provides",
    "same_host",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Missing:
    """A fact that could not be had, and why (translated)."""

    why: str


@dataclass(frozen=True)
class Everywhere(Generic[T]):
    """A fact of all hosts at once: by host, and the hosts that did not give it, each with the reason.

    Hosts to which the fact does not apply (no hypervisor there, say) are in neither.
    """

    at: Mapping[str, T]
    missing: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _by_name(self) -> Mapping[str, T]:
        return {name.lower(): fact for name, fact in self.at.items()}

    @cached_property
    def _by_label(self) -> Mapping[str, list[T]]:
        found: dict[str, list[T]] = {}
        for name, fact in self.at.items():
            found.setdefault(name.lower().partition(".")[0], []).append(fact)
        return found

    def of(self, host: str) -> T | None:
        """The fact of a host, by whatever name a service knows it (see `same_host`); None where it is not known for certain."""
        name = host.lower()
        label, dot, _rest = name.partition(".")
        if name in self._by_name:
            return self._by_name[name]
        if dot:
            return self._by_name.get(label)
        alike = self._by_label.get(name, [])
        return alike[0] if len(alike) == 1 else None


@dataclass(frozen=True)
class Reached:
    """Which hosts answered by SSH (None) and which did not: the kind of fault (see `reach.faults`), and the reason.

    `missing`: those that had neither answered nor failed when the time was up; nothing may be said of them.
    """

    hosts: Mapping[str, tuple[str, str] | None] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All hosts of the inventory."""
        return (*self.hosts, *self.missing)


@dataclass(frozen=True)
class HostFact:
    """How a fact of a host is read there: its probes by name, and the pure parser, which gives None where the fact does not apply
    and raises ValueError where it can't be told. `patient`: it is told from probes that did not end in time, too."""

    type: type
    probes: Mapping[str, Probe]
    parse: Callable[[Mapping[str, Reading]], Any]
    patient: bool = False


@dataclass
class Facts:
    """`whole`: facts of the platform by type. `hosts`: facts of each host by type; None where one does not apply."""

    now: Now
    whole: dict[Any, object] = field(default_factory=dict)
    hosts: dict[str, dict[type, object]] = field(default_factory=dict)

    def get(self, wanted: Any) -> object:
        """The fact of the platform, Missing, or None where it does not apply."""
        if wanted is Now:
            return self.now
        if typing.get_origin(wanted) is Everywhere:
            (kind,) = typing.get_args(wanted)
            return self._everywhere(kind)
        return self.whole.get(wanted, Missing(""))

    def at(self, host: str, wanted: Any) -> object:
        """The fact of the host (or of the platform, where it is no host's), Missing, or None where it does not apply."""
        if is_host_fact(wanted):
            return self.hosts.get(host, {}).get(wanted, Missing(""))
        return self.get(wanted)

    def _everywhere(self, kind: type) -> object:
        values = {name: known.get(kind, Missing("")) for name, known in self.hosts.items()}
        if not self.hosts:
            return Missing(_("no host could be asked"))
        return Everywhere(
            {name: v for name, v in values.items() if v is not None and not isinstance(v, Missing)},
            {name: v.why for name, v in values.items() if isinstance(v, Missing)},
        )


def same_host(one: str, other: str) -> bool:
    """Whether two names are of one host: equal, or one is the first label of the other."""
    short, long = sorted((one.lower(), other.lower()), key=len)
    return bool(short) and (short == long or long.startswith(f"{short}."))


_providers: dict[Any, Callable[[Site], Any]] = {}
_host_facts: dict[type, HostFact] = {}


def provides(function: Callable[[Site], T]) -> Callable[[Site], T]:
    """Register how a fact of the platform is read: a function whose return type it is. It may raise BlueWizardError.

    One that may return None (``Fact | None``) says by it that there is nothing here that the fact applies to.
    """
    # The annotation of the parameter is for type checkers only, and can't be resolved at run time.
    kind = typing.get_type_hints(function, localns={"Site": object})["return"]
    if isinstance(kind, types.UnionType):
        (kind,) = (one for one in typing.get_args(kind) if one is not type(None))
    _providers[kind] = function
    return function


def host_fact(
    kind: type[T], parse: Callable[[Mapping[str, Reading]], T | None], *, patient: bool = False, **probes: Probe
) -> None:
    """Register how a fact of a host is read (see HostFact)."""
    _host_facts[kind] = HostFact(kind, probes, parse, patient)


def provider(kind: Any) -> Callable[[Site], Any] | None:
    """How that fact of the platform is read, if it is known."""
    return _providers.get(kind)


def host_facts() -> Mapping[type, HostFact]:
    """All facts of hosts."""
    return _host_facts


def is_host_fact(kind: Any) -> bool:
    """Whether each host has its own."""
    return kind in _host_facts
