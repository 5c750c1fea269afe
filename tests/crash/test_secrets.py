"""A planted secret is found nowhere after a run: not in the ledger, the engine's tables, the logs, reports or argv."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blue_wizard import config
from blue_wizard.errors import InputError
from blue_wizard.jobs import client, worker
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State, Step

from . import postgres
from .conftest import Toy

SECRET = "swordfish-4711-xyz"
OTHER = "other-secret-7"
DATABASE = "trout-4711-database"


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
    shown += _reports(toy, job)
    assert all("log in" in text for text in shown), "nothing was shown, so nothing was proved"
    assert any("true --password=***" in text for text in shown), "the command was not written down"
    for secret in (SECRET, OTHER):
        assert [name for name, content in kept.items() if secret.encode() in content] == []
        assert [text for text in shown if secret in text] == []
        assert [line for line in argv if secret.encode() in line] == []


def _reports(toy: Toy, job: str) -> list[str]:
    files = [toy.folder / name for name in ("report.html", "report.json")]
    for file in files:
        assert "Written to" in _tell("job", "report", job, "--out", str(file))
    return [file.read_text() for file in files]


def test_secrets_of_the_configuration_are_found_nowhere(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    auth = {"auth_url": "http://127.0.0.1:1/v3", "username": "u", "password": SECRET, "project_name": "p"}
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(json.dumps({"clouds": {"planted": {"auth": auth}}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    with postgres.running() as url:
        # The server trusts everybody on its socket; to us it is a URL with a password.
        named = url.replace("postgres@", f"postgres:{DATABASE}@")
        (tmp_path / "config.yaml").write_text(json.dumps({"database_url": named}))
        monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(tmp_path / "config.yaml"))
        config.load.cache_clear()
        job = client.submit(
            Plan("p", "toy", steps=(toy.step("a"), Step("b", "toy.cloud", {"cloud": "planted"}, "log in"))),
            approved=True,
        )
        assert toy.end(job) is State.FAILED
        shown = [_tell("job", *words, job, *form) for words in (["show"], ["log"]) for form in ([], ["-o", "json"])]
        shown += _reports(toy, job)
        assert all("log in" in text and "be reached: " in text for text in shown)
        kept = {str(p): p.read_bytes() for p in config.load().state_dir.rglob("*") if p.is_file()}
        data = Path(url.partition("host=")[2])
        subprocess.run(["psql", "-qh", data, "-U", "postgres", "-c", "CHECKPOINT"], check=True)
        kept |= {str(p): p.read_bytes() for p in data.rglob("*") if p.is_file()}
        assert any(b"log in" in content for name, content in kept.items() if "/base/" in name)
    shown.append(_tell("job", "list"))
    assert "can't be" in shown[-1], "the database was still there"
    for secret in (SECRET, DATABASE):
        assert [name for name, content in kept.items() if secret.encode() in content] == []
        assert [text for text in shown if secret in text] == []


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
