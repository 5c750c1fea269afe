"""A program on a host that is talked to line by line. It reads the end of its stdin when we are gone, whatever happens to us."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress

import asyncssh

from blue_wizard import tracing
from blue_wizard.reach import ssh
from blue_wizard.reach.argv import prepare, sudo_refusal
from blue_wizard.reach.faults import Fault, NotReached
from blue_wizard.text import _

__all__ = ["Dialogue", "close_all", "open_all"]

_START_S = 15
_END_S = 5


class Dialogue:
    """One program on one host. Both callbacks are called in the thread of the connections, so they should be quick.

    `on_line` gets each line of its stdout; `on_end`, once, its exit status (-1 without one), the end of its stderr, and whether
    that is sudo's refusal to run it.
    """

    def __init__(
        self,
        host: ssh.Host,
        argv: Sequence[str],
        *,
        timeout_s: float,
        on_line: Callable[[str], None],
        on_end: Callable[[int, str, bool], None],
        root: bool = False,
    ) -> None:
        self.host = host
        self._argv, self._timeout_s, self._root = argv, timeout_s, root
        self._on_line, self._on_end = on_line, on_end
        self._process: asyncssh.SSHClientProcess[str] | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, first: str = "") -> None:
        """Start the program, which the host itself ends after `timeout_s`, and send it `first`. Raises NotReached."""
        sudo = self._root and self.host.endpoint.sudo
        opened = await self.host.open()
        command = shlex.join(prepare(self._argv, timeout_s=self._timeout_s, sudo=sudo))
        try:
            # A connection that was kept may lead to a host that no longer does anything.
            async with asyncio.timeout(_START_S):
                self._process = await opened.create_process(command, errors="replace")
            self._process.stdin.write(first)
        except TimeoutError:
            text = _("no answer in {seconds} s").format(seconds=_START_S)
            raise NotReached(
                Fault.LOST, _("The connection to {host} broke: {error}").format(host=self.host.name, error=text)
            ) from None
        except (asyncssh.Error, OSError) as e:
            raise NotReached(
                Fault.LOST, _("The connection to {host} broke: {error}").format(host=self.host.name, error=e)
            ) from e
        tracing.tell("argv", self.host.name, shlex.join(self._argv[:1]))
        self._reading = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncssh.SSHClientProcess[str]) -> None:
        said = ""
        with suppress(asyncssh.Error, OSError):
            async for line in process.stdout:
                # asyncssh ends a stream with a line that is none.
                if line:
                    self._on_line(line.rstrip("\n"))
            said = (await process.stderr.read())[-2000:]
            await process.wait_closed()
        status = process.exit_status
        refusal = sudo_refusal(status or 0, said) if self._root and self.host.endpoint.sudo else None
        self._on_end(-1 if status is None else status, refusal or said.strip(), refusal is not None)

    def send(self, line: str) -> None:
        """Send a line; nothing happens when the program has ended, which `on_end` tells."""

        async def write() -> None:
            if self._process is not None:
                with suppress(asyncssh.Error, OSError):
                    self._process.stdin.write(line + "\n")

        ssh.wait(write())

    async def close(self) -> None:
        """End the conversation: the program reads the end of its input. Waits until it has ended, at most five seconds."""
        process = self._process
        if process is None:
            return
        with suppress(asyncssh.Error, OSError, TimeoutError):
            process.stdin.write_eof()
            await asyncio.wait_for(process.wait_closed(), _END_S)
        process.close()


def open_all(dialogues: Sequence[tuple[Dialogue, str]]) -> list[Exception | None]:
    """Start them side by side, each with its first words; for each what kept it from starting, or None."""

    async def start() -> list[BaseException | None]:
        return await asyncio.gather(*(d.start(first) for d, first in dialogues), return_exceptions=True)

    found = ssh.wait(start())
    for error in found:
        if error is not None and not isinstance(error, Exception):
            raise error
    return [e for e in found if e is None or isinstance(e, Exception)]


def close_all(dialogues: Sequence[Dialogue]) -> None:
    """End them side by side."""

    async def end() -> None:
        await asyncio.gather(*(d.close() for d in dialogues))

    ssh.wait(end())
