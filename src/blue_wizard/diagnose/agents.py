"""The programs of `agent/` on several hosts at once: started, asked and ended together; what they say is kept until asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from blue_wizard.diagnose import agent
from blue_wizard.errors import BlueWizardError
from blue_wizard.reach import ssh
from blue_wizard.reach.dialogue import Dialogue, close_all, open_all
from blue_wizard.text import _

__all__ = ["Agents", "Ended"]


@dataclass(frozen=True)
class Ended:
    """How a host's program came to its end, or why it never began.

    `status` is None when the host was not reached; `refused`: sudo did not let it run.
    """

    status: int | None
    message: str
    refused: bool = False


@dataclass
class _Host:
    dialogue: Dialogue
    said: list[dict[str, Any]] = field(default_factory=list)
    ended: Ended | None = None


class Agents:
    """One program of a role on each host, in a context. It ends when we are gone, and after `deadline_s` seconds anyway."""

    def __init__(
        self,
        role: str,
        orders: Mapping[str, Mapping[str, Any]],
        *,
        deadline_s: float,
        on_word: Callable[[str, dict[str, Any]], bool] | None = None,
        open_host: Callable[[str], ssh.Host] = ssh.host,
    ) -> None:
        """`orders`: the first order of each host. `on_word` takes what a host says by returning True (in the SSH thread)."""
        self._role, self._orders, self._deadline_s = role, orders, deadline_s
        self._on_word, self._open_host = on_word, open_host
        self._changed = threading.Condition()
        self._hosts: dict[str, _Host] = {}

    def __enter__(self) -> Agents:
        for name in self._orders:
            self._hosts[name] = _Host(
                Dialogue(
                    self._open_host(name),
                    agent.ARGV,
                    root=True,
                    timeout_s=self._deadline_s,
                    on_line=lambda line, n=name: self._hear(n, line),  # type: ignore[misc]
                    on_end=lambda status, said, no, n=name: self._end(n, Ended(status, said, no)),  # type: ignore[misc]
                )
            )
        sent = agent.program(self._role)
        first = [
            (h.dialogue, f"{sent}{json.dumps({'deadline_s': self._deadline_s, **self._orders[n]})}\n")
            for n, h in self._hosts.items()
        ]
        try:
            errors = open_all(first)
        except BaseException:
            self.__exit__()
            raise
        for name, error in zip(self._hosts, errors, strict=True):
            if error is not None:
                text = error.message if isinstance(error, BlueWizardError) else f"{type(error).__name__}: {error}"
                self._end(name, Ended(None, text))
        return self

    def __exit__(self, *_error: object) -> None:
        close_all([h.dialogue for h in self._hosts.values()])

    def _hear(self, name: str, line: str) -> None:
        # A login script that prints something is not our program.
        try:
            word = json.loads(line)
        except ValueError:
            return
        if not isinstance(word, dict):
            return
        with self._changed:
            if self._on_word is None or not self._on_word(name, word):
                self._hosts[name].said.append(word)
            self._changed.notify_all()

    def _end(self, name: str, ended: Ended) -> None:
        with self._changed:
            if self._hosts[name].ended is None:
                self._hosts[name].ended = ended
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the condition is true, which is asked after every word; whether it is."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def ask(
        self, order: Mapping[str, Any] | None, key: str, hosts: Iterable[str], timeout_s: float, *, or_key: str = ""
    ) -> dict[str, dict[str, Any]]:
        """Send the order (None: only listen) and wait for each host's word that has this key; those that have come in time.

        Where the order has the key too, the answer has the same value. A word with `or_key` is an answer as well.
        """
        asked = [n for n in hosts if self.ended(n) is None or order is None]
        if order is not None:
            for name in asked:
                self._hosts[name].dialogue.send(json.dumps(order))
        wanted = (order or {}).get(key)
        found: dict[str, dict[str, Any]] = {}

        def done() -> bool:
            for name in asked:
                said = self._hosts[name].said
                for word in list(said):
                    if or_key in word or (key in word and (wanted is None or word[key] == wanted)):
                        found[name] = word
                        said.remove(word)
            return all(n in found or self._hosts[n].ended is not None for n in asked)

        self.wait(done, timeout_s)
        return found

    def ended(self, name: str) -> Ended | None:
        """How the host's program ended; None while it lives."""
        with self._changed:
            return self._hosts[name].ended

    def sentence(self, name: str, waited_s: float) -> str:
        """Why a host has no answer for us, as a sentence."""
        ended = self.ended(name)
        if ended is None:
            return _("{host} did not answer in {seconds} s.").format(host=name, seconds=round(waited_s))
        if ended.status is None:
            return ended.message
        if ended.status == agent.NO_PYTHON:
            return _("{host} has no Python 3.").format(host=name)
        return _("The program on {host} ended: {error}").format(
            host=name, error=(ended.message.splitlines() or [str(ended.status)])[-1]
        )
