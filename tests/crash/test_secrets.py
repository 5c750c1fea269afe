"""A planted secret is found nowhere after a run: not in the ledger, the engine's tables, the logs, reports or argv."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from blue_wizard import config
from blue_wizard.errors import InputError
from blue_wizard.jobs import client, worker
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State, Step

from .conftest import Toy

SECRET = "swordfish-4711-xyz"
OTHER = "other-secret-7"


def _tell(*argv: str) -> str:
    done = subprocess.run([sys.executable, "-m", "blue_wizard", *argv], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_planted_secret_is_found_nowhere(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_PASSWORD", SECRET)
    steps = (Step("a", "toy.blab", {}, "log in"), toy.step("b", hold=str(toy.folder / "go")))
    job = client.submit(
        Plan("p", "toy", steps=(*steps, Step("c", "toy.blab", {"crash": True}, "again"))), approved=True
    )
    client.ensure_worker()
    toy.wait_for((toy.folder / "b.begun").exists, "the second step to begin")
    argv = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if _alive(p)]
    (toy.folder / "go").touch()
    assert toy.end(job) is State.FAILED
    state = config.load().state_dir
    kept = {str(p): p.read_bytes() for p in state.rglob("*") if p.is_file()}
    assert {Path(name).name for name in kept} >= {"ledger.db", "engine.db", "worker.log"}
    shown = [_tell("job", *words, job, *form) for words in (["show"], ["log"]) for form in ([], ["-o", "json"])]
    assert all("log in" in text for text in shown), "nothing was shown, so nothing was proved"
    for secret in (SECRET, OTHER):
        assert [name for name, content in kept.items() if secret.encode() in content] == []
        assert [text for text in shown if secret in text] == []
        assert [line for line in argv if secret.encode() in line] == []


def _alive(cmdline: Path) -> bool:
    try:
        return bool(cmdline.read_bytes())
    except OSError:
        return False


def test_a_plan_with_a_secret_is_refused(toy: Toy) -> None:
    for args in ({"password": "x"}, {"source": "https://admin:hush@cloud"}):
        with pytest.raises(InputError, match="log in"):
            client.submit(Plan("p", "toy", steps=(Step("a", "toy.blab", args, "log in"),)), approved=True)
    assert Ledger().jobs() == []
    assert worker.alive() is None
