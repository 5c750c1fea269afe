"""Remove what runs that died have left on hosts, and nothing else: only what a record there names, with a name of ours.

A run removes what it made, whatever becomes of us: its program on the host ends with the SSH connection, or after its deadline. The
janitor is for programs that were killed themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from blue_wizard.diagnose.agents import Agents
from blue_wizard.reach import ssh
from blue_wizard.reach.inventories.entry import Entry
from blue_wizard.text import _

__all__ = ["Cleaned", "clean", "clean_all"]

_ANSWER_S = 60.0


@dataclass(frozen=True)
class Cleaned:
    """What became of a host's leftovers. `running`: runs that still live, which keep theirs. `error`: "" when all was removed.

    `left_out` says why the host was not asked; "" for one that was.
    """

    host: str
    removed: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    error: str = ""
    left_out: str = ""


def clean_all(hosts: Iterable[Entry], *, open_host: Callable[[str], ssh.Host] = ssh.host) -> list[Cleaned]:
    """Clean up the hosts that a run can have left something on, and name the others, which are not asked."""
    known = list(hosts)
    done = clean((h.name for h in known if h.system != "windows"), open_host=open_host)
    why = _("It runs Windows, where no diagnosis leaves anything.")
    return done + [Cleaned(h.name, left_out=why) for h in known if h.system == "windows"]


def clean(hosts: Iterable[str], *, open_host: Callable[[str], ssh.Host] = ssh.host) -> list[Cleaned]:
    """Clean up the hosts, side by side; one that can't be reached says so in its place."""
    names = list(dict.fromkeys(hosts))
    with Agents("clean", {n: {} for n in names}, deadline_s=_ANSWER_S, open_host=open_host) as agents:
        answers = agents.ask(None, "cleaned", names, _ANSWER_S)
        errors = {n: agents.sentence(n, _ANSWER_S) for n in names if n not in answers}
    return [_cleaned(n, answers[n]["cleaned"]) if n in answers else Cleaned(n, error=errors[n]) for n in names]


def _cleaned(host: str, found: dict[str, list[str]]) -> Cleaned:
    failed = "; ".join(found["failed"])
    error = _("{host} keeps what a dead run left: {error}").format(host=host, error=failed) if failed else ""
    return Cleaned(host, tuple(found["removed"]), tuple(found["running"]), error)
