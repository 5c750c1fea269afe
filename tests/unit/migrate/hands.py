"""What actions get from outside, made up: a context without a ledger, and a host that is this machine."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.reach.ssh import Result


class Hands:
    """An `actions.Context` that remembers events and notes."""

    job_id, step_id = "j1", "import.0"

    def __init__(self, outcomes: Mapping[str, Any]) -> None:
        self.outcomes = dict(outcomes)
        self.notes: dict[str, Any] = {}
        self.events: list[str] = []

    def outcome(self, step_id: str) -> Any:
        return self.outcomes[step_id]

    def answer(self) -> str | None:
        return None

    def note(self, key: str, value: Any) -> None:
        self.notes[key] = value

    def noted(self, key: str) -> Any:
        return self.notes.get(key)

    def progress(self, done: float, total: float, *, unit: str = "B", note: str = "") -> None:
        """Nobody watches."""

    def event(self, _kind: str, message: str, **_data: Any) -> None:
        self.events.append(message)

    def check_stop(self) -> None:
        """Nobody wants it to stop."""

    def pause_point(self, _hold: Callable[[bool], None] | None = None) -> None:
        """Nobody wants it to rest."""


class Here:
    """An `ssh.Host` that is this machine; `said` are the commands that were run."""

    name = "here"

    def __init__(self) -> None:
        self.said: list[list[str]] = []

    def run(self, argv: Sequence[str], *, timeout_s: float = 60, stdin: str | None = None) -> Result:
        self.said.append(list(argv))
        # As sshd does it: a shell looks for the command, and says 127 when there is none.
        shell = ["sh", "-c", shlex.join(argv)]
        done = subprocess.run(shell, capture_output=True, text=True, timeout=timeout_s, input=stdin, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def check(self, argv: Sequence[str], *, timeout_s: float = 60) -> str:
        result = self.run(argv, timeout_s=timeout_s)
        if result.status != 0:
            raise StepFailed(result.stderr)
        return result.stdout

    @contextmanager
    def process(self, argv: Sequence[str]) -> Iterator[None]:
        self.said.append(list(argv))
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
            assert child.stdin
            yield
            child.stdin.close()

    @contextmanager
    def forward(self, remote_path: str) -> Iterator[Path]:
        yield Path(remote_path)
