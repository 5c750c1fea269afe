"""A real worker process, toy actions, and ways to kill it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.jobs import client, worker
from blue_wizard.jobs.model import Plan, State, Step

HERE = Path(__file__).parent


class Toy:
    """Plans of toy actions in a folder of the test, and the effects that they left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def step(self, name: str, **args: Any) -> Step:
        return Step(name, "toy.make", {"folder": str(self.folder), "name": name, **args}, f"make {name}")

    def plan(self, *steps: Step, children: tuple[Plan, ...] = (), target: str = "", independent: bool = False) -> Plan:
        return Plan("toys", "toy", steps=steps, children=children, target=target, independent=independent)

    def effects(self) -> list[str]:
        file = self.folder / "effects"
        return file.read_text().splitlines() if file.exists() else []

    def there(self) -> set[str]:
        """The toys that were made and not taken away again."""
        newest = {name: verb for verb, name in (line.split() for line in self.effects())}
        return {name for name, verb in newest.items() if verb == "make"}

    def wait_for(self, condition: Callable[[], Any], what: str, timeout: float = 90) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"waited in vain for {what}"
            time.sleep(0.03)

    def kill_worker(self, number: int = signal.SIGKILL) -> None:
        pid = worker.alive()
        assert pid
        os.kill(pid, number)
        self.wait_for(lambda: worker.alive() is None, "the worker to be gone")

    def end(self, job: str) -> State:
        client.ensure_worker()
        state = client.wait(job)
        self.wait_for(lambda: worker.alive() is None, "the worker to end when idle")
        return state


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    folder = tmp_path / "toys"
    folder.mkdir()
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BLUE_WIZARD_PLUGINS", "toys,killer")
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(HERE)
    config.load.cache_clear()
    yield Toy(folder)
    pid = worker.alive()
    if pid:
        os.kill(pid, signal.SIGKILL)
