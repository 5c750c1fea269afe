"""One host over SSH: commands as argv lists, streams, forwarded sockets. Host keys are always checked.

One event loop in one background thread serves every connection; callers are ordinary blocking code. A connection is opened
on first use, kept, and shared by all commands on its host and by all hosts that are reached through it.
"""

from __future__ import annotations

import asyncio
import shlex
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from blue_wizard import config, tracing
from blue_wizard.reach import connection
from blue_wizard.reach.argv import KILL_AFTER_S, Wrap, prepare, sudo_refusal
from blue_wizard.reach.faults import CommandFailed, Fault, NotReached
from blue_wizard.text import _

__all__ = ["MAX_OUTPUT", "Endpoint", "Host", "Result", "forget", "host", "open_endpoint", "wait"]

MAX_OUTPUT = 16 << 20
"""Bytes of stdout (and of stderr) that a command may write before it is ended."""

# The host ends the command itself; this is for a host that does not.
_GRACE_S = 2 * KILL_AFTER_S
_TIMED_OUT = (124, 137)
_HOPS = 4
"""A connection through jump hosts may take so many times the time-out of one."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Endpoint:
    """Where a host is reached. What is None comes from the SSH configuration. `sudo`: commands that need root go through it."""

    name: str
    address: str | None = None
    user: str | None = None
    port: int | None = None
    jump: str | None = None
    sudo: bool = False


@dataclass(frozen=True)
class Result:
    """What a command gave back.

    `status` is its exit status (-1 when a signal ended it); `started` the local time when it was sent (Unix seconds), and
    `took_s` how long it ran, without the set-up of the connection.
    """

    status: int
    stdout: str
    stderr: str
    started: float = 0.0
    took_s: float = 0.0


# functools' caches let two threads that come first make two; here that would be two loops, and no sharing.
_making = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []
_hosts: dict[Endpoint, Host] = {}


def _loop() -> asyncio.AbstractEventLoop:
    with _making:
        if not _loops:
            _loops.append(asyncio.new_event_loop())
            threading.Thread(target=_loops[0].run_forever, name="ssh", daemon=True).start()
        return _loops[0]


def wait(work: Coroutine[Any, Any, _T]) -> _T:
    """Do the work in the loop of all connections, and wait for it; it is cancelled when the waiting is interrupted."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


