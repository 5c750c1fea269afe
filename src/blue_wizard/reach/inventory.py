"""The hosts of a site, from all the places that know them: the configuration, Ansible, `ceph orch`, Nova.

Two entries are one host when their names are equal (whatever their case), else when one name is the first label of the other and
of no third, else when their addresses are equal. Each field is taken from the first origin that gives it, in the order
above: what a person wrote for this tool wins, then what a person wrote for Ansible, then what services say of themselves. Groups
are united.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blue_wizard import config
from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.reach import ssh
from blue_wizard.reach.inventories import ansible, ceph_orch, nova
from blue_wizard.reach.inventories.entry import Entry
from blue_wizard.reach.together import Late, together
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.reach.openstack import Cloud

__all__ = ["Inventory", "configured", "merge", "open_host", "read"]

_HYPER_V = frozenset({"hyperv", "hyperv+ssh"})


@dataclass(frozen=True)
class Inventory:
    """The hosts, by name, and the origins that could not be asked, each with the reason."""

    hosts: tuple[Entry, ...]
    failed: tuple[tuple[str, BlueWizardError], ...] = ()


def configured(settings: config.Config) -> list[Entry]:
    """The `hosts` of the configuration."""
    return [
        Entry(
            name,
            ("config",),
            address=h.address,
            user=h.user,
            port=h.port,
            jump=h.jump,
            sudo=h.sudo or None,
            groups=h.groups,
            runtime=h.runtime,
        )
        for name, h in settings.hosts.items()
    ]


def read(clouds: Sequence[str] = (), connect: Callable[[str], Cloud] | None = None, timeout_s: float = 20) -> Inventory:
    """Ask every origin of the configuration, side by side; `clouds` are those whose Nova is asked. Raises nothing.

    `connect` logs in to a cloud (default: `openstack.connect`). An origin that does not answer in time has failed.
    """
    settings = config.load()
    wanted = settings.inventory
    asked: list[tuple[str, Callable[[], list[Entry]]]] = []
    if wanted.ansible is not None:
        asked.append(("ansible", partial(ansible.read, wanted.ansible)))
    if wanted.ceph_orch:
        asked.append(("ceph orch", partial(ceph_orch.read, wanted.ceph_orch, clouds)))
    if wanted.nova:
        asked += [(f"nova:{cloud}", partial(nova.read, cloud, connect)) for cloud in clouds]

    def ask(what: Callable[[], list[Entry]]) -> list[Entry] | BlueWizardError:
        try:
            return what()
        except BlueWizardError as e:
            return e

    failed: list[tuple[str, BlueWizardError]] = []
    found = [configured(settings)]
    answers = together([partial(ask, what) for _origin, what in asked], timeout_s=timeout_s)
    for (origin, _what), answer in zip(asked, answers, strict=True):
        if isinstance(answer, list):
            found.append(answer)
        elif isinstance(answer, Late):
            text = _("{origin} did not answer in {seconds} s.").format(origin=origin, seconds=round(timeout_s))
            failed.append((origin, StepFailed(text)))
        else:
            failed.append((origin, answer))
    return Inventory(_with_systems(merge(found), settings.sources.values()), tuple(failed))


def _with_systems(hosts: Iterable[Entry], sources: Iterable[config.SourceConfig]) -> tuple[Entry, ...]:
    """The hosts, those marked as Windows that a source of the configuration calls Hyper-V hosts (pure)."""
    names = {name for s in sources if (name := _hyper_v(s.url))}
    return tuple(replace(h, system="windows") if any(_is_called(h, n) for n in names) else h for h in hosts)


def _hyper_v(url: str) -> str:
    """The host of the URL of a Hyper-V source; "" for any other URL, and for what is none."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") if parts.scheme in _HYPER_V else ""
    except ValueError:
        return ""


def _is_called(host: Entry, name: str) -> bool:
    own = host.name.lower()
    return name in {own, host.address} or _is_first_label(own, name)


def merge(origins: Iterable[Iterable[Entry]]) -> tuple[Entry, ...]:
    """The entries of all origins as hosts, sorted by name; earlier origins win (see above)."""
    hosts: list[Entry] = []
    for origin in origins:
        # Entries of one origin are different hosts to it, whatever they share.
        before, entries = list(hosts), list(origin)
        places = [_same(before, entry, entries) for entry in entries]
        for entry, at in zip(entries, places, strict=True):
            if at is None or places.count(at) > 1:
                hosts.append(entry)
            else:
                hosts[at] = _joined(hosts[at], entry)
    return tuple(sorted(hosts, key=lambda h: h.name))


def _same(hosts: Sequence[Entry], entry: Entry, beside: Sequence[Entry]) -> int | None:
    """Where among `hosts` the entry is, which its origin names `beside` others."""
    name = entry.name.lower()
    taken = {e.name.lower() for e in beside} - {name}
    for i, host in enumerate(hosts):
        if host.name.lower() == name:
            return i
    free = [(i, h) for i, h in enumerate(hosts) if h.name.lower() not in taken]
    close = [i for i, h in free if _is_first_label(h.name.lower(), name)]
    if len(close) == 1:
        return close[0]
    if entry.address:
        return next((i for i, h in free if h.address == entry.address), None)
    return None


def _is_first_label(a: str, b: str) -> bool:
    short, long = sorted((a, b), key=len)
    return long.startswith(f"{short}.")


def _joined(first: Entry, second: Entry) -> Entry:
    return replace(
        first,
        origins=(*first.origins, *(o for o in second.origins if o not in first.origins)),
        address=first.address or second.address,
        user=first.user or second.user,
        port=first.port or second.port,
        jump=first.jump or second.jump,
        sudo=first.sudo if first.sudo is not None else second.sudo,
        groups=tuple(dict.fromkeys((*first.groups, *second.groups))),
        runtime=first.runtime or second.runtime,
        system=first.system or second.system,
    )


def open_host(entry: Entry) -> ssh.Host:
    """The host of an entry, for commands."""
    return ssh.open_endpoint(
        ssh.Endpoint(entry.name, entry.address, entry.user, entry.port, entry.jump, bool(entry.sudo))
    )
