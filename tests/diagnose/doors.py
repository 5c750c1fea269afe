"""Real sshds of the tests' own: each connection to a door on loopback gets one, inside of the host that the door leads to."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from bench.sshd import keygen
from blue_wizard import config

_SSHD = """HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client.pub
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
PidFile none
"""


def open_doors(folder: Path, hosts: Mapping[str, Sequence[str]]) -> list[socket.socket]:
    """A door for each host, given the words before a command that runs there. Closing it ends that."""
    (folder / "sshd_config").write_text(_SSHD.format(folder=folder))
    key = keygen(folder / "host_key")
    keygen(folder / "client")
    (folder / "known_hosts").write_text(f"* {key}\n")
    sshd = [str(shutil.which("sshd", path="/usr/sbin:/sbin:/usr/bin")), "-i", "-f", f"{folder}/sshd_config"]
    doors = {name: _door([*enter, *sshd]) for name, enter in hosts.items()}
    (folder / "ssh_config").write_text(
        "".join(f"Host {n}\n  HostName 127.0.0.1\n  Port {s.getsockname()[1]}\n  User root\n" for n, s in doors.items())
    )
    return list(doors.values())


def _door(argv: Sequence[str]) -> socket.socket:
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                caller, _address = door.accept()
            except OSError:
                return
            with caller:
                subprocess.Popen(argv, stdin=caller, stdout=caller, stderr=subprocess.DEVNULL)

    threading.Thread(target=serve, daemon=True).start()
    return door


def configure(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration, in `file`, that reaches the hosts behind the doors of `folder`."""
    keys = {"config": folder / "ssh_config", "known_hosts": folder / "known_hosts", "identity": folder / "client"}
    file.write_text(yaml.safe_dump({"ssh": {k: str(v) for k, v in keys.items()}}))
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