class Host:
    """A host that is reached by SSH. Get one by `host(name)`; its connection is opened on first use and kept."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.name = endpoint.name
        self._connection: asyncssh.SSHClientConnection | None = None
        # Both belong to the loop's thread alone.
        self._opening: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._channels = asyncio.Semaphore(config.load().ssh.per_host)

    async def open(self, through: Sequence[str] = ()) -> asyncssh.SSHClientConnection:
        """The connection, in the loop's thread; `through` are the hosts that lead here. Raises NotReached."""
        if self.name in through:
            raise NotReached(
                Fault.UNREACHABLE,
                _("The jump hosts lead in a circle: {path}").format(path=" -> ".join((*through, self.name))),
                _("Correct jump in the configuration, or ProxyJump in the SSH configuration."),
            )
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if self._opening is None or self._opening.done():
            # All who want it meanwhile share this one attempt, and its failure: repeated logins lock accounts.
            self._opening = asyncio.create_task(self._connect((*through, self.name)))
        # Whoever gives up does so for himself.
        self._connection = await asyncio.shield(self._opening)
        return self._connection

    async def _connect(self, through: Sequence[str]) -> asyncssh.SSHClientConnection:
        limit = _HOPS * config.load().ssh.connect_timeout_s
        try:
            # Two hosts that lead to each other, opened at once, would wait for each other for ever.
            async with asyncio.timeout(limit):
                return await self._connect_by_hops(through)
        except TimeoutError:
            text = _("no answer in {seconds} s").format(seconds=round(limit))
            raise NotReached(
                Fault.UNREACHABLE,
                _("{host} can't be reached by SSH: {error}").format(host=self.name, error=text),
                _("Check the address and the port: ssh {host}").format(host=self.name),
            ) from None

    async def _connect_by_hops(self, through: Sequence[str]) -> asyncssh.SSHClientConnection:
        e = self.endpoint
        options = await connection.options(e.address or e.name, user=e.user, port=e.port, name=e.name)
        jump = e.jump or connection.proxy_jump(options)
        tunnel = None
        for step in jump.split(",") if jump and jump != "none" else ():
            # A chain is opened hop by hop, each hop through the one before it.
            tunnel = await _hop(step, tunnel, through)
        return await connection.connect(options, e.name, tunnel)

    async def execute(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = 60,
        stdin: str | None = None,
        root: bool = False,
        within: Wrap | None = None,
        on_line: Callable[[str], None] | None = None,
        max_output: int = MAX_OUTPUT,
    ) -> Result:
        """`run`, for the loop's thread."""
        sudo = root and self.endpoint.sudo
        opened = await self.open()
        command = shlex.join(prepare(argv, timeout_s=timeout_s, sudo=sudo, within=within))
        async with self._channels:
            started, began = time.time(), time.monotonic()
            try:
                done = await asyncio.wait_for(
                    connection.execute(opened, command, stdin=stdin, on_line=on_line, limit=max_output),
                    timeout_s + _GRACE_S + (KILL_AFTER_S if within else 0),
                )
            except TimeoutError:
                raise self._too_slow(argv, timeout_s) from None
            except (asyncssh.Error, OSError) as e:
                raise CommandFailed(
                    Fault.LOST, _("The connection to {host} broke: {error}").format(host=self.name, error=e)
                ) from e
            took = time.monotonic() - began
        if done.overflow:
            raise CommandFailed(
                Fault.OUTPUT,
                _("{command} on {host} wrote more than {size} MiB, and was ended.").format(
                    command=argv[0], host=self.name, size=max_output >> 20
                ),
            )
        if done.status is None and not done.signalled:
            raise CommandFailed(
                Fault.LOST,
                _("The connection to {host} broke: {error}").format(host=self.name, error=_("no exit status")),
            )
        status = done.status if done.status is not None else -1
        if status in _TIMED_OUT and took >= timeout_s:
            raise self._too_slow(argv, timeout_s)
        refusal = sudo_refusal(status, done.stderr) if sudo else None
        if refusal:
            user = opened.get_extra_info("username")
            raise NotReached(
                Fault.SUDO,
                _("sudo on {host} refuses user {user}: {error}").format(host=self.name, user=user, error=refusal),
                _("Let {user} use sudo without a password there, or log in as root. Nothing was done.").format(
                    user=user
                ),
            )
        return Result(status, done.stdout, done.stderr, started, took)

    def _too_slow(self, argv: Sequence[str], timeout_s: float) -> CommandFailed:
        return CommandFailed(
            Fault.TIMEOUT,
            _("{command} on {host} did not end in {seconds} s.").format(
                command=argv[0], host=self.name, seconds=round(timeout_s)
            ),
        )

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = 60,
        stdin: str | None = None,
        root: bool = False,
        within: Wrap | None = None,
        on_line: Callable[[str], None] | None = None,
        max_output: int = MAX_OUTPUT,
    ) -> Result:
        """Run a command in the C locale and wait for it.

        `root`: it needs root, by sudo where the host says so. `within` wraps it into a container (`argv.in_container`,
        `argv.cephadm_shell`). `on_line` gets each line of stdout as it comes (in the thread of the connections), which is
        then not kept. Raises NotReached when it did not run, CommandFailed when it was ended by its time-out, wrote too
        much, or was lost with its connection.
        """
        result = wait(
            self.execute(
                argv,
                timeout_s=timeout_s,
                stdin=stdin,
                root=root,
                within=within,
                on_line=on_line,
                max_output=max_output,
            )
        )
        tracing.tell("argv", self.name, shlex.join(argv), f"exit {result.status}")
        return result

    def check(
        self, argv: Sequence[str], *, timeout_s: float = 60, root: bool = False, within: Wrap | None = None
    ) -> str:
        """Run a command; its stdout. Raises CommandFailed with its stderr when it fails, and what `run` raises."""
        result = self.run(argv, timeout_s=timeout_s, root=root, within=within)
        if result.status != 0:
            raise CommandFailed(Fault.STATUS, failure(argv, self.name, result))
        return result.stdout

    @contextmanager
    def process(self, argv: Sequence[str]) -> Iterator[asyncssh.SSHClientProcess[str]]:
        """A command that runs as long as the context; it is told to end afterwards, and dies with the connection."""

        async def start() -> asyncssh.SSHClientProcess[str]:
            return await (await self.open()).create_process(shlex.join(argv), errors="replace")

        tracing.tell("argv", self.name, shlex.join(argv))
        process = wait(start())
        try:
            yield process
        finally:
            _loop().call_soon_threadsafe(process.close)

    async def open_pipe(self, argv: Sequence[str], *, root: bool = False) -> asyncssh.SSHClientProcess[bytes]:
        """A command whose input and output are bytes, for the loop's thread. It dies with its channel."""
        opened = await self.open()
        words = ["env", "LC_ALL=C", *argv]
        if root and self.endpoint.sudo:
            words = ["sudo", "-n", "--", *words]
        tracing.tell("argv", self.name, shlex.join(argv))
        return await opened.create_process(shlex.join(words), encoding=None)

    async def feed(
        self, argv: Sequence[str], stdin: bytes, *, timeout_s: float, limit: int = MAX_OUTPUT
    ) -> tuple[int, str, str]:
        """Run a command of a host that is no Unix (nothing is put before it): status, stdout, stderr. For the loop's thread.

        Raises TimeoutError, asyncssh.Error, OSError, and CommandFailed when it writes more than `limit` bytes.
        """
        opened = await self.open()
        async with self._channels, asyncio.timeout(timeout_s):
            done = await connection.execute(opened, shlex.join(argv), stdin=stdin.decode(), on_line=None, limit=limit)
        if done.overflow:
            raise CommandFailed(
                Fault.OUTPUT,
                _("{command} on {host} wrote more than {size} MiB, and was ended.").format(
                    command=argv[0], host=self.name, size=limit >> 20
                ),
            )
        return done.status if done.status is not None else -1, done.stdout, done.stderr

    @contextmanager
    def forward(self, remote_path: str) -> Iterator[Path]:
        """A local unix socket that leads to a unix socket on the host."""
        with tempfile.TemporaryDirectory(prefix="bw-ssh-") as folder:
            local = Path(folder) / "socket"

            async def start() -> asyncssh.SSHListener:
                return await (await self.open()).forward_local_path(str(local), remote_path)

            listener = wait(start())
            try:
                yield local
            finally:
                _loop().call_soon_threadsafe(listener.close)


