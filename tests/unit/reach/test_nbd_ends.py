"""A server of NBD ends even where it forgets the first signal, as qemu-nbd does between listening and its main loop."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from blue_wizard.reach import nbd, remote_nbd
from tests.unit.migrate.hands import Here

FORGETFUL = """#!/usr/bin/python3
import signal, socket, sys, time
signals = []
signal.signal(signal.SIGTERM, lambda *_: signals.append(1))
paths = [a.removeprefix("--socket=") for a in sys.argv if a.startswith("--socket=")]
if paths:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(paths[0])
print("ready", flush=True)
while len(signals) < 2:
    time.sleep(0.02)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "bin" / "qemu-nbd"
    file.parent.mkdir()
    file.write_text(FORGETFUL)
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}:/usr/bin:/bin")
    return file


def test_on_another_host(program: Path, tmp_path: Path) -> None:
    assert program.exists()

    def serve() -> None:
        with remote_nbd.serve_on(Here(), {"driver": "raw"}, "disk", writable=True, folder=str(tmp_path)):
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    thread.join(15)
    assert not thread.is_alive(), "it waits for a server that has forgotten to end"
    assert not list(tmp_path.glob("blue-wizard.*"))


def test_here(program: Path) -> None:
    with subprocess.Popen([program], stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        nbd.finish(child)
    # By its own will, and not killed.
    assert child.returncode == 0
