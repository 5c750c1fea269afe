"""How the product reaches the played site: the one place where commands leave it for a host. Also a plug-in for workers.

As a plug-in (``BLUE_WIZARD_PLUGINS=tests.storage.seam``) it takes the site's folder from BW_SITE. With ``BW_SITE_KILL=STEP:PHASE``
it kills its own process (-9) once: ``before`` the step does anything, ``during`` it (right after its first command that changed
something took effect), ``after`` it (nothing recorded yet), or in the middle of its ``undo``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from blue_wizard.reach import ssh
from blue_wizard.reach.faults import CommandFailed, Fault, NotReached

from . import cluster, machine
from .answers import Hung
from .site import Site, State, attached, digests, lookup

MON = "mon1"
CONFIG = f"cloud: lab\nclouds: {{lab: {{ceph_admin: {{host: {MON}}}}}}}\n"
After = Callable[[dict[str, Any]], None]


class Played(ssh.Host):
    """A host of the site."""

    def __init__(self, name: str, site: Site, after: After | None, before: Callable[[], None] | None) -> None:
        super().__init__(ssh.Endpoint(name))
        self._site, self._after, self._before = site, after, before

    async def execute(self, argv: Sequence[str], **more: Any) -> ssh.Result:
        if self._before is not None:
            self._before()
        within = more.get("within")
        words = list(within(argv)) if within else list(argv)
        locked = words[0] == "flock"
        words = words[4:] if locked else words
        with self._site.change() as state:
            entry = self._entry(state, words, locked)
            before = digests(state) if entry["changes"] else {}
            if self.name != MON and state["hosts"].get(self.name, {"cut": True})["cut"]:
                raise NotReached(Fault.UNREACHABLE, f"{self.name} can't be reached", "")
            try:
                status, out, error = self._answer(state, words, more.get("stdin"))
            except Hung:
                raise CommandFailed(Fault.TIMEOUT, f"{words[0]} on {self.name} did not end in time") from None
            entry["status"] = status
            entry["changed"] = sorted(s for s, d in digests(state).items() if before and before.get(s) != d)
        self._site.wrote(entry)
        if self._after is not None:
            self._after(entry)
        return ssh.Result(status, out, error)

    def _answer(self, state: State, words: list[str], stdin: str | None) -> tuple[int, str, str]:
        if self.name == MON:
            return cluster.ceph(state, _plain(words), stdin)
        return machine.shell(state, self.name, words, stdin)

    def _entry(self, state: State, words: list[str], locked: bool) -> dict[str, Any]:
        if self.name == MON:
            plain = _plain(words)
            said = "ceph " + " ".join(plain)
            return {"host": MON, "said": said, "changes": cluster.changes(plain), "locked": locked, "named": []}
        named = sorted({s for w in words for s in _serials(state, self.name, w)})
        said = f"{self.name}: " + " ".join(words)
        return {"host": self.name, "said": said, "changes": machine.changes(words), "locked": locked, "named": named}


def _plain(words: list[str]) -> list[str]:
    """The words after ``ceph`` and its own options."""
    return words[words.index("--connect-timeout") + 2 :]


def _serials(state: State, name: str, word: str) -> list[str]:
    """The disks of a host that a word of a command names."""
    device = word.split("=", 1)[-1]
    if device.startswith("/sys/block/"):
        device = f"/dev/{device.split('/')[3]}"
    if not device.startswith("/dev/"):
        return []
    found, _part = lookup(state, name, device)
    if found is not None:
        return [found["serial"]]
    return [s for s in attached(state, name) if f"/dev/{state['disks'][s]['serial']}" == device]


def install(site: Site, after: After | None = None, before: Callable[[], None] | None = None) -> None:
    """From now on every host is one of the site's; `before` and `after` each command they are called."""
    hosts: dict[str, Played] = {}

    def host(name: str, user: str | None = None, port: int | None = None) -> ssh.Host:
        del user, port
        return hosts.setdefault(name, Played(name, site, after, before))

    ssh.host = host


def hurry() -> None:
    """Nobody waits for hardware that is played."""
    from blue_wizard.disks import change, survey, swap, waiting

    for module, names in (
        (waiting, ("_EVERY_S",)),
        (swap, ("_EVERY_S",)),
        (change, ("_EVERY_S", "_SELDOM_S", "_AGAIN_S")),
        (survey, ("_LOOK_EVERY_S",)),
    ):
        for name in names:
            assert hasattr(module, name)
            setattr(module, name, 0.0)


class _Killer:
    """Kills this process at one point of one step, once."""

    def __init__(self, folder: Path, step: str, phase: str) -> None:
        self._marker, self._step, self._phase = folder / "killed", step, phase
        self.armed = False

    def wrap(self, find: Callable[[str], Any]) -> Callable[[str], Any]:
        def found(verb: str) -> Any:
            made = find(verb)
            do, undo = made.do, made.undo

            def killing_do(ctx: Any, args: Any) -> Any:
                if ctx.step_id != self._step:
                    return do(ctx, args)
                if self._phase == "before":
                    self.kill()
                self.armed = self._phase == "during"
                outcome = do(ctx, args)
                self.armed = False
                if self._phase in {"during", "after"}:
                    self.kill()
                return outcome

            def killing_undo(ctx: Any, args: Any, outcome: Any) -> None:
                self.armed = ctx.step_id == self._step and self._phase == "undo"
                undo(ctx, args, outcome)
                if self.armed:
                    self.kill()
                self.armed = False

            made.do, made.undo = killing_do, killing_undo
            return made

        return found

    def kill(self) -> None:
        if not self._marker.exists():
            self._marker.write_text(f"{self._step} {self._phase}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def after(self, entry: dict[str, Any]) -> None:
        if self.armed and entry["changes"]:
            self.kill()


def _plug_in() -> None:
    folder = os.environ.get("BW_SITE")
    if not folder:
        return
    step, _sep, phase = os.environ.get("BW_SITE_KILL", "").partition(":")
    killer = _Killer(Path(folder), step, phase)
    install(Site(Path(folder)), killer.after if step else None)
    hurry()
    if step:
        from blue_wizard.jobs import actions

        actions.find = killer.wrap(actions.find)


_plug_in()
