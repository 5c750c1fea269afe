"""What asyncssh is told: the files of SSH (read once, not once a host), connections, one command on one channel."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncssh

from blue_wizard import config
from blue_wizard.reach.faults import Fault, NotReached
from blue_wizard.text import _

__all__ = ["Done", "connect", "execute", "options", "proxy_jump", "split_address"]

_GLOBAL_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")


def split_address(text: str) -> tuple[str, str | None, int | None]:
    """``[USER@]HOST[:PORT]`` as (host, user, port); IPv6 addresses stand in brackets when a port follows."""
    user, _at, rest = text.strip().rpartition("@")
    if rest.startswith("["):
        name, _bracket, after = rest[1:].partition("]")
        port = after.removeprefix(":")
    elif rest.count(":") == 1:
        name, port = rest.split(":")
    else:
        name, port = rest, ""
    return name, user or None, int(port) if port.isdigit() else None


async def options(
    address: str, *, user: str | None, port: int | None, name: str
) -> asyncssh.SSHClientConnectionOptions:
    """The options for one host: ours, then those of the SSH configuration. Raises NotReached when that can't be read."""
    ssh = config.load().ssh
    wanted: dict[str, Any] = {
        "host": address,
        "config": _config_files(ssh.config),
        "connect_timeout": ssh.connect_timeout_s,
        "login_timeout": ssh.connect_timeout_s,
        "keepalive_interval": 15,
        # Nobody is asked anything: a key or nothing.
        "password_auth": False,
        "kbdint_auth": False,
    }
    if user:
        wanted["username"] = user
    if port:
        wanted["port"] = port
    try:
        if ssh.known_hosts:
            wanted["known_hosts"] = _known_hosts((str(ssh.known_hosts), _stamp(ssh.known_hosts)))
        if ssh.identity:
            wanted["client_keys"] = _keys(ssh.identity, _stamp(ssh.identity))
        made = asyncssh.SSHClientConnectionOptions(**wanted)
        if not ssh.known_hosts:
            made.known_hosts = _known_hosts(*_configured(made.known_hosts))
    except (OSError, ValueError, asyncssh.Error) as e:
        raise NotReached(
            Fault.UNREACHABLE,
            _("The SSH configuration can't be used for {host}: {error}").format(host=name, error=e),
            _("Check the files named under ssh: in the configuration, and ~/.ssh/config."),
        ) from e
    return made


def _config_files(file: Path | None) -> list[str]:
    chosen = file or Path("~/.ssh/config").expanduser()
    return [str(chosen)] if file or os.access(chosen, os.R_OK) else []


def _stamp(file: Path) -> float:
    return file.stat().st_mtime


def _configured(found: Any) -> list[tuple[str, float]]:
    """The files of known hosts. ``UserKnownHostsFile none`` means "check nothing" to asyncssh, and "the usual" to us."""
    named = [Path(f).expanduser() for f in found] if isinstance(found, list | tuple) else []
    files = [*(named or [Path("~/.ssh/known_hosts").expanduser()]), _GLOBAL_KNOWN_HOSTS]
    return [(str(f), _stamp(f)) for f in dict.fromkeys(files) if f.is_file()]


@lru_cache(maxsize=8)
def _known_hosts(*files: tuple[str, float]) -> asyncssh.SSHKnownHosts:
    return asyncssh.read_known_hosts([name for name, _time in files])


@lru_cache(maxsize=8)
def _keys(file: Path, _time: float) -> Sequence[asyncssh.SSHKeyPair]:
    return asyncssh.load_keypairs(str(file))


def proxy_jump(made: asyncssh.SSHClientConnectionOptions) -> str | None:
    """``ProxyJump`` of the SSH configuration; the hops are ours to open, so that many hosts share them."""
    found = made.tunnel
    return found if isinstance(found, str) and found != "none" else None


