"""Real sshds on loopback, and the configuration that reaches them."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.sshd import Server, serve
from blue_wizard import config
from blue_wizard.reach import ssh

# Records its arguments, then does what `docker exec NAME CMD` does, on the host itself.
FAKE_DOCKER = '#!/bin/sh\nprintf "%s\\n" "$@" > "$(dirname "$0")/argv"\nshift 2\nexec "$@"\n'
# The login is root's, what it runs is nobody's: the sudo that refuses is the real one.
AS_NOBODY = 'ForceCommand setpriv --reuid=65534 --regid=65534 --clear-groups /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


@dataclass(frozen=True)
class Servers:
    """`main` and `jump` are alike, `weak` runs every command as nobody; `bin` comes first in their PATH."""

    folder: Path
    bin: Path
    main: Server
    jump: Server
    weak: Server

    def known(self, *servers: Server) -> str:
        """Lines of known_hosts."""
        return "".join(f"[127.0.0.1]:{s.port} {s.host_key}\n" for s in servers or (self.main, self.jump, self.weak))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("sshd")
    programs = folder / "bin"
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text(FAKE_DOCKER)
    docker.chmod(0o755)
    path = f"SetEnv PATH={programs}:/usr/local/bin:/usr/bin:/bin"
    with (
        serve(folder, path, "Subsystem sftp internal-sftp", name="main") as main,
        serve(folder, path, name="jump") as jump,
        serve(folder, AS_NOBODY, name="weak") as weak,
    ):
        yield Servers(folder, programs, main, jump, weak)


class Site:
    """The configuration of a test."""

    def __init__(self, servers: Servers, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.servers, self.folder = servers, folder
        self.file = folder / "blue-wizard.yaml"
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(servers.known())
        self.ssh_config = folder / "ssh_config"
        self.ssh_config.write_text("")
        monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(self.file))
        self.write()

    def write(self, *, identity: Path | None = None, ssh_extra: dict[str, Any] | None = None, **more: Any) -> None:
        """Write the configuration; hosts are those of `more`."""
        keys = {"config": self.ssh_config, "known_hosts": self.known_hosts}
        keys["identity"] = identity or self.servers.main.client_key
        settings = {
            "ssh": {**{k: str(v) for k, v in keys.items()}, "connect_timeout_s": 5, **(ssh_extra or {})},
            **more,
        }
        self.file.write_text(yaml.safe_dump(settings))
        config.load.cache_clear()
        ssh.forget()

    def at(self, server: Server, **more: Any) -> dict[str, Any]:
        """An entry of `hosts`."""
        return {"address": "127.0.0.1", "port": server.port, "user": getpass.getuser(), **more}


@pytest.fixture
def site(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    yield Site(servers, tmp_path, monkeypatch)
    ssh.forget()
