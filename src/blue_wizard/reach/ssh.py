"""Hosts over SSH: commands as argv lists, streams, forwarded sockets. Host keys are always checked.

One event loop in one background thread serves every connection; callers are ordinary blocking code.
"""

from __future__ import annotations

import asyncio
import shlex
import tempfile
import threading
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from blue_wizard import config
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.text import _

__all__ = ["Host", "Result", "host"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Result:
    """What a command gave back; `status` is its exit status (-1 when a signal ended it)."""

    status: int
    stdout: str
    stderr: str


_starting = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    # A cache alone lets two threads make one loop each, and a connection belongs to the loop that opened it.
    with _starting:
        return _started_loop()


@lru_cache(maxsize=1)
def _started_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="ssh", daemon=True).start()
    return loop


def _wait(work: Awaitable[_T]) -> _T:
    async def await_it() -> _T:
        return await work

    return asyncio.run_coroutine_threadsafe(await_it(), _loop()).result()


class Host:
    """A host that is reached by SSH. Get one by `host(name)`; its connection is opened on first use and kept."""

    def __init__(self, name: str, user: str | None = None, port: int | None = None) -> None:
        known = config.load().hosts.get(name)
        self.name = name
        self._address = (known and known.address) or name
        self._user = user or (known and known.user) or None
        self._port = port or (known and known.port) or None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._opening = threading.Lock()

    def _open(self) -> asyncssh.SSHClientConnection:
        with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = self._connect()
            return self._connection

    def _connect(self) -> asyncssh.SSHClientConnection:
        ssh = config.load().ssh
        options: dict[str, Any] = {"connect_timeout": ssh.connect_timeout_s, "keepalive_interval": 15}
        if ssh.config:
            options["config"] = [str(ssh.config)]
        if ssh.known_hosts:
            options["known_hosts"] = str(ssh.known_hosts)
        if ssh.identity:
            options["client_keys"] = [str(ssh.identity)]
        if self._user:
            options["username"] = self._user
        if self._port:
            options["port"] = self._port
        try:
            return _wait(asyncssh.connect(self._address, **options))
        except asyncssh.HostKeyNotVerifiable as e:
            raise InputError(
                _("The host key of {host} is not known, or has changed: {error}").format(host=self.name, error=e),
                _("Check it, then add it to known_hosts: ssh {host}").format(host=self.name),
            ) from e
        except asyncssh.PermissionDenied as e:
            raise InputError(
                _("{host} refuses the login: {error}").format(host=self.name, error=e),
                _("Check the user and the key: ssh {host}").format(host=self.name),
            ) from e
        except (OSError, asyncssh.Error, TimeoutError) as e:
            raise InputError(
                _("{host} can't be reached by SSH: {error}").format(host=self.name, error=e or type(e).__name__),
                _("Check the address and the port: ssh {host}").format(host=self.name),
            ) from e

    def run(self, argv: Sequence[str], *, timeout_s: float = 60, stdin: str | None = None) -> Result:
        """Run a command and wait for it. Raises StepFailed when it has not ended in time."""
        command = shlex.join(argv)
        connection = self._open()
        try:
            done = _wait(connection.run(command, input=stdin, timeout=timeout_s, errors="replace"))
        except asyncssh.ProcessError as e:
            raise StepFailed(
                _("{command} on {host} did not end in {seconds} s.").format(
                    command=argv[0], host=self.name, seconds=round(timeout_s)
                )
            ) from e
        except (asyncssh.Error, OSError) as e:
            raise StepFailed(_("The connection to {host} broke: {error}").format(host=self.name, error=e)) from e
        status = done.exit_status if done.exit_status is not None else -1
        return Result(status, str(done.stdout or ""), str(done.stderr or ""))

    def check(self, argv: Sequence[str], *, timeout_s: float = 60) -> str:
        """Run a command; its stdout. Raises StepFailed with its stderr when it fails."""
        result = self.run(argv, timeout_s=timeout_s)
        if result.status != 0:
            raise StepFailed(
                _("{command} failed on {host}: {error}").format(
                    command=shlex.join(argv), host=self.name, error=(result.stderr or result.stdout).strip()[-500:]
                )
            )
        return result.stdout

    @contextmanager
    def process(self, argv: Sequence[str]) -> Iterator[asyncssh.SSHClientProcess[str]]:
        """A command that runs as long as the context; it is told to end afterwards, and dies with the connection."""
        connection = self._open()
        process = _wait(connection.create_process(shlex.join(argv), errors="replace"))
        try:
            yield process
        finally:
            # Its packets must not be mixed with those that the loop is sending.
            _loop().call_soon_threadsafe(process.close)

    @contextmanager
    def forward(self, remote_path: str) -> Iterator[Path]:
        """A local unix socket that leads to a unix socket on the host."""
        connection = self._open()
        with tempfile.TemporaryDirectory(prefix="bw-ssh-") as folder:
            local = Path(folder) / "socket"
            listener = _wait(connection.forward_local_path(str(local), remote_path))
            try:
                yield local
            finally:
                _loop().call_soon_threadsafe(listener.close)


@lru_cache
def host(name: str, user: str | None = None, port: int | None = None) -> Host:
    """The host of that name: one of the configuration's `hosts`, of the SSH configuration, or of the resolver."""
    return Host(name, user, port)
