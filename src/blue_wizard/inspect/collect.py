"""Reads the facts that checks need: each once, all side by side, each host in one round trip, all before a deadline."""

from __future__ import annotations

import importlib
import pkgutil
import threading
import time
import typing
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from blue_wizard.errors import BlueWizardError
from blue_wizard.facts import probe
from blue_wizard.inspect.facts import Everywhere, Facts, Missing, Reached, host_facts, is_host_fact, provider
from blue_wizard.inspect.model import Check, Now
from blue_wizard.inspect.site import Site
from blue_wizard.reach import fanout, inventory
from blue_wizard.reach.faults import Fault
from blue_wizard.text import _

__all__ = ["collect", "kinds", "read_host", "register"]

_HOST_S = 20.0
_WAY_S = 1.5
"""What is left of the time for the way there and back, also on a machine that is busy."""
_ASKED, _ANSWER = "asked", "answer"


def register() -> None:
    """Make all ways to facts known: those of `inspect/fetch/`."""
    from blue_wizard.inspect import fetch as folder

    for module in sorted(m.name for m in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}.")):
        importlib.import_module(module)


def kinds(checks: Iterable[Check]) -> set[Any]:
    """The types of the facts that these checks need."""
    return {kind for check in checks for kind in check.needs}


def collect(site: Site, wanted: Collection[Any], until: float) -> Facts:
    """The facts of these types. `until` is a moment of the monotonic clock; what has not come by then is missing. Raises
    nothing."""
    facts = Facts(Now(time.time()))
    of_hosts = {_host_kind(k) for k in wanted if _host_kind(k) is not None}
    results: SimpleQueue[tuple[Any, object]] = SimpleQueue()
    pending: set[Any] = {k for k in wanted if provider(k) is not None}
    for kind in list(pending):
        _start(results, kind, partial(_provide, site, kind))
    reached: dict[str, tuple[str, str] | None] = {}
    awaited: dict[str, str] = {}
    if of_hosts or Reached in wanted:
        pending.add(Reached)
        _start(results, Reached, partial(_hosts, site, of_hosts, until, results))
    while pending:
        try:
            kind, value = results.get(timeout=max(0.01, until - time.monotonic()))
        except Empty:
            break
        if kind is _ASKED and isinstance(value, tuple):
            late = _("did not answer before the deadline")
            for name in value:
                awaited[name] = late
                facts.hosts[name] = dict.fromkeys(of_hosts, Missing(late))
        elif kind is _ANSWER and isinstance(value, fanout.Answer):
            name = value.host.name
            awaited.pop(name, None)
            reached[name], facts.hosts[name] = _answered(value, of_hosts)
        else:
            pending.discard(kind)
            facts.whole[kind] = value
    for kind in pending:
        facts.whole[kind] = Missing(_("did not come before the deadline"))
    if reached or awaited:
        facts.whole[Reached] = Reached(reached, awaited)
    return facts


def _start(results: SimpleQueue[tuple[Any, object]], kind: Any, work: Any) -> None:
    def call() -> None:
        try:
            value = work()
        except BlueWizardError as e:
            value = Missing(e.message)
        except Exception as e:
            # What an API or a parser did not expect says nothing about the platform.
            value = Missing(f"{type(e).__name__}: {e}")
        results.put((kind, value))

    # Daemons: whoever hangs must not keep the process from ending.
    threading.Thread(target=call, daemon=True, name=f"inspect {getattr(kind, '__name__', kind)}").start()


def _provide(site: Site, kind: Any) -> object:
    found = provider(kind)
    assert found is not None
    return found(site)


def _host_kind(kind: Any) -> Any:
    if typing.get_origin(kind) is Everywhere:
        (kind,) = typing.get_args(kind)
    return kind if is_host_fact(kind) else None


def _hosts(site: Site, wanted: Collection[type], until: float, results: SimpleQueue[tuple[Any, object]]) -> Reached:
    """Asks all hosts; each answer is put into `results` as it comes, so that a host that hangs holds up no other."""
    known = host_facts()
    probes = {f"{kind.__name__}.{name}": p for kind in wanted for name, p in known[kind].probes.items()}
    # The script ends itself well before the deadline, and tells what it has: what hangs there costs its own answer only.
    limit = min(_HOST_S, max(1.0, until - time.monotonic() - _WAY_S))
    command = probe.argv(probes, within=site.compute_exec, limit_s=limit)
    # There is nothing on a Windows host (Hyper-V, a source of migrations) that a check is about.
    hosts = [inventory.open_host(e) for e in site.inventory().hosts if e.system != "windows"]
    results.put((_ASKED, tuple(h.name for h in hosts)))
    fanout.run_all(
        hosts,
        command,
        limit=site.settings.ssh.inspected,
        timeout_s=limit + 2,
        root=True,
        on_result=lambda a: results.put((_ANSWER, a)),
    )
    return Reached({})


def _answered(answer: fanout.Answer, wanted: Collection[type]) -> tuple[tuple[str, str] | None, dict[type, object]]:
    """Why the host was not reached (None: it was), and its facts."""
    if answer.result is None:
        fault = answer.fault.value if answer.fault else Fault.LOST.value
        return (fault, answer.message), dict.fromkeys(wanted, Missing(answer.message))
    if not answer.ok:
        return None, dict.fromkeys(wanted, Missing(answer.message))
    return None, read_host(answer.result.stdout, wanted, started=answer.result.started, took_s=answer.result.took_s)


def read_host(text: str, wanted: Iterable[type], *, started: float, took_s: float) -> dict[type, object]:
    """The facts of one host from the script's output; `started` and `took_s` are of the round trip, by our own clock."""
    try:
        answer = probe.parse(text)
    except (ValueError, KeyError, TypeError) as e:
        return dict.fromkeys(wanted, Missing(f"{type(e).__name__}: {e}"))
    clock = probe.Reading(text=f"{answer.began} {answer.ended} {started} {started + took_s}")
    found: dict[type, object] = {}
    for kind in wanted:
        found[kind] = _parsed(kind, {**answer.readings, f"{kind.__name__}.clock": clock})
    return found


def _parsed(kind: type, readings: Mapping[str, probe.Reading]) -> object:
    fact = host_facts()[kind]
    mine = {name: readings.get(f"{kind.__name__}.{name}", probe.Reading(late=True)) for name in (*fact.probes, "clock")}
    late = [name for name, reading in mine.items() if reading.late]
    if late and not fact.patient:
        return Missing(_("did not answer in time: {names}").format(names=", ".join(sorted(late))))
    try:
        return fact.parse(mine)
    except ValueError as e:
        return Missing(str(e))
    except Exception as e:
        return Missing(f"{type(e).__name__}: {e}")