async def _hop(
    step: str, tunnel: asyncssh.SSHClientConnection | None, through: Sequence[str]
) -> asyncssh.SSHClientConnection:
    target = host(*connection.split_address(step))
    if tunnel is None:
        return await target.open(through)
    e = target.endpoint
    options = await connection.options(e.address or e.name, user=e.user, port=e.port, name=e.name)
    return await connection.connect(options, e.name, tunnel)


def failure(argv: Sequence[str], name: str, result: Result) -> str:
    """One sentence on a command that ended with a status other than 0."""
    return _("{command} failed on {host}: {error}").format(
        command=shlex.join(argv), host=name, error=(result.stderr or result.stdout).strip()[-500:] or result.status
    )


def open_endpoint(endpoint: Endpoint) -> Host:
    """The host at that endpoint; the same one for the same endpoint, so that its connection is shared."""
    with _making:
        return _hosts.setdefault(endpoint, Host(endpoint))


def forget() -> None:
    """Know no host any more: what is asked for next is reached by the configuration as it is then."""
    with _making:
        _hosts.clear()


def host(name: str, user: str | None = None, port: int | None = None) -> Host:
    """The host of that name: one of the configuration's `hosts`, of the SSH configuration, or of the resolver."""
    known = config.load().hosts.get(name)
    if known is None:
        return open_endpoint(Endpoint(name, user=user, port=port))
    return open_endpoint(Endpoint(name, known.address, user or known.user, port or known.port, known.jump, known.sudo))
