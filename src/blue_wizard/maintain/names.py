"""Which host is meant by a name: exactly the one of that name, never one that it is a part of. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from blue_wizard.errors import InputError
from blue_wizard.facts.computes import Service
from blue_wizard.facts.servers import Server
from blue_wizard.text import _

__all__ = ["find", "servers_named"]


def find(host: str, services: Iterable[Service]) -> Service:
    """The compute service of that host. Raises InputError with names that are close when there is none."""
    listed = list(services)
    for service in listed:
        if service.host == host:
            return service
    names = [s.host for s in listed]
    close = [n for n in names if n.startswith(host) or host.startswith(n)] or difflib.get_close_matches(host, names)
    raise InputError(
        _("Nova knows no compute host {host}.").format(host=host),
        _("Close to it: {names}").format(names=", ".join(close))
        if close
        else _("Its hosts are listed by: blue-wizard host status"),
    )


def servers_named(words: Iterable[str], here: Iterable[Server]) -> frozenset[str]:
    """The ids of servers on the host by their ids or names. Raises InputError for one that is not there, or twice."""
    listed = list(here)
    found = set()
    for word in words:
        ids = [s.id for s in listed if s.id == word] or [s.id for s in listed if s.name == word]
        if len(ids) > 1:
            raise InputError(
                _("{count} servers on the host are called {name}.").format(count=len(ids), name=word),
                _("Name it by its id: {ids}").format(ids=", ".join(ids)),
            )
        if not ids:
            raise InputError(_("No server {name} is on the host.").format(name=word))
        found.add(ids[0])
    return frozenset(found)
