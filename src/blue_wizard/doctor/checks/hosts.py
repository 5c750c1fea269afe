"""The hosts of the inventory and of the sources: SSH, host key, sudo, clock, tools."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import urlsplit

from blue_wizard.doctor.model import Line, Site, Status, check, failed, ok, unknown
from blue_wizard.errors import BlueWizardError
from blue_wizard.reach import fanout, inventory, ssh
from blue_wizard.reach.inventories.entry import Entry
from blue_wizard.text import _

__all__ = ["Seen", "hosts", "judge", "origins", "sources"]

_COMMAND_S = 15.0
_AT_ONCE = 200
_SKEW_S = 1.0
"""Beyond it logs can't be laid side by side, and tokens and certificates begin to be refused."""

_SCRIPT = 'date +%s.%N; for t in "$@"; do command -v "$t" >/dev/null || echo "missing $t"; done'
_KVM_TOOLS = {"virsh": "libvirt-clients", "qemu-nbd": "qemu-utils"}
_RUNTIMES = {"docker": "docker.io", "podman": "podman"}


@dataclass(frozen=True)
class Seen:
    """What a host said: its clock (Unix seconds), and which of the tools that were asked for are not there."""

    clock: float | None
    missing: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> Seen:
        """From the output of the script above."""
        first, *rest = text.split("\n")
        try:
            clock: float | None = float(first.replace(".N", ""))
        except ValueError:
            clock = None
        return Seen(clock, tuple(line.removeprefix("missing ") for line in rest if line.startswith("missing ")))


def judge(what: str, result: ssh.Result, packages: dict[str, str]) -> Line:
    """The line for a host that was reached. `packages` are the tools that it needs, each with the package that brings it."""
    seen = Seen.parse(result.stdout)
    missing = [f"{tool} ({packages[tool]})" for tool in seen.missing if tool in packages]
    if missing:
        text = _("these tools are missing there: {tools}").format(tools=", ".join(missing))
        return failed(what, text, _("Install the packages in brackets on the host."))
    if seen.clock is None:
        return unknown(what, _("is reached, but does not tell its time"))
    skew = seen.clock - (result.started + result.took_s / 2)
    # The answer may have come at any moment of the round trip.
    if abs(skew) > _SKEW_S + result.took_s / 2:
        text = _("its clock is {seconds} s off ours").format(seconds=f"{skew:+.1f}")
        return Line(Status.WARNING, what, text, _("Check chrony or ntpd, here and there."))
    return ok(what, _("reached; its clock agrees"))


@check("inventory")
def origins(site: Site, _item: str) -> Iterable[Line]:
    """Every origin of hosts answers."""
    found = site.inventory()
    for origin, error in found.failed:
        yield failed(_("hosts from {origin}").format(origin=origin), error)
    names = dict.fromkeys(o for h in found.hosts for o in h.origins)
    for origin in names:
        count = sum(origin in h.origins for h in found.hosts)
        yield ok(_("hosts from {origin}").format(origin=origin), str(count))


@check("hosts", timeout_s=120.0)
def hosts(site: Site, _item: str) -> Iterable[Line]:
    """Each host of the inventory."""
    entries = site.inventory().hosts
    needs = {e.name: {e.runtime: _RUNTIMES[e.runtime]} if e.runtime else {} for e in entries}
    opened = [(inventory.open_host(e), _label(e)) for e in entries]
    yield from _look([(host, what, needs[host.name]) for host, what in opened])


def _label(entry: Entry) -> str:
    return _("host {name}").format(name=entry.name)


def _source_names(site: Site) -> Iterable[str]:
    return site.settings.sources


@check("sources", over=_source_names)
def sources(site: Site, name: str) -> Iterable[Line]:
    """Each named source of machines: a KVM host is reached and has its tools, a folder or file is there."""
    url = site.settings.sources[name].url
    what = _("source {name}").format(name=name)
    parts = urlsplit(url)
    if parts.scheme == "kvm+ssh" and parts.hostname:
        yield from _look([(ssh.host(parts.hostname, parts.username, parts.port), what, _KVM_TOOLS)])
    elif parts.scheme in {"", "file", "files"}:
        path = Path(url.partition("://")[2] if parts.scheme else url).expanduser()
        if path.exists():
            yield ok(what, str(path))
        else:
            yield failed(
                what, _("{path} does not exist").format(path=path), _("Correct sources: in the configuration.")
            )
    else:
        yield _asked(what, url)


def _asked(what: str, url: str) -> Line:
    """The line of a source that can tell by itself whether it is reached (`reachable`, see docs/how-to/add-a-source.md)."""
    from blue_wizard.migrate.sources import open_source

    try:
        ask = getattr(open_source(url), "reachable", None)
        if ask is None:
            scheme = urlsplit(url).scheme
            return unknown(what, _("nothing is known about {scheme}:// here").format(scheme=scheme))
        ask()
    except BlueWizardError as e:
        return failed(what, e)
    return ok(what, _("answers"))


def _look(wanted: Sequence[tuple[ssh.Host, str, dict[str, str]]]) -> Iterator[Line]:
    """One line a host, as they answer. Hosts with sudo are asked a second time, through it."""
    by_host = {id(host): (what, tools) for host, what, tools in wanted}
    tasks = [(host, ["sh", "-c", _SCRIPT, "doctor", *tools]) for host, _what, tools in wanted]
    reached: list[tuple[ssh.Host, Line]] = []
    for answer in _answers(tasks, root=False):
        what, tools = by_host[id(answer.host)]
        line = judge(what, answer.result, tools) if answer.result and answer.ok else _fault(what, answer)
        if answer.host.endpoint.sudo and answer.ok:
            reached.append((answer.host, line))
        else:
            yield line
    before = {id(host): line for host, line in reached}
    for answer in _answers([(host, ["true"]) for host, _line in reached], root=True):
        line = before[id(answer.host)]
        if not answer.ok:
            yield _fault(line.what, answer)
        else:
            yield ok(line.what, _("reached; its clock agrees; sudo works")) if line.status is Status.OK else line


def _fault(what: str, answer: fanout.Answer) -> Line:
    return failed(what, answer.message, answer.hint)


def _answers(tasks: Sequence[tuple[ssh.Host, Sequence[str]]], *, root: bool) -> Iterator[fanout.Answer]:
    """The answers as they come. Raises what keeps the whole fan-out from running."""
    if not tasks:
        return
    queue: SimpleQueue[fanout.Answer | BaseException | None] = SimpleQueue()

    def work() -> None:
        try:
            fanout.run_many(tasks, limit=_AT_ONCE, timeout_s=_COMMAND_S, root=root, on_result=queue.put)
            queue.put(None)
        except BaseException as e:
            queue.put(e)

    threading.Thread(target=work, daemon=True, name="doctor hosts").start()
    while (found := queue.get()) is not None:
        if isinstance(found, BaseException):
            raise found
        yield found