async def connect(
    made: asyncssh.SSHClientConnectionOptions, name: str, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    """A connection, through `tunnel` if given. Raises NotReached, with what it was that failed."""
    try:
        # asyncssh makes the options once more out of what was asked for: what was judged here has to be asked for.
        return await asyncssh.connect(
            made.orig_host, options=made, config=None, tunnel=tunnel, known_hosts=made.known_hosts
        )
    except asyncssh.HostKeyNotVerifiable as e:
        raise _wrong_key(made, name) from e
    except asyncssh.PermissionDenied as e:
        raise NotReached(
            Fault.LOGIN,
            _("{host} refuses the login as {user}: {error}").format(host=name, user=made.username, error=e.reason),
            _("Check the user and the key: ssh {host}").format(host=name),
        ) from e
    except (OSError, asyncssh.Error, TimeoutError) as e:
        silent = _("no answer in {seconds} s").format(seconds=round(made.connect_timeout or 0))
        raise NotReached(
            Fault.UNREACHABLE,
            _("{host} can't be reached by SSH: {error}").format(
                host=name, error=str(e) or (silent if isinstance(e, TimeoutError) else type(e).__name__)
            ),
            _("Check the address and the port: ssh {host}").format(host=name),
        ) from e


def _wrong_key(made: asyncssh.SSHClientConnectionOptions, name: str) -> NotReached:
    listed = made.host_key_alias or made.host
    port = made.port if made.port != 22 else None
    entry = f"[{listed}]:{port}" if port else listed
    known = made.known_hosts
    if isinstance(known, asyncssh.SSHKnownHosts) and any(known.match(listed, "", port)[:2]):
        return NotReached(
            Fault.HOST_KEY,
            _("The host key of {host} has CHANGED: somebody may be in between.").format(host=name),
            _("Nothing was sent. If the host was set up anew: ssh-keygen -R {entry}, then check its new key.").format(
                entry=entry
            ),
        )
    return NotReached(
        Fault.HOST_KEY,
        _("The host key of {host} is not known.").format(host=name),
        _("Nothing was sent. Check its fingerprint on the host, then add the key to known_hosts: ssh {host}").format(
            host=name
        ),
    )


@dataclass(frozen=True)
class Done:
    """How a channel ended. `status` is None without an exit status; `overflow`: it was closed for writing too much."""

    status: int | None
    signalled: bool
    stdout: str
    stderr: str
    overflow: bool


class _Collector(asyncssh.SSHClientSession[bytes]):
    """Takes what a command writes, up to `limit` bytes a stream (with `on_line`: a line)."""

    def __init__(self, limit: int, on_line: Callable[[str], None] | None) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.overflow = False
        self.out, self.err = bytearray(), bytearray()
        self._limit, self._on_line = limit, on_line
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._broken: BaseException | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        into = self.err if datatype else self.out
        into += data
        if self._on_line is not None and into is self.out:
            self._hand_over(self._on_line)
        if len(into) > self._limit and self._channel is not None:
            self.overflow = True
            self._channel.abort()

    def _hand_over(self, on_line: Callable[[str], None]) -> None:
        *lines, rest = bytes(self.out).split(b"\n")
        self.out[:] = rest
        try:
            for line in lines:
                on_line(line.decode(errors="replace"))
        except Exception as e:
            self._broken = e
            if self._channel is not None:
                self._channel.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._on_line is not None and self.out and not self._broken:
            self.out += b"\n"
            self._hand_over(self._on_line)
        if self.ended.done():
            return
        if self._broken or exc:
            self.ended.set_exception(self._broken or exc)  # type: ignore[arg-type]
        else:
            self.ended.set_result(None)


async def execute(
    opened: asyncssh.SSHClientConnection,
    command: str,
    *,
    stdin: str | None,
    on_line: Callable[[str], None] | None,
    limit: int,
) -> Done:
    """Run one command line on one channel. Raises asyncssh.Error or OSError when the connection breaks."""
    session = _Collector(limit, on_line)
    channel, _same = await opened.create_session(lambda: session, command, encoding=None, request_pty=False)
    try:
        # A command that ends without reading its input has done nothing wrong.
        with suppress(OSError):
            if stdin is not None:
                channel.write(stdin.encode())
            channel.write_eof()
        await session.ended
    finally:
        channel.close()
    return Done(
        channel.get_exit_status() if channel.get_exit_signal() is None else None,
        channel.get_exit_signal() is not None,
        _text(session.out),
        _text(session.err),
        session.overflow,
    )


def _text(data: bytearray) -> str:
    return codecs.decode(data, errors="replace")
